"""The class of every pixel, from a model fine-tuned for classes.

For a box around the whole image, such a model returns one mask per class.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anymask.errors import PromptError
from anymask.predict.predictor import SamPredictor


def class_map(predictor: SamPredictor, classes: int) -> NDArray[np.uint8 | np.uint16]:
    """Return the class of every pixel of the current image.

    Parameters
    ----------
    predictor : SamPredictor
        A predictor with an image set.
    classes : int
        Number of classes that the model was fine-tuned for.

    Returns
    -------
    (H, W) uint8 array, uint16 for more than 255 classes
        0 for background, k + 1 for class k.

    Raises
    ------
    PromptError
        If no image is set, or the model has fewer masks than classes.

    Examples
    --------
    >>> from anymask import SamPredictor, load
    >>> predictor = SamPredictor(load())
    >>> predictor.set_image(np.full((60, 80, 3), 40, np.uint8))
    >>> class_map(predictor, 1).shape
    (60, 80)
    """
    most = predictor.model.config.num_multimask_outputs
    if not 1 <= classes <= most:
        raise PromptError(f"The model has masks for 1 to {most} classes, but {classes} were given.")
    if not predictor.is_image_set:
        raise PromptError("No image is set; call set_image first.")
    assert predictor.original_size is not None
    height, width = predictor.original_size
    logits, _, _ = predictor.predict(
        box=np.array([0, 0, width - 1, height - 1]),
        multimask_output=classes > 1,
        return_logits=True,
    )
    logits = logits[:classes]
    labels = np.where(logits.max(0) > predictor.model.mask_threshold, 1 + logits.argmax(0), 0)
    return labels.astype(np.uint8 if classes <= 255 else np.uint16)
