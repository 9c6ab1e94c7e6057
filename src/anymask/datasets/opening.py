"""Opens folders, COCO files, archives, sessions and anymask's own results as a `Dataset`."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

from anymask.datasets import classes as classes_
from anymask.datasets.archives import SUFFIXES, is_archive, unpacked
from anymask.datasets.dataset import Dataset
from anymask.datasets.layouts import SESSION, find, innermost
from anymask.datasets.left_out import listed, notices_of_images, refuse_unusable, sentences_about
from anymask.datasets.sampling import spread
from anymask.datasets.scanning import Record, scan
from anymask.datasets.splits import SPLIT_FILE, Split, read_split
from anymask.datasets.types import Found, LeftOut, Objects, Skipped, Source
from anymask.errors import AnymaskError, ImageError
from anymask.notices import ReadingNotice

Half = Literal["train", "validation"]
Progress = Callable[[int, int], None]

_HALF_FOLDER: dict[Half, re.Pattern[str]] = {
    "train": re.compile(r"(train|training)(\d{4})?", re.IGNORECASE),
    "validation": re.compile(r"(validation|valid|val)(\d{4})?", re.IGNORECASE),
}
_ABOUT = (SPLIT_FILE, classes_.CLASSES_FILE)


def open_dataset(
    *places: str | Path,
    split: Half | None = None,
    objects: Objects = "auto",
    min_area: int = 25,
    limit: int | None = None,
    max_bad: float = 0.1,
    keep_empty: bool | None = None,
    classes: Sequence[str] | None = None,
    images: Sequence[str | Path] = (),
    progress: Progress | None = None,
) -> Dataset:
    """Find the images and masks of data sets, and read each once to check that it can be used.

    Images that cannot be used (a damaged file, a mask of another size, colours instead of ids) are
    skipped with a warning that names them; more than `max_bad` of them is an error. Images without
    masks, masks without an image, and images whose masks are empty are left out with a warning.

    Parameters
    ----------
    *places : str or Path
        Data sets: folders, folders of such folders, COCO JSON files, folders of anymask's results,
        sessions (``NAME.anymask``), or archives (``.zip``, ``.tar``, ``.tar.gz``, ``.tgz``) of
        these. Archives are unpacked to a temporary folder that is removed when the program ends.
    split : {"train", "validation"}, optional
        Open only one part: the one in ``split.json`` of the place, else the images in a folder of
        that name (``train``, ``training``; ``validation``, ``valid``, ``val``).
    objects : {"auto", "ids", "components", "classes"}
        What counts as one object in a label image: the pixels of one id, or each connected
        component of non-zero pixels. "auto" means components in a binary mask, where 255 is the
        only id, and ids otherwise. With "classes", ids are classes, and all pixels of one class in
        an image are one object.
    min_area : int
        Objects of fewer pixels are left out.
    limit : int, optional
        Open at most this many images of each set, evenly spread over the images sorted by name.
    max_bad : float
        Maximum share of unusable images.
    keep_empty : bool, optional
        Whether to keep images whose masks contain no object. By default only with "classes", where
        background also has to be learnt.
    classes : sequence of str, optional
        The possible classes; with objects="classes", the names of the label values 1, 2, … By
        default the classes found, and with objects="classes" those that ``classes.txt`` in a place
        lists, one per line.
    images : sequence of str or Path
        Folders with the images of anymask's results, if they are not beside the results.
    progress : callable, optional
        Called with the number of images read and their total.

    Returns
    -------
    Dataset

    Raises
    ------
    ImageError
        If a place does not exist or has no image with masks, or too many images are unusable.
    AnymaskError
        If an option has an invalid value.

    Warns
    -----
    UserWarning
        For each kind of problem that leaves something out.
    """
    _check(places, split, objects, limit, max_bad, classes)
    folders, found = [], []
    for place in map(Path, places):
        folder, found_there = _look_in(place, objects, [Path(p) for p in images])
        folders.append(folder)
        found.append(found_there)
    halves: dict[Path, Half] = {}
    for folder, each in zip(folders, found, strict=True):
        each.sources = _with_own_names(each.sources)
        halves |= _declared_halves(folder, each.sources, required=split is not None)
    sources = in_sets((each.sources for each in found), None if split is not None else limit)
    if split is not None:
        sources = [source for source in sources if halves.get(source.image) == split]
        sources = in_sets([sources], limit)
    if classes is None and objects == "classes":
        classes = classes_.declared_in(map(_home, folders))
    dataset = dataset_of(
        sources,
        found,
        min_area=min_area,
        max_bad=max_bad,
        keep_empty=objects == "classes" if keep_empty is None else keep_empty,
        classes=classes,
        progress=progress,
    )
    if split is None:
        dataset.declared_split = _split_of(dataset, halves)
    return dataset


def dataset_of(
    sources: Sequence[Source],
    found: Iterable[Found] = (),
    *,
    min_area: int = 25,
    max_bad: float = 0.1,
    keep_empty: bool = False,
    classes: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Read each source once and make a data set of the usable ones.

    Parameters
    ----------
    sources : sequence of Source
    found : iterable of Found
        The places of the sources, with what was left out there and the order of their classes.
    min_area, max_bad, keep_empty, classes, progress
        See `open_dataset`, which also lists the errors and warnings.
    """
    found = list(found)
    looks: list[Record | Skipped] = []
    for look in scan(sources, min_area):
        looks.append(look)
        if progress is not None:
            progress(len(looks), len(sources))
    order = [name for each in found for name in each.classes]
    records = [look for look in looks if isinstance(look, Record)]
    names, meaning = classes_.class_names(records, classes, order)
    kept: list[tuple[Source, Record]] = []
    skipped: list[Skipped] = []
    empty: list[str] = []
    for source, look in zip(sources, looks, strict=True):
        if isinstance(look, Skipped):
            skipped.append(look)
        elif unknown := classes_.unknown_class(look, names, meaning):
            reason = (
                f"{source.image} has an object of the class {unknown}, but the declared classes "
                f"are {', '.join(names)}; declare it or correct the mask."
            )
            skipped.append(Skipped(source.set_name, source.name, source.image, reason))
        else:
            record = classes_.renamed_record(look, meaning)
            if record.areas or keep_empty:
                kept.append((classes_.renamed(source, meaning), record))
            else:
                empty.append(source.key)
    left_out = LeftOut(
        tuple(skipped),
        tuple(empty),
        tuple(path for each in found for path in each.without_masks),
        tuple(path for each in found for path in each.without_image),
    )
    looked = zip(sources, looks, strict=True)
    told = {source.key: look.notices for source, look in looked if isinstance(look, Record)}
    of_places = [notice for each in found for notice in each.notices]
    for sentence in (*of_places, *notices_of_images(told)):
        warnings.warn(sentence, ReadingNotice, stacklevel=3)
    refuse_unusable(left_out, [record for _, record in kept], len(sources), min_area, max_bad)
    for sentence in sentences_about(left_out, len(sources)):
        warnings.warn(sentence, stacklevel=3)
    return Dataset(
        [source for source, _ in kept],
        min_area,
        names,
        records=[record for _, record in kept],
        left_out=left_out,
    )


def in_sets(by_place: Iterable[Sequence[Source]], limit: int | None = None) -> list[Source]:
    """Order the sources of several places by set and name, and number sets of the same name.

    Parameters
    ----------
    by_place : iterable of sequences of Source
    limit : int, optional
        At most this many of each set, evenly spread.
    """
    sources: list[Source] = []
    used: set[str] = set()
    for found in by_place:
        by_set: dict[str, list[Source]] = {}
        for source in found:
            by_set.setdefault(source.set_name, []).append(source)
        for set_name, members in by_set.items():
            unique = _numbered(set_name, used)
            members.sort(key=lambda source: source.name)
            count = len(members) if limit is None else limit
            chosen = [members[i] for i in spread(len(members), count)]
            sources += [replace(source, set_name=unique) for source in chosen]
    return sources


def _numbered(name: str, used: set[str]) -> str:
    """Return a name, with a number if it is already used; the result is added to `used`."""
    unique, number = name, 1
    while unique in used:
        number += 1
        unique = f"{name} ({number})"
    used.add(unique)
    return unique


def _look_in(place: Path, objects: Objects, images: Sequence[Path]) -> tuple[Path, Found]:
    """Return the folder or file that a place stands for, and what it contains."""
    if not place.exists() and place.with_name(f"{place.name}{SESSION}").is_dir():
        place = place.with_name(f"{place.name}{SESSION}")  # session names may omit the suffix
    if not place.exists():
        raise ImageError(f"There is no file or folder {place}; check the name.")
    folder = unpacked(place) if is_archive(place) else place
    if not folder.is_dir() and folder.suffix.lower() != ".json":
        raise ImageError(
            f"{place} is not a data set; give a folder of images with masks, a COCO JSON file, a "
            f"session (NAME{SESSION}), or an archive of these ({', '.join(SUFFIXES)})."
        )
    found = find(folder, objects, images)
    if not found.sources:
        raise ImageError(
            f"No image with masks was found in {place}; give a folder with images/ and masks/ "
            "(files of the same names), a COCO JSON file, or a session with masks."
        )
    return folder, found


def _check(
    places: Sequence[object],
    split: object,
    objects: object,
    limit: int | None,
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
    if limit is not None and limit < 1:
        raise AnymaskError(f"limit is {limit}; it must be at least 1 image of each set.")
    if not 0 <= max_bad <= 1:
        raise AnymaskError(f"max_bad is {max_bad}; it is a share of the images, from 0 to 1.")
    if classes is not None and (isinstance(classes, str) or len(set(classes)) < len(classes)):
        raise AnymaskError(f"classes is {classes!r}; give a list of names, each once.")


def _home(place: Path) -> Path:
    """Return the folder with the files about a data set: the outermost that has one."""
    folder = place.parent if place.is_file() else place
    inner = innermost(folder)
    for path in (folder, *reversed(inner.parents), inner):
        if path.is_relative_to(folder) and any((path / name).is_file() for name in _ABOUT):
            return path
    return inner


def _declared_halves(place: Path, sources: list[Source], *, required: bool) -> dict[Path, Half]:
    """Return the part of each image that the place declares, in a file or by its folders."""
    folder, split_file = _home(place), _home(place) / SPLIT_FILE
    halves: dict[Path, Half] = {}
    if split_file.is_file():
        declared = read_split(split_file)
        images = {source.key: source.image for source in sources}
        missing = [name for name in (*declared.train, *declared.validation) if name not in images]
        if missing and required:
            raise ImageError(
                f"{split_file} names {listed(missing)}, which have no image "
                "with masks any more; write the split again."
            )
        halves |= {images[name]: "train" for name in declared.train if name in images}
        return halves | {images[n]: "validation" for n in declared.validation if n in images}
    for source in sources:
        below = source.image.relative_to(folder) if source.image.is_relative_to(folder) else Path()
        for half, pattern in _HALF_FOLDER.items():
            if any(pattern.fullmatch(part) for part in below.parts[:-1]):
                halves.setdefault(source.image, half)
    if required and len(set(halves.values())) < len(_HALF_FOLDER):
        raise ImageError(
            f"{place} has neither {SPLIT_FILE} nor folders train and validation; write one with "
            "`anymask dataset check --split 0.2 --write`, or open the whole data set."
        )
    return halves


def _split_of(dataset: Dataset, halves: Mapping[Path, Half]) -> Split | None:
    """Return the declared split of the images in the data set; None if one part is empty."""
    keys: dict[Half | None, list[str]] = {}
    for source, key in zip(dataset.sources, dataset.keys, strict=True):
        keys.setdefault(halves.get(source.image), []).append(key)
    if "train" not in keys or "validation" not in keys:
        return None
    return Split(tuple(keys["train"]), tuple(keys["validation"]))


def _with_own_names(sources: list[Source]) -> list[Source]:
    """Make names unique: add the suffix to names that differ only in it, else a number."""
    count = Counter(source.key for source in sources)
    used: dict[str, set[str]] = {}
    return [
        replace(
            source,
            name=_numbered(
                source.name if count[source.key] == 1 else source.name + source.image.suffix,
                used.setdefault(source.set_name, set()),
            ),
        )
        for source in sources
    ]
