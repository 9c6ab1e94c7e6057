// Pictures that were opened: their pixels, tiles and thumbnails.

import { ApiError } from "../page/api.js";
import { Labels } from "./labels.js";
import { withoutTransparent } from "./resize.js";

const TILE = 512; // pixels of the screen
const MOST_PIXELS = 100e6;
const THUMBNAIL = 128;

export class Picture {
  // From a file, upright, with the values that are in it.
  static async open(id, name, file) {
    let bitmap;
    try {
      bitmap = await createImageBitmap(file, { premultiplyAlpha: "none", colorSpaceConversion: "none", imageOrientation: "from-image" });
    } catch {
      throw new ApiError(`${name} is no picture that this browser can read; save it as PNG, JPEG or WebP.`);
    }
    if (bitmap.width * bitmap.height > MOST_PIXELS) {
      throw new ApiError(`${name} has more than ${MOST_PIXELS / 1e6} million pixels, too many for this page; anymask on your computer opens it.`);
    }
    const picture = new Picture(id, name, bitmap);
    picture.thumbnail = await picture.small();
    return picture;
  }

  constructor(id, name, bitmap) {
    Object.assign(this, { id, name, bitmap, width: bitmap.width, height: bitmap.height, labels: new Labels(bitmap.width, bitmap.height) });
    this.levels = 1;
    while (Math.max(this.width, this.height) > TILE * 2 ** (this.levels - 1)) this.levels += 1;
  }

  // Facts as a server tells them.
  facts() {
    return {
      id: this.id, name: this.name, width: this.width, height: this.height, planes: 1, places: [], bands: 1,
      state: this.labels.state, missing: false, levels: this.levels, tile: TILE,
      rgbs: [{ name: "colour", is_default: true, state: this.labels.state, picture: this.id }],
    };
  }

  async pixels() {
    const canvas = new OffscreenCanvas(this.width, this.height);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(this.bitmap, 0, 0);
    const { data } = context.getImageData(0, 0, this.width, this.height);
    withoutTransparent(data);
    return data;
  }

  tile(level, column, row) {
    const side = TILE * 2 ** level;
    const [left, top] = [column * side, row * side];
    const [wide, tall] = [Math.min(side, this.width - left), Math.min(side, this.height - top)];
    const size = (length) => Math.max(1, Math.ceil(length / 2 ** level));
    return createImageBitmap(this.bitmap, left, top, wide, tall, { resizeWidth: size(wide), resizeHeight: size(tall), resizeQuality: "medium" });
  }

  async small() {
    const scale = Math.min(THUMBNAIL / this.width, THUMBNAIL / this.height, 1);
    const canvas = new OffscreenCanvas(Math.max(1, Math.round(this.width * scale)), Math.max(1, Math.round(this.height * scale)));
    const context = canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(this.bitmap, 0, 0, canvas.width, canvas.height);
    return URL.createObjectURL(await canvas.convertToBlob());
  }
}
