// Points and boxes of the next object, the masks that the model offers, and the one that is taken.

import { of, post } from "./api.js";
import { boxOf, here, pathOf, step } from "./objects.js";
import { fail, say, select, state, tell } from "./state.js";
import { redraw, visible } from "./view.js";

export const prompt = { points: [], labels: [], scribbles: [], added: [], box: null, masks: [], chosen: 0, preview: null, waits: false };

let asked = 0;
let isAsking = false;

export const hasPrompts = () => prompt.points.length > 0 || prompt.scribbles.length > 0 || prompt.box !== null;

// Points are centres of pixels, where the page counts from their corner.
function body() {
  return {
    points: prompt.points.map(([u, v]) => [u - 0.5, v - 0.5]),
    labels: prompt.labels,
    scribbles: prompt.scribbles.map(({ path, label }) => ({ path: path.map(([u, v]) => [u - 0.5, v - 0.5]), label })),
    box: prompt.box && prompt.box.map((side) => side - 0.5),
    view: visible(),
  };
}

export function clearPrompts() {
  asked += 1;
  Object.assign(prompt, { points: [], labels: [], scribbles: [], added: [], box: null, masks: [], chosen: 0, preview: null, waits: false });
  tell("prompt");
  redraw();
}

export function addPoint(u, v, label) {
  prompt.points.push([u, v]);
  prompt.labels.push(label);
  prompt.added.push("point");
  change();
}

// A drawn line; the server asks at a few points along it.
export function addScribble(path, label) {
  const every = Math.ceil(path.length / 500);
  prompt.scribbles.push({ path: path.filter((_, index) => index % every === 0), label });
  prompt.added.push("scribble");
  change();
}

export function setBox(left, top, right, bottom) {
  Object.assign(prompt, { points: [], labels: [], scribbles: [], added: [], box: [left, top, right, bottom] });
  change();
}

// Shows prompts that were given elsewhere; their points are centres of pixels.
export function setPrompts({ points, labels, box }) {
  const place = ([u, v]) => [u + 0.5, v + 0.5];
  Object.assign(prompt, { points: points.map(place), labels: [...labels], box: box && box.map((side) => side + 0.5) });
  if (hasPrompts()) change();
  else clearPrompts();
}

export function dropLast() {
  const last = prompt.added.pop();
  if (last === "scribble") prompt.scribbles.pop();
  else if (last) {
    prompt.points.pop();
    prompt.labels.pop();
  } else prompt.box = null;
  if (hasPrompts()) change();
  else clearPrompts();
}

function change() {
  asked += 1;
  prompt.preview = null;
  prompt.waits = true;
  tell("prompt");
  redraw();
  if (!isAsking) answer();
}

// Asks for the newest prompts only; those in between need no answer.
async function answer() {
  isAsking = true;
  while (hasPrompts() && prompt.waits) {
    const [number, place] = [asked, here()];
    try {
      const path = of(state.image.id, "predict", state.rgb, state.plane);
      const found = await post(path, { ...body(), masks: "outline" });
      if (number !== asked || place !== here()) continue;
      prompt.masks = found.masks.map((mask) => ({ ...mask, path: pathOf(mask.outline), box: boxOf(mask.outline) }));
      prompt.chosen = found.best;
      prompt.preview = found.preview;
      prompt.waits = false;
      if (!found.masks[found.best].area) say("The model found nothing there; click on the object, or draw a box.");
    } catch (error) {
      if (number !== asked) continue;
      prompt.waits = false;
      prompt.masks = [];
      fail(error);
    }
    tell("prompt");
    redraw();
  }
  isAsking = false;
}

// The server answers again once it is back.
export function askAgain() {
  if (hasPrompts() && !prompt.preview && !isAsking) {
    prompt.waits = true;
    answer();
  }
}

export function choose(index) {
  if (!prompt.masks[index]) return;
  prompt.chosen = index;
  tell("prompt");
  redraw();
}

// The masks by their score, the best first.
export const ranked = () => prompt.masks.map((_, index) => index)
  .sort((a, b) => prompt.masks[b].score - prompt.masks[a].score);

export function nextCandidate() {
  const order = ranked();
  if (order.length) choose(order[(order.indexOf(prompt.chosen) + 1) % order.length]);
}

let committing = false;

export async function commit() {
  if (!hasPrompts() || committing) return;
  if (prompt.waits) return say("The model is still at it; one moment.");
  const number = asked;
  committing = true;
  const candidate = prompt.masks.length ? prompt.chosen : null;
  try {
    const given = { ...body(), preview: prompt.preview, candidate, class: state.activeClass };
    // Several people may add objects at once: a new one takes nothing that someone made.
    const answer = await step("objects", given, { checked: false });
    if (number === asked) clearPrompts();
    tell("committed", answer.objects.length);
    if (answer.objects.length === 1) select([]);
  } catch (error) {
    fail(error);
  } finally {
    committing = false;
  }
}

let preparing = "";

// Has the image encoded before the first click.
export async function prepare() {
  const place = here();
  if (preparing === place) return;
  preparing = place;
  tell("preparing", true);
  try {
    await post(of(state.image.id, "prepare", state.rgb, state.plane), { view: visible() });
  } catch (error) {
    preparing = "";
    if (place === here()) fail(error);
  }
  if (place === here()) tell("preparing", false);
}

export const forgetPrepared = () => { preparing = ""; };
