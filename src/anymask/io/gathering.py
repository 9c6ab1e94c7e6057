"""Find results in folders and patterns: for each image, the file that keeps most of its masks."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from anymask.errors import ImageError
from anymask.io.listing import fixed_part, matches
from anymask.io.mask_file import MaskFile
from anymask.io.registry import MaskFormat, mask_formats
from anymask.io.results import NO_MASKS, is_result, stem_of

Holding = Literal["masks", "prompts"]


@dataclass(frozen=True)
class Result:
    """A file with masks.

    Attributes
    ----------
    path : Path
        The file, or the folder of an OME-Zarr.
    name : Path
        The name of its image, relative to the given folder and without suffix.
    """

    path: Path
    name: Path


def gather_results(places: Iterable[Path], holding: Holding = "masks") -> list[Result]:
    """Find the results that a user names.

    Parameters
    ----------
    places : iterable of Path
        Files, which are taken as they are; folders, which are searched for results, including
        subfolders; patterns with ``*``, ``?``, ``[…]`` or ``**``. If an image has several results
        in a folder or pattern, the one that keeps most is taken.
    holding : {"masks", "prompts"}
        What the files of a folder must be able to hold.

    Returns
    -------
    list of Result
        In the order of the places; those of a folder or pattern are sorted by name.

    Raises
    ------
    ImageError
        If a place does not exist, or a folder or pattern holds no result.
    """
    found = []
    for place in places:
        if not place.exists() and glob.has_magic(str(place)):
            inside = _best(_matching(place, holding), holding)
            if not inside:
                raise ImageError(
                    f"There are no {holding} in what {place} matches; check the pattern."
                )
            found += inside
            continue
        if not place.exists():
            raise ImageError(f"There is no file or folder {place}; check the name.")
        if place.is_file() or is_folder_result(place):
            found.append(Result(place, Path(stem_of(place))))
            continue
        inside = _best(_candidates(place, Path(), holding), holding)
        if not inside:
            like = "a result" if holding == "masks" else "a file of boxes or points"
            raise ImageError(f"{place} has no {holding}: no file in it is named like {like}.")
        found += inside
    return found


def _matching(pattern: Path, holding: Holding) -> list[Result]:
    """Files that match a pattern and may hold it, named relative to its fixed part."""
    root = fixed_part(pattern)
    paths = list(matches(pattern))
    beside: dict[Path, set[str]] = {}
    for path in paths:
        beside.setdefault(path.parent, set()).add(path.name.lower())
    return [
        Result(path, path.relative_to(root).with_name(stem_of(path)))
        for path in paths
        if (path.is_file() or is_folder_result(path))
        and _may_hold(path, beside[path.parent], holding)
    ]


def _candidates(folder: Path, prefix: Path, holding: Holding) -> list[Result]:
    """Files that may hold it, judging by their names; Zarr folders are not searched."""
    entries = sorted(e for e in folder.iterdir() if not e.name.startswith("."))
    names = {entry.name for entry in entries}
    lowered = {name.lower() for name in names}
    dataset = _dataset_in(names)
    found: list[Result] = []
    for entry in entries:
        if entry.is_dir() and not is_folder_result(entry):
            if dataset is None:
                found += (
                    [] if entry.is_symlink() else _candidates(entry, prefix / entry.name, holding)
                )
            elif entry.name == dataset.dataset_folder:
                inside = _candidates(entry, prefix, holding)
                found += [r for r in inside if r.path.suffix.lower() in dataset.suffixes]
        elif (dataset is None or is_result(entry)) and _may_hold(entry, lowered, holding):
            found.append(Result(entry, prefix / stem_of(entry)))
    return found


def _dataset_in(names: set[str]) -> MaskFormat | None:
    """The format of the data set in a folder with these entries, or None."""
    for form in mask_formats().values():
        if form.dataset_folder in names and form.dataset_list in {"", *names}:
            return form
    return None


def is_folder_result(path: Path) -> bool:
    """Whether a folder is itself a result."""
    forms = [form for form in mask_formats().values() if form.is_folder]
    return path.is_dir() and any(form.accepts(MaskFile(path)) for form in forms)


def _may_hold(path: Path, beside: set[str], holding: Holding) -> bool:
    """Whether a file may hold it, judging by its name and the lower-case names beside it."""
    name = path.name.lower()
    if path.name.endswith(NO_MASKS) or not name.endswith(_endings(holding)):
        return False
    for form in mask_formats().values():
        for companion in form.companions:
            stem = name.removesuffix(companion)
            # A file written along with another one belongs to it, as a_class.png to a.xml.
            if stem == "" or (stem != name and f"{stem}{form.suffix}" in beside):
                return False
    return True


@cache
def _endings(holding: Holding) -> tuple[str, ...]:
    """Endings of files that hold it, from the formats that keep most to those that keep least."""
    readers = {"masks": lambda form: form.read, "prompts": lambda form: form.read_prompts}
    forms = [form for form in mask_formats().values() if readers[holding](form) is not None]
    return tuple(
        dict.fromkeys(
            end for form in forms for end in (form.ending, *form.suffixes, *form.read_suffixes)
        )
    )


def _best(found: Sequence[Result], holding: Holding) -> list[Result]:
    best: dict[Path, Path] = {}
    for result in found:
        if result.name not in best or _rank(result.path, holding) < _rank(
            best[result.name], holding
        ):
            best[result.name] = result.path
    return [Result(path, name) for name, path in sorted(best.items())]


def _rank(path: Path, holding: Holding) -> int:
    name, endings = path.name.lower(), _endings(holding)
    return next((i for i, ending in enumerate(endings) if name.endswith(ending)), len(endings))
