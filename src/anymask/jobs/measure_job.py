"""Measuring many images, as data: what is measured in each, and the rows of one of them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from anymask.errors import AnymaskError
from anymask.images.image import Image
from anymask.images.named_values import values_of
from anymask.images.object_spectra import ObjectSpectra, object_spectra
from anymask.io.corrected import newest_masks
from anymask.io.fingerprint import fingerprint
from anymask.io.read_masks import load_masks, scale_of
from anymask.io.recorded_view import joined, recorded_view, used_again
from anymask.io.table_units import in_unit
from anymask.io.tables import measure_in_image
from anymask.io.view import View
from anymask.io.write_context import check_same_size, lacked
from anymask.jobs.matching import MaskedItem
from anymask.jobs.report import Outcome
from anymask.jobs.work_through import Advance, Work, failed
from anymask.masks.choose import choose, properties_in
from anymask.masks.mask_set import MaskSet
from anymask.masks.measure import PROPERTIES, Measurements
from anymask.masks.summary import summary
from anymask.notices import noticing, tell


@dataclass(frozen=True)
class Measured:
    """What became of an item.

    Attributes
    ----------
    outcome : Outcome
    made_of : mapping
        Hashes of the files that the rows come from.
    rows : Measurements or None
        None if the item failed.
    """

    outcome: Outcome
    made_of: Mapping[str, str]
    rows: Measurements | None


@dataclass(frozen=True)
class MeasureJob:
    """What is measured in each image; plain data that can be pickled.

    Attributes
    ----------
    properties : tuple of str, optional
        As in `anymask.measure`.
    values : mapping of str to str, optional
        Expressions by name, as in `anymask.measure`. None: those that the masks were found in, if
        `properties` is None too.
    where : str, optional
        A condition as in `anymask.masks.choose.choose`; only objects for which it holds count.
    by : {"object", "image"}
        One row an object, or one an image; see `anymask.masks.summary`.
    long : bool
        The spectrum of each object in place of measurements: one row an object and band.
    pixel_size : tuple of float, optional
        Height and width of a pixel in `unit`, in place of what files say.
    unit : str, optional
        Without `pixel_size`, the unit that lengths and areas are converted to.
    view : View
        What is read of each image.
    ignore_view : bool
        Whether what is recorded beside the masks (`anymask.io.recorded_view`) is left unused.

    Raises
    ------
    AnymaskError
        If a property is unknown, or two settings exclude each other.
    """

    properties: tuple[str, ...] | None = None
    values: Mapping[str, str] | None = None
    where: str | None = None
    by: Literal["object", "image"] = "object"
    long: bool = False
    pixel_size: tuple[float, float] | None = None
    unit: str | None = None
    view: View = field(default_factory=View)
    ignore_view: bool = False

    def __post_init__(self) -> None:
        unknown = [name for name in self.properties or () if name not in PROPERTIES]
        if unknown:
            raise AnymaskError(
                f"{unknown[0]!r} cannot be measured; choose from {', '.join(PROPERTIES)}."
            )
        if self.by not in ("object", "image"):
            raise AnymaskError(f"by={self.by!r} is neither 'object' nor 'image'; give one of them.")
        if self.pixel_size is not None and not self.unit:
            raise AnymaskError("pixel_size= needs a unit; give one too, such as unit=um.")
        if self.long and (self.by == "image" or self.properties is not None or self.values):
            raise AnymaskError(
                "Spectra in long form go with no properties, values or rows by image; leave these "
                "out."
            )

    def settings(self) -> dict[str, Any]:
        """Return what the rows depend on besides the files, as JSON-ready data."""
        return {
            "properties": None if self.properties is None else list(self.properties),
            "values": None if self.values is None else dict(self.values),
            "where": self.where,
            "by": "band" if self.long else self.by,
            "pixel_size": None if self.pixel_size is None else list(self.pixel_size),
            "unit": self.unit,
            "view": self.view.made_with(None),
            "ignore_view": self.ignore_view,
        }

    def made_of(self, item: MaskedItem) -> dict[str, str]:
        """Return hashes of the files that the rows of an item come from."""
        return {"image": fingerprint(item.path, self.view.header), **item.hashes_of_masks()}

    def start(self) -> Work:
        """Return what measures an item."""
        return self.result

    def result(self, item: MaskedItem, advance: Advance | None = None) -> Measured:
        """Measure an item; an error becomes a failed outcome without rows.

        Parameters
        ----------
        item : MaskedItem
        advance : callable, optional
            Not called: an item takes a moment.
        """
        try:
            made_of = self.made_of(item)
            began = time.perf_counter()
            with noticing() as notices:
                table, masks = self.measured(item)
            outcome = Outcome(
                str(item.name),
                "done",
                str(item.path),
                size=masks.image_size,
                masks=len(masks),
                seconds=time.perf_counter() - began,
                notes=(*notices, *table.notes),
            )
            return Measured(outcome, made_of, table)
        except Exception as error:
            return Measured(failed(item, error), {}, None)

    def measured(self, item: MaskedItem) -> tuple[Measurements, MaskSet]:
        """Measure the objects of an item; notices about its files are told.

        Returns
        -------
        table : Measurements
            Of the objects for which the condition holds.
        masks : MaskSet
            All of them.

        Raises
        ------
        AnymaskError
            If a file cannot be read, or the two do not fit each other.
        """
        job = self._as_recorded(item)
        image = job.view.image(item.path)
        size = (image.height, image.width)
        masks = load_masks(item.masks, size, picture=item.picture, image=image)
        masks = newest_masks(item.masks, masks)
        table = job._spectra(item, image, masks) if job.long else job._table(item, image, masks)
        return summary(table) if job.by == "image" else table, masks

    def _as_recorded(self, item: MaskedItem) -> MeasureJob:
        """Return this job with the view that the masks were found in, and say so."""
        recorded = None if self.ignore_view else recorded_view(item.masks, item.path, self.view)
        if recorded is None:
            return self
        with_values = self.values is None and self.properties is None and not self.long
        words = used_again(recorded, self.view, values=with_values)
        if words:
            tell(
                f"The masks in {item.masks} were found in {', '.join(words)}, and the image is "
                "measured so too; --ignore-view measures it as it is."
            )
        values = values_of(recorded.recipes) if with_values else self.values
        return replace(self, view=joined(recorded, self.view), values=values)

    def _table(self, item: MaskedItem, image: Image, masks: MaskSet) -> Measurements:
        facts = lacked(image, scale_of(item.masks))
        if self.pixel_size is not None:
            facts = {"pixel_size": self.pixel_size, "unit": self.unit}
        table = measure_in_image(
            masks, image, properties=self.properties, values=self.values, **facts
        )
        if self.unit is not None:
            table = in_unit(table, self.unit)
        return table if self.where is None else table.select(choose(self.where, table))

    def _spectra(self, item: MaskedItem, image: Image, masks: MaskSet) -> Measurements:
        check_same_size(masks, image)
        if self.where is not None:
            needed = replace(self, long=False, properties=tuple(properties_in(self.where)))
            chosen = needed._table(item, image, masks)["id"]
            masks = masks.with_ids(masks.ids).select(np.isin(masks.ids, chosen))
        if not (masks.areas > 0).any():
            return Measurements(_spectra_columns(None, {}), {})
        found = object_spectra(image, zip(masks.ids.tolist(), masks, strict=True))
        names = masks.class_names or ("",) * len(masks)
        return Measurements(
            _spectra_columns(found, dict(zip(masks.ids.tolist(), names, strict=True))), {}
        )


def _spectra_columns(
    found: ObjectSpectra | None, classes: Mapping[int, str]
) -> dict[str, NDArray[Any]]:
    """The columns of spectra in long form, one item per object and band."""
    rows: list[dict[str, Any]] = [] if found is None else list(found.rows())

    def column(name: str, dtype: Any, missing: Any) -> NDArray[Any]:
        values: Iterator[Any] = (row[name] for row in rows)
        return np.array([missing if value is None else value for value in values], dtype)

    ids = column("object", np.int64, 0)
    return {
        "id": ids,
        "class_name": np.array([classes[id_] for id_ in ids.tolist()], np.str_),
        "band": column("band", np.int64, 0),
        "wavelength_nm": column("wavelength_nm", np.float64, np.nan),
        "name": column("name", np.str_, ""),
        **{name: column(name, np.float64, np.nan) for name in ("mean", "std", "median")},
        "pixels": column("pixels", np.int64, 0),
    }
