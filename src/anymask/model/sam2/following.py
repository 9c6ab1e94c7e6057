"""One object in one frame, and what is remembered of it (arXiv 2408.00714, section 4).

A frame's answer is remembered as a map, made from its embedding and the mask, and as an object
pointer, made from the mask's token. Which frames are remembered is up to the caller.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from anymask.model.sam import ImageEmbedding
from anymask.model.sam2.mask_decoder import AllMasks, best_candidate, stable_or_best
from anymask.model.sam2.memory_attention import Memory
from anymask.model.sam2.positions import sine_positions, sine_times
from anymask.model.sam2.sam2 import Sam2

# Logits everywhere in a frame that does not show the object.
_ABSENT = -1024.0
# Logits of a given mask are ±10.
_SCALE, _SHIFT = 20.0, -10.0
# Up to this many points, counting the corners of a box, a prompt may be ambiguous.
_AMBIGUOUS = 1
# Maps are remembered so, as in Meta's code: half the memory.
MAP_DTYPE = torch.bfloat16


@dataclass(frozen=True)
class Answer:
    """One object in one frame.

    Attributes
    ----------
    low_res : (1, 1, 4·h, 4·w) float32 tensor
        Logits of its mask.
    pointer : (1, C) tensor
    presence : float
        Logit of whether the frame shows it at all.
    iou : float
        The predicted IoU of the mask.
    certain : bool
        Whether the frame was prompted.
    given : (1, 1, S, S) tensor or None
        Logits of the mask that was the prompt.
    """

    low_res: Tensor
    pointer: Tensor
    presence: float
    iou: float
    certain: bool
    given: Tensor | None = None


@dataclass(frozen=True)
class FramePrompt:
    """What was said about one object in one frame, in pixels of the encoder's input.

    Attributes
    ----------
    point_coords, point_labels : (1, P, 2) and (1, P) tensors, or None
    boxes : (1, 4) tensor or None
    """

    point_coords: Tensor | None = None
    point_labels: Tensor | None = None
    boxes: Tensor | None = None

    @property
    def count(self) -> int:
        """Points, the corners of a box among them."""
        points = 0 if self.point_coords is None else self.point_coords.shape[1]
        return points + (0 if self.boxes is None else 2)


def answer(
    model: Sam2,
    frame: ImageEmbedding,
    memory: Memory | None,
    prompt: FramePrompt | None = None,
    earlier: Tensor | None = None,
) -> Answer:
    """Find the object in a frame.

    Parameters
    ----------
    model : Sam2
    frame : ImageEmbedding
        From `Sam2.encode_frame`, of one image.
    memory : Memory or None
        From `memory_of`; None for the first frame that is prompted.
    prompt : FramePrompt or None
        None follows the object without help.
    earlier : (1, 1, 4·h, 4·w) tensor or None
        Logits of an earlier answer in this frame that is corrected.
    """
    if memory is None:
        embedding = frame.embedding + model.no_mem_embed.view(1, -1, 1, 1)
    else:
        embedding = model.memory_attention(frame.embedding, memory)
    given = prompt or FramePrompt()
    found = _masks(model, ImageEmbedding(embedding, frame.skips), given, earlier)
    found = best_candidate(found) if given.count <= _AMBIGUOUS else stable_or_best(found)
    presence = float(found.presence)
    low_res = found.masks.float()
    if presence <= 0:
        low_res = torch.full_like(low_res, _ABSENT)
    pointer = _pointer(model, found.tokens[:, 0], presence > 0)
    return Answer(low_res, pointer, presence, float(found.iou), prompt is not None)


def answer_by_mask(model: Sam2, frame: ImageEmbedding, mask: Tensor) -> Answer:
    """Take a given mask as the answer, and make its object pointer.

    Parameters
    ----------
    model : Sam2
    frame : ImageEmbedding
        From `Sam2.encode_frame`, of one image.
    mask : (1, 1, S, S) tensor
        0 and 1, S being the side of the encoder's input.
    """
    logits = mask.float() * _SCALE + _SHIFT
    size = (model.config.low_res_size,) * 2
    low_res = F.interpolate(logits, size, mode="bilinear", align_corners=False, antialias=True)
    found = best_candidate(_masks(model, frame, FramePrompt(), model.mask_downsample(mask.float())))
    # What is certain is the mask; its pointer is still the decoder's.
    pointer = _pointer(model, found.tokens[:, 0], bool(found.presence > 0))
    present = bool(mask.any())
    if not present:
        pointer = model.no_obj_ptr
    presence = _SCALE * present + _SHIFT
    return Answer(low_res, pointer, presence, 1.0, certain=True, given=logits)


def remembered_map(model: Sam2, frame: ImageEmbedding, of: Answer) -> Tensor:
    """Return the map (1, c, h, w) by which an answer is remembered, in bfloat16."""
    logits = of.given
    if logits is None:
        size = (model.config.image_size,) * 2
        logits = F.interpolate(of.low_res, size, mode="bilinear", align_corners=False)
    kept = model.memory_encoder(frame.embedding, logits, of.certain)
    memory = model.config.memory
    assert memory is not None
    if memory.occlusion_embedding and of.presence <= 0:
        kept = kept + model.no_obj_embed_spatial[..., None, None]
    return kept.to(MAP_DTYPE)


def memory_of(
    model: Sam2,
    maps: Sequence[tuple[int, Tensor]],
    pointers: Sequence[tuple[int, Tensor]],
    longest: int,
) -> Memory:
    """Join what is remembered of an object.

    Parameters
    ----------
    model : Sam2
    maps : sequence of (int, (1, c, h, w) tensor)
        Remembered maps and how many frames before this one, 0 for those that were prompted.
    pointers : sequence of (int, (1, C) tensor)
        Object pointers and how many frames before this one.
    longest : int
        How many frames back pointers may be from, not counting prompted ones; at least 1.
    """
    config = model.config.memory
    assert config is not None
    device, dtype = model.device, model.no_mem_embed.dtype
    _, channels, height, width = maps[0][1].shape
    places = sine_positions((height, width), channels).flatten(1).t().to(device, dtype)
    # Prompted frames have the last of the learnt times.
    times = model.maskmem_tpos_enc.flatten(1)
    tokens = [m.to(device, dtype).flatten(2).transpose(1, 2)[0] for _, m in maps]
    positions = [places + times[offset - 1] for offset, _ in maps]
    parts = 0
    if pointers:
        per_pointer = model.config.prompt_dim // channels
        parts = per_pointer * len(pointers)
        tokens.append(torch.cat([p.to(device, dtype) for _, p in pointers]).view(parts, channels))
        since = torch.tensor([offset for offset, _ in pointers], device=device) / longest
        if config.pointer_positions:
            when = model.obj_ptr_tpos_proj(sine_times(since, model.config.prompt_dim).to(dtype))
            positions.append(when.repeat_interleave(per_pointer, 0))
        else:
            positions.append(tokens[-1].new_zeros(parts, channels))
    return Memory(torch.cat(tokens)[None], torch.cat(positions)[None], parts)


def _masks(
    model: Sam2, frame: ImageEmbedding, prompt: FramePrompt, mask: Tensor | None
) -> AllMasks:
    points = None
    if prompt.point_coords is not None and prompt.point_labels is not None:
        points = prompt.point_coords.to(model.device), prompt.point_labels.to(model.device)
    boxes = None if prompt.boxes is None else prompt.boxes.to(model.device)
    sparse, dense = model.prompt_encoder(points, boxes, mask)
    positions = model.prompt_encoder.get_dense_pe()
    return model.mask_decoder.predict_all(frame.embedding, positions, sparse, dense, frame.skips)


def _pointer(model: Sam2, token: Tensor, present: bool) -> Tensor:
    return model.obj_ptr_proj(token) if present else model.no_obj_ptr
