"""SAM 2's prompt encoder: the first SAM's, with one token more (arXiv 2408.00714, appendix C).

A box is two points among the others here, so that the token "not a point", which the first SAM adds
wherever no box follows, is always there. Without points and boxes there are two of it, as in SAM
2's training.
"""

from __future__ import annotations

import torch
from torch import Tensor

from anymask.model.prompt_encoder import PromptEncoder


class Sam2PromptEncoder(PromptEncoder):
    """Encode points, boxes and masks, or their absence."""

    def forward(
        self,
        points: tuple[Tensor, Tensor] | None,
        boxes: Tensor | None,
        masks: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """See `PromptEncoder.forward`."""
        if points is None and boxes is None:
            count = 1 if masks is None else len(masks)
            device = self.no_mask_embed.weight.device
            labels = torch.full((count, 1), -1, device=device)
            points = torch.zeros(count, 1, 2, device=device), labels
        return super().forward(points, boxes, masks)

    def _embed_boxes(self, boxes: Tensor) -> Tensor:
        corners = super()._embed_boxes(boxes)
        padding = self.not_a_point_embed.weight.expand(len(corners), 1, -1)
        return torch.cat([corners, padding.to(corners.dtype)], 1)
