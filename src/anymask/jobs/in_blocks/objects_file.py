"""The objects of a whole image in a folder, of which each process reads those that it needs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anymask.files import whole_folder
from anymask.masks.labels import label_dtype, paint_window, stacking_ids
from anymask.masks.mask_set import MaskSet

_ARRAYS = ("counts", "ends", "boxes", "ids")


def save_objects(folder: Path, masks: MaskSet) -> None:
    """Write masks in the order in which they are painted.

    Raises
    ------
    OutputError
        If they cannot be written.
    """
    order = np.argsort(stacking_ids(masks.areas, masks.predicted_iou))
    counts = [masks.counts[index] for index in order]
    arrays = {
        "counts": np.concatenate([*counts, np.zeros(0, np.uint32)]),
        "ends": np.cumsum([0, *map(len, counts)]),
        "boxes": masks.boxes[order],
        "ids": masks.ids[order],
    }
    with whole_folder(folder) as part:
        for name, array in arrays.items():
            np.save(part / f"{name}.npy", array)


class Objects:
    """The objects in a folder; run lengths stay there until they are painted.

    Parameters
    ----------
    folder : Path
    height : int
        That of the image.
    """

    def __init__(self, folder: Path, height: int) -> None:
        self._counts, self._ends, self._boxes, self._ids = (
            np.load(folder / f"{name}.npy", mmap_mode="r") for name in _ARRAYS
        )
        self._height = height
        self.dtype = label_dtype(int(self._ids.max(initial=0)))

    def painted(self, window: tuple[int, int, int, int], step: int) -> NDArray[np.unsignedinteger]:
        """Return ``labels[y0:y1:step, x0:x1:step]`` for a window XYXY of the image."""
        x0, y0, x1, y1 = window
        left, top, right, bottom = self._boxes.T
        there = np.flatnonzero((left < x1) & (right >= x0) & (top < y1) & (bottom >= y0))
        counts = self._runs(there)
        return paint_window(
            counts, self._ids[there].tolist(), self._height, window, self.dtype, step
        )

    def _runs(self, indices: NDArray[np.intp]) -> Iterator[NDArray[np.uint32]]:
        for index in indices:
            yield np.asarray(self._counts[self._ends[index] : self._ends[index + 1]])
