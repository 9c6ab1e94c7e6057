"""The axes of an image, and whether its parts fit each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from anymask.errors import ImageError

AXES = "TZCYXS"
"""Time, depth, channel, row, column, and colour sample (red, green, blue, optional alpha)."""


def check_axes(what: str, shape: Sequence[int], axes: str) -> None:
    """Refuse axes that do not fit a shape, and an array without pixels.

    Raises
    ------
    ImageError
        With both.
    """
    shown = "×".join(map(str, shape)) or "one number"
    are_axes = len(set(axes)) == len(axes) and set("YX") <= set(axes) <= set(AXES)
    if len(axes) != len(shape) or not are_axes:
        raise ImageError(
            f"{what}: axes {axes!r} do not fit an array of shape {shown}; give one letter "
            "per axis from TZCYXS, each at most once, including Y and X."
        )
    if 0 in shape:
        raise ImageError(f"{what} is empty (shape {shown}); it has no pixels.")


def check_lists(what: str, lists: Mapping[str, Any], channels: int) -> None:
    """Refuse lists that have not one entry for each channel.

    Raises
    ------
    ImageError
        With both numbers.
    """
    for label, values in lists.items():
        if values is not None and len(values) != channels:
            raise ImageError(
                f"{what} has {len(values)} {label} for {channels} channels; correct one of the two."
            )


def check_valid(what: str, valid: Any, size: tuple[int, int]) -> None:
    """Refuse a mask of the pixels that hold data whose size is not that of the image.

    Raises
    ------
    ImageError
        With both sizes.
    """
    if valid is not None and tuple(valid.shape) != size:
        raise ImageError(
            f"{what} is {size[1]}×{size[0]} pixels, and the mask of those that hold data is "
            f"{'×'.join(map(str, valid.shape[::-1]))}; correct one of the two."
        )
