// Masks as runs: pairs of a first place and the place after the last, row by row, in an image of a
// given width. No run goes across the end of a row.

export class Runs {
  constructor(length = 256) {
    this.values = new Int32Array(length);
    this.length = 0;
  }

  push(start, end) {
    if (this.length + 2 > this.values.length) {
      const larger = new Int32Array(this.values.length * 2);
      larger.set(this.values);
      this.values = larger;
    }
    this.values[this.length++] = start;
    this.values[this.length++] = end;
  }

  done() {
    return this.values.slice(0, this.length);
  }
}

export function areaOf(runs) {
  let area = 0;
  for (let i = 0; i < runs.length; i += 2) area += runs[i + 1] - runs[i];
  return area;
}

// Left, top, width, height; zeros for a mask without pixels.
export function boxOfRuns(runs, width) {
  if (!runs.length) return [0, 0, 0, 0];
  let [left, right] = [width, 0];
  for (let i = 0; i < runs.length; i += 2) {
    const start = runs[i] % width;
    left = Math.min(left, start);
    right = Math.max(right, start + runs[i + 1] - runs[i]);
  }
  const top = Math.floor(runs[0] / width);
  return [left, top, right - left, Math.floor(runs[runs.length - 2] / width) + 1 - top];
}

export function iou(a, b, areas) {
  let [i, j, common] = [0, 0, 0];
  while (i < a.length && j < b.length) {
    const shared = Math.min(a[i + 1], b[j + 1]) - Math.max(a[i], b[j]);
    if (shared > 0) common += shared;
    if (a[i + 1] < b[j + 1]) i += 2;
    else j += 2;
  }
  const either = areas[0] + areas[1] - common;
  return either ? common / either : 0;
}

// The pixels that are not in the mask, as runs.
export function complement(runs, width, height) {
  const found = new Runs();
  let i = 0;
  for (let y = 0; y < height; y++) {
    let at = y * width;
    const end = at + width;
    for (; i < runs.length && runs[i] < end; i += 2) {
      if (runs[i] > at) found.push(at, runs[i]);
      at = runs[i + 1];
    }
    if (at < end) found.push(at, end);
  }
  return found.done();
}

// All runs of both, joined where they touch.
export function union(a, b, width) {
  const found = new Runs(a.length + b.length + 2);
  let [i, j, start, end] = [0, 0, -1, -1];
  while (i < a.length || j < b.length) {
    const fromA = j >= b.length || (i < a.length && a[i] <= b[j]);
    const [from, to] = fromA ? [a[i], a[i + 1]] : [b[j], b[j + 1]];
    if (fromA) i += 2;
    else j += 2;
    if (from <= end && Math.floor(from / width) === Math.floor(start / width)) end = Math.max(end, to);
    else {
      if (end > start) found.push(start, end);
      [start, end] = [from, to];
    }
  }
  if (end > start) found.push(start, end);
  return found.done();
}

// The regions of a mask, connected through sides and corners: a number for each run, and areas.
export function regionsOf(runs, width) {
  const count = runs.length / 2;
  const parent = Int32Array.from({ length: count }, (_, index) => index);
  const root = (index) => {
    while (parent[index] !== index) index = parent[index] = parent[parent[index]];
    return index;
  };
  let above = 0;
  for (let run = 0; run < count; run++) {
    const [start, end] = [runs[2 * run] - width, runs[2 * run + 1] - width];
    const row = Math.floor(runs[2 * run] / width);
    while (above < run && runs[2 * above + 1] < start) above += 1;
    for (let other = above; other < run && runs[2 * other] <= end; other++) {
      // A corner at the end of a row is none at the beginning of the next.
      if (Math.floor(runs[2 * other] / width) !== row - 1) continue;
      const [a, b] = [root(run), root(other)];
      if (a !== b) parent[Math.max(a, b)] = Math.min(a, b);
    }
  }
  const numbers = new Int32Array(count);
  const known = new Map();
  const areas = [];
  for (let run = 0; run < count; run++) {
    const top = root(run);
    if (!known.has(top)) {
      known.set(top, areas.length);
      areas.push(0);
    }
    numbers[run] = known.get(top);
    areas[numbers[run]] += runs[2 * run + 1] - runs[2 * run];
  }
  return { numbers, areas };
}

// The runs whose region is wanted.
export function chosenRegions(runs, { numbers }, wanted) {
  const found = new Runs(runs.length + 2);
  numbers.forEach((number, run) => {
    if (wanted(number)) found.push(runs[2 * run], runs[2 * run + 1]);
  });
  return found.done();
}

export function holds(runs, place) {
  let [low, high] = [0, runs.length / 2];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (runs[2 * middle + 1] <= place) low = middle + 1;
    else high = middle;
  }
  return low < runs.length / 2 && runs[2 * low] <= place ? low : -1;
}

// Only the regions with a click on the object; the mask itself if no click lies on it.
export function keepClicked(runs, width, height, points) {
  const hit = points.map(([x, y]) => [Math.floor(x + 0.5), Math.floor(y + 0.5)])
    .map(([x, y]) => holds(runs, Math.min(Math.max(y, 0), height - 1) * width + Math.min(Math.max(x, 0), width - 1)))
    .filter((run) => run >= 0);
  if (!hit.length) return runs;
  const regions = regionsOf(runs, width);
  const wanted = new Set(hit.map((run) => regions.numbers[run]));
  return wanted.size === regions.areas.length ? runs : chosenRegions(runs, regions, (number) => wanted.has(number));
}

// Fills holes and removes islands of fewer pixels than `least`; the largest island always stays.
export function withoutSmall(runs, width, height, least) {
  if (!runs.length) return runs;
  const others = complement(runs, width, height);
  const holes = regionsOf(others, width);
  let filled = runs;
  if (holes.areas.some((area) => area < least)) {
    filled = union(runs, chosenRegions(others, holes, (number) => holes.areas[number] < least), width);
  }
  const islands = regionsOf(filled, width);
  if (islands.areas.every((area) => area >= least)) return filled;
  const largest = islands.areas.indexOf(Math.max(...islands.areas));
  return chosenRegions(filled, islands, (number) => islands.areas[number] >= least || number === largest);
}
