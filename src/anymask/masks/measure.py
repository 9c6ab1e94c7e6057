"""Measure objects: size, shape and intensity, in pixels or in physical units.

Names and definitions follow scikit-image (`skimage.measure.regionprops`) where they exist there.
Each object is measured in its own box, so that thousands take seconds, and on its own, so that
objects may overlap. Positions are always in pixels, (x, y) from the centre of the upper left pixel.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.errors import AnymaskError
from anymask.masks.boxes import extents
from anymask.masks.hulls import hull_of, hull_pixels, widths
from anymask.masks.intensities import COUNT, INTENSITIES, Picture, intensities_in
from anymask.masks.mask_set import MaskSet
from anymask.masks.objects import ObjectCrop, objects_of
from anymask.masks.perimeters import border_length, crofton_length, step_lengths

PROPERTIES = (
    "num_pixels",
    "area_px",
    "area",
    "perimeter",
    "perimeter_crofton",
    "centroid",
    "bbox",
    "orientation",
    "axis_major_length",
    "axis_minor_length",
    "eccentricity",
    "area_convex",
    "solidity",
    "extent",
    "circularity",
    "equivalent_diameter_area",
    "feret_diameter_max",
    "feret_diameter_min",
    *INTENSITIES,
)
"""Everything that :func:`measure` can measure; those of intensity need the image."""

# Left out unless asked for: another name of num_pixels.
_ASKED = {"area_px"}

_LENGTHS = {
    "perimeter",
    "perimeter_crofton",
    "axis_major_length",
    "axis_minor_length",
    "equivalent_diameter_area",
    "feret_diameter_max",
    "feret_diameter_min",
}
_AREAS = {"area", "area_convex"}
SIZES = tuple(name for name in PROPERTIES if name in _LENGTHS | _AREAS)
"""The properties with a physical unit, if the pixel size is known."""
# What follows from the area alone, with its unit on the ground.
_EARTH_UNITS = {"area": "m²", "equivalent_diameter_area": "m"}
_BY_AREA = _EARTH_UNITS.keys()
_OUTLINE = {"perimeter", "perimeter_crofton", "circularity"}
_MOMENTS = {"orientation", "axis_major_length", "axis_minor_length", "eccentricity"}
_HULL = {"area_convex", "solidity", "feret_diameter_max", "feret_diameter_min"}


class Measurements(dict[str, NDArray[Any]]):
    """Columns of measurements by name, with one item per object; the first column is "id".

    Attributes
    ----------
    units : dict of str
        Unit of each column that has one: "pixels", "µm", "µm²", "rad", ….
    notes : tuple of str
        Sentences on what the numbers leave out, such as pixels without data.
    """

    def __init__(
        self,
        columns: Mapping[str, NDArray[Any]],
        units: Mapping[str, str],
        notes: Iterable[str] = (),
    ) -> None:
        super().__init__(columns)
        self.units = dict(units)
        self.notes = tuple(notes)

    def select(self, rows: ArrayLike) -> Measurements:
        """Return some of the rows, by indices or by a boolean per row."""
        columns = {k: v[np.asarray(rows)] for k, v in self.items()}
        return Measurements(columns, self.units, self.notes)

    def with_units_in_names(self) -> Measurements:
        """Return the columns with physical units in their names: "area_um2", "perimeter_um".

        Columns in pixels and columns without a unit keep their names.

        Examples
        --------
        >>> found = measure(np.eye(3, dtype=int), pixel_size=2, unit="µm", properties=["area"])
        >>> list(found.with_units_in_names())
        ['id', 'area_um2']
        """
        names = {name: name + unit_suffix(self.units.get(name, "")) for name in self}
        units = {names[name]: unit for name, unit in self.units.items()}
        columns = {names[name]: column for name, column in self.items()}
        return Measurements(columns, units, self.notes)


def measure(
    masks: MaskSet | NDArray[Any],
    image: Any = None,
    *,
    pixel_size: float | tuple[float, float] | None = None,
    unit: str | None = None,
    properties: Iterable[str] | None = None,
    channel_names: Sequence[str] | None = None,
    row_areas: ArrayLike | None = None,
) -> Measurements:
    """Measure objects: `anymask.measure` without values of pixels, which need bands.

    Parameters
    ----------
    masks, image, pixel_size, unit, properties, channel_names, row_areas
        As in `anymask.measure`.

    Returns
    -------
    Measurements

    Raises
    ------
    AnymaskError
        As `anymask.measure`.

    Examples
    --------
    >>> labels = np.zeros((9, 12), np.uint8)
    >>> labels[2:5, 3:9] = 7
    >>> measure(labels, pixel_size=0.5, unit="µm", properties=["area"])["area"]
    array([4.5])
    """
    if not isinstance(masks, MaskSet):
        masks = MaskSet.from_labels(np.asarray(masks))
    wanted = _wanted(properties, image is not None)
    if isinstance(image, Picture):
        image = image.plane()
        if pixel_size is None and image.pixel_size is not None and (unit or image.unit):
            pixel_size, unit = image.pixel_size, unit or image.unit
            row_areas = image.row_areas() if row_areas is None else row_areas
        elif unit == "degree" and row_areas is None:
            row_areas = image.row_areas()
    size, unit = _calibration(pixel_size, unit)
    in_degrees, stretched = unit == "degree", row_areas is not None
    if in_degrees or stretched:
        size, unit = (1.0, 1.0), None
    columns: dict[str, NDArray[Any]] = {"id": masks.ids}
    if masks.class_names is not None:
        columns["class_name"] = np.array(masks.class_names, np.str_)
    shapes = _shapes(masks, size, {name for name in wanted if name not in INTENSITIES})
    on_earth = stretched and bool(_BY_AREA & wanted)
    if on_earth:
        _put_areas(shapes, _areas(masks, np.asarray(row_areas, np.float64)))
    bright: dict[str, dict[str, NDArray[Any]]] = {}
    kinds = [name for name in INTENSITIES if name in wanted]
    if kinds:
        bright = intensities_in(masks, image, [*kinds, *{COUNT} - {*kinds}], channel_names)
    lacking = _lacking(masks, bright)
    if not lacking and properties is None:
        wanted.discard(COUNT)
    for name in PROPERTIES:
        if name in wanted:
            columns.update(shapes[name] if name in shapes else bright[name])
    for name in ("predicted_iou", "stability_score"):
        if not np.isnan(scores := getattr(masks, name)).all():
            columns[name] = scores
    units = _units(columns, unit)
    if on_earth:
        units |= {name: _EARTH_UNITS[name] for name in _BY_AREA & columns.keys()}
    notes = list(lacking)
    if (in_degrees or stretched) and wanted & set(SIZES):
        what = "Pixels are in degrees" if in_degrees else "The map's projection stretches pixels"
        notes.insert(0, what + (_ON_EARTH if on_earth else _NO_SIZES))
    return Measurements(columns, units, notes)


_ON_EARTH = ": areas are in m² on the ground, and other sizes in pixels."
_NO_SIZES = ", which measure no areas or lengths: sizes are in pixels."


def _lacking(masks: MaskSet, bright: Mapping[str, Mapping[str, NDArray[Any]]]) -> list[str]:
    """A sentence on the objects that have pixels without a value, if there are any."""
    counts = list(bright.get(COUNT, {}).values())
    number = np.count_nonzero(np.any([column < masks.areas for column in counts], 0))
    if not number:
        return []
    whose = f"{number} of {len(masks)} objects {'has' if number == 1 else 'have'}"
    return [
        f"{whose} pixels without data, which are left out; the property {COUNT} counts the others."
    ]


def _areas(masks: MaskSet, row_areas: NDArray[np.float64]) -> NDArray[np.float64]:
    """Area of each mask from the area of a pixel in each row."""
    areas = np.zeros(len(masks))
    for index, crop in objects_of(masks):
        rows = np.count_nonzero(crop.pixels, 1)
        areas[index] = rows @ row_areas[crop.top : crop.top + len(rows)]
    return areas


def _put_areas(shapes: dict[str, dict[str, NDArray[Any]]], areas: NDArray[np.float64]) -> None:
    """Replace areas in pixels, and what follows from them."""
    across = {"area": areas, "equivalent_diameter_area": np.sqrt(4 / math.pi * areas)}
    for name in _BY_AREA & shapes.keys():
        shapes[name] = {name: across[name]}


def _wanted(properties: Iterable[str] | None, has_image: bool) -> set[str]:
    if properties is None:
        return set(PROPERTIES) - _ASKED - (set() if has_image else set(INTENSITIES))
    wanted = {properties} if isinstance(properties, str) else set(properties)
    if unknown := sorted(wanted - set(PROPERTIES)):
        raise AnymaskError(
            f"{unknown[0]!r} cannot be measured; choose from {', '.join(PROPERTIES)}."
        )
    if not has_image and (missing := sorted(wanted & set(INTENSITIES))):
        raise AnymaskError(f"{missing[0]!r} needs the image's values; pass image= too.")
    return wanted


def _calibration(
    pixel_size: float | tuple[float, float] | None, unit: str | None
) -> tuple[tuple[float, float], str | None]:
    """Height and width of a pixel, and the unit; 1, 1 and None if unknown."""
    if pixel_size is None:
        if unit is not None:
            raise AnymaskError(f"A unit ({unit}) needs a pixel size; give both.")
        return (1.0, 1.0), None
    sides = np.asarray(pixel_size, np.float64).reshape(-1)
    if sides.size not in (1, 2) or not (np.isfinite(sides) & (sides > 0)).all():
        raise AnymaskError(
            f"The pixel size {pixel_size} must be one or two numbers (height, width) above 0."
        )
    if not unit:
        raise AnymaskError(
            f"A pixel size ({', '.join(f'{s:g}' for s in sides)}) needs a unit; "
            "give one, such as 'µm'."
        )
    return (float(sides[0]), float(sides[-1])), unit


def _shapes(
    masks: MaskSet, pixel_size: tuple[float, float], wanted: set[str]
) -> dict[str, dict[str, NDArray[Any]]]:
    """The columns of each property that does not need the image."""
    values = {
        name: np.full(len(masks), np.nan)
        for name in wanted | {"centroid_x", "centroid_y"}
        if name not in ("centroid", "bbox", "num_pixels", "area_px")
    }
    lengths = step_lengths(pixel_size)
    for index, crop in objects_of(masks):
        for name, value in _shape(crop, pixel_size, wanted, lengths).items():
            if name in values:
                values[name][index] = value
    pixels = masks.areas
    values["num_pixels"] = values["area_px"] = pixels
    if "area" in wanted:
        values["area"] = pixels * (pixel_size[0] * pixel_size[1])
    if "equivalent_diameter_area" in wanted:
        values["equivalent_diameter_area"] = np.sqrt(
            4 / math.pi * pixels * pixel_size[0] * pixel_size[1]
        )
    columns = {name: {name: values[name]} for name in wanted - {"centroid", "bbox"}}
    columns["centroid"] = {name: values[name] for name in ("centroid_x", "centroid_y")}
    sides = extents(masks.boxes, pixels)
    names = ("bbox_x", "bbox_y", "bbox_width", "bbox_height")
    columns["bbox"] = {name: sides[:, i] for i, name in enumerate(names)}
    return columns


def _shape(
    crop: ObjectCrop,
    pixel_size: tuple[float, float],
    wanted: set[str],
    lengths: NDArray[np.float64],
) -> dict[str, float]:
    """Measurements of one object that is not empty."""
    pixels = crop.pixels
    one = pixel_size[0] * pixel_size[1]
    found: dict[str, float] = {}
    by_column, by_row = np.count_nonzero(pixels, 0), np.count_nonzero(pixels, 1)
    x, y = np.arange(pixels.shape[1]), np.arange(pixels.shape[0])
    n, sx, sy = int(by_row.sum()), int(by_column @ x), int(by_row @ y)
    found["centroid_x"], found["centroid_y"] = crop.left + sx / n, crop.top + sy / n
    found["extent"] = n / pixels.size
    if wanted & _MOMENTS:
        # In integers, so that symmetric objects give exactly symmetric results.
        sxy = int((pixels @ x) @ y)
        variances = (
            (n * int(by_row @ (y * y)) - sy * sy) / n**2 * pixel_size[0] ** 2,
            (n * int(by_column @ (x * x)) - sx * sx) / n**2 * pixel_size[1] ** 2,
        )
        found.update(_axes(*variances, (n * sxy - sx * sy) / n**2 * one))
    if wanted & _OUTLINE:
        padded = np.pad(pixels, 1)
        found["perimeter"] = border_length(padded, lengths)
        found["perimeter_crofton"] = around = crofton_length(padded, pixel_size)
        found["circularity"] = min(4 * math.pi * n * one / around**2, 1.0)
    if wanted & _HULL:
        hull, convex = hull_pixels(hull_of(pixels))
        found["area_convex"], found["solidity"] = convex * one, n / convex
        found["feret_diameter_max"], found["feret_diameter_min"] = widths(hull.vertices(pixel_size))
    return found


def _axes(rows: float, columns: float, both: float) -> dict[str, float]:
    """The ellipse with the object's second moments, from its variances and covariance."""
    half, apart = (rows + columns) / 2, math.hypot((rows - columns) / 2, both)
    major, minor = half + apart, max(half - apart, 0.0)
    if rows == columns:
        orientation = math.pi / 4 if both > 0 else -math.pi / 4
    else:
        orientation = math.atan2(2 * both, rows - columns) / 2
    return {
        "orientation": orientation,
        "axis_major_length": 4 * math.sqrt(major),
        "axis_minor_length": 4 * math.sqrt(minor),
        "eccentricity": math.sqrt(1 - minor / major) if major > 0 else 0.0,
    }


def _units(columns: Iterable[str], unit: str | None) -> dict[str, str]:
    units = {}
    for name in columns:
        if name.startswith(("centroid_", "bbox_", COUNT)) or name in ("num_pixels", "area_px"):
            units[name] = "pixels"
        elif name in _LENGTHS | _AREAS:
            units[name] = "pixels" if unit is None else unit + "²" * (name in _AREAS)
        elif name == "orientation":
            units[name] = "rad"
    return units


def unit_suffix(unit: str) -> str:
    """Return a physical unit as the suffix of a column name, in letters and digits.

    >>> unit_suffix("µm²"), unit_suffix("pixels")
    ('_um2', '')
    """
    if unit in ("", "pixels", "rad"):
        return ""
    plain = unit.replace("µ", "u").replace("μ", "u").replace("²", "2")
    return "_" + "".join(letter if letter.isalnum() else "_" for letter in plain)
