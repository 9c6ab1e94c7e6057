"""Which mask lies in which: parts in wholes, nuclei in cells, buttons on shirts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import AnymaskError
from anymask.masks.clean import fill_holes
from anymask.masks.labels import stacking_ids
from anymask.masks.mask_set import MaskSet
from anymask.masks.objects import as_set
from anymask.masks.overlap import overlaps


@dataclass(frozen=True)
class Nesting:
    """The tree of masks that lie in each other; rows are in the order of the masks.

    Attributes
    ----------
    ids : (N,) int64 array
    parents : (N,) int64 array
        Id of the smallest mask that each one lies in, 0 for none.
    depths : (N,) int64 array
        How many masks there are on the way up: 0 for a mask that lies in no other.
    """

    ids: NDArray[np.int64]
    parents: NDArray[np.int64]
    depths: NDArray[np.int64]

    @property
    def roots(self) -> NDArray[np.int64]:
        """Ids of the masks that lie in no other."""
        return self.ids[self.parents == 0]

    def children(self, parent: int) -> NDArray[np.int64]:
        """Ids of the masks that lie in one directly."""
        return self.ids[self.parents == parent]

    def ancestors(self, child: int) -> list[int]:
        """Ids of all masks that one lies in, from the nearest out.

        Raises
        ------
        AnymaskError
            If there is no mask with that id.
        """
        parent = dict(zip(self.ids.tolist(), self.parents.tolist(), strict=True))
        if child not in parent:
            raise AnymaskError(f"There is no mask with id {child}; look at the set's ids.")
        found = []
        while child := parent[child]:
            found.append(child)
        return found

    def columns(self) -> dict[str, NDArray[np.int64]]:
        """The tree as columns of a table: "id", "parent", "depth" and "children", their number."""
        found, times = np.unique(self.parents[self.parents > 0], return_counts=True)
        number = dict(zip(found.tolist(), times.tolist(), strict=True))
        children = np.array([number.get(i, 0) for i in self.ids.tolist()], np.int64)
        return {
            "id": self.ids,
            "parent": self.parents,
            "depth": self.depths,
            "children": children,
        }


def nesting(
    masks: MaskSet | NDArray[Any], *, tolerance: float = 0.05, filled: bool | None = None
) -> Nesting:
    """Find which mask lies in which.

    Parameters
    ----------
    masks : MaskSet or label image
    tolerance : float
        Share of a mask's pixels that may lie outside a larger one for it to lie in it still.
    filled : bool, optional
        Whether what lies in a mask's holes lies in the mask. By default it does in a label image,
        where a nucleus punches a hole in its cell, and does not in a `MaskSet`.

    Returns
    -------
    Nesting
        Of two equal masks, the one that `MaskSet.to_labels` would paint on top lies in the other.

    Raises
    ------
    AnymaskError
        If `masks` are no masks, or `tolerance` is not from 0 to below 1.

    Examples
    --------
    >>> labels = np.zeros((5, 9), int)
    >>> labels[:, :5], labels[1:4, 1:4], labels[2, 2], labels[2, 7] = 1, 2, 3, 4
    >>> tree = nesting(labels)
    >>> tree.parents, tree.depths
    (array([0, 1, 2, 0]), array([0, 1, 2, 0]))
    """
    if not 0 <= tolerance < 1:
        raise AnymaskError(f"tolerance is {tolerance}; give a number from 0 to below 1.")
    given = as_set(masks)
    if filled is None:
        filled = not isinstance(masks, MaskSet)
    around = fill_holes(given) if filled else given
    rank = stacking_ids(around.areas, around.predicted_iou)
    pairs = overlaps(around)
    # Larger masks, and of equal ones the lower, have the smaller rank: whatever lies in another
    # has the larger one, so that no chain comes back to where it began.
    swap = rank[pairs.first] < rank[pairs.second]
    inner = np.where(swap, pairs.second, pairs.first)
    outer = np.where(swap, pairs.first, pairs.second)
    lies_in = pairs.shared >= (1 - tolerance) * around.areas[inner]
    inner, outer = inner[lies_in], outer[lies_in]

    parent = np.full(len(given), -1)
    order = np.argsort(rank[outer], kind="stable")
    parent[inner[order]] = outer[order]  # the last one written is the smallest
    depths = np.zeros(len(given), np.int64)
    for index in np.argsort(rank):
        if parent[index] >= 0:
            depths[index] = depths[parent[index]] + 1
    ids = np.append(given.ids, 0)
    return Nesting(given.ids, ids[parent], depths)
