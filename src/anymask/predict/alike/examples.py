"""What a person shows: masks, boxes and clicks, turned into masks of an image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from anymask.errors import PromptError
from anymask.masks.mask_set import MaskSet
from anymask.masks.rle import Counts, counts_of

if TYPE_CHECKING:
    from anymask.predict.predictor import SamPredictor


def by_image(given: Iterable[Any], count: int, called: str) -> list[list[Any]]:
    """Sort examples by the image they are in.

    Parameters
    ----------
    given : iterable
        Each an object of image 0, or a pair of an image's index and an object.
    count : int
        The number of images.
    called : str
        "examples" or "negatives", for messages.

    Returns
    -------
    list of list
        The objects of each image.

    Raises
    ------
    PromptError
        If there is no such image.

    Examples
    --------
    >>> by_image([[10, 20], (1, [3, 4, 9, 9])], 2, "examples")
    [[[10, 20]], [[3, 4, 9, 9]]]
    """
    sorted_ones: list[list[Any]] = [[] for _ in range(count)]
    for each in given:
        is_pair = isinstance(each, tuple) and len(each) == 2 and np.ndim(each[0]) == 0
        if is_pair and not np.isscalar(each[1]):
            index, shown = each
        else:
            index, shown = 0, each
        if not isinstance(index, int | np.integer) or not 0 <= index < count:
            raise PromptError(
                f"An item of {called} is in image {index}, but {count} are given, counted from 0."
            )
        sorted_ones[index].append(shown)
    return sorted_ones


def masks_shown(
    predictor: SamPredictor, shown: Sequence[Any], size: tuple[int, int], called: str
) -> MaskSet:
    """Return the masks of objects that are shown by a mask, a box or a click.

    Parameters
    ----------
    predictor : SamPredictor
        With the image set, if there is a box or a click.
    shown : sequence
        Each a `MaskSet`, a boolean mask (H, W), a box XYXY or a click (x, y).
    size : tuple of int
        Height and width of the image.
    called : str
        "examples" or "negatives", for messages.

    Raises
    ------
    PromptError
        If one is none of these, does not fit the image, or shows nothing.
    """
    counts: list[Counts] = []
    for each in shown:
        if isinstance(each, MaskSet):
            _check_size(each.image_size, size, called)
            counts += each.counts
            continue
        values = np.asarray(each)
        if values.ndim == 2 and values.dtype == np.bool_:
            _check_size(values.shape, size, called)
            mask = values
        elif values.shape == (4,):
            mask = predictor.predict(box=values, multimask_output=False)[0][0]
        elif values.shape == (2,):
            masks, iou, _ = predictor.predict(point_coords=values[None], point_labels=[1])
            mask = masks[iou.argmax()]
        else:
            raise PromptError(
                f"An item of {called} is {values.dtype} of shape {values.shape}; give a boolean "
                "mask (H, W), a box (x0, y0, x1, y1), a click (x, y), or a MaskSet; in another "
                "image than the first, the pair (index of the image, object)."
            )
        if not mask.any():
            raise PromptError(f"An item of {called} shows nothing: its mask has no pixel.")
        counts.append(counts_of(np.asarray(mask)))
    return MaskSet.from_counts(size, counts)


def needs_predictor(shown: Sequence[Any]) -> bool:
    """Whether one of the objects is shown by a box or a click."""
    return any(not isinstance(each, MaskSet) and np.ndim(each) == 1 for each in shown)


def _check_size(own: tuple[int, ...], size: tuple[int, int], called: str) -> None:
    if tuple(own) != size:
        raise PromptError(
            f"A mask in {called} is {own[1]} wide and {own[0]} high, and its image is {size[1]} "
            f"wide and {size[0]} high; give masks at the image's size."
        )
