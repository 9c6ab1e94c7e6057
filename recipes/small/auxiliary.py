"""Dense auxiliary losses that help the encoder early in training.

A temporary head predicts boundaries and one vector per quarter-size pixel from the embedding alone.
Vectors of the same region are pulled together, others are pushed apart. Every pixel contributes,
while a prompt trains only its object.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_VECTOR = 16  # channels of a pixel's vector
_SAMPLES = 192  # pixels per image that are compared with each other


class AuxiliaryHead(nn.Module):
    """Boundary and region losses on the image embedding; not part of the shipped model."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(dim, 16 * (_VECTOR + 1), 1)
        self.scale = nn.Parameter(torch.tensor([8.0, -2.0]))

    def forward(self, embedding: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """Return the sum of both losses.

        Parameters
        ----------
        embedding : (B, C, h, w) tensor
        labels : (B, 16·h, 16·w) int64 tensor
        generator : torch.Generator
        """
        maps = F.pixel_shuffle(self.proj(embedding), 4).float()  # (B, vector + 1, 4·h, 4·w)
        quarter = labels[:, 2::4, 2::4]
        return self._boundary_loss(maps[:, 0], quarter) + self._region_loss(
            maps[:, 1:], quarter, generator
        )

    def _boundary_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        edge = torch.zeros_like(logits)
        for ahead, behind in (
            ((slice(1, None), slice(None)), (slice(None, -1), slice(None))),
            ((slice(None), slice(1, None)), (slice(None), slice(None, -1))),
        ):
            differs = (labels[:, *ahead] != labels[:, *behind]).float()
            edge[:, *ahead] = torch.maximum(edge[:, *ahead], differs)
            edge[:, *behind] = torch.maximum(edge[:, *behind], differs)
        # Unlabelled areas may contain any boundary.
        known = (labels > 0) | (edge > 0)
        loss = F.binary_cross_entropy_with_logits(
            logits, edge, reduction="none", pos_weight=logits.new_tensor(3.0)
        )
        return (loss * known).sum() / known.sum().clamp(min=1)

    def _region_loss(self, vectors: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        B = len(labels)
        flat = labels.flatten(1)
        score = torch.rand(flat.shape, generator=generator, device=flat.device)
        score = torch.where(flat > 0, score, score - 2 + (flat == 0))
        at = score.topk(_SAMPLES, dim=1).indices
        chosen = vectors.flatten(2).gather(2, at[:, None].expand(-1, vectors.shape[1], -1))
        chosen = F.normalize(chosen, dim=1)
        ids = flat.gather(1, at)
        logits = (chosen.transpose(1, 2) @ chosen) * self.scale[0] + self.scale[1]
        same = (ids[:, :, None] == ids[:, None]).float()
        # Two unlabelled pixels may or may not belong to the same object.
        known = ((ids[:, :, None] > 0) | (ids[:, None] > 0)) & (ids >= 0)[:, None]
        known = known & (ids >= 0)[:, :, None]
        loss = F.binary_cross_entropy_with_logits(logits, same, reduction="none")
        share = same.sum().clamp(min=1) / same.numel()
        balance = torch.where(same > 0, 0.5 / share, 0.5 / (1 - share).clamp(min=1e-3))
        return (loss * balance * known).sum() / known.sum().clamp(min=B)
