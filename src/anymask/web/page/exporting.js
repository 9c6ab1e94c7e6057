// Masks as files: asked for in a dialog, written by the server, downloaded when they are there.

import { get, post } from "./api.js";
import { $, asked, make } from "./dom.js";
import { fail, on, say, state } from "./state.js";

const mine = new Set();
let formats = null;
const FIRST = ["labels", "png", "coco", "geojson", "imagej", "yolo", "csv"];

export async function askForExport() {
  try {
    formats = formats || (await get("formats")).formats;
  } catch (error) {
    return fail(error);
  }
  const field = $("#formats");
  if (field.children.length === 1) {
    const rank = ({ name }) => (FIRST.includes(name) ? FIRST.indexOf(name) : FIRST.length);
    const sorted = [...formats].sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name));
    field.append(...sorted.map(({ name, title }, index) => make("label", {},
      make("input", { type: "checkbox", name: "format", value: name, checked: index === 0 }),
      make("strong", { textContent: name }), make("span", { className: "quiet", textContent: title }))));
  }
  const dialog = $("#export-dialog");
  const form = dialog.querySelector("form");
  form.elements.of[1].disabled = !state.image || !state.objects.size;
  if (form.elements.of[1].disabled) form.elements.of[0].checked = true;
  if (!(await asked(dialog))) return;
  const chosen = [...dialog.querySelectorAll("[name=format]:checked")].map((box) => box.value);
  if (!chosen.length) return say("Choose at least one format.");
  const images = form.elements.of.value === "one" ? [state.image.id] : null;
  try {
    const job = await post("jobs/export", { formats: chosen, images });
    mine.add(job.id);
    say("Writing the files …");
    const known = await get(`jobs/${job.id}`); // it may have ended before this page heard of it
    take(known);
  } catch (error) {
    fail(error);
  }
}

function take(job) {
  if (!mine.has(job.id) || !["done", "failed", "cancelled"].includes(job.state)) return;
  mine.delete(job.id);
  if (job.state !== "done") return say(job.sentence, "error");
  const link = make("a", { href: job.result.address, download: job.result.name });
  document.body.append(link);
  link.click();
  link.remove();
  say([job.sentence, ...job.result.losses].join(" "), "good");
}

export function listenToExports() {
  $("#export").addEventListener("click", askForExport);
  on("export-job", take);
}
