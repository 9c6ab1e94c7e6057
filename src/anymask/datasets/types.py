"""The parts of a data set: examples, their sources, and what was left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from anymask.datasets.packed_masks import PackedMasks
from anymask.errors import ImageError
from anymask.io.read_images import read_rgb
from anymask.notices import noticing

Objects = Literal["auto", "ids", "components", "classes"]
"""What counts as one object in a label image; see `open_dataset`."""

_NAMED = 3


@dataclass(frozen=True)
class Example:
    """An image and the true masks of its objects.

    Attributes
    ----------
    name : str
        The image's name within its set.
    image : (H, W, 3) uint8 array
        RGB.
    masks : sequence of (H, W) bool arrays
        One per object; they may overlap. Masks read from files are `PackedMasks`, which unpack
        each mask on access.
    set_name : str
        The set it belongs to. Figures are first averaged within sets.
    class_ids : sequence of int
        The class of each object, as an index into the classes of the data set; -1 for none.
        Empty if no object of the data set has a class.
    """

    name: str
    image: NDArray[np.uint8]
    masks: Sequence[NDArray[np.bool_]]
    set_name: str = ""
    class_ids: Sequence[int] = ()


class Truth(NamedTuple):
    """The objects of one image.

    Attributes
    ----------
    masks : sequence of (H, W) bool arrays
        One per object, preferably `PackedMasks`, which need little memory.
    classes : tuple of str
        The class of each object, "" if unknown; empty if no class is known.
    """

    masks: Sequence[NDArray[np.bool_]]
    classes: tuple[str, ...] = ()

    def take(self, indices: Iterable[int]) -> Truth:
        """Select objects, in the order of the indices, with packed masks."""
        chosen = list(indices)
        classes = tuple(self.classes[i] for i in chosen) if self.classes else ()
        return Truth(PackedMasks.of(self.masks).take(chosen), classes)


@dataclass(frozen=True)
class Source:
    """The source of an example.

    Attributes
    ----------
    set_name, name : str
    image : Path
    read_truth : callable
        Takes the image's (H, W) and returns its `Truth`.
    """

    set_name: str
    name: str
    image: Path
    read_truth: Callable[[tuple[int, int]], Truth]

    @property
    def key(self) -> str:
        """The image's name with its set, as "set/name"."""
        return f"{self.set_name}/{self.name}"

    def read(self, min_area: int = 0) -> tuple[NDArray[np.uint8], Truth]:
        """Read the image (H, W, 3) and its objects of at least `min_area` pixels.

        Raises
        ------
        ImageError
            If a file cannot be read, or a mask and the image differ in size.
        """
        with noticing():  # shown once, by `scan`
            return self.read_telling(min_area)

    def read_telling(self, min_area: int = 0) -> tuple[NDArray[np.uint8], Truth]:
        """Read as `read` does, and tell what was left out of the files."""
        image = read_rgb(self.image)
        truth = self.read_truth(image.shape[:2])
        masks = PackedMasks.of(truth.masks)
        for height, width in masks.sizes:
            if (height, width) != image.shape[:2]:
                raise ImageError(
                    f"A mask of {self.image} is {width}×{height} pixels and the image is "
                    f"{image.shape[1]}×{image.shape[0]}; give masks at the image's size."
                )
        kept = [i for i, area in enumerate(masks.areas) if area >= max(1, min_area)]
        return image, Truth(masks, truth.classes).take(kept)


@dataclass
class Found:
    """What a place contains.

    Attributes
    ----------
    sources : list of Source
        Images with masks.
    without_masks : list of Path
        Images without masks.
    without_image : list of Path
        Masks whose image is missing, and missing images that an annotation file names.
    classes : list of str
        Class names in the order of the place; empty if it has none.
    notices : list of str
        Sentences about what is left out of the files.
    """

    sources: list[Source] = field(default_factory=list)
    without_masks: list[Path] = field(default_factory=list)
    without_image: list[Path] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def add(self, other: Found) -> None:
        """Add the contents of another place."""
        self.sources += other.sources
        self.without_masks += other.without_masks
        self.without_image += other.without_image
        self.classes += [name for name in other.classes if name not in self.classes]
        self.notices += other.notices


@dataclass(frozen=True)
class Skipped:
    """An image that cannot be used, or whose masks cannot be used.

    Attributes
    ----------
    set_name, name : str
    image : Path
    reason : str
        One sentence that names the file.
    """

    set_name: str
    name: str
    image: Path
    reason: str

    @property
    def key(self) -> str:
        """The image's name with its set, as "set/name"."""
        return f"{self.set_name}/{self.name}"


@dataclass(frozen=True)
class LeftOut:
    """What was found in the places of a data set but is not part of it.

    Attributes
    ----------
    skipped : tuple of Skipped
        Images that cannot be read or do not fit their masks.
    empty : tuple of str
        Images whose masks contain no object, as "set/name".
    without_masks, without_image : tuple of Path
        Images without masks, and masks without an image.
    """

    skipped: tuple[Skipped, ...] = ()
    empty: tuple[str, ...] = ()
    without_masks: tuple[Path, ...] = ()
    without_image: tuple[Path, ...] = ()

    def unmatched(self) -> list[str]:
        """Return sentences about images without masks and masks without an image.

        Examples
        --------
        >>> LeftOut(without_masks=(Path("a.png"), Path("b.png"))).unmatched()
        ['2 images without masks are left out: a.png, b.png.']
        """
        sentences = []
        for paths, one, many in (
            (self.without_masks, "image without masks is", "images without masks are"),
            (self.without_image, "file without its image is", "files without their images are"),
        ):
            if paths:
                named = ", ".join(path.name for path in paths[:_NAMED])
                more = ", …" if len(paths) > _NAMED else "."
                subject = one if len(paths) == 1 else many
                sentences.append(f"{len(paths)} {subject} left out: {named}{more}")
        return sentences
