// Puts the page together: loads the session, opens images, joins buttons and news.

import { answeredBy, connect, get, post } from "./api.js";
import { cancelDrawing } from "./brush.js";
import { $, asked, make } from "./dom.js";
import { askForExport, listenToExports } from "./exporting.js";
import { changeBrush, groups, listenToKeys, reviewNext, toggleMasks, toggleNegative } from "./keys.js";
import {
  here, loadObjects, mergeSelected, redo, removeSelected, reviewSelected, splitSelected, steps, undo,
} from "./objects.js";
import { drawOverlay } from "./overlay.js";
import { listenToPanels, openPanel, showImages, takeClasses } from "./panels.js";
import { cancelAll, listen } from "./pointer.js";
import { askAgain, clearPrompts, commit, forgetPrepared, prepare } from "./prompting.js";
import { askForEverything, listenToRuns, loadThresholds } from "./running.js";
import { fail, on, say, select, setTool, state, tell } from "./state.js";
import { drawTiles, retryTiles } from "./tiles.js";
import { fit, redraw, resize, view } from "./view.js";

const [picture, overlay] = [$("#picture"), $("#overlay")];
const contexts = [picture.getContext("2d"), overlay.getContext("2d")];

async function loadImages() {
  const { images } = await get("images");
  state.images = images;
  if (state.image) state.image = images.find((image) => image.id === state.image.id) || null;
  $("#empty").hidden = images.length > 0;
  $("#empty p").textContent = "There is no image yet. Drop images here, or press + in the list of images.";
  tell("images");
}

async function open(image, keepView = false) {
  if (!image) return;
  const same = state.image && state.image.id === image.id;
  if (!same) {
    cancelAll();
    state.image = image;
    state.rgb = image.rgbs.some((each) => each.name === state.rgb) ? state.rgb : image.rgbs[0].name;
    state.plane = Math.min(Math.floor(image.planes / 2), image.planes - 1);
    sessionStorage.image = image.id;
  }
  state.objects = new Map();
  state.shown = null;
  select([]);
  showWhere();
  tell("opened");
  tell("objects");
  if (!keepView) fit(false);
  redraw();
  await Promise.all([loadObjects(), loadThresholds()]).catch(fail);
  prepare();
}

function showWhere() {
  const { image } = state;
  document.title = `${image.name} – anymask`;
  $("#image-name").textContent = image.name;
  $("#rgb-field").hidden = image.rgbs.length < 2;
  $("#new-rgb").hidden = image.bands < 2;
  $("#rgb").replaceChildren(...image.rgbs.map(({ name }) => make("option", { value: name, textContent: name, selected: name === state.rgb })));
  $("#plane-field").hidden = image.planes < 2;
  $("#plane").max = image.planes - 1;
  $("#plane").value = state.plane;
  $("#plane-name").textContent = image.places[state.plane] || `plane ${state.plane}`;
}

function go(by) {
  const place = state.images.indexOf(state.image) + by;
  if (state.images[place]) tell("open", state.images[place]);
  else say(by > 0 ? "This is the last image." : "This is the first image.");
}

function showTool() {
  for (const button of document.querySelectorAll("[data-tool]")) {
    button.setAttribute("aria-pressed", String(button.dataset.tool === state.tool));
  }
  $("#negative").setAttribute("aria-pressed", String(state.negative));
  $("#brush-field").hidden = !["brush", "eraser"].includes(state.tool);
  overlay.classList.toggle("draws", ["brush", "eraser"].includes(state.tool));
  overlay.classList.toggle("selects", state.tool === "select");
  redraw();
}

// The slider of the brush is logarithmic: from half a pixel to 400.
const toBrush = (place) => 0.5 * 800 ** (place / 100);
const fromBrush = (radius) => (100 * Math.log(radius / 0.5)) / Math.log(800);

function showBrush() {
  $("#brush").value = fromBrush(state.brush);
  $("#brush-size").textContent = `${Math.round(state.brush * 2)} px`;
}

function showHistory() {
  $("#undo").disabled = !state.undo;
  $("#redo").disabled = !state.redo;
  $("#undo").title = state.undo ? `Undo: ${state.undo} (Ctrl+Z)` : "Undo (Ctrl+Z)";
  $("#export").disabled = !state.images.some((image) => image.state !== "new");
}

// Files that are sent one by one, and headers of ENVI with their data.
function parcels(files) {
  const stem = (name) => name.replace(/\.[^.]*$/, "");
  const headers = files.filter((file) => /\.hdr$/i.test(file.name));
  const pairs = headers.map((header) => [header, files.find((file) => !headers.includes(file)
    && [stem(file.name), file.name].includes(stem(header.name)))]).filter(([, data]) => data);
  const paired = pairs.flat();
  return [...pairs, ...files.filter((file) => !paired.includes(file)).map((file) => [file])];
}

// Adds images to those of the page, and shows the last.
export async function openFiles(files) {
  let last = null;
  for (const [file, data] of parcels(files)) {
    try {
      say(`Adding ${file.name} …`);
      if (data) {
        const form = new FormData();
        for (const each of [file, data]) form.append("file", each, each.name);
        last = await post("images", form);
      } else last = await post(`images?name=${encodeURIComponent(file.name)}`, file);
    } catch (error) {
      fail(error);
    }
  }
  if (!last) return;
  await loadImages().catch(fail);
  say(files.length === 1 ? `${last.name} was added.` : "The images were added.", "good");
  open(state.images.find((image) => image.id === last.id));
}

async function addPseudoRgb() {
  if (!(await asked($("#rgb-dialog")))) return;
  const texts = [...document.querySelectorAll("#rgb-dialog .expression")].map((field) => field.value.trim());
  const source = texts.filter((text) => text);
  try {
    if (source.length === 2) throw new Error("Give one expression, or one for each of the three colours.");
    const added = await post("pseudo-rgbs", { source, name: $("#rgb-new-name").value.trim() || null });
    await loadImages();
    if (!added.images.includes(state.image.id)) return say(added.refused[0].error, "error");
    cancelAll();
    state.rgb = added.name;
    await open(state.image, true);
  } catch (error) {
    fail(error);
  }
}

async function showHelp() {
  $("#help-keys").replaceChildren(...groups.map(([title, keys]) => make("section", {},
    make("h2", { textContent: title }),
    make("dl", {}, ...keys.flatMap(([key, words]) => [make("dt", {}, make("kbd", { textContent: key })), make("dd", { textContent: words })])))));
  await asked($("#help-dialog"));
}

function theme(next) {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  if (next) localStorage.theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = localStorage.theme || (dark ? "dark" : "light");
}

async function refresh() {
  await loadImages();
  takeClasses(await get("classes"));
  if (!state.image) return open(state.images.find((image) => image.id === sessionStorage.image) || state.images[0]);
  await Promise.all([loadObjects(), loadThresholds()]);
}

function listenToNews() {
  on("online", () => {
    $("#banner").hidden = state.online;
    $("#banner").textContent = "The server does not answer. What is committed is kept; this page goes on as soon as it is back.";
  });
  on("back", async () => {
    say("The server is back.", "good");
    forgetPrepared();
    await refresh().catch(fail);
    retryTiles();
    if (state.image) prepare();
    askAgain();
  });
  on("news-people", ({ count }) => {
    $("#people").hidden = count < 2;
    $("#people").textContent = `${count} pages are open`;
  });
  on("news-layer", (news) => {
    const image = state.images.find((each) => each.id === news.image);
    if (image && image.state !== news.state) {
      image.state = news.state;
      showImages();
      showHistory();
    }
    if (image !== state.image || news.rgb !== state.rgb || news.revision <= state.revision) return;
    // The answer to a step of this page may come after the news of it.
    const place = here();
    setTimeout(function look() {
      if (place !== here() || news.revision <= state.revision) return;
      if (steps.running) setTimeout(look, 100);
      else tell("layer-changed");
    }, 60);
  });
  on("news-images news-recipes news-saved", () => loadImages().then(() => {
    if (!state.image && state.images.length) open(state.images[0]);
    else if (state.image) showWhere();
  }).catch(fail));
  on("news-classes", () => get("classes").then(takeClasses).catch(fail));
  on("news-missed", () => refresh().catch(fail));
  on("renamed", () => loadObjects().catch(fail));
}

function listenToButtons() {
  for (const button of document.querySelectorAll("[data-tool]")) {
    button.addEventListener("click", () => setTool(button.dataset.tool));
  }
  const acts = {
    negative: toggleNegative, undo, redo, commit, drop: clearPrompts, merge: mergeSelected, split: splitSelected,
    delete: removeSelected, review: reviewNext, fit: () => fit(), visible: toggleMasks, help: showHelp, theme: () => theme(true),
    accept: () => reviewSelected(true).then(reviewNext), "add-images": () => $("#files").click(),
    "new-rgb": addPseudoRgb,
  };
  for (const [id, act] of Object.entries(acts)) $(`#${id}`).addEventListener("click", act);
  $("#files").addEventListener("change", (event) => {
    openFiles([...event.target.files]);
    event.target.value = "";
  });
  $("#rgb").addEventListener("change", (event) => {
    cancelAll();
    state.rgb = event.target.value;
    open(state.image, true);
  });
  $("#plane").addEventListener("input", (event) => {
    cancelAll();
    state.plane = Number(event.target.value);
    state.objects = new Map(); // of this plane when the slider is let go
    showWhere();
    redraw();
  });
  $("#plane").addEventListener("change", () => open(state.image, true));
  $("#brush").addEventListener("input", (event) => {
    state.brush = toBrush(Number(event.target.value));
    tell("brush");
  });
  on("visible", () => $("#visible").setAttribute("aria-pressed", String(state.visible)));
  on("tool", () => {
    cancelDrawing();
    showTool();
  });
  on("brush", showBrush);
  on("selection", redraw);
  on("opened objects images", showHistory);
  on("open", (image) => open(image).catch(fail));
  on("go", go);
  on("preparing", (busy) => { $("#encoding").hidden = !busy; });
  on("panel", (panel) => openPanel(panel, true));
  on("dialog", (name) => ({ everything: askForEverything, help: showHelp, export: askForExport })[name]());
  on("draw", () => {
    drawTiles(contexts[0]);
    drawOverlay(contexts[1]);
  });
  for (const kind of ["dragover", "drop"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      if (kind === "drop" && event.dataTransfer.files.length) openFiles([...event.dataTransfer.files]);
    });
  }
  document.addEventListener("paste", (event) => {
    const files = [...event.clipboardData.files];
    if (!files.length) return;
    event.preventDefault();
    // Programs name a copied picture always the same.
    openFiles(files.map((file) => (file.name === "image.png" ? new File([file], `pasted-${Date.now()}.png`, { type: file.type }) : file)));
  });
}

// Begins with a backend (api.js), which has the images and does the steps.
export async function begin(backend) {
  answeredBy(backend);
  theme(false);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => theme(false));
  listenToPanels();
  listenToButtons();
  listenToRuns();
  listenToExports();
  listenToNews();
  listen(overlay);
  listenToKeys(overlay);
  new ResizeObserver(() => {
    const ratio = Math.min(devicePixelRatio || 1, 3);
    const { clientWidth: width, clientHeight: height } = $("#stage");
    const wasWhole = view.width === 1;
    for (const canvas of [picture, overlay]) Object.assign(canvas, { width: Math.round(width * ratio), height: Math.round(height * ratio) });
    resize(width, height, ratio);
    if (wasWhole) fit(false);
  }).observe($("#stage"));
  showTool();
  showBrush();
  try {
    state.status = await get("status");
    $("#session").textContent = state.status.session;
    await refresh();
  } catch (error) {
    if (error.code === "offline") {
      state.online = false;
      tell("online");
    } else fail(error);
  }
  connect();
}
