"""Follows and interpolates objects through the planes of a stack or time series."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from anymask.errors import PromptError
from anymask.masks.objects import ObjectCrop
from anymask.session.click_prompts import ClickPrompts
from anymask.session.errors import SessionError, StoppedError
from anymask.session.following import Found
from anymask.session.label_edits import placed
from anymask.session.records import CancelToken, Change, LayerKey

if TYPE_CHECKING:
    from anymask.session.click_model import ClickModel

Projection = Literal["box", "points", "mask"]
PlaneProgress = Callable[[int, int], None]
# The box in the next plane extends beyond the mask by this share of its sides.
_GROWTH = 0.08


@dataclass(frozen=True)
class Propagated:
    """How far an object was followed.

    Attributes
    ----------
    change : Change
    planes : list of int
        The planes where it was found.
    ended : dict of int to str
        For each direction (-1 and 1), why it ended.
    """

    change: Change
    planes: list[int]
    ended: dict[int, str]


def followed(
    model: ClickModel,
    layer: LayerKey,
    labels: NDArray[Any],
    args: Mapping[str, Any],
    progress: PlaneProgress | None = None,
    cancel: CancelToken | None = None,
) -> tuple[NDArray[Any], list[int], dict[int, str]]:
    """Follow an object through labels (planes, H, W); see `Clicks.propagate`.

    Returns
    -------
    labels : array
        The labels with the object in more planes.
    planes : list of int
        The planes where the object was added.
    ended : dict
        For each direction, why the object ended.
    """
    if labels.ndim != 3:
        raise SessionError("The image has only one plane, so the object cannot be followed.")
    label, plane = int(args["id"]), int(args["plane"])
    if not 0 <= plane < len(labels) or not (labels[plane] == label).any():
        raise SessionError(
            f"Object {label} has no pixel in plane {plane}; choose a plane that contains it."
        )
    directions = (1, -1) if args["direction"] == "both" else (int(args["direction"]),)
    until = args.get("until")
    done_before = args.get("done")
    # Number of neighbouring planes; older journals do not record it and used all planes.
    along = int(args.get("along", len(labels)))
    first = plane // along * along
    ways = {d: _way(plane, d, first, first + along, until) for d in directions}
    if done_before is not None:  # a replay goes as far as the recorded step
        ways = {d: [p for p in way if p in done_before] for d, way in ways.items()}
    total, done = sum(map(len, ways.values())), 0
    new, planes, ended = labels.copy(), [], {}
    for direction, way in ways.items():
        mask = labels[plane] == label
        end = "last" if direction > 0 else "first"
        what = "plane" if along == len(labels) else "depth of this time"
        ended[direction] = f"It reached the {end} {what}."
        found = None
        if model.has_memory:
            neighbours = range(first, min(first + along, len(labels)))
            found = model.follow(layer, neighbours, plane, mask, direction)
        for other in way:
            if progress is not None:
                progress(done, total)
            done += 1
            if cancel is not None and cancel.is_cancelled:
                ended[direction] = f"Stopped before plane {other}."
                break
            try:
                mask = _next_mask(model, layer, new, label, mask, other, args, found)
            except StoppedError as reason:
                ended[direction] = str(reason)
                break
            new[other][mask] = label
            planes.append(other)
    if progress is not None:
        progress(total, total)
    return new, sorted(planes), ended


def _next_mask(
    model: ClickModel,
    layer: LayerKey,
    labels: NDArray[Any],
    label: int,
    mask: NDArray[np.bool_],
    plane: int,
    args: Mapping[str, Any],
    followed: Iterator[Found] | None,
) -> NDArray[np.bool_]:
    """Find the object in the next plane, given its mask in the previous one.

    `followed` are the answers of a model with a memory, a plane after the other.

    Raises
    ------
    StoppedError
        If the object ends here; the message says why.
    """
    if (labels[plane] == label).any():
        raise StoppedError(f"It is already annotated in plane {plane}.")
    found, score = (
        _asked(model, layer, mask, plane, args["project"]) if followed is None else next(followed)
    )
    if not found.any():
        raise StoppedError(f"The model found nothing in plane {plane}.")
    if score < args["min_score"]:
        raise StoppedError(f"The model is unsure in plane {plane} (score {score:.2f}).")
    shared = np.count_nonzero(found & mask)
    overlap = shared / np.count_nonzero(found | mask)
    if overlap < args["min_overlap"]:
        raise StoppedError(f"The mask in plane {plane} is too different (overlap {overlap:.2f}).")
    free = found & (labels[plane] == 0)
    if not free.any():
        raise StoppedError(f"Other objects cover it in plane {plane}.")
    return free


def _asked(
    model: ClickModel, layer: LayerKey, mask: NDArray[np.bool_], plane: int, how: Projection
) -> Found:
    """Ask for the object by its mask in the previous plane."""
    nothing = np.zeros(mask.shape, bool)
    ready = model.prepare(layer, plane)
    try:
        given = mask if how == "mask" else None
        preview = model.predict(ready, projected(mask, how), False, given)
        crop = preview.mask
    except PromptError:
        return Found(nothing, 0.0)
    score = preview.score
    if how != "points":
        # A box always gives some mask, even where the object is gone; points then score low.
        alone = model.predict(ready, projected(mask, "points"), False)
        score = min(score, 2 * alone.score)
    return Found(placed(nothing.astype(np.uint8), crop, 1, overwrite=True) > 0, score)


def projected(mask: NDArray[np.bool_], how: Projection) -> ClickPrompts:
    """Make prompts for the next plane from the mask in this one."""
    from scipy.ndimage import distance_transform_edt

    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    top, left = int(rows[0]), int(columns[0])
    bottom, right = int(rows[-1]) + 1, int(columns[-1]) + 1
    part = np.pad(mask[top:bottom, left:right], 1)
    depth = distance_transform_edt(part)
    points: list[tuple[float, float]] = []
    for _ in range(3 if how == "points" else 1):
        y, x = np.unravel_index(int(depth.argmax()), depth.shape)
        radius = float(depth[y, x])
        if radius <= 1 and points:
            break
        points.append((left + float(x) - 0.5, top + float(y) - 0.5))
        yy, xx = np.ogrid[: depth.shape[0], : depth.shape[1]]
        depth[(yy - y) ** 2 + (xx - x) ** 2 <= (1.5 * radius) ** 2] = 0
    if how == "points":
        return ClickPrompts().with_points(points)
    dy, dx = (max(1.0, _GROWTH * side) for side in (bottom - top, right - left))
    height, width = mask.shape
    box = (
        max(0.0, left - dx), max(0.0, top - dy),
        min(float(width), right + dx), min(float(height), bottom + dy),
    )  # fmt: skip
    return ClickPrompts(box=box).with_points(points)


def interpolated(labels: NDArray[Any], label: int, along: int | None = None) -> NDArray[Any]:
    """Fill in an object of labels (planes, H, W) between the planes that have it.

    Both masks are moved to the interpolated centre, and the signed distance to their outlines is
    interpolated. `along` planes at a time are neighbours (the depths of one time point); by
    default all planes are.

    Examples
    --------
    >>> stack = np.zeros((3, 5, 9), np.uint8)
    >>> stack[0, 1:4, 1:4] = 4
    >>> stack[2, 1:4, 5:8] = 4
    >>> interpolated(stack, 4)[1, 2]
    array([0, 0, 0, 4, 4, 4, 0, 0, 0], dtype=uint8)
    """
    if labels.ndim != 3:
        raise SessionError("The image has only one plane, so there are no planes to fill.")
    new, length = labels.copy(), along or len(labels)
    annotated = np.flatnonzero((labels == label).any((1, 2)))
    for first, last in pairwise(annotated.tolist()):
        if last - first < 2 or first // length != last // length:
            continue
        ends = [_centred(labels[p] == label) for p in (first, last)]
        reach = max(max(part.shape) for part, _ in ends) // 2 + 2
        depths = [_depth(part, reach) for part, _ in ends]
        for plane in range(first + 1, last):
            share = (plane - first) / (last - first)
            pixels = (1 - share) * depths[0] + share * depths[1] > 0
            (y0, x0), (y1, x1) = ends[0][1], ends[1][1]
            crop = _cut(
                pixels,
                round(y0 + share * (y1 - y0)) - reach,
                round(x0 + share * (x1 - x0)) - reach,
                labels.shape[1:],
            )
            part = new[plane][crop.window]
            part[crop.pixels & (part == 0)] = label
    return new


def _way(plane: int, direction: int, first: int, stop: int, until: int | None) -> list[int]:
    """Return the planes to search in one direction, from `first` up to but without `stop`."""
    planes = range(plane + 1, stop) if direction > 0 else range(plane - 1, first - 1, -1)
    if until is None:
        return list(planes)
    return [p for p in planes if (p <= until if direction > 0 else p >= until)]


def _centred(mask: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], tuple[int, int]]:
    """Cut a square around the centre of a mask's box; return it with that centre."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    y, x = (int(rows[0] + rows[-1]) // 2, int(columns[0] + columns[-1]) // 2)
    reach = max(rows[-1] - y, y - rows[0], columns[-1] - x, x - columns[0]) + 1
    padded = np.pad(mask, int(reach))
    part = padded[y : y + 2 * reach + 1, x : x + 2 * reach + 1]
    return part, (y, x)


def _depth(part: NDArray[np.bool_], reach: int) -> NDArray[np.float64]:
    """Compute the signed distance to the outline, positive inside, in a square of this reach."""
    from scipy.ndimage import distance_transform_edt

    wide = np.pad(part, reach - part.shape[0] // 2)
    inside: NDArray[np.float64] = distance_transform_edt(wide)
    outside: NDArray[np.float64] = distance_transform_edt(~wide)
    return np.where(wide, inside - 0.5, 0.5 - outside)


def _cut(pixels: NDArray[np.bool_], top: int, left: int, size: Sequence[int]) -> ObjectCrop:
    """Return the part of a mask that lies within an image of this size."""
    height, width = size
    y0, x0 = max(0, -top), max(0, -left)
    part = pixels[y0 : max(y0, height - top), x0 : max(x0, width - left)]
    return ObjectCrop(part, top + y0, left + x0)
