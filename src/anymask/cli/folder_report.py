"""Terminal output of a folder run: progress bars while it runs, a table at the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from anymask.cli.console import complain, err, note, out
from anymask.jobs.inputs import WorkItem
from anymask.jobs.report import FolderReport, Outcome
from anymask.jobs.work_through import FolderProgress, OnProgress
from anymask.wording import counted

# Longer tables show only the images that failed.
_MOST_ROWS = 40
# Of more images in work at a time, the first ones have a bar.
_MOST_BARS = 8


@contextmanager
def shown(items: int, *, what: str = "mask", notes: bool = True) -> Iterator[OnProgress]:
    """Show a bar for all images and one for the points of each in work; without a terminal, lines.

    Parameters
    ----------
    items : int
        Number of images.
    what : str
        What is counted in each.
    notes : bool
        Whether notes on each image are shown too.
    """
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[unit]}"),
        TimeRemainingColumn(),
    )
    hidden = not err.is_terminal or not items
    with Progress(*columns, console=err, transient=True, disable=hidden) as bars:
        over = bars.add_task("All images", total=items, unit="images")
        within: dict[int, TaskID] = {}

        def progress(now: FolderProgress) -> None:
            if now.outcome is not None:
                bars.advance(over)
                if now.index in within:
                    bars.remove_task(within.pop(now.index))
                _tell(now.item, now.outcome, what, notes)
            elif now.index in within:
                total = now.points_in_all or None
                bars.update(within[now.index], completed=now.points, total=total)
            elif len(within) < _MOST_BARS:
                within[now.index] = bars.add_task(now.item.title, total=None, unit="points")

        yield progress


def _tell(item: WorkItem, outcome: Outcome, what: str, notes: bool) -> None:
    """Print the outcome of one image, unless the bars or the end of the run show it."""
    for said in outcome.notes if notes else ():
        note(said)
    if outcome.status == "failed":
        if not outcome.ends_run:
            complain(item.about(outcome.reason))
    elif not err.is_terminal:
        result = f"{counted(outcome.masks or 0, what)} in {outcome.seconds:.1f} s"
        typer.echo(f"{item.path.with_name(item.title)}: {result}", err=True)


def print_summary(report: FolderReport, of_no_masks: str) -> None:
    """Print a table of the images, or only of failed ones if there are very many.

    Parameters
    ----------
    report : FolderReport
    of_no_masks : str
        What to say if images have none, after how many they are.
    """
    if not report.outcomes:
        return
    rows = report.outcomes if len(report.outcomes) <= _MOST_ROWS else report.failed[:_MOST_ROWS]
    if rows:
        out.print(_table(rows))
    counts = {"done": report.done, "kept": report.kept, "failed": report.failed}
    parts = [f"{len(found)} {status}" for status, found in counts.items() if found]
    out.print(Text(f"{', '.join(parts)}; results in {report.output}"))
    empty = sum(each.masks == 0 for each in report.outcomes)
    if empty:
        err.print(
            Text(f"No masks were found in {empty} of them{of_no_masks}.", style="yellow"),
            soft_wrap=True,
        )


def _table(outcomes: list[Outcome]) -> Table:
    table = Table()
    table.add_column("Results", overflow="fold")
    for heading in ("Size", "Masks", "Covered", "Seconds"):
        table.add_column(heading, justify="right")
    table.add_column("")
    # Show folders only if file names alone are ambiguous.
    bare = len({Path(each.name).name for each in outcomes}) == len(outcomes)
    for each in outcomes:
        table.add_row(
            Text(Path(each.name).name if bare else each.name),
            "" if each.size is None else f"{each.size[1]}×{each.size[0]}",
            "" if each.masks is None else str(each.masks),
            "" if each.covered is None else f"{each.covered:.0%}",
            "" if each.seconds is None else f"{each.seconds:.1f}",
            Text(each.status, style="red" if each.status == "failed" else ""),
        )
    return table
