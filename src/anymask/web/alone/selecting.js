// Which of the masks found are objects: by thresholds, the better of two that overlap, cleaned.

import { axesOf, runsAbove } from "./enlarge.js";
import { logitsOf } from "./finding.js";
import { areaOf, boxOfRuns, iou, withoutSmall } from "./runs.js";

const MARGIN = 0.2; // how far below its thresholds a run keeps masks, so that they can be lowered
const ACROSS_CROPS = 0.7; // cleaned masks that overlap more are the same

export const thresholdsOf = ({ everything }) => ({
  pred_iou: everything.pred_iou_thresh, stability: everything.stability_score_thresh,
});

export function limitsOf(config) {
  const own = thresholdsOf(config);
  return {
    pred_iou: Number(Math.max(own.pred_iou - MARGIN, 0).toFixed(6)),
    stability: Number(Math.max(own.stability - MARGIN, 0).toFixed(6)),
  };
}

// Indices of masks in order, without those that overlap an earlier one by more than `most`.
function distinct(masks, most, width) {
  const boxes = masks.map(({ runs }) => boxOfRuns(runs, width));
  const stay = [];
  masks.forEach(({ runs, area }, index) => {
    const [left, top, wide, tall] = boxes[index];
    const repeats = stay.some((other) => {
      const [x, y, w, h] = boxes[other];
      const common = Math.max(Math.min(left + wide, x + w) - Math.max(left, x), 0) * Math.max(Math.min(top + tall, y + h) - Math.max(top, y), 0);
      const shared = Math.min(common, area, masks[other].area);
      if (shared / (area + masks[other].area - shared) <= most) return false;
      return iou(runs, masks[other].runs, [area, masks[other].area]) > most;
    });
    if (!repeats) stay.push(index);
  });
  return stay.map((index) => masks[index]);
}

// Masks at the size of the picture, which is that of masks without logits, the largest first, so that the smaller are painted over them.
export function select(found, { pred_iou, stability }, config, { width, height, size }) {
  const own = config.everything;
  const worth = own.order_by === "predicted_iou" ? (mask) => mask.score : (mask) => mask.score * mask.stability;
  const good = found.filter((mask) => mask.score > pred_iou && mask.stability >= stability)
    .sort((a, b) => worth(b) - worth(a));
  const logits = found.length ? found[0].window : null;
  const axes = logits && axesOf(config, logits.side, height, width, size);
  const whole = distinct(good, own.box_nms_thresh, logits ? size[1] : width).map((mask) => {
    if (!mask.whole) {
      const before = logits ? runsAbove(logitsOf(mask.window), ...axes, 0) : mask.runs;
      const runs = withoutSmall(before, width, height, own.min_mask_region_area);
      mask.whole = { score: mask.score, stability: mask.stability, runs, area: areaOf(runs), cleaned: runs !== before };
    }
    return mask.whole;
  });
  // Those that needed no cleaning win.
  const ordered = [...whole.filter((mask) => !mask.cleaned), ...whole.filter((mask) => mask.cleaned)];
  return distinct(ordered.filter(({ area }) => area), ACROSS_CROPS, width).sort((a, b) => b.area - a.area);
}
