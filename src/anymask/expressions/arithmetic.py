"""The operators and functions of expressions, for numbers and arrays.

Every operation takes and returns floats or arrays of float32, float64 or bool. Results that are not
finite (division by zero, the logarithm of a negative number) are NaN, without a warning, and NaN
propagates. A comparison with NaN is false.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

Operand = Any
"""A Python float or bool, or an array of float32, float64 or bool."""


@dataclass(frozen=True)
class Function:
    """A function, and how many operands it takes (`most` None: any number)."""

    compute: Callable[..., Operand]
    least: int
    most: int | None


def as_operand(value: Any) -> Operand:
    """Convert the value of a name to an operand: 8- and 16-bit integers become float32.

    Wider integers become float64, so that ids and counts are not rounded.

    Examples
    --------
    >>> as_operand(np.array([7], np.uint16)).dtype, as_operand(np.array([7])).dtype
    (dtype('float32'), dtype('float64'))
    """
    if isinstance(value, (bool, int, float)):
        return value if isinstance(value, bool) else float(value)
    array = np.asarray(value)
    if array.dtype.char in "?fd":  # bool, float32, float64
        return array
    return array.astype(np.float32 if array.dtype.itemsize <= 2 else np.float64)


def _number(value: Operand) -> Operand:
    """Convert booleans to 0 and 1."""
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, np.ndarray) and value.dtype.kind == "b":
        return value.astype(np.float32)
    return value


def _truth(value: Operand) -> Operand:
    """Whether a number is neither 0 nor NaN."""
    if isinstance(value, bool) or (isinstance(value, np.ndarray) and value.dtype.kind == "b"):
        return value
    return (value != 0) & (value == value)


def _finite(value: Operand) -> Operand:
    """Replace infinity by NaN in place, which is safe because `value` is a new result."""
    if not isinstance(value, np.ndarray) or value.ndim == 0:
        return float(value) if np.isfinite(value) else float("nan")
    wrong = np.isinf(value)
    if wrong.any():
        value[wrong] = np.nan
    return value


def _numeric(compute: Callable[..., Operand]) -> Callable[..., Operand]:
    def of_numbers(*operands: Operand) -> Operand:
        return compute(*map(_number, operands))

    return of_numbers


def _singular(compute: Callable[..., Operand]) -> Callable[..., Operand]:
    """Wrap an operation that may return infinity, to return NaN instead."""

    def of_numbers(*operands: Operand) -> Operand:
        return _finite(compute(*map(_number, operands)))

    return of_numbers


def _power(base: Operand, exponent: Operand) -> Operand:
    # Python's ** of two floats could become complex or raise OverflowError.
    if isinstance(base, float) and isinstance(exponent, float):
        return np.power(np.float64(base), exponent)
    return base**exponent


def _divide(a: Operand, b: Operand) -> Operand:
    return np.float64(a) / b if isinstance(a, float) and isinstance(b, float) else a / b


def _where(condition: Operand, yes: Operand, no: Operand) -> Operand:
    return np.where(_truth(condition), _number(yes), _number(no))


def _mean(*values: Operand) -> Operand:
    return reduce(np.add, values) / len(values)


def _clip(value: Operand, low: Operand, high: Operand) -> Operand:
    return np.minimum(np.maximum(value, low), high)


def _minimum(*values: Operand) -> Operand:
    return reduce(np.minimum, values)


def _maximum(*values: Operand) -> Operand:
    return reduce(np.maximum, values)


def _not_equal(a: Operand, b: Operand) -> Operand:
    return (a != b) & (a == a) & (b == b)


_COMPARE: dict[str, Callable[[Operand, Operand], Operand]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
    "!=": _not_equal,
}


def comparison(symbols: tuple[str, ...]) -> Callable[..., Operand]:
    """Return the function that compares each operand with the next, as in ``a < b <= c``."""

    def compare(*operands: Operand) -> Operand:
        numbers = [_number(operand) for operand in operands]
        steps = zip(symbols, numbers, numbers[1:], strict=False)
        return reduce(np.logical_and, [_COMPARE[symbol](a, b) for symbol, a, b in steps])

    return compare


PREFIX: dict[str, Callable[..., Operand]] = {
    "-": _numeric(lambda a: -a),
    "+": _numeric(lambda a: a),
    "not": lambda a: np.logical_not(_truth(a)),
}

INFIX: dict[str, Callable[..., Operand]] = {
    "+": _numeric(lambda a, b: a + b),
    "-": _numeric(lambda a, b: a - b),
    "*": _numeric(lambda a, b: a * b),
    "/": _singular(_divide),
    "**": _singular(_power),
    "and": lambda a, b: np.logical_and(_truth(a), _truth(b)),
    "or": lambda a, b: np.logical_or(_truth(a), _truth(b)),
}

FUNCTIONS: dict[str, Function] = {
    "min": Function(_numeric(_minimum), 2, None),
    "max": Function(_numeric(_maximum), 2, None),
    "mean": Function(_numeric(_mean), 1, None),
    "abs": Function(_numeric(np.abs), 1, 1),
    "log": Function(_singular(np.log), 1, 1),
    "log10": Function(_singular(np.log10), 1, 1),
    "sqrt": Function(_numeric(np.sqrt), 1, 1),
    "exp": Function(_singular(np.exp), 1, 1),
    "where": Function(_where, 3, 3),
    "clip": Function(_numeric(_clip), 3, 3),
}
