"""Options as dataclass fields that know their own range and help text.

A field made by `option` is all there is to say about an option: its type and default, what it may
be, and what it does in a sentence. Checks, the command line and windows read that from it.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from functools import lru_cache
from numbers import Integral, Real
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from anymask.errors import AnymaskError

_KEY = "anymask option"


@dataclass(frozen=True)
class Option:
    """One option, as `options_of` returns it.

    Attributes
    ----------
    name : str
    default : object
    kind : type
        int, float or str.
    optional : bool
        Whether it may be None.
    choices : tuple of str
        All values of a str.
    low, high : float or None
        Limits of a number, both included.
    help : str
        What it does, in a sentence or two.
    unit : str
        What the number counts or measures, for help texts.
    group : str
        Options of one group belong together, for help texts.
    slider : tuple of float, optional
        Lowest value, highest value and step that a window offers.
    """

    name: str
    default: Any
    kind: type
    optional: bool
    choices: tuple[str, ...]
    low: float | None
    high: float | None
    help: str
    unit: str
    group: str
    slider: tuple[float, float, float] | None

    def check(self, value: object) -> None:
        """Refuse a value that the option cannot have.

        Raises
        ------
        AnymaskError
            One sentence with the option, the value and what it may be.
        """
        if value is None and self.optional:
            return
        if self.choices:
            allowed = value in self.choices
            what = f"it can be {', '.join(map(repr, self.choices))}"
        else:
            allowed = self._is_in_range(value)
            noun = "whole number" if self.kind is int else "number"
            what = f"it must be a {noun}{self._limits()}"
        if not allowed:
            raise AnymaskError(f"{self.name} is {value!r}; {what}.")

    def _is_in_range(self, value: Any) -> bool:
        if not isinstance(value, Integral if self.kind is int else Real) or isinstance(value, bool):
            return False
        number = float(value)
        above = self.low is None or number >= self.low
        return math.isfinite(number) and above and (self.high is None or number <= self.high)

    def _limits(self) -> str:
        if self.low is None:
            return ""
        return (
            f" of at least {self.low}" if self.high is None else f" from {self.low} to {self.high}"
        )


def option(
    default: Any,
    help: str,
    *,
    low: float | None = None,
    high: float | None = None,
    unit: str = "N",
    group: str = "",
    slider: tuple[float, float, float] | None = None,
) -> Any:
    """Make a dataclass field of an option; its annotation says the kind and the choices.

    Parameters are those of `Option`.

    Examples
    --------
    >>> @dataclass(frozen=True)
    ... class Brush:
    ...     radius: float = option(2.0, "How far it reaches.", low=0, unit="PIXELS")
    ...     shape: Literal["disc", "square"] = option("disc", "What it leaves.")
    >>> Brush().radius, options_of(Brush)["shape"].choices
    (2.0, ('disc', 'square'))
    >>> check_options(Brush(shape="star"))
    Traceback (most recent call last):
    ...
    anymask.errors.AnymaskError: shape is 'star'; it can be 'disc', 'square'.
    """
    known = {
        "low": low,
        "high": high,
        "help": help,
        "unit": unit,
        "group": group,
        "slider": slider,
    }
    return field(default=default, metadata={_KEY: known})


@lru_cache
def options_of(cls: type) -> dict[str, Option]:
    """Return the options of a dataclass by name, in the order of its fields."""
    hints = get_type_hints(cls)
    found = {}
    for each in fields(cls):
        if _KEY in each.metadata:
            kind, optional, choices = _kind_of(hints[each.name])
            found[each.name] = Option(
                each.name, each.default, kind, optional, choices, **each.metadata[_KEY]
            )
    return found


def check_options(values: Any) -> None:
    """Check every option of a dataclass instance.

    Raises
    ------
    AnymaskError
        If one has a value that it cannot have.
    """
    cls: Any = type(values)
    for name, each in options_of(cls).items():
        each.check(getattr(values, name))


def check_names(cls: type, names: Iterable[str], what: str) -> None:
    """Refuse names that are no options of a dataclass.

    Raises
    ------
    AnymaskError
        With the nearest name that exists. `what` completes "There is no option 'x' of …".
    """
    known = list(options_of(cls))
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}."
            raise AnymaskError(f"There is no option {name!r} of {what}; {hint}")


def _kind_of(hint: Any) -> tuple[type, bool, tuple[str, ...]]:
    """Type, whether None is allowed, and choices, from an annotation."""
    optional = False
    if get_origin(hint) in (Union, UnionType):
        (hint,) = (arg for arg in get_args(hint) if arg is not type(None))
        optional = True
    if get_origin(hint) is Literal:
        return str, optional, get_args(hint)
    return hint, optional, ()
