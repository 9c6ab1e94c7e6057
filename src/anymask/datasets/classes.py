"""Names of classes, and the meaning of label values that stand for classes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from anymask.datasets.scanning import Record
from anymask.datasets.types import Source, Truth
from anymask.errors import ImageError

CLASSES_FILE = "classes.txt"
_WHITE = 255
# Classes are seldom numbered higher; 255 among such low numbers means "not labelled".
_LOW = 64


def declared_in(places: Iterable[Path]) -> tuple[str, ...] | None:
    """Read the names of the label values 1, 2, … from ``classes.txt``, one per line.

    Returns
    -------
    tuple of str or None
        None if no place has the file.

    Raises
    ------
    ImageError
        If two places declare different classes, or one of them a class twice.
    """
    declared: tuple[str, ...] | None = None
    for place in places:
        path = place / CLASSES_FILE
        if not path.is_file():
            continue
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError):
            raise ImageError(f"{path} is not text in UTF-8; write one class per line.") from None
        names = tuple(line.strip() for line in lines if line.strip())
        if len(set(names)) < len(names):
            raise ImageError(f"{path} declares a class twice; give each its own name.")
        if declared is not None and names != declared:
            raise ImageError(
                f"{path} declares different classes than the previous place; open places with "
                "the same classes."
            )
        declared = names
    return declared


def class_names(
    records: Iterable[Record], declared: Sequence[str] | None, order: Sequence[str] = ()
) -> tuple[tuple[str, ...], dict[str, str | None]]:
    """Determine the names of the classes.

    Parameters
    ----------
    records : iterable of Record
        Records whose classes are names, or label values written as numbers.
    declared : sequence of str, optional
        Names of the label values 1, 2, …, or all names that are allowed.
    order : sequence of str
        Names in the order in which the places themselves list them.

    Returns
    -------
    classes : tuple of str
        The declared names; otherwise those that occur: first in `order`, then numbers by value,
        then names alphabetically.
    meaning : dict
        New names of classes to rename; None for pixels of 255 that mean "not labelled".
    """
    seen = {name for record in records for name in record.classes if name}
    values = {name for name in seen if name.isdecimal() and name not in (declared or ())}
    meaning: dict[str, str | None] = {}
    # If the declared names are themselves values, as found in other images, a value means itself.
    named = declared is not None and not all(name.isdecimal() for name in declared)
    if declared is not None and named:
        meaning = {
            value: declared[int(value) - 1] for value in values if int(value) <= len(declared)
        }
    white = str(_WHITE)
    if white in values and white not in meaning:
        others = [int(value) for value in values if value != white]
        if not others:
            meaning[white] = declared[0] if declared else "1"
        elif declared is not None or max(others) < max(_LOW, 2 * len(others)):
            meaning[white] = None
    if declared is not None:
        return tuple(declared), meaning
    names = {meaning.get(name, name) for name in seen} - {None}
    place = {name: number for number, name in enumerate(order)}
    by_place = sorted(map(str, names), key=lambda name: (place.get(name, len(place)), *_key(name)))
    return tuple(by_place), meaning


def unknown_class(record: Record, classes: Sequence[str], meaning: dict[str, str | None]) -> str:
    """Return the first undeclared class of an example; "" if all are declared."""
    for name in record.classes:
        if name and name not in meaning and name not in classes:
            return name
    return ""


def renamed(source: Source, meaning: dict[str, str | None]) -> Source:
    """Rename the classes of a source's objects."""
    if not meaning:
        return source
    return replace(source, read_truth=partial(_read, source.read_truth, meaning))


def renamed_record(record: Record, meaning: dict[str, str | None]) -> Record:
    """Rename the classes of a record's objects."""
    names = [meaning.get(name, name) for name in record.classes]
    kept = [i for i, name in enumerate(names) if name is not None]
    if not record.classes or not meaning:
        return record
    return replace(
        record,
        areas=tuple(record.areas[i] for i in kept),
        classes=tuple(str(names[i]) for i in kept),
    )


def _read(
    read_truth: Callable[[tuple[int, int]], Truth],
    meaning: dict[str, str | None],
    size: tuple[int, int],
) -> Truth:
    truth = read_truth(size)
    names = [meaning.get(name, name) for name in truth.classes]
    kept = [i for i, name in enumerate(names) if name is not None]
    if not truth.classes:
        return truth
    return truth.take(kept)._replace(classes=tuple(str(names[i]) for i in kept))


def _key(name: str) -> tuple[int, str]:
    return (int(name), "") if name.isdecimal() else (1 << 62, name)
