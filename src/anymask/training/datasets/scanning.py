"""One look at every image and its masks: what is in them, and whether they can be used."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from anymask.errors import AnymaskError
from anymask.evaluation.data import Source, Truth
from anymask.evaluation.packed_masks import areas_of
from anymask.images.formats import ENVI_HEADER

THUMBNAIL = 32
"""Side of the small grey copies by which images are compared, in pixels."""


@dataclass(frozen=True, eq=False)
class Record:
    """What is known of an example without reading it again.

    Attributes
    ----------
    size : tuple of int
        Height and width in pixels.
    areas : tuple of int
        Pixels of each object.
    classes : tuple of str
        What each object is; nothing at all where no class is known.
    left_out : int
        Objects that are too small to count.
    parts : int
        Connected parts of the object, if it is the only one; else 0.
    image_hash, truth_hash : str
        SHA-256 of the image's files, and of its masks with their classes.
    pixel_hash : str
        SHA-256 of the size and colours: the same for the same picture in another format.
    thumbnail : (THUMBNAIL, THUMBNAIL) uint8 array
        The image in grey, made small and square.
    """

    size: tuple[int, int]
    areas: tuple[int, ...]
    classes: tuple[str, ...]
    left_out: int
    parts: int
    image_hash: str
    truth_hash: str
    pixel_hash: str
    thumbnail: NDArray[np.uint8]


@dataclass(frozen=True)
class Skipped:
    """An example that cannot be used.

    Attributes
    ----------
    set_name, name : str
    image : Path
    reason : str
        One sentence.
    """

    set_name: str
    name: str
    image: Path
    reason: str


def scan(sources: Sequence[Source], min_area: int) -> Iterator[Record | Skipped]:
    """Read every image with its masks once, in order.

    Parameters
    ----------
    sources : sequence of Source
    min_area : int
        Objects of fewer pixels do not count.

    Yields
    ------
    Record or Skipped
        The latter for what cannot be read or does not fit together.
    """
    # One after another: decoders set the filters of warnings, which threads share.
    for source in sources:
        yield _look_at(source, min_area)


def _look_at(source: Source, min_area: int) -> Record | Skipped:
    try:
        image, truth = source.read()
        image_hash = _hash_of_files(source.image)
    except (AnymaskError, OSError, ValueError, MemoryError) as error:
        reason = str(error).strip() or type(error).__name__
        return Skipped(source.set_name, source.name, source.image, reason.splitlines()[0])
    areas = areas_of(truth.masks)
    kept = [i for i, area in enumerate(areas) if area >= max(1, min_area)]
    truth = truth.take(kept)
    height, width = image.shape[:2]
    small = Image.fromarray(image).convert("L")
    small = small.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    return Record(
        (height, width),
        tuple(areas[i] for i in kept),
        truth.classes,
        len(areas) - len(kept),
        ndimage.label(truth.masks[0], np.ones((3, 3), int))[1] if len(kept) == 1 else 0,
        image_hash,
        _hash_of_truth(truth),
        hashlib.sha256(repr(image.shape).encode() + image.tobytes()).hexdigest(),
        np.asarray(small),
    )


def _hash_of_files(path: Path) -> str:
    """SHA-256 of all files that make up a picture, with their names below it."""
    paths = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    if path.suffix.lower() in ENVI_HEADER.suffixes:
        from anymask.images.formats import envi

        paths += envi.data_of(path)
    total = hashlib.sha256()
    for part in paths:
        with part.open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()


def _hash_of_truth(truth: Truth) -> str:
    total = hashlib.sha256("\0".join(truth.classes).encode())
    for mask in truth.masks:
        total.update(repr(mask.shape).encode())
        total.update(np.packbits(mask).tobytes())
    return total.hexdigest()
