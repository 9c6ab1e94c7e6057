"""The outcomes of a run."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

Status = Literal["done", "kept", "failed", "large"]


@dataclass(frozen=True)
class Outcome:
    """The outcome of one item.

    Attributes
    ----------
    name : str
        The name of its results, relative to the output folder; for an input that is not an image,
        the input itself.
    status : {"done", "kept", "failed", "large"}
        "kept": earlier results were left as they are. "large": it is not done yet, because it is
        too large for one task; runs do such items in blocks and report what becomes of them.
    path : str or None
        The image's file.
    size : tuple of int or None
        Height and width.
    masks : int or None
        Number of masks, or of objects that were measured.
    covered : float or None
        Share of the image covered by masks.
    seconds : float or None
    reason : str
        Why it failed, in one sentence.
    notes : tuple of str
        Further notes for the user.
    sha256 : str or None
        Hash of the image's file, if it was segmented; see `anymask.io.fingerprint`.
    ends_run : bool
        Whether the next item would fail for the same reason (disk full or read-only).
    """

    name: str
    status: Status
    path: str | None = None
    size: tuple[int, int] | None = None
    masks: int | None = None
    covered: float | None = None
    seconds: float | None = None
    reason: str = ""
    notes: tuple[str, ...] = ()
    sha256: str | None = None
    ends_run: bool = False


@dataclass
class FolderReport:
    """The outcomes of all items of a run, in order.

    Attributes
    ----------
    output : Path
        Folder for the results, or the table.
    outcomes : list of Outcome
    own_results : int
        Number of inputs left out because they are results of anymask.
    cancelled : bool
        Whether the run was stopped before its end.
    notes : list of str
        Notes for the user on all of it; those on one item are in its outcome.
    rows : int or None
        Number of rows of the table, if it was written.
    """

    output: Path
    outcomes: list[Outcome] = field(default_factory=list)
    own_results: int = 0
    cancelled: bool = False
    notes: list[str] = field(default_factory=list)
    rows: int | None = None

    @property
    def done(self) -> list[Outcome]:
        """Items that were done in this run."""
        return self._of("done")

    @property
    def kept(self) -> list[Outcome]:
        """Items whose earlier results were kept."""
        return self._of("kept")

    @property
    def failed(self) -> list[Outcome]:
        """Items that could not be done; `Outcome.reason` says why."""
        return self._of("failed")

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-ready data."""
        table = {} if self.rows is None else {"rows": self.rows}
        return {
            "output": str(self.output),
            **table,
            "done": len(self.done),
            "kept": len(self.kept),
            "failed": len(self.failed),
            "cancelled": self.cancelled,
            "notes": self.notes,
            "outcomes": [
                {k: v for k, v in asdict(each).items() if k != "ends_run"} for each in self.outcomes
            ],
        }

    def _of(self, status: Status) -> list[Outcome]:
        return [each for each in self.outcomes if each.status == status]
