"""Images with masks to train on, every one of which has been read once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

from anymask.evaluation.data import Example, Examples, Source
from anymask.training.datasets.grouping import ALIKE, divide, group_labels
from anymask.training.datasets.scanning import Record, Skipped
from anymask.training.datasets.similar import alike
from anymask.training.datasets.splits import Split


@dataclass(frozen=True)
class LeftOut:
    """What was found where a data set was opened and is not in it.

    Attributes
    ----------
    skipped : tuple of Skipped
        What cannot be read or does not fit together.
    empty : tuple of str
        Images that are left out as their masks hold no object, as "set/name".
    without_masks, without_image : tuple of Path
        Images of which there are no masks, and masks of which there is no image.
    """

    skipped: tuple[Skipped, ...] = ()
    empty: tuple[str, ...] = ()
    without_masks: tuple[Path, ...] = ()
    without_image: tuple[Path, ...] = ()


class Dataset(Examples):
    """Examples that are read from disk each time they are asked for, and what is known of them.

    `open_dataset` makes one. ``dataset[i]`` is an `Example`, whose `class_ids` are indices into
    `classes`.

    Parameters
    ----------
    sources : sequence of Source
    records : sequence of Record
        What a look at each found.
    min_area : int
        Objects of fewer pixels are left out.
    classes : sequence of str
        What objects can be.
    left_out : LeftOut, optional
        What is not in it.

    Attributes
    ----------
    sources : list of Source
    records : list of Record
    classes : tuple of str
    left_out : LeftOut
    declared_split : Split or None
        The division that the data set itself comes with.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        records: Sequence[Record],
        min_area: int = 0,
        classes: Sequence[str] = (),
        left_out: LeftOut | None = None,
    ) -> None:
        super().__init__(sources, min_area)
        self.records = list(records)
        self.classes = tuple(classes)
        self.left_out = left_out or LeftOut()
        self.declared_split: Split | None = None

    @property
    def keys(self) -> list[str]:
        """Name of each example with its set, as "set/name": no two are the same."""
        return [f"{source.set_name}/{source.name}" for source in self.sources]

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> Dataset: ...
    def __getitem__(self, index: int | slice) -> Example | Dataset:
        if isinstance(index, slice):
            return self.subset(range(len(self))[index])
        source = self.sources[index]
        image, truth = source.read(self.min_area)
        ids: tuple[int, ...] = ()
        if self.classes:
            number = {name: i for i, name in enumerate(self.classes)}
            names = truth.classes or ("",) * len(truth.masks)
            ids = tuple(number.get(name, -1) for name in names)
        return Example(source.name, image, truth.masks, source.set_name, ids)

    def subset(self, indices: Iterable[int]) -> Dataset:
        """Take some of the examples, in the order given."""
        chosen = list(indices)
        return Dataset(
            [self.sources[i] for i in chosen],
            [self.records[i] for i in chosen],
            self.min_area,
            self.classes,
        )

    def declared_halves(self) -> tuple[Dataset, Dataset] | None:
        """Images to train on and images held out as the data set itself says; None if it does not.

        What is in neither half is left out.
        """
        if self.declared_split is None:
            return None
        place = {key: index for index, key in enumerate(self.keys)}
        split = self.declared_split
        train, validation = (
            self.subset(place[key] for key in half if key in place)
            for half in (split.train, split.validation)
        )
        return train, validation

    def fingerprint(self) -> str:
        """SHA-256 over names, the contents of the image files, masks and classes.

        It is the same in any order of the examples and wherever the files lie, and changes when
        an image, a mask or the meaning of a class does.
        """
        total = hashlib.sha256("\0".join(self.classes).encode())
        for key, record in sorted(zip(self.keys, self.records, strict=True), key=lambda x: x[0]):
            total.update(f"\0{key}\0{record.image_hash}\0{record.truth_hash}".encode())
        return total.hexdigest()

    def split(
        self, fraction: float = 0.2, seed: int = 0, group: str | None = None
    ) -> tuple[Dataset, Dataset]:
        """Divide into images to train on and images held out, about the same share of every set.

        Images that are the same to the pixel are never divided.

        Parameters
        ----------
        fraction : float
            Share to hold out.
        seed : int
            Another one draws other images.
        group : str, optional
            What must stay together: "folder", the images of one folder; "alike", those that look
            almost the same, such as the pictures of a film; or a regular expression with one
            group in parentheses, to be found in the names, such as the patient's number.

        Returns
        -------
        train, validation : Dataset
            Neither is empty.

        Raises
        ------
        AnymaskError
            If there are no two images or groups, or the group is not found in every name.
        """
        groups = group_labels(self.sources, group)
        labels = [(g, r.pixel_hash) for g, r in zip(groups, self.records, strict=True)]
        pairs = alike(self.records) if group == ALIKE else []
        held_out = divide(labels, pairs, [s.set_name for s in self.sources], fraction, seed)
        kept = sorted(set(range(len(self))) - set(held_out))
        return self.subset(kept), self.subset(held_out)
