"""Results of anymask as true masks: ``NAME.masks.json`` and ``NAME.labels.tif``.

Both are written together; `anymask.io.corrected` says which of them is believed if they differ.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from anymask.datasets.label_files import truth_of_set
from anymask.datasets.types import Found, Objects, Source, Truth
from anymask.files import sha256
from anymask.io.corrected import newest_masks
from anymask.io.listing import list_images
from anymask.io.read_masks import load_masks
from anymask.io.registry import image_suffixes
from anymask.io.results import JSON, LABELS, SUFFIXES, result_path


def is_result(path: Path) -> bool:
    """Whether a file has the name of an anymask result."""
    return path.name.endswith(SUFFIXES)


def is_truth(path: Path) -> bool:
    """Whether a file is a result that contains masks."""
    return path.name.endswith((JSON, LABELS))


def find(folder: Path, set_name: str, objects: Objects, images: Sequence[Path]) -> Found:
    """List the images that have results in a folder or its subfolders.

    Parameters
    ----------
    folder : Path
    set_name : str
    objects : {"auto", "ids", "components", "classes"}
    images : sequence of Path
        Folders in which the images may be.
    """
    found = Found()
    for name in sorted(set(_names(folder))):
        image = _image_of(folder, name, images)
        if image is None:
            stem = folder / name
            paths = (result_path(stem, JSON), result_path(stem, LABELS))
            found.without_image.append(next(path for path in paths if path.is_file()))
        else:
            read = partial(_read, folder / name, objects)
            found.sources.append(Source(set_name, name.as_posix(), image, read))
    return found


def _names(folder: Path) -> Iterator[Path]:
    for suffix in (JSON, LABELS):
        for path in folder.rglob(f"*{suffix}"):
            name = path.relative_to(folder)
            if not any(part.startswith(".") for part in name.parts):
                yield name.with_name(name.name.removesuffix(suffix))


def _image_of(folder: Path, name: Path, places: Sequence[Path]) -> Path | None:
    """Find the image of results, by the name in the JSON file, else by the results' own name."""
    told, content = name.name, None
    try:
        coco = json.loads(result_path(folder / name, JSON).read_text(encoding="utf-8"))
        told = Path(str(coco["images"][0]["file_name"]).replace("\\", "/")).name
        content = coco["info"].get("sha256")
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError):
        pass  # results of another program, or only a label image
    near = list(dict.fromkeys(_candidates(name, told, places)))
    if content is not None and len(near) > 1:
        near.sort(key=lambda path: not _is(path, content))
    if near:
        return near[0]
    # In folders beside the results: the image with the same hash, or the only candidate.
    beside = folder.resolve().parent
    others = [p for p in sorted(beside.iterdir()) if p.is_dir() and not p.name.startswith(".")]
    far = list(dict.fromkeys(_candidates(name, told, others)))
    same = [path for path in far if content is not None and _is(path, content)]
    return same[0] if same else far[0] if len(far) == 1 else None


def _candidates(name: Path, told: str, places: Sequence[Path]) -> Iterator[Path]:
    """Yield images of the right name in folders, or in the subfolder of the results."""
    for place in places:
        for inside in dict.fromkeys((place / name.parent, place)):
            if Path(told).suffix.lower() in image_suffixes() and (inside / told).exists():
                yield inside / told
                continue
            alike = inside.glob(f"{_plain(name.name)}.*") if inside.is_dir() else ()
            beside = [
                path
                for path in sorted(alike)
                if path.stem == name.name
                and path.suffix.lower() in image_suffixes()
                and not is_result(path)
            ]
            if beside:
                yield list_images(beside)[0]


def _is(path: Path, content: str) -> bool:
    return path.is_file() and sha256(path) == content


def _plain(name: str) -> str:
    """Return a glob pattern that matches exactly this name."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)


def _read(stem: Path, objects: Objects, size: tuple[int, int]) -> Truth:
    json_path, label_path = result_path(stem, JSON), result_path(stem, LABELS)
    if not json_path.is_file():
        return truth_of_set(load_masks(label_path), objects)
    masks = newest_masks(json_path, load_masks(json_path))
    return truth_of_set(masks, objects)
