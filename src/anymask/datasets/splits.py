"""Training and held-out images, saved as ``split.json``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol, Self, TypeVar

from anymask.errors import AnymaskError, ImageError
from anymask.files import whole_file

SPLIT_FILE = "split.json"

D = TypeVar("D", bound="Divisible")


class Divisible(Protocol):
    """The part of a data set that a split needs; `Dataset` provides it."""

    @property
    def keys(self) -> Sequence[str]:
        """Name of each example with its set, as "set/name"."""

    def subset(self, indices: Iterable[int]) -> Self:
        """Select examples, in the order given."""


@dataclass(frozen=True)
class Split:
    """A division of a data set into a training part and a held-out part.

    Attributes
    ----------
    train, validation : tuple of str
        The images of each part, as "set/name".
    seed : int or None
    fraction : float or None
    group : str or None
        Arguments of `Dataset.split` that drew it; None if it was made in another way.
    """

    train: tuple[str, ...]
    validation: tuple[str, ...]
    seed: int | None = None
    fraction: float | None = None
    group: str | None = None

    def halves(self, dataset: D) -> tuple[D, D]:
        """Divide a data set as saved; images in neither part are left out.

        Raises
        ------
        AnymaskError
            If an image of either part is not in the data set.
        """
        index = {key: i for i, key in enumerate(dataset.keys)}
        missing = [key for key in (*self.train, *self.validation) if key not in index]
        if missing:
            raise AnymaskError(
                f"The split names {missing[0]}, which is not in the data set ({len(missing)} such "
                "images in all); the data have changed, so draw a new split."
            )
        train, validation = (
            dataset.subset([index[key] for key in half]) for half in (self.train, self.validation)
        )
        return train, validation


def write_split(
    path: Path,
    train: Divisible,
    validation: Divisible,
    *,
    seed: int | None = None,
    fraction: float | None = None,
    group: str | None = None,
) -> Split:
    """Write a split file for this division.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    split = Split(tuple(train.keys), tuple(validation.keys), seed, fraction, group)
    order = ("seed", "group", "fraction", "train", "validation")
    with whole_file(Path(path)) as part:
        values = asdict(split)
        text = json.dumps({name: values[name] for name in order}, indent=1, ensure_ascii=False)
        part.write_text(text, encoding="utf-8")
    return split


def read_split(path: Path) -> Split:
    """Read a split file.

    Raises
    ------
    ImageError
        If the file is missing or damaged, or names an image twice.
    """
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8-sig"))
        halves = [data["train"], data["validation"]]
        if not all(isinstance(h, list) and all(isinstance(k, str) for k in h) for h in halves):
            raise ValueError("no two lists of names")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ImageError(
            f"{path} cannot be read as a split ({error}); it needs the lists 'train' and "
            "'validation' of images as 'set/name'."
        ) from None
    names = [*halves[0], *halves[1]]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ImageError(
            f"{path} names {twice} twice; an image can be only in one part, and only once."
        )
    known = (data.get("seed"), data.get("fraction"), data.get("group"))
    return Split(tuple(halves[0]), tuple(halves[1]), *known)
