"""Options that several commands share, and the function that loads the model."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text
from typer.core import TyperCommand

from anymask.cli.console import err

if TYPE_CHECKING:
    from anymask.model.sam import Sam

ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        metavar="NAME|FILE|ID",
        help="Model name (see `anymask models`), checkpoint file or folder, or Hugging Face id. "
        "[default: the shipped model]",
    ),
]
DeviceOption = Annotated[
    str,
    typer.Option(help="Where to compute: auto, cpu, cuda, cuda:1, mps."),
]
DtypeOption = Annotated[
    str,
    typer.Option(
        help="Number format of the network: auto, float32, bfloat16, float16. 'auto' uses "
        "bfloat16 if the processor supports it, else float32."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Replace existing results without asking.")
]
BoxesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--box",
        "-b",
        metavar="X0,Y0,X1,Y1",
        help="A box around an object: left, top, right and bottom in pixels. May be repeated; "
        "each box is one object.",
    ),
]
ImagesArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="IMAGES",
        help="Image files, folders, or patterns in quotes such as 'scans/**/*.tif'.",
        show_default=False,
    ),
]
OutputOption = Annotated[
    Path,
    typer.Option("--out", "-o", metavar="OUT", help="Output folder; created if missing."),
]
JobsOption = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        metavar="N",
        min=1,
        help="Work in N processes of this machine, which share its cores. [default: 1]",
        show_default=False,
    ),
]
DaskOption = Annotated[
    str | None,
    typer.Option(
        "--dask",
        metavar="ADDRESS|local",
        help="Work on the Dask cluster whose scheduler has this address, such as "
        "tcp://head:8786; or on one that is started on this machine.",
    ),
]
SkipFailedOption = Annotated[
    bool,
    typer.Option(
        "--skip-failed",
        help="Skip images that failed in the last run, unless their files have changed. Goes with "
        "--skip-existing.",
    ),
]

_OLD_NAMES = {"output": "out"}


def current_name(option: str) -> str:
    """Return the current name of an option that may be given by an older name.

    >>> current_name("output"), current_name("overwrite")
    ('out', 'overwrite')
    """
    return _OLD_NAMES.get(option, option)


class CommandWithFormats(TyperCommand):
    """A command whose help lists the mask formats, including those of plug-ins.

    They are looked up only when the help is shown, because that imports all of them.
    """

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Replace FORMATS in the help of each option by the names of the formats."""
        from anymask.io.registry import written_formats

        names = list(written_formats())
        listed = f"{', '.join(names[:-1])} or {names[-1]}"
        for option in self.params:
            if getattr(option, "help", None):
                option.help = option.help.replace("FORMATS", listed)  # type: ignore[attr-defined]
        super().format_help(ctx, formatter)


def load_model(model: str | None, device: str, dtype: str, compiled: bool = False) -> Sam:
    """Load the model of ``--model`` on ``--device`` with ``--dtype``; imports torch.

    Warnings of `anymask.load`, such as ignored tensors, are printed as plain sentences.
    """
    from anymask import load

    with warnings.catch_warnings(record=True) as notices:
        sam = load(model, device=device, dtype=dtype, compile=compiled)
    for notice in notices:
        err.print(Text(str(notice.message), style="yellow"), soft_wrap=True)
    return sam
