"""The folder layouts in which images and masks are found.

- ``images/x.jpg`` with ``masks/x.png``: a label image (0 is background, each other id an object)
  or a binary mask. The folders may also be called ``image``, ``img``, ``imgs``, ``JPEGImages`` and
  ``mask``, ``labels``, ``label``, ``annotations``, ``gt``, in upper or lower case, and may contain
  folders of the same names. Instead of the mask there may be a file of an annotation tool that
  `anymask.load_masks` reads.
- ``images/x.jpg`` with ``masks/x/*.png``: a folder of binary masks, one per object.
- ``x.png`` with ``x_masks.png`` in one folder (also ``_mask``, ``_label``, ``_labels``, ``_gt``,
  and Cellpose's ``_cp_masks``).
  Several of them, such as ``x_mask.png`` and ``x_mask_1.png``, are several objects.
- ``x.jpg`` with LabelMe's ``x.json`` in one folder.
- Results of anymask: ``x.masks.json`` and ``x.labels.tif``, with the images in the same folder,
  the one above, or a folder beside it.
- COCO JSON beside its images, or in ``annotations/`` with the images in a folder beside that.
- A session, ``NAME.anymask``.
- A folder whose subfolders are any of these.
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from anymask.datasets import coco_files, label_files, result_files
from anymask.datasets.label_files import ANNOTATIONS, JPEG, PICTURES
from anymask.datasets.types import Found, Objects, Source
from anymask.errors import ImageError
from anymask.io.listing import list_images

_IMAGE_FOLDERS = ("images", "image", "imgs", "img", "jpegimages")
_MASK_FOLDERS = ("masks", "mask", "labels", "label", "annotations", "gt")
MASK_NAME = re.compile(r"(?P<image>.+?)(?P<cellpose>_cp)?_(masks?|labels?|gt)(_\d+)?", re.DOTALL)
"""File names, without suffix, of masks beside their images."""
# Files about a data set, which are neither images nor masks.
_NOTES = (".txt", ".md", ".csv", ".pdf", ".html", ".py", "")
_ABOUT = ("split.json", "set.json", "data.yaml", "classes.txt", "Thumbs.db")
# Beside the images, these may be masks, but they are not reported as lost if no image fits.
_BESIDE = (".json", ".geojson")
# A higher layer reads sessions; it is named here like an entry point, so that no import leads up.
SESSION = ".anymask"
_SESSION_READER = "anymask.session.training_data:find_in_session"


def find(place: Path, objects: Objects = "auto", images: Sequence[Path] = ()) -> Found:
    """Find the images with masks in a data set, or in a folder of data sets.

    Parameters
    ----------
    place : Path
        A folder or a COCO JSON file.
    objects : {"auto", "ids", "components", "classes"}
        See `open_dataset`.
    images : sequence of Path
        Folders with the images of anymask's results, if these are elsewhere.

    Returns
    -------
    Found
        Without sources if there is no image with masks.

    Raises
    ------
    ImageError
        If a JSON file given by name is not COCO.
    """
    if not place.is_dir():
        name = _set_name(coco_files.folder_of(place))
        return coco_files.find(place, name, objects, required=True)
    place = innermost(place)
    found = _set_in(place, objects, images)
    if not found.sources:
        found = Found()  # drops images that happen to be beside the sets
        for folder in sorted(p for p in place.iterdir() if p.is_dir()):
            if not folder.name.startswith("."):
                found.add(_set_in(folder, objects, images))
    used = {source.image for source in found.sources}
    found.without_masks = [path for path in found.without_masks if path not in used]
    return found


def innermost(place: Path) -> Path:
    """Descend while a folder contains only one folder, as unpacked archives often do.

    Notes beside that one folder do not count.
    """
    while place.is_dir() and place.suffix != SESSION:
        inside = [p for p in place.iterdir() if not p.name.startswith(".") and not _is_note(p)]
        if len(inside) != 1 or not inside[0].is_dir() or inside[0].is_symlink():
            break
        place = inside[0]
    return place


def _is_note(path: Path) -> bool:
    return path.is_file() and (path.suffix.lower() in _NOTES or path.name in _ABOUT)


def _set_in(folder: Path, objects: Objects, places: Sequence[Path]) -> Found:
    """Return what a folder contains if it is itself one data set; otherwise no sources."""
    if folder.suffix == SESSION:
        return _session(folder, objects)
    name = _set_name(folder)
    images, masks = _folder_called(folder, _IMAGE_FOLDERS), _folder_called(folder, _MASK_FOLDERS)
    if images is not None and masks is not None:
        found = _pairs(name, images, masks, objects)
        if found.sources:
            return found
        found = _results(masks, name, objects, places)
        if found.sources:
            return found
    found = _results(folder, name, objects, places)
    if found.sources:
        return found
    found = _coco(folder, name, objects)
    return found if found.sources else _pairs(name, folder, folder, objects)


def _folder_called(folder: Path, names: Sequence[str]) -> Path | None:
    """Return the subfolder with the first matching name, ignoring case."""
    inside = {p.name.lower(): p for p in sorted(folder.iterdir()) if p.is_dir()}
    return next((inside[name] for name in names if name in inside), None)


def _set_name(folder: Path) -> str:
    """Return the name in ``set.json`` if it exists, else the folder's name."""
    try:
        name = json.loads((folder / "set.json").read_text(encoding="utf-8"))["name"]
    except (OSError, ValueError, KeyError, TypeError):
        name = folder.resolve().name
    return str(name)


def _session(folder: Path, objects: Objects) -> Found:
    module, _, function = _SESSION_READER.partition(":")
    read: Callable[[Path, Objects], Found] = getattr(importlib.import_module(module), function)
    return read(folder, objects)


def _results(folder: Path, name: str, objects: Objects, places: Sequence[Path]) -> Found:
    """Find results of anymask in a folder; if it has some, also those in its subfolders."""
    if not any(result_files.is_truth(path) for path in folder.iterdir()):
        return Found()
    above = [folder, folder.resolve().parent]
    inside = [place / called for place in above for called in _IMAGE_FOLDERS]
    return result_files.find(folder, name, objects, [*places, *above, *inside])


def _coco(folder: Path, name: str, objects: Objects) -> Found:
    """Find the images of all COCO files in a folder or its ``annotations/``, each once."""
    found = Found()
    taken: set[Path] = set()
    for place in (folder, folder / "annotations"):
        for path in sorted(place.glob("*.json")):
            of_file = coco_files.find(path, name, objects, required=False)
            if of_file.sources:
                of_file.sources = [s for s in of_file.sources if s.image not in taken]
                taken.update(source.image for source in of_file.sources)
                found.add(of_file)
    found.without_masks = sorted(set(found.without_masks) - taken)
    return found


def _pairs(set_name: str, images: Path, masks: Path, objects: Objects, within: str = "") -> Found:
    """Find images and masks that belong together by name."""
    apart = masks != images  # in one folder, only the name shows what is a mask
    exact: dict[str, Path] = {}
    numbered: dict[str, list[Path]] = {}
    pictures = _images_in(images)
    stems = {path.stem for path in pictures}
    files = sorted(p for p in masks.iterdir() if not p.name.startswith("."))
    for path in label_files.without_parts_of_voc(files):
        suffix = path.suffix.lower()
        if path.name in _ABOUT:
            continue
        if path.is_dir():
            if apart:
                exact[path.name] = path
        elif suffix in PICTURES and (parts := MASK_NAME.fullmatch(path.stem)):
            called = parts["image"]
            if parts["cellpose"] and f"{called}_cp" in stems:  # it is part of the image's name
                called = f"{called}_cp"
            numbered.setdefault(called, []).append(path)
            if apart:
                _keep(exact, path)
        elif suffix in (PICTURES + ANNOTATIONS if apart else _BESIDE):
            _keep(exact, path)
    found = Found()
    used: set[Path] = set()
    for path in pictures:
        own = [exact[path.stem]] if path.stem in exact else numbered.get(path.stem, [])
        own = [p for p in own if p != path]
        if own:
            read = partial(label_files.truth_of, own, objects)
            found.sources.append(Source(set_name, within + path.stem, path, read))
            used.update(own)
        elif apart or not MASK_NAME.fullmatch(path.stem):
            found.without_masks.append(path)
    if apart:
        for folder in sorted(p for p in images.iterdir() if p.is_dir()):
            if not folder.name.startswith(".") and (masks / folder.name).is_dir():
                called = f"{within}{folder.name}/"
                found.add(_pairs(set_name, folder, masks / folder.name, objects, called))
                used.add(masks / folder.name)
    left = [*exact.values(), *(path for paths in numbered.values() for path in paths)]
    found.without_image += sorted(p for p in set(left) - used if p.suffix.lower() not in _BESIDE)
    return found


def _keep(by_name: dict[str, Path], path: Path) -> None:
    """Record a mask file; of two with the same name, prefer any over a JPEG, else the later."""
    if path.stem not in by_name or path.suffix.lower() not in JPEG:
        by_name[path.stem] = path


def _images_in(folder: Path) -> list[Path]:
    """List the images directly in a folder; two files of one image count once."""
    try:
        return list_images(folder)
    except ImageError:
        return []
