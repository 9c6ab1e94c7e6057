// Everything in a picture: a grid of points is asked, and what is sure and stable enough is returned.
// Masks are judged and compared at the size of the encoder's frame; those that are kept are drawn at
// the size of the picture.

import { axisOf, runsAbove } from "./enlarge.js";
import { areaOf } from "./runs.js";

const POINTS_AT_ONCE = 8;

function grid(perSide) {
  const places = Array.from({ length: perSide }, (_, index) => (index + 0.5) / perSide);
  return places.flatMap((v) => places.map((u) => [u, v]));
}

// The window of logits that a mask needs, as whole numbers of a share of its largest.
function windowOf(logits, side, lowest) {
  let [top, bottom, left, right, most] = [side, -1, side, -1, 0];
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const value = logits[y * side + x];
      if (value > lowest) {
        [top, bottom] = [Math.min(top, y), Math.max(bottom, y)];
        [left, right] = [Math.min(left, x), Math.max(right, x)];
      }
    }
  }
  [top, left] = [Math.max(top - 4, 0), Math.max(left - 4, 0)];
  [bottom, right] = [Math.min(bottom + 5, side), Math.min(right + 5, side)];
  const [tall, wide] = [bottom - top, right - left];
  for (let y = top; y < bottom; y++) for (let x = left; x < right; x++) most = Math.max(most, Math.abs(logits[y * side + x]));
  const step = most / 32767 || 1;
  const values = new Int16Array(tall * wide);
  for (let y = 0; y < tall; y++) {
    for (let x = 0; x < wide; x++) values[y * wide + x] = Math.round(logits[(top + y) * side + left + x] / step);
  }
  return { top, left, tall, wide, step, values, side };
}

// The logits of a window again, -1 beyond it.
export function logitsOf({ top, left, tall, wide, step, values, side }) {
  const logits = new Float32Array(side * side).fill(-step * 32767);
  for (let y = 0; y < tall; y++) {
    for (let x = 0; x < wide; x++) logits[(top + y) * side + left + x] = values[y * wide + x] * step;
  }
  return logits;
}

export async function findEverything(network, key, perSide, limits, progress, isCancelled) {
  const { config, low } = network;
  const image = network.image(key);
  const own = config.everything;
  const offset = own.stability_score_offset;
  const frame = image.size.map((length) => axisOf(low, config.image_size, length, length));
  const most = own.max_mask_share * image.size[0] * image.size[1];
  const points = grid(perSide);
  const found = [];
  for (let start = 0; start < points.length; start += POINTS_AT_ONCE) {
    if (isCancelled()) return null;
    const some = points.slice(start, start + POINTS_AT_ONCE).map(([u, v]) => [u * image.width, v * image.height]);
    const { logits, scores, masks } = await network.decode(image, some.map((point) => [point]), some.map(() => [1]));
    for (let index = 0; index < some.length * masks; index++) {
      if (index % masks === 0 || !(scores[index] > limits.pred_iou)) continue; // the single mask is not asked for
      const mask = logits.subarray(index * low * low, (index + 1) * low * low);
      const upper = areaOf(runsAbove(mask, ...frame, offset));
      const stability = upper / areaOf(runsAbove(mask, ...frame, -offset));
      if (!(stability >= limits.stability)) continue;
      const runs = runsAbove(mask, ...frame, 0);
      const area = areaOf(runs);
      if (area && area <= most) found.push({ score: scores[index], stability, runs, area, window: windowOf(mask, low, 0) });
    }
    progress(Math.min((start + POINTS_AT_ONCE) / points.length, 1));
    await new Promise((done) => { setTimeout(done); }); // clicks come in between
  }
  return found;
}
