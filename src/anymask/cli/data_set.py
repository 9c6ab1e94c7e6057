"""``--to FORMAT``: a data set with its images, made of results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anymask.cli.console import err, note
from anymask.errors import OutputError
from anymask.io.view import View
from anymask.jobs.inputs import WorkItem

if TYPE_CHECKING:
    from anymask.io.registry import MaskFormat

_RESULTS = "results"
# Longer lists are cut off and counted.
_MOST_LINES = 10


@dataclass(frozen=True)
class DataSet:
    """A data set to write.

    Attributes
    ----------
    form : MaskFormat
    place : Path
        Its folder; the results that it is made of are in ``results`` there.
    replace_existing : bool
        Whether its files may be replaced.
    """

    form: MaskFormat
    place: Path
    replace_existing: bool

    @classmethod
    def named(cls, name: str, place: Path, *, replace_existing: bool) -> DataSet:
        """Look up the format.

        Raises
        ------
        OutputError
            If there is none of this name that holds its images.
        """
        from anymask.io.registry import format_named, written_formats

        form = format_named(name)
        if form.dataset_images is None:
            known = [n for n, f in written_formats().items() if f.dataset_images is not None]
            raise OutputError(
                f"--to {name} is no data set with images; choose from {', '.join(known)}, or "
                "convert the results with 'anymask convert'."
            )
        return cls(form, place, replace_existing)

    @property
    def results(self) -> Path:
        """The folder of the results."""
        return self.place / _RESULTS

    def check_free(self, items: Sequence[WorkItem]) -> None:
        """Refuse to replace a data set, before anything slow begins.

        Raises
        ------
        OutputError
        """
        from anymask.io.write_masks import check_dataset_free

        names = [_name(item) for item in items]
        check_dataset_free(names, self.place, self.form, self.replace_existing)

    def write(self, items: Sequence[WorkItem], view: View) -> None:
        """Write the masks of these items, as their results have them, and their images."""
        from anymask.io.corrected import newest_masks
        from anymask.io.limits import losses
        from anymask.io.read_masks import load_masks
        from anymask.io.results import JSON, result_path
        from anymask.io.write_masks import save_dataset

        if not items:
            return
        pictures = []
        with err.status(f"Writing {self.form.title}"):
            for item in items:
                path = result_path(self.results / item.name, JSON)
                pictures.append((_name(item), newest_masks(path, load_masks(path))))
            save_dataset(
                pictures,
                self.place,
                self.form.name,
                images={_name(item): _Picture(item, view) for item in items},
                copy_images=True,
                overwrite=self.replace_existing,
            )
        print_losses(
            [(name, text) for name, masks in pictures for text in losses(masks, self.form)]
        )
        note(f"{self.place} is a data set now ({self.form.title}), made of {self.results}.")


def print_losses(sentences: Sequence[tuple[str, str]]) -> None:
    """Print what a format could not store of which image, in at most a few lines."""
    for name, sentence in sentences[:_MOST_LINES]:
        note(f"{name}: {sentence}")
    if len(sentences) > _MOST_LINES:
        rest = {name for name, _ in sentences[_MOST_LINES:]}
        note(f"… and similar for {len(rest)} more images.")


@dataclass(frozen=True)
class _Picture:
    """The image of an item, opened when it is needed: as it is, or as the model saw it."""

    item: WorkItem
    view: View

    def __call__(self) -> Any:
        image = self.view.open(self.item.path)
        if self.item.recipe is None and not self.view.options:
            return image
        return self.view.picture(image, self.item.recipe)[0]


def _name(item: WorkItem) -> str:
    """The name of an item's image in the data set."""
    return f"{item.name.as_posix()}{item.path.suffix}"
