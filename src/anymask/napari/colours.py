"""Colours of masks in napari's formats."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.colormaps import CyclicLabelColormap, DirectLabelColormap
from numpy.typing import NDArray

from anymask.palette import palette

if TYPE_CHECKING:
    from anymask.session import LayerKey, Session

Colour = tuple[float, float, float, float]
SELECTED: Colour = (1.0, 0.93, 0.2, 1.0)
"""The outline of selected objects: yellow, which has a dark seam on any ground."""
PREVIEW: Colour = (0.1, 0.9, 1.0, 1.0)
"""The preview and its outline: cyan, which no eye confuses with yellow or with leaves."""
STATES: dict[str, Colour] = {
    "to review": (0.9, 0.62, 0.0, 1.0),
    "yours": (0.34, 0.71, 0.91, 1.0),
    "reviewed": (0.0, 0.62, 0.45, 1.0),
}
"""Colours of objects by state (orange, sky blue, green) that colour-blind people tell apart."""
_NO_CLASS: Colour = (0.6, 0.6, 0.6, 1.0)


def cyclic() -> CyclicLabelColormap:
    """Return anymask's colours as a napari colormap; its first entry is the background."""
    colours = np.concatenate([palette()[-1:], palette()[:-1]]) / 255.0
    table = np.concatenate([colours, np.ones((len(colours), 1))], axis=1)
    table[0] = 0
    return CyclicLabelColormap(table)


def of_objects(session: Session, key: LayerKey, by: str) -> dict[int, Colour]:
    """Return the colour of each object of a layer.

    Parameters
    ----------
    session : Session
    key : LayerKey
    by : {"class", "state"}
        That of its class, grey for none; or that of its state, see `STATES`.
    """
    ids = session.layers.ids(key)
    if by == "state":
        waiting, automatic = set(session.layers.review_queue(key)), session.layers.automatic(key)
        states = {
            i: "reviewed" if i not in waiting else "to review" if i in automatic else "yours"
            for i in ids
        }
        return {i: STATES[state] for i, state in states.items()}
    known = {record.name: _rgba(record.color) for record in session.layers.classes}
    names = session.layers.class_names(key)
    return {i: known.get(names.get(i, ""), _NO_CLASS) for i in ids}


def listed(colours: Mapping[int, Colour]) -> ListedColours:
    """Return colours of objects as a napari colormap."""
    table: defaultdict[int | None, Any] = defaultdict(lambda: np.array(_NO_CLASS))
    table |= {0: np.zeros(4), None: np.array(_NO_CLASS)}
    table |= {label: np.array(colour) for label, colour in colours.items()}
    return ListedColours(color_dict=table)


def to_hex(colour: Colour) -> str:
    """Return a colour as "#rrggbb".

    Examples
    --------
    >>> to_hex((1.0, 0.5, 0.0, 1.0))
    '#ff8000'
    """
    return "#" + "".join(f"{round(255 * part):02x}" for part in colour[:3])


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
