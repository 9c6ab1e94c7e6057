"""`find_alike`, and `AlikeFinder`, which remembers what it was shown."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import PromptError
from anymask.images.bands import as_cube
from anymask.images.image import Image
from anymask.images.normalize import check_rgb, rgb_of
from anymask.masks.distinct import distinct
from anymask.masks.mask_set import MaskSet
from anymask.masks.rle import compress
from anymask.predict.alike.candidates import CandidateFinder, Candidates, OnPoints
from anymask.predict.alike.describing import Descriptions
from anymask.predict.alike.examples import by_image, masks_shown, needs_predictor
from anymask.predict.alike.found_alike import FoundAlike
from anymask.predict.alike.likeness import Shown, likeness

if TYPE_CHECKING:
    from anymask.model.sam import Sam

# Of two candidates that overlap by more (IoU), the one that is more alike stays.
_OVERLAP = 0.35
# Candidates that overlap an example: the same object from the first on, and another (a part, or a
# group) between the other two.
_SAME, _OTHER, _BESIDE = 0.75, 0.5, 0.05
# An image with more channels than this has a spectrum.
_COLOURS = 4


def find_alike(
    images: Any,
    examples: Iterable[Any],
    *,
    negatives: Iterable[Any] | None = None,
    model: Sam | None = None,
    cache: str | os.PathLike[str] | None = None,
    points_per_side: int = 32,
    progress: OnPoints | None = None,
) -> Any:
    """Find all objects like some that are shown.

    Everything in each image is found at low thresholds and compared with the examples: features of
    the image encoder, colour, size and shape.

    Parameters
    ----------
    images : (H, W, 3) uint8 array or Image, or sequence of these
        The values of spectral images (`anymask.Image` with more than four channels) are compared
        too.
    examples : iterable
        At least one object: a boolean mask (H, W), a box (x0, y0, x1, y1), a click (x, y) in
        pixels, or a `MaskSet` with several. It is in the first image; an object of another image is
        the pair (index of the image, object).
    negatives : iterable, optional
        Objects that are not wanted, in the same form, such as wrong finds of the last call.
    model : Sam, optional
        From `anymask.load`; the shipped model by default.
    cache : path, optional
        A folder where the candidates of each image are kept, so that the next call with the same
        images and model takes a moment.
    points_per_side : int
        As in `SamAutomaticMaskGenerator`: more points find smaller objects and take longer.
    progress : callable, optional
        Called with the points done in an image and their total.

    Returns
    -------
    FoundAlike, or list of FoundAlike
        For one image or for each. ``found.masks()`` are the objects, and ``found.masks(0.8)`` those
        that are more certain.

    Raises
    ------
    PromptError
        If there is no example, or one does not fit its image.
    ImageError
        If an image is not RGB.

    Examples
    --------
    >>> import numpy as np
    >>> from anymask import find_alike
    >>> image = np.full((120, 160, 3), 30, np.uint8)
    >>> for x in (15, 65, 115):
    ...     image[45:75, x : x + 30] = (200, 60, 40)
    >>> found = find_alike(image, [[15, 45, 45, 75]], points_per_side=8)
    >>> len(found.masks())
    3
    """
    single = isinstance(images, Image) or (isinstance(images, np.ndarray) and images.ndim == 3)
    every = [images] if single else list(images)
    finder = AlikeFinder(model, cache=cache, points_per_side=points_per_side)
    wanted = by_image(examples, len(every), "examples")
    unwanted = by_image(negatives or (), len(every), "negatives")
    for image, good, bad in zip(every, wanted, unwanted, strict=True):
        if good or bad:
            finder.show(image, good, bad, progress=progress)
    found = [finder.find(image, progress=progress) for image in every]
    return found[0] if single else found


@dataclass(frozen=True, eq=False)
class _ShownImage:
    """An image in which objects were shown."""

    candidates: Candidates
    examples: MaskSet
    negatives: MaskSet
    described: Descriptions | None
    described_negatives: Descriptions | None

    def taught(self, low: float, high: float) -> Descriptions | None:
        """The candidates whose overlap with the examples is in a range."""
        if self.candidates.described is None or not len(self.examples):
            return None
        overlap = _iou(self.candidates.masks, self.examples).max(1)
        chosen = np.flatnonzero((overlap > low) & (overlap <= high))
        return self.candidates.described.select(chosen) if len(chosen) else None


class AlikeFinder:
    """Finds objects like those it was shown, in any number of images.

    Parameters
    ----------
    model : Sam, optional
        The shipped model by default.
    cache : path, optional
        As in `find_alike`.
    points_per_side : int
        As in `find_alike`.

    Examples
    --------
    A loop of a person who accepts and rejects:

    >>> import numpy as np
    >>> from anymask import AlikeFinder
    >>> image = np.full((120, 160, 3), 30, np.uint8)
    >>> image[45:75, 15:45] = image[45:75, 65:95] = (200, 60, 40)
    >>> finder = AlikeFinder(points_per_side=8)
    >>> finder.show(image, [[15, 45, 45, 75]])
    >>> found = finder.find(image)
    >>> index = int(found.least_certain(1)[0])
    >>> finder.show(image, [found.candidates.select([index])])
    >>> len(finder.find(image).masks())
    2
    """

    def __init__(
        self,
        model: Sam | None = None,
        *,
        cache: str | os.PathLike[str] | None = None,
        points_per_side: int = 32,
    ) -> None:
        if model is None:
            from anymask.checkpoints import load

            model = load()
        self._finder = CandidateFinder(model, cache, points_per_side)
        self._shown: dict[str, _ShownImage] = {}

    def show(
        self,
        image: Any,
        examples: Sequence[Any] = (),
        negatives: Sequence[Any] = (),
        *,
        spectrum: NDArray[np.float32] | None = None,
        progress: OnPoints | None = None,
    ) -> None:
        """Show objects of an image, in addition to those that were shown before.

        Parameters
        ----------
        image : (H, W, 3) uint8 array, or Image
        examples, negatives : sequence
            As in `find_alike`, all of this image.
        spectrum : (H, W, B) float32 array, optional
            Further values of each pixel of an array; those of an Image are known.
        progress : callable, optional

        Raises
        ------
        PromptError
            If one does not fit the image.
        ImageError
            If the image is not RGB.
        """
        pixels, spectrum = _pixels_of(image, spectrum)
        found = self._finder.find(pixels, spectrum, progress)
        size = (pixels.shape[0], pixels.shape[1])
        if needs_predictor([*examples, *negatives]):
            self._finder.encode(pixels, found.key)
        sets = []
        known = self._shown.get(found.key)
        for called, shown in (("examples", examples), ("negatives", negatives)):
            masks = masks_shown(self._finder.predictor, shown, size, called)
            earlier = [getattr(known, called)] if known is not None else []
            joined = MaskSet.concatenate([*earlier, masks], size)
            described = None
            if len(joined):
                described = self._finder.describe(joined, pixels, found.key, spectrum)
            sets.append((joined, described))
        (good, of_good), (bad, of_bad) = sets
        self._shown[found.key] = _ShownImage(found, good, bad, of_good, of_bad)

    def find(
        self,
        image: Any,
        *,
        spectrum: NDArray[np.float32] | None = None,
        progress: OnPoints | None = None,
    ) -> FoundAlike:
        """Find the objects of an image that are like the examples.

        Parameters
        ----------
        image : (H, W, 3) uint8 array, or Image
        spectrum : (H, W, B) float32 array, optional
            As in `show`.
        progress : callable, optional
            Called with the points done and their total.

        Raises
        ------
        PromptError
            If no example was shown.
        ImageError
            If the image is not RGB.
        """
        if not any(len(each.examples) for each in self._shown.values()):
            raise PromptError("No example was shown; show at least one object of the wanted kind.")
        pixels, spectrum = _pixels_of(image, spectrum)
        found = self._finder.find(pixels, spectrum, progress)
        own = self._shown.get(found.key)
        masks = found.masks
        if found.described is None:
            known = np.zeros(0)
        else:
            known = likeness(self._taught(), found.described, found.scores, self._around(found.key))
        if own is not None and len(own.negatives):
            stay = np.flatnonzero((_iou(masks, own.negatives) <= _OVERLAP).all(1))
            masks, known = masks.select(stay), known[stay]
        certain = 0
        if own is not None and len(own.examples):
            certain = len(own.examples)
            masks = MaskSet.concatenate([own.examples, masks], masks.image_size)
            # More than any other, so that no candidate takes the place of an example.
            known = np.concatenate([np.full(certain, 2.0), np.minimum(known, 1 - 1e-9)])
        ranked = distinct(masks, known, _OVERLAP, "mask")
        chosen = np.minimum(known[ranked], 1.0)
        return FoundAlike.of(replace(masks.select(ranked), likeness=chosen))

    def _taught(self) -> Shown:
        shown = list(self._shown.values())
        examples = _joined([each.described for each in shown])
        assert examples is not None
        return Shown(
            examples,
            _joined([each.described_negatives for each in shown]),
            _joined([each.taught(_SAME, 1) for each in shown]),
            _joined([each.taught(_BESIDE, _OTHER) for each in shown]),
        )

    def _around(self, key: str) -> Descriptions | None:
        """The candidates of the other images with examples."""
        others = [each.candidates for name, each in self._shown.items() if name != key]
        return _joined([each.described for each in others])


def _joined(parts: Sequence[Descriptions | None]) -> Descriptions | None:
    known = [each for each in parts if each is not None]
    return Descriptions.joined(known) if known else None


def _iou(one: MaskSet, other: MaskSet) -> NDArray[np.float64]:
    """IoU of each mask of a set with each of another, (N, M)."""
    from pycocotools import mask as coco_mask

    if not len(one) or not len(other):
        return np.zeros((len(one), len(other)))
    packed = [[compress(c, each.image_size) for c in each.counts] for each in (one, other)]
    return np.asarray(coco_mask.iou(*packed, [0] * len(other)), np.float64)


def _pixels_of(
    image: Any, spectrum: NDArray[np.float32] | None
) -> tuple[NDArray[np.uint8], NDArray[np.float32] | None]:
    """An image as RGB, and the values of its bands if it is spectral."""
    pixels: NDArray[np.uint8] = rgb_of(image)
    check_rgb(pixels)
    if spectrum is None and isinstance(image, Image):
        spectrum = spectrum_of(image)
    return pixels, spectrum


def spectrum_of(image: Image) -> NDArray[np.float32] | None:
    """Return the bands of a spectral image, (H, W, B); None of images with up to four channels."""
    plane = image.plane()
    if plane.n_channels <= _COLOURS:
        return None
    return np.asarray(as_cube(plane).array, np.float32)
