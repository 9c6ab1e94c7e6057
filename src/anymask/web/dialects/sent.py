"""Images that come with a request: decoded, bounded, and known by their bytes."""

from __future__ import annotations

import base64
import binascii
import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from anymask.errors import ImageError
from anymask.images.image import Image
from anymask.images.normalize import to_rgb
from anymask.io.read_images import read
from anymask.web.guarding import TooLarge

# Formats of one file that names no other file; told by how they begin.
_KINDS = (
    (b"\x89PNG\r\n\x1a\n", ".png"),
    (b"\xff\xd8\xff", ".jpg"),
    (b"II*\x00", ".tif"),
    (b"MM\x00*", ".tif"),
    (b"II+\x00", ".tif"),
    (b"MM\x00+", ".tif"),
    (b"BM", ".bmp"),
)
# Pixels, and pixels times bands: what a file may claim and then need as memory.
_MOST_PIXELS, _MOST_VALUES = 10**8, 2**29


@dataclass(frozen=True, eq=False)
class SentImage:
    """An image that came with a request.

    Attributes
    ----------
    image : Image
        As the model sees it: (H, W, 3) uint8, with the place on a map that the file has.
    digest : bytes
        Of the file, by which the same image is recognised.
    """

    image: Image
    digest: bytes

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.image.height, self.image.width

    @property
    def rgb(self) -> NDArray[np.uint8]:
        """The pixels, (H, W, 3)."""
        return self.image.numpy()


def digest_of(data: bytes) -> bytes:
    """Return what a file is recognised by."""
    return hashlib.blake2b(data, digest_size=20).digest()


def read_sent(data: bytes) -> SentImage:
    """Read a PNG, JPEG, WebP, BMP or TIFF file.

    Raises
    ------
    ImageError
        If it is of another kind, or damaged.
    TooLarge
        If it has more pixels than may be sent.
    """
    suffix = next((suffix for start, suffix in _KINDS if data.startswith(start)), None)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        suffix = ".webp"
    if suffix is None:
        raise ImageError("The image that was sent is no PNG, JPEG, WebP, BMP or TIFF file.")
    with TemporaryDirectory(prefix="anymask-sent-") as folder:
        path = Path(folder) / f"image{suffix}"
        path.write_bytes(data)
        try:
            image = read(path)
            if image.height * image.width > _MOST_PIXELS or math.prod(image.shape) > _MOST_VALUES:
                raise TooLarge
            rgb = np.array(to_rgb(image, t=0, z=0))  # a copy, for the file goes away
        except ImageError as error:
            raise ImageError(str(error).replace(str(path), "The image that was sent")) from error
    known = {"path": None, "name": "image", "valid": None}
    return SentImage(image.with_array(rgb, "YXS", **known), digest_of(data))


def from_base64(text: str) -> bytes:
    """Decode a file from base64 or a data URI.

    >>> from_base64("data:image/png;base64,aGk="), from_base64("aGk=")
    (b'hi', b'hi')

    Raises
    ------
    ImageError
        If it is neither.
    """
    if text.startswith("data:"):
        head, comma, text = text.partition(",")
        if not comma or not head.endswith(";base64"):
            raise ImageError("The image is a data URI without base64; send it in base64.")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ImageError("The image is not valid base64; send the whole file in base64.") from error
