"""The ``anymask`` command line, put together from the commands in this folder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from anymask import __version__
from anymask.cli.alike import alike
from anymask.cli.benchmark import benchmark
from anymask.cli.clean import clean
from anymask.cli.console import note_interrupts, show_notices, typed
from anymask.cli.convert import convert
from anymask.cli.dataset import app as dataset
from anymask.cli.edges import edges
from anymask.cli.evaluate import evaluate
from anymask.cli.everything import everything
from anymask.cli.export import export
from anymask.cli.export_onnx import export_onnx
from anymask.cli.finetune import finetune
from anymask.cli.gui import gui
from anymask.cli.info import info
from anymask.cli.job import app as job
from anymask.cli.measure import measure
from anymask.cli.models import models
from anymask.cli.options import CommandWithFormats, current_name
from anymask.cli.overlay import overlay
from anymask.cli.plot import plot
from anymask.cli.prompts import CommandWithObjects
from anymask.cli.replay import replay
from anymask.cli.segment import segment
from anymask.cli.semantic import semantic
from anymask.cli.serve import serve
from anymask.cli.spectra import spectra
from anymask.cli.text import text
from anymask.cli.track import track
from anymask.cli.tune import tune
from anymask.cli.view import CommandWithRgb


class _Anymask(TyperGroup):
    """The group of all commands, which remembers what was typed, so that a job can be resumed."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the words."""
        typed.set(list(args))
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_Anymask,
    name="anymask",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "token_normalize_func": current_name,
    },
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"anymask {__version__}")
        raise typer.Exit


@app.callback()
def anymask(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Segment anything: find, measure and export the objects in images.

    anymask uses the model it ships with unless --model names another; that model needs no download.

    Segment everything in a folder, segment one object by a click, inspect a checkpoint:

    ```
    anymask everything photos/ -o masks/
    anymask segment coffee.png --point 300,60 -o masks/
    anymask info sam_vit_b_01ec64.pth
    ```
    """


# In the order in which the help lists them.
_COMMANDS: tuple[tuple[Callable[..., None], type[TyperCommand] | None], ...] = (
    (everything, CommandWithRgb),
    (segment, CommandWithObjects),
    (alike, CommandWithRgb),
    (text, CommandWithRgb),
    (gui, None),
    (serve, None),
    (track, CommandWithObjects),
    (semantic, CommandWithRgb),
    (edges, CommandWithRgb),
    (clean, CommandWithFormats),
    (overlay, CommandWithRgb),
    (measure, None),
    (spectra, None),
    (plot, None),
    (convert, CommandWithFormats),
    (export, CommandWithFormats),
    (replay, None),
    (evaluate, None),
    (finetune, None),
    (tune, None),
    (benchmark, None),
    (export_onnx, None),
    (info, None),
    (models, None),
)
for _command, _class in _COMMANDS:
    app.command(cls=_class)(_command)
app.add_typer(dataset)
app.add_typer(job)


def main() -> None:
    """Run the command line; the entry point of the ``anymask`` script."""
    note_interrupts()
    show_notices()
    # The name is fixed so that `python -m anymask` has the same help and shell completion.
    app(prog_name="anymask")
