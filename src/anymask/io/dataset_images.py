"""The images of a data set that a training program reads, beside its labels."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anymask.errors import OutputError
from anymask.images.image import Image
from anymask.io.write_context import WriteContext

# Formats that trainers of detectors read, with 8-bit pixels of these Pillow modes.
_COMMON = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
_MODES = frozenset({"L", "RGB"})
_ORIENTATION = 274  # EXIF tag


def image_beside(context: WriteContext, stem: Path) -> tuple[str | None, dict[Path, bytes]]:
    """Return the name of the image of a label file, if it is known, and the file to write for it.

    Ordinary photographs are copied as they are; anything else (16 bits, spectral cubes, turned
    images) becomes an RGB PNG as the model sees it.

    Parameters
    ----------
    context : WriteContext
        With `image` or `image_path`.
    stem : Path
        The place of the image, without a suffix.

    Returns
    -------
    name : str or None
    files : dict of Path to bytes
        One file; none if the image is unknown or already there.

    Raises
    ------
    OutputError
        If another file is there and may not be replaced.
    ImageError
        If the image cannot be read.
    """
    path = context.image_path
    if path is not None and _is_common(path):
        target = _with_suffix(stem, path.suffix.lower())
        if target.exists() and target.samefile(path):
            return target.name, {}
        data = path.read_bytes()
    elif context.image is not None or path is not None:
        target, data = _with_suffix(stem, ".png"), _png(_rgb(context))
    else:
        return None, {}
    if target.exists():
        if target.read_bytes() == data:
            return target.name, {}
        if not context.overwrite:
            raise OutputError(
                f"{target} is another image; choose another folder, or replace it with "
                "--overwrite (overwrite=True in Python)."
            )
    return target.name, {target: data}


def _with_suffix(stem: Path, suffix: str) -> Path:
    # Names may contain dots, so the suffix is appended and never replaced.
    return stem.with_name(stem.name + suffix)


def _is_common(path: Path) -> bool:
    """Whether a trainer shows this file with the same pixels as anymask does."""
    from PIL import Image as Pillow

    if path.suffix.lower() not in _COMMON:
        return False
    try:
        with Pillow.open(path) as image:
            turned = image.getexif().get(_ORIENTATION, 1) != 1
            one = getattr(image, "n_frames", 1) == 1
            return image.mode in _MODES and one and not turned
    except (OSError, ValueError, Pillow.DecompressionBombError):
        return False


def _rgb(context: WriteContext) -> NDArray[np.uint8]:
    from anymask.images.normalize import to_rgb
    from anymask.io.read_images import read

    if context.image is None:
        assert context.image_path is not None
        return to_rgb(read(context.image_path))
    image = context.image if isinstance(context.image, Image) else np.asarray(context.image)
    return to_rgb(image)


def _png(pixels: NDArray[np.uint8]) -> bytes:
    from PIL import Image as Pillow

    file = io.BytesIO()
    Pillow.fromarray(pixels).save(file, format="PNG")
    return file.getvalue()
