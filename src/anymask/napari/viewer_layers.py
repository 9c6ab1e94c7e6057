"""Takes layers that the viewer has from elsewhere into the session: File > Open, other plugins."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image, Labels
from numpy.typing import NDArray

from anymask.errors import AnymaskError
from anymask.session import LayerKey, Session

_FOLDER = "layers"  # in the session's folder: pixels that are in no file


@dataclass(frozen=True)
class Taken:
    """A layer as the session needs it: its file or its pixels.

    Attributes
    ----------
    name : str
    file : Path or None
        Where napari read it from.
    data : array or None
    is_labels, rgb : bool
    """

    name: str
    file: Path | None
    data: Any
    is_labels: bool
    rgb: bool

    @property
    def size(self) -> tuple[int, ...]:
        """Shape without colours."""
        return tuple(self.data.shape[:-1] if self.rgb else self.data.shape)


def taken(layers: Sequence[Any]) -> list[Taken]:
    """Note what is in layers; those that are neither pixels nor labels are left out."""
    found = []
    for layer in layers:
        if isinstance(layer, (Image, Labels)):
            path = layer.source.path
            data = layer.data[0] if layer.multiscale else layer.data
            rgb = bool(getattr(layer, "rgb", False))
            file = Path(path) if path and Path(path).exists() else None
            found.append(Taken(layer.name, file, data, isinstance(layer, Labels), rgb))
    return found


def take_images(session: Session, layers: Sequence[Taken]) -> list[tuple[Taken, str]]:
    """Add layers with pixels to a session; those without a file are written into its folder. Slow.

    Returns
    -------
    list of (Taken, str)
        Each with the id of its image.

    Raises
    ------
    AnymaskError
        If one cannot be added.
    """
    ids = []
    for layer in layers:
        if layer.is_labels:
            continue
        path = layer.file or _written(session, layer)
        added = session.images.add(path)
        if added.failed:
            raise AnymaskError(added.failed[0].sentence)
        ids += [(layer, image) for image in (*added.ids, *added.already)[:1]]
    return ids


def take_labels(
    session: Session,
    layers: Sequence[Taken],
    images: Sequence[tuple[Taken, str]],
    current: LayerKey | None,
) -> list[LayerKey]:
    """Import layers of labels into the image of their size: a new one, else the current one. Slow.

    Raises
    ------
    AnymaskError
        If there is no image of that size; `EditedError` if its masks were edited by hand.
    """
    done = []
    for layer in layers:
        if not layer.is_labels:
            continue
        fitting = [image for each, image in images if each.size == layer.size]
        own = [current.image] if current is not None else []
        others = [image for image in own if session.images[image].label_shape == layer.size]
        where = [*fitting, *others]
        if not where:
            size = "×".join(map(str, reversed(layer.size)))
            raise AnymaskError(
                f"There is no image of {size} pixels for the labels “{layer.name}”; add it first, "
                "or select both layers."
            )
        key = LayerKey(where[0], session.images[where[0]].recipes[0].name)
        if where[0] in own and current is not None and not fitting:
            key = current
        session.edits.import_masks(key, np.asarray(layer.data).astype(_labels_dtype(layer.data)))
        done.append(key)
    return done


def _labels_dtype(data: NDArray[Any]) -> Any:
    return np.uint16 if int(np.max(data, initial=0)) < 2**16 else np.uint32


def _written(session: Session, layer: Taken) -> Path:
    """Write the pixels of a layer to a TIFF file in the session's folder."""
    import tifffile

    axes = {2: "YX", 3: "ZYX"}.get(len(layer.size))
    if axes is None:
        raise AnymaskError(
            f"The layer “{layer.name}” has {len(layer.size)} dimensions; only images and stacks "
            "can be used."
        )
    plain = re.sub(r"[^\w .-]+", "_", layer.name).strip(" .") or "layer"
    folder = session.folder / _FOLDER
    folder.mkdir(exist_ok=True)
    path, number = folder / f"{plain}.tif", 1
    while path.exists():
        number += 1
        path = folder / f"{plain} {number}.tif"
    pixels = np.asarray(layer.data)
    if pixels.dtype == bool:
        pixels = pixels.astype(np.uint8) * 255
    kind = "rgb" if layer.rgb else "minisblack"
    tifffile.imwrite(
        path, pixels, photometric=kind, metadata={"axes": axes + ("S" if layer.rgb else "")}
    )
    return path
