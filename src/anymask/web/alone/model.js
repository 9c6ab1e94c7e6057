// Asks the worker in which the model runs.

export class Model {
  constructor(folder) {
    this.folder = folder;
    this.waiting = new Map(); // id -> { resolve, reject, progress }
    this.last = 0;
    this.worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
    this.worker.onmessage = ({ data }) => this.take(data);
    this.worker.onerror = (event) => {
      event.preventDefault();
      const error = new Error("The model stopped, perhaps for lack of memory; save what you have, then open the page again.");
      for (const { reject } of this.waiting.values()) reject(error);
      this.waiting.clear();
    };
    this.config = null;
    this.ready = this.ask("open", { folder: String(folder) }).then((config) => { this.config = config; });
    this.ready.catch(() => {}); // whoever needs it hears of it
    this.encoding = new Map(); // id of a picture -> promise
  }

  take({ id, result, error, progress }) {
    const asked = this.waiting.get(id);
    if (!asked) return;
    if (progress !== undefined) return asked.progress(progress);
    this.waiting.delete(id);
    if (error === undefined) asked.resolve(result);
    else asked.reject(new Error(error));
  }

  ask(what, facts = {}, { progress = () => {}, transfer = [], begun = () => {} } = {}) {
    const id = ++this.last;
    begun(id);
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject, progress });
      this.worker.postMessage({ id, what, ...facts }, transfer);
    });
  }

  // Has a picture encoded, unless it is.
  async prepare(picture) {
    await this.ready;
    if (!this.encoding.has(picture.id)) {
      const encoding = this.encode(picture).finally(() => this.encoding.delete(picture.id));
      this.encoding.set(picture.id, encoding);
    }
    await this.encoding.get(picture.id);
  }

  async encode(picture) {
    if (await this.ask("has", { key: picture.id })) return;
    const pixels = await picture.pixels();
    const { height, width } = picture;
    await this.ask("encode", { key: picture.id, pixels, height, width }, { transfer: [pixels.buffer] });
  }

  async predict(picture, points, labels, box) {
    await this.prepare(picture);
    return this.ask("predict", { key: picture.id, points, labels, box });
  }

  // All masks that thresholds above the limits may keep; null if it was cancelled.
  async everything(picture, pointsPerSide, limits, progress, cancel) {
    await this.prepare(picture);
    return this.ask("everything", { key: picture.id, pointsPerSide, limits }, {
      progress,
      begun: (id) => cancel(() => this.ask("cancel", { other: id })),
    });
  }
}
