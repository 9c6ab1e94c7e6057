"""The nodes of an expression's tree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True)
class Number:
    """A constant."""

    value: float | bool
    position: int


@dataclass(frozen=True)
class Name:
    """A plain name, such as ``ndvi`` or ``area``."""

    name: str
    position: int


@dataclass(frozen=True)
class Indexed:
    """``name[start]``, where `stop` is `start` + 1 and `ranged` false, or ``name[start:stop]``.

    As in Python, counting is from 0, and `stop` (None: the end) is not included.
    """

    name: str
    start: int
    stop: int | None
    ranged: bool
    position: int


@dataclass(frozen=True)
class Call:
    """A call of a function of the caller; arguments are numbers or ranges (a, b)."""

    name: str
    arguments: tuple[float | tuple[float, float], ...]
    position: int


@dataclass(frozen=True)
class Operation:
    """An operator or built-in function, which takes the `count` values before it."""

    compute: Callable[..., Any]
    count: int
    symbol: str
    position: int


Reference: TypeAlias = Name | Indexed | Call
"""The nodes whose values the caller provides."""

Node: TypeAlias = Number | Reference | Operation
