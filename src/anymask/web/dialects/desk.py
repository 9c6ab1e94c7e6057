"""Answers about images that come with a request, through the queue of the served model."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from anymask.errors import AnymaskError, PromptError
from anymask.masks.mask_set import MaskSet
from anymask.predict.everything.generator import SamAutomaticMaskGenerator
from anymask.predict.predict_text import predict_text
from anymask.predict.predictor import SamPredictor
from anymask.predict.prompters import Prompter
from anymask.session import ClickPrompts
from anymask.web.bodies import Box
from anymask.web.dialects.sent import SentImage, digest_of, read_sent
from anymask.web.workplace import Workplace

# Encoded images in memory, and bytes of decoded ones: the clicks of a few users.
_MOST_ENCODED, _MOST_BYTES = 6, 256 * 2**20
_MOST_OBJECTS = 200

Body = TypeVar("Body", bound=BaseModel)


class Desk:
    """Predicts on images that come with a request, and keeps the last ones in memory.

    Parameters
    ----------
    work : Workplace
        Whose model and queue are used; its session is not touched.
    detector : Prompter, optional
        Finds what words name; without it, words are refused.
    """

    def __init__(self, work: Workplace, detector: Prompter | None = None) -> None:
        self._work, self._detector = work, detector
        self._images: OrderedDict[bytes, SentImage] = OrderedDict()
        self._guard = threading.Lock()
        # Of the model's thread alone.
        self._encoded: OrderedDict[bytes, SamPredictor] = OrderedDict()

    @property
    def model_name(self) -> str:
        """The name of the served model."""
        return self._work.sam.config.name

    async def image(self, data: bytes) -> SentImage:
        """Read a file that was sent, unless it was sent a short while ago."""
        return await run_in_threadpool(self._image, data)

    async def predict(
        self,
        request: Request,
        image: SentImage,
        objects: Sequence[ClickPrompts],
        several: bool = False,
    ) -> list[MaskSet]:
        """Predict each of several objects.

        Parameters
        ----------
        request : Request
            Its sender takes the turn in the queue.
        image : SentImage
        objects : sequence of ClickPrompts
            In pixels; boxes are cut at the edges of the image.
        several : bool
            Three candidates of each instead of one mask.

        Raises
        ------
        PromptError
            If there is no prompt, if there are too many, or if one is outside the image.
        """
        if not objects or not all(objects):
            raise PromptError("There is no prompt; send a point on an object, or a box around it.")
        if len(objects) > _MOST_OBJECTS:
            raise PromptError(f"A request may have {_MOST_OBJECTS} objects at most; send several.")

        def work() -> list[MaskSet]:
            predictor = self._encode(image)
            return [_predicted(predictor, each, several) for each in objects]

        return await asyncio.wrap_future(self._work.queue.ask(_user(request), work))

    async def best(self, request: Request, image: SentImage, prompts: ClickPrompts) -> MaskSet:
        """Predict one mask: of a single point, which is ambiguous, the best of three."""
        (found,) = await self.predict(request, image, [prompts], prompts.is_ambiguous)
        return found.select([int(found.predicted_iou.argmax())])

    async def everything(
        self, request: Request, image: SentImage, options: Mapping[str, Any]
    ) -> MaskSet:
        """Find all objects of an image; clicks of all users go in between.

        Parameters
        ----------
        request : Request
        image : SentImage
        options : mapping
            Of `SamAutomaticMaskGenerator`; what is missing or None is the model's own.
        """
        generator = SamAutomaticMaskGenerator(
            self._work.sam, **{k: value for k, value in options.items() if value is not None}
        )

        def work() -> MaskSet:
            return generator.generate_masks(image.rgb, lambda *_: self._work.queue.give_way())

        return await asyncio.wrap_future(self._work.queue.ask(_user(request), work, long=True))

    @property
    def knows_words(self) -> bool:
        """Whether there is a detector for words."""
        return self._detector is not None

    async def words(
        self, request: Request, image: SentImage, words: str, min_score: float | None = None
    ) -> MaskSet:
        """Find what words name; see `anymask.predict_text`.

        Raises
        ------
        PromptError
            If there is no detector, or no word.
        """
        detector = self._detector
        if detector is None:
            raise PromptError(
                "Words need a detector; start the server with --detector grounding-dino."
            )

        def work() -> MaskSet:
            return predict_text(
                image.rgb,
                words,
                prompter=detector,
                model=self._work.sam,
                min_score=min_score,
                progress=lambda *_: self._work.queue.give_way(),
            )

        return await asyncio.wrap_future(self._work.queue.ask(_user(request), work, long=True))

    def _image(self, data: bytes) -> SentImage:
        digest = digest_of(data)
        with self._guard:
            known = self._images.get(digest)
            if known is not None:
                self._images.move_to_end(digest)
                return known
        image = read_sent(data)
        with self._guard:
            self._images[digest] = image
            while sum(each.rgb.nbytes for each in self._images.values()) > _MOST_BYTES:
                self._images.popitem(last=False)  # also this one, if it is that large
        return image

    def _encode(self, image: SentImage) -> SamPredictor:
        predictor = self._encoded.get(image.digest)
        if predictor is None:
            predictor = SamPredictor(self._work.sam)
            predictor.set_image(image.rgb)
            self._encoded[image.digest] = predictor
            while len(self._encoded) > _MOST_ENCODED:
                self._encoded.popitem(last=False)
        self._encoded.move_to_end(image.digest)
        return predictor


def _predicted(predictor: SamPredictor, prompts: ClickPrompts, several: bool) -> MaskSet:
    given: dict[str, Any] = {}
    if prompts.points:
        given = {"point_coords": prompts.points, "point_labels": prompts.labels}
    if prompts.box is not None:
        x0, y0, x1, y1 = prompts.box
        given["box"] = (min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
    masks, scores, _ = predictor.predict(multimask_output=several, **given)
    return MaskSet.from_masks(masks, predicted_iou=scores)


def from_corners(box: Box) -> Box:
    """Turn a box in which the first pixel reaches from 0 to 1 into one of pixel centres.

    >>> from_corners((0, 0, 640, 480))
    (-0.5, -0.5, 639.5, 479.5)
    """
    left, top, right, bottom = box
    return left - 0.5, top - 0.5, right - 0.5, bottom - 0.5


async def json_of(request: Request, body: type[Body]) -> Body:
    """Read a large body of JSON in another thread, so that others are answered meanwhile.

    Raises
    ------
    AnymaskError
        If it is malformed.
    """
    data = await request.body()
    try:
        return await run_in_threadpool(body.model_validate_json, data)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the body"
        raise AnymaskError(f"The request is malformed, at {place}: {first['msg']}.") from error


def _user(request: Request) -> str:
    return request.client.host if request.client else ""
