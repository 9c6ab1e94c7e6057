// The outline of a mask along the sides of its pixels: rings [x0, y0, x1, y1, …]. A pixel belongs to
// the mask if an odd number of rings hold its centre.

const [EAST, SOUTH, WEST, NORTH] = [1, 2, 4, 8];
const STEPS = { [EAST]: [1, 0], [SOUTH]: [0, 1], [WEST]: [-1, 0], [NORTH]: [0, -1] };

// Pixels (1 or 0) of a box whose first pixel is at left, top of the image.
export function outlineOf(pixels, wide, tall, left = 0, top = 0) {
  const at = (x, y) => (x >= 0 && y >= 0 && x < wide && y < tall ? pixels[y * wide + x] : 0);
  // Of each corner, the sides that begin there, with the mask at their right hand.
  const across = wide + 1;
  const sides = new Uint8Array(across * (tall + 1));
  for (let y = 0; y < tall; y++) {
    for (let x = 0; x < wide; x++) {
      if (!pixels[y * wide + x]) continue;
      if (!at(x, y - 1)) sides[y * across + x] |= EAST;
      if (!at(x + 1, y)) sides[y * across + x + 1] |= SOUTH;
      if (!at(x, y + 1)) sides[(y + 1) * across + x + 1] |= WEST;
      if (!at(x - 1, y)) sides[(y + 1) * across + x] |= NORTH;
    }
  }
  const rings = [];
  for (let start = 0; start < sides.length; start++) {
    while (sides[start] & EAST) rings.push(ringFrom(start, sides, across, left, top));
  }
  return rings;
}

function ringFrom(start, sides, across, left, top) {
  const ring = [];
  let [corner, way] = [start, EAST];
  do {
    ring.push(left + (corner % across), top + Math.floor(corner / across));
    // Straight on as far as this side goes.
    let turns = false;
    while (!turns) {
      sides[corner] &= ~way;
      const [dx, dy] = STEPS[way];
      corner += dy * across + dx;
      turns = corner === start || sides[corner] !== way;
    }
    if (corner === start) break;
    // Where two pixels touch at a corner, each is gone around by itself.
    const [toRight, toLeft] = [way === NORTH ? EAST : way << 1, way === EAST ? NORTH : way >> 1];
    if (sides[corner] & toRight) way = toRight;
    else if (sides[corner] & toLeft) way = toLeft;
  } while (true);
  return ring;
}
