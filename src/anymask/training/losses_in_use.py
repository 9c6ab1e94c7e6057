"""Losses of masks at the size at which they are used, with gradients derived by hand.

A training step computes the loss of more than a hundred masks at half of the view's size. Automatic
differentiation would make about thirty passes over tensors much larger than a processor's cache,
and in pretraining this would take longer than the encoder. Here the masks of each prompt are
enlarged, compared and differentiated while they are in the cache; only gradients at the size of the
predictions are kept.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from anymask.training.losses import FOCAL_WEIGHT


def targets_in_use(masks: Tensor) -> Tensor:
    """Fraction of each pixel, at half of the view's size, that the object covers.

    Parameters
    ----------
    masks : (N, H, W) bool tensor

    Returns
    -------
    (N, H/2, W/2) float32 tensor
    """
    return F.avg_pool2d(masks[:, None].float(), 2)[:, 0]


def losses_in_use(
    low_res: Tensor, targets: Tensor, kind: str = "dice+focal", emphasis: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Loss and IoU of each mask after bilinear enlargement to twice its size.

    At the size of the predictions, a line two pixels wide covers at most half of a pixel, so a
    model trained at that size learns to leave it out.

    Parameters
    ----------
    low_res : (N, M, h, w) float32 tensor
        Logits.
    targets : (N, 2·h, 2·w) or (N, M, 2·h, 2·w) float32 tensor
        From `targets_in_use`; one per prompt, or one per mask.
    kind : str
        One of `MASK_LOSSES`.
    emphasis : tensor of the targets' shape, optional
        Pixel weights, from `near_boundary`, of an added sum of cross-entropies.

    Returns
    -------
    losses : (N, M) tensor
        The same as from `losses.mask_losses`.
    iou : (N, M) tensor
        Of thresholded masks with thresholded targets, without gradient.
    """
    losses, iou = _LossesInUse.apply(
        low_res,
        targets if targets.ndim == 4 else targets[:, None],
        kind,
        None if emphasis is None else emphasis if emphasis.ndim == 4 else emphasis[:, None],
    )
    return losses, iou


def near_boundary(targets: Tensor) -> Tensor:
    """Weights of the pixels near each target's boundary, which sum to one.

    A large object has few such pixels, but they make its outline. A pixel counts if both object and
    background are within two pixels of it.

    Parameters
    ----------
    targets : (N, H, W) float32 tensor
        From `targets_in_use`.
    """
    widest = F.max_pool2d(targets, 5, 1, 2)
    narrowest = -F.max_pool2d(-targets, 5, 1, 2)
    band = (widest - narrowest > 0.5).float()
    return band / band.sum((1, 2), keepdim=True).clamp(min=1)


class _LossesInUse(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, low_res: Tensor, targets: Tensor, kind: str, emphasis: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        device = low_res.device.type
        h, w = low_res.shape[2:]
        # All at once on a GPU, where starting a call costs more than the memory traffic it saves.
        count = 1 if device == "cpu" else max(1, len(low_res))
        with torch.autocast(device, enabled=False):
            down, across = _doubling(h, low_res), _doubling(w, low_res)
            parts = [low_res.split(count), targets.split(count)]
            bands = [None] * len(parts[0]) if emphasis is None else emphasis.split(count)
            judged = [
                _judge(z, t, band, down, across, kind)
                for z, t, band in zip(*parts, bands, strict=True)
            ]
        losses, iou, slopes = (torch.cat(parts) for parts in zip(*judged, strict=True))
        ctx.save_for_backward(slopes)
        ctx.mark_non_differentiable(iou)
        return losses, iou

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        (slopes,) = ctx.saved_tensors
        return gradients[0][..., None, None] * slopes, None, None, None


def _doubling(size: int, like: Tensor) -> Tensor:
    """Matrix (2·size, size) that enlarges a line of pixels to twice its length."""
    line = torch.eye(size, dtype=like.dtype, device=like.device)
    return F.interpolate(line[None], scale_factor=2, mode="linear")[0].t().contiguous()


def _judge(
    low_res: Tensor, t: Tensor, band: Tensor | None, down: Tensor, across: Tensor, kind: str
) -> tuple[Tensor, Tensor, Tensor]:
    """Losses and IoU of some masks, and the gradient of each loss by its logits.

    Let z be a logit, p its probability and t its target. The derivative of the cross-entropy c by z
    is p − t, and that of p by z is p·(1 − p). The focal loss is the mean of (p − t)²·c.
    """
    z = down @ (low_res @ across.t())
    pixels = z.shape[2] * z.shape[3]
    wanted = (t > 0.5).float()
    predicted = torch.gt(z, 0, out=torch.empty_like(z))  # float: faster than bool
    union = predicted.sum((2, 3)) + wanted.sum((2, 3))
    overlapping = predicted.mul_(wanted).sum((2, 3))
    iou = overlapping / (union - overlapping).clamp(min=1)

    p = z.sigmoid()
    off = p - t
    mass = p.sum((2, 3)) + t.sum((2, 3)) + 1
    overlap = 2 * (p * t).sum((2, 3)) + 1
    losses = 1 - overlap / mass
    spread = p.addcmul_(p, p, value=-1)
    by_dice = (overlap / mass.square())[..., None, None] - t * (2 / mass)[..., None, None]
    slope = by_dice.mul_(spread)
    if band is not None:
        losses += (_cross_entropy(z, t) * band).sum((2, 3))
        slope.addcmul_(off, band)
    if kind == "dice+bce":
        losses += _cross_entropy(z, t).sum((2, 3)) / pixels
        slope.add_(off, alpha=1 / pixels)
    elif kind != "dice":
        squared, cross_entropy = off.square(), _cross_entropy(z, t)
        losses += FOCAL_WEIGHT / pixels * (squared * cross_entropy).sum((2, 3))
        by_focal = cross_entropy.mul_(spread).mul_(2).add_(squared).mul_(off)
        slope.add_(by_focal, alpha=FOCAL_WEIGHT / pixels)
    return losses, iou, down.t() @ (slope @ across)


def _cross_entropy(z: Tensor, t: Tensor) -> Tensor:
    # Above 30 the logarithm is zero, and denormal float32 numbers would be ten times slower.
    cross_entropy = z.abs().clamp_(max=30).neg_().exp_().add_(1).log_()
    cross_entropy += z.clamp(min=0)
    return cross_entropy.addcmul_(z, t, value=-1)
