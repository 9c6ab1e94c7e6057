"""Prompt and image embeddings to masks (arXiv 2304.02643, appendix A, "Mask decoder").

The two stride-2 transposed convolutions of the upscaling do not overlap, so they are matrix
products over tokens. Pixels stay in token order, each 1/16 cell holding its 4×4 finer pixels,
until the few mask channels are there: only those are rearranged into rows.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from anymask.model.config import SamConfig
from anymask.model.layers import MLP, LayerNorm2d
from anymask.model.mask_quality import MaskQualityHead
from anymask.model.pieces import cut, prompts_in_a_piece
from anymask.model.products import (
    add_shared,
    gelu,
    in_inference,
    linear,
    linear_plus_shared,
    rows_by_rows,
)
from anymask.model.token_order import pixels_in_rows, pixels_to_token_order
from anymask.model.transformer import TwoWayTransformer


class MaskDecoder(nn.Module):
    """Predict masks and their IoU.

    The first of the `num_multimask_outputs` + 1 masks answers unambiguous prompts, the others
    are the candidates for an ambiguous one.
    """

    def __init__(self, config: SamConfig) -> None:
        super().__init__()
        dim, self.num_mask_tokens = config.prompt_dim, config.num_multimask_outputs + 1
        self.transformer = TwoWayTransformer(
            config.decoder_depth, dim, config.decoder_heads, config.decoder_mlp_dim
        )
        self.iou_token = nn.Embedding(1, dim)
        self.mask_tokens = nn.Embedding(self.num_mask_tokens, dim)
        self.output_upscaling = nn.Sequential(
            nn.ConvTranspose2d(dim, dim // 4, 2, stride=2),
            LayerNorm2d(dim // 4),
            nn.GELU(),
            nn.ConvTranspose2d(dim // 4, dim // 8, 2, stride=2),
            nn.GELU(),
        )
        self.output_hypernetworks_mlps = nn.ModuleList(
            MLP(dim, dim, dim // 8, 3) for _ in range(self.num_mask_tokens)
        )
        hidden, depth = config.iou_head_hidden_dim, config.iou_head_depth
        if config.iou_from_masks:
            self.mask_quality_head = MaskQualityHead(dim, hidden, depth)
        else:
            self.iou_prediction_head = MLP(dim, hidden, self.num_mask_tokens, depth)
        self.iou_from_masks = config.iou_from_masks

    def forward(
        self,
        image_embeddings: Tensor,
        image_pe: Tensor,
        sparse_prompt_embeddings: Tensor,
        dense_prompt_embeddings: Tensor,
        multimask_output: bool,
        skips: tuple[Tensor, ...] = (),
    ) -> tuple[Tensor, Tensor]:
        """Decode N = B·P prompts of B images; prompt n belongs to image n // P.

        Parameters
        ----------
        image_embeddings : (B, C, h, w) tensor
        image_pe : (1, C, h, w) tensor
        sparse_prompt_embeddings : (N, T, C) tensor
        dense_prompt_embeddings : (N, C, h, w) tensor
        multimask_output : bool
            Return the candidates for an ambiguous prompt instead of the single mask.
        skips : tuple of (B, C/4, 2·h, 2·w) and (B, C/8, 4·h, 4·w) tensors
            Finer image features, for models that have them.

        Returns
        -------
        masks : (N, M, 4·h, 4·w) tensor
            Logits.
        iou_predictions : (N, M) tensor
        """
        chosen = range(1, self.num_mask_tokens) if multimask_output else range(1)
        return self.predict_masks(
            image_embeddings,
            image_pe,
            sparse_prompt_embeddings,
            dense_prompt_embeddings,
            chosen,
            skips,
        )

    def predict_masks(
        self,
        image_embeddings: Tensor,
        image_pe: Tensor,
        sparse_prompt_embeddings: Tensor,
        dense_prompt_embeddings: Tensor,
        chosen: range,
        skips: tuple[Tensor, ...] = (),
    ) -> tuple[Tensor, Tensor]:
        """As `forward`, for any `chosen` run of the mask tokens."""
        masks, tokens = self._decoded(
            image_embeddings,
            image_pe,
            sparse_prompt_embeddings,
            dense_prompt_embeddings,
            chosen,
            skips,
        )
        if self.iou_from_masks:
            mask_tokens = tokens[:, 1 + chosen.start : 1 + chosen.stop]
            return masks, self.mask_quality_head(tokens[:, 0], mask_tokens, masks)
        return masks, self.iou_prediction_head(tokens[:, 0])[:, chosen.start : chosen.stop]

    def _output_tokens(self) -> Tensor:
        """The learnt tokens, (1 + masks or more, C): one for the IoU, the masks', any others."""
        return torch.cat([self.iou_token.weight, self.mask_tokens.weight])

    def _decoded(
        self,
        image_embeddings: Tensor,
        image_pe: Tensor,
        sparse_prompt_embeddings: Tensor,
        dense_prompt_embeddings: Tensor,
        chosen: range,
        skips: tuple[Tensor, ...],
    ) -> tuple[Tensor, Tensor]:
        """Masks (N, M, 4·h, 4·w), and what became of all tokens, (N, T, C)."""
        N, (B, _, h, w) = len(sparse_prompt_embeddings), image_embeddings.shape
        tokens = torch.cat(
            [self._output_tokens().expand(N, -1, -1), sparse_prompt_embeddings], 1
        )  # (N, 1 + masks + T, C)
        image = _to_tokens(image_embeddings)
        image_pe = _to_tokens(image_pe).to(image.dtype)
        on_cpu = image.device.type == "cpu" and in_inference(image, self.iou_token.weight)
        pieces = cut(N, B, prompts_in_a_piece(image) if on_cpu else N)
        if dense_prompt_embeddings.stride(0) == 0:
            # The same for all prompts: the image side is then shared until they first differ.
            image = add_shared(_to_tokens(dense_prompt_embeddings[:1]), image)  # (B, h·w, C)
            parts = [image if B == 1 else image[images] for _, images in pieces]
        else:
            parts = [
                add_shared(_to_tokens(dense_prompt_embeddings[of]), image[images])
                for of, images in pieces
            ]
        tokens, parts = self.transformer(parts, image_pe, tokens, pieces)

        mask_tokens = tokens[:, 1 + chosen.start : 1 + chosen.stop]  # (N, M, C)
        weights = torch.stack(
            [self.output_hypernetworks_mlps[i](mask_tokens[:, m]) for m, i in enumerate(chosen)], 1
        )  # (N, M, C/8)
        cells = [pixels_to_token_order(s, (h, w), 2 << i) for i, s in enumerate(skips)]
        masks = torch.cat(
            [
                self._masks(part, weights[of], [c[images] for c in cells], (h, w))
                for part, (of, images) in zip(parts, pieces, strict=True)
            ]
        )
        return masks, tokens

    def _masks(
        self, image: Tensor, weights: Tensor, skips: list[Tensor], size: tuple[int, int]
    ) -> Tensor:
        """Logits (n, M, 4·h, 4·w) of image tokens (n, h·w, C) by weights (n, M, C/8).

        `skips` are finer features in token order, of one image or of all n.
        """
        first, norm, _, second, _ = self.output_upscaling
        assert isinstance(first, nn.ConvTranspose2d)
        assert isinstance(norm, LayerNorm2d)
        assert isinstance(second, nn.ConvTranspose2d)
        n, S = len(weights), image.shape[1]
        if len(image) < n:  # after a transformer of no layers
            image = image.repeat_interleave(n // len(image), 0)
        if skips:
            x = linear_plus_shared(image, *_as_product(first), _beside(skips[0], S))
        else:
            x = linear(image, *_as_product(first))
        x = x.view(n, S * 4, -1)
        x = gelu(F.layer_norm(x, norm.weight.shape, norm.weight, norm.bias, norm.eps))
        if skips:
            x = gelu(linear_plus_shared(x, *_as_product(second), _beside(skips[1], S * 4)))
        else:
            x = linear(x, *_as_product(second), activation="gelu")
        x = x.view(n, S * 16, -1)
        return pixels_in_rows(rows_by_rows(weights, x), size)


def _to_tokens(maps: Tensor) -> Tensor:
    return maps.flatten(2).transpose(1, 2).contiguous()


def _as_product(conv: nn.ConvTranspose2d) -> tuple[Tensor, Tensor | None]:
    """Weight (2·2·out, in) and bias that apply a 2×2 stride-2 transposed convolution to tokens."""
    weight = conv.weight.permute(2, 3, 1, 0).flatten(0, 2)
    return weight, conv.bias.repeat(4) if conv.bias is not None else None


def _beside(cells: Tensor, rows: int) -> Tensor:
    """Pixels in token order as rows of four, as the product that they are added to has them."""
    return cells.reshape(len(cells), rows, -1)
