"""Reads every image with its masks once, to see what it contains and whether it is usable."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from anymask.datasets.packed_masks import PackedMasks
from anymask.datasets.types import Skipped, Source, Truth
from anymask.errors import AnymaskError
from anymask.io.registry import image_files
from anymask.notices import noticing

THUMBNAIL = 32
"""Side, in pixels, of the small grey copies used to compare images."""


@dataclass(frozen=True, eq=False)
class Record:
    """The result of reading an example once.

    Attributes
    ----------
    size : tuple of int
        Height and width in pixels.
    areas : tuple of int
        Area of each object in pixels.
    classes : tuple of str
        The class of each object, "" if unknown; empty if no class is known.
    left_out : int
        Number of objects that are too small.
    parts : int
        Number of connected components of a single object; 0 if there are several objects.
    image_hash, truth_hash : str
        SHA-256 of the image's files, and of its masks and their classes.
    pixel_hash : str
        SHA-256 of size and pixel values; equal for the same image in another format.
    thumbnail : (THUMBNAIL, THUMBNAIL) uint8 array
        The grey image, scaled down to a small square.
    notices : tuple of str
        Sentences about what its files leave open or what was left out of them.
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
    notices: tuple[str, ...] = ()


def scan(sources: Sequence[Source], min_area: int) -> Iterator[Record | Skipped]:
    """Read every image with its masks once, in order.

    Parameters
    ----------
    sources : sequence of Source
    min_area : int
        Smaller objects, in pixels, are ignored.

    Yields
    ------
    Record or Skipped
        `Skipped` if the image cannot be read or its masks do not fit.
    """
    # Not in threads, because decoders set warning filters, which threads share.
    for source in sources:
        try:
            yield look_at(source, min_area)
        except Exception as error:  # a bad file must not stop the others
            yield Skipped(source.set_name, source.name, source.image, _reason(error, source))


def look_at(source: Source, min_area: int) -> Record:
    """Read an image with its masks; objects of fewer than `min_area` pixels are ignored."""
    with noticing() as notices:
        image, truth = source.read_telling()
    areas = PackedMasks.of(truth.masks).areas.tolist()
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
        _hash_of_files(source.image),
        _hash_of_truth(truth),
        hashlib.sha256(repr(image.shape).encode() + image.tobytes()).hexdigest(),
        np.asarray(small),
        tuple(notices),
    )


def _reason(error: Exception, source: Source) -> str:
    """Return one line that says what is wrong with which file."""
    said = " ".join(str(error).split())
    if not isinstance(error, AnymaskError):
        said = f"{type(error).__name__}: {said}" if said else type(error).__name__
    return said if str(source.image) in said else f"{source.image}: {said}"


def _hash_of_files(path: Path) -> str:
    """Return the SHA-256 hash of all files of an image."""
    paths = sorted(p for p in path.rglob("*") if p.is_file())
    if not path.is_dir():
        paths = [path, *(other for other in image_files(path) if other != path)]
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
