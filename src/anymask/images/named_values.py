"""Expressions over bands whose values are measured, and the names of their columns."""

from __future__ import annotations

import re
from collections.abc import Iterable

from anymask.errors import AnymaskError, ExpressionError
from anymask.expressions import parse
from anymask.images.recipes import Recipe, name_for, split_name

_NAME = re.compile(r"[^\W\d]\w*")


def named_values(texts: Iterable[str]) -> dict[str, str]:
    """Return the expression of each value by its name, as `anymask.measure` takes them.

    Parameters
    ----------
    texts : iterable of str
        Each an expression, such as ``"ndvi"`` or ``"nm(531) - nm(570)"``, whose name is made of it,
        or ``"NAME=EXPRESSION"``.

    Raises
    ------
    ExpressionError
        If one is not an expression, or names no band.
    AnymaskError
        If a name cannot be that of a column, or two are the same.

    Examples
    --------
    >>> named_values(["ndvi", "mean(nm(531)-nm(570))", "edge=nm(720) / nm(700)"])
    {'ndvi': 'ndvi', 'mean_nm531_nm570': 'mean(nm(531)-nm(570))', 'edge': 'nm(720) / nm(700)'}
    """
    found: dict[str, str] = {}
    for text in texts:
        name, expression = split_name(text)
        expression = expression.strip()
        # Names may be channels, which only the file knows; other errors are raised now.
        if not parse(expression, functions=("nm",), indexed=("ch",)).references():
            raise ExpressionError(expression, 0, "this names no band, channel or index")
        if name is None:
            name = _column(name_for([expression]))
        elif not _NAME.fullmatch(name):
            raise AnymaskError(
                f"{name[:60]!r} cannot be the name of a column; use letters, digits and '_', and "
                "begin with a letter."
            )
        if name in found:
            raise AnymaskError(
                f"Two values are called {name!r}; give one another name, as in "
                f"'{name}_2={expression[:60]}'."
            )
        found[name] = expression
    return found


def values_of(recipes: Iterable[Recipe]) -> dict[str, str]:
    """Return what is shown by pseudo-RGBs made of expressions, by name; each expression once.

    Constants, and components such as those of "pca", are no values of single bands and left out.

    Examples
    --------
    >>> values_of([Recipe("cir", ("nm(860)", "nm(680)", "0")), Recipe("edge", ("ndre",))])
    {'nm860': 'nm(860)', 'nm680': 'nm(680)', 'edge': 'ndre'}
    """
    found: dict[str, str] = {}
    for how in recipes:
        for text in how.source if how.method is None else ():
            name = how.name if len(how.source) == 1 else name_for([text])
            has_bands = parse(text, functions=("nm",), indexed=("ch",)).references()
            if has_bands and text not in found.values():
                found.setdefault(_column(name), text)
    return found


def _column(name: str) -> str:
    """A name with letters, digits and underscores only, as conditions can contain."""
    plain = re.sub(r"\W+", "_", name).strip("_") or "value"
    return plain if _NAME.match(plain) else f"value_{plain}"
