"""Tables of measurements: CSV, and Parquet with the unit of each column in its metadata.

Columns in physical units have these in their names, as in ``area_um2``: a table that is read a
year later says what it is in.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from anymask.export.guards import needs
from anymask.export.job import Job, check_same_size
from anymask.export.places import write_together
from anymask.files import whole_file
from anymask.images.image import Image
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
    """Measure masks in the picture they belong to, with its pixel size and all its channels.

    Parameters
    ----------
    masks : MaskSet
    image : Image or array, optional
        An `Image` brings pixel size, unit and the names of channels; it is read one channel at a
        time.
    pixel_size, unit, properties
        As in `anymask.masks.measure.measure`; the former two go before the image's own.

    Returns
    -------
    Measurements

    Raises
    ------
    AnymaskError
        If the picture is of another size than the masks or is a stack.
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


def save_csv(path: Path, masks: MaskSet, job: Job) -> list[Path]:
    """Measure masks and write one row each, in the order of the ids."""
    return write_csv(path, _measured(masks, job))


def save_parquet(path: Path, masks: MaskSet, job: Job) -> list[Path]:
    """Measure masks and write one row each, in the order of the ids."""
    return write_parquet(path, _measured(masks, job))


def write_csv(path: Path, table: Measurements) -> list[Path]:
    """Write measurements as CSV in UTF-8; what has no value is left empty."""
    table = table.with_units_in_names()
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table)
    columns = [column.tolist() for column in table.values()]
    writer.writerows([_cell(value) for value in row] for row in zip(*columns, strict=True))
    return write_together({path: text.getvalue().encode("utf-8", "replace")})


def write_parquet(path: Path, table: Measurements) -> list[Path]:
    """Write measurements as Parquet.

    Raises
    ------
    OutputError
        If pyarrow is not installed, or the file cannot be written.
    """
    pyarrow = needs("pyarrow", "parquet", "Writing Parquet")
    parquet = needs("pyarrow.parquet", "parquet", "Writing Parquet")
    table = table.with_units_in_names()
    fields, columns = [], []
    for name, values in table.items():
        column = pyarrow.array(values.tolist() if values.dtype.kind == "U" else values)
        unit = table.units.get(name)
        fields.append(pyarrow.field(name, column.type, metadata={"unit": unit} if unit else None))
        columns.append(column)
    with whole_file(path) as part, part.open("wb") as file:
        parquet.write_table(pyarrow.Table.from_arrays(columns, schema=pyarrow.schema(fields)), file)
    return [path]


def _measured(masks: MaskSet, job: Job) -> Measurements:
    found = measure_in_image(
        masks, job.image, pixel_size=job.pixel_size, unit=job.unit, properties=job.properties
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


def _cell(value: Any) -> Any:
    return "" if isinstance(value, float) and math.isnan(value) else value
