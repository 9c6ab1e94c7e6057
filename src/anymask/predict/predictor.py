"""Masks of one image from points, boxes and masks.

``SamPredictor`` has the interface of Meta's class of the same name: an image is encoded once (the
slow part), then prompted any number of times (arXiv 2304.02643, section 3). In addition, it takes
many prompts in one call and several images, and stores encoded images in files.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.errors import PromptError
from anymask.masks.clicked import keep_clicked
from anymask.masks.mask_set import MaskSet
from anymask.model.arrays import without_gradients
from anymask.predict.checked_prompts import CheckedPrompts, check_prompts, check_tensors
from anymask.predict.each_image import check_each, joined
from anymask.predict.everything.filtering import Frame
from anymask.predict.full_size import full_size_masks
from anymask.predict.many_prompts import OnPrompts, masks_of_prompts
from anymask.predict.predictor_images import PredictorImages
from anymask.predict.refining import refined_each
from anymask.prompts.prompts import Prompts

if TYPE_CHECKING:
    from torch import Tensor

# Prompts decoded in one pass, which limits a call to some hundred megabytes in addition to its
# result, however many prompts it has.
_PROMPTS_PER_PASS = 16

Quality = Literal["normal", "high"]


class SamPredictor(PredictorImages):
    """Encode an image once, then predict masks from prompts.

    A predictor stores its images, so each thread needs its own. Predictors may share a model.

    Parameters
    ----------
    sam_model
        From :func:`anymask.load` or ``sam_model_registry``.
    keep_clicked
        Whether :meth:`predict` and :meth:`predict_each` drop regions of a mask without a positive
        click, if there are clicks and no box. By default as in the model's configuration; Meta's
        models do not. Logits are never changed.

    Attributes
    ----------
    model : Sam
    keep_clicked : bool
    transform : ResizeLongestSide
        Converts images and coordinates to the frame of the encoder's input.
    is_image_set : bool
    features : torch.Tensor or None
        Embedding of the selected image, 1×C×h×w. May be assigned.
    original_size, input_size : tuple of int, or None
        Height and width of the selected image, and of its resized copy without padding.

    Examples
    --------
    >>> import numpy as np
    >>> from anymask import SamPredictor, load
    >>> predictor = SamPredictor(load())
    >>> image = np.full((120, 160, 3), 30, np.uint8)
    >>> image[40:80, 50:110] = (200, 60, 40)
    >>> predictor.set_image(image)
    >>> masks, iou, low_res = predictor.predict(
    ...     point_coords=np.array([[80, 60]]), point_labels=np.array([1])
    ... )
    >>> masks.shape, masks.dtype
    ((3, 120, 160), dtype('bool'))
    """

    def predict(
        self,
        point_coords: ArrayLike | None = None,
        point_labels: ArrayLike | None = None,
        box: ArrayLike | None = None,
        mask_input: ArrayLike | None = None,
        multimask_output: bool = True,
        return_logits: bool = False,
        *,
        batched: bool = False,
        quality: Quality = "normal",
    ) -> tuple[NDArray[np.bool_] | NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Predict masks of the selected image.

        Points, a box and a mask given together describe one object. For N objects at once, give
        each kind a leading axis of N; they are decoded in passes with bounded memory. Without any
        prompt, the model predicts an object on its own.

        Parameters
        ----------
        point_coords
            P×2, (x, y) in pixels of the original image; or N×P×2.
        point_labels
            P, 1 for points on the object and 0 for background; or N×P, where -1 marks padding of
            shorter sets (coordinates are ignored).
        box
            (x0, y0, x1, y1), or 1×4, in pixels of the original image; or N×4.
        mask_input
            1×h×w, logits of an earlier mask, as in the third result (256×256 for the
            published models); or N×1×h×w.
        multimask_output
            Return three candidates instead of one mask, which is best for ambiguous prompts such as
            a single point.
        return_logits
            Return logits instead of booleans.
        batched
            Keep the axis of N even if ``box`` is 1×4 and nothing else shows that it is a batch,
            for callers whose N may be one.
        quality
            ``"high"`` asks each mask again with itself, and in a part of the image around it that
            is encoded on its own. It takes as long as encoding the image once more for each mask.
            The image given to :meth:`set_image` must still be as it was.

        Returns
        -------
        masks : numpy.ndarray
            C×H×W ``bool``, or ``float32`` with ``return_logits``, in the original image's size;
            C is 3 or 1. N×C×H×W for a batch.
        iou : numpy.ndarray
            C (or N×C) ``float32``, the model's estimate of each mask's quality.
        low_res : numpy.ndarray
            C×h×w (or N×C×h×w) ``float32`` logits, for use as the next ``mask_input``.

        Raises
        ------
        PromptError
            If no image is set, or a prompt has the wrong shape, is outside the image, is not
            finite, or is contradictory.

        Examples
        --------
        Three boxes, one mask each:

        >>> import numpy as np
        >>> from anymask import SamPredictor, load
        >>> predictor = SamPredictor(load())
        >>> predictor.set_image(np.zeros((90, 120, 3), np.uint8))
        >>> boxes = np.array([[5, 5, 30, 30], [40, 20, 90, 80], [0, 0, 120, 90]])
        >>> masks, iou, low_res = predictor.predict(box=boxes, multimask_output=False)
        >>> masks.shape, iou.shape
        ((3, 1, 90, 120), (3, 1))
        """
        _, original_size, _ = self._image()
        side = self.model.config.low_res_size
        prompts = check_prompts(
            point_coords,
            point_labels,
            box,
            mask_input,
            image_size=original_size,
            mask_size=side,
            batched=batched,
        )
        if quality == "high":
            high = self._refined(prompts, multimask_output, return_logits)
            masks, iou, low_res = high if prompts.batched else (a[0] for a in high)
            return masks, iou, low_res
        if quality != "normal":
            raise PromptError(f"quality is {quality!r}; it must be 'normal' or 'high'.")
        results: list[NDArray[np.float32]] = []
        for index, group in prompts.without_padding():
            for start in range(0, len(index), _PROMPTS_PER_PASS):
                rows = np.arange(start, min(start + _PROMPTS_PER_PASS, len(index)))
                found = self._predict_rows(group.rows(rows), multimask_output, return_logits)
                if len(rows) == len(prompts):
                    results = found
                    break
                if not results:
                    results = [np.empty((len(prompts), *a.shape[1:]), a.dtype) for a in found]
                for whole, part in zip(results, found, strict=True):
                    whole[index[rows]] = part
        masks, iou, low_res = results if prompts.batched else (a[0] for a in results)
        return masks, iou, low_res

    def predict_many(
        self,
        prompts: Prompts,
        *,
        prompts_per_batch: int = 64,
        progress: OnPrompts | None = None,
    ) -> MaskSet:
        """Predict one mask for each of thousands of prompts of the selected image.

        Memory holds a few passes of the decoder and the run lengths of the masks. Masks differ from
        those of :meth:`predict` only by rounding; regions without a click are dropped in the same
        way.

        Parameters
        ----------
        prompts
            Boxes and points in pixels of the original image, such as
            ``anymask.read_prompts("boxes.json", image)`` or ``anymask.Prompts(boxes)``.
        prompts_per_batch
            Prompts whose low-resolution masks are in memory at a time, rounded up to whole passes
            of the decoder. The masks do not depend on it.
        progress
            Called with the number of prompts done, and of all.

        Returns
        -------
        MaskSet
            A mask for each prompt, in order, with its id and class; it may be empty.
            ``point_coords`` is the first point on the object.

        Raises
        ------
        PromptError
            If no image is set, or a prompt lies outside the image or is not in its pixels.

        Examples
        --------
        >>> from anymask import Prompts, SamPredictor, load
        >>> predictor = SamPredictor(load())
        >>> predictor.set_image(np.zeros((120, 160, 3), np.uint8))
        >>> predictor.predict_many(Prompts([[48, 38, 112, 82], [5, 5, 40, 50]]))
        MaskSet(2 masks of an image of 160×120 pixels)
        """
        features, (height, width), input_size = self._image()
        box = (0, 0, width, height)
        return masks_of_prompts(
            self.model,
            features,
            Frame(
                self.model.config.image_size,
                input_size,
                box,
                (height, width),
                stretched=self.model.config.stretches,
            ),
            prompts,
            keep_clicked=self.keep_clicked,
            prompts_per_batch=prompts_per_batch,
            progress=progress,
        )

    @without_gradients
    def predict_each(
        self,
        point_coords: Sequence[ArrayLike] | None = None,
        point_labels: Sequence[ArrayLike] | None = None,
        box: Sequence[ArrayLike] | None = None,
        mask_input: Sequence[ArrayLike] | None = None,
        multimask_output: bool = True,
        return_logits: bool = False,
    ) -> list[tuple[NDArray[np.bool_] | NDArray[np.float32], NDArray, NDArray]]:
        """Predict the masks of one prompt in each of the images given to :meth:`set_images`.

        Images are decoded together, which is faster than one by one, especially on a GPU. Results
        differ from those of :meth:`predict` only by rounding.

        Parameters
        ----------
        point_coords, point_labels, box, mask_input
            One item per image, in order, as in :meth:`predict` for a single prompt. Point sets may
            have different lengths.
        multimask_output, return_logits
            As in :meth:`predict`.

        Returns
        -------
        list of tuple
            For each image the result of :meth:`predict`: masks C×H×W in its own size, ``iou`` and
            ``low_res``.

        Raises
        ------
        PromptError
            If no images are set, there is not one prompt per image, or a prompt does not fit its
            image.

        Examples
        --------
        >>> import numpy as np
        >>> from anymask import SamPredictor, load
        >>> predictor = SamPredictor(load())
        >>> predictor.set_images([np.zeros((60, 80, 3), np.uint8), np.zeros((50, 40, 3), np.uint8)])
        >>> found = predictor.predict_each(box=[[10, 10, 40, 40], [5, 5, 30, 30]])
        >>> [masks.shape for masks, iou, low_res in found]
        [(3, 60, 80), (3, 50, 40)]
        """
        self._image()
        images = self._encoded
        if not images:
            raise PromptError(
                "predict_each needs the images themselves, not an assigned embedding; call "
                "set_images(images) first."
            )
        prompts = check_each(
            point_coords,
            point_labels,
            box,
            mask_input,
            image_sizes=[image.original_size for image in images],
            mask_size=self.model.config.low_res_size,
        )
        found: list[Any] = [None] * len(images)
        lengths = [0 if p.point_coords is None else p.point_coords.shape[1] for p in prompts]
        for length in sorted(set(lengths)):
            alike = [i for i, count in enumerate(lengths) if count == length]
            for start in range(0, len(alike), _PROMPTS_PER_PASS):
                some = alike[start : start + _PROMPTS_PER_PASS]
                inputs = [self._inputs(prompts[i], images[i].original_size) for i in some]
                low_res, iou = self.model.decode(
                    joined([images[i].features for i in some], self._arrays),
                    **{
                        key: self._arrays.joined([each[key] for each in inputs])
                        for key in inputs[0]
                    },
                    multimask_output=multimask_output,
                )
                for i, logits, scores in zip(some, low_res, iou, strict=True):
                    sizes = images[i].input_size, images[i].original_size
                    masks = full_size_masks(self.model, logits[None], *sizes, return_logits)
                    clicked = self._clicked(self._arrays.numpy(masks), prompts[i])[0]
                    found[i] = clicked, *(self._arrays.numpy(each) for each in (scores, logits))
        return found

    def _predict_rows(
        self, prompts: CheckedPrompts, multimask_output: bool, return_logits: bool
    ) -> list[NDArray[np.float32]]:
        _, original_size, _ = self._image()
        inputs = self._inputs(prompts, original_size)
        results = self.predict_torch(
            inputs.get("point_coords"),
            inputs.get("point_labels"),
            inputs.get("boxes"),
            inputs.get("masks"),
            multimask_output,
            return_logits,
        )
        masks, iou, low_res = (self._arrays.numpy(result) for result in results)
        return [self._clicked(masks, prompts), iou, low_res]

    def _refined(
        self, prompts: CheckedPrompts, multimask_output: bool, return_logits: bool
    ) -> list[NDArray[Any]]:
        """Masks, predicted IoU and logits of prompts, each asked again."""
        pixels = self._encoded[self._selected].pixels if self._encoded else None
        if pixels is None:
            raise PromptError(
                "quality='high' encodes parts of the image, of which only the embedding is known "
                "here; call set_image(image) first."
            )
        part = SamPredictor(self.model, keep_clicked=False)
        threshold = None if return_logits else self.model.mask_threshold
        found = refined_each(
            self, part, pixels, self.model.image_format, prompts, multimask_output, threshold
        )
        masks, iou, low_res = (np.stack(column) for column in zip(*found, strict=True))
        return [self._clicked(masks, prompts), iou, low_res]

    def _clicked(self, masks: NDArray[Any], prompts: CheckedPrompts) -> NDArray[Any]:
        """Masks (N, C, H, W) of prompts, without regions that were not clicked."""
        coords, labels = prompts.point_coords, prompts.point_labels
        wanted = self.keep_clicked and prompts.boxes is None and masks.dtype == bool
        if not wanted or coords is None or labels is None:
            return masks
        for own, at, kind in zip(masks, coords, labels, strict=True):
            for mask in own:
                mask[...] = keep_clicked(mask, at[kind == 1])
        return masks

    def _inputs(self, prompts: CheckedPrompts, original_size: tuple[int, int]) -> dict[str, Tensor]:
        """Prompts for `Sam.decode`, in the frame of the resized image."""
        coords, boxes = prompts.point_coords, prompts.boxes
        if coords is not None:
            coords = self.transform.apply_coords(coords, original_size)
        if boxes is not None:
            boxes = self.transform.apply_boxes(boxes, original_size)
        given = {"point_coords": coords, "boxes": boxes, "masks": prompts.masks}
        inputs = {
            name: self._arrays.of(array, "float32")
            for name, array in given.items()
            if array is not None
        }
        if prompts.point_labels is not None:
            inputs["point_labels"] = self._arrays.of(prompts.point_labels)
        return inputs

    @without_gradients
    def predict_torch(
        self,
        point_coords: Tensor | None,
        point_labels: Tensor | None,
        boxes: Tensor | None = None,
        mask_input: Tensor | None = None,
        multimask_output: bool = True,
        return_logits: bool = False,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Predict masks of N prompts given as tensors in the frame of the resized image.

        ``transform.apply_coords_torch`` and ``transform.apply_boxes_torch`` convert coordinates of
        the original image to this frame. Only shapes are checked, not values.

        Parameters
        ----------
        point_coords, point_labels
            N×P×2 (x, y) and N×P, 1 object, 0 background, -1 no point; or None.
        boxes
            N×4 XYXY, or None.
        mask_input
            N×1×h×w logits, or None.
        multimask_output, return_logits
            As in :meth:`predict`.

        Returns
        -------
        masks : torch.Tensor
            N×C×H×W ``bool``, or ``float32`` with ``return_logits``.
        iou : torch.Tensor
            N×C ``float32``.
        low_res : torch.Tensor
            N×C×h×w ``float32`` logits.

        Raises
        ------
        PromptError
            If no image is set, or the tensors' shapes do not fit.
        """
        features, original_size, input_size = self._image()
        if boxes is not None and boxes.shape[-1:] == (4,):
            boxes = boxes.reshape(-1, 4)
        count = check_tensors(
            point_coords, point_labels, boxes, mask_input, self.model.config.low_res_size
        )
        results: list[Tensor] = []
        for start in range(0, count, _PROMPTS_PER_PASS):
            rows = slice(start, start + _PROMPTS_PER_PASS)
            low_res, iou = self.model.decode(
                features,
                point_coords=None if point_coords is None else point_coords[rows],
                point_labels=None if point_labels is None else point_labels[rows],
                boxes=None if boxes is None else boxes[rows],
                masks=None if mask_input is None else mask_input[rows],
                multimask_output=multimask_output,
            )
            masks = full_size_masks(self.model, low_res, input_size, original_size, return_logits)
            found = masks, iou, low_res
            if len(low_res) == count:
                return found
            if not results:  # filled pass by pass; joining at the end would need twice the memory
                results = [self._arrays.empty_like(part, count) for part in found]
            for whole, part in zip(results, found, strict=True):
                whole[rows] = part
        masks, iou, low_res = results
        return masks, iou, low_res
