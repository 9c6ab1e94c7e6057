"""Images with their true masks, as a sequence that reads each example from disk."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import overload

from anymask.datasets.grouping import ALIKE, divide, group_labels
from anymask.datasets.scanning import Record, look_at
from anymask.datasets.similar import alike
from anymask.datasets.splits import Split
from anymask.datasets.types import Example, LeftOut, Source


class Dataset(Sequence[Example]):
    """Images with the masks of their objects, each read from disk on every access.

    `open_dataset` makes one. ``dataset[i]`` is an `Example`, whose `class_ids` are indices into
    `classes`.

    Parameters
    ----------
    sources : sequence of Source
    min_area : int
        Objects of fewer pixels are left out.
    classes : sequence of str
        The possible classes of objects.
    records : sequence of Record, optional
        The result of reading each source once. By default read when first needed.
    left_out : LeftOut, optional
        What was found in the same places but is not part of the data set.
    declared_split : Split, optional
        The split that comes with the data set.

    Attributes
    ----------
    sources : list of Source
    min_area : int
    classes : tuple of str
    left_out : LeftOut
    declared_split : Split or None
    """

    def __init__(
        self,
        sources: Sequence[Source],
        min_area: int = 0,
        classes: Sequence[str] = (),
        *,
        records: Sequence[Record] | None = None,
        left_out: LeftOut | None = None,
        declared_split: Split | None = None,
    ) -> None:
        self.sources = list(sources)
        self.min_area = min_area
        self.classes = tuple(classes)
        self.left_out = left_out or LeftOut()
        self.declared_split = declared_split
        if records is not None:
            self.records = list(records)

    @cached_property
    def records(self) -> list[Record]:
        """The result of reading each example once.

        Raises
        ------
        ImageError
            If an example cannot be read.
        """
        return [look_at(source, self.min_area) for source in self.sources]

    @property
    def keys(self) -> list[str]:
        """Name of each example with its set, as "set/name"; no two are the same."""
        return [source.key for source in self.sources]

    @property
    def set_names(self) -> list[str]:
        """Names of the sets in order, each once."""
        return list(dict.fromkeys(source.set_name for source in self.sources))

    def __len__(self) -> int:
        return len(self.sources)

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

    def __iter__(self) -> Iterator[Example]:
        return (self[index] for index in range(len(self)))

    def find(self, set_name: str, name: str) -> Example:
        """Read the example with a name.

        Raises
        ------
        KeyError
            If there is no such example.
        """
        for index, source in enumerate(self.sources):
            if (source.set_name, source.name) == (set_name, name):
                return self[index]
        raise KeyError(name)

    def subset(self, indices: Iterable[int]) -> Dataset:
        """Select examples, in the order given."""
        chosen = list(indices)
        records = [self.records[i] for i in chosen] if "records" in vars(self) else None
        sources = [self.sources[i] for i in chosen]
        return Dataset(sources, self.min_area, self.classes, records=records)

    def declared_halves(self) -> tuple[Dataset, Dataset] | None:
        """Return the declared training part and held-out part; None if there is no declared split.

        Images in neither part are left out.
        """
        return None if self.declared_split is None else self.declared_split.halves(self)

    def fingerprint(self) -> str:
        """Return a SHA-256 hash over names, contents of the image files, masks and classes.

        It does not depend on the order of the examples or the place of the files. It changes with
        any image, mask or class.
        """
        total = hashlib.sha256("\0".join(self.classes).encode())
        for key, record in sorted(zip(self.keys, self.records, strict=True), key=lambda x: x[0]):
            total.update(f"\0{key}\0{record.image_hash}\0{record.truth_hash}".encode())
        return total.hexdigest()

    def split(
        self, fraction: float = 0.2, seed: int = 0, group: str | None = None
    ) -> tuple[Dataset, Dataset]:
        """Split into a training part and a held-out part, with about the same share of every set.

        Images that are the same to the pixel stay together.

        Parameters
        ----------
        fraction : float
            Share to hold out.
        seed : int
            Random seed.
        group : str, optional
            What stays together: "folder", the images of one folder; "alike", images that look
            almost the same, such as frames of a video; or a regular expression with one group in
            parentheses that is found in every name, such as the patient's number.

        Returns
        -------
        train, validation : Dataset
            Neither is empty.

        Raises
        ------
        AnymaskError
            If there are fewer than two images or groups, or a name does not match the group.
        """
        groups = group_labels(self.sources, group)
        labels = [(g, r.pixel_hash) for g, r in zip(groups, self.records, strict=True)]
        pairs = alike(self.records) if group == ALIKE else []
        held_out = divide(labels, pairs, [s.set_name for s in self.sources], fraction, seed)
        kept = sorted(set(range(len(self))) - set(held_out))
        return self.subset(kept), self.subset(held_out)
