"""Clean the masks of "everything": fill small holes, remove small islands, on run lengths."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from anymask.masks.distinct import Compared, distinct
from anymask.masks.mask_set import MaskSet
from anymask.masks.regions import without_small_regions
from anymask.predict.everything.options import EverythingOptions


def without_small(masks: MaskSet, options: EverythingOptions) -> MaskSet:
    """Clean the masks of an image, if the options say so."""
    if options.min_mask_region_area == 0:
        return masks
    threshold = max(options.box_nms_thresh, options.crop_nms_thresh)
    return clean(masks, options.min_mask_region_area, threshold, options.nms_by)


def clean(masks: MaskSet, min_area: float, iou_threshold: float, nms_by: Compared) -> MaskSet:
    """Fill small holes and remove small islands of all masks, then drop duplicates.

    Masks that needed no cleaning come first and win over those that did.

    Parameters
    ----------
    masks : MaskSet
    min_area : float
        Holes and islands with fewer pixels are small.
    iou_threshold : float
        If the IoU of two masks is above this, one is dropped.
    nms_by : {"box", "mask"}
        Whether the IoU of boxes or of masks is compared.

    Returns
    -------
    MaskSet
        Scores are those of the masks before cleaning.
    """
    counts = list(masks.counts)
    untouched = np.ones(len(masks), np.bool_)
    for index, before in enumerate(masks.counts):
        after, filled = without_small_regions(before, masks.image_size, min_area, "holes")
        after, thinned = without_small_regions(after, masks.image_size, min_area, "islands")
        if filled or thinned:
            untouched[index] = False
            counts[index] = after
    cleaned = replace(masks, counts=tuple(counts))
    return cleaned.select(distinct(cleaned, untouched, iou_threshold, nms_by))
