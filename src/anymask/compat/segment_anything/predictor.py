"""Encode an image once, then predict masks from prompts."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from anymask.compat.lenient import image_as_8_bit, warn_once
from anymask.compat.segment_anything.modeling.sam import Sam
from anymask.compat.segment_anything.utils.transforms import ResizeLongestSide
from anymask.errors import PromptError
from anymask.model.sam import ImageEmbedding
from anymask.predict.checked_prompts import check_prompts
from anymask.predict.embeddings import EncodedImage
from anymask.predict.predictor import SamPredictor as OwnPredictor

__all__ = ["NoImageError", "ResizeLongestSide", "Sam", "SamPredictor"]


class NoImageError(PromptError, RuntimeError):
    """No image is set; a `RuntimeError` too, as in Meta's class."""


class SamPredictor(OwnPredictor):
    """`anymask.SamPredictor` that takes all that Meta's class takes.

    Parameters
    ----------
    sam_model : Sam
    """

    # Classes of other programs set the model and its transform and leave out this class's own
    # __init__; the rest is then as it is without an image.
    keep_clicked = False
    is_image_set = False
    original_size: tuple[int, int] | None = None
    input_size: tuple[int, int] | None = None
    _features: ImageEmbedding | None = None
    _encoded: list[EncodedImage] = []  # noqa: RUF012 - replaced, never changed
    _selected = 0

    def __init__(self, sam_model: Sam) -> None:
        super().__init__(sam_model)

    def set_image(self, image: Any, image_format: str = "RGB") -> None:
        """Encode an H×W×3 image for later calls of `predict`; see `anymask.SamPredictor`."""
        super().set_image(image_as_8_bit(image), image_format)

    # The signature is Meta's; what anymask adds to it is in anymask.SamPredictor.
    def predict(  # type: ignore[override]
        self,
        point_coords: ArrayLike | None = None,
        point_labels: ArrayLike | None = None,
        box: ArrayLike | None = None,
        mask_input: ArrayLike | None = None,
        multimask_output: bool = True,
        return_logits: bool = False,
    ) -> tuple[NDArray[Any], NDArray[np.float32], NDArray[np.float32]]:
        """Predict masks of one object from points (P×2), a box and a mask (1×h×w).

        Coordinates go to the model as they are, also outside the image. Several prompts at once, as
        `anymask.SamPredictor.predict` takes them, work too.

        Returns
        -------
        masks, iou, low_res : numpy.ndarray
            As from `anymask.SamPredictor.predict`.

        Raises
        ------
        NoImageError
            If no image is set.
        PromptError
            If a prompt has the wrong shape.
        """
        _, original_size, _ = self._image()
        if _is_batch(point_coords, box, mask_input):
            return super().predict(
                point_coords, point_labels, box, mask_input, multimask_output, return_logits
            )
        if point_coords is not None and np.size(point_coords) == 0 and box is not None:
            point_coords = point_labels = None
        self._warn_of_prompts(point_coords, point_labels, box, mask_input)
        coords = boxes = None
        if point_coords is not None:
            coords = self.transform.apply_coords(point_coords, original_size)
        if box is not None:
            boxes = self.transform.apply_boxes(box, original_size)
        results = self.predict_torch(
            self._one(coords),
            self._one(point_labels, torch.int32),
            self._one(boxes),
            self._one(mask_input),
            multimask_output,
            return_logits,
        )
        masks, iou, low_res = (result[0].cpu().numpy() for result in results)
        return masks, iou, low_res

    @torch.no_grad()
    def predict_torch(
        self,
        point_coords: Tensor | None,
        point_labels: Tensor | None,
        boxes: Tensor | None = None,
        mask_input: Tensor | None = None,
        multimask_output: bool = True,
        return_logits: bool = False,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """As `anymask.SamPredictor.predict_torch`; beside boxes there may be no points."""
        if boxes is not None and point_coords is not None and not point_coords.numel():
            point_coords = point_labels = None
        return super().predict_torch(
            point_coords, point_labels, boxes, mask_input, multimask_output, return_logits
        )

    def _one(self, given: ArrayLike | None, dtype: torch.dtype = torch.float32) -> Tensor | None:
        """A part of a prompt as a batch of one, on the model's device."""
        if given is None:
            return None
        return torch.as_tensor(np.asarray(given), dtype=dtype, device=self.device)[None]

    def _warn_of_prompts(self, *prompts: ArrayLike | None) -> None:
        """Warn if `anymask.SamPredictor` would refuse the prompts of one object."""
        assert self.original_size is not None
        side = self.model.config.low_res_size
        try:
            check_prompts(*prompts, image_size=self.original_size, mask_size=side)
        except PromptError as error:
            warn_once(
                "prompt",
                "A prompt was taken as segment_anything takes it, but its mask may mean nothing: "
                f"{error}",
            )

    def _image(self) -> tuple[ImageEmbedding, tuple[int, int], tuple[int, int]]:
        try:
            return super()._image()
        except PromptError as error:
            raise NoImageError(str(error)) from error

    @property
    def orig_h(self) -> int | None:
        """Height of the image."""
        return None if self.original_size is None else self.original_size[0]

    @property
    def orig_w(self) -> int | None:
        """Width of the image."""
        return None if self.original_size is None else self.original_size[1]

    @property
    def input_h(self) -> int | None:
        """Height of the image as resized for the encoder."""
        return None if self.input_size is None else self.input_size[0]

    @property
    def input_w(self) -> int | None:
        """Width of the image as resized for the encoder."""
        return None if self.input_size is None else self.input_size[1]


def _is_batch(
    point_coords: ArrayLike | None, box: ArrayLike | None, mask_input: ArrayLike | None
) -> bool:
    """Whether the prompts are of several objects, which Meta's class does not take."""
    return (
        (point_coords is not None and np.ndim(point_coords) == 3)
        or (box is not None and np.size(box) > 4)
        or (mask_input is not None and np.ndim(mask_input) == 4)
    )
