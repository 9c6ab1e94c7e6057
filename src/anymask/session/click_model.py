"""A model for clicks: encodes an image once and then answers any number of prompts."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import PromptError
from anymask.masks.clicked import keep_clicked
from anymask.session.click_prompts import ClickPrompts
from anymask.session.embedding_folder import EmbeddingFolder
from anymask.session.errors import SessionError
from anymask.session.following import Found, follow, has_memory
from anymask.session.images import Images
from anymask.session.previews import Prepared, Preview
from anymask.session.records import LayerKey
from anymask.session.visible_region import Region, region_for

if TYPE_CHECKING:
    from anymask.model.sam import Sam

# Encoded images in memory: neighbouring planes, and several pseudo-RGBs of one image.
_MOST_IN_MEMORY = 8


class ClickModel:
    """Prompts a model about the images of a session.

    `prepare` may run in one thread while `predict` runs in another. If two threads need the same
    image, it is encoded once. Threads that predict at the same time wait for each other.

    Parameters
    ----------
    sam : Sam
    images : Images
    cache : Path or None
        Folder for encoded images.
    """

    def __init__(self, sam: Sam, images: Images, cache: Path | None) -> None:
        from anymask.predict.embeddings import model_hash

        self.sam = sam
        self.model_hash = model_hash(sam)
        self._images = images
        self._cache = None if cache is None else EmbeddingFolder(cache)
        self._ready: OrderedDict[tuple[str, int, Region], Prepared] = OrderedDict()
        self._guard = threading.Lock()
        # Images being encoded; threads that need the same one wait for its event.
        self._encoding: dict[tuple[str, int, Region], threading.Event] = {}
        self._predicting = threading.Lock()

    def is_prepared(self, layer: LayerKey, plane: int, region: Region | None) -> bool:
        """Whether `prepare` would return at once."""
        return self._key(layer, plane, self._region(layer, region)) in self._ready

    def prepare(self, layer: LayerKey, plane: int = 0, region: Region | None = None) -> Prepared:
        """Encode an image or a region of it, unless it is encoded already."""
        region = self._region(layer, region)
        key = self._key(layer, plane, region)
        while True:
            with self._guard:
                if key in self._ready:
                    self._ready.move_to_end(key)
                    # The entry may come from another image with the same pixels.
                    return replace(self._ready[key], layer=layer)
                encoding = self._encoding.get(key)
                if encoding is None:
                    self._encoding[key] = threading.Event()
                    break
            encoding.wait()
        try:
            return self._encode(layer, plane, region, key)
        finally:
            with self._guard:
                self._encoding.pop(key).set()

    def _encode(
        self, layer: LayerKey, plane: int, region: Region, key: tuple[str, int, Region]
    ) -> Prepared:
        from anymask.predict.predictor import SamPredictor

        start = time.monotonic()
        predictor = SamPredictor(self.sam, keep_clicked=False)  # the prompts say whether
        name = f"{key[0]}-{plane}-{region.text}-{self.model_hash[:16]}"
        found = self._cache is not None and self._cache.load(predictor, name)
        if not found:
            predictor.set_image(self._images.rgb_part(layer, plane, region))
            if self._cache is not None:
                self._cache.save(predictor, name)
        took = time.monotonic() - start
        ready = Prepared(layer, plane, region, key[0], self, predictor, took, found)
        with self._guard:
            self._ready[key] = ready
            while len(self._ready) > _MOST_IN_MEMORY:
                self._ready.popitem(last=False)
        return ready

    def predict(
        self,
        ready: Prepared,
        prompts: ClickPrompts,
        multimask: bool | None = None,
        mask: NDArray[np.bool_] | None = None,
    ) -> Preview:
        """Predict masks.

        Parameters
        ----------
        ready : Prepared
        prompts : ClickPrompts
            In pixels of the whole image.
        multimask : bool, optional
            Return three masks instead of one. By default only for a single point, which is
            ambiguous.
        mask : (H, W) bool array, optional
            A mask of the whole image as a further prompt.

        Raises
        ------
        PromptError
            If there is no prompt, or one lies outside the region.
        """
        if not prompts and mask is None:
            raise PromptError("There is no prompt; click on an object, or draw a box.")
        region, given = ready.region, dict[str, Any]()
        if prompts.points:
            outside = [p for p in prompts.points if not region.holds(*p)]
            if outside:
                x, y = outside[0]
                raise PromptError(
                    f"The point at x={x:g}, y={y:g} is outside the region that the model sees; "
                    "zoom out until all points are in view."
                )
            corner = np.array([region.left, region.top])
            given["point_coords"] = (np.array(prompts.points) - corner) / region.step
            given["point_labels"] = np.array(prompts.labels)
        if prompts.box is not None:
            given["box"] = np.array(_box_in(region, prompts.box))
        if mask is not None:
            given["mask_input"] = self._logits_of(region, mask)
        several = prompts.is_ambiguous if multimask is None else multimask
        with self._predicting:
            found: Any = ready.predictor.predict(multimask_output=several, **given)
        masks, scores, low_res = found
        preview = Preview(ready, prompts, masks, scores, low_res, mask)
        if preview.is_of_clicked:
            at = (prompts.on_object - [region.left, region.top]) / region.step
            masks = np.stack([keep_clicked(candidate, at) for candidate in masks])
        return replace(preview, masks=masks, chosen=preview.best)

    def cycle(self, preview: Preview, by: int = 1) -> Preview:
        """Return the next candidate for the same prompts; predicts three if there is only one."""
        if len(preview.scores) > 1:
            return preview.next(by)
        return self.predict(preview.ready, preview.prompts, True, preview.mask_input)

    def predict_boxes(
        self, ready: Prepared, boxes: Sequence[tuple[float, float, float, float]]
    ) -> list[Preview]:
        """Predict one mask for each of several boxes (x0, y0, x1, y1) in one pass."""
        if not len(boxes):
            return []
        inner = np.array([_box_in(ready.region, box) for box in boxes], np.float64)
        with self._predicting:
            masks, scores, low_res = ready.predictor.predict(
                box=inner, multimask_output=False, batched=True
            )
        prompts = [
            ClickPrompts(box=(float(a), float(b), float(c), float(d))) for a, b, c, d in boxes
        ]
        answers = zip(prompts, masks, scores, low_res, strict=True)
        return [Preview(ready, prompt, m, s, low) for prompt, m, s, low in answers]

    @property
    def has_memory(self) -> bool:
        """Whether the model is a SAM 2, which remembers an object from plane to plane."""
        return has_memory(self.sam)

    def follow(
        self, layer: LayerKey, planes: range, start: int, mask: NDArray[np.bool_], direction: int
    ) -> Iterator[Found]:
        """Follow an object from plane to plane with the model's memory; see `following.follow`."""
        region = self._region(layer, None)
        found = follow(self.sam, self._images, layer, region, planes, start, mask, direction)
        while True:
            with self._predicting:
                each = next(found, None)
            if each is None:
                return
            yield each

    def _logits_of(self, region: Region, mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Convert a mask of the image to the logits that the model takes as a prompt."""
        from anymask.predict.mask_prompts import mask_logits

        part = mask[region.window]
        if not part.any():
            raise SessionError("The mask given as a prompt has no pixel in view.")
        return mask_logits(part, self.sam.config.low_res_size, self.sam.config.stretches)

    def _region(self, layer: LayerKey, region: Region | None) -> Region:
        size = self._images[layer.image].size
        return region or region_for(size, None, self.sam.config.image_size)

    def _key(self, layer: LayerKey, plane: int, region: Region) -> tuple[str, int, Region]:
        return self._images.rgb_hash(layer), plane, region


def _box_in(region: Region, box: Sequence[float]) -> list[float]:
    """Convert a box from image pixels to pixels of a region, and clip it.

    Raises
    ------
    PromptError
        If the box is outside the region.
    """
    x0, y0, x1, y1 = (float(side) for side in box)
    sides = [
        max(min(x0, x1), region.left) - region.left,
        max(min(y0, y1), region.top) - region.top,
        min(max(x0, x1), region.left + region.width) - region.left,
        min(max(y0, y1), region.top + region.height) - region.top,
    ]
    if sides[2] <= sides[0] or sides[3] <= sides[1]:
        raise PromptError(
            "The box is outside the region that the model sees; zoom out, or draw it again."
        )
    return [side / region.step for side in sides]
