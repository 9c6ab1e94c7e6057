// Changes of a picture's objects, as the rest of anymask does them. Each returns the ids it touched.

import { ApiError } from "../page/api.js";
import { around } from "./labels.js";
import { areaOf, boxOfRuns, chosenRegions, regionsOf, Runs } from "./runs.js";

export const fresh = (facts = {}) => ({ class: "", score: null, stability: null, reviewed: false, origin: "paint", automatic: false, ...facts });
const fill = (ids, runs, id) => { for (let i = 0; i < runs.length; i += 2) ids.fill(id, runs[i], runs[i + 1]); };

function there(labels, ids) {
  const missing = ids.filter((id) => !labels.facts.has(id));
  if (missing.length) throw new ApiError(`There is no object ${missing[0]} in this image any longer.`);
  return ids;
}

const named = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

export function remove(labels, ids) {
  const all = there(labels, ids).map((id) => [id, labels.runsOf(id)]);
  const box = around(ids.map((id) => labels.facts.get(id).box));
  return labels.change(`delete ${named(ids.length, "object")}`, box, (pixels) => all.forEach(([, runs]) => fill(pixels, runs, 0)));
}

export function merge(labels, ids) {
  const into = Math.min(...there(labels, ids));
  const others = ids.filter((id) => id !== into).map((id) => labels.runsOf(id));
  const box = around(ids.map((id) => labels.facts.get(id).box));
  const facts = new Map([[into, { automatic: false }]]);
  return labels.change(`merge ${named(ids.length, "object")}`, box, (pixels) => others.forEach((runs) => fill(pixels, runs, into)), facts);
}

// Into its pieces; the largest keeps the id.
export function split(labels, id, how) {
  const runs = labels.runsOf(there(labels, [id])[0]);
  const regions = regionsOf(runs, labels.width);
  const order = regions.areas.map((_, number) => number).sort((a, b) => regions.areas[b] - regions.areas[a]);
  if (order.length < 2) {
    throw new ApiError(how === "components" ? "It is in one piece." : "This object is in one piece; cut it with the eraser first, then split it.");
  }
  const { box, area, outline, ...own } = labels.facts.get(id);
  const facts = new Map([[id, { automatic: false }]]);
  const parts = order.slice(1).map((number, index) => {
    facts.set(labels.next + index, { ...own, automatic: false });
    return [labels.next + index, chosenRegions(runs, regions, (each) => each === number)];
  });
  return labels.change("split an object", box, (pixels) => parts.forEach(([other, some]) => fill(pixels, some, other)), facts);
}

export function classify(labels, ids, name) {
  const facts = new Map(there(labels, ids).map((id) => [id, { class: name, automatic: false }]));
  return labels.change("set a class", [0, 0, 0, 0], () => {}, facts);
}

export function review(labels, ids, reviewed) {
  const facts = new Map(there(labels, ids).map((id) => [id, { reviewed, automatic: false }]));
  return labels.change("review", [0, 0, 0, 0], () => {}, facts);
}

// Run lengths of a box, column by column, as pixels of the image.
function runsOfDrawn({ size: [tall, wide], counts }, left, top, width) {
  const columns = new Uint8Array(tall * wide);
  let [at, value] = [0, 0];
  for (const count of counts) {
    columns.fill(value, at, at + count);
    at += count;
    value = 1 - value;
  }
  const runs = new Runs();
  for (let y = 0; y < tall; y++) {
    for (let x = 0; x < wide; x++) {
      if (!columns[x * tall + y]) continue;
      const start = x;
      while (x < wide && columns[x * tall + y]) x += 1;
      runs.push((top + y) * width + left + start, (top + y) * width + left + x);
    }
  }
  return runs.done();
}

export function paint(labels, { mask, left, top, how, id, tool, class: name }) {
  const runs = runsOfDrawn(mask, left, top, labels.width);
  const [target, takes] = how === "erase" ? [0, (old) => (id ? old === id : old > 0)]
    : [how === "add" ? there(labels, [id])[0] : labels.next, (old) => old === 0];
  const facts = new Map();
  if (how === "new") facts.set(target, fresh({ class: name || "" }));
  else if (id) facts.set(id, { automatic: false });
  let changed = 0;
  const draw = (pixels) => {
    for (let i = 0; i < runs.length; i += 2) {
      for (let place = runs[i]; place < runs[i + 1]; place++) {
        if (!takes(pixels[place]) || pixels[place] === target) continue;
        pixels[place] = target;
        changed += 1;
      }
    }
  };
  const isAny = runs.some((_, i) => i % 2 === 0 && labels.ids.subarray(runs[i], runs[i + 1]).some(takes));
  if (!isAny) {
    if (how === "new") throw new ApiError("Other objects cover all of this; erase them first.");
    return null;
  }
  const title = how === "erase" ? "erase" : tool === "polygon" ? "draw a polygon" : "paint";
  const touched = labels.change(title, boxOfRuns(runs, labels.width), draw, facts);
  return changed ? touched : null;
}

// What is nowhere as wide as this is a sliver: it is not worth an object.
const widthOf = (area) => Math.max(3, Math.round(Math.sqrt(area) / 20));

// The side of the largest square in each region of a mask.
function squares(runs, regions, width) {
  const most = new Int32Array(regions.areas.length);
  const [left, , wide] = boxOfRuns(runs, width);
  let [before, now, row] = [new Int32Array(wide), new Int32Array(wide), -1];
  for (let run = 0; run < runs.length / 2; run++) {
    const y = Math.floor(runs[2 * run] / width);
    if (y !== row) {
      [before, now] = y === row + 1 ? [now, before] : [new Int32Array(wide), now];
      now.fill(0);
      row = y;
    }
    for (let x = (runs[2 * run] % width) - left, end = x + runs[2 * run + 1] - runs[2 * run]; x < end; x++) {
      now[x] = x ? Math.min(before[x], before[x - 1], now[x - 1]) + 1 : 1;
      most[regions.numbers[run]] = Math.max(most[regions.numbers[run]], now[x]);
    }
  }
  return most;
}

// What of a rest is only slivers, if the whole was more.
function slivers(rest, whole, side, width) {
  const all = regionsOf(whole, width);
  if (!squares(whole, all, width).some((length) => length >= side)) return new Int32Array(0);
  const regions = regionsOf(rest, width);
  const lengths = squares(rest, regions, width);
  return chosenRegions(rest, regions, (number) => lengths[number] < side);
}

// The pixels of a mask whose object passes a test.
function where(ids, runs, test) {
  const found = new Runs();
  for (let i = 0; i < runs.length; i += 2) {
    let start = -1;
    for (let place = runs[i]; place <= runs[i + 1]; place++) {
      const inside = place < runs[i + 1] && test(ids[place]);
      if (inside && start < 0) start = place;
      else if (!inside && start >= 0) {
        found.push(start, place);
        start = -1;
      }
    }
  }
  return found.done();
}

// Makes an object of a mask. It takes pixels of objects that a run made and nobody has looked at;
// objects that someone made keep theirs.
export function commit(labels, { runs, score }, name) {
  const { ids, facts, width } = labels;
  if (!runs.length) throw new ApiError("The model found nothing there; click on the object, or draw a box.");
  const keeps = (id) => id > 0 && !facts.get(id).automatic;
  const side = widthOf(areaOf(runs));
  let got = where(ids, runs, (id) => !keeps(id));
  const kept = areaOf(got) < areaOf(runs);
  if (kept && got.length) got = without(got, slivers(got, runs, side, width));
  if (!got.length) throw new ApiError("Other objects cover this whole mask; erase them first.");
  const taken = new Set();
  for (let i = 0; i < got.length; i += 2) for (let place = got[i]; place < got[i + 1]; place++) if (ids[place]) taken.add(ids[place]);
  const gone = [...taken].map((id) => {
    const whole = labels.runsOf(id);
    return slivers(without(whole, got), whole, side, width);
  });
  const box = around([boxOfRuns(got, width), ...[...taken].map((id) => facts.get(id).box)]);
  const own = new Map([[labels.next, fresh({ class: name, score, origin: "click" })]]);
  const before = [...taken].map((id) => [id, facts.get(id).area]);
  const id = labels.next;
  const touched = labels.change("commit a mask", box, (pixels) => {
    gone.forEach((some) => fill(pixels, some, 0));
    fill(pixels, got, id);
  }, own);
  const lost = before.filter(([other]) => !facts.has(other)).map(([other]) => other);
  const note = lost.length ? `${lost.length === 1 ? `Object ${lost[0]} was` : `Objects ${lost.join(", ")} were`} replaced; undo brings back what was there.`
    : kept ? "Other objects keep their pixels of this mask." : "";
  return { touched, note };
}

// Runs less those of another mask.
function without(runs, others) {
  const found = new Runs(runs.length + 2);
  let j = 0;
  for (let i = 0; i < runs.length; i += 2) {
    let at = runs[i];
    while (j > 0 && others[j - 1] > at) j -= 2;
    for (; j < others.length && others[j] < runs[i + 1]; j += 2) {
      if (others[j + 1] <= at) continue;
      if (others[j] > at) found.push(at, others[j]);
      at = others[j + 1];
    }
    if (at < runs[i + 1]) found.push(at, runs[i + 1]);
  }
  return found.done();
}

// Replaces all objects by masks of a run, the largest first.
export function replaceAll(labels, masks, title) {
  const all = new Map(masks.map(({ score, stability }, index) => [
    index + 1, fresh({ score: round(score), stability: round(stability), origin: "everything", automatic: true }),
  ]));
  if (masks.length > 65535) throw new ApiError("There are more than 65,535 objects; raise the thresholds.");
  return labels.change(title, [0, 0, labels.width, labels.height], (pixels) => {
    pixels.fill(0);
    masks.forEach(({ runs }, index) => fill(pixels, runs, index + 1));
  }, all, true);
}

const round = (value) => Number(value.toFixed(4));
