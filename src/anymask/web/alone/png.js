// Label images as PNG of 8 or 16 bits, with the classes of the objects in a text field.

import { crc32, joined } from "./zip.js";

const MOST_BYTE = 255;

function chunk(kind, bytes) {
  const body = joined([new TextEncoder().encode(kind), bytes]);
  const view = new DataView(new ArrayBuffer(8));
  view.setUint32(0, bytes.length);
  view.setUint32(4, crc32(body));
  return joined([new Uint8Array(view.buffer, 0, 4), body, new Uint8Array(view.buffer, 4, 4)]);
}

async function compressed(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

export async function labelPng({ width, height, ids, facts }) {
  const size = Math.max(...facts.keys()) > MOST_BYTE ? 2 : 1;
  const lines = new Uint8Array(height * (1 + width * size)); // each begins with 0: as it is
  for (let y = 0, at = 0; y < height; y++) {
    at += 1;
    for (let x = 0; x < width; x++) {
      const id = ids[y * width + x];
      if (size === 2) lines[at++] = id >> 8;
      lines[at++] = id & 255;
    }
  }
  const head = new DataView(new ArrayBuffer(13));
  head.setUint32(0, width);
  head.setUint32(4, height);
  head.setUint8(8, 8 * size); // grey, no interlacing
  const chunks = [chunk("IHDR", new Uint8Array(head.buffer))];
  const classes = Object.fromEntries([...facts].filter(([, own]) => own.class).map(([id, own]) => [id, own.class]));
  if (Object.keys(classes).length) {
    // Keyword, not compressed, no language, no translation.
    const text = `anymask\0\0\0\0\0${JSON.stringify({ anymask: { classes } })}`;
    chunks.push(chunk("iTXt", new TextEncoder().encode(text)));
  }
  chunks.push(chunk("IDAT", await compressed(lines)), chunk("IEND", new Uint8Array(0)));
  return joined([Uint8Array.of(137, 80, 78, 71, 13, 10, 26, 10), ...chunks]);
}
