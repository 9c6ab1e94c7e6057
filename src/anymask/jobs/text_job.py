"""A job over a folder that segments what words name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anymask.errors import AnymaskError
from anymask.jobs.finders import Finder, Named
from anymask.jobs.folder_job import FolderJob
from anymask.jobs.inputs import WorkItem

if TYPE_CHECKING:
    from anymask.model.sam import Sam


@dataclass(frozen=True, kw_only=True)
class TextJob(FolderJob):
    """How to segment what words name in the images of a job; plain data that can be pickled.

    Of the options of "everything", ``tile_size`` applies.

    Attributes
    ----------
    words : tuple of str
    prompter : str or None
    min_score : float or None
        As in `predict_text`.
    """

    words: tuple[str, ...]
    prompter: str | None = None
    min_score: float | None = None

    def __post_init__(self) -> None:
        """Check the options.

        Raises
        ------
        AnymaskError
            If one has nothing to do with words, or a wrong value.
        """
        super().__post_init__()
        if others := [name for name in self.options if name != "tile_size"]:
            raise AnymaskError(f"{others[0]} is for every object of an image; leave it out.")
        if self.min_score is not None and not 0 <= self.min_score <= 1:
            raise AnymaskError(f"min_score is {self.min_score:g}; give a number from 0 to 1.")

    @property
    def finds_everything(self) -> bool:
        """Not every object, but those that words name."""
        return False

    def finder(self, sam: Sam) -> Finder:
        """Return what finds the words in each image."""
        tile_size = self.options.get("tile_size")
        return Named(sam, self.words, self.prompter, self.min_score, tile_size, self.device)

    def settings(self) -> dict[str, Any]:
        """Return the settings that all results depend on, for the record of the job."""
        return {**super().settings(), "text": self._text()}

    def made_with(self, item: WorkItem) -> dict[str, Any]:
        """Return the settings that the results of an item depend on, as recorded in them."""
        return {**super().made_with(item), "text": self._text()}

    def _text(self) -> dict[str, Any]:
        return {
            "words": list(self.words),
            "detector": self.prompter,
            "min_score": self.min_score,
        }
