// What the page shows, and who wants to know when it changes.

export const state = {
  status: null, // of the server
  images: [],
  image: null, // the one that is shown
  rgb: "",
  plane: 0,
  revision: 0,
  undo: null,
  redo: null,
  objects: new Map(), // id -> object with its path
  shown: null, // other objects that are only shown, while a slider moves
  selected: new Set(),
  classes: [],
  activeClass: "",
  tool: "click",
  negative: false,
  brush: 12, // radius in pixels of the image
  visible: true, // masks
  people: 1,
  online: true,
  busy: 0,
};

const listeners = new Map();

export function on(kinds, listener) {
  for (const kind of kinds.split(" ")) {
    if (!listeners.has(kind)) listeners.set(kind, []);
    listeners.get(kind).push(listener);
  }
}

export function tell(kind, facts) {
  for (const listener of listeners.get(kind) || []) listener(facts);
}

export function setTool(tool) {
  if (state.tool === tool) return;
  state.tool = tool;
  tell("tool");
}

export function select(ids) {
  state.selected = new Set([...ids].filter((id) => state.objects.has(id)));
  tell("selection");
}

// A sentence for the user: "info", "good" or "error".
export function say(text, kind = "info", action = null) {
  tell("say", { text, kind, action });
}

export function fail(error) {
  if (error.name === "AbortError") return;
  if (error.code !== "offline") say(error.message, "error"); // the banner says that
}
