"""One run of ``anymask everything``: picture after picture, whatever happens to one of them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from anymask import __version__
from anymask.cli.console import complain, err, out
from anymask.cli.inputs import Picture
from anymask.cli.view import View, fingerprint
from anymask.errors import AnymaskError, OutputError
from anymask.export.results import JSON, SUFFIXES, result_path, write_results
from anymask.files import is_lasting

if TYPE_CHECKING:
    from anymask.images.image import Image
    from anymask.model.sam import Sam
    from anymask.predict.everything.generator import SamAutomaticMaskGenerator

# A longer table says less than its last line.
_MOST_ROWS = 40


@dataclass(frozen=True)
class _Row:
    """What became of one picture, for the summary."""

    name: str
    status: Literal["done", "kept", "failed"]
    size: str = ""
    masks: int | None = None
    covered: float | None = None
    seconds: float | None = None


class FolderRun:
    """Segments pictures into a folder and keeps the books.

    Parameters
    ----------
    output : Path
        Folder of the results.
    model : str
        What the model was called, for the COCO files.
    options : mapping
        Options of `SamAutomaticMaskGenerator` that differ from the model's defaults.
    view : View
        How pictures are shown to the model.
    skip_existing : bool
        Whether `is_done` looks for earlier results.
    """

    def __init__(
        self,
        output: Path,
        model: str,
        options: Mapping[str, Any],
        view: View,
        *,
        skip_existing: bool,
    ) -> None:
        self.output = output
        self.model = model
        self.options = dict(options)
        self.view = view
        self.skip_existing = skip_existing
        self._rows: list[_Row] = []
        # The last file opened, for its next pseudo-RGB.
        self._opened: tuple[Path, Image] | None = None
        self._fingerprints: dict[Path, str] = {}

    @property
    def failures(self) -> int:
        """How many pictures failed."""
        return sum(row.status == "failed" for row in self._rows)

    def failed(self, name: str) -> None:
        """Count one that failed; its reason has been told already."""
        self._rows.append(_Row(name, "failed"))

    def is_done(self, picture: Picture) -> bool:
        """Whether results exist from a file of the same content, model and options."""
        stem = self.output / picture.name
        if not self.skip_existing or not all(result_path(stem, s).is_file() for s in SUFFIXES):
            return False
        try:
            coco = json.loads(result_path(stem, JSON).read_text(encoding="utf-8"))
            wanted = self._made_with(picture)
            if {key: coco["info"].get(key) for key in (*wanted, "view")} != {
                "view": None,
                **wanted,
            }:
                return False
            count = len(coco["annotations"])
        except (OSError, ValueError, KeyError, TypeError):
            return False
        self._rows.append(_Row(str(picture.name), "kept", masks=count))
        return True

    def _made_with(self, picture: Picture) -> dict[str, Any]:
        # points_per_batch changes no mask.
        options = {k: v for k, v in self.options.items() if k != "points_per_batch"}
        view = self.view.made_with(picture.recipe)
        if picture.path not in self._fingerprints:
            self._fingerprints[picture.path] = fingerprint(picture.path, self.view.header)
        return {
            "model": self.model,
            "options": options,
            "sha256": self._fingerprints[picture.path],
            **({"view": view} if view else {}),
        }

    def segment(self, pictures: Sequence[Picture], load: Callable[[], Sam]) -> None:
        """Segment the pictures one after another.

        Parameters
        ----------
        pictures : sequence of Picture
        load : callable
            Returns the model.

        Raises
        ------
        OutputError
            If the disk is full or read-only: the next picture would meet that too. Every other
            error of a picture is reported and counted.
        """
        from anymask.predict.everything.generator import SamAutomaticMaskGenerator

        generator = SamAutomaticMaskGenerator(load(), **self.options)
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]}"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bars:
            over = bars.add_task("All pictures", total=len(pictures), unit="pictures")
            within = bars.add_task("", total=None, unit="points")
            for picture in pictures:
                bars.reset(within, description=_called(picture), total=None)

                def advance(done: int, total: int) -> None:
                    bars.update(within, completed=done, total=total)

                self._segment_one(generator, picture, advance)
                bars.advance(over)

    def _segment_one(
        self,
        generator: SamAutomaticMaskGenerator,
        picture: Picture,
        advance: Callable[[int, int], None],
    ) -> None:
        name = str(picture.path)
        told = name if picture.recipe is None else f"{name} ({picture.recipe.name})"
        try:
            self._rows.append(self._results_of(generator, picture, advance))
        except Exception as error:
            self.failed(str(picture.name))
            if isinstance(error, OutputError) and is_lasting(error):
                raise
            if isinstance(error, AnymaskError):
                reason = str(error)
            else:
                reason = f"{type(error).__name__}: {error}"
            known = name in reason and picture.recipe is None
            complain(reason if known else f"{told}: {reason}")
        else:
            if not err.is_terminal:
                row = self._rows[-1]
                typer.echo(f"{told}: {row.masks} masks in {row.seconds:.1f} s", err=True)

    def _results_of(
        self,
        generator: SamAutomaticMaskGenerator,
        picture: Picture,
        advance: Callable[[int, int], None],
    ) -> _Row:
        began = time.perf_counter()
        image = self._open(picture.path)
        rgb, notes = self.view.picture(image, picture.recipe)
        for note in notes:
            err.print(Text(note, style="yellow"), soft_wrap=True)
        masks = generator.generate_masks(rgb, progress=advance)
        info = {"description": f"anymask {__version__}", **self._made_with(picture)}
        write_results(
            self.output / picture.name,
            rgb,
            masks,
            image_name=picture.path.name,
            info=info,
            pixel_size=image.pixel_size,
            unit=image.unit,
            geo=image.geo,
        )
        height, width = masks.image_size
        covered = (masks.to_labels() > 0).mean() if len(masks) else 0.0
        return _Row(
            str(picture.name),
            "done",
            f"{width}×{height}",
            len(masks),
            float(covered),
            time.perf_counter() - began,
        )

    def _open(self, path: Path) -> Image:
        if self._opened is None or self._opened[0] != path:
            self._opened = None  # so that two are never in memory together
            self._opened = (path, self.view.open(path))
        return self._opened[1]

    def print_summary(self) -> None:
        """Print a table of the pictures, or of the failed ones if there are very many."""
        if not self._rows:
            return
        shown = self._rows
        if len(shown) > _MOST_ROWS:
            shown = [row for row in shown if row.status == "failed"][:_MOST_ROWS]
        if shown:
            table = Table()
            table.add_column("Results", overflow="fold")
            for heading in ("Size", "Masks", "Covered", "Seconds"):
                table.add_column(heading, justify="right")
            table.add_column("")
            # Folders only where file names alone would not tell the pictures apart.
            bare = len({Path(row.name).name for row in shown}) == len(shown)
            for row in shown:
                table.add_row(
                    Text(Path(row.name).name if bare else row.name),
                    row.size,
                    "" if row.masks is None else str(row.masks),
                    "" if row.covered is None else f"{row.covered:.0%}",
                    "" if row.seconds is None else f"{row.seconds:.1f}",
                    Text(row.status, style="red" if row.status == "failed" else ""),
                )
            out.print(table)
        counts = {s: sum(row.status == s for row in self._rows) for s in ("done", "kept", "failed")}
        parts = [f"{number} {status}" for status, number in counts.items() if number]
        out.print(Text(f"{', '.join(parts)}; results in {self.output}"))
        empty = sum(row.masks == 0 for row in self._rows)
        if empty:
            message = (
                f"No mask was good enough in {empty} of them: lower --pred-iou-thresh and "
                "--stability-score-thresh to see more."
            )
            err.print(Text(message, style="yellow"), soft_wrap=True)


def _called(picture: Picture) -> str:
    name = picture.path.name
    return name if picture.recipe is None else f"{name} ({picture.recipe.name})"
