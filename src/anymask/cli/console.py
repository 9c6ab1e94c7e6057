"""What every command shares: the two consoles, and errors printed as one sentence.

Results go to stdout; progress, notices and errors go to stderr, so that output can be piped.
Exit codes: 0 done, 1 some images failed, 2 the command could not run, 130 stopped.
"""

from __future__ import annotations

import functools
import signal
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.text import Text

from anymask.errors import AnymaskError
from anymask.io.registry import PluginWarning

if TYPE_CHECKING:
    from anymask.masks.mask_set import MaskSet

P = ParamSpec("P")
R = TypeVar("R")

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)
_interrupted = threading.Event()

EXIT_SOME_FAILED = 1
EXIT_ERROR = 2
EXIT_STOPPED = 130


def complain(message: str) -> None:
    """Print an error message on stderr, verbatim: brackets in file names are not markup."""
    err.print(Text(message, style="red"), soft_wrap=True)


def note(message: str) -> None:
    """Print a notice on stderr, verbatim."""
    err.print(Text(message, style="yellow"), soft_wrap=True)


def newest(path: Path, masks: MaskSet) -> MaskSet:
    """Return the masks of a file as corrected in the label image beside it, and say so."""
    from anymask.io.corrected import newest_masks

    masks, said = newest_masks(path, masks)
    if said:
        note(said)
    return masks


def show_plugin_warnings() -> None:
    """Show warnings about broken plug-ins as plain sentences instead of Python warnings."""
    show_other = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        if issubclass(category, PluginWarning):
            err.print(Text(str(message), style="yellow"), soft_wrap=True)
        else:
            show_other(message, category, *where, **more)

    warnings.showwarning = show


def note_interrupts() -> None:
    """Remember Ctrl-C, because a library it interrupts may turn it into an error of its own."""

    def handle(number: int, frame: FrameType | None) -> None:
        _interrupted.set()
        signal.default_int_handler(number, frame)

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, handle)


def was_interrupted(error: BaseException | None) -> bool:
    """Whether Ctrl-C caused an error."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None or _interrupted.is_set()


def ends_in_a_sentence(command: Callable[P, R]) -> Callable[P, R]:
    """Make a command print one sentence and set an exit code instead of raising."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except (Exception, KeyboardInterrupt) as error:
            if isinstance(error, typer.Exit | typer.Abort):
                raise
            if was_interrupted(error):
                complain("Stopped.")
                raise typer.Exit(EXIT_STOPPED) from None
            if isinstance(error, AnymaskError):
                complain(str(error))
                raise typer.Exit(EXIT_ERROR) from None
            raise

    return run
