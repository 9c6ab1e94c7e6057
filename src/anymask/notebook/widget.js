// What a notebook loads: a frame with the page. In a frame, the page's style and keys are its own.

function render({ model, el }) {
  const frame = document.createElement("iframe");
  frame.title = "anymask: annotate an image";
  Object.assign(frame.style, { width: "100%", height: `${model.get("_height")}px`, border: "0", display: "block" });
  // Notebooks take buffers of their own window only, so those of the frame are copied.
  const send = (facts, arrays) => model.send(facts, undefined, arrays.map((array) => new Uint8Array(array).buffer));
  frame.addEventListener("load", () => frame.contentWindow.beginInNotebook?.(model, send));
  frame.srcdoc = model.get("_page");
  el.append(frame);
  return () => frame.contentWindow?.endInNotebook?.();
}

export default { render };
