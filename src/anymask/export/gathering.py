"""The results in a folder: of each picture the one file that holds the most."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from anymask.errors import ImageError
from anymask.export import ome_zarr
from anymask.export.loading import stem_of
from anymask.export.results import BINARY, OVERLAY
from anymask.export.voc import ANNOTATIONS
from anymask.export.yolo import YAML

# From what loses nothing to what loses most.
_ENDINGS = (
    *(".masks.json", ".npz", ".json", ".geojson", ".zip", ".roi", ".xml", ".txt"),
    *(".labels.tif", ".tif", ".tiff", ".png", ".npy"),
)
_NO_MASKS = (
    *(OVERLAY, "classes.txt", "labelmap.txt", "evaluation.json"),
    # Score maps, and pictures in black and white: no objects.
    *(".scores.npz", ".scores.tif", ".semantic.png", BINARY),
)
_LABELS = "labels"
_VOC_PICTURES = ("SegmentationClass", "SegmentationObject", "JPEGImages", "ImageSets")


@dataclass(frozen=True)
class Result:
    """A file with masks.

    Attributes
    ----------
    path : Path
        The file, or the folder of an OME-Zarr.
    name : Path
        What its picture is called: relative to the folder that was given, without suffix.
    """

    path: Path
    name: Path


def gather_results(places: Iterable[Path]) -> list[Result]:
    """Find the results that a user names.

    Parameters
    ----------
    places : iterable of Path
        Files, which are taken as they are; and folders, in which every picture's result is looked
        for, also further down. Where a picture has several, the one is taken that loses least.

    Returns
    -------
    list of Result
        In the order of the places, those of a folder by name.

    Raises
    ------
    ImageError
        If a place does not exist, or a folder holds no result.
    """
    found = []
    for place in places:
        if not place.exists():
            raise ImageError(f"There is no file or folder {place}; check the name.")
        if place.is_file() or ome_zarr.is_zarr(place):
            found.append(Result(place, Path(stem_of(place))))
            continue
        inside = _best(_candidates(place, Path()))
        if not inside:
            raise ImageError(f"{place} holds no masks: no file whose name ends like a result's.")
        found += inside
    return found


def _candidates(folder: Path, prefix: Path) -> list[Result]:
    """Files that may hold masks, by name; within a Zarr folder nothing is looked for."""
    entries = sorted(e for e in folder.iterdir() if not e.name.startswith("."))
    names = {entry.name for entry in entries}
    if _LABELS in names and YAML in names:  # of YOLO, the pictures lie in other folders
        return [r for r in _candidates(folder / _LABELS, prefix) if r.path.suffix == ".txt"]
    found: list[Result] = []
    for entry in entries:
        if entry.is_dir() and not ome_zarr.is_zarr(entry):
            if entry.name == ANNOTATIONS:
                found += _candidates(entry, prefix)
            elif not ((ANNOTATIONS in names and entry.name in _VOC_PICTURES) or entry.is_symlink()):
                found += _candidates(entry, prefix / entry.name)
        elif entry.is_dir() or _may_hold_masks(entry, names):
            found.append(Result(entry, prefix / stem_of(entry)))
    return found


def _may_hold_masks(path: Path, beside: set[str]) -> bool:
    if path.name.endswith(_NO_MASKS) or not path.name.lower().endswith(_ENDINGS):
        return False
    # What VOC writes beside an XML outside of its usual folders belongs to that.
    stem, _, kind = path.stem.rpartition("_")
    return not (kind in ("class", "object") and f"{stem}.xml" in beside)


def _best(found: Sequence[Result]) -> list[Result]:
    best: dict[Path, Path] = {}
    for result in found:
        if result.name not in best or _rank(result.path) < _rank(best[result.name]):
            best[result.name] = result.path
    return [Result(path, name) for name, path in sorted(best.items())]


def _rank(path: Path) -> int:
    name = path.name.lower()
    return next((i for i, ending in enumerate(_ENDINGS) if name.endswith(ending)), len(_ENDINGS))
