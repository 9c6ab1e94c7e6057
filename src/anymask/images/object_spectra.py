"""Spectra of objects: mean, standard deviation, median and number of pixels per band."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.errors import ImageError
from anymask.files import whole_file
from anymask.images.bands import as_cube, called, good_bands
from anymask.images.image import Image
from anymask.label_ids import checked_labels

_COLUMNS = ("object", "band", "wavelength_nm", "name", "mean", "std", "median", "pixels")


@dataclass(frozen=True, eq=False)
class ObjectSpectra:
    """Spectra of N objects in B bands; made by :func:`object_spectra`.

    Attributes
    ----------
    ids : ndarray
        ``int64`` (N,): the objects' ids in the label image, ascending.
    bands : ndarray
        ``int64`` (B,): indices of the bands in the image, from 0; bad bands are left out.
    wavelengths : ndarray or None
        ``float64`` (B,), in nanometres.
    names : tuple of str or None
        Names of the bands.
    mean, std, median : ndarray
        ``float64`` (N, B), over the pixels with finite values; NaN if there are none. The
        standard deviation is the population one (divided by the number of pixels).
    pixels : ndarray
        ``int64`` (N, B): number of pixels with finite values.
    """

    ids: NDArray[np.int64]
    bands: NDArray[np.int64]
    wavelengths: NDArray[np.float64] | None
    names: tuple[str, ...] | None
    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    median: NDArray[np.float64]
    pixels: NDArray[np.int64]

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield one row per object and band, with None for unknown values."""
        for i, id_ in enumerate(self.ids.tolist()):
            for k, band in enumerate(self.bands.tolist()):
                numbers = (float(table[i, k]) for table in (self.mean, self.std, self.median))
                nm = None if self.wavelengths is None else float(self.wavelengths[k])
                yield dict(
                    zip(
                        _COLUMNS,
                        (
                            id_,
                            band,
                            nm,
                            None if self.names is None else self.names[k],
                            *(number if np.isfinite(number) else None for number in numbers),
                            int(self.pixels[i, k]),
                        ),
                        strict=True,
                    )
                )

    def to_csv(self, path: str | Path) -> None:
        """Write one row per object and band; unknown values are left empty.

        Columns: object, band (index from 0), wavelength_nm, name, mean, std, median, pixels.

        Raises
        ------
        OutputError
            If the file cannot be written.
        """
        with whole_file(Path(path)) as part, part.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(_COLUMNS)
            for row in self.rows():
                writer.writerow(map(_text, row.values()))

    def plot(self, path: str | Path, *, title: str = "", unit: str = "value") -> None:
        """Plot the mean spectra, shaded by one standard deviation, as PNG, SVG or PDF.

        Objects have the same colours as in overlays. Needs matplotlib.

        Raises
        ------
        ImageError
            If matplotlib is not installed.
        OutputError
            If the file cannot be written.
        """
        from anymask.images.spectra_plot import draw

        with whole_file(Path(path)) as part:
            draw(self, part, title=title, unit=unit)


def object_spectra(
    image: Any, labels: ArrayLike | Iterable[tuple[int, NDArray[np.bool_]]]
) -> ObjectSpectra:
    """Measure the spectrum of each object in a label image, or of each mask.

    One band is in memory at a time, or several if the file stores them in one chunk. Bands marked
    as bad are left out.

    Parameters
    ----------
    image
        An :class:`Image` with one time and depth, or an array (H, W, C).
    labels
        Ids (H, W), 0 for no object; or pairs of an id and a mask, ``bool`` (H, W), which may
        overlap. Ids are kept as they are.

    Raises
    ------
    ImageError
        If the labels do not have the image's size or are not integers, or there is no object.

    Examples
    --------
    >>> cube = np.array([[[1.0, 5.0], [3.0, 7.0], [9.0, 9.0]]])
    >>> spectra = object_spectra(cube, [[4, 4, 0]])
    >>> spectra.ids.tolist(), spectra.mean.tolist(), spectra.pixels.tolist()
    ([4], [[2.0, 6.0]], [[2, 2]])
    """
    cube = as_cube(image)
    if isinstance(labels, Iterable) and not hasattr(labels, "__len__"):
        ids, places, starts = _of_masks(labels, cube)
    else:
        ids, places, starts = _of_labels(np.asarray(labels), cube)
    if len(ids) == 0:
        raise ImageError("There is no object to measure: the labels are 0 everywhere.")
    ends = [*starts[1:], len(places)]
    bands = good_bands(cube)
    mean, std, median = (np.full((len(ids), len(bands)), np.nan) for _ in range(3))
    counts = np.zeros((len(ids), len(bands)), np.int64)
    for k, plane in enumerate(cube.channels(bands.tolist())):
        values = cube.without_nodata(plane).ravel()[places].astype(np.float64)
        for i, (start, end) in enumerate(zip(starts, ends, strict=True)):
            own = values[start:end]
            known = own[np.isfinite(own)]
            counts[i, k] = known.size
            if known.size:
                mean[i, k], std[i, k], median[i, k] = known.mean(), known.std(), np.median(known)
    return ObjectSpectra(
        ids,
        bands.astype(np.int64),
        None if cube.wavelengths is None else np.asarray(cube.wavelengths)[bands],
        None if cube.channel_names is None else tuple(cube.channel_names[b] for b in bands),
        mean,
        std,
        median,
        counts,
    )


Places = tuple[NDArray[np.int64], NDArray[np.intp], Sequence[int]]
"""Ids; flat indices of the objects' pixels, one object after another; where each begins."""


def _of_labels(labels: NDArray[Any], cube: Image) -> Places:
    labels = checked_labels(labels, error=ImageError)
    _check_size(labels, cube)
    flat = labels.ravel()
    places = np.flatnonzero(flat)
    places = places[np.argsort(flat[places], kind="stable")]
    ids, starts = np.unique(flat[places], return_index=True)
    return ids.astype(np.int64), places, starts.tolist()


def _of_masks(masks: Iterable[tuple[int, NDArray[np.bool_]]], cube: Image) -> Places:
    pieces: dict[int, NDArray[np.intp]] = {}
    for id_, mask in masks:
        _check_size(mask, cube)
        pieces[int(id_)] = np.flatnonzero(mask)
    ids = sorted(id_ for id_, piece in pieces.items() if piece.size)
    lengths = [pieces[id_].size for id_ in ids]
    places = np.concatenate([pieces[id_] for id_ in ids]) if ids else np.zeros(0, np.intp)
    return np.array(ids, np.int64), places, np.cumsum([0, *lengths])[:-1].tolist()


def _check_size(labels: NDArray[Any], cube: Image) -> None:
    if labels.shape != (cube.height, cube.width):
        shape = "×".join(map(str, labels.shape[::-1]))
        raise ImageError(
            f"The label image is {shape} pixels and {called(cube)} is {cube.width}×{cube.height}; "
            "give labels made from this image."
        )


def _text(value: Any) -> Any:
    """Format a value for CSV: floats with 7 significant digits, an empty text for None."""
    if value is None:
        return ""
    return f"{value:.7g}" if isinstance(value, float) else value
