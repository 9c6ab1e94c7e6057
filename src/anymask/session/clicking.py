"""Masks from clicks: a picture encoded once, then prompted as often as wanted."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import PromptError
from anymask.masks.objects import Crop
from anymask.session.embeddings import EmbeddingCache
from anymask.session.errors import SessionError
from anymask.session.prompts import Prompts
from anymask.session.records import LayerKey
from anymask.session.regions import Region, region_for

if TYPE_CHECKING:
    from anymask.model.sam import Sam
    from anymask.predict.predictor import SamPredictor
    from anymask.session.session import Session

# Encoded pictures held in memory: neighbouring slices, and both ways to look at an image.
_HELD = 8


@dataclass(frozen=True, eq=False)
class Prepared:
    """A picture, or a region of one, ready to be prompted.

    Attributes
    ----------
    layer : LayerKey
    plane : int
    region : Region
    picture : str
        What tells the picture from others (`Session.picture_hash`).
    seconds : float
        That it took.
    from_cache : bool
        Whether it was found encoded.
    """

    layer: LayerKey
    plane: int
    region: Region
    picture: str
    predictor: SamPredictor = field(repr=False)
    seconds: float = 0.0
    from_cache: bool = False


@dataclass(frozen=True, eq=False)
class Preview:
    """Masks that answer prompts, to look at before one becomes an object.

    Attributes
    ----------
    layer, plane, region
        What they are masks of.
    prompts : Prompts
    masks : (C, h, w) bool array
        Of the region, each pixel standing for `region.step` in both directions.
    scores : (C,) float32 array
        The model's estimate of each.
    chosen : int
        Which of them is meant; at first the one with the highest score.
    """

    layer: LayerKey
    plane: int
    region: Region
    prompts: Prompts
    masks: NDArray[np.bool_] = field(repr=False)
    scores: NDArray[np.float32]
    low_res: NDArray[np.float32] = field(repr=False)
    frame: tuple[tuple[int, int], int] = field(repr=False)
    chosen: int = 0

    @property
    def best(self) -> int:
        """The mask of the highest score."""
        return int(np.argmax(self.scores))

    @property
    def score(self) -> float:
        """Of the mask that is chosen."""
        return float(self.scores[self.chosen])

    @property
    def shown(self) -> NDArray[np.bool_]:
        """The chosen mask as it is shown, (h, w)."""
        shown: NDArray[np.bool_] = self.masks[self.chosen]
        return shown

    @property
    def overlay_window(self) -> tuple[slice, slice]:
        """Rows and columns of the picture that `shown` covers."""
        return self.region.window

    def next(self, by: int = 1) -> Preview:
        """The same with another mask chosen: the one that follows by score."""
        order = np.argsort(-self.scores, kind="stable").tolist()
        place = order.index(self.chosen) + by
        return replace(self, chosen=int(order[place % len(order)]))

    def choose(self, index: int) -> Preview:
        """The same with the mask of this index chosen."""
        return replace(self, chosen=min(index, len(self.scores) - 1))

    @property
    def mask(self) -> Crop:
        """The chosen mask in the picture's own pixels, cut out.

        Raises
        ------
        PromptError
            If it has no pixel.
        """
        pixels = self.shown
        if self.region.step > 1:
            from anymask.predict.score_map import ScoreMap

            size = (self.region.height, self.region.width)
            pixels = ScoreMap(self.low_res[self.chosen], size, *self.frame).mask()
        rows, columns = np.flatnonzero(pixels.any(1)), np.flatnonzero(pixels.any(0))
        if not len(rows):
            raise PromptError("The model finds nothing there; click on the object, or draw a box.")
        part = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        return Crop(part, self.region.top + int(rows[0]), self.region.left + int(columns[0]))


class Clicker:
    """Prompts a model with clicks in the images of a session.

    `prepare` may run in one thread while `predict` runs in another, and where two threads want
    the same picture it is encoded once. Of several threads that predict, as when an object is
    followed while somebody clicks, one waits for the other.

    Parameters
    ----------
    sam : Sam
    session : Session
    cache : Path, optional
        Folder of encoded pictures; in the session by default.
    """

    def __init__(self, sam: Sam, session: Session, cache: Path | None = None) -> None:
        from anymask.predict.embeddings import model_hash

        self.sam = sam
        self.session = session
        self.labels_of: Callable[[LayerKey, int], NDArray[Any]] = session.plane_labels
        self.model_hash = model_hash(sam)
        folder = cache or (None if session.read_only else session.folder / "embeddings")
        self._cache = None if folder is None else EmbeddingCache(folder)
        self._ready: OrderedDict[tuple[str, int, Region], Prepared] = OrderedDict()
        self._guard = threading.Lock()
        # What is being encoded, by whichever thread; others that want the same wait for it.
        self._going: dict[tuple[str, int, Region], threading.Event] = {}
        self._predicting = threading.Lock()
        self._selected: Prepared | None = None

    def region_for(
        self,
        image_size: tuple[int, int],
        view: tuple[float, float, float, float] | None = None,
    ) -> Region:
        """Which part to encode for a visible window (top, left, bottom, right)."""
        return region_for(image_size, view, self.sam.config.image_size)

    def is_prepared(self, layer: LayerKey, plane: int = 0, region: Region | None = None) -> bool:
        """Whether `prepare` would return at once."""
        return self._key(layer, plane, self._region(layer, region)) in self._ready

    def prepare(self, layer: LayerKey, plane: int = 0, region: Region | None = None) -> Prepared:
        """Encode a picture or a region of it, or find it encoded. Slow; for a background thread.

        Raises
        ------
        AnymaskError
            If the image cannot be read.
        """
        region = self._region(layer, region)
        key = self._key(layer, plane, region)
        while True:
            with self._guard:
                if key in self._ready:
                    self._ready.move_to_end(key)
                    # Another image of the session may be the very same picture.
                    return replace(self._ready[key], layer=layer)
                going = self._going.get(key)
                if going is None:
                    self._going[key] = threading.Event()
                    break
            going.wait()
        try:
            return self._encode(layer, plane, region, key)
        finally:
            with self._guard:
                self._going.pop(key).set()

    def _encode(
        self, layer: LayerKey, plane: int, region: Region, key: tuple[str, int, Region]
    ) -> Prepared:
        start = time.monotonic()
        predictor = self._new_predictor()
        name = f"{key[0]}-{plane}-{region.text}-{self.model_hash[:16]}"
        found = self._cache is not None and self._cache.load(predictor, name)
        if not found:
            predictor.set_image(self.session.rgb_part(layer, plane, region))
            if self._cache is not None:
                self._cache.save(predictor, name)
        took = time.monotonic() - start
        ready = Prepared(layer, plane, region, key[0], predictor, took, found)
        with self._guard:
            self._ready[key] = ready
            while len(self._ready) > _HELD:
                self._ready.popitem(last=False)
        return ready

    def select(self, prepared: Prepared) -> None:
        """Have `predict` refer to what was prepared, from now on."""
        self._selected = prepared

    @property
    def selected(self) -> Prepared | None:
        """What `predict` refers to."""
        return self._selected

    def predict(
        self,
        prompts: Prompts,
        *,
        multimask: bool | None = None,
        mask: NDArray[np.bool_] | None = None,
        on: Prepared | None = None,
    ) -> Preview:
        """Ask the model.

        Parameters
        ----------
        prompts : Prompts
            In pixels of the whole picture.
        multimask : bool, optional
            Whether three masks come back; by default where the prompt can mean several things: a
            single point.
        mask : (H, W) bool array, optional
            Of the whole picture; part of the prompt as that of `prompts.object_id` would be.
        on : Prepared, optional
            What to ask about, instead of what is selected.

        Raises
        ------
        PromptError
            If nothing is selected, or a prompt lies outside the region.
        """
        ready = on or self._need()
        several = prompts.is_ambiguous if multimask is None else multimask
        return self._predict(ready, prompts, several, mask)

    def cycle(self, preview: Preview, by: int = 1) -> Preview:
        """The next candidate for the same prompts; asks for three if there is one so far."""
        if len(preview.scores) > 1:
            return preview.next(by)
        return self._predict(self._need(), preview.prompts, True, None)

    def predict_boxes(self, boxes: Sequence[tuple[float, float, float, float]]) -> list[Preview]:
        """Ask for one mask in each of several boxes (x0, y0, x1, y1), all at once."""
        ready = self._need()
        if not len(boxes):
            return []
        region = ready.region
        inner = np.array([_box_in(region, box) for box in boxes], np.float64)
        with self._predicting:
            masks, scores, low_res = ready.predictor.predict(
                box=inner, multimask_output=False, batched=True
            )
        return [
            self._preview(ready, Prompts(box=tuple(map(float, box))), m, s, low)  # type: ignore[arg-type]
            for box, m, s, low in zip(boxes, masks, scores, low_res, strict=True)
        ]

    def _predict(
        self,
        ready: Prepared,
        prompts: Prompts,
        multimask: bool,
        mask: NDArray[np.bool_] | None,
    ) -> Preview:
        if not prompts:
            raise PromptError("There is no prompt; click on an object, or draw a box.")
        region, given = ready.region, {}
        if prompts.points:
            outside = [p for p in prompts.points if not region.holds(*p)]
            if outside:
                x, y = outside[0]
                raise PromptError(
                    f"The point at x={x:g}, y={y:g} is outside of what the model sees now; zoom "
                    "out until all points are in view."
                )
            shift = np.array([region.left, region.top])
            given["point_coords"] = (np.array(prompts.points) - shift) / region.step
            given["point_labels"] = np.array(prompts.labels)
        if prompts.box is not None:
            given["box"] = np.array(_box_in(region, prompts.box))
        if prompts.object_id is not None:
            mask = self.labels_of(ready.layer, ready.plane) == prompts.object_id
        if mask is not None:
            given["mask_input"] = self._logits_of(ready, mask)
        with self._predicting:
            masks, scores, low_res = ready.predictor.predict(multimask_output=multimask, **given)
        return self._preview(ready, prompts, masks, scores, low_res)

    def _preview(
        self, ready: Prepared, prompts: Prompts, masks: Any, scores: Any, low_res: Any
    ) -> Preview:
        predictor = ready.predictor
        assert predictor.input_size is not None
        frame = (predictor.input_size, predictor.transform.target_length)
        preview = Preview(
            ready.layer, ready.plane, ready.region, prompts, masks, scores, low_res, frame
        )
        return replace(preview, chosen=preview.best)

    def _logits_of(self, ready: Prepared, mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        """A mask of the picture as the logits that the model takes."""
        from anymask.predict.mask_prompts import mask_logits

        part = mask[ready.region.window]
        if not part.any():
            raise SessionError("The mask given as a prompt has no pixel in view.")
        return mask_logits(part, self.sam.config.low_res_size)

    def _need(self) -> Prepared:
        if self._selected is None:
            raise PromptError("The image is not prepared yet; wait a moment.")
        return self._selected

    def _region(self, layer: LayerKey, region: Region | None) -> Region:
        return region or self.region_for(self.session.image(layer.image).size)

    def _key(self, layer: LayerKey, plane: int, region: Region) -> tuple[str, int, Region]:
        return self.session.picture_hash(layer), plane, region

    def _new_predictor(self) -> SamPredictor:
        from anymask.predict.predictor import SamPredictor

        return SamPredictor(self.sam)


def _box_in(region: Region, box: Sequence[float]) -> list[float]:
    """A box of the picture in pixels of a region, cut to it.

    Raises
    ------
    PromptError
        If it lies outside.
    """
    x0, y0, x1, y1 = (float(side) for side in box)
    sides = [
        max(min(x0, x1), region.left) - region.left,
        max(min(y0, y1), region.top) - region.top,
        min(max(x0, x1), region.left + region.width) - region.left,
        min(max(y0, y1), region.top + region.height) - region.top,
    ]
    if sides[2] <= sides[0] or sides[3] <= sides[1]:
        raise PromptError("The box is outside of what the model sees now; zoom out, or draw again.")
    return [side / region.step for side in sides]
