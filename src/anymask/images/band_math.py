"""Expressions over the bands of a spectral image: ``(nm(860) - nm(680)) / (nm(860) + nm(680))``.

Besides numbers, operators and functions, an expression may contain:

- ``ch[12]``: a band by its index, counted from 0 as in Python; ``ch[10:20]``: the mean of bands 10
  to 19.
- ``nm(680)``: the band nearest to 680 nm, if there is one within 15 nm (or another tolerance);
  ``nm(680, 5)`` within 5 nm; ``nm(670:690)``: the mean of the bands from 670 to 690 nm.
- ``ndvi`` and the other indices of :mod:`anymask.images.indices`.
- The names of channels in the file, in quotes if they contain spaces: ``"DAPI 405"``; of a
  photograph ``red``, ``green`` and ``blue``.

Bands marked as bad are left out of means and searches. Naming one by its index is an error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.errors import ExpressionError, ImageError
from anymask.expressions import Call, Expression, Indexed, Name, Reference, parse
from anymask.expressions.arithmetic import as_operand
from anymask.images.bands import (
    TOLERANCE,
    as_cube,
    bands_between,
    good_bands,
    nearest_band,
    reflectance_scale,
)
from anymask.images.blocks import blocks_of_rows, read_band
from anymask.images.channel_labels import is_coloured, short_names
from anymask.images.image import Image
from anymask.images.indices import INDICES, Index


def parse_bands(text: str, channel_names: tuple[str, ...] | None = None) -> Expression:
    """Parse an expression over bands, without checking whether an image has them.

    Parameters
    ----------
    text
        The expression.
    channel_names
        Channel names that it may contain, besides the names of indices.

    Raises
    ------
    ExpressionError
        If the expression cannot be understood.
    """
    names = [*(channel_names or ()), *INDICES]
    return parse(text, names=names, functions=("nm",), indexed=("ch",))


@dataclass(frozen=True)
class BandMath:
    """An expression whose bands have been found in an image; made by :func:`resolve`.

    Attributes
    ----------
    expression : Expression
    answers : dict
        For each reference in the expression: the indices of the bands whose mean it is, or the
        band math of a spectral index.
    divisor : float
        Band values are divided by this first, which turns them into reflectance for an index.
    """

    expression: Expression
    answers: dict[Reference, NDArray[np.intp] | BandMath]
    divisor: float = 1.0

    @property
    def bands(self) -> list[int]:
        """Indices of the bands it reads, without duplicates."""
        found: set[int] = set()
        for answer in self.answers.values():
            found.update(answer.bands if isinstance(answer, BandMath) else answer.tolist())
        return sorted(found)

    @property
    def indices(self) -> list[Index]:
        """The spectral indices that it names."""
        names = [node.name for node in self.answers if isinstance(node, Name)]
        return [INDICES[name] for name in names if name in INDICES]

    def evaluate(self, band: Callable[[int], NDArray[Any]]) -> NDArray[Any]:
        """Compute the expression; ``band(i)`` returns the values of band ``i``."""
        by_name = {node.name: node for node in self.answers if isinstance(node, Name)}

        def answer(node: Reference) -> NDArray[Any]:
            found = self.answers[node]
            if isinstance(found, BandMath):
                return found.evaluate(band)
            values = _mean(found, band)
            return values if self.divisor == 1 else as_operand(values) / self.divisor

        return self.expression.evaluate(
            lambda name: answer(by_name[name]), index=answer, call=answer
        )


def resolve(text: str, image: Image, *, tolerance: float = TOLERANCE) -> BandMath:
    """Find the bands of an image that an expression names.

    Raises
    ------
    ExpressionError
        If the expression cannot be understood or the image lacks something it names; the error
        points at the character.
    """
    names = _channel_names(image)
    expression = parse_bands(text, names)
    answers: dict[Reference, NDArray[np.intp] | BandMath] = {}
    for node in expression.references():
        try:
            answers[node] = _answer(node, image, names, tolerance)
        except ExpressionError as error:
            if error.expression == text:
                raise
            # The fault is in the formula of an index, which the user did not type.
            raise expression.error(node.position, f"{node.name}: {error.problem}") from error
        except ImageError as error:
            raise expression.error(node.position, str(error).rstrip(".")) from error
    return BandMath(expression, answers)


def band_math(
    image: Any,
    expression: str,
    *,
    wavelengths: ArrayLike | None = None,
    tolerance: float = TOLERANCE,
) -> NDArray[Any]:
    """Compute an expression over the bands of an image, pixel by pixel.

    Only the bands in the expression are read, one block of rows at a time.

    Parameters
    ----------
    image
        An :class:`Image`, or an array (H, W, C).
    expression
        For example ``"ndvi"`` or ``"ch[3] / ch[10:20]"``; see :mod:`anymask.images.band_math`.
    wavelengths
        For an array: the centre of each band in nanometres.
    tolerance
        Largest distance, in nanometres, between ``nm(…)`` and the band used for it.

    Returns
    -------
    numpy.ndarray
        (H, W): ``bool`` for comparisons, otherwise ``float32``, or ``float64`` for 32-bit integers
        and wider values. NaN where the result is not finite, such as 0/0.

    Raises
    ------
    ExpressionError
        If the expression cannot be understood or names something that the image lacks.

    Examples
    --------
    >>> cube = np.array([[[1, 3], [0, 0]]], np.uint8)
    >>> band_math(cube, "(ch[1] - ch[0]) / (ch[1] + ch[0])")
    array([[0.5, nan]], dtype=float32)
    """
    cube = as_cube(image, wavelengths)
    math = resolve(expression, cube, tolerance=tolerance)
    result: NDArray[Any] | None = None
    for rows in blocks_of_rows(cube):
        values = math.evaluate(cached_bands(cube, rows))
        if result is None:
            result = np.empty((cube.height, cube.width), values.dtype)
        part = result[rows]
        part[...] = values
        if part.dtype.kind == "f" and not np.isfinite(part).all():
            part[np.isinf(part)] = np.nan  # infinite in the file itself
    assert result is not None  # an image has at least one row
    return result


def cached_bands(image: Image, rows: slice) -> Callable[[int], NDArray[Any]]:
    """Return a function that reads some rows of a band, each band once."""
    known: dict[int, NDArray[Any]] = {}

    def band(index: int) -> NDArray[Any]:
        if index not in known:
            known[index] = read_band(image, index, rows)
        return known[index]

    return band


def _channel_names(image: Image) -> tuple[str, ...]:
    """The names of channels in the file, or of the colours of a photograph."""
    if image.channel_names is None and image.n_channels in (3, 4) and is_coloured(image.axes):
        return tuple(short_names(image.n_channels, None, None, coloured=True))
    return image.channel_names or ()


def _answer(
    node: Reference, image: Image, names: tuple[str, ...], tolerance: float
) -> NDArray[np.intp] | BandMath:
    if isinstance(node, Indexed):
        return _by_index(node, image)
    if isinstance(node, Call):
        return _by_wavelength(node, image, tolerance)
    if node.name in names:
        return np.array([names.index(node.name)])
    index = INDICES[node.name]
    math = resolve(index.formula, image, tolerance=tolerance)
    scale = reflectance_scale(image) if index.needs_reflectance else None
    return replace(math, divisor=scale or 1.0)


def _by_index(node: Indexed, image: Image) -> NDArray[np.intp]:
    number = image.n_channels
    stop = number if node.stop is None else node.stop
    if node.start >= number or stop > number:
        raise ImageError(
            f"there are {number} bands, ch[0] to ch[{number - 1}]; there is no "
            f"ch[{f'{node.start}:{stop}' if node.ranged else node.start}]"
        )
    good = good_bands(image)
    chosen = good[(good >= node.start) & (good < stop)]
    if chosen.size == 0:
        what = "all of these bands are" if node.ranged else f"band {node.start} is"
        raise ImageError(f"{what} marked as bad in the file; choose another")
    return chosen


def _by_wavelength(node: Call, image: Image, tolerance: float) -> NDArray[np.intp]:
    first, *rest = node.arguments
    if any(isinstance(argument, tuple) for argument in rest) or len(rest) > 1:
        raise ImageError("nm( ) takes a wavelength and an optional tolerance, or a range a:b")
    if isinstance(first, tuple):
        if rest:
            raise ImageError("nm(a:b) takes all bands from a to b and has no tolerance")
        if first[0] > first[1]:
            raise ImageError(f"nm({first[0]:g}:{first[1]:g}) is empty; put the lower number first")
        return bands_between(image, *first)
    if rest:
        own = rest[0]
        assert isinstance(own, float)
        if own < 0:
            raise ImageError("the tolerance in nm( ) must be 0 or more")
        tolerance = own
    return np.array([nearest_band(image, first, tolerance)])


def _mean(bands: NDArray[np.intp], band: Callable[[int], NDArray[Any]]) -> NDArray[Any]:
    first = band(int(bands[0]))
    if len(bands) == 1:
        return first
    # Summed in float64, so that the mean of many bands is as exact as one band.
    total: NDArray[np.float64] = np.zeros(first.shape)
    for index in bands:
        total += band(int(index))
    total /= len(bands)
    return total.astype(as_operand(first).dtype if first.dtype.kind != "b" else np.float32)
