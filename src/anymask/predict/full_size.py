"""Masks at the size of the original image, from the low-resolution logits of the decoder."""

from __future__ import annotations

import torch
from torch import Tensor

from anymask.masks.rle import mask_of
from anymask.model.sam import Sam
from anymask.predict.everything.filtering import Criteria, Frame, judge_masks

# At most this many values while logits are enlarged, which limits a call to some hundred megabytes
# in addition to its result.
_VALUES_AT_ONCE = 2**26


def full_size_masks(
    model: Sam,
    low_res: Tensor,
    input_size: tuple[int, int],
    original_size: tuple[int, int],
    return_logits: bool,
) -> Tensor:
    """Enlarge masks to the original image.

    Parameters
    ----------
    model : Sam
    low_res : (N, C, h, w) float32 tensor
        Logits, C masks per prompt.
    input_size, original_size : tuple of int
        Height and width of the image as resized for the encoder, and of the original.
    return_logits : bool

    Returns
    -------
    (N, C, H, W) tensor
        Boolean, or float32 logits.
    """
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


def _masks_by_boundary(
    model: Sam, low_res: Tensor, input_size: tuple[int, int], original_size: tuple[int, int]
) -> Tensor:
    """The same boolean masks, computed only from the logits on their boundaries."""
    height, width = original_size
    frame = Frame(
        model.config.image_size,
        input_size,
        (0, 0, width, height),
        original_size,
        stretched=model.config.stretches,
    )
    only_mask = Criteria(model.mask_threshold, 0, 0)
    prompts, candidates = low_res.shape[:2]
    flat = low_res.flatten(0, 1).contiguous().numpy()
    masks = torch.empty((len(flat), height, width), dtype=torch.bool)
    for survivor in judge_masks(flat, frame, only_mask):
        # Run lengths are column-major, and PyTorch transposes twice as fast as NumPy.
        masks[survivor.index].copy_(torch.from_numpy(mask_of(survivor.counts, original_size)))
    return masks.view(prompts, candidates, height, width)
