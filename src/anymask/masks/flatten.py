"""Rules for pixels in several masks, to write overlapping masks as a label image."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from anymask.errors import AnymaskError
from anymask.masks.labels import label_dtype, stacking_ids
from anymask.masks.mask_set import MaskSet
from anymask.masks.nesting import nesting
from anymask.masks.objects import Masks, as_set, counts_of_crop, objects_of

Rule = Literal["smallest", "largest", "score", "first", "last", "split"]
RULES: tuple[Rule, ...] = get_args(Rule)

# A mask with more than this share outside another mask is its neighbour, not its part.
_PART = 0.2


def to_label_image(masks: MaskSet, rule: Rule = "smallest") -> NDArray[np.unsignedinteger]:
    """Paint masks into a label image, with a rule for pixels in several masks.

    Parameters
    ----------
    masks : MaskSet
    rule : {"smallest", "largest", "score", "first", "last", "split"}
        Which mask gets the pixels: the "smallest" or the "largest", the one with the highest
        predicted IoU ("score"), or the "first" or "last" in order. With "split", a mask inside
        another (at least four fifths of it) is on top, and masks that only overlap partly divide
        their shared pixels: each goes to the mask whose unshared part is nearest.

    Returns
    -------
    (H, W) array
        `masks.ids`, 0 for background, in the smallest unsigned dtype that holds them. If the rule
        ties, the smaller mask is on top, then the one with the higher score. A mask completely
        hidden by others does not appear.

    Raises
    ------
    AnymaskError
        If the rule is unknown, or it is "score" and no mask has a score.

    Examples
    --------
    >>> stack = np.zeros((2, 1, 9), bool)
    >>> stack[0, :, :6], stack[1, :, 2:] = True, True
    >>> masks = MaskSet.from_masks(stack, object_ids=[1, 2])
    >>> to_label_image(masks, "smallest")
    array([[1, 1, 1, 1, 1, 1, 2, 2, 2]], dtype=uint8)
    >>> to_label_image(masks, "split")
    array([[1, 1, 1, 1, 2, 2, 2, 2, 2]], dtype=uint8)
    """
    _check_rule(rule)
    rank = stacking_ids(masks.areas, masks.predicted_iou)
    labels = np.zeros(masks.image_size, label_dtype(masks.ids.max(initial=0)))
    if rule == "split":
        depths = nesting(masks, tolerance=_PART).depths
        for depth in range(depths.max(initial=-1) + 1):
            level = np.flatnonzero(depths == depth)
            _paint_divided(masks, level[np.argsort(-rank[level])], labels)
        return labels
    for index, crop in objects_of(masks, order=_painting_order(masks, rank, rule)):
        labels[crop.window][crop.pixels] = masks.ids[index]
    return labels


def remove_overlaps(masks: Masks, rule: Rule = "smallest") -> Masks:
    """Remove from each mask the pixels that a rule gives to another mask.

    Parameters
    ----------
    masks : MaskSet, label image or boolean mask
        Objects of a label image do not overlap, so it is returned unchanged.
    rule : {"smallest", "largest", "score", "first", "last", "split"}
        As in `to_label_image`.

    Returns
    -------
    Of the same form, with the same ids, scores and classes, and no pixel in two masks. Masks left
    without pixels are dropped.

    Raises
    ------
    AnymaskError
        If the rule is unknown, or it is "score" and no mask has a score.

    Examples
    --------
    >>> stack = np.zeros((2, 1, 9), bool)
    >>> stack[0, :, :6], stack[1, :, 2:] = True, True
    >>> remove_overlaps(MaskSet.from_masks(stack), "first").areas
    array([6, 3])
    """
    _check_rule(rule)
    if not isinstance(masks, MaskSet):
        as_set(masks)
        return masks
    labels = to_label_image(masks, rule)
    counts, ids = list(masks.counts), masks.ids
    for index, crop in objects_of(masks):
        own = crop.pixels & (labels[crop.window] == ids[index])
        if np.count_nonzero(own) < masks.areas[index]:
            counts[index] = counts_of_crop(replace(crop, pixels=own), masks.image_size)
    result = masks.with_counts(counts)
    return cast(Masks, result.select(result.areas > 0))


def _check_rule(rule: str) -> None:
    if rule not in RULES:
        raise AnymaskError(f"{rule!r} is not a rule for overlaps; choose from {', '.join(RULES)}.")


def _painting_order(masks: MaskSet, rank: NDArray[np.int64], rule: Rule) -> NDArray[np.int64]:
    """Indices of the masks, the topmost last."""
    index = np.arange(len(masks))
    if rule == "smallest":
        return np.argsort(rank)
    if rule == "largest":
        return np.lexsort([rank, masks.areas])
    if rule == "score":
        score = masks.predicted_iou
        if len(masks) and np.isnan(score).all():
            raise AnymaskError(
                "No mask has a predicted IoU; choose another rule, such as 'smallest'."
            )
        return np.lexsort([rank, np.where(np.isnan(score), -np.inf, score)])
    return index if rule == "last" else index[::-1]


def _paint_divided(
    masks: MaskSet, order: NDArray[np.int64], labels: NDArray[np.unsignedinteger]
) -> None:
    """Paint masks; a shared pixel goes to the mask whose unshared part is nearest, or the first."""
    times = np.zeros(masks.image_size, np.uint16)
    for _, crop in objects_of(masks, order=order):
        times[crop.window][crop.pixels] += 1
    nearest = np.full(masks.image_size, np.inf, np.float32)
    for index, crop in objects_of(masks, order=order):
        view = labels[crop.window]
        shared = crop.pixels & (times[crop.window] > 1)
        own = crop.pixels & ~shared
        view[own] = masks.ids[index]
        if not shared.any():
            continue
        # A mask without unshared pixels would vanish, so it keeps all its pixels.
        distance = ndimage.distance_transform_edt(~own) if own.any() else np.zeros(own.shape)
        so_far = nearest[crop.window]
        closer = shared & (distance < so_far)
        so_far[closer] = distance[closer]
        view[closer] = masks.ids[index]
