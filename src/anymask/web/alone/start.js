// The page without a server: the model runs in it, and pictures come from the disk and stay there.

import { $, make } from "../page/dom.js";
import { begin, openFiles } from "../page/main.js";
import { fail, on, state } from "../page/state.js";
import { Backend } from "./backend.js";
import { Model } from "./model.js";

const model = new Model(new URL("../model/", import.meta.url));
export const backend = new Backend(model);

async function openSample() {
  try {
    const answer = await fetch(new URL("../sample/coins.png", import.meta.url));
    if (!answer.ok) throw new Error("The sample is not there; open a picture of yours.");
    await openFiles([new File([await answer.blob()], "coins.png", { type: "image/png" })]);
  } catch (error) {
    fail(error);
  }
}

function showBeginning() {
  $("#help-kept").textContent = "Masks are kept only as long as this page is open: export them before you close it.";
  $("#empty").append(make("div", { className: "choices" },
    make("button", { id: "open-picture", className: "main", textContent: "Open a picture", on: { click: () => $("#files").click() } }),
    make("button", { id: "open-sample", textContent: "Try a sample", on: { click: openSample } })));
  $("#files").accept = "image/*";
  on("images", () => {
    $("#empty p").textContent = "Open a picture, drop it here, or paste it. It stays on your computer: nothing is sent anywhere.";
  });
  $("#encoding-text").textContent = "Loading the model";
  model.ready.then(() => { $("#encoding-text").textContent = "Getting the picture ready for clicks"; }, fail);
  addEventListener("beforeunload", (event) => {
    if (state.images.some((image) => ["edited", "segmented"].includes(image.state))) event.preventDefault();
  });
}

showBeginning();
begin(backend);
