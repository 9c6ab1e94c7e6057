"""Pseudo-RGB: red, green and blue computed from the bands of an image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from numpy.typing import ArrayLike

from anymask.errors import AnymaskError
from anymask.images.bands import TOLERANCE, as_cube
from anymask.images.contrast import Contrast, Limit
from anymask.images.recipes import METHODS, Recipe, check_names, default_recipe, recipe
from anymask.images.render_recipe import PseudoRgb, render

__all__ = [
    "METHODS",
    "PseudoRgb",
    "Recipe",
    "default_recipe",
    "pseudo_rgb",
    "pseudo_rgbs",
    "recipe",
    "render",
]


def pseudo_rgb(
    image: Any,
    *source: str | Recipe,
    name: str | None = None,
    wavelengths: ArrayLike | None = None,
    tolerance: float = TOLERANCE,
    low: Limit | Sequence[Limit] | None = None,
    high: Limit | Sequence[Limit] | None = None,
    joint: bool | None = None,
    gamma: float = 1.0,
) -> PseudoRgb:
    """Make a pseudo-RGB of a spectral image.

    Only the bands that are needed are read, one block of rows at a time.

    Parameters
    ----------
    image
        An :class:`Image`, or an array (H, W, C).
    source
        A recipe, or the arguments of :func:`recipe`: ``"truecolor"``, ``"pca"``, ``"mnf"``, an
        index, or one or three expressions.
    name
        The name of the pseudo-RGB.
    wavelengths
        For an array: the centre of each band in nanometres.
    tolerance
        Largest distance, in nanometres, between ``nm(…)`` and the band used for it.
    low, high
        The limits for black and white: a value, or a percentile such as ``"2%"``; one for all
        channels or one for each. By default 0.5 % and 99.5 %; in true colour the value 0 and
        99.5 %. Above 131,072 pixels, percentiles other than 0 % and 100 % are computed from
        evenly spaced rows.
    joint
        Whether the three channels share one pair of limits; by default only in true colour.
    gamma
        Exponent for the values between black (0) and white (1); below 1 brightens shadows.

    Returns
    -------
    PseudoRgb
        The image, and which of its pixels have no value.

    Raises
    ------
    ExpressionError
        If an expression cannot be understood or names something that the image lacks; the error
        points at the character.
    ImageError
        If the image cannot be shown this way, or no pixel has a value.

    Examples
    --------
    >>> import numpy as np
    >>> cube = np.array([[[1, 3], [0, 0], [1, 1]]], np.uint8)
    >>> shown = pseudo_rgb(cube, "(ch[1] - ch[0]) / (ch[1] + ch[0])", low=-1, high=1)
    >>> shown.rgb[..., 0].tolist(), shown.masked.tolist()
    ([[191, 0, 128]], [[False, True, False]])
    >>> shown.notes
    ('1 of 3 pixels has no finite value (such as 0/0) and is black.',)
    """
    if len(source) == 1 and isinstance(source[0], Recipe):
        how = source[0]
    else:
        how = recipe(*(str(text) for text in source), name=name)
    contrast = Contrast(low, high, joint, gamma)
    return render(as_cube(image, wavelengths), how, contrast, tolerance=tolerance)


def pseudo_rgbs(
    images: Iterable[Any], recipes: Sequence[Recipe | str], **options: Any
) -> Iterator[tuple[int, Recipe, PseudoRgb | AnymaskError]]:
    """Make every pseudo-RGB of every image; if one fails, the others are still made.

    Parameters
    ----------
    images
        Images or arrays, used one at a time.
    recipes
        Recipes, or texts such as ``"ndvi"`` and ``"cir=nm(860); nm(680); nm(550)"``.
    options
        As for :func:`pseudo_rgb`.

    Yields
    ------
    index : int
        Index of the image, from 0.
    recipe : Recipe
    result : PseudoRgb or AnymaskError
        The error if it failed.

    Raises
    ------
    ImageError
        If two recipes have the same name.

    Examples
    --------
    >>> import numpy as np
    >>> cubes = [np.eye(3)[None], np.ones((1, 3, 1))]
    >>> for index, how, result in pseudo_rgbs(cubes, ["a=ch[0]", "b=ch[2]"]):
    ...     print(index, how.name, type(result).__name__)
    0 a PseudoRgb
    0 b PseudoRgb
    1 a PseudoRgb
    1 b ExpressionError
    """
    made = [how if isinstance(how, Recipe) else recipe(how) for how in recipes]
    check_names(made)
    for index, image in enumerate(images):
        for how in made:
            try:
                yield index, how, pseudo_rgb(image, how, **options)
            except AnymaskError as error:
                yield index, how, error
