// The lists at the sides: images, classes, objects; and the cards over the picture.

import { post, put, thumbnail } from "./api.js";
import { $, asked, icon, make } from "./dom.js";
import { setClass } from "./keys.js";
import { colourOf } from "./objects.js";
import { choose, hasPrompts, prompt, ranked } from "./prompting.js";
import { fail, on, say, select, state, tell } from "./state.js";
import { redraw, showBox } from "./view.js";

const STATES = {
  new: ["○", "no masks"], segmented: ["◐", "segmented"], edited: ["✎", "edited"], saved: ["●", "exported"],
};
const MOST_ROWS = 300;

function imageRow(image) {
  const [sign, words] = image.missing ? ["✗", "file is missing"] : STATES[image.state];
  return make("li", {}, make("button", {
    "aria-current": String(image === state.image),
    "aria-label": `${image.name}, ${words}`,
    title: image.name,
  },
  make("img", { src: thumbnail(image), alt: "", loading: "lazy", width: 64, height: 48 }),
  make("span", {}, make("span", { className: "name", textContent: image.name }),
    make("span", { className: "state", textContent: `${sign} ${words}` }))));
}

export function showImages() {
  const list = $("#image-list");
  const known = new Map([...list.children].map((row) => [row.dataset.key, row]));
  list.replaceChildren(...state.images.map((image) => {
    const key = JSON.stringify([image.id, image.name, image.state, image.missing, image === state.image]);
    const row = known.get(key) || imageRow(image);
    row.dataset.key = key;
    row.firstChild.onclick = () => tell("open", image);
    return row;
  }));
}

function classRow(each, index) {
  const pressed = state.activeClass === each.name;
  const number = index < 9 ? String(index + 1) : "";
  return make("li", { className: "class-row" },
    make("button", {
      "aria-pressed": String(pressed),
      title: number ? `Key ${number}` : "",
      on: { click: () => setClass(pressed && !state.selected.size ? "" : each.name) },
    }, make("kbd", { textContent: number || "·" }), make("span", { className: "swatch", style: { background: each.color } }),
    make("span", { textContent: each.name })),
    make("button", { className: "icon", "aria-label": `Change the class ${each.name}`, on: { click: () => changeClass(each) } }, icon("edit")));
}

function showClasses() {
  $("#class-list").replaceChildren(...state.classes.map(classRow));
}

async function changeClass(each) {
  $("#class-new-name").value = each.name;
  $("#class-new-colour").value = each.color;
  if (!(await asked($("#class-dialog")))) return;
  const name = $("#class-new-name").value.trim();
  const color = $("#class-new-colour").value;
  try {
    if (name && name !== each.name) await post("classes/rename", { old: each.name, new: name });
    const classes = state.classes.map((old) => (old.name === each.name ? { name: name || each.name, color } : old));
    takeClasses(await put("classes", { classes }));
    if (state.activeClass === each.name) state.activeClass = name;
    tell("renamed");
  } catch (error) {
    fail(error);
  }
}

export function takeClasses(answer) {
  state.classes = answer.classes;
  if (!state.classes.some((each) => each.name === state.activeClass)) state.activeClass = "";
  tell("classes");
  redraw();
}

async function addClass(event) {
  event.preventDefault();
  const name = $("#class-name").value.trim();
  if (!name) return;
  try {
    takeClasses(await put("classes", { classes: [...state.classes, { name }] }));
    $("#class-name").value = "";
    if (!state.selected.size) setClass(name);
  } catch (error) {
    fail(error);
  }
}

function objectRow(object) {
  const score = object.score === null ? "" : object.score.toFixed(2);
  return make("li", {}, make("button", {
    "aria-pressed": String(state.selected.has(object.id)),
    on: {
      click: (event) => {
        select(event.shiftKey || event.ctrlKey ? [...state.selected, object.id] : [object.id]);
        showBox(object.box, 120);
      },
    },
  }, make("span", { className: "swatch", style: { background: colourOf(object) } }),
  make("span", { className: "name", textContent: `${object.id} ${object.class}` }),
  make("span", { className: "quiet", textContent: `${object.area} px${score && ` · ${score}`}${object.reviewed ? " ✓" : ""}` })));
}

let listing = 0;

function showObjects() {
  $("#object-count").textContent = state.objects.size || "";
  $("#review").disabled = !state.objects.size;
  clearTimeout(listing);
  listing = setTimeout(() => { // many steps, one list
    const all = [...state.objects.values()].sort((a, b) => a.id - b.id);
    const rows = all.slice(0, MOST_ROWS).map(objectRow);
    if (all.length > MOST_ROWS) rows.push(make("li", { className: "quiet more", textContent: `and ${all.length - MOST_ROWS} more; click on them in the picture` }));
    if (!all.length) rows.push(make("li", { className: "quiet", textContent: "None yet. Click on one, draw a box, or press Everything." }));
    $("#object-list").replaceChildren(...rows);
  }, 60);
}

function showChosen() {
  const count = state.selected.size;
  $("#chosen").hidden = !count || hasPrompts();
  if (!count) return;
  const [id] = state.selected;
  const object = state.objects.get(id);
  $("#chosen-text").textContent = count > 1 ? `${count} objects` : `${object.class || "Object"} ${id}`;
  $("#merge").disabled = count < 2;
  $("#split").disabled = count > 1;
}

function thumbnailOf(mask) {
  const [left, top, width, height] = mask.box;
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", mask.area ? `${left} ${top} ${width} ${height}` : "0 0 1 1");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("fill-rule", "evenodd");
  path.setAttribute("d", mask.outline.map((ring) => `M${ring.join(" ")}Z`).join(""));
  svg.append(path);
  return svg;
}

function showOffer() {
  $("#offer").hidden = !hasPrompts();
  showChosen();
  if (!hasPrompts()) return;
  const several = prompt.masks.length > 1;
  $("#candidates").hidden = !several;
  $("#candidates").replaceChildren(...(several ? ranked() : []).map((index, place) => make("button", {
    "aria-pressed": String(index === prompt.chosen),
    "aria-label": `Candidate ${place + 1}, score ${prompt.masks[index].score.toFixed(2)}`,
    title: "Next candidate: N",
    on: { click: () => choose(index) },
  }, thumbnailOf(prompt.masks[index]), prompt.masks[index].score.toFixed(2))));
  const offer = prompt.masks[prompt.chosen];
  $("#offer-text").textContent = prompt.waits || !offer ? "…" : `${offer.area} px${several ? "" : ` · ${offer.score.toFixed(2)}`}`;
  $("#commit").disabled = prompt.waits || !offer || !offer.area;
}

function showSentence({ text, kind }) {
  const box = $("#said");
  while (box.children.length > 2) box.firstChild.remove();
  for (const old of box.children) if (old.textContent === text) old.remove();
  const line = make("div", { className: kind, textContent: text });
  box.append(line);
  setTimeout(() => line.remove(), kind === "error" ? 9000 : 4500);
}

export function listenToPanels() {
  on("images opened objects", showImages);
  on("classes", showClasses);
  on("objects selection classes", showObjects);
  on("selection objects", showChosen);
  on("prompt", showOffer);
  on("say", showSentence);
  $("#new-class").addEventListener("submit", addClass);
  for (const [button, panel] of [["#show-images", "#images"], ["#show-objects", "#side"]]) {
    $(button).addEventListener("click", () => openPanel(panel, !$(panel).classList.contains("open")));
  }
  for (const button of document.querySelectorAll("[data-closes]")) {
    button.addEventListener("click", () => openPanel(`#${button.dataset.closes}`, false));
  }
  on("open", () => openPanel("#images", false));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") for (const panel of ["#images", "#side"]) openPanel(panel, false);
  });
  $("#stage").addEventListener("pointerdown", () => {
    for (const panel of ["#images", "#side"]) openPanel(panel, false);
  }, { capture: true });
}

export function openPanel(panel, open) {
  const was = $(panel).classList.contains("open");
  if (was === open) return;
  $(panel).classList.toggle("open", open);
  const button = $(panel === "#images" ? "#show-images" : "#show-objects");
  button.setAttribute("aria-expanded", String(open));
  if (open) $(panel).querySelector("button, input")?.focus();
  else button.focus();
}
