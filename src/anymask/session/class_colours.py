"""Names and colours of classes, as a session records them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from anymask.palette import colours_of
from anymask.session.errors import SessionError


def coloured(classes: Iterable[tuple[str, str | None]]) -> list[list[str]]:
    """Return the names and colours ("#rrggbb") of classes; None is replaced by a free colour.

    Raises
    ------
    SessionError
        If a name is empty or repeated, or a colour is not "#rrggbb".

    Examples
    --------
    >>> coloured([("leaf", "#00FF00")])
    [['leaf', '#00ff00']]
    """
    wanted, made = list(classes), list[list[str]]()
    used = {color for _, color in wanted if color}
    for name, color in wanted:
        if not name.strip() or name in (given for given, _ in made):
            raise SessionError(
                f"The class name {name!r} is empty or used twice; give each class its own name."
            )
        if color is None:
            color = _free_color(used | {c for _, c in made})
        if len(color) != 7 or color[0] != "#" or not _is_hex(color[1:]):
            raise SessionError(f"{color!r} is not a colour; write it as #rrggbb.")
        made.append([name, color.lower()])
    return made


def _free_color(used: set[str]) -> str:
    colors = [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in colours_of(np.arange(1, 257)).tolist()]
    return next((color for color in colors if color not in used), colors[0])


def _is_hex(text: str) -> bool:
    return all(c in "0123456789abcdefABCDEF" for c in text)
