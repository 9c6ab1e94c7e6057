"""What the numbers in label images mean where they stand for kinds of things."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from anymask.errors import ImageError
from anymask.evaluation.data import Source, Truth
from anymask.training.datasets.scanning import Record

CLASSES_FILE = "classes.txt"
_WHITE = 255
# Kinds of things are seldom numbered higher; white among such numbers means "not labelled".
_LOW = 64


def declared_in(places: Iterable[Path]) -> tuple[str, ...] | None:
    """Read the names of the label values 1, 2, … from ``classes.txt``, one a line.

    Returns
    -------
    tuple of str or None
        None where no place has the file.

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
            raise ImageError(f"{path} is not text in UTF-8; write one class a line.") from None
        names = tuple(line.strip() for line in lines if line.strip())
        if len(set(names)) < len(names):
            raise ImageError(f"{path} declares a class twice; give each its own name.")
        if declared is not None and names != declared:
            raise ImageError(
                f"{path} declares other classes than the place before it; train on places with "
                "the same classes."
            )
        declared = names
    return declared


def class_names(
    records: Iterable[Record], declared: Sequence[str] | None
) -> tuple[tuple[str, ...], dict[str, str | None]]:
    """Decide what the classes are called.

    Parameters
    ----------
    records : iterable of Record
        Their classes are names, or label values written as numbers.
    declared : sequence of str, optional
        Names of the label values 1, 2, …, or all names that there may be.

    Returns
    -------
    classes : tuple of str
        As declared; else the names in order of the alphabet, and values in order of size.
    meaning : dict
        New names of those classes that are not yet called so; None for white pixels that are not
        labelled.
    """
    seen = {name for record in records for name in record.classes if name}
    values = {name for name in seen if name.isdecimal() and name not in (declared or ())}
    meaning: dict[str, str | None] = {}
    # Where what is declared are values, as found in other images, a value means itself.
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
    return tuple(sorted(map(str, names), key=_by_number)), meaning


def unknown_class(record: Record, classes: Sequence[str], meaning: dict[str, str | None]) -> str:
    """The first class of an example that is not declared; "" if all are."""
    for name in record.classes:
        if name and name not in meaning and name not in classes:
            return name
    return ""


def renamed(source: Source, meaning: dict[str, str | None]) -> Source:
    """A source whose objects are called as decided."""
    if not meaning:
        return source
    return replace(source, read_truth=partial(_read, source.read_truth, meaning))


def renamed_record(record: Record, meaning: dict[str, str | None]) -> Record:
    """What is known of an example whose objects are called as decided."""
    names = [meaning.get(name, name) for name in record.classes]
    kept = [i for i, name in enumerate(names) if name is not None]
    if not record.classes or not meaning:
        return record
    return replace(
        record,
        areas=tuple(record.areas[i] for i in kept),
        classes=tuple(str(names[i]) for i in kept),
    )


def _read(read_truth: object, meaning: dict[str, str | None], size: tuple[int, int]) -> Truth:
    truth: Truth = read_truth(size)  # type: ignore[operator]
    names = [meaning.get(name, name) for name in truth.classes]
    kept = [i for i, name in enumerate(names) if name is not None]
    if not truth.classes:
        return truth
    return truth.take(kept)._replace(classes=tuple(str(names[i]) for i in kept))


def _by_number(name: str) -> tuple[int, str]:
    return (int(name), "") if name.isdecimal() else (1 << 62, name)
