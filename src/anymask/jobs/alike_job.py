"""A job over a folder that finds what is like some examples."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from anymask.errors import AnymaskError, PromptError
from anymask.files import whole_file
from anymask.images.image import Image
from anymask.io.fingerprint import fingerprint
from anymask.io.mask_formats.npz_runs import read_runs, save
from anymask.io.read_masks import load_masks
from anymask.io.write_context import WriteContext
from anymask.jobs.finders import Advance, Finder
from anymask.jobs.folder_job import FolderJob
from anymask.jobs.inputs import WorkItem
from anymask.masks.mask_set import MaskSet
from anymask.painting import enlargement, overlay
from anymask.predict.alike.finding import AlikeFinder, spectrum_of
from anymask.predict.alike.found_alike import FoundAlike

if TYPE_CHECKING:
    from anymask.model.sam import Sam

FOLDER = ".alike"
"""In the folder of the results: candidates of the images, and all candidates with their scores."""
LEAST_CERTAIN = "least_certain.csv"
_NO_RECIPE = ""


@dataclass(frozen=True)
class ShownObject:
    """An object of an image file that is wanted, or is not.

    Attributes
    ----------
    image : Path
    wanted : bool
    kind : {"box", "point", "mask"}
    numbers : tuple of float
        Of a box (x0, y0, x1, y1) or a point (x, y).
    masks : Path or None
        A file with masks of the image, all of which are shown.
    """

    image: Path
    wanted: bool
    kind: Literal["box", "point", "mask"]
    numbers: tuple[float, ...] = ()
    masks: Path | None = None

    def load(self, image: Image) -> Any:
        """Return the object as `anymask.find_alike` takes it."""
        if self.masks is None:
            return np.array(self.numbers, np.float64)
        return load_masks(self.masks, image=image)


@dataclass(frozen=True, kw_only=True)
class AlikeJob(FolderJob):
    """What to find in the images of a job; plain data that can be pickled.

    Of the options of "everything", `points_per_side` applies.

    Attributes
    ----------
    shown : tuple of ShownObject
        At least one is wanted.
    threshold : float or None
        The lowest likeness; None lets each image set its own.
    """

    shown: tuple[ShownObject, ...] = ()
    threshold: float | None = None

    def __post_init__(self) -> None:
        """Check the options.

        Raises
        ------
        AnymaskError
            If one has nothing to do with this, no example is shown, or the threshold is wrong.
        """
        super().__post_init__()
        if others := [name for name in self.options if name != "points_per_side"]:
            raise AnymaskError(f"{others[0]} is for every object of an image; leave it out.")
        if not any(each.wanted for each in self.shown):
            raise PromptError("No example is shown; give at least one object of the wanted kind.")
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise AnymaskError(
                f"The threshold is {self.threshold}; give a likeness from 0 to 1, such as 0.5."
            )

    @property
    def finds_everything(self) -> bool:
        """Not every object, but those like the examples."""
        return False

    @property
    def folder(self) -> Path:
        """Where candidates are kept."""
        return self.output / FOLDER

    def scored(self, item: WorkItem) -> Path:
        """The file with all candidates of an item and their likeness."""
        return self.folder / "scored" / item.name.with_name(item.name.name + ".npz")

    def finder(self, sam: Sam) -> Finder:
        """Return what finds objects like the examples."""
        return Alike(sam, self)

    def settings(self) -> dict[str, Any]:
        """Return the settings that all results depend on, for the record of the job."""
        numbers = [sum(each.wanted is wanted for each in self.shown) for wanted in (True, False)]
        own = {"examples": numbers[0], "negatives": numbers[1], "threshold": self.threshold}
        return {**super().settings(), **own}

    def made_with(self, item: WorkItem) -> dict[str, Any]:
        """Return the settings that the results of an item depend on, as recorded in them."""
        digest = hashlib.sha256()
        for each in self.shown:
            files = [each.image] if each.masks is None else [each.image, each.masks]
            hashes = [fingerprint(file, None) for file in files]
            digest.update(repr((each.wanted, each.kind, each.numbers, hashes)).encode())
        own = {"sha256": digest.hexdigest(), "threshold": self.threshold}
        return {**super().made_with(item), "alike": own}


class Alike:
    """The objects of each image that are like the examples of a job."""

    def __init__(self, sam: Sam, job: AlikeJob) -> None:
        self._sam, self._job = sam, job
        # One for each pseudo-RGB, which is described on its own.
        self._finders: dict[str, AlikeFinder] = {}

    def find(
        self, item: WorkItem, image: Image, rgb: NDArray[np.uint8], advance: Advance | None
    ) -> MaskSet:
        """Return the objects like the examples, and keep all candidates with their scores."""
        finder = self._finder_of(item)
        found = finder.find(rgb, spectrum=spectrum_of(image), progress=advance)
        path = self._job.scored(item)
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as part:
            save(part, found.candidates, WriteContext(item.path.name))
        return found.masks(self._job.threshold)

    def painted(self, rgb: NDArray[np.uint8], masks: MaskSet) -> NDArray[np.uint8]:
        """Paint the masks over the image, enlarged if it is very small."""
        return overlay(rgb, masks, scale=enlargement(rgb.shape))

    def _finder_of(self, item: WorkItem) -> AlikeFinder:
        name = _NO_RECIPE if item.recipe is None else item.recipe.name
        if name not in self._finders:
            job = self._job
            finder = AlikeFinder(self._sam, cache=job.folder, **job.options)
            for path in dict.fromkeys(each.image for each in job.shown):
                image = job.view.image(path)
                rgb, _ = job.view.picture(image, item.recipe)
                good, bad = (
                    [e.load(image) for e in job.shown if e.image == path and e.wanted is wanted]
                    for wanted in (True, False)
                )
                finder.show(rgb, good, bad, spectrum=spectrum_of(image))
            self._finders[name] = finder
        return self._finders[name]


def least_certain(job: AlikeJob, items: Sequence[WorkItem]) -> list[dict[str, Any]]:
    """Return the candidates of all images that a person should look at first.

    Parameters
    ----------
    job : AlikeJob
    items : sequence of WorkItem
        Those without results are left out.

    Returns
    -------
    list of dict
        Each with `image`, `likeness`, `threshold`, `taken` (whether it is among the results) and
        `box`, the least certain first.
    """
    rows = []
    for item in items:
        path = job.scored(item)
        if not path.is_file():
            continue
        found = FoundAlike.of(read_runs(path), job.threshold)
        order = found.least_certain()
        for index, gap in zip(order, found.uncertainty(order), strict=True):
            box = found.candidates.boxes[index]
            row: Mapping[str, Any] = {
                "image": str(item.path),
                "likeness": round(float(found.likeness[index]), 4),
                "threshold": round(found.threshold, 4),
                "taken": bool(found.likeness[index] >= found.threshold),
                "box": ",".join(map(str, box.tolist())),
            }
            rows.append((float(gap), dict(row)))
    return [row for _, row in sorted(rows, key=lambda each: each[0])]


def write_least_certain(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the rows of `least_certain` as CSV."""
    with whole_file(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["image", "likeness", "threshold", "taken", "box"])
        writer.writeheader()
        writer.writerows(rows)


def parse_shown(text: str, *, wanted: bool) -> ShownObject:
    """Parse ``IMAGE:box=x0,y0,x1,y1``, ``IMAGE:point=x,y`` or ``IMAGE:mask=FILE``.

    Raises
    ------
    PromptError
        If the text is not of this form, or a file does not exist.

    Examples
    --------
    >>> parse_shown("missing.png:box=10,20,80,90", wanted=True)
    Traceback (most recent call last):
    ...
    anymask.errors.PromptError: There is no file missing.png, which is named as an example.
    """
    place, _, shown = text.rpartition(":")
    kind, equals, value = shown.partition("=")
    if not place or not equals or kind not in ("box", "point", "mask"):
        raise PromptError(
            f"{text!r} is not IMAGE:box=x0,y0,x1,y1, IMAGE:point=x,y or IMAGE:mask=FILE; write for "
            "instance leaves.png:box=10,20,80,90."
        )
    files = [Path(place), *([Path(value)] if kind == "mask" else [])]
    for file in files:
        if not file.exists():
            raise PromptError(f"There is no file {file}, which is named as an example.")
    if kind == "mask":
        return ShownObject(files[0], wanted, "mask", masks=files[1])
    try:
        numbers = tuple(float(each) for each in value.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != (4 if kind == "box" else 2) or not np.isfinite(numbers).all():
        raise PromptError(
            f"In {text!r}, {value!r} is not a {kind} in pixels; write "
            f"{'box=x0,y0,x1,y1' if kind == 'box' else 'point=x,y'}."
        )
    return ShownObject(files[0], wanted, "box" if kind == "box" else "point", numbers)
