"""Check prompts before they reach the model.

An invalid prompt (a point outside the image, a box with swapped corners, a label of 2) would give a
meaningless mask without any error. So each is refused here with its own message. What is outside by
no more than rounding, and boxes that reach beyond the image, as detectors give them, are cut at the
image's edges.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.errors import PromptError
from anymask.prompts.edges import boxes_seen, cut_at_edges, points_inside

if TYPE_CHECKING:
    from torch import Tensor

PADDING = -1
"""Label of padding points in a batch of point sets with different lengths."""


@dataclass(frozen=True)
class CheckedPrompts:
    """N prompts for one image, each with points, a box, a mask, or several of these.

    Attributes
    ----------
    point_coords, point_labels
        (N, P, 2) ``float64`` (x, y) and (N, P) ``int64``, or None.
    boxes
        (N, 4) ``float64`` XYXY, or None.
    masks
        (N, 1, h, w) ``float32`` logits, or None.
    batched
        Whether results keep the axis of N.
    """

    point_coords: NDArray[np.float64] | None
    point_labels: NDArray[np.int64] | None
    boxes: NDArray[np.float64] | None
    masks: NDArray[np.float32] | None
    batched: bool

    def __len__(self) -> int:
        given = (self.point_coords, self.boxes, self.masks)
        return next((len(array) for array in given if array is not None), 1)

    def rows(self, index: NDArray[np.int64]) -> CheckedPrompts:
        """Return the prompts at ``index``."""

        def take(array: NDArray[Any] | None) -> NDArray[Any] | None:
            return None if array is None else array[index]

        return CheckedPrompts(
            take(self.point_coords),
            take(self.point_labels),
            take(self.boxes),
            take(self.masks),
            self.batched,
        )

    def without_padding(self) -> Iterator[tuple[NDArray[np.int64], CheckedPrompts]]:
        """Yield groups of prompts with the same number of points, without padding, and their
        indices.

        A padding point has an embedding of its own and would change the mask slightly. Without
        padding, a point set gives the same mask in any batch.
        """
        if self.point_coords is None or self.point_labels is None:
            yield np.arange(len(self)), self
            return
        counts = (self.point_labels != PADDING).sum(1)
        for count in np.unique(counts):
            index = np.flatnonzero(counts == count)
            group = self.rows(index)
            if count == 0:
                yield index, replace(group, point_coords=None, point_labels=None)
                continue
            real = self.point_labels[index] != PADDING
            coords = self.point_coords[index][real].reshape(len(index), count, 2)
            labels = self.point_labels[index][real].reshape(len(index), count)
            yield index, replace(group, point_coords=coords, point_labels=labels)


def check_prompts(
    point_coords: ArrayLike | None,
    point_labels: ArrayLike | None,
    box: ArrayLike | None,
    mask_input: ArrayLike | None,
    *,
    image_size: tuple[int, int],
    mask_size: int,
    batched: bool = False,
) -> CheckedPrompts:
    """Convert a user's prompts to arrays with a leading axis of N, or raise an error.

    Parameters
    ----------
    point_coords, point_labels
        P×2 and P for one prompt, or N×P×2 and N×P for N prompts.
    box
        4 or 1×4 numbers XYXY for one prompt, N×4 for N.
    mask_input
        1×h×w for one prompt, N×1×h×w for N.
    image_size
        Height and width of the image that points and boxes refer to. Points up to a pixel outside
        are moved to its edge, and boxes are cut at its edges.
    mask_size
        The required h and w of ``mask_input``.
    batched
        Treat a 1×4 box alone as a batch of one.

    Raises
    ------
    PromptError
        With the invalid value.

    Examples
    --------
    >>> check_prompts([[5, 3]], [1], None, None, image_size=(10, 20), mask_size=64).point_coords
    array([[[5., 3.]]])
    >>> check_prompts([[5, 30]], [1], None, None, image_size=(10, 20), mask_size=64)
    Traceback (most recent call last):
    anymask.errors.PromptError: point_coords[0] = (5, 30) lies outside the image, ...
    """
    coords, labels = _points(point_coords, point_labels)
    boxes = None if box is None else _numbers("box", box)
    masks = None if mask_input is None else _numbers("mask_input", mask_input)
    if boxes is not None and (boxes.ndim not in (1, 2) or boxes.shape[-1] != 4 or not boxes.size):
        raise PromptError(
            f"box has the shape {boxes.shape}; give (x0, y0, x1, y1), or an array N×4 of such rows."
        )
    if masks is not None:
        _check_mask_shape(masks, mask_size)

    batched = (
        batched
        or (coords is not None and coords.ndim == 3)
        or (boxes is not None and boxes.ndim == 2 and len(boxes) != 1)
        or (masks is not None and masks.ndim == 4)
    )
    if coords is not None and labels is not None and coords.ndim == 2:
        coords, labels = coords[None], labels[None]
    if boxes is not None:
        boxes = boxes.reshape(-1, 4)
    if masks is not None:
        masks = masks.reshape(-1, 1, mask_size, mask_size)
    given = {"point_coords": coords, "box": boxes, "mask_input": masks}
    _check_counts({name: len(array) for name, array in given.items() if array is not None})
    if coords is not None and labels is not None:
        _check_points(coords, labels, image_size, padding_allowed=batched)
        _check_rows_not_empty(labels, alone=boxes is None and masks is None)
        padding = (labels == PADDING)[..., None]
        coords = np.where(padding, coords, cut_at_edges(coords, image_size))
    if boxes is not None:
        _check_boxes(boxes, image_size)
        boxes = cut_at_edges(boxes.reshape(-1, 2, 2), image_size).reshape(-1, 4)
    return CheckedPrompts(
        coords,
        None if labels is None else labels.astype(np.int64),
        boxes,
        None if masks is None else masks.astype(np.float32),
        batched,
    )


def check_tensors(
    point_coords: Tensor | None,
    point_labels: Tensor | None,
    boxes: Tensor | None,
    masks: Tensor | None,
    mask_size: int,
) -> int:
    """Check the shapes of prompts given as tensors and return N; values are not checked.

    Checking values would make a GPU wait on each call.

    Raises
    ------
    PromptError
        If a tensor is not N×P×2, N×P, N×4 or N×1×h×w, or their N differ or are 0.
    """
    if (point_coords is None) != (point_labels is None):
        raise PromptError("Only one of point_coords and point_labels was given; give both.")
    wanted = {
        "point_coords": (point_coords, 3, (2,), "N×P×2"),
        "point_labels": (point_labels, 2, (), "N×P"),
        "boxes": (boxes, 2, (4,), "N×4"),
        "mask_input": (masks, 4, (1, mask_size, mask_size), f"N×1×{mask_size}×{mask_size}"),
    }
    counts = {}
    for name, (tensor, ndim, tail, words) in wanted.items():
        if tensor is None:
            continue
        shape = tuple(tensor.shape)
        if len(shape) != ndim or shape[ndim - len(tail) :] != tail or 0 in shape:
            raise PromptError(f"{name} has the shape {shape}; give {words}, none of it empty.")
        counts[name] = shape[0]
    _check_counts(counts)
    if point_coords is not None and point_labels is not None:
        _check_label_shape(tuple(point_coords.shape), tuple(point_labels.shape))
    return next(iter(counts.values()), 1)


def _numbers(name: str, values: ArrayLike) -> NDArray[np.float64]:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise PromptError(
            f"{name} cannot be read as an array of numbers ({error}); rows of unequal length, "
            "for instance, need filling up to one length."
        ) from error


def _points(
    point_coords: ArrayLike | None, point_labels: ArrayLike | None
) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
    if point_coords is None and point_labels is None:
        return None, None
    if point_coords is None:
        raise PromptError("point_labels were given without point_coords; give both or neither.")
    coords = _numbers("point_coords", point_coords)
    if coords.ndim not in (2, 3) or coords.shape[-1] != 2:
        raise PromptError(
            f"point_coords has the shape {coords.shape}; give P×2 for the (x, y) of P points, or "
            "N×P×2 for N such sets."
        )
    if not coords.size:
        raise PromptError(
            f"point_coords is empty (shape {coords.shape}); give at least one point, or None."
        )
    if point_labels is None:
        raise PromptError(
            f"point_coords has {coords.shape[-2]} points but point_labels is missing; give 1 "
            "(object) or 0 (background) for each."
        )
    labels = _numbers("point_labels", point_labels)
    _check_label_shape(coords.shape, labels.shape)
    return coords, labels


def _check_label_shape(coords: tuple[int, ...], labels: tuple[int, ...]) -> None:
    if labels != coords[:-1]:
        raise PromptError(
            f"point_labels has the shape {labels} and point_coords {coords}; give one label a "
            f"point, shape {coords[:-1]}."
        )


def _check_mask_shape(masks: NDArray[np.float64], size: int) -> None:
    if masks.ndim not in (3, 4) or masks.shape[-3:] != (1, size, size) or not masks.size:
        raise PromptError(
            f"mask_input has the shape {masks.shape}, but this model takes 1×{size}×{size} (or "
            f"N×1×{size}×{size}): low-resolution logits as predict returned them, low_res[[i]]."
        )
    if not np.isfinite(masks).all():
        raise PromptError("mask_input has NaN or infinite values; give finite logits.")


def _check_counts(counts: Mapping[str, int]) -> None:
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{count} in {name}" for name, count in counts.items())
        raise PromptError(
            f"Prompts given together must be equally many, but there are {listed}; give one row "
            "for each prompt in all of them."
        )


def _check_points(
    coords: NDArray[np.float64],
    labels: NDArray[np.float64],
    image_size: tuple[int, int],
    *,
    padding_allowed: bool,
) -> None:
    allowed = (0, 1, PADDING) if padding_allowed else (0, 1)
    wrong = np.isin(labels, allowed, invert=True)
    if wrong.any():
        place, value = _first(wrong), labels[wrong][0]
        choices = "1 (object), 0 (background)"
        choices += " or -1 (no point)" if padding_allowed else ""
        raise PromptError(
            f"point_labels{_index(place, padding_allowed)} is {value:g}; a label is {choices}."
        )
    real = labels != PADDING
    finite: NDArray[np.bool_] = np.all(np.isfinite(coords), axis=-1)
    bad = np.logical_and(real, np.logical_not(finite & points_inside(coords, image_size)))
    if bad.any():
        place = _first(bad)
        where = f"point_coords{_index(place, padding_allowed)} = {_tuple(coords[place])}"
        if not finite[place]:
            raise PromptError(f"{where} is not a place; give finite (x, y).")
        raise PromptError(
            f"{where} lies outside the image, which is {image_size[1]} wide and {image_size[0]} "
            "high; give (x, y) in its pixels."
        )


def _check_rows_not_empty(labels: NDArray[np.float64], *, alone: bool) -> None:
    empty = (labels == PADDING).all(1)
    if alone and empty.any():
        raise PromptError(
            f"point_labels[{_first(empty)[0]}] is -1 throughout, which leaves no prompt; drop that "
            "row or give it a point."
        )


def _check_boxes(boxes: NDArray[np.float64], image_size: tuple[int, int]) -> None:
    several = len(boxes) > 1
    corners = boxes.reshape(-1, 2, 2)
    finite: NDArray[np.bool_] = np.all(np.isfinite(boxes), axis=1)
    upright: NDArray[np.bool_] = np.all(corners[:, 1] >= corners[:, 0], axis=1)
    bad = np.logical_not(finite & upright & boxes_seen(boxes, image_size))
    if not bad.any():
        return
    row = _first(bad)[0]
    where = f"box{f'[{row}]' if several else ''} = {_tuple(boxes[row])}"
    if not finite[row]:
        raise PromptError(f"{where} is not a box; give finite (x0, y0, x1, y1).")
    if not upright[row]:
        raise PromptError(
            f"{where} ends before it begins; give (x0, y0, x1, y1) with x0 ≤ x1 and y0 ≤ y1 "
            "(corners, not a corner and a size)."
        )
    raise PromptError(
        f"{where} lies outside the image, which is {image_size[1]} wide and {image_size[0]} high; "
        "give (x0, y0, x1, y1) in its pixels."
    )


def _first(mask: NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argwhere(mask)[0])


def _index(place: tuple[int, ...], batched: bool) -> str:
    """The user's index of a value: without the leading axis added here."""
    return "".join(f"[{i}]" for i in (place if batched else place[1:]))


def _tuple(values: NDArray[np.float64]) -> str:
    return f"({', '.join(f'{v:g}' for v in values)})"
