"""Colours of masks in napari's formats."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.colormaps import CyclicLabelColormap, DirectLabelColormap
from numpy.typing import NDArray

from anymask.palette import colours_of, palette

if TYPE_CHECKING:
    from anymask.session import LayerKey, Session

Colour = tuple[float, float, float, float]
_SELECTED: Colour = (1.0, 1.0, 1.0, 1.0)
_NO_CLASS: Colour = (0.6, 0.6, 0.6, 1.0)


def cyclic() -> CyclicLabelColormap:
    """Return anymask's colours as a napari colormap; its first entry is the background."""
    colours = np.concatenate([palette()[-1:], palette()[:-1]]) / 255.0
    table = np.concatenate([colours, np.ones((len(colours), 1))], axis=1)
    table[0] = 0
    return CyclicLabelColormap(table)


def of_objects(
    session: Session, key: LayerKey, selected: Collection[int], *, by_class: bool
) -> dict[int, Colour]:
    """Return the colour of each object of a layer: that of its class, or its own.

    Selected objects are white, and those without a class grey.
    """
    ids = session.layers.ids(key)
    if by_class:
        known = {record.name: _rgba(record.color) for record in session.layers.classes}
        names = session.layers.class_names(key)
        colours = {i: known.get(names.get(i, ""), _NO_CLASS) for i in ids}
    else:
        own = colours_of(np.array(ids, np.int64)) / 255
        colours = {i: (*colour, 1.0) for i, colour in zip(ids, own.tolist(), strict=True)}
    return colours | dict.fromkeys(selected, _SELECTED)


def listed(colours: Mapping[int, Colour]) -> ListedColours:
    """Return colours of objects as a napari colormap."""
    table: defaultdict[int | None, Any] = defaultdict(lambda: np.array(_NO_CLASS))
    table |= {0: np.zeros(4), None: np.array(_NO_CLASS)}
    table |= {label: np.array(colour) for label, colour in colours.items()}
    return ListedColours(color_dict=table)


def _rgba(color: str) -> Colour:
    """Convert "#rrggbb" to napari's red, green, blue and opacity from 0 to 1."""
    r, g, b = (int(color[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return r, g, b, 1.0


class ListedColours(DirectLabelColormap):
    """A colour for each label of a list, and one for all others."""

    def _map_without_cache(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Look all colours up at once; napari takes its time over the 65,536 labels of uint16.

        Memory does not grow with the largest label, which may be four billion.
        """
        labels = np.array(sorted(label for label in self.color_dict if label is not None), np.int64)
        colours = [self.color_dict[label] for label in labels.tolist()]
        table = np.array([*colours, self.color_dict[None]], np.float32)
        values = np.asarray(values, np.int64)
        place = np.minimum(np.searchsorted(labels, values), max(0, len(labels) - 1))
        is_listed = labels[place] == values if len(labels) else np.zeros(values.shape, np.bool_)
        return table[np.where(is_listed, place, len(labels))]
