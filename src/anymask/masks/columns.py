"""The columns of a `MaskSet`: checks on creation, and joining."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.errors import AnymaskError

if TYPE_CHECKING:
    from anymask.masks.mask_set import MaskSet


def check_length(name: str, values: Sequence[Any] | NDArray, length: int) -> None:
    """Refuse a column that does not have one item per mask."""
    if len(values) != length:
        raise AnymaskError(
            f"There are {length} masks and {len(values)} {name}; give one for each mask."
        )


def filled(
    values: ArrayLike | None, missing: float | Sequence[int], shape: tuple[int, ...]
) -> NDArray:
    """Return a column as an array of this shape, filled with `missing` if it is None."""
    if values is None:
        return np.broadcast_to(np.asarray(missing), shape)
    return np.asarray(values).reshape(shape)


def checked_ids(ids: NDArray, length: int) -> NDArray[np.int64]:
    """Return ids as int64 if they are unique and at least 1, one per mask."""
    check_length("object_ids", ids, length)
    numbers = np.asarray(ids)
    if numbers.size == 0:
        return np.zeros(0, np.int64)
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu":
        raise AnymaskError(
            f"Ids must be whole numbers, one per mask, but these are {numbers.dtype} of shape "
            f"{numbers.shape}; convert them to int64 first."
        )
    if numbers.min() < 1 or numbers.max() > np.iinfo(np.int64).max:
        wrong = numbers.min() if numbers.min() < 1 else numbers.max()
        raise AnymaskError(f"An id is {wrong}; ids go from 1 to 2⁶³−1, because 0 means background.")
    values, times = np.unique(numbers, return_counts=True)
    if times.max() > 1:
        raise AnymaskError(
            f"{times.max()} masks have the id {values[times.argmax()]}; each needs its own, "
            "so give new ones with masks.with_ids(…)."
        )
    return numbers.astype(np.int64)


def joined_ids(sets: Sequence[MaskSet]) -> NDArray[np.int64] | None:
    """Ids of joined sets; masks of sets without ids get numbers after the largest id."""
    given = [each.object_ids for each in sets if each.object_ids is not None]
    if not given:
        return None
    free = int(max(ids.max(initial=0) for ids in given)) + 1
    joined = []
    for each in sets:
        if each.object_ids is not None:
            joined.append(each.object_ids)
        else:
            joined.append(np.arange(free, free + len(each)))
            free += len(each)
    return np.concatenate(joined)


def joined_class_names(sets: Sequence[MaskSet]) -> tuple[str, ...] | None:
    """Class names of joined sets; "" for masks of sets without classes."""
    if all(each.class_names is None for each in sets):
        return None
    return tuple(name for each in sets for name in each.class_names or ("",) * len(each))


def joined_likeness(sets: Sequence[MaskSet]) -> NDArray[np.float64] | None:
    """Likeness of joined sets; NaN for masks of sets without it."""
    if all(each.likeness is None for each in sets):
        return None
    unknown = (np.full(len(each), np.nan) for each in sets)
    known = [each.likeness for each in sets]
    return np.concatenate(
        [nan if own is None else own for own, nan in zip(known, unknown, strict=True)]
    )
