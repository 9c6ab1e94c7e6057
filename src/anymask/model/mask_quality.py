"""Predict a mask's IoU from the mask as well as from its token.

SAM predicts the IoU from one output token, before there is any mask. The mask itself tells more: if
each pixel's probability were calibrated, the expected intersection and union with the object would
follow from them. The head gets such sums in addition to the tokens (as Mask Scoring R-CNN, arXiv
1903.00241, gives its head the mask), and learns how far to trust them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from anymask.model.layers import MLP

_STATISTICS = 4
_EMPTY = 1e-4  # keeps the values of an empty mask finite


class MaskQualityHead(nn.Module):
    """An MLP over a mask's tokens and a few sums over its pixels."""

    def __init__(self, dim: int, hidden_dim: int, depth: int) -> None:
        super().__init__()
        self.mlp = MLP(2 * dim + _STATISTICS, hidden_dim, 1, depth)

    def forward(self, iou_token: Tensor, mask_tokens: Tensor, logits: Tensor) -> Tensor:
        """Predict the IoU of each mask.

        Parameters
        ----------
        iou_token : (N, C) tensor
        mask_tokens : (N, M, C) tensor
        logits : (N, M, h, w) tensor
            Detached: the masks do not learn from the prediction.

        Returns
        -------
        (N, M) tensor
        """
        statistics = mask_statistics(logits).to(mask_tokens.dtype)
        shared = iou_token[:, None].expand_as(mask_tokens)
        return self.mlp(torch.cat([shared, mask_tokens, statistics], 2))[..., 0]


@torch.no_grad()
def mask_statistics(logits: Tensor) -> Tensor:
    """Sum up each mask's pixels.

    Parameters
    ----------
    logits : (N, M, h, w) tensor

    Returns
    -------
    (N, M, 4) float32 tensor
        If each pixel's probability were calibrated: the expected IoU of mask and object, the share
        of the mask that is object, and the share of the object that is in the mask. Last, the
        square root of the mask's share of the image.
    """
    # In one array, in place: most of the time here is taken by passes over memory.
    probability = logits.float().sigmoid()
    mass = probability.mean((2, 3)) + _EMPTY
    excess = probability.sub_(0.5).clamp_(min=0)
    overlap = excess.mean((2, 3))
    area = excess.ceil_().mean((2, 3))
    overlap += 0.5 * area + _EMPTY
    area += _EMPTY
    expected_iou = overlap / (area + mass - overlap)
    return torch.stack([expected_iou, overlap / area, overlap / mass, area.sqrt()], 2)
