"""Masks of valid pixels that GDAL keeps beside an image: ``field.tif.msk``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from anymask.images.image import Image
from anymask.images.validity import not_zero
from anymask.notices import tell


def with_mask_beside(image: Image, path: Path) -> Image:
    """Add the mask in the file ``path.msk`` to an image, if there is one; 0 means "no data".

    Warns
    -----
    ReadingNotice
        If it is not one mask of the size of the image.
    """
    beside = path.with_name(f"{path.name}.msk")
    if image.metadata.get("level") or not beside.is_file():
        return image
    from anymask.io.image_formats.tiff.series import read

    mask = read(beside)
    if mask.axes != "YX" or mask.shape != (image.height, image.width):
        tell(
            f"{beside} is not used: it is {mask.axes} {'×'.join(map(str, mask.shape))}, not one "
            f"mask of {image.height}×{image.width}."
        )
        return image
    return replace(image, valid=not_zero(mask.array, str(beside)))
