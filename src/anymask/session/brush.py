"""Brush strokes on a predicted mask, before it becomes an object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import PromptError
from anymask.masks.objects import ObjectCrop

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class BrushStroke:
    """A line that is drawn with a round brush.

    Attributes
    ----------
    path : tuple of (x, y)
        In pixels of the image; one point is a dot.
    radius : float
        In pixels of the image.
    adds : bool
        Whether it adds pixels to the mask, or removes them.
    """

    path: tuple[tuple[float, float], ...]
    radius: float
    adds: bool = True

    def __post_init__(self) -> None:
        """Convert the path to tuples.

        Raises
        ------
        PromptError
            If the path is empty, or the radius is not positive.
        """
        if not len(self.path) or not self.radius > 0:
            raise PromptError("A brush stroke needs at least one point and a radius above 0.")
        path = tuple((float(x), float(y)) for x, y in self.path)
        object.__setattr__(self, "path", path)

    def to_json(self) -> dict[str, Any]:
        """Return the stroke as JSON data."""
        return {"path": [list(p) for p in self.path], "radius": self.radius, "adds": self.adds}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> BrushStroke:
        """Read what `to_json` wrote."""
        path = tuple((x, y) for x, y in data["path"])
        return cls(path, float(data["radius"]), bool(data["adds"]))


def brushed(
    mask: Mask, strokes: Sequence[BrushStroke], corner: tuple[int, int] = (0, 0), step: int = 1
) -> Mask:
    """Return a mask with strokes drawn on it.

    Parameters
    ----------
    mask : (H, W) bool array
    strokes : sequence of BrushStroke
    corner : tuple of int
        x and y of the mask's first pixel in the image.
    step : int
        Image pixels that a pixel of the mask stands for, in both directions.

    Examples
    --------
    >>> brushed(np.zeros((3, 5), bool), [BrushStroke(((1, 1), (3, 1)), 0.6)]).astype(int)[1]
    array([0, 1, 1, 1, 0])
    """
    if not strokes:
        return mask
    new = mask.copy()
    for stroke in strokes:
        path = (np.array(stroke.path) - corner) / step
        for start, end in zip(path, path[1:] if len(path) > 1 else path, strict=False):
            _draw(new, start, end, stroke.radius / step, stroke.adds)
    return new


def brushed_crop(
    crop: ObjectCrop | None, strokes: Sequence[BrushStroke], size: tuple[int, int]
) -> ObjectCrop:
    """Draw strokes on a mask that is cropped to its box; None for an empty mask.

    Parameters
    ----------
    crop : ObjectCrop or None
    strokes : sequence of BrushStroke
        In pixels of the frame that the crop is in.
    size : tuple of int
        Height and width of this frame.
    """
    corners = [] if crop is None else [(side.start, side.stop) for side in crop.window]
    tops, ends = ([[c[at] for c in corners]] if corners else [] for at in (0, 1))
    for stroke in strokes:
        rows_first = np.array(stroke.path)[:, ::-1]
        tops.append((rows_first.min(0) - stroke.radius - 1).tolist())
        ends.append((rows_first.max(0) + stroke.radius + 2).tolist())
    top, left = np.clip(np.floor(np.min(tops, axis=0)), 0, size).astype(int).tolist()
    bottom, right = np.clip(np.ceil(np.max(ends, axis=0)), 0, size).astype(int).tolist()
    whole = np.zeros((max(bottom - top, 0), max(right - left, 0)), bool)
    if crop is not None:
        rows, columns = crop.window
        whole[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = (
            crop.pixels
        )
    return ObjectCrop(brushed(whole, strokes, (left, top)), top, left)


def _draw(mask: Mask, start: Any, end: Any, radius: float, value: bool) -> None:
    """Set the pixels whose centres are within a radius of a line between two points (x, y)."""
    height, width = mask.shape
    low = np.floor(np.minimum(start, end) - radius).astype(int)
    high = np.ceil(np.maximum(start, end) + radius).astype(int) + 1
    left, top = np.maximum(low, 0).tolist()
    right, bottom = np.minimum(high, (width, height)).tolist()
    if right <= left or bottom <= top:
        return
    y, x = np.ogrid[top:bottom, left:right]
    way = np.asarray(end, float) - start
    length = float(way @ way)
    share = 0.0
    if length > 0:
        share = np.clip(((x - start[0]) * way[0] + (y - start[1]) * way[1]) / length, 0, 1)
    distance = np.hypot(x - start[0] - share * way[0], y - start[1] - share * way[1])
    mask[top:bottom, left:right][distance <= radius] = value
