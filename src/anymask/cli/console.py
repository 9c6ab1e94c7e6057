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
from contextvars import ContextVar
from types import FrameType
from typing import Any, ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.text import Text

from anymask.cli.wording import named, options_of
from anymask.errors import AnymaskError
from anymask.notices import ReadingNotice
from anymask.plugins import PluginWarning

P = ParamSpec("P")
R = TypeVar("R")

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)
_interrupted = threading.Event()
typed: ContextVar[list[str] | None] = ContextVar("words after anymask", default=None)
_running: ContextVar[Callable[..., Any] | None] = ContextVar("running command", default=None)

EXIT_SOME_FAILED = 1
EXIT_ERROR = 2
EXIT_STOPPED = 130


def complain(message: str) -> None:
    """Print an error message on stderr, verbatim: brackets in file names are not markup.

    Options are named as they are typed.
    """
    err.print(Text(named(message, options_of(_running.get())), style="red"), soft_wrap=True)


def note(message: str) -> None:
    """Print a notice on stderr; it names the options of the command that runs."""
    err.print(Text(named(message, options_of(_running.get())), style="yellow"), soft_wrap=True)


def show_notices() -> None:
    """Show warnings about plug-ins and files as plain sentences, each once."""
    show_other = warnings.showwarning
    shown: set[str] = set()

    def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        if issubclass(category, PluginWarning | ReadingNotice):
            text = named(str(message), options_of(_running.get()))
            if text not in shown:
                err.print(Text(text, style="yellow"), soft_wrap=True)
            shown.add(text)
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
    seen: set[int] = set()  # an error may be its own cause
    while error is not None and id(error) not in seen:
        if isinstance(error, KeyboardInterrupt):
            return True
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return _interrupted.is_set()


def errors_as_sentences(command: Callable[P, R]) -> Callable[P, R]:
    """Make a command print one sentence and set an exit code instead of raising."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        _running.set(command)
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
