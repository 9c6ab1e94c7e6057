// Mouse, pen and fingers on the picture: what they mean depends on the tool.

import {
  addCorner, beginStroke, cancelDrawing, closePolygon, continueStroke, drawing, endStroke,
} from "./brush.js";
import { objectAt } from "./objects.js";
import { gesture } from "./overlay.js";
import { addPoint, addScribble, clearPrompts, setBox } from "./prompting.js";
import { select, setTool, state } from "./state.js";
import { pan, pinch, redraw, toImage, toScreen, zoom } from "./view.js";

const fingers = new Map(); // pointer id -> place on the canvas
let held = null; // { id, start, last, moved, button, pans }
let [spaceDown, spaceUsed] = [false, false];
const SLOP = { mouse: 4, pen: 6, touch: 10 };
let hold = 0;

// Space held while the picture is dragged is no click; false if it was used so.
export function holdSpace(down) {
  const clicks = !down && !spaceUsed;
  spaceDown = down;
  spaceUsed = false;
  return clicks;
}

function at(event, canvas) {
  const box = canvas.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
}

const inside = ([u, v]) => u >= 0 && v >= 0 && u < state.image.width && v < state.image.height;

function limited([u, v]) {
  return [Math.min(Math.max(u, 0), state.image.width), Math.min(Math.max(v, 0), state.image.height)];
}

const draws = () => ["box", "scribble", "brush", "eraser"].includes(state.tool);

const isNot = (event, isSecond) => isSecond || event.altKey || state.negative;

function press(event, canvas) {
  if (!state.image) return;
  canvas.setPointerCapture(event.pointerId);
  const place = at(event, canvas);
  fingers.set(event.pointerId, place);
  gesture.crosshair = null;
  if (fingers.size === 2) return giveUp(); // from now on it is a pinch
  if (fingers.size > 2) return;
  if (spaceDown) spaceUsed = true;
  const pans = event.button === 1 || spaceDown || (event.button === 0 && !draws());
  held = { id: event.pointerId, start: place, last: place, moved: false, button: event.button, pans, kind: event.pointerType };
  if (event.pointerType === "touch" && state.tool === "click") {
    hold = setTimeout(() => { // a finger that stays means "not this"
      if (held && !held.moved) {
        const where = toImage(...held.start);
        held = null;
        if (inside(where)) addPoint(...where, 0);
      }
    }, 550);
  }
  const where = toImage(...place);
  if (state.tool === "scribble" && event.button !== 1 && !spaceDown) {
    gesture.scribble = { path: [limited(where)], label: isNot(event, event.button === 2) ? 0 : 1 };
  }
  if (event.button !== 0 || spaceDown) return;
  if (state.tool === "brush" || state.tool === "eraser") beginStroke(...where, state.tool === "eraser");
}

function giveUp() {
  clearTimeout(hold);
  held = null;
  gesture.box = null;
  gesture.scribble = null;
  if (drawing.stroke) drawing.stroke = null;
  redraw();
}

function move(event, canvas) {
  if (!state.image) return;
  const place = at(event, canvas);
  const where = toImage(...place);
  if (fingers.size === 2 && fingers.has(event.pointerId)) {
    const [, other] = [...fingers].find(([id]) => id !== event.pointerId);
    const before = fingers.get(event.pointerId);
    const length = ([x, y]) => Math.max(Math.hypot(x - other[0], y - other[1]), 10);
    const middle = ([x, y]) => [(x + other[0]) / 2, (y + other[1]) / 2];
    const [now, then] = [middle(place), middle(before)];
    fingers.set(event.pointerId, place);
    return pinch(length(place) / length(before), ...now, now[0] - then[0], now[1] - then[1]);
  }
  if (fingers.has(event.pointerId)) fingers.set(event.pointerId, place);
  if (event.pointerType !== "touch") {
    drawing.cursor = where;
    const over = state.tool === "select" && !held ? objectAt(...where) : null;
    gesture.hover = over ? over.id : null;
    redraw();
  }
  if (!held || held.id !== event.pointerId) return;
  const far = Math.hypot(place[0] - held.start[0], place[1] - held.start[1]) > (SLOP[held.kind] || 4);
  if (far && !held.moved) {
    held.moved = true;
    clearTimeout(hold);
  }
  if (held.pans) {
    if (held.moved) pan(place[0] - held.last[0], place[1] - held.last[1]);
  } else if (drawing.stroke) {
    const steps = event.getCoalescedEvents ? event.getCoalescedEvents() : [event];
    for (const each of steps.length ? steps : [event]) continueStroke(...toImage(...at(each, canvas)));
  } else if (gesture.scribble) {
    if (held.moved) gesture.scribble.path.push(limited(where));
    redraw();
  } else if (state.tool === "box" && held.moved && held.button === 0) {
    gesture.box = [...limited(toImage(...held.start)), ...limited(where)];
    redraw();
  }
  held.last = place;
}

function release(event, canvas) {
  clearTimeout(hold);
  const wasPinch = fingers.size > 1;
  fingers.delete(event.pointerId);
  if (!held || held.id !== event.pointerId || wasPinch) return;
  const { moved, button, start } = held;
  held = null;
  if (drawing.stroke) return void endStroke();
  const { scribble } = gesture;
  gesture.scribble = null;
  if (scribble && moved) return addScribble(scribble.path, scribble.label);
  if (gesture.box) {
    const [u0, v0, u1, v1] = gesture.box;
    gesture.box = null;
    redraw();
    if (Math.abs(u1 - u0) >= 1 && Math.abs(v1 - v0) >= 1) {
      setBox(Math.min(u0, u1), Math.min(v0, v1), Math.max(u0, u1), Math.max(v0, v1));
    }
    return;
  }
  if (!moved && button !== 1 && !spaceDown) tap(toImage(...start), event, button === 2);
}

function tap(where, event, isSecond) {
  if (state.tool === "click" && inside(where)) {
    addPoint(...where, isNot(event, isSecond) ? 0 : 1);
  } else if (state.tool === "select") {
    choose(where, event.shiftKey || event.ctrlKey || event.metaKey);
  } else if (state.tool === "polygon" && !isSecond) {
    const [first] = drawing.polygon;
    const near = first && Math.hypot(...toScreen(...first).map((side, i) => side - toScreen(...where)[i])) < 14;
    if (near && drawing.polygon.length >= 3) closePolygon();
    else addCorner(...limited(where));
  } else if (["box", "scribble"].includes(state.tool) && inside(where)) addPoint(...where, isNot(event, isSecond) ? 0 : 1);
}

export function choose(where, adds = false) {
  const object = objectAt(...where);
  const ids = new Set(adds ? state.selected : []);
  if (object && ids.has(object.id)) ids.delete(object.id);
  else if (object) ids.add(object.id);
  select(ids);
  redraw();
}

// Everything that is begun and not committed.
export function cancelAll() {
  cancelDrawing();
  clearPrompts();
  gesture.crosshair = null;
}

// The picture by keyboard: arrows move a cross, Space clicks there.
export function moveCrosshair(dx, dy) {
  if (!state.image) return;
  const [u, v] = gesture.crosshair || [state.image.width / 2, state.image.height / 2];
  const scale = toScreen(1, 0)[0] - toScreen(0, 0)[0];
  const next = limited([u + dx / scale, v + dy / scale]);
  gesture.crosshair = [Math.min(next[0], state.image.width - 0.5), Math.min(next[1], state.image.height - 0.5)];
  const [sx, sy] = toScreen(...gesture.crosshair);
  const { clientWidth, clientHeight } = document.querySelector("#overlay");
  if (sx < 30 || sy < 30 || sx > clientWidth - 30 || sy > clientHeight - 30) pan(-dx, -dy);
  redraw();
}

export function clickCrosshair(isNegative) {
  if (!gesture.crosshair) return moveCrosshair(0, 0);
  if (state.tool !== "select" && state.tool !== "polygon") setTool("click");
  tap(gesture.crosshair, { altKey: isNegative, shiftKey: isNegative }, false);
}

export function listen(canvas) {
  canvas.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    canvas.focus({ preventScroll: true });
    canvas.classList.add("by-pointer"); // whoever points knows where the focus is
    press(event, canvas);
  });
  canvas.addEventListener("blur", () => canvas.classList.remove("by-pointer"));
  canvas.addEventListener("pointermove", (event) => move(event, canvas));
  canvas.addEventListener("pointerup", (event) => release(event, canvas));
  canvas.addEventListener("pointercancel", (event) => {
    fingers.delete(event.pointerId);
    giveUp();
  });
  canvas.addEventListener("pointerleave", () => {
    drawing.cursor = null;
    gesture.hover = null;
    redraw();
  });
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener("dblclick", () => {
    if (state.tool === "polygon" && drawing.polygon.length >= 3) closePolygon();
  });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    if (event.shiftKey && !event.ctrlKey) return pan(-(event.deltaX || event.deltaY), event.deltaX ? -event.deltaY : 0);
    const lines = event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? 200 : 1;
    const amount = event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.0018);
    zoom(Math.exp(-Math.max(Math.min(amount, 0.7), -0.7)), ...at(event, canvas), Math.abs(amount) > 0.08);
  }, { passive: false });
}
