"""Edits as functions of label arrays, so that a replay can repeat them exactly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.masks import clean as cleaning
from anymask.masks.labels import label_dtype
from anymask.masks.objects import Crop
from anymask.masks.split import split_components, split_touching
from anymask.session.errors import SessionError

Labels = NDArray[Any]
_MARGIN = 8  # pixels around what is edited


def edited(kind: str, labels: Labels, args: Mapping[str, Any]) -> Labels:
    """Apply an edit to labels (H, W) or (planes, H, W), and return the result.

    Raises
    ------
    SessionError
        If there is no edit of that kind.
    """
    if kind not in EDITS:
        raise SessionError(f"There is no edit called {kind!r}.")
    return EDITS[kind](labels, args)


def placed(labels: Labels, crop: Crop, label: int, *, overwrite: bool) -> Labels:
    """Replace the pixels of an object by a mask; return the labels of the plane."""
    dtype = labels.dtype if label <= np.iinfo(labels.dtype).max else label_dtype(label)
    new = np.where(labels == label, 0, labels).astype(dtype)
    part = new[crop.window]
    part[crop.pixels if overwrite else crop.pixels & (part == 0)] = label
    return new


def window_around(
    labels: Labels, crops: Iterable[Crop], ids: Iterable[int] = ()
) -> tuple[slice, slice]:
    """Return the rows and columns of labels (H, W) that masks and objects lie in, with a margin.

    Edits of the window alone take the time of the masks, not of the image.

    Parameters
    ----------
    labels : (H, W) array
    crops : iterable of Crop
    ids : iterable of int
        Objects whose pixels are inside as well.
    """
    boxes = [[(part.start, part.stop) for part in crop.window] for crop in crops]
    for label in ids:
        own = labels == label
        rows, columns = np.flatnonzero(own.any(1)), np.flatnonzero(own.any(0))
        if len(rows):
            boxes.append([(rows[0], rows[-1] + 1), (columns[0], columns[-1] + 1)])
    spans = []
    for size, ends in zip(labels.shape, zip(*boxes, strict=True), strict=True):
        start, stop = min(first for first, _ in ends), max(last for _, last in ends)
        margin = _MARGIN + (stop - start) // 8
        spans.append(slice(max(0, int(start) - margin), min(size, int(stop) + margin)))
    return spans[0], spans[1]


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


def _split(labels: Labels, args: Mapping[str, Any]) -> Labels:
    (label,) = args["ids"]
    new = labels.astype(np.uint32)
    cut = split_components if args["how"] == "components" else split_touching
    for _, part in _planes(new, args.get("plane")):
        if (part == label).any():
            pieces: Labels = cut(np.where(part == label, 1, 0).astype(np.uint16))
            last = int(new.max())
            for number in range(2, int(pieces.max()) + 1):
                part[pieces == number] = last + number - 1
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


EDITS = {"erase": _erase, "keep": _erase, "merge": _merge, "split": _split, "clean": _clean}
"""Edits by name: functions of the labels and the arguments in the journal."""
