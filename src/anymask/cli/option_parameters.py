"""Gives commands options from elsewhere: those of a dataclass, or those that commands share."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, Literal, Optional

import typer

from anymask.errors import AnymaskError
from anymask.option_fields import Option, options_of


def with_options(cls: type, panels: Mapping[str, str]) -> Callable[[Callable[..., None]], Any]:
    """Give a command one parameter for each option of a dataclass.

    The command takes `options`, a dict of the options the user typed. They are checked before the
    command begins.

    Parameters
    ----------
    cls : type
        A dataclass whose options all have defaults.
    panels : mapping
        Titles of the groups of options in the help, in order.
    """
    groups = list(panels)
    known = sorted(options_of(cls).values(), key=lambda each: groups.index(each.group))

    def decorate(command: Callable[..., None]) -> Any:
        signature = inspect.signature(command, eval_str=True)
        own = [each for each in signature.parameters.values() if each.name != "options"]
        made = [_parameter(each, panels[each.group]) for each in known]

        @functools.wraps(command)
        def run(**arguments: Any) -> None:
            typed = {each.name: arguments.pop(each.name) for each in known}
            given = {name: value for name, value in typed.items() if value is not None}
            with in_dashes(typed):
                cls(**given)
            command(**arguments, options=given)

        parameters = [*own, *made]
        vars(run)["__signature__"] = signature.replace(parameters=parameters)
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        return run

    return decorate


def taking(
    parse: Callable[..., Any], name: str, *others: Callable[..., Any]
) -> Callable[[Callable[..., Any]], Any]:
    """Give a command the parameters of a function; it takes the function's result instead.

    Parameters
    ----------
    parse : callable
        Its parameters are options; the command takes what it returns.
    name : str
        The parameter of the command for the result.
    *others : callable
        Functions whose parameters `parse` takes too, as ``**options``.
    """
    shown = {
        each.name: each
        for function in (parse, *others)
        for each in inspect.signature(function, eval_str=True).parameters.values()
        if each.kind is not each.VAR_KEYWORD
    }

    def decorate(command: Callable[..., Any]) -> Any:
        signature = inspect.signature(command, eval_str=True)
        own = [each for each in signature.parameters.values() if each.name != name]

        @functools.wraps(command)
        def run(**arguments: Any) -> Any:
            result = parse(**{each: arguments.pop(each) for each in shown})
            return command(**arguments, **{name: result})

        at = next((i for i, each in enumerate(own) if each.kind is each.KEYWORD_ONLY), len(own))
        parameters = [*own[:at], *shown.values(), *own[at:]]
        vars(run)["__signature__"] = signature.replace(parameters=parameters)
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        return run

    return decorate


@contextmanager
def in_dashes(names: Iterable[str]) -> Iterator[None]:
    """Make errors name options as they are typed: ``--tile-size``, not ``tile_size``."""
    try:
        yield
    except AnymaskError as error:
        # Names inside file names stay as they are.
        found = re.compile(rf"(?<![\w./\\'-])({'|'.join(map(re.escape, names))})(?![\w/\\'-])")
        message = found.sub(lambda match: f"--{match[0].replace('_', '-')}", str(error))
        raise AnymaskError(message) from error


def _parameter(option: Option, panel: str) -> inspect.Parameter:
    kind: Any = Literal[option.choices] if option.choices else option.kind
    info = typer.Option(
        metavar=None if option.choices else option.unit,
        min=option.low,
        max=option.high,
        rich_help_panel=panel,
        help=option.help,
    )
    annotation = Annotated[Optional[kind], info]  # noqa: UP045 - built at run time
    return inspect.Parameter(
        option.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation
    )
