// The outline of a mask along the sides of its pixels: rings [x0, y0, x1, y1, …]. A pixel belongs to
// the mask if an odd number of rings hold its centre.

const [EAST, SOUTH, WEST, NORTH] = [0, 1, 2, 3];

// Sides by the corner where they begin, with the mask at their right hand; at a corner begin at most two.
class Sides {
  constructor(across) {
    this.across = across; // corners in a line of them
    this.from = new Map(); // corner -> [way, end, …]
  }

  add(way, x, y, endX, endY) {
    const corner = y * this.across + x;
    const side = [way, endY * this.across + endX];
    const there = this.from.get(corner);
    if (there) there.push(...side);
    else this.from.set(corner, side);
  }

  // Takes a side away. Of two, the one to the right: pixels that touch at a corner are gone around
  // each by itself.
  take(corner, before) {
    const there = this.from.get(corner);
    const [way, end] = there.splice(there.length > 2 && there[2] === (before + 1) % 4 ? 2 : 0, 2);
    if (!there.length) this.from.delete(corner);
    return [way, end];
  }

  goesEast(corner) {
    const there = this.from.get(corner);
    return there && (there[0] === EAST || there[2] === EAST);
  }

  // Between two rows: where only the lower one is mask a side goes east, where only the upper one is, west.
  addBetween(y, upper, lower) {
    let [i, j, last] = [0, 0, 0];
    while (i < upper.length || j < lower.length) {
      const next = Math.min(upper[i] ?? Infinity, lower[j] ?? Infinity);
      if (i % 2 !== j % 2) {
        if (j % 2) this.add(EAST, last, y, next, y);
        else this.add(WEST, next, y, last, y);
      }
      if (upper[i] === next) i += 1;
      if (lower[j] === next) j += 1;
      last = next;
    }
  }
}

function rowsOf(runs, width) {
  const rows = new Map();
  for (let i = 0; i < runs.length; i += 2) {
    const y = Math.floor(runs[i] / width);
    if (!rows.has(y)) rows.set(y, []);
    rows.get(y).push(runs[i] - y * width, runs[i + 1] - y * width);
  }
  return rows;
}

// The rings of a mask given as runs in an image of a width.
export function outlineOf(runs, width) {
  const rows = rowsOf(runs, width);
  const sides = new Sides(width + 1);
  for (const [y, row] of rows) {
    if (rows.has(y - 1)) sides.addBetween(y, rows.get(y - 1), row);
    else sides.addBetween(y, [], row);
    if (!rows.has(y + 1)) sides.addBetween(y + 1, row, []);
    for (let i = 0; i < row.length; i += 2) {
      sides.add(NORTH, row[i], y + 1, row[i], y);
      sides.add(SOUTH, row[i + 1], y, row[i + 1], y + 1);
    }
  }
  const rings = [];
  // Every ring has a side that goes east, and begins with one that follows on another way.
  for (const start of [...sides.from.keys()].sort((a, b) => a - b)) {
    while (sides.goesEast(start)) rings.push(ringFrom(start, sides));
  }
  return rings;
}

function ringFrom(start, sides) {
  const ring = [];
  let [corner, before] = [start, NORTH]; // so that the side to the right is the one that goes east
  do {
    const [way, end] = sides.take(corner, before);
    if (way !== before || corner === start) ring.push(corner % sides.across, Math.floor(corner / sides.across));
    [corner, before] = [end, way];
  } while (corner !== start);
  return ring;
}
