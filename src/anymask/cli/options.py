"""The options that several commands share, and loading the model they name."""

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
        help="A known model (`anymask models` lists them), a checkpoint file or folder, or a "
        "Hugging Face id. The model shipped with anymask if not given.",
    ),
]
DeviceOption = Annotated[
    str,
    typer.Option(help="Where to compute: auto, cpu, cuda, cuda:1, mps."),
]
DtypeOption = Annotated[
    str,
    typer.Option(
        help="Number format of the network: auto, float32, bfloat16, float16. 'auto' takes "
        "bfloat16 where the processor computes with it, else float32."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on stdout and no table.")]
OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Replace results that exist, without asking.")
]
OutputOption = Annotated[
    Path,
    typer.Option("--out", "-o", metavar="OUT", help="Folder for the results; made if missing."),
]


_OLD_NAMES = {"output": "out"}


def current_name(option: str) -> str:
    """The name of an option, if it was given by the name that an earlier version had.

    >>> current_name("output"), current_name("overwrite")
    ('out', 'overwrite')
    """
    return _OLD_NAMES.get(option, option)


class CommandWithFormats(TyperCommand):
    """A command whose help lists the mask formats, those of installed packages included.

    They are looked up when the help is shown, as that imports all of them.
    """

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Put the names of the formats where the help of an option says FORMATS."""
        from anymask.io.registry import written_formats

        names = list(written_formats())
        listed = f"{', '.join(names[:-1])} or {names[-1]}"
        for option in self.params:
            if getattr(option, "help", None):
                option.help = option.help.replace("FORMATS", listed)  # type: ignore[attr-defined]
        super().format_help(ctx, formatter)


def load_model(model: str | None, device: str, dtype: str, compiled: bool = False) -> Sam:
    """Load what ``--model``, ``--device`` and ``--dtype`` name; torch is imported here.

    What `anymask.load` warns of, such as tensors it leaves out, is told as a plain sentence.
    """
    from anymask import load

    with warnings.catch_warnings(record=True) as notices:
        sam = load(model, device=device, dtype=dtype, compile=compiled)
    for notice in notices:
        err.print(Text(str(notice.message), style="yellow"), soft_wrap=True)
    return sam
