// What the page asks of whatever keeps its images and masks: a server, or the page itself.
//
// A backend is an object with
//   ask(method, path, body, options)  facts as objects; failures as ApiError with one sentence
//   picture(path, signal)             a tile as ImageBitmap
//   thumbnail(image)                  the address of a small picture
//   connect()                         begins to tell the news

export class ApiError extends Error {
  constructor(sentence, status = 400, code = "") {
    super(sentence);
    this.status = status;
    this.code = code;
  }
}

let backend = null;

export function answeredBy(given) {
  backend = given;
}

export const get = (path, options) => backend.ask("GET", path, undefined, options);
export const post = (path, body = {}, options) => backend.ask("POST", path, body, options);
export const put = (path, body) => backend.ask("PUT", path, body);
export const remove = (path, options) => backend.ask("DELETE", path, undefined, options);
export const picture = (path, signal) => backend.picture(path, signal);
export const thumbnail = (image) => backend.thumbnail(image);
export const connect = () => backend.connect();

// The address of something of an image, in its pseudo-RGB and plane.
export function of(image, what, rgb, plane = 0, more = {}) {
  const query = new URLSearchParams({ rgb, plane, ...more });
  return `images/${image}/${what}?${query}`;
}
