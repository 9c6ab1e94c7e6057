// From the pixels of a picture to what the encoder takes: the same numbers as in Python.

const BITS = 22; // of the fixed-point weights, as Pillow has them

// Height and width of the copy whose longest side is `side`; halves are rounded up.
export function resizedSize(height, width, side) {
  const scale = side / Math.max(height, width);
  return [height, width].map((length) => Math.max(1, Math.floor(length * scale + 0.5)));
}

// Weights of the triangle filter, which averages when it shrinks: for each new pixel the first old
// one, how many there are, and their weights in whole numbers.
function filter(from, to) {
  const scale = from / to;
  const reach = Math.max(scale, 1);
  const most = Math.ceil(reach) * 2 + 1;
  const [first, count, weights] = [new Int32Array(to), new Int32Array(to), new Int32Array(to * most)];
  for (let place = 0; place < to; place++) {
    const centre = (place + 0.5) * scale;
    const low = Math.max(Math.trunc(centre - reach + 0.5), 0);
    const high = Math.min(Math.trunc(centre + reach + 0.5), from);
    const own = [];
    for (let old = low; old < high; old++) own.push(Math.max(1 - Math.abs((old - centre + 0.5) / reach), 0));
    const sum = own.reduce((a, b) => a + b, 0);
    own.forEach((weight, index) => { weights[place * most + index] = Math.floor((weight / sum) * 2 ** BITS + 0.5); });
    first[place] = low;
    count[place] = high - low;
  }
  return { first, count, weights, most };
}

// Along one axis: `lines` lines of `to` new values, whose neighbours lie `step` apart.
function along(source, target, { first, count, weights, most }, lines, oldLine, newLine, step) {
  const to = first.length;
  for (let line = 0; line < lines; line++) {
    for (let place = 0; place < to; place++) {
      const from = line * oldLine + first[place] * step;
      const into = line * newLine + place * step;
      let [red, green, blue] = [1 << (BITS - 1), 1 << (BITS - 1), 1 << (BITS - 1)];
      for (let index = 0; index < count[place]; index++) {
        const weight = weights[place * most + index];
        const at = from + index * step;
        red += source[at] * weight;
        green += source[at + 1] * weight;
        blue += source[at + 2] * weight;
      }
      target[into] = red >> BITS;
      target[into + 1] = green >> BITS;
      target[into + 2] = blue >> BITS;
    }
  }
}

// RGBA pixels of height and width to the size of `resizedSize`, rounded after each axis.
export function resize(pixels, height, width, side) {
  const [tall, wide] = resizedSize(height, width, side);
  let now = pixels;
  if (wide !== width) {
    const narrow = new Uint8ClampedArray(height * wide * 4);
    along(now, narrow, filter(width, wide), height, width * 4, wide * 4, 4);
    now = narrow;
  }
  if (tall !== height) {
    // Columns are lines too: the next value of one lies a row further on.
    const low = new Uint8ClampedArray(tall * wide * 4);
    const weights = filter(height, tall);
    for (let column = 0; column < wide; column++) {
      along(now.subarray(column * 4), low.subarray(column * 4), weights, 1, 0, 0, wide * 4);
    }
    now = low;
  }
  return { pixels: now, height: tall, width: wide };
}

// Where there is no data, as in fully transparent pixels, Python has black.
export function withoutTransparent(pixels) {
  for (let at = 3; at < pixels.length; at += 4) {
    if (pixels[at] === 0) pixels[at - 1] = pixels[at - 2] = pixels[at - 3] = 0;
  }
}

// Normalised planes (3, side, side) with zeros at right and bottom.
export function normalised({ pixels, height, width }, side, mean, std) {
  const planes = new Float32Array(3 * side * side);
  for (let channel = 0; channel < 3; channel++) {
    const plane = planes.subarray(channel * side * side);
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        plane[y * side + x] = (pixels[(y * width + x) * 4 + channel] - mean[channel]) / std[channel];
      }
    }
  }
  return planes;
}
