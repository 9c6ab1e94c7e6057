"""Measure masks in their image, for tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from anymask.images.earth import row_areas
from anymask.images.image import Image
from anymask.io.write_context import WriteContext, check_same_size
from anymask.masks.mask_set import MaskSet
from anymask.masks.measure import Measurements
from anymask.measuring import measure


def measure_in_image(
    masks: MaskSet,
    image: Image | Any = None,
    *,
    pixel_size: float | tuple[float, float] | None = None,
    unit: str | None = None,
    properties: Sequence[str] | None = None,
    values: Mapping[str, Any] | None = None,
    geo_reference: Mapping[str, Any] | None = None,
) -> Measurements:
    """Measure masks in the image they belong to, with its pixel size and all its channels.

    Parameters
    ----------
    masks : MaskSet
    image : Image or array, optional
        An `Image` provides pixel size, unit and channel names; it is read one channel at a time.
    pixel_size, unit, properties, values
        As in `anymask.measure`; the first two override the image's own.
    geo_reference : mapping, optional
        As in `Image.geo`, for areas on the ground where `pixel_size` does not tell them; overrides
        the image's own.

    Returns
    -------
    Measurements

    Raises
    ------
    AnymaskError
        If the image is a stack, or has another size than the masks.
    """
    if isinstance(image, Image):
        image = image.plane()
        check_same_size(masks, image)
    return measure(
        masks,
        image,
        pixel_size=pixel_size,
        unit=unit,
        properties=properties,
        values=values,
        row_areas=row_areas(geo_reference, masks.image_size[0], unit),
    )


def measured(masks: MaskSet, context: WriteContext) -> Measurements:
    """Measure masks with the settings of a context: one row per mask, ordered by id."""
    if isinstance(context.image, Image):
        check_same_size(masks, context.image.plane())
    geo = {"transform": context.transform, "crs": context.crs}
    found = measure(
        masks,
        context.image,
        pixel_size=context.pixel_size,
        unit=context.unit,
        properties=context.properties,
        row_areas=row_areas(geo, masks.image_size[0], context.unit),
    )
    return found.select(np.argsort(found["id"]))
