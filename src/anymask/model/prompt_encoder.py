"""Prompts to embeddings (arXiv 2304.02643, appendix A, "Prompt encoder").

Points and box corners become sparse tokens: a random Fourier code of the place (arXiv
2006.10739) plus a learnt vector for the kind. Masks become a dense map added to the image
embedding.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from anymask.model.config import SamConfig
from anymask.model.dense_prompts import DensePrompts
from anymask.model.layers import Float32Buffers, LayerNorm2d


class PromptEncoder(nn.Module):
    """Encode points, boxes and masks, or their absence."""

    def __init__(self, config: SamConfig) -> None:
        super().__init__()
        dim, chans = config.prompt_dim, config.mask_in_chans
        self.embed_dim = dim
        self.image_size = config.image_size
        self.image_embedding_size = (config.embedding_size, config.embedding_size)
        self.pe_layer = PositionEmbeddingRandom(dim // 2)
        # In this order: negative point, positive point, first box corner, second box corner.
        self.point_embeddings = nn.ModuleList(nn.Embedding(1, dim) for _ in range(4))
        self.not_a_point_embed = nn.Embedding(1, dim)
        self.mask_downscaling = nn.Sequential(
            nn.Conv2d(1, chans // 4, 2, stride=2),
            LayerNorm2d(chans // 4),
            nn.GELU(),
            nn.Conv2d(chans // 4, chans, 2, stride=2),
            LayerNorm2d(chans),
            nn.GELU(),
            nn.Conv2d(chans, dim, 1),
        )
        self.no_mask_embed = nn.Embedding(1, dim)
        self.dense_prompts = (
            DensePrompts(dim, config.image_encoder.patch_size) if config.dense_prompts else None
        )

    def get_dense_pe(self) -> Tensor:
        """Return the positional encoding of the image embedding, (1, C, h, w)."""
        return self.pe_layer(self.image_embedding_size)[None]

    def forward(
        self,
        points: tuple[Tensor, Tensor] | None,
        boxes: Tensor | None,
        masks: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """Embed N prompts; points, box and mask with the same index form one prompt.

        Parameters
        ----------
        points : tuple of (N, P, 2) and (N, P) tensors, or None
            Coordinates (x, y) in pixels of the encoder's input, pixel centres at integers, and
            labels: 1 for a point of the object, 0 of the background, -1 for no point.
        boxes : (N, 4) tensor or None
            XYXY in the same frame.
        masks : (N, 1, 4·h, 4·w) tensor or None
            Logits of a previous mask.

        Returns
        -------
        sparse : (N, T, C) tensor
        dense : (N, C, h, w) tensor
            A view with stride 0 over N where it does not differ by prompt.
        """
        dtype = self.no_mask_embed.weight.dtype
        count = next((len(p) for p in (points and points[0], boxes, masks) if p is not None), 1)
        sparse = []
        if points is not None:
            sparse.append(self._embed_points(*points, pad=boxes is None))
        if boxes is not None:
            sparse.append(self._embed_boxes(boxes))
        device = self.no_mask_embed.weight.device
        tokens = torch.cat(sparse, 1) if sparse else torch.zeros(count, 0, self.embed_dim)

        h, w = self.image_embedding_size
        if masks is not None:
            dense = self.mask_downscaling(masks.to(dtype))
        else:
            dense = self.no_mask_embed.weight.view(1, -1, 1, 1).expand(count, -1, h, w)
        if self.dense_prompts is not None:
            dense = self.dense_prompts(points, boxes, dense)
        return tokens.to(device, dtype), dense

    def _embed_points(self, coords: Tensor, labels: Tensor, pad: bool) -> Tensor:
        if pad:
            # Meta's models expect a "not a point" token wherever no box follows.
            coords = torch.cat([coords, coords.new_zeros(len(coords), 1, 2)], 1)
            labels = torch.cat([labels, -labels.new_ones(len(labels), 1)], 1)
        places = self._encode(coords)
        places = torch.where((labels == -1)[..., None], 0.0, places)
        kinds = torch.cat([self.not_a_point_embed.weight, *self.point_embeddings.parameters()])
        return places + kinds[labels.long() + 1]

    def _embed_boxes(self, boxes: Tensor) -> Tensor:
        corners = self._encode(boxes.view(-1, 2, 2))
        return corners + torch.cat(list(self.point_embeddings[2:].parameters()))

    def _encode(self, coords: Tensor) -> Tensor:
        # Half a pixel is added because the code's frame has pixel centres at 0.5, 1.5, …
        return self.pe_layer.encode((coords.float() + 0.5) / self.image_size)


class PositionEmbeddingRandom(Float32Buffers):
    """Positions to sines and cosines of random frequencies (arXiv 2006.10739)."""

    positional_encoding_gaussian_matrix: Tensor

    def __init__(self, num_pos_feats: int) -> None:
        super().__init__()
        self.register_buffer("positional_encoding_gaussian_matrix", torch.randn(2, num_pos_feats))

    def encode(self, coords: Tensor) -> Tensor:
        """Encode (…, 2) float32 coordinates (x, y) in [0, 1] as (…, 2·num_pos_feats)."""
        angles = 2 * math.pi * ((2 * coords - 1) @ self.positional_encoding_gaussian_matrix)
        return torch.cat([angles.sin(), angles.cos()], -1)

    def forward(self, size: tuple[int, int]) -> Tensor:
        """Encode the centres of a grid of `size` (rows, columns) cells as (C, rows, columns)."""
        h, w = size
        device = self.positional_encoding_gaussian_matrix.device
        y = (torch.arange(h, device=device, dtype=torch.float32) + 0.5) / h
        x = (torch.arange(w, device=device, dtype=torch.float32) + 0.5) / w
        grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)  # (h, w, 2)
        return self.encode(grid).permute(2, 0, 1)
