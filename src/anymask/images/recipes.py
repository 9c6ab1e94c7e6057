"""Recipes for pseudo-RGBs: their names, and how users write them.

A recipe has a name and is one of

- three expressions over bands, for red, green and blue;
- one expression, shown in gray, such as an index;
- ``truecolor``, what the eye would see; ``pca`` or ``mnf``, three components.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from anymask.errors import ImageError
from anymask.images.bands import good_bands, wavelengths_of
from anymask.images.image import Image
from anymask.images.true_colour import rgb_weights

TRUE_COLOUR, PCA, MNF = "truecolor", "pca", "mnf"
METHODS = (TRUE_COLOUR, PCA, MNF)
"""Recipes that are not expressions."""

_LONGEST_NAME = 48


@dataclass(frozen=True)
class Recipe:
    """How to make a pseudo-RGB; made by :func:`recipe`.

    Attributes
    ----------
    name : str
        The name of the pseudo-RGB: letters, digits, ``_``, ``-`` and ``.``.
    source : tuple of str
        One of ``METHODS``, one expression, or three.
    """

    name: str
    source: tuple[str, ...]

    @property
    def method(self) -> str | None:
        """The entry of ``METHODS``, or None for expressions."""
        return self.source[0] if self.source[0] in METHODS else None


def recipe(*source: str, name: str | None = None) -> Recipe:
    """Make a recipe from a method, an index, or one or three expressions.

    Parameters
    ----------
    source
        ``"truecolor"``, ``"pca"``, ``"mnf"``; an expression; three expressions; or one text with
        three expressions between semicolons, with or without ``NAME=`` before it.
    name
        The name; derived from the expressions if None.

    Raises
    ------
    ImageError
        If there are two expressions or more than three, or the name is not allowed.

    Examples
    --------
    >>> recipe("ndvi")
    Recipe(name='ndvi', source=('ndvi',))
    >>> recipe("cir=nm(860); nm(680); nm(550)")
    Recipe(name='cir', source=('nm(860)', 'nm(680)', 'nm(550)'))
    >>> recipe("nm(860)", "nm(680)", "nm(550)").name
    'nm860_nm680_nm550'
    """
    texts = list(source)
    if texts and name is None:
        name, texts[0] = split_name(texts[0])
    if len(texts) == 1:
        texts = texts[0].split(";")
        if len(texts) > 1 and not texts[-1].strip():
            texts.pop()
    texts = [text.strip() for text in texts]
    if len(texts) not in (1, 3):
        raise ImageError(
            f"A pseudo-RGB needs one expression (for gray) or three (for red, green and blue); "
            f"{len(texts)} were given."
        )
    if len(texts) == 1 and texts[0].lower().replace("colour", "color") in METHODS:
        texts = [texts[0].lower().replace("colour", "color")]
    if name is None:
        name = name_for(texts)
    elif not re.fullmatch(r"\w[\w.-]*", name) or len(name) > _LONGEST_NAME:
        raise ImageError(
            f"{name[:60]!r} cannot be the name of a pseudo-RGB; use at most {_LONGEST_NAME} "
            "letters, digits, '_', '-' and '.', and begin with a letter or digit."
        )
    return Recipe(name, tuple(texts))


def default_recipe(image: Image) -> Recipe:
    """The default for a cube: true colour, or PCA if it does not cover the visible range."""
    try:
        rgb_weights(wavelengths_of(image)[good_bands(image)])
    except ImageError:
        return Recipe(PCA, (PCA,))
    return Recipe(TRUE_COLOUR, (TRUE_COLOUR,))


def check_names(recipes: Sequence[Recipe]) -> None:
    """Refuse two recipes with the same name.

    Raises
    ------
    ImageError
        With the name.
    """
    seen: set[str] = set()
    for how in recipes:
        if how.name.casefold() in seen:
            raise ImageError(
                f"Two pseudo-RGBs are called {how.name!r}; give one another name, as in "
                f"'{how.name}2={';'.join(how.source)[:60]}'."
            )
        seen.add(how.name.casefold())


def split_name(text: str) -> tuple[str | None, str]:
    """Split ``NAME=REST``; the name is None if there is none.

    Examples
    --------
    >>> split_name("edge=ndre"), split_name("nm(800) == 1")
    (('edge', 'ndre'), (None, 'nm(800) == 1'))
    """
    named = re.match(r"\s*([^\W\d][\w.-]*)\s*=(?!=)(.*)", text, re.DOTALL)
    return (named[1], named[2]) if named else (None, text)


def name_for(texts: Sequence[str]) -> str:
    """Return a file name made of expressions, shortened if need be."""
    parts = []
    for text in texts:
        plain = re.sub(r"\bch\[([0-9:]+)\]|\bnm\(([0-9.]+)\)", _plain_band, text)
        parts.append(re.sub(r"[^\w.]+", "-", plain).strip("-.") or "x")
    name = "_".join(parts)
    if len(name) <= _LONGEST_NAME:
        return name
    # Long names are cut, and kept distinct by some digits of a hash.
    digits = hashlib.sha256(";".join(texts).encode()).hexdigest()[:6]
    return f"{name[: _LONGEST_NAME - 7].rstrip('-_.')}-{digits}"


def _plain_band(match: re.Match[str]) -> str:
    return f"ch{match[1]}" if match[1] else f"nm{match[2]}"
