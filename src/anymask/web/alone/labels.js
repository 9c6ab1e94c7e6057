// The objects of one picture: a label image, one id a pixel, and every step that changed it.

import { outlineOf } from "./outline.js";
import { areaOf, boxOfRuns, Runs } from "./runs.js";

const MOST_STEP_PIXELS = 64e6; // kept for undo

export class Labels {
  constructor(width, height) {
    Object.assign(this, { width, height, ids: new Uint16Array(width * height), facts: new Map(), next: 1, revision: 0 });
    Object.assign(this, { done: [], undone: [], found: null, thresholds: null, savedAt: -1 });
  }

  get state() {
    if (!this.done.length && !this.facts.size) return "new";
    if (this.savedAt === this.revision) return "saved";
    return this.editedByHand ? "edited" : "segmented";
  }

  // Whether there were steps by hand since the last run.
  get editedByHand() {
    return this.done.findLastIndex((step) => !step.byRun) > this.done.findLastIndex((step) => step.byRun);
  }

  runsOf(id) {
    const [left, top, wide, tall] = this.facts.get(id).box;
    const runs = new Runs();
    for (let y = top; y < top + tall; y++) {
      let start = -1;
      for (let x = left; x <= left + wide; x++) {
        const place = y * this.width + x;
        const inside = x < left + wide && this.ids[place] === id;
        if (inside && start < 0) start = place;
        else if (!inside && start >= 0) {
          runs.push(start, place);
          start = -1;
        }
      }
    }
    return runs.done();
  }

  // An object as the page takes it.
  object(id) {
    const { box, area, outline, ...facts } = this.facts.get(id);
    return { id, ...facts, box, area, outline };
  }

  objects(ids = [...this.facts.keys()]) {
    return ids.filter((id) => this.facts.has(id)).map((id) => this.object(id));
  }

  // Does a step: `paint` changes the ids within a box, `facts` are new facts of objects.
  change(title, box, paint, facts = new Map(), byRun = false) {
    const [left, top, wide, tall] = box;
    const before = this.part(box);
    paint(this.ids);
    const after = this.part(box);
    const touched = new Set(facts.keys());
    let isSame = true;
    for (let i = 0; i < before.length; i++) {
      if (before[i] === after[i]) continue;
      isSame = false;
      touched.add(before[i]).add(after[i]);
    }
    touched.delete(0);
    if (isSame && !facts.size) return null;
    const old = new Map([...touched].map((id) => [id, this.facts.get(id)]));
    for (const id of touched) this.facts.set(id, { ...this.facts.get(id), ...facts.get(id) });
    this.measure(touched, [left, top, wide, tall]);
    const step = { title, box, before, after, old, now: new Map([...touched].map((id) => [id, this.facts.get(id)])), byRun };
    this.done.push(step);
    this.undone = [];
    this.revision += 1;
    this.next = Math.max(this.next, ...[...touched].map((id) => id + 1));
    let kept = 0;
    const first = this.done.findLastIndex((each) => (kept += each.before.length) > MOST_STEP_PIXELS);
    if (first > 0) this.done.splice(0, first);
    return touched;
  }

  // Gives a class another name, also in what undo brings back.
  rename(old, name) {
    const all = [this.facts, ...[...this.done, ...this.undone].flatMap((step) => [step.old, step.now])];
    for (const facts of all) for (const known of facts.values()) if (known && known.class === old) known.class = name;
  }

  undo() {
    const step = this.done.pop();
    this.undone.push(step);
    return this.put(step, step.before, step.old);
  }

  redo() {
    const step = this.undone.pop();
    this.done.push(step);
    return this.put(step, step.after, step.now);
  }

  put({ box: [left, top, wide, tall] }, pixels, facts) {
    for (let y = 0; y < tall; y++) this.ids.set(pixels.subarray(y * wide, (y + 1) * wide), (top + y) * this.width + left);
    for (const [id, known] of facts) {
      if (known) this.facts.set(id, known);
      else this.facts.delete(id);
    }
    this.revision += 1;
    return new Set(facts.keys());
  }

  part([left, top, wide, tall]) {
    const pixels = new Uint16Array(wide * tall);
    for (let y = 0; y < tall; y++) {
      const start = (top + y) * this.width + left;
      pixels.set(this.ids.subarray(start, start + wide), y * wide);
    }
    return pixels;
  }

  // Box, area and outline of objects after pixels within a box have changed.
  measure(ids, box) {
    if (!box[2]) return; // only facts have
    const seen = this.extents(box);
    for (const id of ids) {
      const before = this.facts.get(id).box;
      const boxes = [seen.get(id), before && !lies(before, box) ? before : null].filter((each) => each);
      const facts = { ...this.facts.get(id), box: boxes.length ? around(boxes) : [0, 0, 0, 0] };
      this.facts.set(id, facts);
      const runs = this.runsOf(id);
      if (!runs.length) {
        this.facts.delete(id);
        continue;
      }
      facts.box = boxOfRuns(runs, this.width);
      facts.area = areaOf(runs);
      facts.outline = outlineOf(runs, this.width);
    }
  }

  // The boxes of all ids within a box.
  extents([left, top, wide, tall]) {
    const sides = new Map();
    for (let y = top; y < top + tall; y++) {
      let last = 0;
      let own = null;
      for (let x = left; x < left + wide; x++) {
        const id = this.ids[y * this.width + x];
        if (!id) continue;
        if (id !== last) {
          if (!sides.has(id)) sides.set(id, [x, y, x, y]);
          [last, own] = [id, sides.get(id)];
        }
        if (x < own[0]) own[0] = x;
        if (x > own[2]) own[2] = x;
        own[3] = y;
      }
    }
    return new Map([...sides].map(([id, [x0, y0, x1, y1]]) => [id, [x0, y0, x1 - x0 + 1, y1 - y0 + 1]]));
  }
}

const lies = ([x, y, w, h], [left, top, wide, tall]) => x >= left && y >= top && x + w <= left + wide && y + h <= top + tall;

export function around(boxes) {
  const left = Math.min(...boxes.map(([x]) => x));
  const top = Math.min(...boxes.map(([, y]) => y));
  return [left, top, Math.max(...boxes.map(([x, , w]) => x + w)) - left, Math.max(...boxes.map(([, y, , h]) => y + h)) - top];
}
