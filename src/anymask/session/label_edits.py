"""Edits as functions of label arrays, so that a replay can repeat them exactly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.masks import clean as cleaning
from anymask.masks.labels import label_dtype
from anymask.masks.objects import ObjectCrop
from anymask.masks.split import split_components, split_touching
from anymask.session.errors import SessionError
from anymask.session.store.deltas import Window
from anymask.session.store.object_boxes import around

Labels = NDArray[Any]
_MARGIN = 8  # pixels around what is edited


def edited(kind: str, labels: Labels, args: Mapping[str, Any], last: int | None = None) -> Labels:
    """Apply an edit to labels (H, W) or (planes, H, W), and return the result.

    Parameters
    ----------
    kind : str
        A key of `EDITS`.
    labels : array
        Of the whole layer, or the rows and columns in which all pixels of the objects are.
    args : mapping
    last : int, optional
        The largest id of the layer, after which new objects are numbered; by default that of
        `labels`.

    Raises
    ------
    SessionError
        If there is no edit of that kind.
    """
    if kind not in EDITS:
        raise SessionError(f"There is no edit called {kind!r}.")
    if kind == "split":
        return _split(labels, args, int(labels.max(initial=0)) if last is None else last)
    return _BY_NAME[kind](labels, args)


def edited_part(
    kind: str, labels: Labels, args: Mapping[str, Any], boxes: Sequence[Window], last: int
) -> tuple[Window | None, Labels]:
    """Apply an edit where its objects are; the time is that of the objects, not of the image.

    Parameters
    ----------
    kind, labels, args, last
        See `edited`.
    boxes : sequence of tuple of slice
        A box around each object of the edit.

    Returns
    -------
    window : tuple of slice or None
        The only part in which anything may differ; None for everything.
    array
        The new labels of this part.
    """
    if kind == "clean" or not boxes:  # objects may grow, and the border of the image matters
        return None, edited(kind, labels, args, last)
    rows, columns = window_around(labels.shape[-2:], [], boxes)
    planes = tuple(map(slice, labels.shape[:-2]))  # all of them, so that they keep their numbers
    window = (*planes, rows, columns)
    if kind == "split":
        return window, edited(kind, labels[window], args, last)
    new = np.array(labels[window])
    for box in boxes:
        inside = (
            *planes,
            *(
                slice(side.start - whole.start, side.stop - whole.start)
                for side, whole in zip(box[-2:], (rows, columns), strict=True)
            ),
        )
        new[inside] = edited(kind, new[inside], args)
    return window, new


def placed(labels: Labels, crop: ObjectCrop, label: int, *, overwrite: bool) -> Labels:
    """Replace the pixels of an object by a mask; return the labels of the plane."""
    dtype = labels.dtype if label <= np.iinfo(labels.dtype).max else label_dtype(label)
    new = np.where(labels == label, 0, labels).astype(dtype)
    part = new[crop.window]
    part[crop.pixels if overwrite else crop.pixels & (part == 0)] = label
    return new


def window_around(
    size: tuple[int, int], crops: Iterable[ObjectCrop], boxes: Iterable[Window] = ()
) -> tuple[slice, slice]:
    """Return the rows and columns that masks and objects lie in, with a margin.

    Edits of the window alone take the time of the masks, not of the image.

    Parameters
    ----------
    size : tuple of int
        Height and width of the labels.
    crops : iterable of ObjectCrop
    boxes : iterable of tuple of slice
        Boxes of objects whose pixels are inside as well; in a stack, planes come first.

    Examples
    --------
    >>> window_around((100, 200), [], [(slice(30, 40), slice(0, 80))])
    (slice(21, 49, None), slice(0, 98, None))
    """
    sides = around([*(crop.window for crop in crops), *(box[-2:] for box in boxes)])
    rows, columns = (
        slice(max(0, side.start - margin), min(length, side.stop + margin))
        for length, side in zip(size, sides, strict=True)
        for margin in [_MARGIN + (side.stop - side.start) // 8]
    )
    return rows, columns


def _erase(labels: Labels, args: Mapping[str, Any]) -> Labels:
    plane = args.get("plane")
    if plane is None or labels.ndim == 2:
        return _renamed(labels, args["ids"], 0)
    new = labels.copy()
    new[plane] = _renamed(labels[plane], args["ids"], 0)
    return new


def _merge(labels: Labels, args: Mapping[str, Any]) -> Labels:
    return _renamed(labels, args["ids"], min(args["ids"]))


def _renamed(labels: Labels, ids: Iterable[int], name: int) -> Labels:
    """Replace some ids; a lookup table is many times faster than `isin`."""
    last = int(labels.max(initial=0))
    if last >= 2**24:
        return np.where(np.isin(labels, list(ids)), name, labels).astype(labels.dtype)
    table = np.arange(last + 1, dtype=labels.dtype)
    table[[i for i in ids if i <= last]] = name
    return table[labels]


def _split(labels: Labels, args: Mapping[str, Any], last: int) -> Labels:
    (label,) = args["ids"]
    new = labels.astype(np.uint32)
    cut = split_components if args["how"] == "components" else split_touching
    for _, part in _planes(new, args.get("plane")):
        if (part == label).any():
            pieces: Labels = cut(np.where(part == label, 1, 0).astype(np.uint16))
            for number in range(2, int(pieces.max()) + 1):
                last += 1
                part[pieces == number] = last
    fits = int(new.max(initial=0)) <= np.iinfo(labels.dtype).max
    return new.astype(labels.dtype) if fits else new


def _clean(labels: Labels, args: Mapping[str, Any]) -> Labels:
    new = labels.copy()
    for _, part in _planes(new, args.get("plane")):
        own = part > 0 if args["ids"] is None else np.isin(part, args["ids"])
        cleaned = _cleaned(np.where(own, part, 0), args)
        part[own] = 0
        fits = (cleaned > 0) & (part == 0)
        part[fits] = cleaned[fits]
    return new


def _cleaned(labels: Labels, args: Mapping[str, Any]) -> Labels:
    holes = args["fill_holes"]
    if holes is not False and holes is not None:
        labels = cleaning.fill_holes(labels, max_size=None if holes is True else holes)
    if args["min_piece"]:
        labels = cleaning.remove_small_components(labels, args["min_piece"])
    if args["largest"]:
        labels = cleaning.keep_largest_component(labels)
    if args["smooth"]:
        labels = cleaning.smooth(labels, args["smooth"])
    if args["min_area"]:
        labels = cleaning.remove_small_objects(labels, args["min_area"])
    if args["clear_border"]:
        labels = cleaning.clear_border(labels)
    return labels


def _planes(labels: Labels, plane: int | None) -> list[tuple[int, Labels]]:
    if labels.ndim == 2:
        return [(0, labels)]
    return [(p, labels[p]) for p in (range(len(labels)) if plane is None else [plane])]


_BY_NAME = {"erase": _erase, "keep": _erase, "merge": _merge, "clean": _clean}
EDITS = frozenset({*_BY_NAME, "split"})
"""Edits by name."""
