"""Images with the true masks of their objects, read one at a time.

A data set is a folder, and a folder of data sets is several. `layouts` says in which ways images
and masks may lie in it, and how these are told apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from anymask.errors import AnymaskError, ImageError
from anymask.evaluation.packed_masks import PackedMasks, areas_of
from anymask.images.read import read_rgb

Objects = Literal["auto", "ids", "components", "classes"]


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
        One an object; they may overlap. Those of files are `PackedMasks`, of which each is made
        when it is asked for.
    set_name : str
        The data set it belongs to; figures are averaged within sets first.
    class_ids : sequence of int
        The class of each object, as an index into the classes of the data set; -1 for none.
        Nothing at all where no object of the set has a class.
    """

    name: str
    image: NDArray[np.uint8]
    masks: Sequence[NDArray[np.bool_]]
    set_name: str = ""
    class_ids: Sequence[int] = ()


class Truth(NamedTuple):
    """What is known of an image.

    Attributes
    ----------
    masks : sequence of (H, W) bool arrays
        One an object; best `PackedMasks`, which take little memory.
    classes : tuple of str
        What each object is, "" where that is unknown; nothing at all where no class is known.
    """

    masks: Sequence[NDArray[np.bool_]]
    classes: tuple[str, ...] = ()

    def take(self, indices: Iterable[int]) -> Truth:
        """Return some of the objects, in the order of their indices, and pack their masks."""
        chosen = list(indices)
        classes = tuple(self.classes[i] for i in chosen) if self.classes else ()
        return Truth(PackedMasks.of(self.masks).take(chosen), classes)


@dataclass(frozen=True)
class Source:
    """Where an example is read from.

    Attributes
    ----------
    set_name, name : str
    image : Path
    read_truth : callable
        Given the image's (H, W), returns its masks.
    """

    set_name: str
    name: str
    image: Path
    read_truth: Callable[[tuple[int, int]], Truth]

    def read(self, min_area: int = 0) -> tuple[NDArray[np.uint8], Truth]:
        """Read the image (H, W, 3) and its objects of at least `min_area` pixels.

        Raises
        ------
        ImageError
            If a file cannot be read, or a mask has another size than the image.
        """
        image = read_rgb(self.image)
        truth = self.read_truth(image.shape[:2])
        masks = PackedMasks.of(truth.masks)
        for height, width in masks.sizes:
            if (height, width) != image.shape[:2]:
                raise ImageError(
                    f"A mask of {self.image} is {width}×{height} pixels and the image is "
                    f"{image.shape[1]}×{image.shape[0]}; give masks at the image's size."
                )
        kept = [i for i, area in enumerate(areas_of(masks)) if area >= max(1, min_area)]
        return image, Truth(masks, truth.classes).take(kept)


class Unused(NamedTuple):
    """Files of data sets that are no example.

    Attributes
    ----------
    without_masks : tuple of Path
        Images that have none.
    without_image : tuple of Path
        Masks whose image is not there, and images that an annotation file names in vain.
    """

    without_masks: tuple[Path, ...] = ()
    without_image: tuple[Path, ...] = ()


class Examples(Sequence[Example]):
    """Examples that are read from disk each time they are asked for.

    Parameters
    ----------
    sources : sequence of Source
    min_area : int
        Objects of fewer pixels are left out.
    unused : Unused
        What else lies where they were found.
    """

    def __init__(
        self, sources: Sequence[Source], min_area: int = 0, unused: Unused | None = None
    ) -> None:
        self.sources = list(sources)
        self.min_area = min_area
        self.unused = unused or Unused()

    @property
    def set_names(self) -> list[str]:
        """Names of the sets in order, each once."""
        return list(dict.fromkeys(source.set_name for source in self.sources))

    def __len__(self) -> int:
        return len(self.sources)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> Examples: ...
    def __getitem__(self, index: int | slice) -> Example | Examples:
        if isinstance(index, slice):
            return Examples(self.sources[index], self.min_area)
        source = self.sources[index]
        image, truth = source.read(self.min_area)
        return Example(source.name, image, truth.masks, source.set_name)

    def find(self, set_name: str, name: str) -> Example:
        """Read the example of a name.

        Raises
        ------
        KeyError
            If there is none.
        """
        for index, source in enumerate(self.sources):
            if (source.set_name, source.name) == (set_name, name):
                return self[index]
        raise KeyError(name)

    def __iter__(self) -> Iterator[Example]:
        return (self[index] for index in range(len(self)))


def open_examples(
    *places: str | Path,
    limit: int | None = None,
    min_area: int = 25,
    objects: Objects = "auto",
) -> Examples:
    """Find the images and masks of data sets; nothing but JSON files is read yet.

    Parameters
    ----------
    *places : str or Path
        Data sets, folders of data sets, or COCO JSON files.
    limit : int, optional
        At most so many images of each set, evenly spread over the images sorted by name.
    min_area : int
        Objects of fewer pixels are left out.
    objects : {"auto", "ids", "components", "classes"}
        What an object is in a label image: the pixels of one id, or each connected component of
        what is not 0. "auto" means components in a binary mask, where 255 is the only id, and ids
        elsewhere. "classes" are ids that mean kinds of things: all of one kind are one object.

    Returns
    -------
    Examples
        Their `unused` tells what has no masks or no image.

    Raises
    ------
    ImageError
        If a place does not exist or holds no image with masks.
    """
    from anymask.evaluation.layouts import find

    if limit is not None and limit < 1:
        raise AnymaskError(f"The limit must be at least 1 image a set, and it is {limit}.")
    found = [find(Path(place), objects) for place in places]
    unused = Unused(
        tuple(path for each in found for path in each.without_masks),
        tuple(path for each in found for path in each.without_image),
    )
    return Examples(in_sets([each.sources for each in found], limit), min_area, unused)


def in_sets(by_place: Iterable[Sequence[Source]], limit: int | None = None) -> list[Source]:
    """Order the sources of several places by set and name; sets of one name are told apart.

    Parameters
    ----------
    by_place : iterable of sequences of Source
    limit : int, optional
        At most so many of each set, evenly spread.
    """
    sources: list[Source] = []
    used: set[str] = set()
    for found in by_place:
        by_set: dict[str, list[Source]] = {}
        for source in found:
            by_set.setdefault(source.set_name, []).append(source)
        for set_name, members in by_set.items():
            unique = _unused(set_name, used)
            members.sort(key=lambda source: source.name)
            count = len(members) if limit is None else limit
            chosen = [members[i] for i in spread(len(members), count)]
            sources += [replace(source, set_name=unique) for source in chosen]
    return sources


def spread(total: int, count: int) -> list[int]:
    """Indices of `count` of `total` things, evenly spread: each the middle of an equal share.

    Examples
    --------
    >>> spread(9, 3), spread(2, 5)
    ([1, 4, 7], [0, 1])
    """
    if count >= total:
        return list(range(total))
    return [(2 * i + 1) * total // (2 * count) for i in range(count)]


def choose_objects(areas: Sequence[int], count: int | None) -> list[int]:
    """Choose objects of an image: evenly spread over all, sorted by area.

    Neither the largest nor the smallest alone, and always the same ones.

    Parameters
    ----------
    areas : sequence of int
    count : int or None
        At most so many; None for all.

    Returns
    -------
    list of int
        Indices into `areas`, from the largest object to the smallest.

    Examples
    --------
    >>> choose_objects([10, 500, 20, 30, 40, 50], 3)
    [5, 3, 0]
    """
    order = sorted(range(len(areas)), key=lambda i: (-areas[i], i))
    return order if count is None else [order[i] for i in spread(len(order), count)]


def _unused(name: str, used: set[str]) -> str:
    """A set's name, numbered if another place has a set of that name; noted as used."""
    unique, number = name, 1
    while unique in used:
        number += 1
        unique = f"{name} ({number})"
    used.add(unique)
    return unique
