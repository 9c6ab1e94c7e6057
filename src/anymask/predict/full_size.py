"""Masks at the size of the original image, from the low-resolution logits of the decoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anymask.masks.rle import mask_of
from anymask.model.config import SamConfig
from anymask.predict.everything.enlarging import whole_logits
from anymask.predict.everything.filtering import Criteria, Frame, Survivor, judge_masks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from anymask.model.sam import Sam

# At most this many values while logits are enlarged, which limits a call to some hundred megabytes
# in addition to its result.
_VALUES_AT_ONCE = 2**26


def full_size_masks(
    model: Sam,
    low_res: Any,
    input_size: tuple[int, int],
    original_size: tuple[int, int],
    return_logits: bool,
) -> Any:
    """Enlarge masks to the original image.

    Parameters
    ----------
    model : Sam
    low_res : (N, C, h, w) float32 tensor, or NumPy array
        Logits, C masks per prompt.
    input_size, original_size : tuple of int
        Height and width of the image as resized for the encoder, and of the original.
    return_logits : bool

    Returns
    -------
    (N, C, H, W) tensor, or NumPy array
        Boolean, or float32 logits.
    """
    if isinstance(low_res, np.ndarray):
        return _numpy_masks(model, low_res, input_size, original_size, return_logits)
    import torch

    if low_res.device.type == "cpu" and not return_logits:
        return _masks_by_boundary(model, low_res, input_size, original_size)
    height, width = original_size
    dtype = low_res.dtype if return_logits else torch.bool
    masks = low_res.new_empty((*low_res.shape[:2], height, width), dtype=dtype)
    per_prompt = low_res.shape[1] * (model.config.image_size**2 + height * width)
    step = max(1, _VALUES_AT_ONCE // per_prompt)
    for start in range(0, len(low_res), step):
        rows = slice(start, start + step)
        logits = model.postprocess_masks(low_res[rows], input_size, original_size)
        masks[rows] = logits if return_logits else logits > model.mask_threshold
    return masks


def logits_frame(config: SamConfig, input_size: tuple[int, int]) -> tuple[tuple[int, int], int]:
    """How low-resolution logits of an image are enlarged.

    Parameters
    ----------
    config : SamConfig
    input_size : tuple of int
        Height and width of the image as resized for the encoder.

    Returns
    -------
    size : tuple of int
        Height and width of the image within a square.
    side : int
        The square's side, to which logits are enlarged on the way. A model that stretches images
        has no such way: its square is that of the logits.
    """
    if config.stretches:
        return (config.low_res_size,) * 2, config.low_res_size
    return input_size, config.image_size


def _masks_by_boundary(
    model: Sam, low_res: Tensor, input_size: tuple[int, int], original_size: tuple[int, int]
) -> Tensor:
    """The same boolean masks, computed only from the logits on their boundaries."""
    import torch

    height, width = original_size
    prompts, candidates = low_res.shape[:2]
    flat = low_res.flatten(0, 1).contiguous().numpy()
    masks = torch.empty((len(flat), height, width), dtype=torch.bool)
    for survivor in _judged(model, flat, input_size, original_size):
        # Run lengths are column-major, and PyTorch transposes twice as fast as NumPy.
        masks[survivor.index].copy_(torch.from_numpy(mask_of(survivor.counts, original_size)))
    return masks.view(prompts, candidates, height, width)


def _judged(
    model: Sam,
    flat: NDArray[np.float32],
    input_size: tuple[int, int],
    original_size: tuple[int, int],
) -> Iterator[Survivor]:
    """Each of (n, h, w) logits as a mask."""
    box = (0, 0, original_size[1], original_size[0])
    config = model.config
    frame = Frame(config.image_size, input_size, box, original_size, stretched=config.stretches)
    return judge_masks(flat, frame, Criteria(model.mask_threshold, 0, 0))


def _numpy_masks(
    model: Sam,
    low_res: NDArray[np.float32],
    input_size: tuple[int, int],
    original_size: tuple[int, int],
    return_logits: bool,
) -> NDArray[np.bool_] | NDArray[np.float32]:
    """The same without torch."""
    flat = np.ascontiguousarray(low_res.reshape(-1, *low_res.shape[2:]))
    if return_logits:
        inner, side = logits_frame(model.config, input_size)
        logits = [whole_logits(each, side, inner, original_size) for each in flat]
        return np.stack(logits).reshape(*low_res.shape[:2], *original_size)
    masks = np.empty((len(flat), *original_size), np.bool_)
    for survivor in _judged(model, flat, input_size, original_size):
        masks[survivor.index] = mask_of(survivor.counts, original_size)
    return masks.reshape(*low_res.shape[:2], *original_size)
