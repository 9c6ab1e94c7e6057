"""An image as the model sees it, computed where it is looked at.

`RgbWindows` is sliced like the array that `to_rgb` or `pseudo_rgb` would return, but no more than
the slice is in memory. Its limits of contrast are those of the whole image.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import ImageError
from anymask.images.contrast import MOST_VALUES, Contrast
from anymask.images.image import Image, take
from anymask.images.normalize import contrast_of, fixed_limits, limits_of, rendered
from anymask.images.planes import is_spectral, planes_of
from anymask.images.recipes import TRUE_COLOUR, Recipe
from anymask.notices import noticing

# Steps that need all pixels at once.
_OF_THE_WHOLE = ("clahe", "background")


class RgbWindows:
    """The 8-bit RGB of an image of any size.

    Parameters
    ----------
    image : Image
        One plane, in memory or in its file.
    options : mapping
        As for :func:`anymask.to_rgb`; with a recipe, as for :func:`anymask.pseudo_rgb`.
    how : Recipe, optional
        A pseudo-RGB.
    limits : sequence of (float, float), optional
        Those of the same image, found before; so each of many processes need not look for them.

    Attributes
    ----------
    shape : tuple of int
        (H, W, 3).
    dtype : dtype
        ``uint8``.
    limits : tuple of (float, float)
        The values for black and white of each channel.

    Raises
    ------
    ImageError
        If the image cannot be shown this way, or not piece by piece.

    Examples
    --------
    >>> ramp = Image(np.arange(12, dtype=np.uint16).reshape(3, 4), "YX")
    >>> shown = RgbWindows(ramp, {"low": 0, "high": 11})
    >>> shown.shape, shown[1:2, 2:4][..., 0].tolist()
    ((3, 4, 3), [[139, 162]])
    """

    def __init__(
        self,
        image: Image,
        options: Mapping[str, Any] | None = None,
        how: Recipe | None = None,
        limits: Sequence[tuple[float, float]] | None = None,
    ) -> None:
        self.shape = (image.height, image.width, 3)
        self.dtype = np.dtype(np.uint8)
        options = dict(options or {})
        for name in _OF_THE_WHOLE:
            if options.get(name):
                raise ImageError(
                    f"{name} needs the whole image at once, and this one is shown part by part; "
                    f"leave {name} out, or crop or shrink the image."
                )
        self._image = image
        self._choice = {name: options.pop(name, None) for name in ("channels", "colors")}
        self._contrast: Contrast = contrast_of(**options)
        unchosen = all(choice is None for choice in self._choice.values())
        if how is None and is_spectral(image) and unchosen:
            from anymask.images.pseudo_rgb import default_recipe

            how = default_recipe(image)
        self._how = how
        self.limits = tuple(self._limits_of_the_whole() if limits is None else limits)

    def __getitem__(self, index: tuple[slice, slice]) -> NDArray[np.uint8]:
        """Return the pixels of a slice of rows and a slice of columns, without steps."""
        rows, columns = (
            range(length)[part] for length, part in zip(self.shape[:2], index, strict=True)
        )
        part = self._image.region(rows.start, columns.start, len(rows), len(columns))
        with noticing():  # told once, for the whole
            if self._how is not None:
                from anymask.images.render_recipe import render

                return render(part, self._how, self._contrast, limits=self.limits).rgb
            return rendered(planes_of(part, **self._choice), self._contrast, self.limits)

    def _limits_of_the_whole(self) -> list[tuple[float, float]]:
        """The values for black and white, from the rows that `to_rgb` would look at."""
        if self._how is not None:
            from anymask.images.render_recipe import limits_of as limits_of_recipe

            if self._how.method not in (None, TRUE_COLOUR):
                raise ImageError(
                    f"{self._how.name} needs the whole image at once, and this one is shown part "
                    "by part; name bands or expressions, or crop or shrink the image."
                )
            return limits_of_recipe(self._image, self._how, self._contrast)
        first = planes_of(self._image.region(0, 0, 1, 1), **self._choice)
        if (fixed := fixed_limits(first, self._contrast)) is not None:
            return fixed
        image, step = self._image, math.ceil(self.shape[0] * self.shape[1] / MOST_VALUES)
        ends = (self._contrast.low, self._contrast.high)
        if step > 1 and any(each in ("0%", "100%", "0.0%", "100.0%") for each in ends):
            raise ImageError(
                "The minimum and maximum of so large an image are not looked for; give values or "
                "percentiles such as 0.1% and 99.9%."
            )
        if step > 1:
            picks: list[Any] = [slice(None)] * image.ndim
            picks[image.axes.index("Y")] = slice(None, None, step)
            some = take(image.array, tuple(picks))
            valid = None if image.valid is None else take(image.valid, (slice(None, None, step),))
            image = image.with_array(some, valid=valid)
        with noticing():  # told above
            return limits_of(planes_of(image, **self._choice), self._contrast)
