"""Masks of one image as run lengths: hundreds of objects of a large image in one megabyte."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.masks.labels import counts_by_label
from anymask.masks.mask_set import MaskSet
from anymask.masks.rle import Counts, area_of, counts_of, mask_of
from anymask.wording import counted


class PackedMasks(Sequence[NDArray[np.bool_]]):
    """A sequence of masks that unpacks each mask on access.

    Parameters
    ----------
    counts : sequence of arrays
        Run lengths of each mask, column-major, background first.
    sizes : sequence of tuples of int
        (H, W) of each mask. Files of one image may differ; `Source.read` refuses that.

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
        """Pack boolean masks (H, W); packed masks are returned unchanged."""
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
        """Pack the masks of a label image (H, W) of whole numbers, in the order of the ids.

        Examples
        --------
        >>> PackedMasks.of_labels(np.array([[0, 9, 9], [4, 0, 9]])).areas
        array([1, 3])
        """
        _, counts = counts_by_label(labels)
        return cls(counts, [(labels.shape[0], labels.shape[1])] * len(counts))

    @classmethod
    def joined(cls, parts: Iterable[PackedMasks]) -> PackedMasks:
        """Concatenate several sequences."""
        every = list(parts)
        return cls(
            [counts for part in every for counts in part.counts],
            [size for part in every for size in part.sizes],
        )

    @cached_property
    def areas(self) -> NDArray[np.int64]:
        """Area of each mask in pixels, (N,)."""
        return np.array([area_of(counts) for counts in self.counts], np.int64)

    def take(self, indices: ArrayLike) -> PackedMasks:
        """Select masks, in the order of the indices (K,)."""
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
        # In row order, as usual for images; run lengths unpack in column order.
        return np.ascontiguousarray(mask_of(self.counts[index], self.sizes[index]))

    def __iter__(self) -> Iterator[NDArray[np.bool_]]:
        return (self[index] for index in range(len(self)))

    def __repr__(self) -> str:
        return f"PackedMasks({counted(len(self), 'mask')})"
