"""Label images as 8- or 16-bit PNG."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from anymask.errors import OutputError
from anymask.files import whole_file
from anymask.io.label_images import KEY, class_notes, classes_in, masks_of_labels, read_png
from anymask.io.mask_file import MaskFile
from anymask.io.registry import MaskFormat
from anymask.io.write_context import WriteContext
from anymask.masks.mask_set import MaskSet

_MOST_PNG_ID = np.iinfo(np.uint16).max


def save(path: Path, masks: MaskSet, context: WriteContext) -> list[Path]:
    """Write an 8- or 16-bit grayscale PNG.

    Raises
    ------
    OutputError
        If an id is above 65,535.
    """
    from PIL import Image as Pillow
    from PIL import PngImagePlugin

    labels = masks.to_labels()
    if (largest := int(masks.ids.max(initial=0))) > _MOST_PNG_ID:
        raise OutputError(
            f"PNG holds ids up to {_MOST_PNG_ID:,}, but one of these is {largest:,}; write a TIFF, "
            "which holds all ids, because anymask never changes ids."
        )
    text = PngImagePlugin.PngInfo()
    if notes := class_notes(masks):
        text.add_itxt(KEY, notes)
    with whole_file(path) as part:
        Pillow.fromarray(labels).save(part, format="PNG", pnginfo=text)
    return [path]


def load(file: MaskFile) -> MaskSet:
    """Read a PNG with grey values or palette indices."""
    labels, _, notes = read_png(file.path)
    return masks_of_labels(file.path, labels, classes_in(notes))


def _sniff(file: MaskFile) -> bool:
    return file.start.startswith(b"\x89PNG\r\n\x1a\n")


FORMAT = MaskFormat(
    name="png",
    title="label image as PNG",
    suffixes=(".png",),
    write=save,
    read=load,
    sniff=_sniff,
    ending=".labels.png",
    is_label_image=True,
    keeps_overlaps=False,
    keeps_empty=False,
)
