"""A job over a folder that answers the prompts of a file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anymask.errors import AnymaskError, PromptError
from anymask.io.view import View
from anymask.jobs.finders import Answers, Finder
from anymask.jobs.folder_job import FolderJob
from anymask.jobs.inputs import Inputs, WorkItem
from anymask.notices import tell
from anymask.prompts.image_names import images_of_names
from anymask.prompts.placing import UNSTATED, TargetImage
from anymask.prompts.prompts import Prompts, listed
from anymask.wording import counted

if TYPE_CHECKING:
    from anymask.model.sam import Sam


@dataclass(frozen=True, kw_only=True)
class PromptJob(FolderJob):
    """How to segment what prompts show in the images of a job; plain data that can be pickled.

    Of the options of "everything", those of tiles apply.

    Attributes
    ----------
    prompts : mapping of Path to Prompts
        Those of each image, as in their file.
    keep_clicked : bool
        As in `SamPredictor`.
    """

    prompts: Mapping[Path, Prompts] = field(default_factory=dict)
    keep_clicked: bool = True

    def __post_init__(self) -> None:
        """Check the options.

        Raises
        ------
        AnymaskError
            If one has nothing to do with prompts, or a wrong value.
        """
        super().__post_init__()
        if others := [name for name in self.options if name not in ("tile_size", "tile_overlap")]:
            raise AnymaskError(
                f"{others[0]}= is for every object of an image; leave it out with prompts=."
            )

    @property
    def finds_everything(self) -> bool:
        """Not every object, but those that prompts show."""
        return False

    def finder(self, sam: Sam) -> Finder:
        """Return what answers the prompts of each image."""
        return Answers(sam, self.prompts, self.keep_clicked, self.options)

    def settings(self) -> dict[str, Any]:
        """Return the settings that all results depend on, for the record of the job."""
        settings = super().settings()
        del settings["options"]
        objects = sum(map(len, self.prompts.values()))
        return {**settings, "prompts": objects, "keep_clicked": self.keep_clicked}

    def made_with(self, item: WorkItem) -> dict[str, Any]:
        """Return the settings that the results of an item depend on, as recorded in them."""
        sha256 = digest(self.prompts[item.path])
        made = super().made_with(item)
        return {**made, "prompts": {"sha256": sha256, "keep_clicked": self.keep_clicked}}


def digest(prompts: Prompts) -> str:
    """Return the SHA-256 of all that masks of these prompts depend on."""
    told = (prompts.class_names, prompts.crs, sorted(prompts.image_sizes.items()))
    sha256 = hashlib.sha256(repr(told).encode())
    for column in (prompts.boxes, prompts.point_coords, prompts.point_labels, prompts.ids):
        sha256.update(f"{column.shape}".encode())
        sha256.update(column.tobytes())
    for outline in prompts.outlines or ():
        sha256.update(b"" if outline is None else outline.tobytes())
    return sha256.hexdigest()


def with_prompts(
    inputs: Inputs, prompts: Prompts, called: str, view: View
) -> tuple[Inputs, dict[Path, Prompts]]:
    """Give each image its prompts, and leave out those that have none.

    Where a file names its images, names decide. Where its coordinates are on a map, every image is
    opened, and gets what lies in it. What is left out is told.

    Parameters
    ----------
    inputs : Inputs
    prompts : Prompts
    called : str
        The name of their file.
    view : View
        How images are opened.

    Returns
    -------
    inputs : Inputs
        Only images that have prompts, or of which the file says that they have none.
    prompts : dict of Path to Prompts
        Those of each image.

    Raises
    ------
    PromptError
        If no image has prompts, or the file does not say which image they are for.
    """
    paths = [item.path for item in inputs.items]
    names = [name for name in prompts.image_sizes if name]
    if not paths or (len(paths) == 1 and len(names) < 2):
        return inputs, dict.fromkeys(paths, prompts)
    if names:
        own = _by_name(prompts, names, paths, called)
    elif prompts.crs not in (None, UNSTATED):
        own = _by_place(prompts, paths, called, view)
    elif by_stem := images_of_names([Path(called).stem], paths):
        own = dict.fromkeys(by_stem.values(), prompts)
    elif prompts.crs is not None:
        own = _by_place(prompts, paths, called, view)
    else:
        raise PromptError(
            f"{called} does not say which image its prompts are for, and {len(paths)} are given; "
            "name the images in it, give one image, or call the file like its image."
        )
    without = [path.name for path in paths if path not in own]
    if without:
        tell(
            f"{called} has no prompts for {counted(len(without), 'image')}, which "
            f"{'is' if len(without) == 1 else 'are'} left out: {listed(without)}."
        )
    return replace(inputs, items=[i for i in inputs.items if i.path in own]), own


def _by_name(
    prompts: Prompts, names: Sequence[str], paths: Sequence[Path], called: str
) -> dict[Path, Prompts]:
    found = images_of_names(names, paths)
    if not found:
        raise PromptError(
            f"None of the images that {called} has prompts for is among the given ones; it names "
            f"{listed(names)}."
        )
    has_some = set(prompts.images)
    missing = [name for name in names if name not in found and name in has_some]
    if missing:
        tell(
            f"{called} has prompts for {counted(len(missing), 'image')} not among the given ones: "
            f"{listed(missing)}."
        )
    return {path: prompts.of(name) for name, path in found.items()}


def _by_place(
    prompts: Prompts, paths: Sequence[Path], called: str, view: View
) -> dict[Path, Prompts]:
    own: dict[Path, Prompts] = {}
    in_none = set(prompts.ids.tolist())
    for path in paths:
        try:
            image = view.open(path)
        except AnymaskError:
            image = None
        on_map = image is not None and TargetImage.of(image).is_on_map
        if image is not None and not on_map and prompts.crs == UNSTATED:
            raise PromptError(
                f"{called} does not say which image its prompts are for, and {path.name} is on no "
                "map; give one image, or call the file like its image."
            )
        if not on_map:
            own[path] = prompts  # the run reports it
            continue
        inside = prompts.select(prompts.lie_in(image))
        in_none -= set(inside.ids.tolist())
        if len(inside):
            own[path] = inside
    if not own:
        raise PromptError(
            f"None of the prompts of {called} lies in one of the images; check that they "
            "belong together, or say what the coordinates are with crs='EPSG:4326', crs='image' or "
            "crs='pixels'."
        )
    if in_none:
        tell(
            f"{len(in_none)} of {counted(len(prompts), 'object')} of {called} lie in none of the "
            f"images (id {listed(map(str, sorted(in_none)))})."
        )
    return own
