"""What napari's layers show: planes of a stack, the changed part of labels, or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels
from numpy.typing import NDArray

from anymask.session import LayerKey, Session

if TYPE_CHECKING:
    from napari.layers import Layer

# Up to this many changed pixels are drawn one by one; otherwise all of the layer is.
_MOST_PLACES = 2**20


class StackPlanes:
    """A stack as an array for napari, (planes, H, W, 3), whose planes are read on demand."""

    def __init__(self, session: Session, key: LayerKey) -> None:
        record = session.images[key.image]
        self.shape = (record.planes, *record.size, 3)
        self.dtype = np.dtype(np.uint8)
        self.ndim = 4
        self.size = int(np.prod(self.shape))
        self._session, self._key = session, key

    def __getitem__(self, index: Any) -> NDArray[np.uint8]:
        parts = index if isinstance(index, tuple) else (index,)
        first, rest = parts[0], parts[1:]
        if isinstance(first, slice):
            planes = range(*first.indices(self.shape[0]))
            return np.stack([self._session.images.rgb(self._key, plane)[rest] for plane in planes])
        return self._session.images.rgb(self._key, int(first))[rest]


def draw_part(layer: Labels, labels: NDArray[Any], window: tuple[slice, ...]) -> None:
    """Change a part of a layer; napari draws only that part again, if it is not too large."""
    part = labels[window]
    differs = layer.data[window] != part
    if not layer.visible or np.count_nonzero(differs) > _MOST_PLACES:
        layer.data[window] = part
        layer.refresh()
        return
    # Quicker than np.nonzero, as few of many pixels differ.
    places = np.unravel_index(np.flatnonzero(differs), differs.shape)
    whole = [at + side.start for at, side in zip(places, window, strict=True)]
    layer.data_setitem(tuple(whole), part[places])
    layer._reset_history()  # undo is the session's


def set_visible(layer: Layer, visible: bool) -> None:
    """Show or hide a layer; napari takes away its tool if it is told what is so already."""
    if layer.visible != visible:
        layer.visible = visible


def empty(layer: Layer) -> None:
    """Drop the pixels of a layer; the layer itself is freed only by a garbage collection."""
    if isinstance(layer, (Image, Labels)):
        ends = (3,) if isinstance(layer, Image) and layer.rgb else ()
        layer.data = np.zeros((*(1,) * layer.ndim, *ends), np.uint8)
        layer.visible = True  # a hidden layer would keep the pixels that it showed last
