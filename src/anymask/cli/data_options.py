"""Options that name annotated images, and the function that opens them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import Progress
from rich.text import Text

from anymask.cli.console import err
from anymask.errors import AnymaskError

if TYPE_CHECKING:
    from anymask.datasets import Dataset

PLACES = (
    "Images with masks: a folder with images/ and masks/, a folder with masks beside the images, "
    "a YOLO folder, a COCO JSON file, anymask results, a session NAME.anymask, a folder of such "
    "sets, or a .zip, .tar or .tar.gz of any of these. May be repeated."
)
DataOption = Annotated[
    list[Path], typer.Option("--data", metavar="DIR", help=PLACES, show_default=False)
]
ImagesOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--images",
        metavar="DIR",
        help="Folder with the images that belong to anymask results, if not beside the results.",
        show_default=False,
    ),
]
LimitOption = Annotated[
    int | None,
    typer.Option(
        metavar="N", min=1, help="Use at most N images of each set, evenly spread by name."
    ),
]
MinAreaOption = Annotated[
    int, typer.Option(metavar="PIXELS", min=0, help="Ignore objects smaller than this.")
]
ComponentsOption = Annotated[
    bool,
    typer.Option(
        "--components",
        help="Treat each connected component of a label image as an object, whatever its ids. "
        "Always done if 255 is the only id.",
    ),
]


def open_data(
    places: Sequence[Path],
    *,
    images: Sequence[Path] | None = None,
    components: bool = False,
    semantic: bool = False,
    quiet: bool = False,
    **options: Any,
) -> Dataset:
    """Open what ``--data`` and the options beside it name, with a progress bar.

    Parameters
    ----------
    places, images : sequence of Path
    components, semantic : bool
    quiet : bool
        Do not print the warnings of `open_dataset`.
    **options
        Passed to `open_dataset`.

    Raises
    ------
    AnymaskError
        If both `components` and `semantic` are set, or as `open_dataset` does.
    """
    from anymask.datasets import open_dataset
    from anymask.reports.wording import printable

    if components and semantic:
        raise AnymaskError("--components and --semantic cannot be combined; give one of them.")
    with (
        warnings.catch_warnings(record=True) as notices,
        Progress(console=err, transient=True, disable=not err.is_terminal) as bar,
    ):
        warnings.simplefilter("always")
        reading = bar.add_task("Reading images", total=None)
        dataset = open_dataset(
            *places,
            images=images or (),
            objects="components" if components else "classes" if semantic else "auto",
            progress=lambda done, total: bar.update(reading, completed=done, total=total),
            **options,
        )
    for notice in notices if not quiet else ():
        err.print(Text(printable(str(notice.message)), style="yellow"), soft_wrap=True)
    return dataset
