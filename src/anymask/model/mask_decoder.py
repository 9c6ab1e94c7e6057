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
        N, B, (h, w) = len(sparse_prompt_embeddings), *_batch_and_size(image_embeddings)
        output_tokens = torch.cat([self.iou_token.weight, self.mask_tokens.weight])
        tokens = torch.cat(
            [output_tokens.expand(N, -1, -1), sparse_prompt_embeddings], 1
        )  # (N, 1 + masks + T, C)
        if dense_prompt_embeddings.stride(0) == 0:
            # The same for all prompts: the image side is then shared until they first differ.
            dense_prompt_embeddings = dense_prompt_embeddings[:1]
        image = _add_dense(image_embeddings, dense_prompt_embeddings)  # (B or N, h·w, C)
        tokens, image = self.transformer(image, _to_tokens(image_pe).to(image.dtype), tokens)
        if len(image) < N:  # a transformer of no layers
            image = image.repeat_interleave(N // len(image), 0)

        pixels = self._upscale(image, (B, h, w), skips)  # (N, h·w·16, C/8)
        mask_tokens = tokens[:, 1 + chosen.start : 1 + chosen.stop]  # (N, M, C)
        weights = torch.stack(
            [self.output_hypernetworks_mlps[i](mask_tokens[:, m]) for m, i in enumerate(chosen)], 2
        )  # (N, C/8, M)
        masks = (pixels @ weights).view(N, h, w, 2, 2, 2, 2, len(chosen))
        masks = masks.permute(0, 7, 1, 3, 5, 2, 4, 6).reshape(N, len(chosen), 4 * h, 4 * w)
        if self.iou_from_masks:
            return masks, self.mask_quality_head(tokens[:, 0], mask_tokens, masks)
        return masks, self.iou_prediction_head(tokens[:, 0])[:, chosen.start : chosen.stop]

    def _upscale(
        self, image: Tensor, shape: tuple[int, int, int], skips: tuple[Tensor, ...]
    ) -> Tensor:
        """Image tokens (N, h·w, C) to pixels (N, h·w·16, C/8) in token order."""
        first, norm, _, second, _ = self.output_upscaling
        assert isinstance(first, nn.ConvTranspose2d)
        assert isinstance(norm, LayerNorm2d)
        assert isinstance(second, nn.ConvTranspose2d)
        N, (B, h, w) = len(image), shape
        x = _upscale_by_two(image, first).view(B, N // B, -1, norm.weight.numel())
        if skips:
            x = x + _pixels_to_token_order(skips[0], (h, w), 2)[:, None]
        x = F.layer_norm(x, norm.weight.shape, norm.weight, norm.bias, norm.eps)
        x = _upscale_by_two(F.gelu(x), second).view(B, N // B, h * w * 16, -1)
        if skips:
            x = x + _pixels_to_token_order(skips[1], (h, w), 4)[:, None]
        return F.gelu(x).flatten(0, 1)


def _batch_and_size(embedding: Tensor) -> tuple[int, tuple[int, int]]:
    B, _, h, w = embedding.shape
    return B, (h, w)


def _to_tokens(maps: Tensor) -> Tensor:
    return maps.flatten(2).transpose(1, 2)


def _add_dense(image: Tensor, dense: Tensor) -> Tensor:
    """Sum of (B, C, h, w) images and (1 or N, C, h, w) dense prompts as tokens."""
    if len(dense) > len(image):
        per_image = dense.unflatten(0, (len(image), -1))
        return _to_tokens((image[:, None] + per_image).flatten(0, 1))
    return _to_tokens(image + dense)


def _upscale_by_two(tokens: Tensor, conv: nn.ConvTranspose2d) -> Tensor:
    """Apply a 2×2 stride-2 transposed convolution to (…, C), giving (…, 4·out)."""
    weight = conv.weight.permute(2, 3, 1, 0).flatten(0, 2)  # (2·2·out, C)
    bias = conv.bias.repeat(4) if conv.bias is not None else None
    return F.linear(tokens, weight, bias)


def _pixels_to_token_order(maps: Tensor, size: tuple[int, int], scale: int) -> Tensor:
    """Rearrange (B, c, s·h, s·w) to (B, h·w·s², c): cells of the embedding, then within them.

    Within a cell the order is that of repeated doubling: halves of the rows, halves of the
    columns, then quarters of each.
    """
    B, c, (h, w) = maps.shape[0], maps.shape[1], size
    if scale == 2:
        maps = maps.view(B, c, h, 2, w, 2).permute(0, 2, 4, 3, 5, 1)
    else:
        maps = maps.view(B, c, h, 2, 2, w, 2, 2).permute(0, 2, 5, 3, 6, 4, 7, 1)
    return maps.reshape(B, h * w * scale * scale, c)
