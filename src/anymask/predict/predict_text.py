"""Masks of what words name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.errors import PromptError
from anymask.masks.mask_set import MaskSet
from anymask.masks.rle import counts_of
from anymask.predict.predictor import SamPredictor
from anymask.predict.prompters import Detections, the_prompter

if TYPE_CHECKING:
    from anymask.model.sam import Sam


def predict_text(
    image: ArrayLike,
    words: str | Sequence[str],
    *,
    prompter: str | None = None,
    model: Sam | SamPredictor | None = None,
    min_score: float = 0.3,
) -> MaskSet:
    """Segment what words name, with a detector for words that another package adds.

    Parameters
    ----------
    image : (H, W, 3) uint8 array_like
    words : str or sequence of str
        Such as ``["coin", "cup"]``.
    prompter : str, optional
        The name of the detector; not needed if one is installed.
    model : Sam or SamPredictor, optional
        Makes the masks from the detector's boxes; the shipped model by default.
    min_score : float
        Boxes with a lower score, from 0 to 1, are left out.

    Returns
    -------
    MaskSet
        One mask per box, the highest score first, with `class_names`. `predicted_iou` is the
        model's estimate for the mask.

    Raises
    ------
    PromptError
        If no word is given, no such detector is installed, or it returns something unusable.
    ImageError
        If the image is not RGB.
    """
    from anymask.checkpoints import load

    named = [words] if isinstance(words, str) else list(words)
    named = [word.strip() for word in named if word.strip()]
    if not named:
        raise PromptError('No words were given; give some, such as ["coin", "cup"].')
    detector = the_prompter(prompter)
    predictor = model if isinstance(model, SamPredictor) else SamPredictor(model or load())
    pixels = np.asarray(image)
    predictor.set_image(pixels)  # which refuses what is not RGB
    height, width = pixels.shape[:2]
    boxes, classes = _usable(
        detector.find(pixels, named), detector.name, (height, width), min_score
    )
    counts, scores = [], []
    for box in boxes:
        masks, predicted_iou, _ = predictor.predict(box=box, multimask_output=False)
        counts.append(counts_of(masks[0]))
        scores.append(float(predicted_iou[0]))
    return MaskSet.from_counts((height, width), counts, predicted_iou=scores, class_names=classes)


def _usable(
    found: Detections, name: str, size: tuple[int, int], min_score: float
) -> tuple[NDArray[np.float64], list[str]]:
    """Boxes within the image with their classes, the highest score first."""
    try:
        boxes = np.asarray(found.boxes, np.float64).reshape(-1, 4)
        scores = np.asarray(found.scores, np.float64).reshape(-1)
        classes = [str(word) for word in found.class_names]
    except (AttributeError, TypeError, ValueError) as error:
        raise PromptError(
            f"The detector {name} returned no usable boxes ({error}); update its package."
        ) from error
    if not len(boxes) == len(scores) == len(classes):
        raise PromptError(
            f"The detector {name} returned {len(boxes)} boxes, {len(scores)} scores and "
            f"{len(classes)} classes; update its package."
        )
    if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
        raise PromptError(f"The detector {name} returned boxes that are not finite; update it.")
    height, width = size
    boxes = boxes.clip(0, [width, height, width, height])
    keep = (scores >= min_score) & (boxes[:, 2:] > boxes[:, :2]).all(1)
    order = [i for i in np.argsort(-scores, kind="stable") if keep[i]]
    return boxes[order], [classes[i] for i in order]
