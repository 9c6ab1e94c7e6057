"""Measure masks in their image, for tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from anymask.images.image import Image
from anymask.io.write_context import WriteContext, check_same_size
from anymask.masks.intensities import INTENSITIES
from anymask.masks.mask_set import MaskSet
from anymask.masks.measure import PROPERTIES, Measurements, measure

_COLOURS = ("red", "green", "blue", "alpha")


def measure_in_image(
    masks: MaskSet,
    image: Image | Any = None,
    *,
    pixel_size: float | tuple[float, float] | None = None,
    unit: str | None = None,
    properties: Sequence[str] | None = None,
) -> Measurements:
    """Measure masks in the image they belong to, with its pixel size and all its channels.

    Parameters
    ----------
    masks : MaskSet
    image : Image or array, optional
        An `Image` provides pixel size, unit and channel names; it is read one channel at a time.
    pixel_size, unit, properties
        As in `anymask.masks.measure.measure`; the first two override the image's own.

    Returns
    -------
    Measurements

    Raises
    ------
    AnymaskError
        If the image is a stack, or has another size than the masks.
    """
    if not isinstance(image, Image):
        return measure(masks, image, pixel_size=pixel_size, unit=unit, properties=properties)
    image = image.plane()
    check_same_size(masks, image)
    if pixel_size is None and image.pixel_size is not None and (unit or image.unit):
        pixel_size, unit = image.pixel_size, unit or image.unit
    wanted = PROPERTIES if properties is None else properties
    shapes = [name for name in wanted if name not in INTENSITIES]
    bright = [name for name in wanted if name in INTENSITIES]
    found = measure(masks, pixel_size=pixel_size, unit=unit, properties=shapes)
    if not bright:
        return found
    names = _channel_names(image)
    columns: dict[str, dict[str, Any]] = {kind: {} for kind in bright}
    for name, channel in zip(names, image.channels(), strict=True):
        values = measure(masks, channel, properties=bright)
        for kind in bright:
            columns[kind][f"{kind}_{name}" if name else kind] = values[kind]
    found.update({k: v for kind in bright for k, v in columns[kind].items()})
    return found


def measured(masks: MaskSet, context: WriteContext) -> Measurements:
    """Measure masks with the settings of a context: one row per mask, ordered by id."""
    found = measure_in_image(
        masks,
        context.image,
        pixel_size=context.pixel_size,
        unit=context.unit,
        properties=context.properties,
    )
    return found.select(np.argsort(found["id"]))


def _channel_names(image: Image) -> list[str]:
    if image.n_channels == 1:
        return [""]
    if image.channel_names is not None and len(set(image.channel_names)) == image.n_channels:
        return list(image.channel_names)
    if image.wavelengths is not None and len(set(image.wavelengths)) == image.n_channels:
        return [f"{nm:g}nm" for nm in image.wavelengths]
    if "S" in image.axes and "C" not in image.axes and image.n_channels in (3, 4):
        return list(_COLOURS[: image.n_channels])
    return [str(number) for number in range(image.n_channels)]
