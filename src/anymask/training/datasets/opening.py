"""From folders, COCO files, archives and anymask's own results to a `Dataset`."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

from anymask.errors import AnymaskError, ImageError
from anymask.evaluation.data import Objects, Source, in_sets
from anymask.evaluation.layouts import Found, find, innermost
from anymask.training.datasets import classes as classes_
from anymask.training.datasets.archives import is_archive, unpacked
from anymask.training.datasets.dataset import Dataset, LeftOut
from anymask.training.datasets.scanning import Record, Skipped, scan
from anymask.training.datasets.splits import SPLIT_FILE, Split, read_split

Half = Literal["train", "validation"]

_HALF_FOLDER: dict[Half, re.Pattern[str]] = {
    "train": re.compile(r"(train|training)(\d{4})?", re.IGNORECASE),
    "validation": re.compile(r"(validation|valid|val)(\d{4})?", re.IGNORECASE),
}
_ABOUT = (SPLIT_FILE, classes_.CLASSES_FILE)
_MOST_NAMED = 5


def open_dataset(
    *places: str | Path,
    split: Half | None = None,
    objects: Objects = "auto",
    min_area: int = 25,
    max_bad: float = 0.1,
    classes: Sequence[str] | None = None,
    images: Sequence[str | Path] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Dataset:
    """Find the images and masks of data sets and read each once, to know that it can be used.

    What cannot be read or does not fit together (a damaged file, a mask of another size, colours
    for ids) is skipped with a warning that names it, and refused if it is more than a few. Images
    without any object are left out with a warning too, unless objects="classes", where background
    is something to learn.

    Parameters
    ----------
    *places : str or Path
        Data sets, folders of data sets, COCO JSON files, folders of results of anymask, or
        archives (``.zip``, ``.tar``, ``.tar.gz``, ``.tgz``) of these. Archives are unpacked to a
        temporary folder that goes when the program ends.
    split : {"train", "validation"}, optional
        One half only: as ``split.json`` in the place says, else the images in a folder of that
        name (``train``, ``training``; ``validation``, ``valid``, ``val``).
    objects : {"auto", "ids", "components", "classes"}
        What an object is in a label image: the pixels of one id, or each connected component of
        what is not 0. "auto" means components in a binary mask, where 255 is the only id, and ids
        elsewhere. "classes" are ids that mean kinds of things: all of one kind are one object.
    min_area : int
        Objects of fewer pixels are left out.
    max_bad : float
        Share of the images that may be bad.
    classes : sequence of str, optional
        What objects can be; names of the label values 1, 2, … with objects="classes". By default
        what is found, and with objects="classes" what ``classes.txt`` in a place says, one a line.
    images : sequence of str or Path
        Folders with the images of results of anymask, where they are not beside the results.
    progress : callable, optional
        Called with how many images have been read and how many there are.

    Returns
    -------
    Dataset

    Raises
    ------
    ImageError
        If a place does not exist or holds no image with masks, or too much of it is bad.
    """
    _check(places, split, objects, max_bad, classes)
    folders = [unpacked(place) if is_archive(place) else place for place in map(Path, places)]
    found = [find(place, objects, [Path(p) for p in images]) for place in folders]
    halves: dict[Path, Half] = {}
    for place, each in zip(folders, found, strict=True):
        each.sources = _with_own_names(each.sources)
        halves |= _declared_halves(place, each.sources, required=split is not None)
    sources = in_sets(each.sources for each in found)
    if split is not None:
        sources = [source for source in sources if halves.get(source.image) == split]
    records = []
    for done, look in enumerate(scan(sources, min_area), start=1):
        records.append(look)
        if progress is not None:
            progress(done, len(sources))
    declared = classes
    if classes is None and objects == "classes":
        declared = classes_.declared_in(map(_home, folders))
    keeps_empty = objects == "classes"
    dataset = _dataset(sources, records, declared, found, min_area, max_bad, keeps_empty)
    if split is None:
        dataset.declared_split = _split_of(dataset, halves)
    return dataset


def _check(
    places: Sequence[object],
    split: object,
    objects: object,
    max_bad: float,
    classes: Sequence[str] | None,
) -> None:
    if not places:
        raise AnymaskError("No data set was given; name a folder with images and masks.")
    if split not in (None, *get_args(Half)):
        raise AnymaskError(f"split is {split!r}; it can be 'train', 'validation' or None.")
    if objects not in get_args(Objects):
        known = ", ".join(map(repr, get_args(Objects)))
        raise AnymaskError(f"objects is {objects!r}; it can be {known}.")
    if not 0 <= max_bad <= 1:
        raise AnymaskError(f"max_bad is {max_bad}; it is a share of the images, from 0 to 1.")
    if classes is not None and (isinstance(classes, str) or len(set(classes)) < len(classes)):
        raise AnymaskError(f"classes is {classes!r}; give a list of names, each once.")


def _home(place: Path) -> Path:
    """The folder in which the files about a data set are: the outermost that has one."""
    folder = place.parent if place.is_file() else place
    inner = innermost(folder)
    for path in (folder, *reversed(inner.parents), inner):
        if path.is_relative_to(folder) and any((path / name).is_file() for name in _ABOUT):
            return path
    return inner


def _declared_halves(place: Path, sources: list[Source], *, required: bool) -> dict[Path, Half]:
    """Which half each image is in, as a place itself says: in a file, or by its folders."""
    folder, split_file = _home(place), _home(place) / SPLIT_FILE
    halves: dict[Path, Half] = {}
    if split_file.is_file():
        told = read_split(split_file)
        images = {f"{source.set_name}/{source.name}": source.image for source in sources}
        missing = [name for name in (*told.train, *told.validation) if name not in images]
        if missing and required:
            raise ImageError(
                f"{split_file} names {_listed(missing)}, of which there are no images "
                "with masks now; write the split again."
            )
        halves |= {images[name]: "train" for name in told.train if name in images}
        return halves | {images[name]: "validation" for name in told.validation if name in images}
    for source in sources:
        below = source.image.relative_to(folder) if source.image.is_relative_to(folder) else Path()
        for half, pattern in _HALF_FOLDER.items():
            if any(pattern.fullmatch(part) for part in below.parts[:-1]):
                halves.setdefault(source.image, half)
    if required and len(set(halves.values())) < len(_HALF_FOLDER):
        raise ImageError(
            f"{place} has neither {SPLIT_FILE} nor folders train and validation; write one with "
            "`anymask dataset check --split 0.2 --write`, or leave out which half you want."
        )
    return halves


def _split_of(dataset: Dataset, halves: Mapping[Path, Half]) -> Split | None:
    keys: dict[Half | None, list[str]] = {}
    for source, key in zip(dataset.sources, dataset.keys, strict=True):
        keys.setdefault(halves.get(source.image), []).append(key)
    if "train" not in keys or "validation" not in keys:
        return None
    return Split(tuple(keys["train"]), tuple(keys["validation"]))


def _with_own_names(sources: list[Source]) -> list[Source]:
    """Tell images apart that differ in their suffix alone."""
    count = Counter((source.set_name, source.name) for source in sources)
    return [
        source
        if count[source.set_name, source.name] == 1
        else replace(source, name=source.name + source.image.suffix)
        for source in sources
    ]


def _dataset(
    sources: list[Source],
    looks: list[Record | Skipped],
    declared: Sequence[str] | None,
    found: list[Found],
    min_area: int,
    max_bad: float,
    keeps_empty: bool,
) -> Dataset:
    """Put together what can be used, and warn of the rest or refuse it."""
    names, meaning = classes_.class_names([r for r in looks if isinstance(r, Record)], declared)
    kept: list[tuple[Source, Record]] = []
    skipped: list[Skipped] = []
    empty: list[str] = []
    for source, look in zip(sources, looks, strict=True):
        if isinstance(look, Skipped):
            skipped.append(look)
            continue
        if unknown := classes_.unknown_class(look, names, meaning):
            reason = (
                f"{source.image} has an object of the class {unknown}, and the classes declared "
                f"are {', '.join(names)}; declare it or correct the mask."
            )
            skipped.append(Skipped(source.set_name, source.name, source.image, reason))
            continue
        record = classes_.renamed_record(look, meaning)
        if record.areas or keeps_empty:
            kept.append((classes_.renamed(source, meaning), record))
        else:
            empty.append(f"{source.set_name}/{source.name}")
    _refuse_or_warn(skipped, len(sources), max_bad)
    if not any(record.areas for _, record in kept):
        raise ImageError(
            f"None of the images has an object of {max(1, min_area)} pixels or more in its masks; "
            "check that the masks are not black."
        )
    if empty:
        warnings.warn(
            f"{len(empty)} of {len(sources)} images are left out, as their masks hold no object: "
            f"{_listed(empty)}.",
            stacklevel=3,
        )
    left_out = LeftOut(
        tuple(skipped),
        tuple(empty),
        tuple(path for each in found for path in each.without_masks),
        tuple(path for each in found for path in each.without_image),
    )
    return Dataset([s for s, _ in kept], [r for _, r in kept], min_area, names, left_out)


def _refuse_or_warn(skipped: list[Skipped], total: int, max_bad: float) -> None:
    """Raise if too much is bad, else warn of what is not used."""
    if skipped:
        told = f"{len(skipped)} of {total} images cannot be used ({_reasons(skipped)})"
        if len(skipped) > max_bad * total:
            raise ImageError(f"{told}; that is more than {max_bad:.0%}, so mend or remove them.")
        warnings.warn(f"{told}; they are skipped.", stacklevel=4)


def _reasons(skipped: Sequence[Skipped]) -> str:
    """Why images cannot be used: each kind of reason once, with the names of the others."""
    alike: dict[str, list[Skipped]] = {}
    for bad in skipped:
        words = (re.escape(word) for word in (bad.image.stem, bad.name) if word)
        kind = re.sub(rf"\S*({'|'.join(words)})\S*", "", bad.reason)
        alike.setdefault(kind, []).append(bad)
    told = []
    for first, *others in list(alike.values())[:_MOST_NAMED]:
        also = f"; likewise {_listed([bad.name for bad in others])}" if others else ""
        told.append(f"{first.name}: {first.reason.rstrip('.')}{also}")
    left = sum(len(bad) for bad in list(alike.values())[_MOST_NAMED:])
    return "; ".join(told) + (f"; and {left} more" if left else "")


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more
