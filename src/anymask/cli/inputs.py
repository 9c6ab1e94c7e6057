"""The pictures that a command was given: files, folders and patterns taken apart."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from anymask.cli.names import output_names
from anymask.errors import ImageError

if TYPE_CHECKING:
    from anymask.images.recipes import Recipe


# What other commands write beside pictures, in formats that are also those of pictures.
_OTHER_RESULTS = (
    *(".semantic.png", ".binary.png", ".scores.npz", ".scores.tif", ".masks.npz", ".labels.npz"),
)


@dataclass(frozen=True)
class Picture:
    """One picture to segment.

    Attributes
    ----------
    path : Path
        The file.
    name : Path
        What its results are called, relative to the output folder and without their endings.
    recipe : Recipe, optional
        The pseudo-RGB to make of it.
    """

    path: Path
    name: Path
    recipe: Recipe | None = None

    def with_recipes(self, recipes: Sequence[Recipe]) -> list[Picture]:
        """Return one picture for each pseudo-RGB, named by both; itself if there is none."""
        if not recipes:
            return [self]
        return [
            replace(self, name=self.name.with_name(f"{self.name.name}.{how.name}"), recipe=how)
            for how in recipes
        ]


@dataclass(frozen=True)
class Inputs:
    """What the arguments of a command came to.

    Attributes
    ----------
    pictures : list of Picture
        In the order given, each file once.
    unusable : list of (str, str)
        Arguments that name no picture, and why.
    own_results : int
        How many files were left out because anymask wrote them: overlays and label images.
    """

    pictures: list[Picture]
    unusable: list[tuple[str, str]]
    own_results: int


def gather(arguments: Sequence[str]) -> Inputs:
    """Expand files, folders and patterns to pictures and name their results."""
    from anymask.export.results import LABELS, OVERLAY
    from anymask.images.listing import list_images

    # By absolute path, but with links kept: they have names of their own.
    found: dict[Path, tuple[Path, Path]] = {}
    unusable: list[tuple[str, str]] = []
    own: set[Path] = set()
    for argument in arguments:
        try:
            paths = list_images(argument)
        except ImageError as error:
            unusable.append((argument, str(error)))
            continue
        root = _root(argument)
        for path in paths:
            absolute = Path(os.path.abspath(path))
            if path.name.endswith((OVERLAY, LABELS, *_OTHER_RESULTS)):
                own.add(absolute)
            else:
                relative = path.relative_to(root) if root else Path(path.name)
                found.setdefault(absolute, (path, relative))
    pairs = list(found.values())
    pictures = [
        Picture(path, name) for (path, _), name in zip(pairs, output_names(pairs), strict=True)
    ]
    return Inputs(pictures, unusable, len(own))


def _root(argument: str) -> Path | None:
    """The folder below which an argument's pictures lie; None for a single file."""
    from anymask.images.listing import is_image_folder

    path = Path(argument)
    if path.is_dir() and not is_image_folder(path):
        return path
    if path.exists():
        return None
    fixed = []
    for part in path.parts:
        if glob.has_magic(part):
            break
        fixed.append(part)
    return Path(*fixed)
