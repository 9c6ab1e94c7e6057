// The objects of the image that is shown, and every step that changes them.

import { get, of, post } from "./api.js";
import { fail, say, select, state, tell } from "./state.js";
import { redraw } from "./view.js";

// Told apart also by people who do not see all colours (Okabe and Ito).
const COLOURS = ["#56b4e9", "#e69f00", "#009e73", "#cc79a7", "#f0e442", "#d55e00", "#0072b2"];
const NO_CLASS = "#c6cfcf"; // once there are classes, their colours mean something

export function pathOf(rings) {
  const path = new Path2D();
  for (const ring of rings) {
    path.moveTo(ring[0], ring[1]);
    for (let i = 2; i < ring.length; i += 2) path.lineTo(ring[i], ring[i + 1]);
    path.closePath();
  }
  return path;
}

export function boxOf(rings) {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const ring of rings) {
    for (let i = 0; i < ring.length; i += 2) {
      left = Math.min(left, ring[i]);
      right = Math.max(right, ring[i]);
      top = Math.min(top, ring[i + 1]);
      bottom = Math.max(bottom, ring[i + 1]);
    }
  }
  return [left, top, right - left, bottom - top];
}

export function colourOf(object) {
  const known = object.class && state.classes.find((each) => each.name === object.class);
  if (known) return known.color;
  return state.classes.length ? NO_CLASS : COLOURS[(object.id - 1) % COLOURS.length];
}

function prepared(object) {
  return { ...object, path: pathOf(object.outline), box: object.box || boxOf(object.outline) };
}

// The object at a place of the image; where several are, the smallest.
export function objectAt(u, v) {
  let found = null;
  for (const object of state.objects.values()) {
    const [left, top, width, height] = object.box;
    if (u < left || v < top || u >= left + width || v >= top + height) continue;
    if (holds(object.outline, u, v) && (!found || object.area < found.area)) found = object;
  }
  return found;
}

function holds(rings, u, v) {
  let inside = false;
  for (const ring of rings) {
    for (let i = 0, j = ring.length - 2; i < ring.length; j = i, i += 2) {
      const [x0, y0, x1, y1] = [ring[j], ring[j + 1], ring[i], ring[i + 1]];
      if (y0 > v !== y1 > v && u < ((x1 - x0) * (v - y0)) / (y1 - y0) + x0) inside = !inside;
    }
  }
  return inside;
}

export function here() {
  return [state.image?.id, state.rgb, state.plane].join("/");
}

function note(answer) {
  state.revision = answer.revision;
  state.undo = answer.undo;
  state.redo = answer.redo;
  if (state.image) state.image.state = answer.state;
}

export async function loadObjects() {
  const place = here();
  const answer = await get(of(state.image.id, "objects", state.rgb, state.plane, { masks: "outline" }));
  if (place !== here()) return; // another image is shown by now
  note(answer);
  state.shown = null;
  state.objects = new Map(answer.objects.map((object) => [object.id, prepared(object)]));
  select(state.selected);
  tell("objects");
  redraw();
}

function take(answer) {
  note(answer);
  state.shown = null;
  for (const id of answer.gone) state.objects.delete(id);
  for (const object of answer.objects) state.objects.set(object.id, prepared(object));
  select(state.selected);
  tell("objects");
  redraw();
  if (answer.note) say(answer.note);
}

let turn = Promise.resolve();
export const steps = { running: 0 };

// Does a step after those before it. The server refuses it if someone else was quicker.
export function step(what, body = {}, { checked = true } = {}) {
  const place = here();
  const done = turn.then(async () => {
    if (place !== here()) throw new Error("Another image is shown by now.");
    steps.running += 1;
    try {
      const given = checked ? { ...body, revision: state.revision } : body;
      const answer = await post(of(state.image.id, what, state.rgb, state.plane), given);
      if (place === here()) {
        const missed = answer.before !== state.revision; // someone else was at it too
        take(answer);
        if (missed) await loadObjects();
      }
      return answer;
    } catch (error) {
      if (error.code === "revision" && place === here()) await loadObjects();
      throw error;
    } finally {
      steps.running -= 1;
    }
  });
  turn = done.catch(() => {});
  return done;
}

const quietly = (promise) => promise.catch(fail);

export async function undo() {
  if (!state.undo) return say("There is nothing to undo in this image.");
  await quietly(step("undo"));
}

export async function redo() {
  if (!state.redo) return say("There is nothing to redo in this image.");
  await quietly(step("redo"));
}

function needed(least, sentence) {
  if (state.selected.size < least) say(sentence);
  return state.selected.size >= least;
}

export async function removeSelected() {
  if (!needed(1, "Select an object first: tool Select, then click on it.")) return;
  await quietly(step("delete", { ids: [...state.selected] }));
}

export async function mergeSelected() {
  if (!needed(2, "Select two objects or more to merge: hold Shift while you click.")) return;
  const ids = [...state.selected];
  const answer = await quietly(step("merge", { ids }));
  if (answer) select([Math.min(...ids)]);
}

export async function splitSelected() {
  if (!needed(1, "Select an object first: tool Select, then click on it.")) return;
  const [id] = state.selected;
  const answer = await step("split", { id, how: "components" }).catch(async (error) => {
    // An object in one piece may still have necks.
    if (error.status === 400) return quietly(step("split", { id, how: "watershed" }));
    return fail(error);
  });
  if (answer) select(answer.objects.map((object) => object.id));
}

export async function classifySelected(name) {
  if (state.selected.size) await quietly(step("classify", { ids: [...state.selected], class: name }));
}

export async function reviewSelected(reviewed = true) {
  if (state.selected.size) await quietly(step("review", { ids: [...state.selected], reviewed }));
}

// What still has to be looked at, the least certain first.
export function reviewQueue() {
  const quality = (object) => (object.score ?? 1) * (object.stability ?? 1) + (object.score === null ? 1 : 0);
  return [...state.objects.values()].filter((object) => !object.reviewed)
    .sort((a, b) => quality(a) - quality(b) || a.id - b.id);
}
