"""JPEG 2000: read by rasterio where it is installed, otherwise whole by imagecodecs.

Only rasterio knows every way in which a file can state its place on a map; without it, the one that
is a small GeoTIFF inside (GeoJP2) is read.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from anymask.errors import ImageError
from anymask.images.image import Image
from anymask.io.arrays import name_of
from anymask.io.image_formats import gdal_raster
from anymask.io.image_formats.photo import check_pixels
from anymask.io.registry import ImageFormat
from anymask.notices import tell

_BOXES, _STREAM = b"\x00\x00\x00\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"
_GEOTIFF = bytes.fromhex("b14bf8bd083d4b43a5ae8cd7d5a6ce03")


def read(path: Path, *, level: int | None = None) -> Image:
    """Read an image with its place on a map.

    Parameters
    ----------
    path
        The file.
    level
        Which level of the pyramid, with rasterio; 0, the default, is the full size.

    Raises
    ------
    ImageError
        If the file is damaged, or too large to be read whole without rasterio.
    """
    if find_spec("rasterio") is not None:
        return gdal_raster.read(path, level=level, is_photo=True)
    if level:
        raise ImageError(
            f"Smaller levels of {path} need the package rasterio; install it with "
            'pip install "anymask[geo]".'
        )
    return _read_whole(path)


def _read_whole(path: Path) -> Image:
    import imagecodecs

    content = path.read_bytes()
    check_pixels(path, *_sides(content, path))
    array = np.asarray(imagecodecs.jpeg2k_decode(content))
    axes = "YX"
    if array.ndim == 3:
        colour = array.dtype == np.uint8 and array.shape[-1] in (3, 4)
        axes = "YXS" if colour else "YXC"
    image = Image(array, axes, path=path, name=name_of(path), metadata={"format": "JPEG 2000"})
    return _placed(image, content, path)


def _sides(content: bytes, path: Path) -> tuple[int, int]:
    """Width and height from the header of the code stream (ISO 15444-1, annex A.5.1)."""
    at = content.find(_STREAM)
    if at < 0 or len(content) < at + 24:
        raise ImageError(f"{path} is not a JPEG 2000 image; copy or save it again.")
    right, bottom, left, top = (
        int.from_bytes(content[at + i : at + i + 4], "big") for i in (8, 12, 16, 20)
    )
    return right - left, bottom - top


def _placed(image: Image, content: bytes, path: Path) -> Image:
    import tifffile

    from anymask.io.image_formats.tiff.geotiff import geo_reference

    for kind, inside in _boxes(content):
        if kind == b"uuid" and inside.startswith(_GEOTIFF):
            with tifffile.TiffFile(io.BytesIO(inside[len(_GEOTIFF) :])) as tiff:
                return geo_reference(image, tiff.pages.first)
    if b"gmljp2" in content.lower():
        tell(f'The place of {path} on the map needs rasterio: pip install "anymask[geo]".')
    return image


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The boxes at the top level: kind and content (ISO 15444-1, annex I.4)."""
    at = 0
    while content.startswith(_BOXES) and at + 8 <= len(content):
        length, begin = int.from_bytes(content[at : at + 4], "big"), at + 8
        if length == 1:
            length, begin = int.from_bytes(content[begin : begin + 8], "big"), at + 16
        end = at + length if length else len(content)
        if end < begin:
            return
        yield content[at + 4 : at + 8], content[begin:end]
        at = end


def _sniff(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(12).startswith((_BOXES, _STREAM))


FORMAT = ImageFormat(
    name="JPEG 2000",
    suffixes=(".jp2", ".j2k", ".jpx", ".jpf"),
    read=read,
    options=frozenset({"level"}),
    sniff=_sniff,
)
