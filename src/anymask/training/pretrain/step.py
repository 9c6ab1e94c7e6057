"""One training step: prompts as a person would give them, and the losses of the answers.

Half of each view's masks are first asked for by a box, half by a point; then again with corrective
clicks on the answer and that answer's logits as mask prompt, boxes once and points two to four
times (arXiv 2304.02643, appendix A, "Training algorithm").
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from anymask.model.sam import ImageEmbedding, Sam
from anymask.training.answering import answer_prompts
from anymask.training.losses import ambiguous_loss
from anymask.training.losses_in_use import losses_in_use, targets_in_use
from anymask.training.pretrain.auxiliary import AuxiliaryHead
from anymask.training.pretrain.batches import Batch
from anymask.training.prompts import boxes_of, corrective_clicks, points_in

# Boxes as a labeller's and, the smaller share, as a hasty hand's.
_BOX_JITTER, _HASTY_JITTER, _HASTY_SHARE = 0.02, 0.06, 0.35
_CENTRAL_POINTS = 0.5
_IOU_WEIGHT = 1.0
# How many times corrections follow, at least and at most. A person who clicks first goes on
# clicking; a box is mostly the last word.
_CORRECTIONS = {"point": (2, 4), "box": (1, 1)}
_MOST_CLICKS = 2  # a correction
# Of a correction, whose prompts are unambiguous, the candidates teach less.
_CANDIDATE_WEIGHT = {"point": 1.0, "box": 0.5, "refined": 0.25}


@dataclass
class _Answers:
    """Sums of losses and mean IoU by kind of prompt."""

    loss: Tensor
    figures: dict[str, Tensor] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)


def training_step(
    sam: Sam,
    auxiliary: AuxiliaryHead,
    batch: Batch,
    generator: torch.Generator,
    auxiliary_weight: float,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the loss of a batch and figures to log: mean IoU by kind of prompt.

    All are tensors on the batch's device, so that nothing waits for a GPU.

    Parameters
    ----------
    sam : Sam
        Its image size is the side of the views.
    auxiliary : AuxiliaryHead
    batch : Batch
    generator : torch.Generator
        On the batch's device.
    auxiliary_weight : float
        Weight of the dense auxiliary losses; 0 leaves them out.
    """
    half = batch.masks.shape[1] // 2
    answers = _Answers(torch.zeros((), device=batch.images.device))
    # One context for all rounds: weights are then rounded once.
    with torch.autocast(batch.images.device.type, torch.bfloat16):
        image = sam.encode_image(sam.preprocess(batch.images))
        for kind, masks in (("box", batch.masks[:, :half]), ("point", batch.masks[:, half:])):
            _rounds(sam, image, masks.flatten(0, 1), kind, generator, answers)
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
    kind: str,
    generator: torch.Generator,
    answers: _Answers,
) -> None:
    N = len(masks)
    targets = targets_in_use(masks)
    # Clicks are drawn at half size, which is plenty and four times faster.
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
    low_res, iou = answer_prompts(sam, image, coords, labels, boxes, None)
    actual = _add_losses(low_res, iou, targets, kind, answers)

    # The mask a person would correct: the candidate predicted to be best after a lone point.
    index = torch.zeros_like(iou[:, 0], dtype=torch.long)
    if kind == "point":
        index = 1 + iou[:, 1:].argmax(1)
    answers.figures[f"{kind}_chosen"] = actual.gather(1, index[:, None]).mean()
    least, most = _CORRECTIONS[kind]
    more = torch.randint(most - least + 1, (), generator=generator, device=masks.device)
    for _ in range(least + int(more)):
        previous = low_res.detach()[torch.arange(N, device=index.device), index][:, None]
        predicted = F.interpolate(previous, scale_factor=2, mode="bilinear")[:, 0] > 0
        clicks = int(torch.randint(_MOST_CLICKS, (), generator=generator, device=masks.device)) + 1
        new_coords, new_labels = corrective_clicks(predicted, halved, clicks, generator)
        coords = 2 * new_coords if coords is None else torch.cat([coords, 2 * new_coords], 1)
        labels = new_labels if labels is None else torch.cat([labels, new_labels], 1)
        low_res, iou = answer_prompts(sam, image, coords, labels, boxes, previous)
        _add_losses(low_res, iou, targets, "refined", answers)
        index = torch.zeros_like(index)


def _add_losses(
    low_res: Tensor, iou: Tensor, targets: Tensor, kind: str, answers: _Answers
) -> Tensor:
    losses, actual = losses_in_use(low_res, targets)  # (N, 4)
    answers.loss = (
        answers.loss
        + losses[:, 0].mean()
        + _CANDIDATE_WEIGHT[kind] * ambiguous_loss(losses[:, 1:])
        + _IOU_WEIGHT * F.mse_loss(iou, actual)
    )
    best = actual[:, 1:].amax(1)
    figures = {
        kind: actual[:, 0].mean(),
        f"{kind}_best": best.mean(),
        f"{kind}_iou_error": (iou.detach() - actual).abs().mean(),
    }
    for name, value in figures.items():
        # Corrections of both kinds are logged as one, by their mean.
        answers.seen[name] = answers.seen.get(name, 0) + 1
        before = answers.figures.get(name, torch.zeros_like(value))
        answers.figures[name] = before + (value - before) / answers.seen[name]
    return actual
