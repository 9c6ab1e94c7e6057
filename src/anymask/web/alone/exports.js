// Masks as files that anymask and other programs read.

import { cocoOf } from "./coco.js";
import { roisOf } from "./imagej.js";
import { labelPng } from "./png.js";
import { zipOf } from "./zip.js";

export const FORMATS = [
  { name: "png", title: "label image as PNG" },
  { name: "coco", title: "COCO JSON" },
  { name: "imagej", title: "ImageJ ROIs" },
];

const stem = (name) => name.replace(/\.[^.]+$/, "");

// The files of a picture, named as anymask names them.
const WRITERS = {
  png: async (picture) => [".labels.png", await labelPng(picture.labels)],
  coco: async (picture, classes) => [".masks.json", new TextEncoder().encode(JSON.stringify(cocoOf(picture, classes)))],
  imagej: async (picture) => [".rois.zip", roisOf(picture.labels)],
};

export async function exported(pictures, formats, classes) {
  const files = [];
  const stems = pictures.map(({ name }) => stem(name));
  for (const [index, picture] of pictures.entries()) {
    // Pictures that would share a name keep their suffix.
    const isShared = stems.indexOf(stems[index]) !== stems.lastIndexOf(stems[index]);
    for (const format of formats) {
      const [ending, bytes] = await WRITERS[format](picture, classes);
      files.push([(isShared ? picture.name : stems[index]) + ending, bytes]);
    }
  }
  const [[name, bytes]] = files;
  if (files.length === 1) return { name, blob: new Blob([bytes]), count: 1 };
  return { name: "masks.zip", blob: new Blob([zipOf(files)]), count: files.length };
}
