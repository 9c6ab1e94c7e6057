// From low-resolution logits to masks: enlarged twice, bilinearly, to the encoder's frame and from
// there, without the padding, to the image. Along an axis a pixel is a weighted mean of the few
// logits that it sees, so where all of them are on one side of the threshold, so is the pixel.

import { Runs } from "./runs.js";

function bilinear(from, to) {
  const scale = Math.fround(from / to);
  const [low, share] = [new Int32Array(to), new Float32Array(to)];
  for (let place = 0; place < to; place++) {
    const at = Math.fround(Math.max(scale * (place + 0.5) - 0.5, 0));
    low[place] = Math.min(Math.trunc(at), from - 1);
    share[place] = Math.min(Math.max(at - low[place], 0), 1);
  }
  return { low, high: low.map((place) => Math.min(place + 1, from - 1)), share };
}

// Pixels of an axis: the first logit that each sees, their number, and their weights.
export function axisOf(low, frame, resized, size) {
  const [inner, outer] = [bilinear(low, frame), bilinear(resized, size)];
  const window = 4;
  const [first, weights] = [new Int32Array(size), new Float32Array(size * window)];
  for (let place = 0; place < size; place++) {
    const start = Math.min(inner.low[outer.low[place]], low - window);
    first[place] = Math.max(start, 0);
    for (const [at, share] of [[outer.low[place], 1 - outer.share[place]], [outer.high[place], outer.share[place]]]) {
      weights[place * window + inner.low[at] - first[place]] += share * (1 - inner.share[at]);
      weights[place * window + inner.high[at] - first[place]] += share * inner.share[at];
    }
  }
  // Where the logits that are seen change.
  const groups = first.reduce((found, own, place) => (own === first[place - 1] ? found : [...found, place]), []);
  return { first, weights, window, size, low, groups: [...groups, size] };
}

export function axesOf(config, low, height, width, [tall, wide]) {
  return [axisOf(low, config.image_size, tall, height), axisOf(low, config.image_size, wide, width)];
}

// Which rows and columns of logits have one above the threshold.
function extent(logits, rows, cols, threshold) {
  let [top, bottom, left, right] = [rows.low, -1, cols.low, -1];
  for (let y = 0; y < rows.low; y++) {
    for (let x = 0; x < cols.low; x++) {
      if (logits[y * cols.low + x] > threshold) {
        if (y < top) top = y;
        bottom = y;
        if (x < left) left = x;
        if (x > right) right = x;
      }
    }
  }
  return [top, bottom, left, right];
}

// Runs of the pixels whose logit is above a threshold.
export function runsAbove(logits, rows, cols, threshold) {
  const [top, bottom, left, right] = extent(logits, rows, cols, threshold);
  const found = new Runs();
  const line = new Float32Array(cols.low);
  const { window, size: width, first, weights, groups } = cols;
  for (let y = 0; y < rows.size; y++) {
    if (rows.first[y] > bottom || rows.first[y] + window <= top) continue;
    for (let x = Math.max(left - window, 0); x < Math.min(right + window + 1, cols.low); x++) {
      let sum = 0;
      for (let k = 0; k < window; k++) sum += rows.weights[y * window + k] * logits[(rows.first[y] + k) * cols.low + x];
      line[x] = sum;
    }
    let start = -1;
    let x = 0;
    for (let group = 0; x < width; group++) {
      const from = first[x];
      if (from > right) break;
      const end = groups[group + 1];
      let above = 0;
      for (let k = 0; k < window && from + window > left; k++) above += line[from + k] > threshold;
      if (above === window && start < 0) start = x;
      else if (above === 0 && start >= 0) {
        found.push(y * width + start, y * width + x);
        start = -1;
      } else if (above > 0 && above < window) {
        for (; x < end; x++) {
          let sum = 0;
          for (let k = 0; k < window; k++) sum += weights[x * window + k] * line[from + k];
          if (sum > threshold && start < 0) start = x;
          else if (!(sum > threshold) && start >= 0) {
            found.push(y * width + start, y * width + x);
            start = -1;
          }
        }
      }
      x = end;
    }
    if (start >= 0) found.push(y * width + start, y * width + x);
  }
  return found.done();
}
