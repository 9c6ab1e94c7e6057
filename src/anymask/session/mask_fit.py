"""Which pixels a new mask gets where other objects are, and what becomes of those."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from anymask.masks.objects import EIGHT_NEIGHBOURS, ObjectCrop
from anymask.session.label_edits import placed
from anymask.wording import counted

Labels = NDArray[Any]
Mask = NDArray[np.bool_]
# What is nowhere as wide as this share of the new object is a sliver, and so is all below 3 pixels.
_SLIVER = 1 / 20
_NARROWEST = 3


@dataclass(frozen=True, eq=False)
class MaskFit:
    """What becomes of a mask among the objects of its plane.

    Attributes
    ----------
    label : int
        The object that the mask is for.
    wanted : int
        Number of pixels of the mask.
    crop : ObjectCrop
        The pixels that it gets, in the box of the whole mask.
    taken : dict of int to int
        Objects that give up pixels, and how many.
    kept : dict of int to int
        Objects that keep pixels of the mask, and how many.
    cleared : ObjectCrop or None
        Slivers of the objects in `taken`, which become background.
    """

    label: int
    wanted: int
    crop: ObjectCrop
    taken: dict[int, int] = field(default_factory=dict)
    kept: dict[int, int] = field(default_factory=dict)
    cleared: ObjectCrop | None = None

    @property
    def count(self) -> int:
        """Number of pixels that the mask gets."""
        return int(np.count_nonzero(self.crop.pixels))

    def apply(self, labels: Labels) -> Labels:
        """Return the labels (H, W) of the plane with the object in place of its old pixels."""
        new = placed(labels, self.crop, self.label, overwrite=True)
        if self.cleared is not None:
            new[self.cleared.window][self.cleared.pixels] = 0
        return new


def fit(
    labels: Labels,
    crop: ObjectCrop,
    label: int,
    *,
    overwrite: bool | None = None,
    automatic: Collection[int] = (),
) -> MaskFit:
    """Find out which pixels a mask gets.

    Parameters
    ----------
    labels : (H, W) array
        The labels of the plane.
    crop : ObjectCrop
        The mask.
    label : int
        The object that it is for, whose pixels are free.
    overwrite : bool, optional
        Whether the mask takes pixels from all other objects, or from none. By default it takes
        those of `automatic` objects, and slivers of the mask and of these objects are dropped.
    automatic : collection of int
    """
    part, mask = labels[crop.window], crop.pixels
    there, counts = np.unique(part[mask & (part != 0) & (part != label)], return_counts=True)
    met = dict(zip(there.tolist(), counts.tolist(), strict=True))
    takes = [i for i in met if overwrite or (overwrite is None and i in automatic)]
    kept = {i: n for i, n in met.items() if i not in takes}
    taken = {i: met[i] for i in takes}
    held = mask & np.isin(part, list(kept))
    got = mask & ~held
    fitted = MaskFit(label, int(np.count_nonzero(mask)), replace(crop, pixels=got), taken, kept)
    if overwrite is not None or not met:
        return fitted
    side = _side_of(mask)
    if kept:
        got = got & ~_slivers(got, mask, held, side)
        taken = {i: n for i in takes if (n := int(np.count_nonzero(got & (part == i))))}
        fitted = replace(fitted, crop=replace(crop, pixels=got), taken=taken)
    return _with_slivers_cleared(labels, fitted, side)


def margin_of(crops: Sequence[ObjectCrop]) -> int:
    """How far beyond the masks `fit` looks."""
    return max(_side_of(crop.pixels) for crop in crops) + 2


def grown(window: tuple[slice, slice], margin: int, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Return a window of labels with a margin, as far as there is room.

    Examples
    --------
    >>> grown((slice(1, 5), slice(6, 9)), 2, (10, 10))
    (slice(0, 7, None), slice(4, 10, None))
    """
    rows, columns = (
        slice(max(side.start - margin, 0), min(side.stop + margin, length))
        for side, length in zip(window, shape, strict=True)
    )
    return rows, columns


def _side_of(mask: Mask) -> int:
    """Side of the square that no sliver of a mask, or beside it, can hold."""
    return max(_NARROWEST, round(_SLIVER * float(np.sqrt(np.count_nonzero(mask)))))


def _with_slivers_cleared(labels: Labels, fitted: MaskFit, side: int) -> MaskFit:
    """Drop what is left of the objects that give up pixels, where it is only a sliver."""
    rows, columns = fitted.crop.window
    tops = [max(s.start - side - 1, 0) for s in (rows, columns)]
    ends = [min(s.stop + side + 1, n) for s, n in zip((rows, columns), labels.shape, strict=True)]
    around = labels[tops[0] : ends[0], tops[1] : ends[1]]
    got = np.zeros(around.shape, bool)
    got[
        rows.start - tops[0] : rows.stop - tops[0],
        columns.start - tops[1] : columns.stop - tops[1],
    ] = fitted.crop.pixels
    # What goes on beyond the window is no sliver; at the edge of the image nothing goes on.
    goes_on = np.zeros(around.shape, bool)
    goes_on[0] |= tops[0] > 0
    goes_on[-1] |= ends[0] < labels.shape[0]
    goes_on[:, 0] |= tops[1] > 0
    goes_on[:, -1] |= ends[1] < labels.shape[1]
    cleared, taken = np.zeros(around.shape, bool), dict(fitted.taken)
    for label in fitted.taken:
        before = around == label
        slivers = _slivers(before & ~got, before, got, side, goes_on)
        taken[label] += int(np.count_nonzero(slivers))
        cleared |= slivers
    crop = ObjectCrop(cleared, tops[0], tops[1]) if cleared.any() else None
    return replace(fitted, taken=taken, cleared=crop)


def _slivers(rest: Mask, before: Mask, cut: Mask, side: int, goes_on: Mask | None = None) -> Mask:
    """Return the pieces of what is left of an object that are slivers.

    A sliver is a piece beside the cut in which no square of `side` pixels fits, though one did
    before.
    """
    if not rest.any() or not _wide(before, side).any():
        return np.zeros(rest.shape, bool)
    pieces, count = ndimage.label(rest, EIGHT_NEIGHBOURS)
    narrow = np.zeros(count + 1, bool)
    narrow[pieces[ndimage.binary_dilation(cut, EIGHT_NEIGHBOURS)]] = True
    narrow[pieces[_wide(rest, side)]] = False
    if goes_on is not None:
        narrow[pieces[goes_on]] = False
    narrow[0] = False
    found: Mask = narrow[pieces]
    return found


def _wide(mask: Mask, side: int) -> Mask:
    """Return one pixel of each square of this side that fits into a mask."""
    found: Mask = ndimage.minimum_filter(mask.view(np.uint8), side, mode="constant") > 0
    return found


def held(fits: Sequence[MaskFit]) -> str:
    """Say what other objects keep of masks; "" for nothing."""
    kept = sorted({label for each in fits for label in each.kept})
    if not kept:
        return ""
    wanted = sum(each.wanted for each in fits)
    share = 1 - sum(each.count for each in fits) / max(wanted, 1)
    verb = "keeps" if len(kept) == 1 else "keep"
    what = "this mask" if len(fits) == 1 else "these masks"
    return f"{named(kept)} {verb} {max(share, 0.01):.0%} of {what} (red)."


def told(fits: Sequence[MaskFit], areas: dict[int, int]) -> str:
    """Say what a commit did besides making its objects; "" for nothing.

    Parameters
    ----------
    fits : sequence of MaskFit
    areas : dict of int to int
        Pixels of each object that is left.
    """
    taken = sorted({label for each in fits for label in each.taken})
    gone = [label for label in taken if label not in areas]
    smaller = [label for label in taken if label in areas]
    sentences = []
    if smaller:
        sentences.append(f"{named(smaller)} gave up pixels.")
    if gone:
        sentences.append(f"{named(gone)} {'is' if len(gone) == 1 else 'are'} gone.")
    empty = sum(not each.count for each in fits)
    if empty:
        sentences.append(
            f"{counted(empty, 'mask')} made no object, because other objects cover "
            f"{'it' if empty == 1 else 'them'}."
        )
    return " ".join(sentences)


def named(ids: Sequence[int]) -> str:
    """Name objects in a sentence: "Object 4", "Objects 4, 7 and 9"."""
    shown = [str(label) for label in ids[:5]]
    if len(ids) > len(shown):
        shown = [*shown[:4], f"{len(ids) - 4} more"]
    if len(shown) == 1:
        return f"Object {shown[0]}"
    return f"Objects {', '.join(shown[:-1])} and {shown[-1]}"
