"""One training step: prompts as a user would give them, and the losses of the predictions.

Half of each view's masks are first prompted by a box, half by a point. Then corrective clicks
follow, with the logits of the last prediction as mask prompt: once after a box, two to four times
after a point (arXiv 2304.02643, appendix A, "Training algorithm"). Some points come with a click on
a neighbour that is not meant. If everything is labelled, points on background are prompted too, as
"everything" does, and the predicted IoU there should be low.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from anymask.checkpoints.devices import resolve_dtype
from anymask.model.sam import ImageEmbedding, Sam
from anymask.training.answering import answer_prompts
from anymask.training.losses import ambiguous_loss, ranking_loss
from anymask.training.losses_in_use import losses_in_use, near_boundary, targets_in_use
from anymask.training.simulated_prompts import boxes_of, corrective_clicks, points_in
from recipes.small.auxiliary import AuxiliaryHead
from recipes.small.batches import Batch

# Boxes like those of a careful annotator and, for the smaller share, of a hasty one.
_BOX_JITTER, _HASTY_JITTER, _HASTY_SHARE = 0.02, 0.06, 0.35
_CENTRAL_POINTS = 0.5
_IOU_WEIGHT = 1.0
# Smallest and largest number of correction rounds. A user who starts with a click usually clicks
# again; a box is usually the last prompt.
_CORRECTIONS = {"point": (2, 4), "box": (1, 1)}
_MOST_CLICKS = 2  # per correction
_POINTS_ON_NOTHING = 2  # per view
_LEAST_NOTHING = 0.02  # of the view
# Prompts of a correction are unambiguous, so the loss of its candidates has a lower weight.
_CANDIDATE_WEIGHT = {"point": 1.0, "box": 0.5, "refined": 0.25}


@dataclass(frozen=True)
class Weights:
    """Weights of the parts of the loss, and how often special prompts occur.

    Attributes
    ----------
    ranking : float
        Of the ranking of a click's candidates by true IoU.
    boundary : float
        Of the pixels near a mask's boundary.
    smooth : float
        Of the finest ripples of logits away from the boundary. Upscaling leaves a comb pattern
        there; it costs no IoU until it makes a mask of low confidence speckled.
    nothing : float
        Of the predicted IoU at points on background.
    neighbours : float
        Fraction of points that come with a click on another labelled region.
    """

    ranking: float = 1.0
    boundary: float = 0.25
    smooth: float = 0.1
    nothing: float = 0.5
    neighbours: float = 0.2


@dataclass
class _Answers:
    """Sums of losses, and mean IoU by kind of prompt."""

    loss: Tensor
    weights: Weights
    figures: dict[str, Tensor] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)


def precision_of(device: str) -> dict[str, Any]:
    """Arguments for `torch.autocast`: bfloat16, unless this processor would only emulate it.

    An emulated product is about fifty times slower than one in float32.
    """
    dtype = resolve_dtype("auto", torch.device(device))
    return {"dtype": torch.bfloat16, "enabled": dtype == torch.bfloat16}


def training_step(
    sam: Sam,
    auxiliary: AuxiliaryHead,
    batch: Batch,
    generator: torch.Generator,
    auxiliary_weight: float,
    weights: Weights = Weights(),
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the loss of a batch and figures to log: mean IoU by kind of prompt.

    All are tensors on the batch's device, so that no call waits for a GPU.

    Parameters
    ----------
    sam : Sam
        Its image size must be the side of the views.
    auxiliary : AuxiliaryHead
    batch : Batch
    generator : torch.Generator
        On the batch's device.
    auxiliary_weight : float
        Weight of the dense auxiliary losses; 0 turns them off.
    weights : Weights
    """
    half = batch.masks.shape[1] // 2
    answers = _Answers(torch.zeros((), device=batch.images.device), weights)
    # One autocast context for all rounds, so that weights are rounded only once.
    device = batch.images.device.type
    with torch.autocast(device, **precision_of(device)):
        image = sam.encode_image(sam.preprocess(batch.images))
        for kind, masks in (("box", batch.masks[:, :half]), ("point", batch.masks[:, half:])):
            others = None
            if kind == "point" and weights.neighbours:
                others = _neighbours(batch.labels, masks)
            _rounds(sam, image, masks.flatten(0, 1), others, kind, generator, answers)
        if weights.nothing:
            _ask_nothing(sam, image, batch, generator, answers)
        loss = answers.loss
        if auxiliary_weight:
            dense = auxiliary(image.embedding, batch.labels, generator)
            answers.figures["auxiliary"] = dense.detach()
            loss = loss + auxiliary_weight * dense
    return loss, answers.figures


def _rounds(
    sam: Sam,
    image: ImageEmbedding,
    masks: Tensor,
    others: Tensor | None,
    kind: str,
    generator: torch.Generator,
    answers: _Answers,
) -> None:
    N = len(masks)
    weights = answers.weights
    targets = targets_in_use(masks)
    band = weights.boundary * near_boundary(targets) if weights.boundary else None
    # Clicks are drawn at half size, which is accurate enough and four times faster.
    halved = targets > 0
    boxes = coords = labels = None
    if kind == "box":
        hasty = torch.rand(N, 1, generator=generator, device=masks.device) < _HASTY_SHARE
        jitter = torch.where(hasty, _HASTY_JITTER, _BOX_JITTER)
        boxes = boxes_of(masks, jitter, generator)
    else:
        central = torch.rand(N, generator=generator, device=masks.device) < _CENTRAL_POINTS
        coords = 2 * points_in(halved, central, generator)[:, None]
        labels = torch.ones(N, 1, dtype=torch.long, device=masks.device)
        if others is not None:
            coords, labels = _with_neighbour(coords, labels, others, answers, generator)
    low_res, iou = answer_prompts(sam, image, coords, labels, boxes, None)
    actual = _add_losses(low_res, iou, targets, band, kind, answers)

    # The mask that a user would correct: after a single point, the candidate predicted to be best.
    index = torch.zeros_like(iou[:, 0], dtype=torch.long)
    if kind == "point":
        index = 1 + iou[:, 1:].argmax(1)
    answers.figures[f"{kind}_chosen"] = actual.gather(1, index[:, None]).mean()
    least, most = _CORRECTIONS[kind]
    rounds = least + int(
        torch.randint(most - least + 1, (), generator=generator, device=masks.device)
    )
    for number in range(rounds):
        previous = low_res.detach()[torch.arange(N, device=index.device), index][:, None]
        predicted = F.interpolate(previous, scale_factor=2, mode="bilinear")[:, 0] > 0
        clicks = int(torch.randint(_MOST_CLICKS, (), generator=generator, device=masks.device)) + 1
        new_coords, new_labels = corrective_clicks(predicted, halved, clicks, generator)
        coords = 2 * new_coords if coords is None else torch.cat([coords, 2 * new_coords], 1)
        labels = new_labels if labels is None else torch.cat([labels, new_labels], 1)
        # Rounds between the first and the last have no gradients: they only lead to the last
        # round, which teaches the same (as in RITM, arXiv 2102.06583, section 3.3).
        last = number == rounds - 1
        with nullcontext() if last else _without_gradients(masks.device.type):
            low_res, iou = answer_prompts(sam, image, coords, labels, boxes, previous)
        if last:
            _add_losses(low_res, iou, targets, band, "refined", answers)
        index = torch.zeros_like(index)


def _ripples(low_res: Tensor, targets: Tensor) -> Tensor:
    """Mean square of what blurring removes from logits (N, M, h, w), where targets are constant."""
    widest = F.max_pool2d(targets, 6, 2, 2)  # (N, h, w)
    narrowest = -F.max_pool2d(-targets, 6, 2, 2)
    even = (widest - narrowest < 0.5)[:, None, 1:-1, 1:-1]
    rows = low_res[..., 2:, :] + 2 * low_res[..., 1:-1, :] + low_res[..., :-2, :]
    blurred = rows[..., 2:] + 2 * rows[..., 1:-1] + rows[..., :-2]
    ripple = low_res[..., 1:-1, 1:-1] - blurred / 16
    return (ripple.square() * even).mean()


@contextmanager
def _without_gradients(device: str) -> Iterator[None]:
    # Weights rounded by autocast in here must not be cached for the rounds with gradients.
    with torch.no_grad(), torch.autocast(device, **precision_of(device), cache_enabled=False):
        yield


def _neighbours(labels: Tensor, masks: Tensor) -> Tensor:
    """Other labelled regions in the view of each mask, at half size, (N, S/2, S/2)."""
    labelled = labels[:, None, ::2, ::2] > 0
    return (labelled & ~masks[:, :, ::2, ::2]).flatten(0, 1)


def _with_neighbour(
    coords: Tensor, labels: Tensor, others: Tensor, answers: _Answers, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Add a click on another region to some prompts, and a padding point (-1) to the rest."""
    N = len(coords)
    central = torch.rand(N, generator=generator, device=coords.device) < _CENTRAL_POINTS
    at = 2 * points_in(others, central, generator)[:, None]
    chosen = torch.rand(N, generator=generator, device=coords.device) < answers.weights.neighbours
    label = torch.where(chosen & others.any(2).any(1), 0, -1)[:, None]
    return torch.cat([coords, at], 1), torch.cat([labels, label], 1)


def _ask_nothing(
    sam: Sam,
    image: ImageEmbedding,
    batch: Batch,
    generator: torch.Generator,
    answers: _Answers,
) -> None:
    """Prompt with points on background, where the predicted IoU should be zero."""
    empty = (batch.labels == 0)[:, ::2, ::2]
    known = batch.throughout & (empty.float().mean((1, 2)) > _LEAST_NOTHING)
    if not known.any():
        return
    per_view = [empty] * _POINTS_ON_NOTHING
    anywhere = torch.zeros(len(empty), dtype=torch.bool, device=empty.device)
    coords = torch.stack([2 * points_in(e, anywhere, generator) for e in per_view], 1)
    coords = coords.flatten(0, 1)[:, None]  # prompt n belongs to view n // _POINTS_ON_NOTHING
    labels = torch.ones(coords.shape[:2], dtype=torch.long, device=coords.device)
    _, iou = answer_prompts(sam, image, coords, labels, None, None)
    counted = known.repeat_interleave(_POINTS_ON_NOTHING).float()[:, None]
    loss = (iou.square() * counted).sum() / (counted.sum() * iou.shape[1])
    answers.loss = answers.loss + answers.weights.nothing * known.float().mean() * loss
    answers.figures["nothing_iou"] = loss.detach().sqrt()


def _add_losses(
    low_res: Tensor,
    iou: Tensor,
    targets: Tensor,
    band: Tensor | None,
    kind: str,
    answers: _Answers,
) -> Tensor:
    losses, actual = losses_in_use(low_res, targets, emphasis=band)  # (N, 4)
    answers.loss = (
        answers.loss
        + losses[:, 0].mean()
        + _CANDIDATE_WEIGHT[kind] * ambiguous_loss(losses[:, 1:])
        + _IOU_WEIGHT * F.mse_loss(iou, actual)
    )
    if answers.weights.smooth:
        answers.loss = answers.loss + answers.weights.smooth * _ripples(low_res, targets)
    if kind == "point" and answers.weights.ranking:
        ranking = ranking_loss(iou[:, 1:], actual[:, 1:])
        answers.loss = answers.loss + answers.weights.ranking * ranking
    best = actual[:, 1:].amax(1)
    figures = {
        kind: actual[:, 0].mean(),
        f"{kind}_best": best.mean(),
        f"{kind}_iou_error": (iou.detach() - actual).abs().mean(),
    }
    for name, value in figures.items():
        # Corrections after both kinds of prompts are logged together, as their mean.
        answers.seen[name] = answers.seen.get(name, 0) + 1
        before = answers.figures.get(name, torch.zeros_like(value))
        answers.figures[name] = before + (value - before) / answers.seen[name]
    return actual
