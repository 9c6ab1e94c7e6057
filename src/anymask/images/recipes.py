"""Recipes for pseudo-RGBs: their names, and the texts that users type.

A recipe has a name, and is one of

- three expressions over bands, for red, green and blue;
- one expression, shown in gray, such as an index;
- ``truecolor``: what the eye would see; ``pca`` and ``mnf``: three components.
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
"""Recipes that are no expressions."""

_LONGEST_NAME = 48


@dataclass(frozen=True)
class Recipe:
    """How a pseudo-RGB is made; :func:`recipe` makes it.

    Attributes
    ----------
    name : str
        What the picture is called; letters, digits, ``_``, ``-`` and ``.``.
    source : tuple of str
        One of ``METHODS``, one expression, or three.
    """

    name: str
    source: tuple[str, ...]

    @property
    def method(self) -> str | None:
        """Which of ``METHODS`` it is, or None."""
        return self.source[0] if self.source[0] in METHODS else None


def recipe(*source: str, name: str | None = None) -> Recipe:
    """Make a recipe from a method, an index, or one or three expressions.

    Parameters
    ----------
    source
        ``"truecolor"``, ``"pca"``, ``"mnf"``; an expression; three expressions; or one text with
        three expressions between semicolons, with or without ``NAME=`` before it.
    name
        What to call it; made from the expressions if None.

    Raises
    ------
    ImageError
        There are two expressions, or more than three, or the name is none.

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
        named = re.match(r"\s*([^\W\d][\w.-]*)\s*=(?!=)(.*)", texts[0], re.DOTALL)
        if named:
            name, texts[0] = named[1], named[2]
    if len(texts) == 1:
        texts = texts[0].split(";")
        if len(texts) > 1 and not texts[-1].strip():
            texts.pop()
    texts = [text.strip() for text in texts]
    if len(texts) not in (1, 3):
        raise ImageError(
            f"A pseudo-RGB is made of {len(texts)} expressions here; give one (for gray) or three "
            "(for red, green and blue)."
        )
    if len(texts) == 1 and texts[0].lower().replace("colour", "color") in METHODS:
        texts = [texts[0].lower().replace("colour", "color")]
    if name is None:
        name = _name_for(texts)
    elif not re.fullmatch(r"\w[\w.-]*", name) or len(name) > _LONGEST_NAME:
        raise ImageError(
            f"{name[:60]!r} cannot name a pseudo-RGB; use up to {_LONGEST_NAME} letters, digits, "
            "'_', '-' and '.', beginning with a letter or digit."
        )
    return Recipe(name, tuple(texts))


def default_recipe(image: Image) -> Recipe:
    """What a cube is shown by where nothing is asked for: true colour, or PCA without light."""
    try:
        rgb_weights(wavelengths_of(image)[good_bands(image)])
    except ImageError:
        return Recipe(PCA, (PCA,))
    return Recipe(TRUE_COLOUR, (TRUE_COLOUR,))


def check_names(recipes: Sequence[Recipe]) -> None:
    """Refuse recipes of which two have one name.

    Raises
    ------
    ImageError
        With the name.
    """
    seen: set[str] = set()
    for how in recipes:
        if how.name.casefold() in seen:
            raise ImageError(
                f"Two pseudo-RGBs are called {how.name!r}; name them, as in "
                f"'{how.name}2={';'.join(how.source)[:60]}'."
            )
        seen.add(how.name.casefold())


def _name_for(texts: Sequence[str]) -> str:
    """A file name that tells the expressions, as far as it is short."""
    parts = []
    for text in texts:
        plain = re.sub(r"\bch\[([0-9:]+)\]|\bnm\(([0-9.]+)\)", _plain_band, text)
        parts.append(re.sub(r"[^\w.]+", "-", plain).strip("-.") or "x")
    name = "_".join(parts)
    if len(name) <= _LONGEST_NAME:
        return name
    # Long ones are cut, and told apart by a few digits of all they say.
    digits = hashlib.sha256(";".join(texts).encode()).hexdigest()[:6]
    return f"{name[: _LONGEST_NAME - 7].rstrip('-_.')}-{digits}"


def _plain_band(match: re.Match[str]) -> str:
    return f"ch{match[1]}" if match[1] else f"nm{match[2]}"
