// Draws objects, offered masks, prompts and strokes over the picture. Every outline is dark and light,
// so that it shows on any picture to any eye.

import { drawing } from "./brush.js";
import { colourOf } from "./objects.js";
import { prompt } from "./prompting.js";
import { state } from "./state.js";
import { view, visible } from "./view.js";

export const gesture = { box: null, scribble: null, crosshair: null, hover: null };

function twoTone(context, path, light, width, dash = []) {
  context.lineJoin = "round";
  context.setLineDash([]);
  context.lineWidth = (width + 2) / view.scale;
  context.strokeStyle = "rgba(0, 0, 0, 0.8)";
  context.stroke(path);
  context.setLineDash(dash.map((length) => length / view.scale));
  context.lineWidth = width / view.scale;
  context.strokeStyle = light;
  context.stroke(path);
  context.setLineDash([]);
}

function seen(object, [left, top, right, bottom]) {
  const [x, y, width, height] = object.box;
  return x < right && y < bottom && x + width > left && y + height > top;
}

function drawObjects(context) {
  const window = visible();
  const objects = [...(state.shown || state.objects).values()].filter((each) => seen(each, window));
  objects.sort((a, b) => state.selected.has(a.id) - state.selected.has(b.id));
  for (const object of objects) {
    const chosen = !state.shown && state.selected.has(object.id);
    const colour = colourOf(object);
    context.globalAlpha = chosen ? 0.5 : gesture.hover === object.id ? 0.42 : 0.28;
    context.fillStyle = colour;
    context.fill(object.path, "evenodd");
    context.globalAlpha = 1;
    if (chosen) twoTone(context, object.path, "#ffffff", 2.5, [6, 4]);
    else twoTone(context, object.path, colour, 1.5);
  }
}

function drawOffer(context) {
  const offer = prompt.masks[prompt.chosen];
  if (!offer) return;
  context.globalAlpha = prompt.waits ? 0.2 : 0.35;
  context.fillStyle = "#ffffff";
  context.fill(offer.path, "evenodd");
  context.globalAlpha = prompt.waits ? 0.6 : 1;
  twoTone(context, offer.path, "#ffffff", 2);
  context.globalAlpha = 1;
}

function dot(context, u, v, label) {
  const size = 1 / view.scale;
  const disc = new Path2D();
  disc.arc(u, v, 7 * size, 0, 2 * Math.PI);
  context.fillStyle = label ? "#ffffff" : "#111111";
  context.fill(disc);
  context.lineWidth = 2 * size;
  context.strokeStyle = label ? "#111111" : "#ffffff";
  context.stroke(disc);
  const sign = new Path2D(); // plus or minus, not only a colour
  sign.moveTo(u - 3.5 * size, v);
  sign.lineTo(u + 3.5 * size, v);
  if (label) {
    sign.moveTo(u, v - 3.5 * size);
    sign.lineTo(u, v + 3.5 * size);
  }
  context.stroke(sign);
}

function boxPath([left, top, right, bottom]) {
  const path = new Path2D();
  path.rect(Math.min(left, right), Math.min(top, bottom), Math.abs(right - left), Math.abs(bottom - top));
  return path;
}

function drawScribble(context, { path, label }) {
  const line = new Path2D();
  path.forEach(([u, v], index) => (index ? line.lineTo(u, v) : line.moveTo(u, v)));
  twoTone(context, line, "#ffffff", 2.5, label ? [] : [3, 4]); // dashed: not this
}

function drawStroke(context) {
  const { stroke, polygon, cursor } = drawing;
  if (stroke) {
    const way = new Path2D();
    stroke.points.forEach(([u, v], index) => (index ? way.lineTo(u, v) : way.moveTo(u, v)));
    if (stroke.points.length === 1) way.lineTo(stroke.points[0][0] + 1e-3, stroke.points[0][1]);
    context.lineCap = context.lineJoin = "round";
    context.lineWidth = Math.max(2 * stroke.radius, 1);
    context.strokeStyle = stroke.erases ? "rgba(0, 0, 0, 0.55)" : "rgba(255, 255, 255, 0.6)";
    context.stroke(way);
    context.lineCap = "butt";
  }
  if (polygon.length) {
    const path = new Path2D();
    polygon.forEach(([u, v], index) => (index ? path.lineTo(u, v) : path.moveTo(u, v)));
    if (cursor) path.lineTo(...cursor);
    twoTone(context, path, "#ffffff", 2);
    const corner = new Path2D();
    corner.arc(...polygon[0], 6 / view.scale, 0, 2 * Math.PI);
    context.fillStyle = "#ffffff";
    context.fill(corner);
    twoTone(context, corner, "#ffffff", 1.5);
  }
  if (cursor && (state.tool === "brush" || state.tool === "eraser")) {
    const ring = new Path2D();
    ring.arc(...cursor, Math.max(state.brush, 0.5), 0, 2 * Math.PI);
    twoTone(context, ring, "#ffffff", 1, state.tool === "eraser" ? [4, 3] : []);
  }
}

export function drawOverlay(context) {
  const { ratio, scale } = view;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, context.canvas.width, context.canvas.height);
  if (!state.image) return;
  context.setTransform(scale * ratio, 0, 0, scale * ratio, view.x * ratio, view.y * ratio);
  if (state.visible) drawObjects(context);
  drawOffer(context);
  if (prompt.box) twoTone(context, boxPath(prompt.box), "#ffffff", 1.5, [5, 4]);
  if (gesture.box) twoTone(context, boxPath(gesture.box), "#ffffff", 1.5, [5, 4]);
  for (const scribble of prompt.scribbles) drawScribble(context, scribble);
  if (gesture.scribble) drawScribble(context, gesture.scribble);
  prompt.points.forEach(([u, v], index) => dot(context, u, v, prompt.labels[index]));
  drawStroke(context);
  if (gesture.crosshair) {
    const [u, v] = gesture.crosshair;
    const arm = 14 / scale;
    const cross = new Path2D();
    cross.moveTo(u - arm, v);
    cross.lineTo(u + arm, v);
    cross.moveTo(u, v - arm);
    cross.lineTo(u, v + arm);
    twoTone(context, cross, "#ffffff", 1.5);
  }
}
