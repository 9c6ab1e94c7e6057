// The backend of the served page: a server, asked by HTTP. Every failure becomes one sentence.

import { ApiError } from "./api.js";
import { connect } from "./live.js";

const user = sessionStorage.user || (sessionStorage.user = crypto.getRandomValues(new Uint32Array(2)).join("-"));

async function send(method, path, body, options = {}) {
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
  if (answer.ok) return answer;
  const facts = await answer.json().catch(() => ({}));
  const sentence = answer.status === 401
    ? "The server wants its token again; open the address that anymask serve printed."
    : facts.error || `The server answered ${answer.status}.`;
  throw new ApiError(sentence, answer.status, facts.code);
}

export const server = {
  ask: async (...words) => (await send(...words)).json(),
  picture: async (path, signal) => createImageBitmap(await (await send("GET", path, undefined, { signal })).blob()),
  thumbnail: (image) => `/v1/images/${image.id}/thumbnail?picture=${image.rgbs[0].picture}`,
  connect,
};
