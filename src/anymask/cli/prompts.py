"""Parses prompts: ``--point``, ``--box``, ``--object`` with both for one of several, ``--mask``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from anymask.cli.view import CommandWithRgb
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


@dataclass(frozen=True)
class TypedObject:
    """What the command line says about one object: points (x, y, label), a box, a class."""

    points: list[tuple[float, float, int]] = field(default_factory=list)
    box: tuple[float, float, float, float] | None = None
    class_name: str = ""


def parse_object(text: str) -> TypedObject:
    """Parse ``[NAME:] x,y[,label] … [x0,y0,x1,y1]``: points and at most one box, with a class.

    Raises
    ------
    PromptError
        If the text is not of this form.

    Examples
    --------
    >>> parse_object("300,60 320,360,0").points
    [(300.0, 60.0, 1), (320.0, 360.0, 0)]
    >>> parse_object("tea cup: 15,60,180,330")
    TypedObject(points=[], box=(15.0, 60.0, 180.0, 330.0), class_name='tea cup')
    """
    name, colon, places = text.rpartition(":")
    points, boxes = [], []
    for word in (places if colon else text).split():
        numbers = _numbers(word.split(","))
        if numbers is None or len(numbers) not in (2, 3, 4):
            raise PromptError(
                f"In --object {text!r}, {word!r} is neither a point x,y or x,y,label nor a box "
                "x0,y0,x1,y1; write for instance --object 120,80 30,40,0."
            )
        if len(numbers) == 4:
            boxes.append(parse_box(word))
        else:
            points.append(parse_point(word))
    if not points and not boxes:
        raise PromptError(f"--object {text!r} has neither a point nor a box; add one.")
    if len(boxes) > 1:
        raise PromptError(
            f"--object {text!r} has {len(boxes)} boxes; give one, and --object again for the next "
            "object."
        )
    return TypedObject(points, boxes[0] if boxes else None, name.strip())


class CommandWithObjects(CommandWithRgb):
    """A command whose ``--object`` takes all the points and the box that follow it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Join what follows each ``--object`` before parsing."""
        return super().parse_args(ctx, joined_objects(args))


def joined_objects(arguments: list[str]) -> list[str]:
    """Join the places after each ``--object``, and a class before them, into one word.

    Examples
    --------
    >>> joined_objects(["a.png", "--object", "cup:", "8,5", "9,2,0", "--object", "1,1", "-o", "x"])
    ['a.png', '--object', 'cup: 8,5 9,2,0', '--object', '1,1', '-o', 'x']
    """
    joined: list[str] = []
    at = 0
    while at < len(arguments):
        joined.append(arguments[at])
        at += 1
        if joined[-1] == "--":
            return joined + arguments[at:]
        if joined[-1] != "--object" or at == len(arguments):
            continue
        words = [arguments[at]]
        at += 1
        while at < len(arguments) and _is_place(arguments[at]):
            words.append(arguments[at])
            at += 1
        joined.append(" ".join(words))
    return joined


def _is_place(word: str) -> bool:
    """Whether a word is meant as a point or a box: it has a comma, and is no option and no file."""
    is_option = word.startswith("--") or re.match("-[A-Za-z]", word) is not None
    return "," in word and not is_option and not Path(word).exists()


def _numbers(parts: Sequence[str]) -> list[float] | None:
    try:
        return [float(part) for part in parts]
    except ValueError:
        return None


def check_together(
    points: Sequence[object],
    boxes: Sequence[object],
    mask: Path | None,
    objects: Sequence[object] = (),
) -> None:
    """Refuse combinations of prompts that do not say which objects are meant.

    Raises
    ------
    PromptError
        If there is no prompt, several boxes come with points or a mask, or --object with others.
    """
    if not points and not boxes and mask is None and not objects:
        raise PromptError(
            "No prompt is given: add --point x,y, --box x0,y0,x1,y1, --mask FILE or --prompts "
            "FILE, or use 'anymask everything' for all objects."
        )
    if objects and (points or boxes or mask is not None):
        raise PromptError(
            "--object holds all prompts of an object, so --point, --box and --mask do not go with "
            "it; move them into --object."
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
