"""SAM 2's mask decoder: finer features, a score of presence, a single mask that may be replaced.

Beside the first SAM's tokens there is one that says whether the object is in the image at all. If
one mask is asked for and it is unstable, the best of the three candidates is given in its place
(arXiv 2408.00714, appendix C, "Mask decoder").
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from anymask.model.config import Sam2Config
from anymask.model.layers import MLP, PointwiseConv2d
from anymask.model.mask_decoder import MaskDecoder
from anymask.model.products import linear
from anymask.model.sam2.hiera import FpnNeck


class AllMasks(NamedTuple):
    """Everything that the decoder says of N prompts.

    Attributes
    ----------
    masks : (N, M, 4·h, 4·w) tensor
        Logits; the first answers unambiguous prompts.
    iou : (N, M) tensor
    tokens : (N, M, C) tensor
        What became of each mask's token, from which object pointers are made.
    presence : (N, 1) tensor
        Logits of whether the object is in the image.
    """

    masks: Tensor
    iou: Tensor
    tokens: Tensor
    presence: Tensor


class Sam2MaskDecoder(MaskDecoder):
    """Predict masks, their IoU and the object's presence."""

    def __init__(self, *parts: Any, **options: Any) -> None:
        super().__init__(*parts, **options)
        dim = self.transformer_dim
        self.conv_s0 = PointwiseConv2d(dim, dim // 8)
        self.conv_s1 = PointwiseConv2d(dim, dim // 4)
        self.obj_score_token = nn.Embedding(1, dim)
        self.pred_obj_score_head = MLP(dim, dim, 1, 3)

    def skips(self, neck: FpnNeck, eighth: Tensor, quarter: Tensor) -> tuple[Tensor, Tensor]:
        """Project the encoder's finer maps to (B, C/4, 2·h, 2·w) and (B, C/8, 4·h, 4·w).

        The neck's projection and the decoder's own follow each other with nothing between them, so
        they are one product with few channels.
        """
        return (
            _projected(eighth, neck.lateral(1), self.conv_s1),
            _projected(quarter, neck.lateral(0), self.conv_s0),
        )

    def forward(
        self,
        image_embeddings: Tensor,
        image_pe: Tensor,
        sparse_prompt_embeddings: Tensor,
        dense_prompt_embeddings: Tensor,
        multimask_output: bool,
        skips: tuple[Tensor, ...] = (),
    ) -> tuple[Tensor, Tensor]:
        """See `MaskDecoder.forward`."""
        given = image_embeddings, image_pe, sparse_prompt_embeddings, dense_prompt_embeddings
        if multimask_output or self.training:
            return super().forward(*given, multimask_output, skips)
        found = stable_or_best(self.predict_all(*given, skips))
        return found.masks, found.iou

    def predict_masks(
        self,
        image_embeddings: Tensor,
        image_pe: Tensor,
        sparse_prompt_embeddings: Tensor,
        dense_prompt_embeddings: Tensor,
        chosen: range | None = None,
        skips: tuple[Tensor, ...] = (),
    ) -> tuple[Tensor, Tensor]:
        """As `forward`, for any `chosen` run of the mask tokens."""
        masks, iou = super().predict_masks(
            image_embeddings,
            image_pe,
            sparse_prompt_embeddings,
            dense_prompt_embeddings,
            chosen,
            skips,
        )
        return masks, iou.sigmoid()

    def predict_all(
        self,
        image_embeddings: Tensor,
        image_pe: Tensor,
        sparse_prompt_embeddings: Tensor,
        dense_prompt_embeddings: Tensor,
        skips: tuple[Tensor, ...] = (),
    ) -> AllMasks:
        """Return all masks with their tokens, and the presence of each prompt's object.

        Parameters are those of `forward`.
        """
        masks, tokens = self._decoded(
            image_embeddings,
            image_pe,
            sparse_prompt_embeddings,
            dense_prompt_embeddings,
            range(self.num_mask_tokens),
            skips,
        )
        end = 1 + self.num_mask_tokens
        return AllMasks(
            masks,
            self.iou_prediction_head(tokens[:, 0]).sigmoid(),
            tokens[:, 1:end],
            self.pred_obj_score_head(tokens[:, end]),
        )

    def _output_tokens(self) -> Tensor:
        # Last, so that the others are where the first SAM has them; order does not matter.
        return torch.cat([super()._output_tokens(), self.obj_score_token.weight])


def stable_or_best(found: AllMasks) -> AllMasks:
    """Reduce to one mask a prompt: the single mask if it is stable, else the best candidate.

    Parameters
    ----------
    found : AllMasks
        The single mask and the candidates.

    Returns
    -------
    AllMasks
        Of one mask.
    """
    single = found.masks[:, 0].flatten(1)
    delta = Sam2Config.stability_delta
    inner, outer = (single > delta).sum(1), (single > -delta).sum(1)
    # A mask without pixels does not change.
    stable = (inner >= Sam2Config.stability_thresh * outer) | (outer == 0)
    index = torch.where(stable, 0, 1 + found.iou[:, 1:].argmax(1))
    best = chosen_of(found, index)
    # An object pointer is always made from the single mask's token, with which it was learnt.
    return best._replace(tokens=found.tokens[:, :1])


def best_candidate(found: AllMasks) -> AllMasks:
    """Reduce to one mask a prompt: the candidate with the highest predicted IoU."""
    return chosen_of(found, 1 + found.iou[:, 1:].argmax(1))


def chosen_of(found: AllMasks, index: Tensor) -> AllMasks:
    """Return one mask of each prompt, by its index (N,)."""
    rows = torch.arange(len(index), device=index.device)
    return AllMasks(
        found.masks[rows, index][:, None],
        found.iou[rows, index][:, None],
        found.tokens[rows, index][:, None],
        found.presence,
    )


def _projected(x: Tensor, first: PointwiseConv2d, second: PointwiseConv2d) -> Tensor:
    """Apply two projections to a (B, c, H, W) map as one."""
    outer, inner = second.weight.flatten(1), first.weight.flatten(1).to(second.weight.dtype)
    assert first.bias is not None
    assert second.bias is not None
    bias = outer @ first.bias.to(outer.dtype) + second.bias
    pixels = x.permute(0, 2, 3, 1).to(outer.dtype)
    return linear(pixels, outer @ inner, bias).permute(0, 3, 1, 2)
