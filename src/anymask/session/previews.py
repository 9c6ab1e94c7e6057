"""The input and output of a click: an encoded image, and masks to choose from."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from anymask.errors import PromptError
from anymask.masks.clicked import keep_clicked
from anymask.masks.objects import ObjectCrop, boxed
from anymask.session.brush import brushed_crop
from anymask.session.click_prompts import ClickPrompts
from anymask.session.lasso import inside_of
from anymask.session.records import LayerKey
from anymask.session.visible_region import Region

if TYPE_CHECKING:
    from anymask.predict.predictor import SamPredictor
    from anymask.session.click_model import ClickModel


@dataclass(frozen=True, eq=False)
class Prepared:
    """An encoded image or region, ready for prompts.

    Attributes
    ----------
    layer : LayerKey
    plane : int
    region : Region
    rgb_hash : str
        Hash of the encoded pixels (`Images.rgb_hash`).
    seconds : float
        Time that encoding or loading took.
    from_cache : bool
        Whether the embedding was loaded from disk.
    """

    layer: LayerKey
    plane: int
    region: Region
    rgb_hash: str
    model: ClickModel = field(repr=False)
    predictor: SamPredictor = field(repr=False)
    seconds: float = 0.0
    from_cache: bool = False


@dataclass(frozen=True, eq=False)
class Preview:
    """Masks predicted from prompts, to look at before one becomes an object.

    Attributes
    ----------
    ready : Prepared
        The encoded image.
    prompts : ClickPrompts
    masks : (C, h, w) bool array
        Masks of the region; each pixel stands for `region.step` image pixels in both directions.
    scores : (C,) float32 array
        The predicted IoU of each mask.
    mask_input : (H, W) bool array or None
        The mask of the whole image that was part of the prompt.
    chosen : int
        Index of the chosen mask; at first the one with the highest score.
    """

    ready: Prepared
    prompts: ClickPrompts
    masks: NDArray[np.bool_] = field(repr=False)
    scores: NDArray[np.float32]
    low_res: NDArray[np.float32] = field(repr=False)
    mask_input: NDArray[np.bool_] | None = field(repr=False, default=None)
    chosen: int = 0

    @property
    def is_of_clicked(self) -> bool:
        """Whether only the regions of a mask that were clicked belong to it."""
        given = self.prompts
        return given.keep_clicked and given.is_of_points and self.mask_input is None

    @property
    def layer(self) -> LayerKey:
        """The layer that the masks are for."""
        return self.ready.layer

    @property
    def plane(self) -> int:
        """The plane that the masks are for."""
        return self.ready.plane

    @property
    def region(self) -> Region:
        """The region that the masks cover."""
        return self.ready.region

    @property
    def best(self) -> int:
        """The index of the mask with the highest score."""
        return int(np.argmax(self.scores))

    @property
    def score(self) -> float:
        """The score of the chosen mask."""
        return float(self.scores[self.chosen])

    @property
    def shown(self) -> NDArray[np.bool_]:
        """The chosen mask as it is shown, (h, w)."""
        shown: NDArray[np.bool_] = self.masks[self.chosen]
        return shown

    @property
    def overlay_window(self) -> tuple[slice, slice]:
        """Rows and columns of the image that `shown` covers."""
        return self.region.window

    def next(self, by: int = 1) -> Preview:
        """Return a copy with the next mask by score chosen."""
        order = np.argsort(-self.scores, kind="stable").tolist()
        place = order.index(self.chosen) + by
        return replace(self, chosen=int(order[place % len(order)]))

    def choose(self, index: int) -> Preview:
        """Return a copy with the mask at this index chosen."""
        return replace(self, chosen=min(index, len(self.scores) - 1))

    @property
    def mask(self) -> ObjectCrop:
        """The chosen mask in image pixels, cropped to its box.

        Raises
        ------
        PromptError
            If the mask is empty.
        """
        region, top, left = self.region, 0, 0
        if region.step == 1:
            pixels = self.shown
        else:
            from anymask.predict.score_map import ScoreMap

            predictor = self.ready.predictor
            size = (region.height, region.width)
            found = ScoreMap(self.low_res[self.chosen], size, *predictor.logits_frame).crop()
            pixels = np.zeros((0, 0), bool)
            if found is not None:
                pixels, top, left = found.pixels, found.top, found.left
                if self.is_of_clicked:
                    corner = [region.left + left, region.top + top]
                    pixels = keep_clicked(pixels, self.prompts.on_object - corner)
                if self.prompts.lasso:
                    at = region.left + left, region.top + top
                    size = pixels.shape[0], pixels.shape[1]
                    pixels = pixels & inside_of(self.prompts.lasso, size, at)
        strokes = [
            replace(each, path=tuple((x - region.left, y - region.top) for x, y in each.path))
            for each in self.prompts.strokes
        ]
        if strokes and region.step > 1:  # otherwise they are in the masks already
            before = ObjectCrop(pixels, top, left) if pixels.size else None
            drawn = brushed_crop(before, strokes, (region.height, region.width))
            pixels, top, left = drawn.pixels, drawn.top, drawn.left
        crop = boxed(pixels)
        if not crop.pixels.size:
            raise PromptError("The model found nothing there; click on the object, or draw a box.")
        return ObjectCrop(crop.pixels, region.top + top + crop.top, region.left + left + crop.left)
