"""Choose the channels of an image to show, and what each means: gray, red, green, blue…"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import ImageError
from anymask.images.band_names import colour_bands
from anymask.images.composite import MOST_CHANNELS, Color, default_colors
from anymask.images.image import Image
from anymask.images.nodata import holes, without_nodata
from anymask.images.validity import gaps
from anymask.notices import tell

_COLOURS = ("red", "green", "blue")
# Two channels are seldom an image in colours.
_FEWEST_BANDS = 3


@dataclass(frozen=True, eq=False)
class Planes:
    """Channels to show.

    Attributes
    ----------
    channels
        Real arrays (H, W), NaN in holes; one or three if `colors` is None.
    dtype
        Type of the values in the file, which holes turn into floats.
    colors
        A colour for each channel. If None, one channel is gray and three are red, green and blue.
    joint
        Whether they share one stretch by default.
    whole
        All channels as one array (H, W, 3), if they are ``uint8`` RGB already.
    window
        The window (level, width) in the file.
    """

    channels: list[NDArray[Any]]
    dtype: np.dtype[Any]
    colors: list[Color] | None
    joint: bool
    whole: NDArray[np.uint8] | None = None
    window: tuple[float, float] | None = None


def planes_of(
    image: Any, channels: Sequence[int | str] | int | str | None, colors: Sequence[Color] | None
) -> Planes:
    """Choose the channels to show.

    Parameters
    ----------
    image
        An image without time and depth, or an array.
    channels, colors
        As for :func:`anymask.to_rgb`.

    Raises
    ------
    ImageError
        If it is not an image, or does not have the chosen channels.
    """
    if isinstance(channels, (str, int, float, np.number)):
        channels = [channels]
    if isinstance(colors, str):
        colors = [colors]
    if not isinstance(image, Image):
        array = _as_array(image)
        _check_values(array)
        if channels is None and (colors is None or array.ndim == 2):
            array = _colour_channels(array)
        image = Image(array, _axes_of(array))
    _check_dtype(image.dtype)
    return _chosen(image, channels, colors)


def is_spectral(image: Image) -> bool:
    """Whether an image is a spectral cube: more than three channels with wavelengths."""
    return image.wavelengths is not None and image.n_channels > 3


def describe(array: NDArray[Any]) -> str:
    """Dtype and shape, worded for a sentence."""
    shape = "×".join(str(length) for length in array.shape)
    return f"{array.dtype} of shape {shape}" if shape else f"a single {array.dtype} number"


def _chosen(
    image: Image, channels: Sequence[int | str] | None, colors: Sequence[Color] | None
) -> Planes:
    number = image.n_channels
    samples = "S" in image.axes and "C" not in image.axes
    if channels is None and samples and colors is None:
        return _photograph(image)
    if channels is None and colors is None and (named := _colours_of_bands(image)):
        return Planes(_colours(image, named), image.dtype, None, joint=True)
    if channels is None and number > MOST_CHANNELS and colors is None:
        raise ImageError(
            f"{image.path or image.name or 'The image'} has {number} channels; choose the ones to "
            "show with channels=, for example channels=[12, 40, 7] for red, green and blue."
        )
    names = image.channel_names
    indices = range(number) if channels is None else channels
    if not len(indices):
        raise ImageError("channels= is empty; give the indices or names of one or more channels.")
    picked = _channels(image, indices)
    if colors is None and channels is None and number > 1:
        colors = default_colors(number, names)
    elif colors is None and len(picked) not in (1, 3):
        chosen = [names[i] if isinstance(i, int) and names else str(i) for i in indices]
        colors = default_colors(len(picked), chosen)
    if colors is not None and len(colors) != len(picked):
        raise ImageError(
            f"There are {len(colors)} colours for {len(picked)} channels; give one per channel."
        )
    window = image.metadata.get("window") if len(picked) == 1 else None
    colors = None if colors is None else list(colors)
    return Planes(picked, image.dtype, colors, joint=samples, window=window)


def _colours_of_bands(image: Image) -> list[int] | None:
    """Indices of the bands to show as red, green and blue; None if channels are no such bands.

    Aerial and satellite images have a band or more beside these three.
    """
    names = [name.strip().lower() for name in image.channel_names or ()]
    if set(_COLOURS) <= set(names):
        return [names.index(name) for name in _COLOURS]
    number = image.n_channels
    named = colour_bands(image.channel_names)
    if named is not None:
        shown = [(image.channel_names or ())[band] for band in named]
        tell(f"{_called(image)}: {_listed(shown)} are shown as red, green and blue.")
        return named
    on_a_map = "transform" in (image.geo or {})
    if on_a_map and not names and _FEWEST_BANDS <= number <= MOST_CHANNELS:
        tell(
            f"{_called(image)}: bands 0, 1 and 2 of {number} are shown as red, green and blue, "
            "because the file does not name them; choose others, in this order, with --channels "
            "2,1,0 (Python: channels=[2, 1, 0])."
        )
        return [0, 1, 2]
    return None


def _called(image: Image) -> str:
    return str(image.path or image.name or "The image")


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _photograph(image: Image) -> Planes:
    """Gray, or red, green and blue, without alpha."""
    if image.n_channels not in (1, 2, 3, 4):
        raise ImageError(
            f"{image.path or image.name or 'The image'} has {image.n_channels} colour samples "
            "per pixel, which is neither grayscale nor RGB; choose three with channels=."
        )
    count = 3 if image.n_channels > 2 else 1
    window = image.metadata.get("window") if count == 1 else None
    array = image.array
    if count == 3 and image.axes == "YXS" and array.dtype == np.uint8:
        whole = array if image.n_channels == 3 else array[:, :, :3]
        if image.nodata is None and gaps(image.valid, "YX") is None:
            whole = np.asarray(whole)
            samples = [whole[..., i] for i in range(3)]
            return Planes(samples, image.dtype, None, joint=True, whole=whole)
    return Planes(_colours(image, range(count)), image.dtype, None, joint=True, window=window)


def _channels(image: Image, indices: Sequence[int | str]) -> list[NDArray[Any]]:
    """Read channels, with NaN in holes."""
    chosen = [_index(image, index) for index in indices]
    return [image.without_nodata(channel) for channel in image.channels(chosen)]


def _colours(image: Image, indices: Sequence[int]) -> list[NDArray[Any]]:
    """Read red, green and blue, with NaN where the pixel or all three have no data.

    A colour may well have the value that means "no data" in one of them, such as 255.
    """
    stored = list(image.channels(list(indices)))
    by_value = [holes(sample, image.nodata) for sample in stored]
    known = [each for each in by_value if each is not None]
    missing = gaps(image.valid, "YX")
    if len(known) == len(stored):
        everywhere = np.logical_and.reduce(known)
        missing = everywhere if missing is None else missing | everywhere
    if missing is None:
        return stored
    return [without_nodata(sample, None, missing) for sample in stored]


def _index(image: Image, index: int | str) -> int | str:
    if isinstance(index, str) and index.isdecimal() and index not in (image.channel_names or ()):
        index = int(index)
    if isinstance(index, bool) or not isinstance(index, (int, str, np.integer)):
        raise ImageError(f"The channel {index!r} is neither an index from 0 nor a name.")
    return index


def _as_array(image: Any) -> NDArray[Any]:
    try:
        return np.asarray(image)
    except Exception as error:  # whatever the conversion of an unknown object raises
        raise ImageError(
            f"A {type(image).__module__}.{type(image).__name__} cannot become a NumPy "
            f"array ({error}); convert it to one first."
        ) from error


def _check_values(array: NDArray[Any]) -> None:
    if array.size == 0:
        raise ImageError(f"The image is empty (shape {array.shape}); it has no pixels to convert.")
    _check_dtype(array.dtype)


def _check_dtype(dtype: np.dtype[Any]) -> None:
    if dtype.kind not in "buif":
        raise ImageError(
            f"An image of dtype {dtype} cannot become RGB; give booleans, integers or floats "
            "(for complex values, for example, the magnitude: numpy.abs(image))."
        )


def _axes_of(array: NDArray[Any]) -> str:
    if array.ndim == 2:
        return "YX"
    if array.ndim == 3:
        return "YXS" if array.shape[2] in (1, 3, 4) else "YXC"
    raise ImageError(
        f"The image is {describe(array)}; give H×W×C, or name its axes as in "
        'anymask.Image(array, "ZCYX").'
    )


def _colour_channels(array: NDArray[Any]) -> NDArray[Any]:
    """Return H×W×1 or H×W×3, without alpha."""
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
        advice = "choose one image from it, as in image[0]"
    raise ImageError(
        f"The image is {describe(array)}, which is neither grayscale (H×W), RGB (H×W×3) nor "
        f"RGBA (H×W×4); {advice}."
    )
