"""Sam2: SAM 2 and SAM 2.1 for single images (arXiv 2408.00714), with the parts that follow objects.

Images are stretched to the square that the encoder sees, and logits are enlarged to the image in
one step.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from anymask.model.config import MemoryConfig, Sam2Config
from anymask.model.layers import MLP
from anymask.model.mask_decoder import MaskDecoder
from anymask.model.prompt_encoder import PromptEncoder
from anymask.model.sam import ImageEmbedding, Sam
from anymask.model.sam2.hiera import FpnNeck
from anymask.model.sam2.mask_decoder import Sam2MaskDecoder
from anymask.model.sam2.memory_attention import MemoryAttention
from anymask.model.sam2.memory_encoder import MemoryEncoder
from anymask.model.sam2.prompt_encoder import Sam2PromptEncoder


class Sam2(Sam):
    """Segment Anything 2 with the geometry of a `Sam2Config`.

    Single images are those without a memory.

    Parameters
    ----------
    config : Sam2Config
    """

    _prompt_encoder_kind: ClassVar[type[PromptEncoder]] = Sam2PromptEncoder
    _mask_decoder_kind: ClassVar[type[MaskDecoder]] = Sam2MaskDecoder
    config: Sam2Config
    prompt_encoder: Sam2PromptEncoder
    mask_decoder: Sam2MaskDecoder

    def __init__(self, config: Sam2Config) -> None:
        super().__init__(config)
        self.no_mem_embed = nn.Parameter(torch.zeros(1, 1, config.prompt_dim))
        nn.init.trunc_normal_(self.no_mem_embed, std=0.02)
        if config.memory is not None:
            self._add_memory(config, config.memory)

    def _add_memory(self, config: Sam2Config, memory: MemoryConfig) -> None:
        """Add the parts that `following` uses, under Meta's names."""
        dim = config.prompt_dim
        self.memory_attention = MemoryAttention(config)
        self.memory_encoder = MemoryEncoder(config)
        self.mask_downsample = nn.Conv2d(1, 1, 4, stride=4)
        self.maskmem_tpos_enc = nn.Parameter(torch.empty(memory.frames, 1, 1, memory.channels))
        self.no_mem_pos_enc = nn.Parameter(torch.empty(1, 1, dim))  # in files, but of no use
        self.no_obj_ptr = nn.Parameter(torch.empty(1, dim))
        vectors = [self.maskmem_tpos_enc, self.no_mem_pos_enc, self.no_obj_ptr]
        if memory.occlusion_embedding:
            self.no_obj_embed_spatial = nn.Parameter(torch.empty(1, memory.channels))
            vectors.append(self.no_obj_embed_spatial)
        for vector in vectors:
            nn.init.trunc_normal_(vector, std=0.02)
        self.obj_ptr_proj = MLP(dim, dim, dim, 3)
        if memory.pointer_positions:
            self.obj_ptr_tpos_proj = nn.Linear(dim, memory.channels)

    def encode_image(self, x: Tensor) -> ImageEmbedding:
        """See `Sam.encode_image`."""
        frame = self.encode_frame(x)
        no_memory = self.no_mem_embed.view(1, -1, 1, 1)
        return ImageEmbedding(frame.embedding + no_memory, frame.skips)

    def beside_encoder(self) -> dict[str, nn.Parameter]:
        """The parameters, by name, that `encode_image` uses beside the image encoder's.

        They are the vector of an image without memory, and the decoder's projections of the finer
        maps.
        """
        projections = ("mask_decoder.conv_s0.", "mask_decoder.conv_s1.")
        named = {n: p for n, p in self.named_parameters() if n.startswith(projections)}
        return {"no_mem_embed": self.no_mem_embed, **named}

    def encode_frame(self, x: Tensor) -> ImageEmbedding:
        """Encode images whose memory is still to be read; parameters are those of `encode_image`.

        The result is in the decoder's dtype.
        """
        embedding, eighth, quarter = self.image_encoder(x.to(self.device, self.dtype))
        neck = self.image_encoder.neck
        assert isinstance(neck, FpnNeck)
        skips = self.mask_decoder.skips(neck, eighth, quarter)
        return ImageEmbedding(embedding.to(skips[0].dtype), skips)

    def postprocess_masks(
        self, masks: Tensor, input_size: tuple[int, ...], original_size: tuple[int, ...]
    ) -> Tensor:
        """Enlarge low-resolution logits to the original image; see `Sam.postprocess_masks`."""
        return F.interpolate(masks, tuple(original_size), mode="bilinear", align_corners=False)
