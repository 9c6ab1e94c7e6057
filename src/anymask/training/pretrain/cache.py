"""Training images decoded once into memory-mapped arrays.

Every image lies at the top left of a square canvas, its label map beside it, so that a batch is
one indexing operation on the host or, where the arrays fit, on the GPU.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from anymask.errors import ImageError

CANVAS = 512
# Sets in which all labelled regions of an image together are one object.
_WHOLE_IS_UNION = frozenset({"car_parts", "ccp_clothing", "wbc"})
_SPLIT_FILE = Path(__file__).with_name("validation_split.json")


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


def find_sources(folders: Iterable[Path]) -> list[Source]:
    """List the pairs of sets, each a folder with `images/`, `masks/` and `set.json`.

    Parameters
    ----------
    folders : iterable of Path
        Sets, or folders of sets.

    Raises
    ------
    ImageError
        If a folder holds no set.
    """
    sources = []
    for folder in map(Path, folders):
        sets = [p.parent for p in sorted(folder.glob("**/set.json"))]
        if not sets:
            raise ImageError(
                f"{folder} holds no training set: a folder with images/, masks/ and set.json."
            )
        for path in sets:
            for image in sorted((path / "images").iterdir()):
                labels = path / "masks" / f"{image.stem}.png"
                if labels.exists():
                    sources.append(Source(path.name, image, labels))
    return sources


def split(sources: list[Source]) -> tuple[list[Source], list[Source]]:
    """Divide sources into training and validation by the fixed list in the repository.

    Sets that may not train the shipped weights, by licence, are validation as a whole.
    """
    fixed = json.loads(_SPLIT_FILE.read_text())
    only_validation, listed = set(fixed["sets"]), set(fixed["images"])
    train: list[Source] = []
    validation: list[Source] = []
    for source in sources:
        held_out = source.set_name in only_validation or source.name in listed
        (validation if held_out else train).append(source)
    return train, validation


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
    """

    def __init__(self, folder: Path, mode: str = "r") -> None:
        self.folder = folder
        index = json.loads((folder / "index.json").read_text())
        count = index["count"]
        shape = (count, CANVAS, CANVAS)
        self.images = np.memmap(folder / "images.bin", np.uint8, mode, shape=(*shape, 3))  # type: ignore[call-overload]
        self.labels = np.memmap(folder / "labels.bin", np.uint16, mode, shape=shape)  # type: ignore[call-overload]
        self.sizes = np.array(index["sizes"], np.int64).reshape(-1, 2)
        self.set_names: list[str] = index["sets"]
        self.parents = [np.array(p, np.int64) for p in index["parents"]]

    def __len__(self) -> int:
        return len(self.sizes)

    def photo(self, rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
        """Return a random image without its canvas, and its label map."""
        i = int(rng.integers(len(self)))
        h, w = self.sizes[i]
        return self.images[i, :h, :w], self.labels[i, :h, :w]


def build_cache(sources: list[Source], folder: Path) -> ImageCache:
    """Decode sources into a cache in `folder`, or open the one that is already there.

    Images larger than the canvas are reduced to it.
    """
    key = zlib.crc32("\n".join(str(s.image) for s in sources).encode())
    index_path = folder / "index.json"
    if index_path.exists() and json.loads(index_path.read_text())["key"] == key:
        return ImageCache(folder)
    folder.mkdir(parents=True, exist_ok=True)
    writer = CacheWriter(folder, len(sources))
    for source in sources:
        image = Image.open(source.image).convert("RGB")
        labels: Image.Image = Image.open(source.labels)
        if max(image.size) > CANVAS:
            image.thumbnail((CANVAS, CANVAS), Image.Resampling.LANCZOS)
            labels = labels.resize(image.size, Image.Resampling.NEAREST)
        ids = np.asarray(labels).astype(np.uint16)
        whole = 1 if source.set_name in _WHOLE_IS_UNION else 0
        parents = np.full(int(ids.max()) + 1, whole)
        parents[0] = 0
        writer.append(np.asarray(image), ids, parents, source.set_name)
    return writer.finish(key)


class CacheWriter:
    """Fill the arrays of a cache; it can be opened once `finish` has written its index."""

    def __init__(self, folder: Path, capacity: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        shape = (capacity, CANVAS, CANVAS)
        self._images = np.memmap(folder / "images.bin", np.uint8, "w+", shape=(*shape, 3))
        self._labels = np.memmap(folder / "labels.bin", np.uint16, "w+", shape=shape)
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
