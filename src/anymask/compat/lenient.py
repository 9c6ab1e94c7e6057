"""What Meta's code takes and anymask refuses: taken, with one warning of each kind."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import ImageError


class CompatWarning(UserWarning):
    """Something was taken as Meta's code takes it, though its result may mean nothing."""


_said: set[str] = set()


def warn_once(kind: str, message: str) -> None:
    """Warn of a kind of thing the first time that it happens in this process."""
    if kind not in _said:
        _said.add(kind)
        warnings.warn(message, CompatWarning, stacklevel=4)


def image_as_8_bit(image: Any) -> Any:
    """Return an H×W×3 array of another number type as ``uint8``; anything else as it is.

    Floating-point values are in 0 … 1, as torchvision expects them, or in 0 … 255; fractions are
    cut off, as in a conversion by ``astype``.

    Raises
    ------
    ImageError
        If a value is outside 0 … 255, or not a number.

    Examples
    --------
    >>> image_as_8_bit(np.full((1, 1, 3), 0.5, np.float32)).tolist()
    [[[127, 127, 127]]]
    >>> image_as_8_bit(np.full((1, 1, 3), 90.9)).tolist()
    [[[90, 90, 90]]]
    """
    if not (isinstance(image, np.ndarray) and image.ndim == 3 and image.shape[2] == 3):
        return image
    if image.dtype == np.uint8 or image.dtype.kind not in "fiu" or not image.size:
        return image
    low, high = float(image.min()), float(image.max())
    if not (low >= 0 and high <= 255):
        raise ImageError(
            f"The image is {image.dtype} with values from {low:g} to {high:g}; give uint8 RGB, for "
            "instance by anymask.to_rgb(image)."
        )
    fractions = image.dtype.kind == "f" and high <= 1
    warn_once(
        "image",
        f"The image is {image.dtype}; its values were taken as "
        f"{'0 … 1' if fractions else '0 … 255'} and cut to 8 bits. Give uint8 RGB instead.",
    )
    pixels: NDArray[np.uint8] = (image * 255 if fractions else image).astype(np.uint8)
    return pixels
