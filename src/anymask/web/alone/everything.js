// Everything in pictures, as jobs with progress, and the thresholds that choose among what was found.

import { ApiError } from "../page/api.js";
import { tell } from "../page/state.js";
import { replaceAll } from "./edits.js";
import { outlineOf } from "./outline.js";
import { resizedSize } from "./resize.js";
import { limitsOf, select, thresholdsOf } from "./selecting.js";

export class Runs {
  constructor(model, pictures, changed) {
    Object.assign(this, { model, pictures, changed, jobs: [] });
  }

  // Refuses to lose edits unless that is wished.
  start({ images, points_per_side: pointsPerSide = 32, replace = false }) {
    const all = images.map((id) => this.pictures.get(id));
    const edited = replace ? null : all.find((picture) => picture.labels.editedByHand);
    if (edited) throw new ApiError(`${edited.name} was edited by hand; allow its masks to be replaced.`, 409, "edited");
    const job = { id: `j${this.jobs.length + 1}`, kind: "everything", title: all[0].name, state: "waiting", fraction: 0, sentence: "" };
    this.jobs.push(job);
    this.run(job, all, pointsPerSide).catch((error) => this.end(job, "failed", error.message));
    return { ...job };
  }

  async run(job, pictures, pointsPerSide) {
    let count = 0;
    for (const [index, picture] of pictures.entries()) {
      job.title = picture.name;
      const progress = (share) => {
        Object.assign(job, { state: "running", fraction: (index + share) / pictures.length });
        this.news(job);
      };
      progress(0);
      await this.model.ready;
      const limits = limitsOf(this.model.config);
      const found = job.stopped ? null
        : await this.model.everything(picture, pointsPerSide, limits, progress, (cancel) => { job.cancel = cancel; });
      if (!found) return this.end(job, "cancelled", "Everything was cancelled; what was there stays.");
      const { labels } = picture;
      Object.assign(labels, { found, thresholds: thresholdsOf(this.model.config) });
      const masks = this.selected(picture, labels.thresholds);
      replaceAll(labels, masks, "find everything");
      count += masks.length;
      tell("news-layer", { image: picture.id, rgb: picture.facts().rgbs[0].name, revision: labels.revision, state: labels.state });
      this.changed(picture);
    }
    return this.end(job, "done", `${count} ${count === 1 ? "object" : "objects"} found.`);
  }

  news({ cancel, stopped, ...facts }) {
    tell("news-job", facts);
  }

  end(job, state, sentence) {
    Object.assign(job, { state, sentence, fraction: 1 });
    this.news(job);
  }

  cancel(id) {
    const job = this.jobs.find((each) => each.id === id);
    if (!job) throw new ApiError("There is no such job.", 404);
    job.stopped = true;
    if (job.cancel) job.cancel();
    return {};
  }

  selected(picture, thresholds) {
    const { width, height, labels } = picture;
    const size = resizedSize(height, width, this.model.config.image_size);
    return select(labels.found, thresholds, this.model.config, { width, height, size });
  }

  thresholds({ labels }) {
    if (!labels.found) return { thresholds: null, limits: null };
    return { thresholds: labels.thresholds, limits: limitsOf(this.model.config), edited: labels.editedByHand };
  }

  preview(picture, thresholds) {
    return {
      preview: true,
      objects: this.selected(picture, thresholds).map(({ runs, area }, index) => ({ id: index + 1, area, outline: outlineOf(runs, picture.width) })),
    };
  }

  choose(picture, thresholds, replace) {
    const { labels } = picture;
    if (labels.editedByHand && !replace) throw new ApiError("Masks of this image were edited by hand.", 409, "edited");
    labels.thresholds = thresholds;
    return replaceAll(labels, this.selected(picture, thresholds), "thresholds");
  }
}
