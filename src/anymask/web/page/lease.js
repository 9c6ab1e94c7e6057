// Says that this page works on an image, and shows who else does. Nobody is locked out.

import { get, put, remove } from "./api.js";
import { $, asked } from "./dom.js";
import { on, state } from "./state.js";

const RENEW = 20000; // milliseconds; a lease lasts a minute
const IDLE = 120000; // without a hand on the page it is no longer renewed
let touched = Date.now();
let held = "";

function show(lease) {
  const other = lease.held && !lease.yours;
  $("#holder").hidden = !other;
  $("#holder").textContent = other ? `${lease.name || "Someone"} is working on this image` : "";
}

async function renew() {
  const { image } = state;
  if (!image || !state.online) return;
  const works = !document.hidden && Date.now() - touched < IDLE;
  try {
    const path = `images/${image.id}/lease`;
    const lease = works ? await put(path, { name: localStorage.person || "" }) : await get(path);
    held = lease.yours ? image.id : "";
    if (image === state.image) show(lease);
  } catch {
    // It is only shown; the next try comes soon.
  }
}

async function askName() {
  $("#person").value = localStorage.person || "";
  if (!(await asked($("#person-dialog")))) return;
  localStorage.person = $("#person").value.trim();
  renew();
}

export function listenToLeases() {
  for (const kind of ["pointerdown", "keydown"]) {
    document.addEventListener(kind, () => {
      const wasIdle = Date.now() - touched >= IDLE;
      touched = Date.now();
      if (wasIdle) renew();
    }, true);
  }
  $("#people").addEventListener("click", askName);
  setInterval(renew, RENEW);
  on("opened", () => {
    touched = Date.now();
    show({ held: false });
    renew();
  });
  on("back", renew);
  on("news-lease", ({ image }) => {
    if (state.image && state.image.id === image) renew();
  });
  addEventListener("pagehide", () => {
    if (held) remove(`images/${held}/lease`, { keepalive: true }).catch(() => {});
  });
}
