"""Prompts to embeddings (arXiv 2304.02643, appendix A, "Prompt encoder").

Points and box corners become sparse tokens: a random Fourier code of the place (arXiv
2006.10739) plus a learnt vector for the kind. Masks become a dense map added to the image
embedding.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from anymask.model.dense_prompts import DensePrompts
from anymask.model.layers import Float32Buffers, LayerNorm2d

# Rows of the table of kinds: no point, background, object, two corners, and a label that is none of
# these, which adds nothing to the place.
_UNKNOWN_KIND = 5


class PromptEncoder(nn.Module):
    """Encode points, boxes and masks, or their absence.

    The parameters are those of Meta's class, and one of our own.

    Parameters
    ----------
    embed_dim : int
        Channels of the embedding.
    image_embedding_size : (int, int)
        Height and width of the image embedding, in cells.
    input_image_size : (int, int)
        Height and width of the encoder's input, in pixels.
    mask_in_chans : int
        Channels inside the encoder of mask prompts.
    activation : callable
        Makes the activation of that encoder.
    draw_prompts : bool
        Whether points and boxes are also drawn as maps.
    """

    def __init__(
        self,
        embed_dim: int,
        image_embedding_size: tuple[int, int],
        input_image_size: tuple[int, int],
        mask_in_chans: int,
        activation: Callable[[], nn.Module] = nn.GELU,
        *,
        draw_prompts: bool = False,
    ) -> None:
        super().__init__()
        dim, chans = embed_dim, mask_in_chans
        self.embed_dim = dim
        self.input_image_size = input_image_size
        self.image_embedding_size = image_embedding_size
        self.mask_input_size = (4 * image_embedding_size[0], 4 * image_embedding_size[1])
        self.pe_layer = PositionEmbeddingRandom(dim // 2)
        # In this order: negative point, positive point, first box corner, second box corner.
        self.num_point_embeddings = 4
        self.point_embeddings = nn.ModuleList(
            nn.Embedding(1, dim) for _ in range(self.num_point_embeddings)
        )
        self.not_a_point_embed = nn.Embedding(1, dim)
        self.mask_downscaling = nn.Sequential(
            nn.Conv2d(1, chans // 4, 2, stride=2),
            LayerNorm2d(chans // 4),
            activation(),
            nn.Conv2d(chans // 4, chans, 2, stride=2),
            LayerNorm2d(chans),
            activation(),
            nn.Conv2d(chans, dim, 1),
        )
        self.no_mask_embed = nn.Embedding(1, dim)
        cell = input_image_size[0] // image_embedding_size[0]
        self.dense_prompts = DensePrompts(dim, cell) if draw_prompts else None

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
            labels: 1 for a point of the object, 0 of the background, -1 for no point. Any other
            label adds nothing to the place, as in Meta's class.
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
            dense = self._embed_masks(masks.to(dtype))
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
        nothing = places.new_zeros(1, self.embed_dim, dtype=self.not_a_point_embed.weight.dtype)
        kinds = torch.cat(
            [self.not_a_point_embed.weight, *self.point_embeddings.parameters(), nothing]
        )
        known = (labels >= -1) & (labels <= 1)
        return places + kinds[torch.where(known, labels.long() + 1, _UNKNOWN_KIND)]

    def _embed_boxes(self, boxes: Tensor) -> Tensor:
        corners = self._encode(boxes.reshape(-1, 2, 2))
        return corners + torch.cat(list(self.point_embeddings[2:].parameters()))

    def _embed_masks(self, masks: Tensor) -> Tensor:
        return self.mask_downscaling(masks)

    def _encode(self, coords: Tensor) -> Tensor:
        # Half a pixel is added because the code's frame has pixel centres at 0.5, 1.5, …
        return self.pe_layer.forward_with_coords(coords.float() + 0.5, self.input_image_size)


class PositionEmbeddingRandom(Float32Buffers):
    """Positions to sines and cosines of random frequencies (arXiv 2006.10739).

    Parameters
    ----------
    num_pos_feats : int
        Half of the channels of a code.
    scale : float, optional
        Standard deviation of the frequencies, 1; values that are not positive are 1 too.
    """

    positional_encoding_gaussian_matrix: Tensor

    def __init__(self, num_pos_feats: int = 64, scale: float | None = None) -> None:
        super().__init__()
        if scale is None or scale <= 0:
            scale = 1.0
        frequencies = scale * torch.randn(2, num_pos_feats)
        self.register_buffer("positional_encoding_gaussian_matrix", frequencies)

    def forward_with_coords(self, coords_input: Tensor, image_size: tuple[int, int]) -> Tensor:
        """Encode places (…, 2) in pixels (x, y) of an image of `image_size` (height, width)."""
        height, width = image_size
        if height == width:
            return self._pe_encoding(coords_input.float() / height)
        sides = torch.tensor([width, height], dtype=torch.float32, device=coords_input.device)
        return self._pe_encoding(coords_input.float() / sides)

    def _pe_encoding(self, coords: Tensor) -> Tensor:
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
        return self._pe_encoding(grid).permute(2, 0, 1)
