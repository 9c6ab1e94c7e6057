"""From any array that is a picture to the ``uint8`` H×W×3 RGB that the model takes.

Nothing is converted silently: the model's door (:func:`check_rgb`) refuses what is not 8-bit RGB,
and :func:`to_rgb` is the step that a user sees and can replace by one of their own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import ImageError


def check_rgb(image: Any) -> None:
    """Refuse whatever is not a ``uint8`` H×W×3 NumPy array with at least one pixel.

    Raises
    ------
    ImageError
        One sentence with the dtype and shape found, and the function to convert with.
    """
    if not isinstance(image, np.ndarray):
        raise ImageError(
            f"The image is a {type(image).__module__}.{type(image).__name__}, not a NumPy array "
            "of uint8 H×W×3; convert it with anymask.to_rgb(image) or read the file with "
            "anymask.read_rgb(path)."
        )
    if image.size == 0:
        raise ImageError(
            f"The image is empty (shape {image.shape}); give one with at least one pixel."
        )
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ImageError(
            f"The image is {_describe(image)} while the model takes uint8 RGB of shape H×W×3; "
            "convert it with anymask.to_rgb(image)."
        )


def to_rgb(image: Any, *, percentiles: tuple[float, float] = (0.5, 99.5)) -> NDArray[np.uint8]:
    """Bring a picture of any depth to ``uint8`` RGB.

    - ``uint8`` H×W×3 is returned as it is: the same object, not a copy.
    - Grayscale, H×W or H×W×1, is repeated into three equal channels.
    - RGBA, H×W×4, loses its alpha channel; the colours beneath are not blended with anything.
    - ``bool`` becomes 0 and 255.
    - All other integers and floats are stretched: the two ``percentiles`` of the finite values go
      to 0 and 255, what lies beyond is clipped, colour channels share one stretch so that hues
      stay. Where both percentiles coincide (a small object on a flat ground) the minimum and
      maximum are used; a constant picture becomes black. NaN and infinities become 0.

    Parameters
    ----------
    image
        Array H×W, H×W×1, H×W×3 or H×W×4 of a boolean, integer or float dtype, or anything NumPy
        makes such an array of (a Pillow image, nested lists, a tensor on the CPU).
    percentiles
        Lower and upper percentile, in 0 to 100; ``(0, 100)`` is the full range.

    Returns
    -------
    numpy.ndarray
        ``uint8`` array H×W×3.

    Raises
    ------
    ImageError
        The array is empty, not a picture (number of dimensions or channels), not numeric, or
        has no finite value.

    Examples
    --------
    >>> import numpy as np
    >>> ramp = np.array([[0, 1000, 4000]], dtype=np.uint16)
    >>> to_rgb(ramp, percentiles=(0, 100))[..., 0]
    array([[  0,  64, 255]], dtype=uint8)
    """
    low, high = percentiles
    if not 0 <= low < high <= 100:
        raise ImageError(
            f"percentiles = ({low:g}, {high:g}) must be two rising numbers from 0 to 100."
        )
    array = _as_array(image)
    if array.size == 0:
        raise ImageError(f"The image is empty (shape {array.shape}); it has no pixels to convert.")
    if array.dtype.kind not in "buif":
        raise ImageError(
            f"An image of dtype {array.dtype} cannot become RGB; give booleans, integers or floats "
            "(of complex values, for instance, the magnitude: numpy.abs(image))."
        )
    array = _colour_channels(array)
    if array.dtype != np.uint8:
        array = _to_uint8(array, low, high)
    return array if array.shape[2] == 3 else np.repeat(array, 3, axis=2)


def _as_array(image: Any) -> NDArray[Any]:
    try:
        return np.asarray(image)
    except Exception as error:  # whatever a foreign object's conversion raises
        raise ImageError(
            f"A {type(image).__module__}.{type(image).__name__} cannot be made a NumPy array "
            f"({error}); convert it to one first."
        ) from error


def _colour_channels(array: NDArray[Any]) -> NDArray[Any]:
    """H×W×1 or H×W×3 of a picture with or without alpha."""
    if array.ndim == 2:
        return array[:, :, None]
    if array.ndim == 3 and array.shape[2] in (1, 3):
        return array
    if array.ndim == 3 and array.shape[2] == 4:
        return array[:, :, :3]
    if array.ndim == 3 and array.shape[0] in (1, 3, 4):
        advice = "move its channels last with numpy.moveaxis(image, 0, -1)"
    elif array.ndim == 3:
        advice = "choose the one or three channels to show, as in image[:, :, [0, 1, 2]]"
    else:
        advice = "choose one picture from it, as in image[0]"
    raise ImageError(
        f"The image is {_describe(array)}, which is neither grayscale (H×W), RGB (H×W×3) nor "
        f"RGBA (H×W×4); {advice}."
    )


def _to_uint8(array: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    if array.dtype == bool:
        return array.astype(np.uint8) * np.uint8(255)
    # 16 bits and float32 fit float32; wider types need the room.
    working = np.float32 if array.dtype.itemsize <= 2 or array.dtype == np.float32 else np.float64
    # Halved, so that the distance between two extreme floats cannot overflow.
    values: NDArray[np.floating] = array.astype(working)
    values *= 0.5
    finite = np.isfinite(values)
    known = values[finite]
    if known.size == 0:
        raise ImageError(
            "The image holds nothing but NaN and infinity; there is nothing to see in it."
        )
    bottom, top = np.percentile(known, (low, high))
    if bottom == top:
        bottom, top = known.min(), known.max()
    if bottom == top:
        return np.zeros(array.shape, np.uint8)
    values[~finite] = bottom
    np.clip(values, bottom, top, out=values)
    values -= values.dtype.type(bottom)
    values /= values.dtype.type(top - bottom)
    values *= 255
    return np.rint(values).astype(np.uint8)


def _describe(array: NDArray[Any]) -> str:
    shape = "×".join(str(length) for length in array.shape)
    return f"{array.dtype} of shape {shape}" if shape else f"a single {array.dtype} number"
