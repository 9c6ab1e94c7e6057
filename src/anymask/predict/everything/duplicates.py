"""Which of several masks of one object is kept: the better one, and what "better" means."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anymask.masks.distinct import distinct
from anymask.masks.mask_set import MaskSet
from anymask.model.config import EverythingConfig


def worth(masks: MaskSet, options: EverythingConfig) -> NDArray[np.float64]:
    """Return the scores by which masks are ranked, (N,); the highest is kept.

    NaN, for a mask without a stability score, ranks lowest.
    """
    if options.order_by == "iou_times_stability":
        return masks.predicted_iou * masks.stability_score
    return masks.predicted_iou


def without_duplicates(
    masks: MaskSet, iou_threshold: float, options: EverythingConfig
) -> NDArray[np.int64]:
    """Choose masks, best first, that do not overlap a better one by more than a threshold.

    Parameters
    ----------
    masks : MaskSet
    iou_threshold : float
        `box_nms_thresh` or `crop_nms_thresh`.
    options : EverythingConfig
        `nms_by` sets what is compared, `order_by` which mask is better.

    Returns
    -------
    (K,) int64 array
        Indices of the kept masks, best first; equal ones keep their order.
    """
    return distinct(masks, worth(masks, options), iou_threshold, options.nms_by)
