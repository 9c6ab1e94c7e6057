// Everything in images, as a job on the server, and the sliders that choose among what it found.

import { get, of, post, remove } from "./api.js";
import { $, asked, hold, question } from "./dom.js";
import { boxOf, here, loadObjects, pathOf, step } from "./objects.js";
import { clearPrompts } from "./prompting.js";
import { fail, on, say, state, tell } from "./state.js";
import { redraw } from "./view.js";

let job = null; // the last one of this page
let sliding = null; // { busy, wanted } while a slider moves
let thresholds = null;

export async function askForEverything() {
  if (!state.image) return say("Add an image first.");
  const dialog = $("#everything-dialog");
  const untouched = state.images.filter((image) => image.state === "new" && !image.missing);
  $("#new-count").textContent = untouched.length;
  const form = dialog.querySelector("form");
  form.elements.where[1].disabled = !untouched.length;
  if (!untouched.length && form.elements.where[1].checked) form.elements.where[0].checked = true;
  if (!(await asked(dialog))) return;
  const where = form.elements.where.value;
  const images = { one: [state.image], new: untouched, all: state.images }[where].map((image) => image.id);
  const body = { images, points_per_side: Number(form.elements.points.value) };
  if (where === "one") body.rgb = state.rgb;
  clearPrompts();
  await start(body);
}

async function start(body) {
  try {
    take(await post("jobs/everything", body));
  } catch (error) {
    if (error.code !== "edited") return fail(error);
    const sentence = "Masks in these images were edited by hand. Replace them with what the model finds? Undo brings them back.";
    if (await question(sentence, "Replace them")) await start({ ...body, replace: true });
  }
}

// News of a job, of this page or of another.
export function take(news) {
  if (news.kind === "export") return tell("export-job", news);
  if (news.kind !== "everything") return;
  const over = ["done", "failed", "cancelled"].includes(news.state);
  if (!job || job.id === news.id || ["done", "failed", "cancelled"].includes(job.state)) job = news;
  else return;
  $("#job").hidden = over;
  $("#job-text").textContent = news.state === "waiting" ? "Waiting for the model …" : `${news.title}: ${Math.round(news.fraction * 100)} %`;
  const bar = $("#job-bar");
  if (news.state === "waiting") bar.removeAttribute("value");
  else bar.value = news.fraction;
  const button = $("#everything");
  button.classList.toggle("running", !over);
  button.querySelector("span").textContent = over ? "Everything" : `${Math.round(news.fraction * 100)} %`;
  if (over) say(news.sentence, news.state === "failed" ? "error" : "good");
  showSection();
}

const showSection = () => { $("#run").hidden = $("#job").hidden && $("#sliders").hidden; };

export async function loadThresholds() {
  const place = here();
  try {
    const answer = await get(of(state.image.id, "thresholds", state.rgb, state.plane));
    if (place !== here() || sliding) return;
    thresholds = answer.thresholds;
    $("#sliders").hidden = !thresholds;
    if (thresholds) {
      for (const [name, id] of [["pred_iou", "iou"], ["stability", "stability"]]) {
        const slider = $(`#${id}`);
        slider.min = answer.limits[name];
        slider.max = 1;
        slider.value = thresholds[name];
      }
      showValues();
      $("#slider-text").textContent = "";
    }
    showSection();
  } catch (error) {
    fail(error);
  }
}

function showValues() {
  $("#iou-value").textContent = hold($("#iou").value, 3);
  $("#stability-value").textContent = hold($("#stability").value, 3);
}

const wanted = () => ({ pred_iou: Number($("#iou").value), stability: Number($("#stability").value) });

async function slide() {
  showValues();
  if (sliding) {
    sliding.again = true;
    return;
  }
  sliding = { again: false };
  const place = here();
  try {
    do {
      sliding.again = false;
      const path = of(state.image.id, "thresholds", state.rgb, state.plane);
      const answer = await post(path, { ...wanted(), preview: true });
      if (place !== here()) break;
      if (sliding.settled) continue;
      state.shown = new Map(answer.objects.map((object) => [object.id, {
        ...object, class: "", path: pathOf(object.outline), box: boxOf(object.outline),
      }]));
      $("#slider-text").textContent = `${answer.objects.length} objects`;
      redraw();
    } while (sliding.again);
  } catch (error) {
    fail(error);
  }
  sliding = null;
}

async function settle(replace = false) {
  if (sliding) sliding.settled = true;
  try {
    await step("thresholds", { ...wanted(), replace: replace === true });
    $("#slider-text").textContent = `${state.objects.size} objects`;
  } catch (error) {
    state.shown = null;
    redraw();
    if (error.code === "edited" && await question("Masks of this image were edited by hand. Select again and lose the edits? Undo brings them back.", "Select again")) {
      return settle(true);
    }
    if (error.code !== "edited") fail(error);
    await loadThresholds();
  }
}

export function listenToRuns() {
  $("#everything").addEventListener("click", () => {
    if (job && ["waiting", "running"].includes(job.state)) tell("panel", "#side");
    else askForEverything();
  });
  $("#job-cancel").addEventListener("click", () => remove(`jobs/${job.id}`).catch(fail));
  for (const id of ["#iou", "#stability"]) {
    $(id).addEventListener("input", slide);
    $(id).addEventListener("change", () => settle());
  }
  on("news-job", take);
  on("back", async () => { // jobs do not outlive the server
    if (!job || ["done", "failed", "cancelled"].includes(job.state)) return;
    const known = await get("jobs").catch(() => null);
    const now = known && known.jobs.find((each) => each.id === job.id);
    if (now) take(now);
    else if (known) take({ ...job, state: "failed", sentence: "The server was restarted, which ended the run; start it again." });
  });
  on("layer-changed", async () => {
    await loadObjects().catch(fail);
    await loadThresholds();
  });
}
