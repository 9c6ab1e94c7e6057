"""Brings a part of the image into view, and leaves the image in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from anymask.napari.internal_layers import napari_part

if TYPE_CHECKING:
    from napari.viewer import Viewer

# Pixels of the screen: what is smaller is enlarged to this, with a margin around it.
_SMALLEST, _WELL_SEEN, _MARGIN = 24, 90, 20


def bring_into_view(viewer: Viewer, size: tuple[int, int], box: Sequence[slice]) -> None:
    """Show rows and columns of an image; the view moves no more than that needs.

    The view does not go beyond the border of the image, unless it is larger than the image.

    Parameters
    ----------
    viewer : napari.Viewer
    size : tuple of int
        Height and width of the image.
    box : sequence of slice
        Rows and columns.
    """
    camera, canvas = viewer.scene.camera, napari_part(viewer, "canvas")
    if canvas is None:
        return
    shown = np.array(canvas.size, np.float64)  # (height, width) on the screen
    wanted = max(side.stop - side.start for side in box)
    zoom = float(camera.zoom)
    fits = float(min(shown[at] / (box[at].stop - box[at].start) for at in (0, 1)))
    if zoom > 0.9 * fits:
        zoom = 0.7 * fits
    elif zoom * wanted < _SMALLEST:
        zoom = min(_WELL_SEEN / wanted, 0.7 * fits)
    center = np.array(camera.center[-2:], np.float64)
    for at, side in enumerate(box):
        half, margin = shown[at] / zoom / 2, _MARGIN / zoom
        center[at] = min(max(center[at], side.stop + margin - half), side.start - margin + half)
        if size[at] <= 2 * half:
            center[at] = (size[at] - 1) / 2
        else:
            center[at] = min(max(center[at], half - 0.5), size[at] - 0.5 - half)
    if zoom != camera.zoom:
        camera.zoom = zoom
    if not np.allclose(center, camera.center[-2:]):
        camera.center = (0.0, *center.tolist())
