"""Masks of what words name."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.errors import PromptError
from anymask.images.normalize import check_rgb
from anymask.masks.mask_set import MaskSet
from anymask.predict.predictor import SamPredictor
from anymask.predict.prompters import Prompter, the_prompter
from anymask.predict.tiled_prompts import masks_in_tiles
from anymask.predict.words.detections import Detections, each_once, find_in_tiles
from anymask.prompts.prompts import Prompts

if TYPE_CHECKING:
    from anymask.model.sam import Sam


def predict_text(
    image: ArrayLike,
    words: str | Sequence[str],
    *,
    prompter: str | Prompter | None = None,
    model: Sam | SamPredictor | None = None,
    min_score: float | None = None,
    tile_size: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> MaskSet:
    """Segment what words name: a detector finds boxes, and a model of the family masks in them.

    Parameters
    ----------
    image : (H, W, 3) uint8 array_like
    words : str or sequence of str
        Such as ``["coin", "cup"]`` or ``"coin. cup."``.
    prompter : str or Prompter, optional
        The detector: a name of `KNOWN_DETECTORS`, such as "owlv2", that of an installed package, or
        a folder. By default the only one of an installed package, or else Grounding DINO, which is
        downloaded when it is first used.
    model : Sam or SamPredictor, optional
        Makes the masks; the shipped model by default.
    min_score : float, optional
        Boxes with a lower score, from 0 to 1, are left out; by default the detector's own limit.
    tile_size : int, optional
        In images with a longer side, look at tiles of this side in pixels too, for small objects.
    progress : callable, optional
        Called with the number of masks done, and of all.

    Returns
    -------
    MaskSet
        One mask per box, the highest score first, with `class_names`. Of boxes that show the same
        object, the one with the highest score is used. `predicted_iou` is the model's estimate for
        the mask.

    Raises
    ------
    PromptError
        If no word is given, there is no such detector, or it returns something unusable.
    CheckpointError
        If the detector cannot be downloaded or loaded.
    ImageError
        If the image is not RGB.
    """
    from anymask.checkpoints import load

    named = words_of(words)
    detector = prompter if isinstance(prompter, Prompter) else the_prompter(prompter)
    pixels = np.asarray(image)
    check_rgb(pixels)
    height, width = pixels.shape[:2]
    least = detector.min_score if min_score is None else min_score
    is_large = tile_size is not None and max(height, width) > tile_size
    found = (
        find_in_tiles(detector.find, pixels, named, tile_size)
        if tile_size is not None and is_large
        else detector.find(pixels, named)
    )
    boxes, classes = _usable(found, detector.name, (height, width), least)
    if not len(boxes):
        return MaskSet.from_counts((height, width), [], class_names=[])
    predictor = model if isinstance(model, SamPredictor) else SamPredictor(model or load())
    prompts = Prompts(boxes, class_names=classes)
    if tile_size is not None and is_large:
        return masks_in_tiles(predictor, pixels, prompts, tile_size, progress=progress)
    predictor.set_image(pixels)
    return predictor.predict_many(prompts, progress=progress)


def words_of(words: str | Sequence[str]) -> list[str]:
    """Return words one by one; a text is divided at full stops, commas and semicolons.

    Raises
    ------
    PromptError
        If there is none.

    Examples
    --------
    >>> words_of("coin. tea cup."), words_of(["coin", "coin ", "cup"])
    (['coin', 'tea cup'], ['coin', 'cup'])
    """
    given = re.split(r"[.,;\n]", words) if isinstance(words, str) else words
    named = list(dict.fromkeys(word.strip() for word in given if word.strip()))
    if not named:
        raise PromptError('No words were given; give some, such as ["coin", "cup"].')
    return named


def _usable(
    found: Detections, name: str, size: tuple[int, int], min_score: float
) -> tuple[NDArray[np.float64], list[str]]:
    """Boxes within the image with their classes, each object once, the highest score first."""
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
    keep = np.flatnonzero((scores >= min_score) & (boxes[:, 2:] > boxes[:, :2]).all(1))
    order = keep[each_once(boxes[keep], scores[keep])]
    return boxes[order], [classes[i] for i in order]
