"""Names for masks that are there: which of some words fits each object best (CLIP, SigLIP)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.errors import PromptError
from anymask.images.normalize import check_rgb
from anymask.masks.mask_set import MaskSet
from anymask.predict.words.known_detectors import kind_of
from anymask.predict.words.published import Published, folder_of

if TYPE_CHECKING:
    from anymask.predict.words.transformers_namers import Namer

KNOWN_NAMERS = {
    each.name: each
    for each in (
        Published("clip", "CLIP, ViT-B/32", "openai/clip-vit-base-patch32", "MIT", 600),
        Published(
            "siglip2", "SigLIP 2, ViT-B/16", "google/siglip2-base-patch16-224", "Apache-2.0", 1540
        ),
    )
}
"""The published models that compare images with words, by name."""

# An object is seen with this share of its box around it.
_AROUND = 0.2
_OBJECTS_AT_A_TIME = 16


@dataclass(frozen=True)
class Named:
    """Names of masks.

    Attributes
    ----------
    masks : MaskSet
        With `class_names`.
    scores : (N, K) float64 array
        How well each of K words fits each mask, from 0 to 1.
    """

    masks: MaskSet
    scores: NDArray[np.float64]


def name_masks(
    image: ArrayLike,
    masks: MaskSet,
    words: Sequence[str],
    *,
    namer: str = "clip",
    min_score: float = 0.0,
    device: str = "auto",
) -> Named:
    """Give each mask the word that fits what is in it best.

    Parameters
    ----------
    image : (H, W, 3) uint8 array_like
    masks : MaskSet
        Of this image.
    words : sequence of str
        Such as ``["coin", "cup"]``.
    namer : str
        "clip", "siglip2", or a folder with such a model in Hugging Face's layout.
    min_score : float
        A mask whose best word has a lower score gets no class. CLIP's scores of a mask add up to 1;
        SigLIP's are independent of the other words.
    device : str
        A torch device, or "auto".

    Returns
    -------
    Named

    Raises
    ------
    PromptError
        If no word is given, the masks are of an image of another size, or there is no such model.
    CheckpointError
        If the model cannot be downloaded or loaded.
    ImageError
        If the image is not RGB.
    """
    from anymask.checkpoints.devices import resolve_device
    from anymask.predict.predict_text import words_of

    pixels, named = np.asarray(image), words_of(list(words))
    check_rgb(pixels)
    if masks.image_size != pixels.shape[:2]:
        height, width = masks.image_size
        raise PromptError(
            f"The masks are of an image of {width}×{height} pixels, and this one has "
            f"{pixels.shape[1]}×{pixels.shape[0]}; give the image that they are of."
        )
    if not len(masks):
        return Named(replace(masks, class_names=()), np.zeros((0, len(named))))
    opened = _opened(namer, str(resolve_device(device)))
    parts = [crop_of(pixels, box) for box in masks.boxes]
    scores = np.concatenate(
        [
            opened.scores(parts[i : i + _OBJECTS_AT_A_TIME], named)
            for i in range(0, len(parts), _OBJECTS_AT_A_TIME)
        ]
    )
    best = scores.argmax(1)
    sure = scores.max(1) >= min_score
    names = tuple(named[i] if is_sure else "" for i, is_sure in zip(best, sure, strict=True))
    return Named(replace(masks, class_names=names), scores)


def crop_of(image: NDArray[np.uint8], box: NDArray[Any]) -> NDArray[np.uint8]:
    """Return what is in a box (x0, y0, x1, y1) and around it; an empty box gives the image.

    Examples
    --------
    >>> crop_of(np.zeros((100, 100, 3), np.uint8), np.array([20, 30, 40, 40])).shape
    (12, 24, 3)
    """
    x0, y0, x1, y1 = map(float, box)
    if x1 <= x0 or y1 <= y0:
        return image
    dx, dy = _AROUND / 2 * (x1 - x0), _AROUND / 2 * (y1 - y0)
    left, top = max(0, int(x0 - dx)), max(0, int(y0 - dy))
    return image[top : int(np.ceil(y1 + dy)), left : int(np.ceil(x1 + dx))]


@cache
def _opened(name: str, device: str) -> Namer:
    known = KNOWN_NAMERS.get(name)
    if known is None and not Path(name).is_dir():
        raise PromptError(
            f"There is no model {name!r} that names masks; choose from {', '.join(KNOWN_NAMERS)}, "
            "or give a folder with one."
        )
    try:
        from anymask.predict.words.transformers_namers import KINDS, open_namer
    except ImportError as error:
        raise PromptError(
            "Naming masks needs the package transformers; install it with pip install "
            "'anymask[text]'."
        ) from error
    folder = Path(name) if known is None else folder_of(known)
    kind = kind_of(folder)
    if kind not in KINDS:
        raise PromptError(
            f"{folder} has no model that compares images with words; give a folder with one of "
            f"the kinds {', '.join(KINDS)}."
        )
    return open_namer(folder, kind, device)
