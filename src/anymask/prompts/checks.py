"""Check the columns of `Prompts` as they are made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.errors import PromptError


def checked_boxes(boxes: ArrayLike | None, count: int) -> NDArray[np.float64]:
    """Return boxes as (N, 4) float64, all NaN if there are none.

    Raises
    ------
    PromptError
        If they have another shape, end before they begin, or are not finite.
    """
    if boxes is None:
        return np.full((count, 4), np.nan)
    array = _numbers("boxes", boxes)
    array = array if array.size else array.reshape(-1, 4)
    if array.ndim != 2 or array.shape[1] != 4 or len(array) != count:
        raise PromptError(
            f"boxes has the shape {array.shape}; give N×4, a row (x0, y0, x1, y1) for each of the "
            f"{count} objects."
        )
    none: NDArray[np.bool_] = np.all(np.isnan(array), axis=1)
    broken = ~none & ~np.all(np.isfinite(array), axis=1)
    with np.errstate(invalid="ignore"):
        backward = ~none & ((array[:, 2] < array[:, 0]) | (array[:, 3] < array[:, 1]))
    for row in np.flatnonzero(broken | backward):
        shown = ", ".join(f"{value:g}" for value in array[row])
        wrong = "is not a box; give finite" if broken[row] else "ends before it begins; give"
        raise PromptError(
            f"The box ({shown}) of object number {row + 1} {wrong} (x0, y0, x1, y1) with x0 ≤ x1 "
            "and y0 ≤ y1."
        )
    return array


def checked_points(
    coords: ArrayLike | None, labels: ArrayLike | None, count: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return points as (N, P, 2) float64 and (N, P) int64, NaN and -1 for padding.

    Raises
    ------
    PromptError
        If shapes do not fit, a label is not 1, 0 or -1, or a point is not finite.
    """
    if coords is None:
        if labels is not None:
            raise PromptError("point_labels were given without point_coords; give both.")
        return np.zeros((count, 0, 2)), np.zeros((count, 0), np.int64)
    points = _numbers("point_coords", coords)
    if points.ndim != 3 or points.shape[2] != 2 or len(points) != count:
        raise PromptError(
            f"point_coords has the shape {points.shape}; give N×P×2, P points (x, y) for each of "
            f"the {count} objects."
        )
    kinds = np.ones(points.shape[:2]) if labels is None else _numbers("point_labels", labels)
    if kinds.shape != points.shape[:2]:
        raise PromptError(
            f"point_labels has the shape {kinds.shape} and point_coords {points.shape}; give one "
            "label a point."
        )
    if not np.isin(kinds, (0, 1, -1)).all():
        wrong = kinds[~np.isin(kinds, (0, 1, -1))][0]
        raise PromptError(
            f"A point label is {wrong:g}; a label is 1 (on the object), 0 (off it) or -1 (no "
            "point)."
        )
    real = kinds != -1
    if not np.isfinite(points[real]).all():
        row = int(np.flatnonzero((real & ~np.isfinite(points).all(2)).any(1))[0])
        raise PromptError(
            f"A point of object number {row + 1} is not a place; give finite (x, y), or the label "
            "-1 for no point."
        )
    return np.where(real[..., None], points, np.nan), kinds.astype(np.int64)


def checked_names(what: str, names: Sequence[str] | None, count: int) -> tuple[str, ...]:
    """Return one name for each object, "" by default."""
    if names is None:
        return ("",) * count
    if isinstance(names, str) or len(names) != count:
        raise PromptError(f"There are {count} objects; give {what} one for each.")
    return tuple(map(str, names))


def checked_ids(ids: ArrayLike | None, images: Sequence[str]) -> NDArray[np.int64]:
    """Return ids as int64; by default 1, 2, … in each image.

    Raises
    ------
    PromptError
        If one is below 1 or occurs twice in an image.
    """
    if ids is None:
        seen: Counter[str] = Counter()
        numbers = []
        for image in images:
            seen[image] += 1
            numbers.append(seen[image])
        return np.array(numbers, np.int64)
    array = np.asarray(ids)
    if array.size == 0 and not images:
        return np.zeros(0, np.int64)
    if array.dtype.kind not in "iu" or array.shape != (len(images),):
        raise PromptError(
            f"ids are {array.dtype} of shape {array.shape}; give one whole number for each of the "
            f"{len(images)} objects."
        )
    if array.min() < 1:
        raise PromptError(f"An id is {array.min()}; ids begin at 1, because 0 means background.")
    twice = [pair for pair, n in Counter(zip(images, array.tolist(), strict=True)).items() if n > 1]
    if twice:
        image, number = twice[0]
        where = f" in {image}" if image else ""
        raise PromptError(f"Two objects{where} have the id {number}; give each its own.")
    return array.astype(np.int64)


def _numbers(name: str, values: ArrayLike) -> NDArray[np.float64]:
    try:
        return np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise PromptError(
            f"{name} cannot be read as an array of numbers ({error}); fill rows of unequal length "
            "up to one length."
        ) from error
