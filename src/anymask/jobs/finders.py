"""What a job does with an image: find everything in it, answer its prompts, or find words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from anymask.images.image import Image
from anymask.jobs.inputs import WorkItem
from anymask.masks.mask_set import MaskSet
from anymask.notices import tell
from anymask.painting import default_width, draw_prompts, enlargement, overlay
from anymask.prompts.prompts import Prompts

if TYPE_CHECKING:
    from anymask.model.sam import Sam

# Boxes that the model sees with fewer pixels along their longer side give poor masks.
_SMALL = 16
# How many times longer an object is, at least, than the lines of prompts are wide.
_SIDE_PER_LINE = 30

Advance = Callable[[int, int], None]
"""Called with the points that are done and their total; may raise to stop."""


class Finder(Protocol):
    """Finds the masks of images, one after another."""

    def find(
        self, item: WorkItem, image: Image, rgb: NDArray[np.uint8], advance: Advance | None
    ) -> MaskSet:
        """Return the masks of an image, which the model sees as `rgb`."""

    def painted(self, rgb: NDArray[np.uint8], masks: MaskSet) -> NDArray[np.uint8]:
        """Return the overlay of the masks that `find` just returned."""


class Everything:
    """All objects of an image.

    Raises
    ------
    AnymaskError
        If the model does not support an option.
    """

    def __init__(self, sam: Sam, options: Mapping[str, Any]) -> None:
        from anymask.predict.everything.generator import SamAutomaticMaskGenerator

        self._generator = SamAutomaticMaskGenerator(sam, **options)

    def find(
        self, item: WorkItem, image: Image, rgb: NDArray[np.uint8], advance: Advance | None
    ) -> MaskSet:
        """Return the masks of all objects."""
        return self._generator.generate_masks(rgb, progress=advance)

    def painted(self, rgb: NDArray[np.uint8], masks: MaskSet) -> NDArray[np.uint8]:
        """Paint the masks over the image, enlarged if it is very small."""
        return overlay(rgb, masks, scale=enlargement(rgb.shape))


class Named:
    """The objects that words name.

    Parameters
    ----------
    sam : Sam
    words : sequence of str
    prompter : str or None
    min_score : float or None
    tile_size : int or None
        As in `predict_text`.
    device : str
        Where a published detector computes.

    Raises
    ------
    AnymaskError
        If there is no such detector.
    """

    def __init__(
        self,
        sam: Sam,
        words: Sequence[str],
        prompter: str | None,
        min_score: float | None,
        tile_size: int | None,
        device: str,
    ) -> None:
        from anymask.predict.predictor import SamPredictor
        from anymask.predict.prompters import the_prompter

        self._words = list(words)
        self._given = {"min_score": min_score, "tile_size": tile_size}
        self._prompter = the_prompter(prompter, device)
        self._predictor = SamPredictor(sam)

    def find(
        self, item: WorkItem, image: Image, rgb: NDArray[np.uint8], advance: Advance | None
    ) -> MaskSet:
        """Return a mask for each object that a word names."""
        from anymask.predict.predict_text import predict_text

        try:
            return predict_text(
                rgb,
                self._words,
                prompter=self._prompter,
                model=self._predictor,
                progress=advance,
                **self._given,  # type: ignore[arg-type]
            )
        finally:
            self._predictor.reset_image()

    def painted(self, rgb: NDArray[np.uint8], masks: MaskSet) -> NDArray[np.uint8]:
        """Paint the masks over the image."""
        return overlay(rgb, masks)


class Answers:
    """The objects that the prompts of each image show.

    Parameters
    ----------
    sam : Sam
    prompts : mapping of Path to Prompts
        Those of each image, as in their file.
    keep_clicked : bool
        As in `SamPredictor`.
    options : mapping
        ``tile_size`` and ``tile_overlap`` for large images, if given.
    """

    def __init__(
        self,
        sam: Sam,
        prompts: Mapping[Path, Prompts],
        keep_clicked: bool,
        options: Mapping[str, Any],
    ) -> None:
        from anymask.predict.predictor import SamPredictor

        self._prompts, self._options = prompts, options
        self._predictor = SamPredictor(sam, keep_clicked=keep_clicked)
        self._placed = Prompts()

    def find(
        self, item: WorkItem, image: Image, rgb: NDArray[np.uint8], advance: Advance | None
    ) -> MaskSet:
        """Return a mask for each prompt that lies in the image."""
        self._placed = self._prompts[item.path].for_image(image)
        size = (image.height, image.width)
        if not len(self._placed):
            return MaskSet.from_counts(size, [])
        if max(size) > self._options.get("tile_size", max(size)):
            from anymask.predict.tiled_prompts import masks_in_tiles

            return masks_in_tiles(
                self._predictor, rgb, self._placed, **self._options, progress=advance
            )
        if "tile_size" not in self._options:
            self._advise_tiles(item, size)
        self._predictor.set_image(rgb)
        try:
            return self._predictor.predict_many(self._placed, progress=advance)
        finally:
            self._predictor.reset_image()

    def _advise_tiles(self, item: WorkItem, size: tuple[int, int]) -> None:
        """Say so if the model sees boxes at a size at which masks are poor."""
        boxes = self._placed.boxes[self._placed.has_box]
        seen = self._predictor.model.config.image_size
        if not len(boxes) or max(size) <= seen:
            return
        sides = (boxes[:, 2:] - boxes[:, :2]).max(1) * seen / max(size)
        if np.median(sides) < _SMALL:
            tell(
                f"{item.title}: the model sees an image of {size[1]}×{size[0]} pixels at {seen}, "
                f"and these boxes {np.median(sides):.0f} pixels long; masks are better with "
                f"--tile-size {seen} (tile_size={seen} in Python)."
            )

    def painted(self, rgb: NDArray[np.uint8], masks: MaskSet) -> NDArray[np.uint8]:
        """Paint the masks and the prompts over the image."""
        placed = self._placed
        # Lines must not hide what small objects show.
        side = float(np.sqrt(np.median(masks.areas))) if len(masks) else 0.0
        width = min(default_width(rgb.shape) + 1, max(1, round(side / _SIDE_PER_LINE)))
        return draw_prompts(
            overlay(rgb, masks),
            width=width,
            point_coords=placed.point_coords[placed.point_labels >= 0],
            point_labels=placed.point_labels[placed.point_labels >= 0],
            boxes=placed.boxes[placed.has_box],
        )
