// The page's own backend: what a server does for anymask serve is done here, in the page, at the same
// addresses. Nothing is sent anywhere.

import { ApiError } from "../page/api.js";
import { classify, commit, merge, paint, remove, review, split } from "./edits.js";
import { Runs } from "./everything.js";
import { exported, FORMATS } from "./exports.js";
import { outlineOf } from "./outline.js";
import { Picture } from "./pictures.js";

const COLOURS = ["#1f78b4", "#e69f00", "#33a02c", "#cc79a7", "#d55e00", "#6a3d9a", "#56b4e9", "#b15928", "#f0e442", "#009e73"];
const MOST_PREVIEWS = 16;

export class Backend {
  constructor(model, name = "") {
    Object.assign(this, { model, name, pictures: new Map(), classes: [], previews: new Map(), exportsMade: [], last: 0 });
    this.runs = new Runs(model, this.pictures, (picture) => this.tellOf(picture));
    this.listeners = [];
  }

  // Listeners hear of every change of objects.
  onChange(listener) {
    this.listeners.push(listener);
  }

  tellOf(picture) {
    for (const listener of this.listeners) listener(picture);
  }

  connect() {}

  thumbnail({ id }) {
    return this.pictures.get(id).thumbnail;
  }

  async picture(path) {
    const [, id, , level, column, row] = path.split("?")[0].split("/");
    return this.pictures.get(id).tile(Number(level), Number(column), Number(row));
  }

  async ask(method, path, body) {
    const { pathname, searchParams } = new URL(path, "http://page/");
    const words = pathname.split("/").filter((word) => word);
    if (words[0] === "images" && words.length > 1) return this.ofPicture(method, words[1], words[2], body);
    const act = this.acts()[`${method} ${words[0]}${words[0] === "jobs" && method === "POST" ? `/${words[1]}` : ""}`];
    if (!act) throw new ApiError("This page cannot do that; anymask serve can.", 404);
    return act({ body, words, name: searchParams.get("name") });
  }

  acts() {
    return {
      "GET status": () => ({ session: this.name, server: "page", messages: [] }),
      "GET images": () => ({ images: [...this.pictures.values()].map((picture) => picture.facts()) }),
      "POST images": ({ body, name }) => this.add(name, body),
      "GET classes": () => ({ classes: this.classes }),
      "PUT classes": ({ body }) => this.setClasses(body.classes),
      "POST classes": ({ body }) => this.rename(body.old, body.new),
      "GET formats": () => ({ formats: FORMATS }),
      "POST jobs/everything": ({ body }) => this.runs.start(body),
      "POST jobs/export": ({ body }) => this.export(body),
      "GET jobs": ({ words }) => this.exportsMade.find((job) => job.id === words[1]) || { jobs: this.runs.jobs },
      "DELETE jobs": ({ words }) => this.runs.cancel(words[1]),
    };
  }

  async add(name, file) {
    const taken = new Set([...this.pictures.values()].map((picture) => picture.name));
    if (taken.has(name)) throw new ApiError(`${name} is open already.`);
    const picture = await Picture.open(`i${++this.last}`, name, file);
    this.pictures.set(picture.id, picture);
    return picture.facts();
  }

  setClasses(classes) {
    const names = classes.map((each) => each.name.trim());
    if (names.some((name, index) => !name || names.indexOf(name) !== index)) {
      throw new ApiError("A class name is empty or used twice; give each class its own name.");
    }
    const used = new Set(classes.map((each) => each.color));
    this.classes = classes.map(({ color }, index) => {
      const free = color || COLOURS.find((each) => !used.has(each)) || COLOURS[index % COLOURS.length];
      used.add(free);
      return { name: names[index], color: free };
    });
    return { classes: this.classes };
  }

  rename(old, name) {
    this.setClasses(this.classes.map((each) => (each.name === old ? { ...each, name } : each)));
    for (const picture of this.pictures.values()) {
      picture.labels.rename(old, name);
      this.tellOf(picture);
    }
    return { classes: this.classes };
  }

  export({ formats, images }) {
    const pictures = (images || [...this.pictures.keys()]).map((id) => this.pictures.get(id)).filter((each) => each.labels.facts.size);
    if (!pictures.length) throw new ApiError("There are no masks yet; click on an object or press Everything.");
    const job = { id: `e${this.exportsMade.length + 1}`, kind: "export", state: "running", fraction: 0, sentence: "" };
    this.exportsMade.push(job);
    exported(pictures, formats, this.classes).then(({ name, blob, count }) => {
      for (const old of this.exportsMade) if (old !== job && old.result) URL.revokeObjectURL(old.result.address);
      for (const { labels } of pictures) labels.savedAt = labels.revision;
      const sentence = `${count} ${count === 1 ? "file" : "files"} written.`;
      this.finish(job, { state: "done", sentence, result: { name, address: URL.createObjectURL(blob), losses: [] } });
    }).catch((error) => this.finish(job, { state: "failed", sentence: error.message }));
    return job;
  }

  finish(job, facts) {
    Object.assign(job, facts);
    this.runs.news(job);
    for (const id of this.pictures.keys()) this.tellOf(this.pictures.get(id));
  }

  async ofPicture(method, id, what, body = {}) {
    const picture = this.pictures.get(id);
    if (!picture) throw new ApiError("This picture is no longer open.", 404);
    const { labels } = picture;
    if (method === "GET" && what === "objects") return { ...this.history(labels), objects: labels.objects() };
    if (method === "GET" && what === "thresholds") return this.runs.thresholds(picture);
    if (what === "prepare") return this.model.prepare(picture);
    if (what === "predict") return this.predict(picture, body);
    if (what === "thresholds" && body.preview) return this.runs.preview(picture, body);
    const answer = body.preview || what !== "objects" ? null : await this.predict(picture, body);
    const before = labels.revision;
    const { touched, note } = this.step(picture, what, answer ? { ...body, preview: answer.preview } : body);
    if (labels.revision !== before) this.tellOf(picture);
    const ids = [...touched || []];
    return {
      before, ...this.history(labels), objects: labels.objects(ids), gone: ids.filter((each) => !labels.facts.has(each)),
      note: note || "", nothing: !touched,
    };
  }

  step(picture, what, body) {
    const { labels } = picture;
    const acts = {
      undo: () => (labels.done.length ? labels.undo() : null),
      redo: () => (labels.undone.length ? labels.redo() : null),
      delete: () => remove(labels, body.ids),
      merge: () => merge(labels, body.ids),
      split: () => split(labels, body.id, body.how),
      classify: () => classify(labels, body.ids, body.class),
      review: () => review(labels, body.ids, body.reviewed),
      paint: () => paint(labels, body),
      thresholds: () => this.runs.choose(picture, { pred_iou: body.pred_iou, stability: body.stability }, body.replace),
    };
    if (what === "objects") {
      const masks = this.previews.get(body.preview);
      if (!masks) throw new ApiError("These clicks are too old; click again.");
      const best = masks.reduce((a, b, index) => (b.score > masks[a].score ? index : a), 0);
      return commit(labels, masks[body.candidate ?? best], body.class || "");
    }
    if (!acts[what]) throw new ApiError("This page cannot do that; anymask serve can.", 404);
    return { touched: acts[what]() };
  }

  history(labels) {
    const [done, undone] = [labels.done.at(-1), labels.undone.at(-1)];
    return { revision: labels.revision, state: labels.state, undo: done ? done.title : null, redo: undone ? undone.title : null };
  }

  async predict(picture, { points = [], labels = [], box = null }) {
    const masks = await this.model.predict(picture, points, labels, box);
    const name = `p${++this.last}`;
    this.previews.set(name, masks);
    while (this.previews.size > MOST_PREVIEWS) this.previews.delete(this.previews.keys().next().value);
    return {
      preview: name,
      best: masks.reduce((a, b, index) => (b.score > masks[a].score ? index : a), 0),
      masks: masks.map(({ score, runs, area }) => ({ score: Number(score.toFixed(4)), area, outline: outlineOf(runs, picture.width) })),
    };
  }
}
