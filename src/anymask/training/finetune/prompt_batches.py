"""Rounds of simulated prompts for a batch of masks.

Objects are first prompted by a box or a point; then, round by round, by corrective clicks on the
prediction, with its logits as mask prompt (arXiv 2304.02643, appendix A, "Training
algorithm"). All random numbers come from one generator per step, made from the seed, the
epoch and the step, so that a resumed run gives the same prompts as an uninterrupted one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from anymask.model.sam import ImageEmbedding
from anymask.training.finetune.settings import Settings
from anymask.training.losses_in_use import targets_in_use
from anymask.training.simulated_prompts import boxes_of, corrective_clicks, points_in

_CENTRAL_POINTS = 0.5
_MOST_CLICKS = 3  # per round


def generator_of(*numbers: int, device: torch.device | str = "cpu") -> torch.Generator:
    """Make a random generator that depends only on the given integers."""
    seed = np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0]
    return torch.Generator(device).manual_seed(int(seed) >> 1)


@dataclass(frozen=True, eq=False)
class Batch:
    """Views of B images, with P objects of each.

    Attributes
    ----------
    image : ImageEmbedding
        Embedding of B views.
    masks : dict of str to (B, P, S, S) bool tensors
        Objects by the kind of their first prompt.
    scales, limits : (B, 2) tensors
        Input pixels per pixel of the image on disk, in x and y; width and height of the image in
        the input.
    """

    image: ImageEmbedding
    masks: dict[str, Tensor]
    scales: Tensor
    limits: Tensor


@dataclass(frozen=True, eq=False)
class Asked:
    """N = B·P prompts and their target masks.

    Attributes
    ----------
    kind : str
        "box", "point" or, after the first round, "refined".
    targets : (N, S/2, S/2) tensor
        Share of each pixel that the object covers; (B, K, S/2, S/2) for K classes.
    halved : (N, S/2, S/2) bool tensor
        The objects at half size, for drawing corrective clicks.
    boxes, coords, labels, previous : tensors or None
        See `Sam.decode`.
    """

    kind: str
    targets: Tensor
    halved: Tensor
    boxes: Tensor | None = None
    coords: Tensor | None = None
    labels: Tensor | None = None
    previous: Tensor | None = None


def first_prompts(batch: Batch, settings: Settings, generator: torch.Generator) -> list[Asked]:
    """Make the first prompts for the objects of a batch, grouped by kind of prompt."""
    asked = []
    for kind, masks in batch.masks.items():
        P = masks.shape[1]
        flat = masks.flatten(0, 1)  # (N, S, S)
        targets = targets_in_use(flat)  # (N, S/2, S/2)
        # Clicks are drawn at half size, which is precise enough and four times faster.
        halved = flat[:, ::2, ::2] | flat[:, 1::2, 1::2]
        if kind == "box":
            boxes = boxes_of(flat, settings.box_jitter, generator)  # (N, 4)
            reach = settings.box_jitter_pixels * batch.scales.repeat_interleave(P, 0).repeat(1, 2)
            noise = torch.rand(boxes.shape, generator=generator, device=boxes.device)
            boxes = boxes + (2 * noise - 1) * reach
            last = batch.limits.repeat_interleave(P, 0).repeat(1, 2) - 1
            boxes = torch.minimum(boxes.clamp(min=0), last)
            asked.append(Asked(kind, targets, halved, boxes=boxes))
        else:
            N = len(flat)
            central = torch.rand(N, generator=generator, device=flat.device) < _CENTRAL_POINTS
            coords = 2 * points_in(halved, central, generator)[:, None]  # (N, 1, 2)
            labels = torch.ones(N, 1, dtype=torch.long, device=flat.device)
            asked.append(Asked(kind, targets, halved, coords=coords, labels=labels))
    return asked


def corrected(asked: Asked, low_res: Tensor, iou: Tensor, generator: torch.Generator) -> Asked:
    """Make the next prompts: clicks on errors of the prediction, and the prediction itself.

    Parameters
    ----------
    asked : Asked
    low_res : (N, M, 4·h, 4·w) tensor
        Logits of the prediction: the mask for an unambiguous prompt, then the candidates.
    iou : (N, M) tensor
        Predicted IoU.
    generator : torch.Generator
    """
    index = torch.zeros_like(iou[:, 0], dtype=torch.long)
    if asked.kind == "point":  # a user would correct the candidate with the best score
        index = 1 + iou[:, 1:].argmax(1)
    everyone = torch.arange(len(index), device=index.device)
    previous = low_res.detach()[everyone, index][:, None]  # (N, 1, 4·h, 4·w)
    predicted = F.interpolate(previous, scale_factor=2, mode="bilinear")[:, 0] > 0
    draw = torch.randint(_MOST_CLICKS, (), generator=generator, device=index.device)
    coords, labels = corrective_clicks(predicted, asked.halved, int(draw) + 1, generator)
    coords = 2 * coords
    if asked.coords is not None and asked.labels is not None:
        coords = torch.cat([asked.coords, coords], 1)
        labels = torch.cat([asked.labels, labels], 1)
    return replace(asked, kind="refined", coords=coords, labels=labels, previous=previous)
