"""Prompt and image embeddings to masks (arXiv 2304.02643, appendix A, "Mask decoder").

The two stride-2 transposed convolutions of the upscaling do not overlap, so they are matrix
products over tokens. Pixels stay in token order, each 1/16 cell holding its 4×4 finer pixels,
until the few mask channels are there: only those are rearranged into rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from anymask.model.as_built import is_own
from anymask.model.layers import MLP, LayerNorm2d
from anymask.model.mask_quality import MaskQualityHead
from anymask.model.pieces import WHOLE, Piece, cut, prompts_in_a_piece
from anymask.model.products import (
    add_shared,
    gelu,
    in_inference,
    linear,
    linear_plus_shared,
    rows_by_rows,
    wants_gradient,
)
from anymask.model.token_order import pixels_in_rows, pixels_to_token_order
from anymask.model.transformer import TwoWayTransformer

_UPSCALING = (nn.ConvTranspose2d, LayerNorm2d, nn.GELU, nn.ConvTranspose2d, nn.GELU)


class MaskDecoder(nn.Module):
    """Predict masks and their IoU.

    The first of the `num_multimask_outputs` + 1 masks answers unambiguous prompts, the others
    are the candidates for an ambiguous one. The parameters are those of Meta's class, and one of
    our own.

    Parameters
    ----------
    transformer_dim : int
        Channels of image and prompt tokens.
    transformer : torch.nn.Module
        `TwoWayTransformer`, or another with its `forward`.
    num_multimask_outputs : int
    activation : callable
        Makes the activation of the upscaling.
    iou_head_depth, iou_head_hidden_dim : int
        The MLP that predicts each mask's IoU.
    iou_from_masks : bool
        Whether it sees the masks too.
    """

    def __init__(
        self,
        *,
        transformer_dim: int,
        transformer: nn.Module,
        num_multimask_outputs: int = 3,
        activation: Callable[[], nn.Module] = nn.GELU,
        iou_head_depth: int = 3,
        iou_head_hidden_dim: int = 256,
        iou_from_masks: bool = False,
    ) -> None:
        super().__init__()
        self.transformer_dim = dim = transformer_dim
        self.transformer = transformer
        self.num_multimask_outputs = num_multimask_outputs
        self.num_mask_tokens = num_multimask_outputs + 1
        self.iou_token = nn.Embedding(1, dim)
        self.mask_tokens = nn.Embedding(self.num_mask_tokens, dim)
        self.output_upscaling = nn.Sequential(
            nn.ConvTranspose2d(dim, dim // 4, 2, stride=2),
            LayerNorm2d(dim // 4),
            activation(),
            nn.ConvTranspose2d(dim // 4, dim // 8, 2, stride=2),
            activation(),
        )
        self.output_hypernetworks_mlps = nn.ModuleList(
            MLP(dim, dim, dim // 8, 3) for _ in range(self.num_mask_tokens)
        )
        hidden, depth = iou_head_hidden_dim, iou_head_depth
        if iou_from_masks:
            self.mask_quality_head = MaskQualityHead(dim, hidden, depth)
        else:
            self.iou_prediction_head = MLP(dim, hidden, self.num_mask_tokens, depth)
        self.iou_from_masks = iou_from_masks

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
        chosen: range | None = None,
        skips: tuple[Tensor, ...] = (),
    ) -> tuple[Tensor, Tensor]:
        """As `forward`, for any `chosen` run of the mask tokens; by default for all of them."""
        chosen = range(self.num_mask_tokens) if chosen is None else chosen
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
        N, (_, _, h, w) = sparse_prompt_embeddings.shape[0], image_embeddings.shape
        tokens = torch.cat(
            [self._output_tokens().expand(N, -1, -1), sparse_prompt_embeddings], 1
        )  # (N, 1 + masks + T, C)
        transformer = self.transformer
        if isinstance(transformer, TwoWayTransformer) and transformer.is_as_built():
            tokens, parts, pieces = self._transformed_in_pieces(
                image_embeddings, image_pe, dense_prompt_embeddings, tokens
            )
        else:
            # Another transformer, or one that is observed, sees an image for each prompt.
            image = add_shared(dense_prompt_embeddings, image_embeddings)
            image_pe = image_pe.to(image.dtype).expand_as(image)
            tokens, updated = transformer(image, image_pe, tokens)
            parts, pieces = [updated], [WHOLE]

        weights = self._weights(tokens, chosen)  # (N, M, C/8)
        cells = [pixels_to_token_order(s, (h, w), 2 << i) for i, s in enumerate(skips)]
        masks = torch.cat(
            [
                self._masks(part, weights[of], [c[images] for c in cells], (h, w))
                for part, (of, images) in zip(parts, pieces, strict=True)
            ]
        )
        return masks, tokens

    def _transformed_in_pieces(
        self, image_embeddings: Tensor, image_pe: Tensor, dense: Tensor, tokens: Tensor
    ) -> tuple[Tensor, Sequence[Tensor], list[Piece]]:
        """Tokens (N, T, C) and image tokens (n, h·w, C) of each piece of prompts, updated."""
        assert isinstance(self.transformer, TwoWayTransformer)
        N, B = len(tokens), len(image_embeddings)
        image = _to_tokens(image_embeddings)
        image_pe = _to_tokens(image_pe).to(image.dtype)
        on_cpu = image.device.type == "cpu" and in_inference(image, self.iou_token.weight)
        pieces = cut(N, B, prompts_in_a_piece(image)) if on_cpu else [WHOLE]
        if dense.stride(0) == 0:
            # The same for all prompts: the image side is then shared until they first differ.
            image = add_shared(_to_tokens(dense[:1]), image)  # (B, h·w, C)
            parts = [image if B == 1 else image[images] for _, images in pieces]
        else:
            parts = [add_shared(_to_tokens(dense[of]), image[images]) for of, images in pieces]
        return *self.transformer.update(parts, image_pe, tokens, pieces), pieces

    def _weights(self, tokens: Tensor, chosen: range) -> Tensor:
        """Weights (N, M, C/8) of the upscaled image in the chosen masks."""
        # In training all of them are computed: those of other masks then have gradients of zero,
        # which optimisers and several processes need, instead of none.
        made = range(self.num_mask_tokens) if wants_gradient(tokens) else chosen
        weights = torch.stack(
            [self.output_hypernetworks_mlps[i](tokens[:, 1 + i]) for i in made], 1
        )
        return weights if made == chosen else weights[:, chosen.start : chosen.stop]

    def _masks(
        self, image: Tensor, weights: Tensor, skips: list[Tensor], size: tuple[int, int]
    ) -> Tensor:
        """Logits (n, M, 4·h, 4·w) of image tokens (n, h·w, C) by weights (n, M, C/8).

        `skips` are finer features in token order, of one image or of all n.
        """
        if not skips and not self._upscales_as_built():
            return self._masks_of_upscaled(image, weights, size)
        first, norm, _, second, _ = self.output_upscaling
        assert isinstance(first, nn.ConvTranspose2d)
        assert isinstance(norm, LayerNorm2d)
        assert isinstance(second, nn.ConvTranspose2d)
        n, S = weights.shape[0], image.shape[1]
        if image.shape[0] < n:  # after a transformer of no layers
            image = image.repeat_interleave(n // image.shape[0], 0)
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

    def _upscales_as_built(self) -> bool:
        """Whether the upscaling is our own (see `as_built`), so that it can be a product."""
        upscaling = self.output_upscaling
        return (
            is_own(upscaling, nn.Sequential)
            and len(upscaling) == len(_UPSCALING)
            and all(map(is_own, upscaling, _UPSCALING))
            and all(getattr(layer, "approximate", "none") == "none" for layer in upscaling)
        )

    def _masks_of_upscaled(self, image: Tensor, weights: Tensor, size: tuple[int, int]) -> Tensor:
        """As `_masks`, by a call of the upscaling."""
        maps = image.transpose(1, 2).unflatten(2, size)
        upscaled = self.output_upscaling(maps)  # (n, C/8, 4·h, 4·w)
        return (weights @ upscaled.flatten(2)).unflatten(2, upscaled.shape[2:])


def _to_tokens(maps: Tensor) -> Tensor:
    return maps.flatten(2).transpose(1, 2).contiguous()


def _as_product(conv: nn.ConvTranspose2d) -> tuple[Tensor, Tensor | None]:
    """Weight (2·2·out, in) and bias that apply a 2×2 stride-2 transposed convolution to tokens."""
    weight = conv.weight.permute(2, 3, 1, 0).flatten(0, 2)
    return weight, conv.bias.repeat(4) if conv.bias is not None else None


def _beside(cells: Tensor, rows: int) -> Tensor:
    """Pixels in token order as rows of four, as the product that they are added to has them."""
    return cells.reshape(cells.shape[0], rows, -1)
