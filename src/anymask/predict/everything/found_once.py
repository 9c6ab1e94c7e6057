"""An image segmented once, so that thresholds can be chosen afterwards without the model.

The masks of `SamAutomaticMaskGenerator` at given thresholds are a subset of those at permissive
thresholds. So `find` segments an image once, and `kept` returns exactly the masks that the
generator would return with other thresholds.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.masks.distinct import distinct
from anymask.masks.mask_set import MaskSet
from anymask.model.config import EverythingConfig
from anymask.predict.everything.duplicates import without_duplicates, worth
from anymask.predict.everything.pixel_source import PixelSource
from anymask.predict.everything.small_regions import clean

Cleaned = MutableMapping[tuple[int, float], MaskSet]
"""Cleaned masks by their index among those found and by the area; filled by `kept`."""

# The generator's default, by which it compares masks of different crops or tiles, and cleans.
CROP_NMS = 0.7


def find(
    sam: Any,
    image: PixelSource,
    loosest: EverythingConfig,
    *,
    progress: Any = None,
    **options: Any,
) -> MaskSet:
    """Segment an image at permissive thresholds.

    Parameters
    ----------
    sam : Sam
    image : (H, W, 3) uint8 array
    loosest : EverythingConfig
        The lowest thresholds that will be needed, the stability offset, and the order. NMS, area
        and share are not used.
    progress : callable, optional
        As for `SamAutomaticMaskGenerator.generate`.
    **options
        Further options of `SamAutomaticMaskGenerator`, such as `points_per_side`.

    Returns
    -------
    MaskSet
        All masks, without suppression and cleaning; without crops and tiles, best first.
    """
    from anymask.predict.everything.generator import SamAutomaticMaskGenerator

    generator = SamAutomaticMaskGenerator(
        sam,
        **{
            "pred_iou_thresh": loosest.pred_iou_thresh,
            "stability_score_thresh": loosest.stability_score_thresh,
            "stability_score_offset": loosest.stability_score_offset,
            "order_by": loosest.order_by,
            "box_nms_thresh": 1.0,
            "crop_nms_thresh": 1.0,
            "min_mask_region_area": 0,
            **options,
        },
    )
    return generator.generate_masks(image, progress)


def passing(masks: MaskSet, config: EverythingConfig) -> NDArray[np.bool_]:
    """Return which masks (N,) have the scores that a configuration requires."""
    # In float32, in which the scores were computed and compared.
    good = masks.predicted_iou.astype(np.float32) > np.float32(config.pred_iou_thresh)
    if config.pred_iou_thresh <= 0:
        good[:] = True
    if config.stability_score_thresh > 0:
        stability = masks.stability_score.astype(np.float32)
        good &= stability >= np.float32(config.stability_score_thresh)
    return good


def kept(
    masks: MaskSet,
    config: EverythingConfig,
    cleaned: Cleaned | None = None,
    *,
    tiled: bool = False,
) -> MaskSet:
    """Return the masks that the generator returns with a configuration.

    Parameters
    ----------
    masks : MaskSet
        From `find`, with the same stability offset and thresholds that are not lower.
    config : EverythingConfig
    cleaned : dict, optional
        Caches cleaned masks for the next call.
    tiled : bool
        Whether the crops that masks were found in are tiles of a large image. Of duplicates
        in several tiles the better one stays, of those in several crops that of the smallest.
    """
    chosen = distinct_at(masks, config, tiled=tiled)
    found = masks.select(chosen)
    area = config.min_mask_region_area
    if area <= 0:
        return found
    memory: Cleaned = {} if cleaned is None else cleaned
    whole = []
    for index in map(int, chosen):
        if (index, area) not in memory:
            memory[index, area] = clean(masks.select([index]), area, 1.0, "box")
        whole.append(memory[index, area].counts[0])
    touched = [c is not masks.counts[i] for c, i in zip(whole, chosen, strict=True)]
    ordered = replace(found, counts=tuple(whole)).select(np.argsort(touched, kind="stable"))
    limit = max(config.box_nms_thresh, CROP_NMS)
    in_order = -np.arange(len(ordered))
    return ordered.select(distinct(ordered, in_order, limit, config.nms_by))


def distinct_at(
    masks: MaskSet, config: EverythingConfig, *, tiled: bool = False
) -> NDArray[np.int64]:
    """Return the indices of the masks that a configuration keeps, before any cleaning.

    Parameters are those of `kept`, and so is the order: the best mask first, or with crops those
    of the smallest crops first.
    """
    good = np.flatnonzero(passing(masks, config))
    if not len(good):
        return good
    _, first, crop_of = np.unique(
        masks.crop_box[good], axis=0, return_index=True, return_inverse=True
    )
    crop_of = crop_of.ravel()
    stay: list[NDArray[np.int64]] = []
    for crop in np.argsort(first):  # as they come in `masks`
        members = good[crop_of == crop]
        best = without_duplicates(masks.select(members), config.box_nms_thresh, config)
        stay.append(members[best])
    chosen = np.concatenate(stay)
    if len(stay) == 1:
        return chosen
    if tiled:  # among equal masks the earlier one stays
        chosen.sort()
    some = masks.select(chosen)
    areas = some.crop_box[:, 2:].prod(1).astype(np.float32)
    order = worth(some, config) if tiled else 1 / areas
    return chosen[distinct(some, order, CROP_NMS, config.nms_by)]


def suppress(
    conflict: NDArray[np.bool_], alive: NDArray[np.bool_] | None = None
) -> NDArray[np.int64]:
    """Greedy suppression of candidates ordered best first, as in `masks.distinct`.

    Parameters
    ----------
    conflict : (N, N) bool array
        Which pairs exclude each other.
    alive : (N,) bool array, optional
        The candidates to consider; all by default.

    Returns
    -------
    (K,) int64 array
        Indices of the kept candidates, in order.
    """
    waiting = np.ones(len(conflict), bool) if alive is None else alive.copy()
    stay = []
    for index in np.flatnonzero(waiting):
        if waiting[index]:
            stay.append(index)
            waiting &= ~conflict[index]
    return np.array(stay, np.int64)
