// News from the server, and what to do while it is away.

import { state, tell } from "./state.js";

let source = null;
let server = null;
let again = 0;

export function connect() {
  clearTimeout(again);
  if (source) source.close();
  source = new EventSource("/v1/events");
  source.addEventListener("hello", (event) => {
    const facts = JSON.parse(event.data);
    const wasAway = !state.online;
    const restarted = server !== null && server !== facts.server;
    server = facts.server;
    if (!state.online) {
      state.online = true;
      tell("online");
    }
    if (wasAway || restarted) tell("back", { restarted });
  });
  for (const kind of ["layer", "images", "recipes", "classes", "saved", "job", "people", "lease", "missed"]) {
    source.addEventListener(kind, (event) => tell(`news-${kind}`, JSON.parse(event.data)));
  }
  source.onerror = () => {
    if (state.online) {
      state.online = false;
      tell("online");
    }
    // A browser gives up after some answers; this does not.
    source.close();
    clearTimeout(again);
    again = setTimeout(connect, 1500);
  };
}
