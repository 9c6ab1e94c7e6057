// The worker: requests { id, what, ... } are answered by { id, result }, { id, error } or { id, progress }.

import { findEverything } from "./finding.js";
import { Network } from "./network.js";

let network = null;
const cancelled = new Set();

const acts = {
  open: async ({ folder }) => {
    network = network || Network.open(folder);
    return (await network).config;
  },
  has: async ({ key }) => (await network).has(key),
  encode: async ({ key, pixels, height, width }) => (await network).encode(key, pixels, height, width),
  predict: async ({ key, points, labels, box }) => (await network).predict(key, points, labels, box),
  everything: async ({ key, pointsPerSide, limits, id }) => findEverything(
    await network, key, pointsPerSide, limits, (progress) => postMessage({ id, progress }), () => cancelled.delete(id)),
  cancel: async ({ other }) => { cancelled.add(other); },
};

onmessage = async ({ data }) => {
  try {
    postMessage({ id: data.id, result: await acts[data.what](data) });
  } catch (error) {
    postMessage({ id: data.id, error: error.message });
  }
};
