"""Training images decoded once into memory-mapped arrays.

Every image lies at the top left of a square canvas, its label map beside it, so that a batch is
one indexing operation on the host or, where the arrays fit, on the GPU.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import shutil
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from anymask.datasets.label_files import read_labels
from anymask.errors import ImageError, OutputError
from anymask.io.listing import list_images
from anymask.io.read_images import read_rgb

CANVAS = 512
# Sets in which all labelled regions of an image together are one object.
_WHOLE_IS_UNION = frozenset({"car_parts", "ccp_clothing", "ccp_clothing_more", "wbc"})
_SPLIT_FILE = Path(__file__).with_name("validation_split.json")
# Of two masks of one name, the first of these.
_MASKS = (".png", ".tif", ".tiff")
# Of a set that the repository's list does not know, one in so many is held out.
_HELD_OUT, _MOST_HELD_OUT = 8, 60
# Label maps are computed with as int16.
LARGEST_ID = 32767


@dataclass(frozen=True)
class Source:
    """One image with its label map, as files."""

    set_name: str
    image: Path
    labels: Path

    @property
    def name(self) -> str:
        """Set and file stem, as in the list of validation images."""
        return f"{self.set_name}/{self.image.stem}"

    @property
    def folder(self) -> Path:
        """The set's folder: two sets may have one name."""
        return self.image.parents[1]


def find_sources(folders: Iterable[Path]) -> list[Source]:
    """List the pairs of sets, each a folder with `images/`, `masks/` and `set.json`.

    Links to sets are followed where they lie directly in a folder given. The mask of
    `images/x.jpg` is `masks/x.png`, or `x.tif`. Images without one are left out, and
    a set that is named twice counts once.

    Parameters
    ----------
    folders : iterable of Path
        Sets, or folders of sets.

    Raises
    ------
    ImageError
        If a folder holds no set, or a set has no image with a mask.
    """
    sources: list[Source] = []
    known: set[Path] = set()
    for folder in map(Path, folders):
        # "**" passes over links to folders. A linked set comes by its own name, not by the link's:
        # by name its validation images are known.
        real = sorted(folder.glob("**/set.json"))
        linked = sorted(set(folder.glob("*/set.json")) - set(real))
        sets = [path.parent for path in real] + [path.parent.resolve() for path in linked]
        if not sets:
            raise ImageError(
                f"{folder} holds no training set: a folder with images/, masks/ and set.json."
            )
        for path in sets:
            if path.resolve() not in known:
                known.add(path.resolve())
                sources += _pairs(path)
    return sources


def _pairs(folder: Path) -> list[Source]:
    """Images and masks of one set."""
    for name in ("images", "masks"):
        if not (folder / name).is_dir():
            raise ImageError(
                f"{folder} has a set.json and no folder {name}/; a training set is a folder with "
                "images/, masks/ and set.json."
            )
    masks = {
        path.stem: path
        for suffix in reversed(_MASKS)
        for path in (folder / "masks").iterdir()
        if path.suffix.lower() == suffix
    }
    images = sorted(list_images(folder / "images"))
    name = Path(os.path.abspath(folder)).name  # also of "." and "..", and of a link its own
    sources = [Source(name, path, masks[path.stem]) for path in images if path.stem in masks]
    if not sources:
        raise ImageError(
            f"No image in {folder / 'images'} has a mask; the mask of {images[0].name} is a label "
            f"image masks/{images[0].stem}.png or .tif."
        )
    return sources


def split(sources: list[Source]) -> tuple[list[Source], list[Source]]:
    """Divide sources into training and validation.

    Sets that the repository's list names are divided by it; those that may not train the shipped
    weights, by licence, are validation as a whole. Of any other set an eighth is held out, at
    least one image and at most 60: which, the images' names alone decide.
    """
    fixed = json.loads(_SPLIT_FILE.read_text())
    only_validation, listed = set(fixed["sets"]), set(fixed["images"])
    known = only_validation | {name.split("/")[0] for name in listed}
    others: dict[Path, list[Source]] = {}
    for source in sources:
        if source.set_name not in known:
            others.setdefault(source.folder, []).append(source)
    drawn = {source for members in others.values() for source in _drawn_by_name(members)}
    train: list[Source] = []
    validation: list[Source] = []
    for source in sources:
        held_out = source.set_name in only_validation or source.name in listed or source in drawn
        (validation if held_out else train).append(source)
    return train, validation


def _drawn_by_name(sources: list[Source]) -> list[Source]:
    """An eighth of a set's images, by a hash: the same ones when images are added."""

    def lot(source: Source) -> int:
        return int.from_bytes(hashlib.sha256(source.image.stem.encode()).digest()[:8], "big")

    ordered = sorted(sources, key=lot)
    count = sum(lot(source) < 2**64 // _HELD_OUT for source in sources)
    return ordered[: min(max(count, 1), _MOST_HELD_OUT, len(sources) - 1)]


class ImageCache:
    """Canvases of images and label maps on disk.

    Attributes
    ----------
    images : (N, CANVAS, CANVAS, 3) uint8 memory map
    labels : (N, CANVAS, CANVAS) uint16 memory map
    sizes : (N, 2) array
        Height and width of the part of the canvas that is image.
    set_names : list of str
    parents : list of arrays
        `parents[i][k]` is the group that region k of image i belongs to, 0 for none.
    key : int
        What it was made of; another key means other contents.

    Raises
    ------
    ImageError
        If the folder holds no whole cache.
    """

    def __init__(self, folder: Path, mode: str = "r") -> None:
        self.folder = folder
        try:
            index = json.loads((folder / "index.json").read_text())
            count = index["count"]
            shape = (count, CANVAS, CANVAS)
            pixels = count * CANVAS * CANVAS
            for name, size in (("images.bin", 3 * pixels), ("labels.bin", 2 * pixels)):
                if (folder / name).stat().st_size != size:
                    raise ValueError(f"{name} is not {size} bytes long")
            self.images = np.memmap(folder / "images.bin", np.uint8, mode, shape=(*shape, 3))  # type: ignore[call-overload]
            self.labels = np.memmap(folder / "labels.bin", np.uint16, mode, shape=shape)  # type: ignore[call-overload]
            self.sizes = np.array(index["sizes"], np.int64).reshape(-1, 2)
            self.set_names: list[str] = index["sets"]
            self.parents = [np.array(p, np.int64) for p in index["parents"]]
            self.key: int = index.get("key", 0)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ImageError(
                f"{folder} holds no whole cache of images ({error}); delete the folder, and it is "
                "made anew."
            ) from error

    def __len__(self) -> int:
        return len(self.sizes)

    def photo(self, rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
        """Return a random image without its canvas, and its label map."""
        i = int(rng.integers(len(self)))
        h, w = self.sizes[i]
        return self.images[i, :h, :w], self.labels[i, :h, :w]


def open_cache(folder: Path, key: int) -> ImageCache | None:
    """Open the cache in a folder if it is whole and was made of what `key` stands for."""
    try:
        cache = ImageCache(folder)
    except ImageError:
        return None
    return cache if cache.key == key else None


def key_of(*parts: object) -> int:
    """Return a number that stands for what a cache is made of.

    Examples
    --------
    >>> key_of("drawn", 500) == key_of("drawn", 500), key_of("drawn", 500) == key_of("drawn", 32)
    (True, False)
    """
    return zlib.crc32(json.dumps([CANVAS, *parts], default=str).encode())


def build_cache(sources: list[Source], folder: Path) -> ImageCache:
    """Decode sources into a cache in `folder`, or open the one of them that is already there.

    It is made anew if an image or a mask has changed since. Images larger than the canvas are
    reduced to it.

    Raises
    ------
    ImageError
        If a file cannot be read, a mask has another size than its image, or no mask labels
        anything.
    """
    key = key_of(*([s.set_name, *_state(s.image), *_state(s.labels)] for s in sources))
    cache = open_cache(folder, key)
    if cache is not None:
        return cache
    writer = CacheWriter(folder, len(sources))
    labelled = False
    for source in sources:
        image, ids = _read(source)
        whole = 1 if source.set_name in _WHOLE_IS_UNION else 0
        parents = np.full(int(ids.max()) + 1, whole)
        parents[0] = 0
        labelled |= len(parents) > 1
        writer.append(image, ids, parents, source.set_name)
    if not labelled:
        raise ImageError(
            f"No mask of the {len(sources)} training images labels anything, as "
            f"{sources[0].labels}; in a mask 0 is background and each object has an id."
        )
    return writer.finish(key)


def _state(path: Path) -> tuple[str, int, int]:
    """What changes when a file is written again."""
    stat = path.stat()
    return str(path.resolve()), stat.st_size, stat.st_mtime_ns


def _read(source: Source) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
    """Image and label map of a source, no larger than the canvas."""
    image, labels = read_rgb(source.image), read_labels(source.labels)
    if labels.shape != image.shape[:2]:
        raise ImageError(
            f"The mask {source.labels} is {labels.shape[1]}×{labels.shape[0]} pixels and the image "
            f"{source.image} is {image.shape[1]}×{image.shape[0]}; give masks at the image's size."
        )
    if labels.size and (int(labels.max()) > LARGEST_ID or int(labels.min()) < 0):
        labels = _renumbered(labels, source.labels)
    ids = labels.astype(np.uint16)
    if max(ids.shape) > CANVAS:
        reduced = Image.fromarray(image)
        reduced.thumbnail((CANVAS, CANVAS), Image.Resampling.LANCZOS)
        image = np.asarray(reduced)
        ids = np.asarray(Image.fromarray(ids).resize(reduced.size, Image.Resampling.NEAREST))
    return image, ids


def _renumbered(labels: NDArray[np.integer], path: Path) -> NDArray[np.integer]:
    """Number ids that are too large or negative from 1; 0 stays background."""
    ids, inverse = np.unique(labels, return_inverse=True)
    ids, numbers = ids[ids != 0], np.cumsum(ids != 0)
    if len(ids) > LARGEST_ID:
        raise ImageError(
            f"{path} has {len(ids)} ids, and at most {LARGEST_ID} can be trained on; check that "
            "it is a label image."
        )
    numbered: NDArray[np.integer] = np.where(labels == 0, 0, numbers[inverse.reshape(labels.shape)])
    return numbered


def _take_room(files: list[Path], sizes: list[int]) -> None:
    """Write empty files that have their room on the disk already, all of them or none.

    An array that is mapped to a file without room kills the process when the disk is full
    (SIGBUS).
    """
    free = shutil.disk_usage(files[0].parent).free + sum(
        path.stat().st_size for path in files if path.exists()
    )
    try:
        for path, size in zip(files, sizes, strict=True):
            with path.open("wb") as file:
                file.truncate(size)
                if hasattr(os, "posix_fallocate") and size:
                    _allocate(file.fileno(), size)
    except OSError as error:
        for path in files:
            path.unlink(missing_ok=True)
        raise OutputError(
            f"The images to train on need {sum(sizes) / 1e9:.2f} GB, decoded, in "
            f"{files[0].parent}, and there are {free / 1e9:.2f} GB ({error.strerror}); make room, "
            "or give --out on another disk."
        ) from error


def _allocate(file: int, size: int) -> None:
    try:
        os.posix_fallocate(file, 0, size)
    except OSError as error:
        # Others say that this file system cannot allocate ahead.
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise


class CacheWriter:
    """Fill the arrays of a cache; it can be opened once `finish` has written its index."""

    def __init__(self, folder: Path, capacity: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        # The index of what is overwritten must not outlive it, should this cache stay unfinished.
        (folder / "index.json").unlink(missing_ok=True)
        self.folder = folder
        shape = (capacity, CANVAS, CANVAS)
        files = [folder / "labels.bin", folder / "images.bin"]
        pixels = math.prod(shape)
        _take_room(files, [2 * pixels, 3 * pixels])
        mode = "r+" if pixels else "w+"
        self._labels = np.memmap(files[0], np.uint16, mode, shape=shape)  # type: ignore[call-overload]
        self._images = np.memmap(files[1], np.uint8, mode, shape=(*shape, 3))  # type: ignore[call-overload]
        self._capacity = capacity
        self._sizes: list[list[int]] = []
        self._sets: list[str] = []
        self._parents: list[list[int]] = []

    def append(
        self,
        image: NDArray[np.uint8],
        labels: NDArray[np.uint16],
        parents: NDArray[np.integer],
        set_name: str,
    ) -> None:
        """Add one image."""
        i, (h, w) = len(self._sizes), labels.shape
        self._images[i, :h, :w] = image
        self._labels[i, :h, :w] = labels
        self._sizes.append([h, w])
        self._sets.append(set_name)
        self._parents.append(parents.tolist())

    def finish(self, key: int = 0) -> ImageCache:
        """Write the index of what has been added so far, and open the cache."""
        index = {
            "key": key,
            "count": self._capacity,
            "sizes": self._sizes,
            "sets": self._sets,
            "parents": self._parents,
        }
        temporary = self.folder / "index.json.part"
        temporary.write_text(json.dumps(index))
        os.replace(temporary, self.folder / "index.json")
        return ImageCache(self.folder)
