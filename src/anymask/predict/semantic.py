"""One mask for a whole image: every pixel of a class, instead of one object.

A model trained to mark all leaves, all tumours or all water takes a prompt that means "the whole
image". The extent of its mask depends on the threshold, so the result is a `ScoreMap`, which gives
masks at any threshold without running the model again.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.errors import PromptError
from anymask.model.arrays import DType, arrays_of, without_gradients
from anymask.predict.checked_prompts import check_prompts
from anymask.predict.predictor import SamPredictor
from anymask.predict.score_map import ScoreMap


def score_map(
    predictor: SamPredictor,
    point_coords: ArrayLike | None = None,
    point_labels: ArrayLike | None = None,
    *,
    box: ArrayLike | None = None,
    mask_input: ArrayLike | None = None,
) -> ScoreMap:
    """Predict one mask with the whole image as the box, and keep its logits.

    Parameters
    ----------
    predictor : SamPredictor
        A predictor with an image set.
    point_coords, point_labels : (P, 2) and (P,) array_like, optional
        Points (x, y) in pixels of the image; 1 inside, 0 outside. Labels may be left out if all
        are 1.
    box : (4,) array_like, optional
        XYXY in pixels of the image; by default the whole image.
    mask_input : (1, h, w) array_like, optional
        Logits of an earlier prediction, as in `ScoreMap.logits`.

    Returns
    -------
    ScoreMap

    Raises
    ------
    PromptError
        If no image is set, or a prompt is malformed or outside the image.

    Examples
    --------
    >>> from anymask import SamPredictor, load
    >>> predictor = SamPredictor(load())
    >>> image = np.full((60, 80, 3), 40, np.uint8)
    >>> image[10:50, 20:60] = (60, 200, 80)
    >>> predictor.set_image(image)
    >>> scores = score_map(predictor, [(40, 30)])
    >>> strict, loose = scores.mask(2.0), scores.mask(-2.0)
    >>> strict.shape, bool((loose >= strict).all())
    ((60, 80), True)
    """
    if point_coords is not None and point_labels is None:
        point_labels = np.ones(np.shape(point_coords)[:-1], np.int64)
    height, width = _image_size(predictor)
    box = (0, 0, width, height) if box is None else box
    logits, iou = _decode(predictor, point_coords, point_labels, box, mask_input)
    if len(logits) != 1:
        raise PromptError("A score map is for one prompt; give one box and one set of points.")
    return _map_of(predictor, logits[0], float(iou[0]))


@without_gradients
def _decode(
    predictor: SamPredictor,
    point_coords: ArrayLike | None,
    point_labels: ArrayLike | None,
    box: ArrayLike | None,
    mask_input: ArrayLike | None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Logits (N, h, w) and predicted IoU (N,) of N prompts, without enlarging any."""
    size, model = _image_size(predictor), predictor.model
    prompts = check_prompts(
        point_coords,
        point_labels,
        box,
        mask_input,
        image_size=size,
        mask_size=model.config.low_res_size,
    )

    arrays = arrays_of(model)

    def given(array: NDArray | None, dtype: DType = "float32") -> Any:
        return None if array is None else arrays.of(array, dtype)

    coords, boxes = prompts.point_coords, prompts.boxes
    if coords is not None:
        coords = predictor.transform.apply_coords(coords, size)
    if boxes is not None:
        boxes = predictor.transform.apply_boxes(boxes, size)
    assert predictor.image_features is not None
    low_res, iou = model.decode(
        predictor.image_features,
        point_coords=given(coords),
        point_labels=given(prompts.point_labels, "int64"),
        boxes=given(boxes),
        masks=given(prompts.masks),
        multimask_output=False,
    )
    return arrays.numpy(low_res[:, 0]), arrays.numpy(iou[:, 0])


def _image_size(predictor: SamPredictor) -> tuple[int, int]:
    if predictor.original_size is None:
        raise PromptError("No image is set to predict masks of; call set_image(image) first.")
    return predictor.original_size


def _map_of(predictor: SamPredictor, logits: NDArray[np.float32], iou: float) -> ScoreMap:
    return ScoreMap(logits, _image_size(predictor), *predictor.logits_frame, iou)
