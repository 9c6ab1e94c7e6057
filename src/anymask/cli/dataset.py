"""``anymask dataset``: check annotated images before training on them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from anymask.cli.console import EXIT_SOME_FAILED, err, errors_as_sentences, out
from anymask.cli.data_options import (
    PLACES,
    ComponentsOption,
    ImagesOption,
    MinAreaOption,
    open_data,
)
from anymask.cli.options import JsonOption
from anymask.errors import AnymaskError, OutputError

if TYPE_CHECKING:
    from anymask.datasets import Dataset, DatasetCheck

_PNG = ".png"

app = typer.Typer(
    name="dataset",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def dataset() -> None:
    """Check images with masks before training on them."""


@app.command()
@errors_as_sentences
def check(
    data: Annotated[list[Path], typer.Argument(metavar="DIR", help=PLACES, show_default=False)],
    images: ImagesOption = None,
    sheet: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.png", help="Draw some images with their masks on a contact sheet."
        ),
    ] = None,
    split: Annotated[
        float | None,
        typer.Option(
            metavar="FRACTION", help="Hold out this share of the images and report the split."
        ),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(
            metavar="folder|alike|REGEX",
            help="Images to hold out together: those of one folder, those that look almost the "
            "same (alike), or those whose names agree in the part in parentheses, such as "
            r"'(patient\d+)'.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Random seed of the split.")] = 0,
    write: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.json",
            help="Save the split. Saved as DIR/split.json, it is used when training on DIR.",
        ),
    ] = None,
    components: ComponentsOption = False,
    semantic: Annotated[
        bool,
        typer.Option(
            "--semantic",
            help="Ids in label images are classes 1, 2, …, named by the lines of classes.txt.",
        ),
    ] = False,
    min_area: MinAreaOption = 25,
    as_json: JsonOption = False,
) -> None:
    """Read every image with its masks; report what is there and what looks wrong.

    Reports unreadable files, masks of the wrong size, colours where ids belong, empty masks,
    images without masks, duplicates and near-duplicates, and rare classes. The exit code is 1 if
    some images cannot be used.

    Draw a contact sheet; check an archive; hold out a fifth by patient and save that split:

    ```
    anymask dataset check cells/ --sheet cells.png
    anymask dataset check busi.zip
    anymask dataset check scans/ --split 0.2 --group '(patient\\d+)' --write scans/split.json
    ```
    """
    _check_options(split, group, write, sheet)

    # Imported late, so that help and mistakes in the command are answered at once.
    from anymask.datasets import check_dataset, write_split

    # Quiet, because the problems include what it would warn about.
    opened = open_data(
        data,
        images=images,
        components=components,
        semantic=semantic,
        min_area=min_area,
        max_bad=1,
        quiet=True,
    )
    halves = opened.declared_halves() if split is None else opened.split(split, seed, group)
    found = check_dataset(opened, halves)
    if sheet is not None:
        _draw(opened, sheet)
    if write is not None and halves is not None:
        write_split(write, *halves, seed=seed, fraction=split, group=group)
    if as_json:
        numbers = (
            None if halves is None else {"train": len(halves[0]), "validation": len(halves[1])}
        )
        fingerprint = {"fingerprint": opened.fingerprint(), "split": numbers}
        typer.echo(json.dumps({**found.to_dict(), **fingerprint}, indent=1, ensure_ascii=False))
    else:
        _print(found, halves)
        for path in filter(None, (sheet, write)):
            out.print(Text(f"Written: {path}"), soft_wrap=True)
    if found.skipped:
        raise typer.Exit(EXIT_SOME_FAILED)


def _check_options(
    split: float | None,
    group: str | None,
    write: Path | None,
    sheet: Path | None,
) -> None:
    if split is None and (group is not None or write is not None):
        raise AnymaskError(
            "--group and --write need a split; add --split with the share to hold out."
        )
    if sheet is not None and sheet.suffix.lower() != _PNG:
        raise OutputError(f"{sheet} must end in {_PNG}: the contact sheet is a PNG image.")
    for path in filter(None, (sheet, write)):
        from anymask.files import check_writable

        check_writable(path.expanduser().parent)


def _draw(opened: Dataset, path: Path) -> None:
    from anymask.datasets import contact_sheet
    from anymask.files import whole_file
    from anymask.io.results import save_png

    picture = contact_sheet(opened)
    with whole_file(path) as part:
        save_png(part, picture)


def _print(found: DatasetCheck, halves: tuple[Dataset, Dataset] | None) -> None:
    table = Table(show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    sets = ", ".join(f"{name} ({number})" for name, number in found.sets.items())
    table.add_row(
        "Images", str(found.images) if len(found.sets) == 1 else f"{found.images}: {sets}"
    )
    if halves is not None:
        table.add_row("Split", f"{len(halves[0])} to train on, {len(halves[1])} held out")
    table.add_row("Objects", f"{found.objects}; {_spread(found.objects_per_image)} per image")
    table.add_row("Object areas", f"{_spread(found.areas)} pixels")
    kinds = "all of one size" if found.sizes == 1 else f"{found.sizes} sizes"
    table.add_row("Longest image side", f"{_spread(found.sides)} pixels, {kinds}")
    out.print(table)
    if found.classes:
        table = Table("Class")
        for heading in ("Objects", "Images", "Share of pixels"):
            table.add_column(heading, justify="right")
        for name, count in found.classes.items():
            numbers = (str(count.objects), str(count.images), f"{count.share:.1%}")
            table.add_row(Text(name), *numbers)
        out.print(table)
    for problem in found.problems:
        err.print(Text(f"- {problem}", style="yellow"), soft_wrap=True)
    if not found.problems:
        out.print("Nothing looks wrong.")


def _spread(values: tuple[float, float, float]) -> str:
    """Format the smallest, largest and median value."""
    least, middle, most = (f"{value:,.0f}" for value in values)
    return least if least == most else f"{least} to {most} (median {middle})"
