"""Which of many boxes may overlap a box, found by cells of a grid.

To compare each of a million boxes with all others would take days.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Cells are enlarged until boxes lie in no more of them than this on average.
_CELLS_PER_BOX = 8
_SMALLEST = 16


class Neighbours:
    """Boxes by the cells of a grid that they touch.

    Parameters
    ----------
    boxes : (N, 4) array
        XYXY, inclusive.

    Examples
    --------
    >>> near = Neighbours(np.array([[0, 0, 9, 9], [5, 5, 20, 20], [900, 0, 910, 9]]))
    >>> near.of(0)
    array([0, 1])
    """

    def __init__(self, boxes: NDArray[np.int64]) -> None:
        self._boxes = np.asarray(boxes, np.int64)
        self._side = _SMALLEST
        while True:
            cells = self._boxes // self._side
            wide, high = (cells[:, 2:] - cells[:, :2] + 1).T
            touched = wide * high
            if touched.sum() <= _CELLS_PER_BOX * len(boxes) or not cells.any():
                break
            self._side *= 2
        self._across = int(cells[:, 2].max(initial=0)) + 1
        owner = np.repeat(np.arange(len(cells)), touched)
        number = np.arange(len(owner)) - np.repeat(np.cumsum(touched) - touched, touched)
        column = cells[owner, 0] + number % wide[owner]
        row = cells[owner, 1] + number // wide[owner]
        place = row * self._across + column
        order = np.argsort(place, kind="stable")
        self._owner, self._place = owner[order], place[order]

    def of(self, index: int) -> NDArray[np.int64]:
        """Return the indices of the boxes that may overlap one, itself among them, ascending."""
        x0, y0, x1, y1 = (self._boxes[index] // self._side).tolist()
        rows = np.arange(y0, y1 + 1) * self._across
        first = np.searchsorted(self._place, rows + x0)
        last = np.searchsorted(self._place, rows + x1, "right")
        found = [self._owner[a:b] for a, b in zip(first.tolist(), last.tolist(), strict=True)]
        return np.unique(np.concatenate(found))
