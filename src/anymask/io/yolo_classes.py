"""The list of classes that belongs to YOLO's label files, wherever a program puts it.

``data.yaml`` is beside the folder ``labels`` in ultralytics' layout, and above the folders
``train`` and ``valid`` in Roboflow's. It may also have another name, with ``names`` and the places
of the images in it. CVAT writes ``obj.names`` and Label Studio ``classes.txt``, one class a line.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from anymask.errors import ImageError
from anymask.io.guards import read_text
from anymask.notices import tell

YAML = "data.yaml"
LABELS = "labels"
_LISTS = ("classes.txt", "obj.names", "classes.names")
# A YAML file of any name is YOLO's if it has one of these beside the names.
_OWN_KEYS = ("train", "val", "nc", "path")


@dataclass(frozen=True)
class YoloClasses:
    """Class names in numbered order, and the number that means no class."""

    names: list[str]
    unnamed: int | None


def yaml_beside(path: Path) -> Path:
    """The path of the ``data.yaml`` that anymask writes for a label file."""
    for folder in path.parents:
        if folder.name == LABELS:
            return folder.parent / YAML
    return path.with_name(YAML)


def read_yaml(path: Path) -> YoloClasses:
    """Read the names in a YAML file, a list or by number.

    Raises
    ------
    ImageError
        If there are none.
    """
    try:
        return _classes_in(yaml.safe_load(read_text(path)))
    except (yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError, RecursionError):
        raise ImageError(
            f"{path} does not list the classes under 'names'; correct it or move it away."
        ) from None


def classes_near(path: Path) -> YoloClasses:
    """Find the classes of a label file: in its folder, or in those above its data set."""
    for folder in _folders(path):
        if (folder / YAML).is_file():
            return read_yaml(folder / YAML)
        found = {file: classes for file in _yaml_files(folder) if (classes := _own(file))}
        several = list(found.values())
        if several and all(classes == several[0] for classes in several):
            return several[0]
        if several:
            names = " and ".join(file.name for file in found)
            tell(f"{folder} has different classes in {names}; call the right one {YAML}.")
        for name in _LISTS:
            if (folder / name).is_file():
                lines = read_text(folder / name).splitlines()
                return YoloClasses([line.strip() for line in lines if line.strip()], None)
    return YoloClasses([], None)


def _folders(path: Path) -> Iterator[Path]:
    """The folders that may hold the list, from the nearest: two above ``labels`` at most."""
    home = yaml_beside(path.absolute()).parent
    folder = path.absolute().parent
    while folder != home and folder != folder.parent:
        yield folder
        folder = folder.parent
    yield home
    yield home.parent


def _yaml_files(folder: Path) -> list[Path]:
    return sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")])


def _own(path: Path) -> YoloClasses | None:
    """The classes in a YAML file if it describes a YOLO data set."""
    try:
        data = yaml.safe_load(read_text(path))
        return _classes_in(data) if any(key in data for key in _OWN_KEYS) else None
    except Exception:  # somebody else's file
        return None


def _classes_in(data: Any) -> YoloClasses:
    names = data["names"]
    if isinstance(names, dict):
        by_number = {int(number): str(name) for number, name in names.items()}
        names = [by_number.get(i, str(i)) for i in range(max(by_number, default=-1) + 1)]
    unnamed = data.get("unnamed")
    return YoloClasses([str(n) for n in names], unnamed if type(unnamed) is int else None)
