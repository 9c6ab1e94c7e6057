"""Layers of the image before, which the next image is shown with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from napari.layers import Image, Labels

if TYPE_CHECKING:
    from napari.components import LayerList

Kind = TypeVar("Kind", Image, Labels)


class SpareLayers:
    """Hides napari layers and shows them again with other data.

    To make a layer and to take one away, with all that the window has for it, takes napari a good
    part of a second.

    Parameters
    ----------
    layers : napari.components.LayerList
        The layers of the viewer, in which hidden ones stay.
    """

    def __init__(self, layers: LayerList) -> None:
        self._layers = layers
        self._spare: list[Image | Labels] = []

    def put(self, layer: Image | Labels) -> None:
        """Hide a layer until it is taken or given up."""
        if layer in self._layers:
            layer.visible = False
            self._spare.append(layer)

    def take(self, kind: type[Kind], data: Any, name: str) -> Kind | None:
        """Show data in a hidden layer; None if there is none for data of this kind and shape.

        Arrays that are read on demand, such as stacks, get new layers.
        """
        if not isinstance(data, np.ndarray):
            return None
        for layer in self._spare:
            old = layer.data
            if isinstance(layer, kind) and layer in self._layers and (
                isinstance(old, np.ndarray) and old.ndim == data.ndim
            ):  # fmt: skip
                self._spare.remove(layer)
                layer.data, layer.name = data, name
                layer.visible = True
                # napari does not look how large the data of a hidden layer are.
                layer.refresh(thumbnail=False, data_displayed=False, highlight=False)
                return layer
        return None

    def give_up(self) -> list[Image | Labels]:
        """Return the layers that nobody took, to be removed."""
        left, self._spare = self._spare, []
        return [layer for layer in left if layer in self._layers]
