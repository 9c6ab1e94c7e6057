"""Where the coordinates of a file lie in an image: in its pixels, in those of a copy, on a map.

The reference system of coordinates is None for pixels, where (0, 0) is the centre of the first one,
and otherwise a name that pyproj knows, such as "EPSG:4326"; `OF_IMAGE` for the system that the
image itself is in; or `UNSTATED` for GeoJSON that does not say whether it is on a map.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import PromptError
from anymask.images.image import Image
from anymask.images.place import inverse, mapped
from anymask.notices import tell

OF_IMAGE, UNSTATED, PIXELS = "image", "unstated", "pixels"
WGS84 = "OGC:CRS84"
"""Longitude and latitude in degrees, in this order."""

Size = tuple[float, float]
"""Height and width. (1, 1) means that coordinates are fractions of the image's."""
ToPixels = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Points (N, 2) of a file → points (N, 2) in pixels of an image."""


@dataclass(frozen=True)
class TargetImage:
    """The image that prompts are placed in.

    Attributes
    ----------
    size : tuple of int
        Height and width.
    path : Path or None
        Its file, or only a name.
    geo : mapping or None
        Its geo-reference, as in `Image.geo`.
    """

    size: tuple[int, int]
    path: Path | None = None
    geo: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, image: Any) -> TargetImage:
        """Take what is needed of an `Image`, or of an array (H, W) or (H, W, C)."""
        if isinstance(image, Image):
            path = image.path or (Path(image.name) if image.name else None)
            return cls((image.height, image.width), path, image.geo)
        shape = np.shape(image)
        if len(shape) not in (2, 3):
            raise PromptError(
                f"Prompts are placed in an image, not in {type(image).__name__} of shape {shape}; "
                "give what anymask.read returns, or an array (H, W) or (H, W, C)."
            )
        return cls((int(shape[0]), int(shape[1])))

    @property
    def name(self) -> str:
        """Its file name; "" if unknown."""
        return self.path.name if self.path is not None else ""

    @property
    def is_on_map(self) -> bool:
        """Whether the image knows its place on a map."""
        return bool((self.geo or {}).get("transform"))

    def __str__(self) -> str:
        return self.name or "the image"


def to_pixels(
    target: TargetImage, crs: str | None, stated: Size | None, points: NDArray[np.float64]
) -> ToPixels:
    """Find the way from the coordinates of a file to the pixels of an image.

    Parameters
    ----------
    target : TargetImage
    crs : str or None
        See the top of this module.
    stated : tuple of float or None
        Height and width of the image according to the file.
    points : (N, 2) array
        All points, by which doubtful cases are decided.

    Raises
    ------
    PromptError
        If the image is not on a map or in an unknown reference system, the file is for an image
        of another size, or pyproj is missing.
    """
    if crs == UNSTATED:
        crs = _guessed(target, points)
        if crs is None:  # pixels of GeoJSON, where (0, 0) is the corner of the first one
            return lambda given: given - 0.5
    if crs is None:
        scale_y, scale_x = _scales(target, stated, points)
        scale = np.array([scale_x, scale_y])
        return lambda given: (given + 0.5) * scale - 0.5
    if not target.is_on_map:
        raise PromptError(
            f"The prompts are in map coordinates, and {target} does not say where it lies on the "
            "map; give an image with a geo-reference, or crs='pixels' if they are pixels."
        )
    transform = inverse((target.geo or {})["transform"])
    change = _change(crs, (target.geo or {}).get("crs"), target)
    # Transforms refer to the corners of pixels, prompts to their centres.
    return lambda given: mapped(change(given), transform) - 0.5


def same_crs(one: str, other: str) -> bool:
    """Whether two names of reference systems are the same, with x before y.

    >>> same_crs("urn:ogc:def:crs:EPSG::32632", "EPSG:32632")
    True
    >>> same_crs("urn:ogc:def:crs:OGC:1.3:CRS84", "EPSG:4326")
    True
    """
    one, other = crs_name(one), crs_name(other)
    return one == other or {one, other} <= {WGS84, "EPSG:4326"}


def crs_name(text: str) -> str:
    """Return the short name of a reference system; WKT stays as it is.

    >>> crs_name("urn:ogc:def:crs:EPSG::32632"), crs_name("epsg:4326")
    ('EPSG:32632', 'EPSG:4326')
    """
    urn = re.fullmatch(r"urn:(?:x-)?ogc:def:crs:(\w+):[\w.]*:(\w+)", text.strip(), re.IGNORECASE)
    short = f"{urn[1]}:{urn[2]}" if urn else text.strip()
    return short.upper() if re.fullmatch(r"\w+:\w+", short) else short


def _guessed(target: TargetImage, points: NDArray[np.float64]) -> str | None:
    """The reference system of GeoJSON that names none.

    The specification says longitude and latitude. QuPath writes pixels, which are meant if the
    image is on no map, and other programs the coordinates of the image.
    """
    if not target.is_on_map:
        return None
    if not len(points) or (np.abs(points) <= (180, 90)).all():
        return WGS84
    tell(
        f"The prompts name no reference system and are no degrees; they are taken as in that of "
        f"{target}."
    )
    return OF_IMAGE


def _change(crs: str, own: Any, target: TargetImage) -> ToPixels:
    """The way from one reference system to that of the image."""
    if crs == OF_IMAGE or (isinstance(own, str) and same_crs(crs, own)):
        return lambda given: given
    if not isinstance(own, str):
        raise PromptError(
            f"{target} does not name its reference system, so prompts in {_shown(crs)} cannot be "
            "placed; give them in its own coordinates with crs='image'."
        )
    try:
        import pyproj
    except ImportError:
        raise PromptError(
            f"The prompts are in {_shown(crs)} and {target} is in {_shown(own)}; to transform them "
            'install pyproj with pip install "anymask[geo]", or save them in the system of the '
            "image."
        ) from None
    try:
        transformer = pyproj.Transformer.from_crs(crs, own, always_xy=True)
    except pyproj.exceptions.ProjError as error:
        known = _is_known(own, pyproj)
        raise PromptError(
            f"The reference system {_shown(crs if known else own)} is unknown to pyproj; name it "
            "by its EPSG code, such as crs='EPSG:32632'."
        ) from error
    return lambda given: np.stack(transformer.transform(given[:, 0], given[:, 1]), 1)


def _is_known(crs: str, pyproj: Any) -> bool:
    try:
        pyproj.CRS.from_user_input(crs)
    except pyproj.exceptions.ProjError:
        return False
    return True


def _shown(crs: str) -> str:
    """A reference system for messages: WKT by its name."""
    if crs == WGS84:
        return "longitude and latitude"
    quoted = re.match(r'\w+\["([^"]*)"', crs)
    return quoted[1] if quoted else crs[:40]


def _scales(target: TargetImage, stated: Size | None, points: NDArray[np.float64]) -> Size:
    """Pixels of the image for each pixel that the file means, by row and by column.

    Prompts are often made on a reduced copy. Some programs state the size of a photograph before
    it is turned upright, and its coordinates after.
    """
    (height, width), name = target.size, str(target)
    if stated is None or stated == target.size:
        return 1.0, 1.0
    if stated == (1, 1):
        return float(height), float(width)
    sizes = f"{stated[1]:g}×{stated[0]:g} and the image is {width}×{height} pixels"
    low = max((height - 0.5) / stated[0], (width - 0.5) / stated[1])
    high = min((height + 0.5) / stated[0], (width + 0.5) / stated[1])
    if low <= high and height != stated[0] and width != stated[1]:
        tell(
            f"{name}: prompts are scaled from {stated[1]:g}×{stated[0]:g} to {width}×{height} "
            "pixels, the size of the image."
        )
        return height / stated[0], width / stated[1]
    fits = bool((points >= -1).all() and (points <= (width, height)).all())
    if (stated[1], stated[0]) == target.size and fits:
        tell(
            f"{name}: the file says {sizes}; its prompts are taken as made on the image as it is "
            "shown, so look whether they fit."
        )
        return 1.0, 1.0
    raise PromptError(f"{name}: the prompts are for {sizes}; export them for the image as it is.")
