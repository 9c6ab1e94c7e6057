// Talks to the server. Every failure becomes an Error with one sentence, ready to be shown.

const user = sessionStorage.user || (sessionStorage.user = crypto.getRandomValues(new Uint32Array(2)).join("-"));

export class ApiError extends Error {
  constructor(sentence, status, code) {
    super(sentence);
    this.status = status;
    this.code = code;
  }
}

async function ask(method, path, body, options = {}) {
  const headers = { "x-user": user };
  if (body !== undefined && !(body instanceof Blob || body instanceof FormData)) {
    headers["content-type"] = "application/json";
    body = JSON.stringify(body);
  }
  let answer;
  try {
    answer = await fetch(`/v1/${path}`, { method, headers, body, ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("The server does not answer; what is committed is kept.", 0, "offline");
  }
  if (!answer.ok) {
    const facts = await answer.json().catch(() => ({}));
    const sentence = answer.status === 401
      ? "The server wants its token again; open the address that anymask serve printed."
      : facts.error || `The server answered ${answer.status}.`;
    throw new ApiError(sentence, answer.status, facts.code);
  }
  return options.raw ? answer : answer.json();
}

export const get = (path, options) => ask("GET", path, undefined, options);
export const post = (path, body = {}, options) => ask("POST", path, body, options);
export const put = (path, body) => ask("PUT", path, body);
export const remove = (path, options) => ask("DELETE", path, undefined, options);

// The address of something of an image, in its pseudo-RGB and plane.
export function of(image, what, rgb, plane = 0, more = {}) {
  const query = new URLSearchParams({ rgb, plane, ...more });
  return `images/${image}/${what}?${query}`;
}
