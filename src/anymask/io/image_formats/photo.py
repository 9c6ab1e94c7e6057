"""PNG, JPEG, BMP and WebP, read by Pillow; 16-bit colour PNG by imagecodecs, which keeps it."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import ImageError
from anymask.images.image import Image
from anymask.images.validity import not_zero
from anymask.io.arrays import name_of, upright, whole_number
from anymask.io.registry import ImageFormat

if TYPE_CHECKING:
    from PIL import Image as PillowImage

MAX_PIXELS = 178_956_970
"""Images with more pixels than this are refused without reading (Pillow's own limit)."""

# Listed, so that a file cannot select one of Pillow's many other decoders.
_FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "TIFF")
# Modes whose arrays are used as they are.
_MODES = ("1", "L", "RGB", "RGBA", "I", "F", "I;16", "I;16L", "I;16B", "I;16N")
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GRAY_ALPHA, _RGB, _RGBA = 4, 2, 6  # PNG's colour types
_ORIENTATION = 0x0112  # the tag of EXIF and TIFF


def read(path: Path, *, page: int | None = None) -> Image:
    """Read an image, upright.

    Palettes, CMYK and other colour models become RGB (RGBA if transparent), and gray with alpha
    becomes RGBA. All others keep their values and bit depth. Fully transparent pixels hold no data.

    Parameters
    ----------
    path
        The file.
    page
        The frame, for an animation.

    Raises
    ------
    ImageError
        If the file is damaged, of another kind, or larger than ``MAX_PIXELS``.
    """
    array, metadata = read_with_pillow(path, page)
    axes = "YX" if array.ndim == 2 else "YXS"
    valid = not_zero(array[..., 3], str(path)) if array.ndim == 3 and array.shape[2] == 4 else None
    return Image(array, axes, path=path, name=name_of(path), metadata=metadata, valid=valid)


def read_with_pillow(path: Path, page: int | None = None) -> tuple[NDArray[Any], dict[str, Any]]:
    """Decode an image with Pillow; return (H, W) or (H, W, 3 or 4), and the metadata."""
    from PIL import Image as PillowImage
    from PIL import ImageOps, UnidentifiedImageError

    # Pass a file object: given a name, Pillow memory-maps plain gray TIFFs and then swaps rows and
    # columns if the orientation is sideways.
    with warnings.catch_warnings(), path.open("rb") as file:
        # Pillow warns of large images; MAX_PIXELS decides here.
        warnings.simplefilter("ignore", PillowImage.DecompressionBombWarning)
        try:
            image: PillowImage.Image = PillowImage.open(file, formats=_FORMATS)
            kind = image.format
            check_pixels(path, image.width, image.height)
            _choose_frame(path, image, page)
            deep = _deep_png(path) if image.format == "PNG" and not page else None
            if deep is None:
                image = ImageOps.exif_transpose(image)
        except PillowImage.DecompressionBombError as error:
            raise _bomb(path, error) from error
        except UnidentifiedImageError as error:
            raise ImageError(
                f"{path} is not an image that anymask can read, whatever its suffix; open it in "
                "another program and save it as PNG."
            ) from error
        metadata: dict[str, Any] = {"format": kind}
        if "dpi" in image.info:
            metadata["dpi"] = tuple(float(number) for number in image.info["dpi"])
        if deep is not None:
            return upright(deep, image.getexif().get(_ORIENTATION, 1)), metadata
        if image.mode not in _MODES:
            clear = image.mode in ("LA", "La", "PA", "RGBa") or "transparency" in image.info
            image = image.convert("RGBA" if clear else "RGB")
        array = np.asarray(image)
    return array.astype(array.dtype.newbyteorder("="), copy=False), metadata


def is_turned(path: Path) -> bool:
    """Whether the orientation in a photograph swaps its rows and columns."""
    return orientation_of(path) in (5, 6, 7, 8)


def orientation_of(path: Path) -> int:
    """The orientation in the EXIF data of a photograph, 1 to 8; 1 is as stored."""
    from PIL import Image as PillowImage

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with path.open("rb") as file, PillowImage.open(file, formats=_FORMATS) as image:
                return int(image.getexif().get(_ORIENTATION, 1))
        except Exception:  # not a photograph, or damaged, which reading it says better
            return 1


def check_pixels(path: Path, width: int, height: int) -> None:
    """Refuse an image that can only be read whole and is too large for that."""
    if width * height > MAX_PIXELS:
        raise ImageError(
            f"{path} is {width}×{height} pixels, more than the {MAX_PIXELS:,} pixels that can be "
            "read at once; save it as tiled TIFF, which is read in parts, or crop or shrink it."
        )


def _bomb(path: Path, error: Exception) -> ImageError:
    """The error for a header whose size exceeds twice Pillow's limit."""
    digits = re.search(r"\d+", str(error))
    size = f"{int(digits[0]):,}" if digits else "many more"
    return ImageError(
        f"{path} unpacks to {size} pixels, more than the {MAX_PIXELS:,} pixels that can be read "
        "at once; save it as tiled TIFF, which is read in parts, or crop or shrink it."
    )


def _choose_frame(path: Path, image: PillowImage.Image, page: int | None) -> None:
    # In JPEG files from phones, further frames are previews and depth maps.
    frames = 1 if image.format in ("JPEG", "MPO") else getattr(image, "n_frames", 1)
    if page is not None:
        image.seek(whole_number(page, "page", frames, path))
    elif frames > 1 and image.format != "TIFF":
        raise ImageError(
            f"{path} has {frames} images; choose one with page=0 to page={frames - 1}."
        )


def _deep_png(path: Path) -> NDArray[Any] | None:
    """The values of a 16-bit colour PNG, which Pillow cuts to 8 bits; None for other files."""
    with path.open("rb") as file:
        start = file.read(26)
    if len(start) < 26 or not start.startswith(_PNG_SIGNATURE):
        return None
    depth, colour = start[24:26]
    if depth != 16 or colour not in (_GRAY_ALPHA, _RGB, _RGBA):
        return None
    import imagecodecs

    array = np.asarray(imagecodecs.png_decode(path.read_bytes()))
    if colour == _GRAY_ALPHA:
        return array[..., [0, 0, 0, 1]]
    return array


FORMAT = ImageFormat(
    name="PNG, JPEG, BMP and WebP",
    suffixes=(".png", ".jpg", ".jpeg", ".bmp", ".webp"),
    read=read,
    options=frozenset({"page"}),
    rank=10,
)
