"""Masks of an image held as run lengths: hundreds of objects of a large picture in a megabyte."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.masks.labels import counts_by_label
from anymask.masks.mask_set import MaskSet
from anymask.masks.rle import Counts, area_of, counts_of, mask_of


class PackedMasks(Sequence[NDArray[np.bool_]]):
    """A sequence of masks of which each is made when it is asked for.

    Parameters
    ----------
    counts : sequence of arrays
        Run lengths of each mask, column-major, background first.
    sizes : sequence of tuples of int
        (H, W) of each mask: files of one image may disagree, and that is found out later.

    Examples
    --------
    >>> masks = PackedMasks.of([np.eye(3, dtype=bool), np.ones((3, 3), bool)])
    >>> len(masks), masks.areas.tolist(), masks[0].astype(int).tolist()
    (2, [3, 9], [[1, 0, 0], [0, 1, 0], [0, 0, 1]])
    """

    def __init__(self, counts: Sequence[Counts], sizes: Sequence[tuple[int, int]]) -> None:
        self.counts = tuple(counts)
        self.sizes = tuple(sizes)

    @classmethod
    def of(cls, masks: Iterable[NDArray[np.bool_]]) -> PackedMasks:
        """Pack boolean masks (H, W) one after another; those that are packed stay as they are."""
        if isinstance(masks, PackedMasks):
            return masks
        if isinstance(masks, MaskSet):
            return cls(masks.counts, [masks.image_size] * len(masks))
        counts, sizes = [], []
        for mask in masks:
            counts.append(counts_of(mask))
            sizes.append((mask.shape[0], mask.shape[1]))
        return cls(counts, sizes)

    @classmethod
    def of_labels(cls, labels: NDArray) -> PackedMasks:
        """Pack the masks of a label image (H, W) of whole numbers, in order of the ids.

        Examples
        --------
        >>> PackedMasks.of_labels(np.array([[0, 9, 9], [-4, 0, 9]])).areas
        array([1, 3])
        """
        whole = labels.astype(np.uint8) if labels.dtype == np.bool_ else labels
        if whole.size and (whole.min() < 0 or whole.max() > np.iinfo(np.int64).max):
            # Ids that no label image of anymask has are as good as any.
            ids = np.unique(whole[whole != 0])
            whole = np.where(whole != 0, np.searchsorted(ids, whole) + 1, 0)
        _, counts = counts_by_label(whole)
        return cls(counts, [(labels.shape[0], labels.shape[1])] * len(counts))

    @classmethod
    def joined(cls, parts: Iterable[PackedMasks]) -> PackedMasks:
        """Put several sequences one after another."""
        every = list(parts)
        return cls(
            [counts for part in every for counts in part.counts],
            [size for part in every for size in part.sizes],
        )

    @cached_property
    def areas(self) -> NDArray[np.int64]:
        """Pixels of each mask, (N,)."""
        return np.array([area_of(counts) for counts in self.counts], np.int64)

    def take(self, indices: ArrayLike) -> PackedMasks:
        """Return some of the masks, in the order of their indices (K,)."""
        chosen = np.asarray(indices, np.int64).reshape(-1).tolist()
        return PackedMasks([self.counts[i] for i in chosen], [self.sizes[i] for i in chosen])

    def __len__(self) -> int:
        return len(self.counts)

    @overload
    def __getitem__(self, index: int) -> NDArray[np.bool_]: ...
    @overload
    def __getitem__(self, index: slice) -> PackedMasks: ...
    def __getitem__(self, index: int | slice) -> NDArray[np.bool_] | PackedMasks:
        if isinstance(index, slice):
            return PackedMasks(self.counts[index], self.sizes[index])
        # Row by row, as all pictures are: those who copy or view it need not know of columns.
        return np.ascontiguousarray(mask_of(self.counts[index], self.sizes[index]))

    def __iter__(self) -> Iterator[NDArray[np.bool_]]:
        return (self[index] for index in range(len(self)))

    def __repr__(self) -> str:
        return f"PackedMasks({len(self)} masks)"


def areas_of(masks: Sequence[NDArray[np.bool_]]) -> list[int]:
    """Pixels of each mask, without unpacking any."""
    if isinstance(masks, PackedMasks):
        return [int(area) for area in masks.areas]
    return [int(np.count_nonzero(mask)) for mask in masks]


def counts_of_masks(masks: Sequence[NDArray[np.bool_]]) -> tuple[Counts, ...]:
    """Run lengths of each mask, without unpacking any."""
    return PackedMasks.of(masks).counts
