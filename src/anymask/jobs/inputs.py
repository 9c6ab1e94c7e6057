"""The images of a job: expand files, folders and patterns, and name the results."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from anymask.errors import ImageError
from anymask.jobs.result_names import output_names
from anymask.notices import tell

if TYPE_CHECKING:
    from anymask.images.recipes import Recipe
    from anymask.io.view import View


@dataclass(frozen=True)
class WorkItem:
    """One image to process, or one pseudo-RGB of it.

    Attributes
    ----------
    path : Path
        The file.
    name : Path
        The name of its results, relative to the output folder and without their endings.
    recipe : Recipe, optional
        The pseudo-RGB to make from it.
    """

    path: Path
    name: Path
    recipe: Recipe | None = None

    @property
    def title(self) -> str:
        """The file's name, with the pseudo-RGB's name in parentheses."""
        return self._with_recipe(self.path.name)

    def about(self, sentence: str) -> str:
        """Put the file in front of a message that does not name it."""
        if self.recipe is None and str(self.path) in sentence:
            return sentence
        return f"{self._with_recipe(str(self.path))}: {sentence}"

    def with_recipes(self, recipes: Sequence[Recipe]) -> list[WorkItem]:
        """Return one item per pseudo-RGB, named after both; itself if there are none."""
        if not recipes:
            return [self]
        return [
            replace(self, name=self.name.with_name(f"{self.name.name}.{how.name}"), recipe=how)
            for how in recipes
        ]

    def _with_recipe(self, name: str) -> str:
        return name if self.recipe is None else f"{name} ({self.recipe.name})"


@dataclass(frozen=True)
class Inputs:
    """The result of expanding files, folders and patterns.

    Attributes
    ----------
    items : list of WorkItem
        In the given order, each file once.
    unusable : list of (str, str)
        Arguments that are not images, with the reason.
    own_results : int
        Number of files left out because they are named like results of anymask.
    """

    items: list[WorkItem]
    unusable: list[tuple[str, str]]
    own_results: int


def gather(arguments: Sequence[str], view: View | None = None) -> Inputs:
    """Expand files, folders and patterns to images and name their results.

    A folder with the slices of a DICOM series is one volume if the view names a plane of it, or one
    of several series.

    Parameters
    ----------
    arguments : sequence of str
    view : View, optional
        How the images are shown.

    Warns
    -----
    ReadingNotice
        If the slices of a volume become images of their own.
    """
    from anymask.io.listing import list_images
    from anymask.io.results import is_result

    # Absolute paths, but links are not resolved, because they have their own names.
    found: dict[Path, tuple[Path, Path]] = {}
    unusable: list[tuple[str, str]] = []
    own: set[Path] = set()
    for argument in arguments:
        series = None if view is None else _series_in(Path(argument))
        if series and view and ("z" in view.planes or "series" in view.reading):
            absolute = Path(os.path.abspath(argument))
            path = Path(argument) if Path(argument).name else absolute
            found.setdefault(absolute, (path, Path(absolute.name)))
            continue
        try:
            paths = list_images(argument)
        except ImageError as error:
            unusable.append((argument, str(error)))
            continue
        if series and len(paths) > 1:
            tell(
                f"{argument} holds the {len(paths)} slices of a {series} series, and each is taken "
                'as an image of its own; z="middle", z="max" or another plane takes them as one '
                "volume, in the order of their positions."
            )
        root = _root(argument)
        for path in paths:
            absolute = Path(os.path.abspath(path))
            if is_result(path):
                own.add(absolute)
            else:
                relative = path.relative_to(root) if root else Path(path.name)
                found.setdefault(absolute, (path, relative))
    pairs = list(found.values())
    items = [
        WorkItem(path, name) for (path, _), name in zip(pairs, output_names(pairs), strict=True)
    ]
    return Inputs(items, unusable, len(own))


def _series_in(path: Path) -> str | None:
    """The format of a folder whose images are the slices of volumes; None for other places."""
    from anymask.io.guards import reading
    from anymask.io.registry import image_format_of_folder

    if not path.is_dir():
        return None
    with reading(path):
        form = image_format_of_folder(path)
    return None if form is None else form.name


def _root(argument: str) -> Path | None:
    """The folder that contains an argument's images; None for a single file."""
    from anymask.io.listing import fixed_part, is_image_folder

    path = Path(argument)
    if path.is_dir() and not is_image_folder(path):
        return path
    if path.exists():
        return None
    return fixed_part(path)
