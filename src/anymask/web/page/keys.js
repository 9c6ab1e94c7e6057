// The keyboard. Every command has a key; the page's help lists them from here.

import { closePolygon, drawing, dropCorner } from "./brush.js";
import {
  classifySelected, mergeSelected, redo, removeSelected, reviewQueue, reviewSelected, splitSelected, undo,
} from "./objects.js";
import { cancelAll, clickCrosshair, holdSpace, moveCrosshair } from "./pointer.js";
import { commit, dropLast, hasPrompts, nextCandidate } from "./prompting.js";
import { say, select, setTool, state, tell } from "./state.js";
import { fit, redraw, showBox, zoom } from "./view.js";

export function changeBrush(factor) {
  state.brush = Math.min(Math.max(state.brush * factor, 0.5), 400);
  tell("brush");
  redraw();
}

export function toggleMasks() {
  state.visible = !state.visible;
  tell("visible");
  redraw();
}

export function toggleNegative() {
  state.negative = !state.negative;
  tell("tool");
}

export function setClass(name) {
  if (state.selected.size) return classifySelected(name);
  state.activeClass = name;
  tell("classes");
  return say(name ? `New objects get the class ${name}.` : "New objects get no class.");
}

export function reviewNext() {
  const queue = reviewQueue();
  if (!queue.length) return say(state.objects.size ? "All objects of this image are reviewed." : "There are no objects to review.", "good");
  const [chosen] = state.selected;
  const place = queue.findIndex((object) => object.id === chosen);
  const next = queue[(place + 1) % queue.length];
  setTool("select");
  select([next.id]);
  showBox(next.box, 120);
  return say(`${queue.length} to review. Y accepts it, Delete removes it, R skips it.`);
}

async function accept() {
  if (!state.selected.size) return reviewNext();
  await reviewSelected(true);
  return reviewNext();
}

function cancel() {
  if (hasPrompts() || drawing.polygon.length || drawing.stroke) cancelAll();
  else if (state.selected.size) select([]);
  redraw();
}

function back() {
  if (drawing.polygon.length) dropCorner();
  else if (hasPrompts()) dropLast();
  else if (state.selected.size) removeSelected();
}

function finish() {
  if (drawing.polygon.length) closePolygon();
  else commit();
}

const undoOne = () => (drawing.polygon.length ? dropCorner() : hasPrompts() ? dropLast() : undo());

export const groups = [
  ["Tools", [
    ["P", "Click: on the object; right button, Alt or long touch: not this", () => setTool("click")],
    ["B", "Box around an object", () => setTool("box")],
    ["W", "Scribble over an object; right button or Alt: not this", () => setTool("scribble")],
    ["V", "Select; Shift adds", () => setTool("select")],
    ["D", "Brush", () => setTool("brush")],
    ["E", "Eraser", () => setTool("eraser")],
    ["G", "Polygon", () => setTool("polygon")],
    ["X", "Clicks mean: not this", toggleNegative],
    ["[", "Smaller brush", () => changeBrush(1 / 1.25)],
    ["]", "Larger brush", () => changeBrush(1.25)],
  ]],
  ["The next object", [
    ["C", "Commit the mask", finish],
    ["Enter", "Commit the mask, close the polygon", finish],
    ["N", "Next candidate", nextCandidate],
    ["Backspace", "Drop the last click", back],
    ["Escape", "Begin anew, let go", cancel],
    ["1 … 9", "Class of the selected or the next objects; 0: none", null],
  ]],
  ["Objects", [
    ["Delete", "Delete the selected", removeSelected],
    ["M", "Merge the selected", mergeSelected],
    ["S", "Split the selected", splitSelected],
    ["R", "Review: the least certain first", reviewNext],
    ["Y", "Accept the selected, and the next", accept],
    ["Ctrl+Z", "Undo", undoOne],
    ["Ctrl+Y", "Redo", redo],
  ]],
  ["View", [
    ["F", "Whole image", () => fit()],
    ["+", "Closer", () => zoom(1.5)],
    ["-", "Farther", () => zoom(1 / 1.5)],
    ["H", "Hide or show masks", toggleMasks],
    ["PageDown", "Next image", () => tell("go", 1)],
    ["PageUp", "Previous image", () => tell("go", -1)],
    ["A", "Everything in this image", () => tell("dialog", "everything")],
    ["?", "This help", () => tell("dialog", "help")],
  ]],
  ["On the picture, by keyboard", [
    ["Arrows", "Move a cross; Shift: one pixel", null],
    ["Space", "Click at the cross; Alt+Space: not this. Held: drag the picture", null],
  ]],
];

const commands = new Map();
for (const [, keys] of groups) {
  for (const [key, , act] of keys) if (act) commands.set(key.toLowerCase(), act);
}
commands.set("ctrl+shift+z", redo);
commands.set("=", () => zoom(1.5));

function isTyping(target) {
  return target.closest("input:not([type=range]):not([type=checkbox]), select, textarea, dialog");
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export function listenToKeys(canvas) {
  document.addEventListener("keydown", (event) => {
    if (isTyping(event.target)) return;
    const onCanvas = event.target === canvas || event.target === document.body;
    if (event.code === "Space" && onCanvas) {
      event.preventDefault();
      if (!event.repeat) holdSpace(true);
      return;
    }
    if (ARROWS[event.key] && onCanvas) {
      event.preventDefault();
      const by = event.shiftKey ? 1 : 12;
      return moveCrosshair(...ARROWS[event.key].map((side) => side * by));
    }
    if ((event.key === "Enter" || event.key === " ") && event.target.closest("button, a, summary, [role=option]")) return;
    if (/^[0-9]$/.test(event.key) && !event.ctrlKey && !event.metaKey && !event.altKey) {
      const found = event.key === "0" ? { name: "" } : state.classes[event.key - 1];
      return found ? setClass(found.name) : say(`There is no class ${event.key} yet; add one on the right.`);
    }
    const key = event.key.toLowerCase();
    const control = event.ctrlKey || event.metaKey;
    if (event.altKey) return;
    const name = control ? `ctrl+${event.shiftKey ? "shift+" : ""}${key}` : key;
    const act = commands.get(name);
    if (act) {
      event.preventDefault();
      act();
    }
  });
  document.addEventListener("keyup", (event) => {
    if (event.code !== "Space") return;
    if (holdSpace(false) && !isTyping(event.target) && (event.target === canvas || event.target === document.body)) clickCrosshair(event.altKey);
  });
}
