"""Parses prompts: ``--point x,y[,label]``, ``--box x0,y0,x1,y1``, ``--mask FILE``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from anymask.errors import PromptError


def parse_point(text: str) -> tuple[float, float, int]:
    """Parse ``x,y`` or ``x,y,label``; label 1 (the default) is on the object, 0 is off it.

    Raises
    ------
    PromptError
        If the text is not of this form.

    Examples
    --------
    >>> parse_point("120,80.5"), parse_point("3,4,0")
    ((120.0, 80.5, 1), (3.0, 4.0, 0))
    """
    parts = text.split(",")
    numbers = _numbers(parts)
    if (
        numbers is None
        or len(parts) not in (2, 3)
        or (len(parts) == 3 and numbers[2] not in (0, 1))
    ):
        raise PromptError(
            f"--point {text!r} is not x,y or x,y,label in pixels, where label is 1 on the object "
            f"and 0 off it; write for instance --point 120,80 or --point 120,80,0."
        )
    return numbers[0], numbers[1], int(numbers[2]) if len(parts) == 3 else 1


def parse_box(text: str) -> tuple[float, float, float, float]:
    """Parse ``x0,y0,x1,y1``: the left, top, right and bottom edge in pixels.

    Raises
    ------
    PromptError
        If the text is not of this form.

    Examples
    --------
    >>> parse_box("10,20,110,90")
    (10.0, 20.0, 110.0, 90.0)
    """
    numbers = _numbers(text.split(","))
    if numbers is None or len(numbers) != 4:
        raise PromptError(
            f"--box {text!r} is not x0,y0,x1,y1, the left, top, right and bottom edge in pixels; "
            f"write for instance --box 10,20,110,90."
        )
    x0, y0, x1, y1 = numbers
    return x0, y0, x1, y1


def _numbers(parts: Sequence[str]) -> list[float] | None:
    try:
        return [float(part) for part in parts]
    except ValueError:
        return None


def check_together(points: Sequence[object], boxes: Sequence[object], mask: Path | None) -> None:
    """Refuse combinations of prompts that do not say which objects are meant.

    Raises
    ------
    PromptError
        If there is no prompt, or several boxes come with points or a mask.
    """
    if not points and not boxes and mask is None:
        raise PromptError(
            "No prompt is given: add --point x,y, --box x0,y0,x1,y1 or --mask FILE, or use "
            "'anymask everything' for all objects."
        )
    if len(boxes) > 1 and (points or mask is not None):
        raise PromptError(
            f"{len(boxes)} boxes are {len(boxes)} objects, but points or a mask describe only one; "
            "combine them with one box, or segment each object in a separate run."
        )


def read_mask(path: Path, size: tuple[int, int]) -> np.ndarray:
    """Read a drawn mask: all pixels brighter than half of the brightest one.

    Parameters
    ----------
    path : Path
        An image; values 0 and 1, 0 and 255, or greys from JPEG compression all work.
    size : tuple of int
        Required height and width.

    Returns
    -------
    ndarray, bool, (H, W)

    Raises
    ------
    ImageError
        If it cannot be read.
    PromptError
        If it has another size or is all black.
    """
    from anymask.io.read_images import read_rgb

    brightness = read_rgb(path).max(axis=2)
    if brightness.shape != size:
        raise PromptError(
            f"The mask {path} is {brightness.shape[1]}×{brightness.shape[0]} pixels and the "
            f"image {size[1]}×{size[0]}; give a mask of the image's size."
        )
    if not brightness.any():
        raise PromptError(
            f"The mask {path} is all black; make the object bright and everything else black."
        )
    return brightness > brightness.max() / 2
