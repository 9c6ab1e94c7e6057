"""Follows an object through planes with the memory of a SAM 2.

Other models are asked in each plane where the object of the plane before is now; see `stacks`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from anymask.session.images import Images
from anymask.session.records import LayerKey
from anymask.session.visible_region import Region

if TYPE_CHECKING:
    from anymask.model.sam import Sam


class Found(NamedTuple):
    """An object in one plane.

    Attributes
    ----------
    mask : (H, W) bool array
        Empty where the object is not in the plane.
    score : float
        Predicted IoU.
    """

    mask: NDArray[np.bool_]
    score: float


def has_memory(sam: Sam) -> bool:
    """Whether a model is a SAM 2 that can follow objects."""
    from anymask.model.config import Sam2Config

    return isinstance(sam.config, Sam2Config) and sam.config.memory is not None


def follow(
    sam: Sam,
    images: Images,
    layer: LayerKey,
    region: Region,
    planes: range,
    start: int,
    mask: NDArray[np.bool_],
    direction: int,
) -> Iterator[Found]:
    """Find an object in one plane after the other.

    Parameters
    ----------
    sam : Sam
        For which `has_memory` holds.
    images : Images
    layer : LayerKey
    region : Region
        The part of each plane that the model sees.
    planes : range
        The neighbouring planes.
    start : int
        The plane where the object is known.
    mask : (H, W) bool array
        The object there.
    direction : int
        1 or -1.
    """
    from anymask.tracking.tracker import SamTracker

    step, first = region.step, planes.start
    tracker = SamTracker(sam)
    tracker.start(_Planes(images, layer, region, planes))
    tracker.add(start - first, mask=_reduced(mask[region.window], step))
    frames = tracker.propagate("forward" if direction > 0 else "backward", start=start - first)
    next(frames)  # the plane where it starts
    for frame in frames:
        found = np.zeros(mask.shape, bool)
        inside = frame.masks[0].repeat(step, 0).repeat(step, 1)
        found[region.window] = inside[: region.height, : region.width]
        yield Found(found, float(frame.predicted_iou[0]))


def _reduced(mask: NDArray[np.bool_], step: int) -> NDArray[np.bool_]:
    """Join `step`×`step` pixels to one; it is true if any of them is."""
    height, width = mask.shape
    whole = np.pad(mask, ((0, -height % step), (0, -width % step)))
    blocks = whole.reshape(len(whole) // step, step, -1, step)
    return np.logical_or.reduce(blocks, axis=(1, 3))


class _Planes:
    """The planes of a layer as frames to follow objects in."""

    def __init__(self, images: Images, layer: LayerKey, region: Region, planes: range) -> None:
        self._images, self._layer, self._region = images, layer, region
        self._planes = planes

    def __len__(self) -> int:
        return len(self._planes)

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        return self._images.rgb_part(self._layer, self._planes[index], self._region)
