"""Measure objects in their image: `anymask.measure`.

Masks know nothing of bands and images nothing of objects; here a value of each pixel, such as NDVI,
becomes columns of a table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.errors import AnymaskError
from anymask.images.band_math import band_math
from anymask.masks.mask_set import MaskSet
from anymask.masks.measure import Measurements
from anymask.masks.measure import measure as measure_masks
from anymask.masks.values import value_columns


def measure(
    masks: MaskSet | NDArray[Any],
    image: Any = None,
    *,
    pixel_size: float | tuple[float, float] | None = None,
    unit: str | None = None,
    properties: Iterable[str] | None = None,
    values: Mapping[str, str | ArrayLike] | None = None,
    channel_names: Sequence[str] | None = None,
    row_areas: ArrayLike | None = None,
) -> Measurements:
    """Measure objects.

    Parameters
    ----------
    masks : MaskSet or (H, W) array of integers
        The objects, which may overlap, or a label image.
    image : Image, or (H, W) or (H, W, C) array_like, optional
        Values of the image; NaN means no value. An :class:`anymask.Image` also provides its pixel
        size, unit and channel names, and what it says is "no data" is no value; bands that it marks
        as bad are left out.
    pixel_size : float or tuple of float, optional
        Height and width of a pixel in `unit`, or one number for square pixels. Areas and lengths
        are then in this unit, otherwise in pixels. By default that of the image.
    unit : str, optional
        "µm", "mm", …; required with `pixel_size`. Degrees are not a length, and the metres of
        Mercator's projection are not those on the ground: areas are then in m² if `row_areas` or an
        image tells where on the Earth the pixels are, and lengths in pixels.
    properties : iterable of str, optional
        Names from `anymask.masks.measure.PROPERTIES`. By default all, with intensities only if
        there is an image, and "intensity_pixels", the number of pixels with a value, only if an
        object has pixels without.
    values : mapping of str to str or (H, W) array_like, optional
        Further values of each pixel by the name that their columns begin with: an expression over
        the bands of the image as for :func:`anymask.band_math`, such as ``{"ndvi": "ndvi"}``, or
        numbers.
    channel_names : sequence of C str, optional
        By default those of the image, or numbers from 0.
    row_areas : (H,) array_like, optional
        Area of one pixel of each row in m², for `unit` "degree" and for maps that stretch areas
        (Mercator's projection, as of web maps); by default from the image.

    Returns
    -------
    Measurements
        A dict of columns in the order of the masks, with the unit of each in `units`. "id" comes
        first; "class_name" and the scores follow if the masks have them. "centroid" becomes
        "centroid_x" and "centroid_y", "bbox" becomes "bbox_x", "bbox_y", "bbox_width" and
        "bbox_height" (a mask of one pixel is one wide), and intensities of several channels end
        with "_" and the channel's name. Each name in `values` has the columns "NAME_mean",
        "NAME_median", "NAME_std" and "NAME_pixels", the number of pixels with a finite value.
        Undefined numbers, such as any shape of an empty mask, are NaN. "num_pixels" and "area_px"
        are in pixels whatever the unit.

    Raises
    ------
    AnymaskError
        If a property is unknown, the image has another size than the masks or is a stack, or only
        one of `pixel_size` and `unit` is given.
    ExpressionError
        If an expression cannot be understood or names something that the image lacks.

    Notes
    -----
    `perimeter` is the length of the line through the centres of the border pixels, so the outline
    is about half a pixel too far in on all sides; `perimeter_crofton` has no such bias.
    `circularity` is 4π·area divided by the square of the latter, at most 1. `orientation` is the
    angle between the major axis and the row axis (upwards), in rad from −π/2 to π/2,
    counter-clockwise. `solidity` is the object's share of the pixels of its convex hull
    (`area_convex`), `extent` its share of the box. Feret diameters are the largest and smallest
    distance between two parallel lines that enclose the object. Standard deviations are those of
    the population (divided by the number of pixels).

    Examples
    --------
    >>> labels = np.zeros((9, 12), np.uint8)
    >>> labels[2:5, 3:9] = 7
    >>> found = measure(labels, pixel_size=0.5, unit="µm")
    >>> found["id"], found["area"], found.units["area"], found["centroid_x"]
    (array([7]), array([4.5]), 'µm²', array([5.5]))
    >>> bands = np.dstack([np.full((9, 12), 10.0), np.full((9, 12), 30.0)])
    >>> ratio = {"ratio": "ch[1] / ch[0]"}
    >>> found = measure(labels, bands, properties=["area"], values=ratio)
    >>> found["ratio_mean"], found["ratio_pixels"]
    (array([3.]), array([18]))
    """
    if not isinstance(masks, MaskSet):
        masks = MaskSet.from_labels(np.asarray(masks))
    table = measure_masks(
        masks,
        image,
        pixel_size=pixel_size,
        unit=unit,
        properties=properties,
        channel_names=channel_names,
        row_areas=row_areas,
    )
    return _with_values(table, masks, image, values) if values else table


def _with_values(
    table: Measurements, masks: MaskSet, image: Any, values: Mapping[str, str | ArrayLike]
) -> Measurements:
    """Add the columns of values, before the scores, and notes on pixels without."""
    scores = {name: table[name] for name in ("predicted_iou", "stability_score") if name in table}
    columns = {name: column for name, column in table.items() if name not in scores}
    units, notes = dict(table.units), list(table.notes)
    for name, value in values.items():
        if isinstance(value, str):
            if image is None:
                raise AnymaskError(
                    f"{name!r} is an expression over the bands of an image; pass image= too."
                )
            value = band_math(image, value)
        found = value_columns(masks, name, np.asarray(value))
        if twice := sorted(found.keys() & (columns.keys() | scores.keys())):
            raise AnymaskError(
                f"The table has two columns {twice[0]!r}; give the value {name!r} another name."
            )
        columns |= found
        units[f"{name}_pixels"] = "pixels"
        lacking = np.count_nonzero(found[f"{name}_pixels"] < masks.areas)
        if lacking:
            notes.append(
                f"{lacking} of {len(masks)} objects {'has' if lacking == 1 else 'have'} pixels for "
                f"which {name} has no value, which are left out; {name}_pixels counts the others."
            )
    return Measurements(columns | scores, units, notes)
