"""Training images, decoded once into memory-mapped arrays.

Each image is in the top left corner of a square canvas, and its label map likewise. A batch is
therefore one indexing operation, on the host or, if the arrays fit, on the GPU.
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
# If there are two masks with the same stem, the first of these is used.
_MASKS = (".png", ".tif", ".tiff")
# Of a set that is not in the repository's list, one image in this many is held out.
_HELD_OUT, _MOST_HELD_OUT = 8, 60
# Label maps are processed as int16.
LARGEST_ID = 32767


@dataclass(frozen=True)
class Source:
    """One image and its label map, as files."""

    set_name: str
    image: Path
    labels: Path

    @property
    def name(self) -> str:
        """Set and file stem, as in the list of validation images."""
        return f"{self.set_name}/{self.image.stem}"

    @property
    def folder(self) -> Path:
        """The folder of the set, because two sets may have the same name."""
        return self.image.parents[1]


def find_sources(folders: Iterable[Path]) -> list[Source]:
    """List the image and mask pairs of sets, each a folder with `images/`, `masks/` and `set.json`.

    Links to sets are followed if they are directly in a given folder. The mask of `images/x.jpg` is
    `masks/x.png` or `x.tif`. Images without a mask are left out, and a set that is given twice
    counts once.

    Parameters
    ----------
    folders : iterable of Path
        Sets, or folders of sets.

    Raises
    ------
    ImageError
        If a folder contains no set, or a set has no image with a mask.
    """
    sources: list[Source] = []
    known: set[Path] = set()
    for folder in map(Path, folders):
        # "**" skips links to folders. A linked set is known by its own name, not by the name of the
        # link, because its validation images are listed under its name.
        real = sorted(folder.glob("**/set.json"))
        linked = sorted(set(folder.glob("*/set.json")) - set(real))
        sets = [path.parent for path in real] + [path.parent.resolve() for path in linked]
        if not sets:
            raise ImageError(
                f"{folder} contains no training set: a folder with images/, masks/ and set.json."
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
                f"{folder} has a set.json but no folder {name}/; a training set is a folder with "
                "images/, masks/ and set.json."
            )
    masks = {
        path.stem: path
        for suffix in reversed(_MASKS)
        for path in (folder / "masks").iterdir()
        if path.suffix.lower() == suffix
    }
    images = sorted(list_images(folder / "images"))
    name = Path(os.path.abspath(folder)).name  # works for "." and "..", and keeps a link's own name
    sources = [Source(name, path, masks[path.stem]) for path in images if path.stem in masks]
    if not sources:
        raise ImageError(
            f"No image in {folder / 'images'} has a mask; the mask of {images[0].name} is a label "
            f"image masks/{images[0].stem}.png or .tif."
        )
    return sources


def split(sources: list[Source]) -> tuple[list[Source], list[Source]]:
    """Divide sources into training and validation.

    Sets in the repository's list are divided as listed; those whose licence forbids training of the
    shipped weights are all validation. Of any other set an eighth is held out, at least one image
    and at most 60, chosen by the names of the images.
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
    """An eighth of a set's images, chosen by a hash; adding images does not change the choice."""

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
        Height and width of the image on the canvas.
    set_names : list of str
    parents : list of arrays
        `parents[i][k]` is the group that region k of image i belongs to, 0 for none.
    key : int
        Key of the contents; a different key means different contents.

    Raises
    ------
    ImageError
        If the folder contains no complete cache.
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
                f"{folder} contains no complete cache of images ({error}); delete the folder, and "
                "it will be made again."
            ) from error

    def __len__(self) -> int:
        return len(self.sizes)

    def photo(self, rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
        """Return a random image without its canvas, and its label map."""
        i = int(rng.integers(len(self)))
        h, w = self.sizes[i]
        return self.images[i, :h, :w], self.labels[i, :h, :w]


def open_cache(folder: Path, key: int) -> ImageCache | None:
    """Open the cache in a folder if it is complete and has this key."""
    try:
        cache = ImageCache(folder)
    except ImageError:
        return None
    return cache if cache.key == key else None


def key_of(*parts: object) -> int:
    """Return a number that identifies the contents of a cache.

    Examples
    --------
    >>> key_of("drawn", 500) == key_of("drawn", 500), key_of("drawn", 500) == key_of("drawn", 32)
    (True, False)
    """
    return zlib.crc32(json.dumps([CANVAS, *parts], default=str).encode())


def build_cache(sources: list[Source], folder: Path) -> ImageCache:
    """Decode sources into a cache in `folder`, or open an existing one.

    The cache is made again if an image or a mask has changed. Images larger than the canvas are
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
            f"None of the masks of the {len(sources)} training images labels anything, for example "
            f"{sources[0].labels}; in a mask, 0 is background and each object has its own id."
        )
    return writer.finish(key)


def _state(path: Path) -> tuple[str, int, int]:
    """Facts that change when a file is written again."""
    stat = path.stat()
    return str(path.resolve()), stat.st_size, stat.st_mtime_ns


def _read(source: Source) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
    """Image and label map of a source, reduced to the canvas if necessary."""
    image, labels = read_rgb(source.image), read_labels(source.labels)
    if labels.shape != image.shape[:2]:
        raise ImageError(
            f"The mask {source.labels} is {labels.shape[1]}×{labels.shape[0]} pixels but the image "
            f"{source.image} is {image.shape[1]}×{image.shape[0]}; give masks of the image's size."
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
    """Renumber ids from 1 if some are too large or negative; 0 stays background."""
    ids, inverse = np.unique(labels, return_inverse=True)
    ids, numbers = ids[ids != 0], np.cumsum(ids != 0)
    if len(ids) > LARGEST_ID:
        raise ImageError(
            f"{path} has {len(ids)} ids, but at most {LARGEST_ID} can be used for training; check "
            "that it is a label image."
        )
    numbered: NDArray[np.integer] = np.where(labels == 0, 0, numbers[inverse.reshape(labels.shape)])
    return numbered


def _take_room(files: list[Path], sizes: list[int]) -> None:
    """Write empty files with their disk space allocated, either all of them or none.

    Without allocation, a full disk would kill the process (SIGBUS) when it writes to a mapped
    array.
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
            f"The decoded training images need {sum(sizes) / 1e9:.2f} GB in {files[0].parent}, but "
            f"only {free / 1e9:.2f} GB are free ({error.strerror}); free some space, or give --out "
            "on another disk."
        ) from error


def _allocate(file: int, size: int) -> None:
    try:
        os.posix_fallocate(file, 0, size)
    except OSError as error:
        # Other errors mean that this file system cannot allocate in advance.
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise


class CacheWriter:
    """Fills the arrays of a cache; the cache can be opened after `finish` has written its index."""

    def __init__(self, folder: Path, capacity: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        # The index of the old contents must not survive if this cache stays unfinished.
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
        """Write the index of the images added so far, and open the cache."""
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
