"""The ways in which images and masks lie on disk.

- ``images/x.jpg`` with ``masks/x.png``: a label image (0 for background, one id an object) or a
  binary mask. The folders may also be called ``image``, ``img``, ``imgs`` and ``mask``,
  ``labels``, ``label``, ``annotations``, ``gt``, and may have folders of the same names in them.
  A file of an annotation tool that `anymask.load_masks` reads may stand for the mask.
- ``images/x.jpg`` with ``masks/x/*.png``: a folder of binary masks, one an object.
- ``x.png`` with ``x_masks.png`` in one folder (also ``_mask``, ``_label``, ``_labels``, ``_gt``);
  several of them, as ``x_mask.png`` and ``x_mask_1.png``, are several objects.
- ``x.jpg`` with LabelMe's ``x.json`` in one folder.
- What anymask wrote: ``x.masks.json`` and ``x.labels.tif``, with the images in the same folder,
  the one above, or a folder beside it.
- COCO's JSON beside its images, or in ``annotations/`` with the images in a folder beside that.
- A folder whose subfolders are any of these.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from anymask.errors import ImageError
from anymask.evaluation import coco_files, label_files, result_files
from anymask.evaluation.data import Objects, Source
from anymask.evaluation.label_files import ANNOTATIONS, JPEG, PICTURES
from anymask.images.listing import list_images

_IMAGE_FOLDERS = ("images", "image", "imgs", "img")
_MASK_FOLDERS = ("masks", "mask", "labels", "label", "annotations", "gt")
_MASK_NAME = re.compile(r"(?P<image>.+)_(masks?|labels?|gt)(_\d+)?", re.DOTALL)
# Files about a data set, in which no image and no mask is.
_NOTES = (".txt", ".md", ".csv", ".pdf", ".html", ".py", "")
_ABOUT = ("split.json", "set.json", "Thumbs.db")
# Beside an image of the same name, these are not something else.
_BESIDE = (".json", ".geojson")


@dataclass
class Found:
    """What a place holds.

    Attributes
    ----------
    sources : list of Source
        Images with masks.
    without_masks : list of Path
        Images of a set that have none.
    without_image : list of Path
        Masks whose image is not there, and images that an annotation file names in vain.
    """

    sources: list[Source] = field(default_factory=list)
    without_masks: list[Path] = field(default_factory=list)
    without_image: list[Path] = field(default_factory=list)

    def add(self, other: Found) -> None:
        """Add what another place holds."""
        self.sources += other.sources
        self.without_masks += other.without_masks
        self.without_image += other.without_image


def find(place: Path, objects: Objects = "auto", images: Sequence[Path] = ()) -> Found:
    """Find the images with masks of a data set, or of the data sets in a folder.

    Parameters
    ----------
    place : Path
        A folder or a COCO JSON file.
    objects : {"auto", "ids", "components", "classes"}
        As in `open_examples`.
    images : sequence of Path
        Where the images of results of anymask are, if not beside them.

    Raises
    ------
    ImageError
        If there is no such place or no image with masks in it.
    """
    if place.is_file() and place.suffix.lower() == ".json":
        name = _set_name(coco_files.folder_of(place))
        found = Found(*coco_files.find(place, name, objects, required=True))
    elif place.is_dir():
        place = innermost(place)
        found = _set_in(place, objects, images)
        if not found.sources:
            found = Found()  # not of the pictures that happen to lie beside the sets
            for folder in sorted(p for p in place.iterdir() if p.is_dir()):
                if not folder.name.startswith("."):
                    found.add(_set_in(folder, objects, images))
        used = {source.image for source in found.sources}
        found.without_masks = [path for path in found.without_masks if path not in used]
    else:
        raise ImageError(f"There is no folder or JSON file {place}; check the name.")
    if not found.sources:
        raise ImageError(
            f"No image with masks was found in {place}; give a folder with images/ and masks/ "
            "(files of the same names), or a COCO JSON file."
        )
    return found


def innermost(place: Path) -> Path:
    """The folder below that holds more than one folder: archives often unpack to one in another.

    Notes beside that one folder do not count.
    """
    while place.is_dir():
        inside = [p for p in place.iterdir() if not p.name.startswith(".") and not _is_note(p)]
        if len(inside) != 1 or not inside[0].is_dir() or inside[0].is_symlink():
            break
        place = inside[0]
    return place


def _is_note(path: Path) -> bool:
    return path.is_file() and (path.suffix.lower() in _NOTES or path.name in _ABOUT)


def _set_in(folder: Path, objects: Objects, places: Sequence[Path]) -> Found:
    """What a folder holds that is itself one data set; no sources if it is not."""
    name = _set_name(folder)
    images = next((folder / n for n in _IMAGE_FOLDERS if (folder / n).is_dir()), None)
    masks = next((folder / n for n in _MASK_FOLDERS if (folder / n).is_dir()), None)
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


def _set_name(folder: Path) -> str:
    """The name in ``set.json`` if there is one, else the folder's."""
    try:
        name = json.loads((folder / "set.json").read_text(encoding="utf-8"))["name"]
    except (OSError, ValueError, KeyError, TypeError):
        name = folder.resolve().name
    return str(name)


def _results(folder: Path, name: str, objects: Objects, places: Sequence[Path]) -> Found:
    """Results of anymask directly in a folder, and then also those in folders in it."""
    if not any(result_files.is_truth(path) for path in folder.iterdir()):
        return Found()
    above = [folder, folder.resolve().parent]
    inside = [place / called for place in above for called in _IMAGE_FOLDERS]
    sources, missing = result_files.find(folder, name, objects, [*places, *above, *inside])
    return Found(sources, [], missing)


def _coco(folder: Path, name: str, objects: Objects) -> Found:
    """The images of all COCO files in a folder or its ``annotations/``, each once."""
    found = Found()
    taken: set[Path] = set()
    for place in (folder, folder / "annotations"):
        for path in sorted(place.glob("*.json")):
            of_file = Found(*coco_files.find(path, name, objects, required=False))
            if of_file.sources:
                of_file.sources = [s for s in of_file.sources if s.image not in taken]
                taken.update(source.image for source in of_file.sources)
                found.add(of_file)
    found.without_masks = sorted(set(found.without_masks) - taken)
    return found


def _pairs(set_name: str, images: Path, masks: Path, objects: Objects, within: str = "") -> Found:
    """Images and masks that belong together by their names."""
    apart = masks != images  # in one folder with the images, only the name tells a mask
    exact: dict[str, Path] = {}
    numbered: dict[str, list[Path]] = {}
    for path in sorted(p for p in masks.iterdir() if not p.name.startswith(".")):
        suffix = path.suffix.lower()
        if path.is_dir():
            if apart:
                exact[path.name] = path
        elif suffix in PICTURES and (parts := _MASK_NAME.fullmatch(path.stem)):
            numbered.setdefault(parts["image"], []).append(path)
            if apart:
                _keep(exact, path)
        elif suffix in (PICTURES + ANNOTATIONS if apart else _BESIDE):
            _keep(exact, path)
    found = Found()
    used: set[Path] = set()
    for path in _pictures(images):
        own = [exact[path.stem]] if path.stem in exact else numbered.get(path.stem, [])
        own = [p for p in own if p != path]
        if own:
            read = partial(label_files.truth_of, own, objects)
            found.sources.append(Source(set_name, within + path.stem, path, read))
            used.update(own)
        elif apart or not _MASK_NAME.fullmatch(path.stem):
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
    """Note a mask file; of two with one name not the JPEG, else the later."""
    if path.stem not in by_name or path.suffix.lower() not in JPEG:
        by_name[path.stem] = path


def _pictures(folder: Path) -> list[Path]:
    """The pictures directly in a folder, each once even where two files make one."""
    try:
        return list_images(folder)
    except ImageError:
        return []
