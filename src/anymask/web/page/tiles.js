// The picture, in tiles of several sizes: the coarse ones first, finer ones where one looks.

import { of, picture } from "./api.js";
import { state } from "./state.js";
import { redraw, view, visible } from "./view.js";

const kept = new Map(); // address -> bitmap, the last used last
const MOST_KEPT = 240;
const MOST_AT_ONCE = 6;
const waiting = new Map(); // address -> AbortController
const failed = new Set();

function address(level, column, row) {
  const rgb = state.image.rgbs.find((each) => each.name === state.rgb) || state.image.rgbs[0];
  const what = `tiles/${level}/${column}/${row}`;
  return of(state.image.id, what, state.rgb, state.plane, { picture: rgb.picture });
}

function levelNow() {
  const level = Math.floor(Math.log2(1 / (view.scale * view.ratio)) + 0.01);
  return Math.min(Math.max(level, 0), state.image.levels - 1);
}

function inView(level) {
  const side = state.image.tile * 2 ** level;
  const [left, top, right, bottom] = visible();
  const found = [];
  const last = (end, size) => Math.min(Math.ceil(end / side), Math.ceil(size / side));
  for (let row = Math.floor(top / side); row < last(bottom, state.image.height); row++) {
    for (let column = Math.floor(left / side); column < last(right, state.image.width); column++) {
      found.push([level, column, row]);
    }
  }
  return found;
}

async function load(path) {
  const control = new AbortController();
  waiting.set(path, control);
  try {
    kept.set(path, await picture(path, control.signal));
    while (kept.size > MOST_KEPT) {
      const [oldest, bitmap] = kept.entries().next().value;
      bitmap.close();
      kept.delete(oldest);
    }
  } catch (error) {
    if (error.name !== "AbortError") failed.add(path);
  } finally {
    waiting.delete(path);
    redraw();
  }
}

export function retryTiles() {
  failed.clear();
  redraw();
}

// Whether the coarsest picture of the image is there.
export const isThere = () => kept.has(address(state.image.levels - 1, 0, 0));

export function drawTiles(context) {
  const { ratio } = view;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, context.canvas.width, context.canvas.height);
  if (!state.image) return;
  const best = levelNow();
  const wanted = new Set();
  context.imageSmoothingEnabled = view.scale * ratio < 3;
  context.imageSmoothingQuality = "high";
  for (let level = state.image.levels - 1; level >= best; level--) {
    const asks = level === state.image.levels - 1 || level === best;
    for (const [, column, row] of inView(level)) {
      const path = address(level, column, row);
      if (asks) wanted.add(path);
      const bitmap = kept.get(path);
      if (!bitmap) continue;
      kept.delete(path);
      kept.set(path, bitmap);
      const side = state.image.tile * 2 ** level;
      const edge = (n, size, start) => Math.round((Math.min(n * side, size) * view.scale + start) * ratio);
      const x0 = edge(column, state.image.width, view.x);
      const x1 = edge(column + 1, state.image.width, view.x);
      const y0 = edge(row, state.image.height, view.y);
      const y1 = edge(row + 1, state.image.height, view.y);
      context.drawImage(bitmap, x0, y0, x1 - x0, y1 - y0);
    }
  }
  for (const [path, control] of waiting) if (!wanted.has(path)) control.abort();
  for (const path of wanted) {
    if (waiting.size >= MOST_AT_ONCE) break;
    if (!kept.has(path) && !waiting.has(path) && !failed.has(path)) load(path);
  }
}
