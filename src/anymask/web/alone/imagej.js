// Masks as ImageJ's ROIs: one file an object, in a zip for the ROI Manager.

import { joined, zipOf } from "./zip.js";

const [VERSION, RECTANGLE, TRACED] = [228, 1, 8];
const [HEADER, HEADER2] = [64, 64];
const MOST_WHOLE = 32767; // ImageJ's integers have 16 bits
const [MOVE, LINE, CLOSE] = [0, 1, 4]; // of a path of several rings

// Text in 16 bits a character, the high byte first.
function wide(text) {
  const view = new DataView(new ArrayBuffer(2 * text.length));
  for (let i = 0; i < text.length; i++) view.setUint16(2 * i, text.charCodeAt(i));
  return new Uint8Array(view.buffer);
}

function ringOf(ring, left, top) {
  const count = ring.length / 2;
  const view = new DataView(new ArrayBuffer(4 * count)); // all x, then all y
  for (let i = 0; i < count; i++) {
    view.setInt16(2 * i, ring[2 * i] - left);
    view.setInt16(2 * (count + i), ring[2 * i + 1] - top);
  }
  return view;
}

function pathOf(rings) {
  const steps = rings.flatMap((ring) => [
    ...Array.from({ length: ring.length / 2 }, (_, i) => [i ? LINE : MOVE, ring[2 * i], ring[2 * i + 1]]).flat(), CLOSE,
  ]);
  const view = new DataView(new ArrayBuffer(4 * steps.length));
  steps.forEach((value, index) => view.setFloat32(4 * index, value));
  return view;
}

export function roiOf({ outline, box: [left, top, width, height] }, name, notes) {
  const isPlain = outline.length === 1 && Math.max(left + width, top + height) <= MOST_WHOLE;
  const shape = isPlain ? ringOf(outline[0], left, top) : pathOf(outline);
  const [title, properties] = [wide(name), wide(notes)];
  const head = new DataView(new ArrayBuffer(HEADER));
  const second = new DataView(new ArrayBuffer(HEADER2));
  const after = HEADER + shape.byteLength + HEADER2;
  [..."Iout"].forEach((letter, index) => head.setUint8(index, letter.charCodeAt(0)));
  head.setInt16(4, VERSION);
  head.setUint8(6, isPlain ? TRACED : RECTANGLE);
  [top, left, top + height, left + width].forEach((side, index) => head.setInt16(8 + 2 * index, Math.min(side, MOST_WHOLE)));
  if (isPlain) head.setUint16(16, outline[0].length / 2);
  else head.setInt32(36, shape.byteLength / 4);
  head.setInt32(60, HEADER + shape.byteLength);
  second.setInt32(16, after);
  second.setInt32(20, name.length);
  second.setInt32(40, after + title.length);
  second.setInt32(44, notes.length);
  return joined([...[head, shape, second].map((view) => new Uint8Array(view.buffer)), title, properties]);
}

export function roisOf({ width, height, facts }) {
  const all = [...facts].sort(([a], [b]) => a - b);
  const digits = Math.max(4, String(all.at(-1)[0]).length);
  const files = all.map(([id, own]) => {
    const number = String(id).padStart(digits, "0");
    const notes = `anymask: ${JSON.stringify({ id, class: own.class, height, width })}\n`;
    return [`${number}.roi`, roiOf(own, own.class ? `${number}-${own.class}` : number, notes)];
  });
  return zipOf(files, JSON.stringify({ anymask: [height, width] }));
}
