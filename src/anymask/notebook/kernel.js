// The page in a notebook: objects and steps are kept in it, the kernel answers prompts and hears of
// every change, and what is set in Python is shown.

import { begin } from "../web/page/main.js";
import { prompt, setPrompts } from "../web/page/prompting.js";
import { on, state, tell } from "../web/page/state.js";
import { $ } from "../web/page/dom.js";
import { Backend } from "../web/alone/backend.js";
import { fresh } from "../web/alone/edits.js";

// Asks the kernel, as the page without a server asks its worker.
class Kernel {
  constructor(widget, send) {
    Object.assign(this, { widget, send, waiting: new Map(), last: 0, told: () => {} });
    // Several views may show a widget; each takes the answers to its own questions.
    this.name = crypto.getRandomValues(new Uint32Array(2)).join("-");
    this.take = this.take.bind(this);
    widget.on("msg:custom", this.take);
  }

  end() {
    this.widget.off("msg:custom", this.take);
  }

  take({ to, id, progress, error, ...facts }, buffers) {
    if (to === "all") return this.told(facts, buffers);
    const asked = to === this.name && this.waiting.get(id);
    if (!asked) return undefined;
    if (progress !== undefined) return asked.progress(progress);
    this.waiting.delete(id);
    return error === undefined ? asked.resolve({ ...facts, buffers }) : asked.reject(new Error(error));
  }

  tell(what, facts = {}, arrays = []) {
    this.send({ from: this.name, what, ...facts }, arrays);
  }

  ask(what, facts = {}, progress = () => {}) {
    const id = ++this.last;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject, progress });
      this.tell(what, { id, ...facts });
    });
  }

  async begin() {
    const { buffers, config, objects } = await this.ask("begin");
    this.config = config;
    this.ready = Promise.resolve();
    return { picture: new Blob([buffers[0]]), runs: buffers[1], objects };
  }

  async prepare() {
    await this.ask("prepare");
  }

  async predict(_, points, labels, box) {
    return masksOf(await this.ask("predict", { points, labels, box }));
  }

  async everything(_, pointsPerSide, limits, progress, cancel) {
    cancel(() => this.tell("cancel"));
    const answer = await this.ask("everything", { points_per_side: pointsPerSide, limits }, progress);
    return answer.cancelled ? null : masksOf(answer);
  }
}

const numbers = (buffer) => new Int32Array(buffer.buffer.slice(buffer.byteOffset, buffer.byteOffset + buffer.byteLength));

// Masks whose runs follow each other in one buffer.
function masksOf({ masks, buffers }) {
  const all = numbers(buffers[0]);
  let at = 0;
  return masks.map(({ length, ...mask }) => {
    at += length;
    return { ...mask, runs: all.slice(at - length, at) };
  });
}

// Objects as triples of a first pixel, the one after the last, and an id.
function triplesOf(labels) {
  const found = [];
  for (const id of labels.facts.keys()) {
    const runs = labels.runsOf(id);
    for (let i = 0; i < runs.length; i += 2) found.push(runs[i], runs[i + 1], id);
  }
  return Int32Array.from(found);
}

function put(labels, triples, objects, title) {
  const facts = new Map(objects.map(({ id, ...own }) => [id, fresh({ origin: "python", ...own })]));
  labels.change(title, [0, 0, labels.width, labels.height], (pixels) => {
    pixels.fill(0);
    for (let i = 0; i < triples.length; i += 3) pixels.fill(triples[i + 2], triples[i], triples[i + 1]);
  }, facts);
}

const asked = () => ({
  points: prompt.points.map(([u, v]) => [u - 0.5, v - 0.5]),
  labels: [...prompt.labels],
  box: prompt.box && prompt.box.map((side) => side - 0.5),
});

function listen(kernel, widget, backend, picture) {
  const { labels } = picture;
  backend.onChange(() => {
    const objects = [...labels.facts].map(([id, { class: name, score, stability, reviewed }]) => ({ id, class: name, score, stability, reviewed }));
    kernel.tell("objects", { objects }, [new Uint8Array(triplesOf(labels).buffer)]);
  });
  kernel.told = ({ objects }, buffers) => {
    put(labels, numbers(buffers[0]), objects, "set in Python");
    tell("news-layer", { image: picture.id, rgb: state.rgb, revision: labels.revision, state: labels.state });
  };
  let known = JSON.stringify(asked());
  on("prompt", () => {
    const now = asked();
    if (JSON.stringify(now) === known) return;
    known = JSON.stringify(now);
    widget.set("prompts", now);
    widget.save_changes();
  });
  const take = () => {
    const given = widget.get("prompts");
    if (JSON.stringify(given) === known) return;
    known = JSON.stringify(given);
    setPrompts(given);
  };
  widget.on("change:prompts", take);
  if (widget.get("prompts").points.length || widget.get("prompts").box) take();
  return () => widget.off("change:prompts", take);
}

window.beginInNotebook = async (widget, send) => {
  const kernel = new Kernel(widget, send);
  const backend = new Backend(kernel);
  const given = await kernel.begin();
  const { id } = await backend.add(widget.get("_name"), given.picture);
  const picture = backend.pictures.get(id);
  if (given.objects.length) put(picture.labels, numbers(given.runs), given.objects, "set in Python");
  backend.setClasses(widget.get("_classes").map((name) => ({ name })));
  document.documentElement.classList.add("in-notebook");
  $("#help-kept").textContent = "Every step is told to the kernel at once.";
  await begin(backend);
  const stop = listen(kernel, widget, backend, picture);
  window.endInNotebook = () => {
    stop();
    kernel.end();
  };
};
