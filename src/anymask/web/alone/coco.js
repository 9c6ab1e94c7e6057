// Masks as COCO JSON: compressed run lengths, column by column.

// The pixels of a box, 1 on the mask.
function pixelsOf(runs, [left, top, wide, tall], width) {
  const pixels = new Uint8Array(wide * tall);
  for (let i = 0; i < runs.length; i += 2) {
    const start = (Math.floor(runs[i] / width) - top) * wide + (runs[i] % width) - left;
    pixels.fill(1, start, start + runs[i + 1] - runs[i]);
  }
  return pixels;
}

// Run lengths of the whole picture, background first.
export function countsOf(labels, id) {
  const { box } = labels.facts.get(id);
  const [left, top, wide, tall] = box;
  const pixels = pixelsOf(labels.runsOf(id), box, labels.width);
  const counts = [];
  let [last, isOn] = [0, 0];
  const change = (place) => {
    counts.push(place - last);
    [last, isOn] = [place, 1 - isOn];
  };
  for (let x = 0; x < wide; x++) {
    const start = (left + x) * labels.height + top;
    for (let y = 0; y < tall; y++) if (pixels[y * wide + x] !== isOn) change(start + y);
    if (isOn && top + tall < labels.height) change(start + tall);
  }
  if (isOn && last < labels.width * labels.height && left + wide < labels.width) change((left + wide) * labels.height);
  counts.push(labels.width * labels.height - last);
  return counts;
}

// Groups of five bits as text: from the fourth on, differences to the number two places before.
export function textOf(counts) {
  let text = "";
  counts.forEach((count, index) => {
    let value = index > 2 ? count - counts[index - 2] : count;
    let isDone = false;
    while (!isDone) {
      const group = value & 31;
      value >>= 5;
      isDone = value === (group & 16 ? -1 : 0);
      text += String.fromCharCode(48 + group + (isDone ? 0 : 32));
    }
  });
  return text;
}

export function cocoOf({ name, width, height, labels }, classes) {
  const numbers = new Map(classes.map((each, index) => [each.name, index + 1]));
  const categories = classes.map((each, index) => ({ id: index + 1, name: each.name, supercategory: "" }));
  const all = [...labels.facts].sort(([a], [b]) => a - b);
  for (const [, { class: own }] of all) {
    if (numbers.has(own)) continue;
    numbers.set(own, categories.length + 1);
    categories.push({ id: categories.length + 1, name: own || "object", supercategory: "", ...(own ? {} : { unnamed: true }) });
  }
  return {
    info: {},
    images: [{ id: 1, file_name: name, height, width }],
    categories,
    annotations: all.map(([id, { class: own, area, box, score, stability }]) => ({
      id, image_id: 1, category_id: numbers.get(own), segmentation: { size: [height, width], counts: textOf(countsOf(labels, id)) },
      area, bbox: box, iscrowd: 0, predicted_iou: score, stability_score: stability,
    })),
  };
}
