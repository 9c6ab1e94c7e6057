// Drawing by hand: strokes and polygons become pixels here, exactly those that are sent.

import { step } from "./objects.js";
import { fail, say, select, state } from "./state.js";
import { redraw } from "./view.js";

export const drawing = { stroke: null, polygon: [], path: null, cursor: null };

// All pixels whose centre lies in the disc or under its way.
class Mask {
  constructor() {
    this.rows = new Map(); // y -> list of [from, to)
  }

  span(y, from, to) {
    if (y < 0 || y >= state.image.height) return;
    from = Math.max(from, 0);
    to = Math.min(to, state.image.width);
    if (from >= to) return;
    if (!this.rows.has(y)) this.rows.set(y, []);
    this.rows.get(y).push([from, to]);
  }

  disc(u, v, radius) {
    if (radius < 0.75) return this.span(Math.floor(v), Math.floor(u), Math.floor(u) + 1);
    for (let y = Math.ceil(v - radius - 0.5); y + 0.5 <= v + radius; y++) {
      const half = Math.sqrt(Math.max(radius ** 2 - (y + 0.5 - v) ** 2, 0));
      this.span(y, Math.ceil(u - half - 0.5), Math.floor(u + half - 0.5) + 1);
    }
  }

  line(from, to, radius) {
    const steps = Math.max(1, Math.ceil(Math.hypot(to[0] - from[0], to[1] - from[1]) / Math.max(radius / 3, 0.5)));
    for (let i = 0; i <= steps; i++) {
      const share = i / steps;
      this.disc(from[0] + (to[0] - from[0]) * share, from[1] + (to[1] - from[1]) * share, radius);
    }
  }

  polygon(corners) {
    const heights = corners.map(([, v]) => v);
    for (let y = Math.floor(Math.min(...heights)); y <= Math.max(...heights); y++) {
      const crossings = [];
      corners.forEach(([u0, v0], index) => {
        const [u1, v1] = corners[(index + 1) % corners.length];
        const middle = y + 0.5;
        if (v0 > middle !== v1 > middle) crossings.push(((u1 - u0) * (middle - v0)) / (v1 - v0) + u0);
      });
      crossings.sort((a, b) => a - b);
      for (let i = 0; i + 1 < crossings.length; i += 2) {
        this.span(y, Math.ceil(crossings[i] - 0.5), Math.ceil(crossings[i + 1] - 0.5));
      }
    }
  }

  // Run lengths as in COCO, of the box around the mask: column by column, background first.
  sent() {
    const ys = [...this.rows.keys()];
    if (!ys.length) return null;
    const spans = [...this.rows.values()].flat();
    const top = ys.reduce((a, b) => Math.min(a, b));
    const bottom = ys.reduce((a, b) => Math.max(a, b)) + 1;
    const left = spans.reduce((a, [from]) => Math.min(a, from), Infinity);
    const right = spans.reduce((a, [, to]) => Math.max(a, to), 0);
    const [width, height] = [right - left, bottom - top];
    const pixels = new Uint8Array(width * height);
    for (const [y, row] of this.rows) {
      for (const [from, to] of row) for (let x = from; x < to; x++) pixels[(x - left) * height + y - top] = 1;
    }
    const counts = [];
    let [value, run] = [0, 0];
    for (const pixel of pixels) {
      if (pixel === value) run += 1;
      else {
        counts.push(run);
        [value, run] = [pixel, 1];
      }
    }
    counts.push(run);
    return { mask: { size: [height, width], counts }, left, top };
  }
}

export function beginStroke(u, v, erases) {
  drawing.stroke = { erases, points: [[u, v]], mask: new Mask(), radius: state.brush };
  drawing.stroke.mask.disc(u, v, state.brush);
  redraw();
}

export function continueStroke(u, v) {
  const { points, mask, radius } = drawing.stroke;
  mask.line(points[points.length - 1], [u, v], radius);
  points.push([u, v]);
  redraw();
}

export function cancelStroke() {
  drawing.stroke = null;
  redraw();
}

export async function endStroke() {
  const { stroke } = drawing;
  const sent = stroke && stroke.mask.sent();
  if (!sent) return cancelStroke();
  const [id] = state.selected.size === 1 ? state.selected : [null];
  await draw(stroke.erases ? { ...sent, how: "erase", id } : { ...sent, how: id ? "add" : "new", id });
  if (drawing.stroke === stroke) cancelStroke(); // shown until the server has it
}

export function addCorner(u, v) {
  drawing.polygon.push([u, v]);
  redraw();
}

export function dropCorner() {
  drawing.polygon.pop();
  redraw();
}

export async function closePolygon() {
  const corners = drawing.polygon;
  if (corners.length < 3) return say("A polygon needs three corners or more; click where they are.");
  const mask = new Mask();
  mask.polygon(corners);
  const sent = mask.sent();
  drawing.polygon = [];
  redraw();
  if (sent) await draw({ ...sent, how: "new", tool: "polygon" });
}

export function cancelDrawing() {
  drawing.polygon = [];
  cancelStroke();
}

async function draw(body) {
  const isNew = body.how === "new";
  try {
    const answer = await step("paint", { class: isNew ? state.activeClass : "", ...body });
    if (isNew && answer.objects.length === 1) {
      // Further strokes go to the same object, until it is let go with Escape.
      if (!body.tool) select([answer.objects[0].id]);
    } else if (answer.nothing) say(body.how === "erase" ? "There was nothing to erase." : "Other objects are there already.");
  } catch (error) {
    fail(error);
  }
}
