"""The options that name images with masks, and opening what they name."""

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
    "Images with masks: a folder with images/ and masks/, masks beside the images, YOLO, a COCO "
    "JSON file, results of anymask, a session NAME.anymask, a folder of such sets, or a .zip, "
    ".tar or .tar.gz of these. Several may be given."
)
DataOption = Annotated[
    list[Path], typer.Option("--data", metavar="DIR", help=PLACES, show_default=False)
]
ImagesOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--images",
        metavar="DIR",
        help="Folder with the images of anymask's results, if they are not beside the results.",
        show_default=False,
    ),
]
LimitOption = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help="At most N images of each set, evenly spread by name."),
]
MinAreaOption = Annotated[
    int, typer.Option(metavar="PIXELS", min=0, help="Leave out objects of fewer pixels.")
]
ComponentsOption = Annotated[
    bool,
    typer.Option(
        "--components",
        help="Each connected part of a label image is an object, whatever its ids. Always so "
        "where 255 is the only id.",
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
        Whether not to print what `open_dataset` warns of.
    **options
        As for `open_dataset`.

    Raises
    ------
    AnymaskError
        If both `components` and `semantic` are set, or as `open_dataset` does.
    """
    from anymask.datasets import open_dataset
    from anymask.reports.wording import printable

    if components and semantic:
        raise AnymaskError("--components and --semantic exclude each other; give one of them.")
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
