"""Renders an image with a pseudo-RGB, and checks whether the expressions fit the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anymask.errors import AnymaskError, ExpressionError
from anymask.images.band_math import resolve
from anymask.images.bands import as_cube
from anymask.images.image import Image
from anymask.images.normalize import to_rgb
from anymask.images.pseudo_rgb import pseudo_rgb
from anymask.images.recipes import Recipe, recipe
from anymask.images.render_recipe import check_fits
from anymask.session.records import DEFAULT_RECIPE


@dataclass(frozen=True)
class Problem:
    """What is wrong with an expression.

    Attributes
    ----------
    field : int
        Which of the expressions, from 0.
    position : int
        Index of the wrong character, from 0.
    sentence : str
    """

    field: int
    position: int
    sentence: str


def check_expressions(image: Image, texts: Sequence[str]) -> list[Problem]:
    """Check whether the expressions of a pseudo-RGB fit an image; no pixels are read.

    Parameters
    ----------
    image : Image
    texts : sequence of str
        One expression (for grey), an index, or a method such as "pca"; or three expressions.

    Returns
    -------
    list of Problem
        At most one per expression; empty if all fit.

    Examples
    --------
    >>> cube = Image(np.zeros((2, 2, 3)), "YXC")
    >>> [(p.field, p.position) for p in check_expressions(cube, ["ch[0]", "ch[7]", "1 +"])]
    [(1, 0), (2, 3)]
    """
    problems = []
    for index, text in enumerate(texts):
        try:
            how = recipe(text, name="checked") if len(texts) == 1 else None
            if how is not None and how.method is not None:
                check_recipe(image, how)
            else:
                resolve(text, image)
        except ExpressionError as error:
            problems.append(Problem(index, error.position, str(error)))
        except AnymaskError as error:
            problems.append(Problem(index, 0, str(error)))
    return problems


def check_recipe(image: Image, how: Recipe) -> None:
    """Refuse a recipe that does not fit an image.

    Raises
    ------
    ExpressionError, ImageError
        If it does not fit; the message says why.
    """
    if how.source != DEFAULT_RECIPE.source:
        check_fits(as_cube(plane_of(image, 0)), how)


def plane_of(image: Image, plane: int) -> Image:
    """Return one plane of a stack; all depths of the first time point come first."""
    lengths = dict(zip(image.axes, image.shape, strict=True))
    depths = lengths.get("Z", 1)
    time, depth = divmod(plane, depths)
    return image.plane(
        t=time if "T" in image.axes else None, z=depth if "Z" in image.axes else None
    )


def render(image: Image, how: Recipe, plane: int = 0) -> NDArray[np.uint8]:
    """Render an image as uint8 RGB (H, W, 3) with a recipe.

    Raises
    ------
    AnymaskError
        If the recipe does not fit the image.
    """
    picture = plane_of(image, plane)
    if how.source == DEFAULT_RECIPE.source:
        return np.ascontiguousarray(to_rgb(picture))
    return pseudo_rgb(picture, how).rgb
