"""Masks of higher quality: ask again with the own mask, in the whole image and enlarged.

A mask is asked again with its own logits and, after clicks, its own box; then the surroundings of
the object are encoded on their own, so that the model sees them larger, and asked in the same way.
The logits of both are averaged where both know the image. The predicted IoU stays that of the first
answer: asked again with itself a mask is always found good, so that it no longer tells which of
several candidates is the best.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from anymask.masks.clicked import keep_clicked
from anymask.predict.checked_prompts import CheckedPrompts

# The part that is encoded on its own reaches this far beyond the object, in its longer sides. It is
# left out where it would be larger than this fraction of the image, which would show nothing new.
_MARGIN, _LARGEST = 0.5, 0.8
_LEAST_SIDE = 8  # of a part, in pixels


class Predictor(Protocol):
    """What is needed of `SamPredictor`."""

    def set_image(self, image: NDArray[np.uint8], image_format: str = "RGB") -> None: ...

    def predict(self, *args: Any, **kwargs: Any) -> tuple[NDArray, NDArray, NDArray]: ...


@dataclass(frozen=True)
class Prompt:
    """The prompts of one object.

    Attributes
    ----------
    point_coords : (P, 2) array or None
        (x, y) in pixels.
    point_labels : (P,) array or None
    box : (4,) array or None
        XYXY.
    mask_input : (1, h, w) array or None
    """

    point_coords: NDArray[Any] | None = None
    point_labels: NDArray[Any] | None = None
    box: NDArray[Any] | None = None
    mask_input: NDArray[Any] | None = None


def refined_each(
    whole: Predictor,
    part: Predictor,
    image: NDArray[np.uint8],
    image_format: str,
    prompts: CheckedPrompts,
    multimask_output: bool,
    threshold: float | None,
) -> list[Any]:
    """Predict the masks of several objects with higher quality, each as by `refined`.

    With a threshold the masks are bool; None keeps their logits. They are cut at once, so that the
    full-size logits of many boxes are never in memory together.
    """
    found: list[Any] = [None] * len(prompts)
    for index, group in prompts.without_padding():
        given = (group.point_coords, group.point_labels, group.boxes, group.masks)
        for row in range(len(index)):
            one = Prompt(*(None if array is None else array[row] for array in given))
            logits, *rest = refined(whole, part, image, image_format, one, multimask_output)
            found[index[row]] = (logits if threshold is None else logits > threshold, *rest)
    return found


def refined(
    whole: Predictor,
    part: Predictor,
    image: NDArray[np.uint8],
    image_format: str,
    prompt: Prompt,
    multimask_output: bool,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Predict the masks of one object with higher quality.

    Parameters
    ----------
    whole : SamPredictor
        Has the image.
    part : SamPredictor
        Is given parts of the image.
    image : (H, W, 3) uint8 array
    image_format : {"RGB", "BGR"}
    prompt : Prompt
    multimask_output : bool

    Returns
    -------
    logits : (C, H, W) float32 array
    iou : (C,) float32 array
        Of the first answer.
    low_res : (C, h, w) float32 array
        Logits in the whole image.
    """
    first, iou, low_res = whole.predict(
        prompt.point_coords,
        prompt.point_labels,
        prompt.box,
        prompt.mask_input,
        multimask_output,
        return_logits=True,
    )
    answers = [
        _again(whole, part, image, image_format, prompt, logits, low[None])
        for logits, low in zip(first, low_res, strict=True)
    ]
    logits, low = (np.stack(column) for column in zip(*answers, strict=True))
    return logits, iou, low


def _again(
    whole: Predictor,
    part: Predictor,
    image: NDArray[np.uint8],
    image_format: str,
    prompt: Prompt,
    logits: NDArray[np.float32],
    low_res: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Logits of one candidate, asked again, and in low resolution."""
    box = prompt.box if prompt.box is not None else _own_box(logits, prompt)
    masks, _, low = whole.predict(
        prompt.point_coords, prompt.point_labels, box, low_res, False, return_logits=True
    )
    found = masks[0]
    window = None if box is None else _window(box, found.shape)
    if box is None or window is None:
        return found, low[0]
    rows, columns = window
    shift = np.array([columns.start, rows.start])
    coords, labels = _inside(prompt, shift, image[window].shape)
    part.set_image(image[window], image_format)
    given = (coords, labels, box - np.tile(shift, 2))
    _, _, enlarged = part.predict(*given, None, False, return_logits=True)
    masks, _, _ = part.predict(*given, enlarged, False, return_logits=True)
    found[window] = (found[window] + masks[0]) / 2
    return found, low[0]


def _own_box(logits: NDArray[np.float32], prompt: Prompt) -> NDArray[np.float64] | None:
    """The box, XYXY, around the clicked regions of a mask; None for an empty one."""
    mask = logits > 0
    if prompt.point_coords is not None and prompt.point_labels is not None:
        mask = keep_clicked(mask, np.asarray(prompt.point_coords)[prompt.point_labels == 1])
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return None
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float64)


def _window(box: NDArray[Any], size: tuple[int, ...]) -> tuple[slice, slice] | None:
    """Rows and columns of a square around a box, cut at the image; None if it is not worth it."""
    x0, y0, x1, y1 = (float(side) for side in np.asarray(box).reshape(4))
    half = max(x1 - x0, y1 - y0) * (0.5 + _MARGIN)
    middle_x, middle_y = (x0 + x1) / 2, (y0 + y1) / 2
    columns = slice(max(0, int(middle_x - half)), min(size[1], int(middle_x + half) + 1))
    rows = slice(max(0, int(middle_y - half)), min(size[0], int(middle_y + half) + 1))
    sides = rows.stop - rows.start, columns.stop - columns.start
    too_large = max(sides) > _LARGEST * max(size)
    return None if too_large or min(sides) < _LEAST_SIDE else (rows, columns)


def _inside(
    prompt: Prompt, shift: NDArray[np.int64], size: tuple[int, ...]
) -> tuple[NDArray[Any] | None, NDArray[Any] | None]:
    """The points in a part of the image, in its pixels."""
    if prompt.point_coords is None or prompt.point_labels is None:
        return None, None
    coords = np.asarray(prompt.point_coords) - shift
    within = ((coords >= 0) & (coords < (size[1], size[0]))).all(1)
    if not within.any():
        return None, None
    return coords[within], np.asarray(prompt.point_labels)[within]
