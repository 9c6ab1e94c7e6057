"""Where each object of a layer is, so that edits need not search all of a large image."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from anymask.session.store.deltas import Delta, Window

# Boxes of a few painted objects grow by the painted part; those of many are found in its pixels.
_FEW = 16
# Ids up to this one are found in one pass.
_MOST_IDS = 2**20


class Boxes:
    """A box around each object of a label array.

    A box that is kept has all pixels of its object in it and may be larger: what is painted makes
    it grow, and it shrinks when it is asked for.
    """

    def __init__(self, labels: NDArray[np.unsignedinteger]) -> None:
        self._kept = boxes_of(labels)

    def note(self, delta: Delta, ids: Collection[int]) -> None:
        """Note a change of pixels, which painted the objects `ids`."""
        if len(ids) <= _FEW:
            painted = dict.fromkeys(ids, delta.window)
        else:
            painted = {
                label: tuple(
                    slice(at + side.start, at + side.stop)
                    for at, side in zip(delta.start, box, strict=True)
                )
                for label, box in boxes_of(delta.after).items()
            }
        for label, box in painted.items():
            self._kept[label] = around([box, self._kept.get(label, box)])

    def of(self, labels: NDArray[np.unsignedinteger], label: int) -> Window | None:
        """Return the smallest box around an object of the labels; None if it has no pixel."""
        box = self._kept.pop(label, None)
        if box is None:
            return None
        own = labels[box] == label
        found = []
        for axis, side in enumerate(box):
            others = tuple(each for each in range(own.ndim) if each != axis)
            there = np.flatnonzero(own.any(axis=others))
            if not len(there):
                return None
            found.append(slice(side.start + int(there[0]), side.start + int(there[-1]) + 1))
        self._kept[label] = tuple(found)
        return self._kept[label]


def boxes_of(labels: NDArray[np.unsignedinteger]) -> dict[int, Window]:
    """Return the smallest box around each object of a label array.

    Examples
    --------
    >>> boxes_of(np.array([[0, 7, 0], [0, 7, 7]], np.uint16))
    {7: (slice(0, 2, None), slice(1, 3, None))}
    """
    largest = int(labels.max(initial=0))
    if not largest:
        return {}
    if largest < _MOST_IDS:
        boxes = ndimage.find_objects(labels)
        return {label: box for label, box in enumerate(boxes, start=1) if box is not None}
    ids, numbers = np.unique(labels, return_inverse=True)
    boxes = ndimage.find_objects(numbers.reshape(labels.shape) + 1)
    return {int(label): box for label, box in zip(ids, boxes, strict=True) if label}


def around(boxes: Iterable[Window]) -> Window:
    """Return the smallest box around some boxes.

    Examples
    --------
    >>> around([(slice(2, 4), slice(0, 3)), (slice(8, 9), slice(1, 2))])
    (slice(2, 9, None), slice(0, 3, None))
    """
    return tuple(
        slice(min(side.start for side in sides), max(side.stop for side in sides))
        for sides in zip(*boxes, strict=True)
    )
