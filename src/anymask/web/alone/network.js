// The model in ONNX Runtime: pictures to embeddings, prompts to masks. It runs in a worker.

import * as ort from "../onnxruntime/ort.wasm.min.mjs";
import { axesOf, runsAbove } from "./enlarge.js";
import { normalised, resize, resizedSize } from "./resize.js";
import { areaOf, keepClicked } from "./runs.js";

const [NO_POINT, FIRST_CORNER, SECOND_CORNER] = [-1, 2, 3];
const MOST_ENCODED = 4; // pictures whose embedding is in memory

export class Network {
  static async open(folder) {
    // Without the headers that isolate a page there is no shared memory, so one thread.
    ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(Math.max(navigator.hardwareConcurrency - 1, 1), 4) : 1;
    ort.env.wasm.wasmPaths = new URL("../onnxruntime/", import.meta.url).href;
    const file = async (name) => {
      const answer = await fetch(new URL(name, folder));
      if (!answer.ok) throw new Error(`The model's ${name} is not there (${answer.status}); put the whole folder on the server again.`);
      return answer;
    };
    const facts = await (await file("model.json")).json();
    const session = async (name) => ort.InferenceSession.create(
      new Uint8Array(await (await file(name)).arrayBuffer()), { executionProviders: ["wasm"] });
    return new Network(facts, await session("encoder.onnx"), await session("decoder.onnx"));
  }

  constructor(facts, encoder, decoder) {
    Object.assign(this, { config: facts.config, encoder, decoder });
    this.low = facts.low_res_size;
    this.none = new ort.Tensor("float32", new Float32Array(this.low ** 2), [1, 1, this.low, this.low]);
    this.hasNone = new ort.Tensor("float32", [0], [1]);
    this.encoded = new Map(); // key -> { maps, height, width, size, axes }, the last used last
    this.turn = Promise.resolve(); // a session answers one call after another
  }

  run(session, inputs) {
    const answer = this.turn.then(() => session.run(inputs));
    this.turn = answer.catch(() => {});
    return answer;
  }

  has(key) {
    return this.encoded.has(key);
  }

  // Pixels are RGBA, of height and width.
  async encode(key, pixels, height, width) {
    const side = this.config.image_size;
    const planes = normalised(resize(pixels, height, width, side), side, this.config.pixel_mean, this.config.pixel_std);
    const maps = await this.run(this.encoder, { image: new ort.Tensor("float32", planes, [1, 3, side, side]) });
    const size = resizedSize(height, width, side);
    this.encoded.set(key, { maps, height, width, size, axes: axesOf(this.config, this.low, height, width, size) });
    while (this.encoded.size > MOST_ENCODED) this.encoded.delete(this.encoded.keys().next().value);
  }

  image(key) {
    const found = this.encoded.get(key);
    this.encoded.delete(key);
    this.encoded.set(key, found);
    return found;
  }

  // Prompts of as many points each, with a box each or none: logits and scores of all their masks.
  async decode(image, points, labels, box = null) {
    const [tall, wide] = image.size;
    const [across, down] = [wide / image.width, tall / image.height];
    const each = points.map((own, index) => [
      ...own.map(([x, y], at) => [x * across, y * down, labels[index][at]]),
      ...(box ? [[box[0] * across, box[1] * down, FIRST_CORNER], [box[2] * across, box[3] * down, SECOND_CORNER]] : [[0, 0, NO_POINT]]),
    ]);
    const [count, tokens] = [each.length, each[0].length];
    const flat = each.flat();
    const found = await this.run(this.decoder, {
      ...image.maps,
      point_coords: new ort.Tensor("float32", flat.flatMap(([x, y]) => [x, y]), [count, tokens, 2]),
      point_labels: new ort.Tensor("float32", flat.map(([, , label]) => label), [count, tokens]),
      mask_input: this.none,
      has_mask_input: this.hasNone,
    });
    return { logits: found.low_res_masks.data, scores: found.iou_predictions.data, masks: found.iou_predictions.dims[1] };
  }

  // Masks of one prompt: three candidates of a single point, else one.
  async predict(key, points, labels, box) {
    const image = this.image(key);
    const several = points.length === 1 && !box;
    const { logits, scores, masks } = await this.decode(image, [points], [labels], box);
    const clicked = points.filter((_, index) => labels[index] === 1);
    const answers = [];
    for (let index = several ? 1 : 0; index < (several ? masks : 1); index++) {
      const own = logits.subarray(index * this.low ** 2, (index + 1) * this.low ** 2);
      let runs = runsAbove(own, ...image.axes, 0);
      if (this.config.keep_clicked && clicked.length && !box) runs = keepClicked(runs, image.width, image.height, clicked);
      answers.push({ score: scores[index], runs, area: areaOf(runs) });
    }
    return answers;
  }
}
