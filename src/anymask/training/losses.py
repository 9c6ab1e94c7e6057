"""Losses of promptable segmentation (arXiv 2304.02643, appendix A, "Losses")."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

FOCAL_WEIGHT = 20.0
MASK_LOSSES = ("dice", "dice+bce", "dice+focal")
"""The kinds of loss that `mask_losses` computes."""

_RANKING_STEP = 0.1  # a difference of predicted IoU that counts as certain


def mask_losses(logits: Tensor, targets: Tensor, kind: str = "dice+focal") -> Tensor:
    """Loss of each mask, as a plain formula.

    Training uses the faster `losses_in_use`; a test compares the two.

    Parameters
    ----------
    logits : (N, M, h, w) float32 tensor
    targets : (N, h, w) or (N, M, h, w) tensor
        Fraction of each pixel that the object covers, 0 to 1.
    kind : {"dice+focal", "dice+bce", "dice"}
        Dice alone gives small and large objects the same weight. Cross-entropy and focal loss are
        means over all pixels; focal loss emphasises pixels that are wrong.

    Returns
    -------
    (N, M) tensor
    """
    if targets.ndim == 3:
        targets = targets[:, None].expand_as(logits)
    probability = logits.sigmoid()
    overlap = (probability * targets).sum((2, 3))
    dice = 1 - (2 * overlap + 1) / (probability.sum((2, 3)) + targets.sum((2, 3)) + 1)
    if kind == "dice":
        return dice
    cross_entropy = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    if kind == "dice+bce":
        return dice + cross_entropy.mean((2, 3))
    # Focal loss (arXiv 1708.02002) for soft targets: the distance to the target replaces
    # one minus the probability of the true class.
    focal = ((probability - targets).square() * cross_entropy).mean((2, 3))
    return FOCAL_WEIGHT * focal + dice


def true_iou(logits: Tensor, targets: Tensor) -> Tensor:
    """IoU of thresholded masks with thresholded targets, (N, M), without gradient.

    Takes the same arguments as `mask_losses`.
    """
    with torch.no_grad():
        predicted = logits > 0
        wanted = targets > 0.5 if targets.ndim == 4 else (targets > 0.5)[:, None]
        overlap = (predicted & wanted).sum((2, 3)).float()
        union = (predicted | wanted).sum((2, 3)).float()
        return overlap / union.clamp(min=1)


def ambiguous_loss(losses: Tensor) -> Tensor:
    """Mean over prompts of the lowest loss among the candidates.

    A tenth of the candidates' mean is added; without it, a candidate that never wins would never
    learn.

    Parameters
    ----------
    losses : (N, 3) tensor
    """
    return losses.amin(1).mean() + 0.1 * losses.mean()


def ranking_loss(predicted: Tensor, actual: Tensor) -> Tensor:
    """Pairwise loss that makes predicted IoU rank a prompt's candidates as true IoU does.

    Each pair adds a logistic loss of the difference of its predictions (RankNet, Burges et al.
    2005), weighted by the difference in true IoU.

    Parameters
    ----------
    predicted, actual : (N, M) tensors
        Only `predicted` receives a gradient.
    """
    better = actual[:, :, None] - actual[:, None]  # (N, M, M): of the first over the second
    margin = (predicted[:, :, None] - predicted[:, None]) / _RANKING_STEP
    pairs = better.clamp(min=0) * F.softplus(-margin)
    return pairs.sum((1, 2)).mean() / (predicted.shape[1] - 1)
