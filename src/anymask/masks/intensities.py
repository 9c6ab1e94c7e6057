"""Intensity statistics of objects, per channel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from anymask.errors import AnymaskError
from anymask.masks.mask_set import MaskSet
from anymask.masks.objects import objects_of

COUNT = "intensity_pixels"
"""The property that counts the pixels with a value."""
INTENSITIES = ("intensity_mean", "intensity_std", "intensity_min", "intensity_max", COUNT)
"""Names of the properties measured here; the standard deviation is the population one."""


@runtime_checkable
class Picture(Protocol):
    """What is asked of an :class:`anymask.Image`, which masks do not know."""

    height: int
    width: int
    pixel_size: tuple[float, float] | None
    unit: str | None

    def plane(self) -> Picture:
        """Return the only plane."""

    def row_areas(self) -> NDArray[np.float64] | None:
        """Return the area of one pixel of each row in m², if `pixel_size` does not tell it."""

    def measured_channels(
        self, names: Sequence[str] | None = None
    ) -> Iterator[tuple[str, NDArray[Any]]]:
        """Yield name and values of each channel, NaN where there is none."""


def check_image(
    image: Any, image_size: tuple[int, int], channel_names: Sequence[str] | None
) -> tuple[Any, list[str]]:
    """Refuse an image that does not fit the masks.

    Parameters
    ----------
    image : (H, W) or (H, W, C) array_like
        May be lazy: an array in a file that is read when indexed.
    image_size : tuple of int
        Height and width that it must have.
    channel_names : sequence of str, optional

    Returns
    -------
    image
        As given.
    names : list of C str
        [""] for an image (H, W).

    Raises
    ------
    AnymaskError
        If it has another size, no numbers, or not one name per channel.
    """
    if not hasattr(image, "shape") or not hasattr(image, "dtype"):
        image = np.asarray(image)
    shape = tuple(image.shape)
    if len(shape) not in (2, 3) or np.dtype(image.dtype).kind not in "buif":
        raise AnymaskError(
            f"The image must be an array (H, W) or (H, W, C) of numbers, but this is "
            f"{image.dtype} of shape {shape}."
        )
    _check_size(shape[:2], image_size)
    if len(shape) == 2:
        return image, [""]
    names = [str(number) for number in range(shape[2])]
    if channel_names is not None:
        if len(channel_names) != shape[2] or len(set(channel_names)) != shape[2]:
            raise AnymaskError(
                f"The image has {shape[2]} channels and {len(channel_names)} channel names; give "
                "each channel its own name."
            )
        names = list(channel_names)
    return image, names


def _check_size(image: tuple[int, ...], masks: tuple[int, int]) -> None:
    if image != masks:
        raise AnymaskError(
            f"The masks are {masks[1]}×{masks[0]} pixels and the image is {image[1]}×{image[0]}; "
            "use the masks that were made from this image."
        )


def intensities_in(
    masks: MaskSet, image: Any, kinds: Sequence[str], channel_names: Sequence[str] | None
) -> dict[str, dict[str, NDArray[Any]]]:
    """Measure intensities in an array, or in an image, one channel of which is in memory at a time.

    Parameters
    ----------
    masks : MaskSet
    image : Picture, or (H, W) or (H, W, C) array_like
    kinds : sequence of str
        Which of `INTENSITIES`.
    channel_names : sequence of C str, optional

    Returns
    -------
    dict of dict
        As `intensities`.

    Raises
    ------
    AnymaskError
        As `check_image`.
    """
    if not isinstance(image, Picture):
        values, names = check_image(image, masks.image_size, channel_names)
        return intensities(masks, values, names, kinds)
    _check_size((image.height, image.width), masks.image_size)
    found: dict[str, dict[str, NDArray[Any]]] = {kind: {} for kind in kinds}
    for name, channel in image.measured_channels(channel_names):
        for kind, columns in intensities(masks, channel, [""], kinds).items():
            found[kind][f"{kind}_{name}" if name else kind] = columns[kind]
    return found


def intensities(
    masks: MaskSet, image: Any, names: Sequence[str], kinds: Sequence[str]
) -> dict[str, dict[str, NDArray[Any]]]:
    """Measure the intensity of each object in each channel.

    Parameters
    ----------
    masks : MaskSet
    image : (H, W) or (H, W, C) array_like
    names : sequence of C str
        From `check_image`.
    kinds : sequence of str
        Which of `INTENSITIES`.

    Returns
    -------
    dict of dict
        For each kind, the columns by name, one per channel.
    """
    values: dict[str, NDArray[Any]] = {
        kind: np.full((len(masks), len(names)), np.nan) for kind in kinds if kind != COUNT
    }
    if COUNT in kinds:
        values[COUNT] = np.zeros((len(masks), len(names)), np.int64)
    for index, crop in objects_of(masks):
        inside = np.asarray(image[crop.window])[crop.pixels].reshape(-1, len(names))
        for kind, value in _of_one(inside, kinds).items():
            values[kind][index] = value
    return {
        kind: {f"{kind}_{name}" if name else kind: table[:, i] for i, name in enumerate(names)}
        for kind, table in values.items()
    }


def _of_one(values: NDArray[Any], kinds: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Statistics per channel of the values (N, C) of one object."""
    lowest, highest = values.min(0), values.max(0)
    found = {"intensity_min": lowest, "intensity_max": highest}
    known: Any = True
    count: Any = len(values)
    # The minimum is NaN if any value is.
    if values.dtype.kind == "f" and not np.isfinite([lowest, highest]).all():
        known = np.isfinite(values)
        count = known.sum(0)
        values = np.where(known, values, np.nan)
        for name, limit in (("intensity_min", np.fmin), ("intensity_max", np.fmax)):
            found[name] = limit.reduce(values, 0)
    with np.errstate(invalid="ignore", over="ignore"):
        mean = values.sum(0, np.float64, where=known) / count
        found["intensity_mean"] = mean
        if "intensity_std" in kinds:
            spread = (values - mean) ** 2
            found["intensity_std"] = np.sqrt(spread.sum(0, np.float64, where=known) / count)
    found[COUNT] = np.broadcast_to(count, lowest.shape)
    return {kind: np.asarray(found[kind], np.float64) for kind in kinds}
