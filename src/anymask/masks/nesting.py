"""Which mask lies inside which: parts in wholes, nuclei in cells, buttons on shirts."""

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
    """The tree of nested masks; rows are in the order of the masks.

    Attributes
    ----------
    ids : (N,) int64 array
    parents : (N,) int64 array
        Id of the smallest mask that contains each mask, 0 for none.
    depths : (N,) int64 array
        Number of ancestors; 0 for a mask inside no other.
    """

    ids: NDArray[np.int64]
    parents: NDArray[np.int64]
    depths: NDArray[np.int64]

    @property
    def roots(self) -> NDArray[np.int64]:
        """Ids of the masks inside no other."""
        return self.ids[self.parents == 0]

    def children(self, parent: int) -> NDArray[np.int64]:
        """Ids of the masks directly inside a mask."""
        return self.ids[self.parents == parent]

    def ancestors(self, child: int) -> list[int]:
        """Ids of all masks that contain a mask, from the innermost out.

        Raises
        ------
        AnymaskError
            If there is no mask with that id.
        """
        parent = dict(zip(self.ids.tolist(), self.parents.tolist(), strict=True))
        if child not in parent:
            raise AnymaskError(f"There is no mask with id {child}; check the ids of the set.")
        found = []
        while child := parent[child]:
            found.append(child)
        return found

    def columns(self) -> dict[str, NDArray[np.int64]]:
        """The tree as table columns: "id", "parent", "depth" and "children" (their number)."""
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
    """Find which mask lies inside which.

    Parameters
    ----------
    masks : MaskSet or label image
    tolerance : float
        A mask is inside a larger one if at most this share of its pixels is outside.
    filled : bool, optional
        Whether a mask inside another mask's hole counts as inside. By default it does in a label
        image, where a nucleus makes a hole in its cell, and does not in a `MaskSet`.

    Returns
    -------
    Nesting
        Of two equal masks, the one that `MaskSet.to_labels` paints on top is inside the other.

    Raises
    ------
    AnymaskError
        If `masks` is not a `MaskSet` or label image, or `tolerance` is not from 0 to below 1.

    Examples
    --------
    >>> labels = np.zeros((5, 9), int)
    >>> labels[:, :5], labels[1:4, 1:4], labels[2, 2], labels[2, 7] = 1, 2, 3, 4
    >>> tree = nesting(labels)
    >>> tree.parents, tree.depths
    (array([0, 1, 2, 0]), array([0, 1, 2, 0]))
    """
    if not 0 <= tolerance < 1:
        raise AnymaskError(f"tolerance is {tolerance}; it must be at least 0 and below 1.")
    given = as_set(masks)
    if filled is None:
        filled = not isinstance(masks, MaskSet)
    around = fill_holes(given) if filled else given
    rank = stacking_ids(around.areas, around.predicted_iou)
    pairs = overlaps(around)
    # Larger masks, and the lower one of equal masks, have the smaller rank. An inner mask always
    # has the larger rank, so the tree has no cycles.
    swap = rank[pairs.first] < rank[pairs.second]
    inner = np.where(swap, pairs.second, pairs.first)
    outer = np.where(swap, pairs.first, pairs.second)
    lies_in = pairs.shared >= (1 - tolerance) * around.areas[inner]
    inner, outer = inner[lies_in], outer[lies_in]

    parent = np.full(len(given), -1)
    order = np.argsort(rank[outer], kind="stable")
    parent[inner[order]] = outer[order]  # written last, the smallest container wins
    depths = np.zeros(len(given), np.int64)
    for index in np.argsort(rank):
        if parent[index] >= 0:
            depths[index] = depths[parent[index]] + 1
    ids = np.append(given.ids, 0)
    return Nesting(given.ids, ids[parent], depths)
