// Zoom and pan: from pixels of the image to pixels of the screen and back.

import { state, tell } from "./state.js";

export const view = { scale: 1, x: 0, y: 0, width: 1, height: 1, ratio: 1 };

let target = null;
let frame = 0;

export function redraw() {
  if (!frame) frame = requestAnimationFrame(step);
}

function step() {
  frame = 0;
  if (target) {
    // A constant share of the rest each frame: quick at first, then gentle.
    const share = 0.35;
    const ratio = (target.scale / view.scale) ** share;
    view.scale *= ratio;
    if (target.anchor) {
      const [sx, sy, u, v] = target.anchor;
      view.x = sx - u * view.scale;
      view.y = sy - v * view.scale;
    } else {
      view.x += (target.x - view.x) * share;
      view.y += (target.y - view.y) * share;
    }
    const near = Math.abs(Math.log(target.scale / view.scale)) < 0.002;
    const there = target.anchor || Math.hypot(target.x - view.x, target.y - view.y) < 0.5;
    if (near && there) {
      view.scale = target.scale;
      if (!target.anchor) Object.assign(view, { x: target.x, y: target.y });
      target = null;
      tell("settled");
    }
    clamp();
  }
  tell("draw");
  if (target) redraw();
}

export function toImage(sx, sy) {
  return [(sx - view.x) / view.scale, (sy - view.y) / view.scale];
}

export function toScreen(u, v) {
  return [u * view.scale + view.x, v * view.scale + view.y];
}

function fitting(box, margin) {
  const [left, top, width, height] = box;
  const scale = Math.min((view.width - 2 * margin) / width, (view.height - 2 * margin) / height);
  return Math.max(scale, 1e-4);
}

function limits() {
  const { width, height } = state.image;
  const whole = fitting([0, 0, width, height], 0);
  return [Math.min(whole, 1) * 0.5, 40];
}

function clamp() {
  if (!state.image) return;
  // At least a hand's width of the image stays in view.
  const edge = Math.min(80, view.width / 4, view.height / 4);
  const { width, height } = state.image;
  view.x = Math.min(Math.max(view.x, edge - width * view.scale), view.width - edge);
  view.y = Math.min(Math.max(view.y, edge - height * view.scale), view.height - edge);
}

const still = matchMedia("(prefers-reduced-motion: reduce)");

function go(next, smooth) {
  target = next;
  if (!smooth || still.matches) {
    view.scale = next.scale;
    if (next.anchor) {
      const [sx, sy, u, v] = next.anchor;
      Object.assign(view, { x: sx - u * view.scale, y: sy - v * view.scale });
    } else Object.assign(view, { x: next.x, y: next.y });
    target = null;
    clamp();
    tell("settled");
  }
  redraw();
}

export function fit(smooth = true) {
  if (state.image) showBox([0, 0, state.image.width, state.image.height], 16, smooth);
}

export function showBox(box, margin = 80, smooth = true) {
  const room = Math.min(margin, view.width / 5, view.height / 5);
  const scale = Math.min(fitting(box, room), Math.max(8, fitting([0, 0, state.image.width, state.image.height], 16)));
  const x = view.width / 2 - (box[0] + box[2] / 2) * scale;
  const y = view.height / 2 - (box[1] + box[3] / 2) * scale;
  go({ scale, x, y }, smooth);
}

export function zoom(factor, sx = view.width / 2, sy = view.height / 2, smooth = true) {
  if (!state.image) return;
  const [low, high] = limits();
  const from = target ? target.scale : view.scale;
  const scale = Math.min(Math.max(from * factor, low), high);
  const [u, v] = toImage(sx, sy);
  go({ scale, anchor: [sx, sy, u, v] }, smooth);
}

export function pan(dx, dy) {
  target = null;
  view.x += dx;
  view.y += dy;
  clamp();
  redraw();
}

// Two fingers: what was under them stays under them.
export function pinch(factor, sx, sy, dx, dy) {
  target = null;
  const [low, high] = limits();
  const [u, v] = toImage(sx - dx, sy - dy);
  view.scale = Math.min(Math.max(view.scale * factor, low), high);
  view.x = sx - u * view.scale;
  view.y = sy - v * view.scale;
  clamp();
  redraw();
}

export function resize(width, height, ratio) {
  const [u, v] = toImage(view.width / 2, view.height / 2);
  const first = view.width === 1;
  Object.assign(view, { width, height, ratio });
  if (!first) {
    view.x = width / 2 - u * view.scale;
    view.y = height / 2 - v * view.scale;
  }
  clamp();
  redraw();
}

// What is visible, in pixels of the image: left, top, right, bottom.
export function visible() {
  const [left, top] = toImage(0, 0);
  const [right, bottom] = toImage(view.width, view.height);
  const { width, height } = state.image;
  return [
    Math.min(Math.max(left, 0), width), Math.min(Math.max(top, 0), height),
    Math.min(Math.max(right, 0), width), Math.min(Math.max(bottom, 0), height),
  ];
}
