// Zip archives without compression: what is in them is small, or compressed already.

const TABLE = Uint32Array.from({ length: 256 }, (_, number) => {
  let value = number;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

export function crc32(bytes) {
  let sum = 0xffffffff;
  for (const byte of bytes) sum = TABLE[(sum ^ byte) & 255] ^ (sum >>> 8);
  return (sum ^ 0xffffffff) >>> 0;
}

export function joined(parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

// Numbers of 2 or 4 bytes, the lowest byte first.
function packed(...numbers) {
  const view = new DataView(new ArrayBuffer(numbers.reduce((sum, [size]) => sum + size, 0)));
  let at = 0;
  for (const [size, value] of numbers) {
    if (size === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += size;
  }
  return new Uint8Array(view.buffer);
}

const [STORED, UTF8, NEW_YEAR_1980] = [0, 0x0800, 0x0021];

// Files as [name, bytes], and a comment of the archive.
export function zipOf(files, comment = "") {
  const text = new TextEncoder();
  const [parts, index] = [[], []];
  let at = 0;
  for (const [name, bytes] of files) {
    const path = text.encode(name);
    const facts = [[2, 20], [2, UTF8], [2, STORED], [2, 0], [2, NEW_YEAR_1980], [4, crc32(bytes)], [4, bytes.length], [4, bytes.length], [2, path.length], [2, 0]];
    const head = packed([4, 0x04034b50], ...facts);
    parts.push(head, path, bytes);
    index.push(packed([4, 0x02014b50], [2, 20], ...facts, [2, 0], [2, 0], [2, 0], [4, 0], [4, at]), path);
    at += head.length + path.length + bytes.length;
  }
  const list = joined(index);
  const note = text.encode(comment);
  const end = packed([4, 0x06054b50], [2, 0], [2, 0], [2, files.length], [2, files.length], [4, list.length], [4, at], [2, note.length]);
  return joined([...parts, list, end, note]);
}
