"""MobileSAM's image encoder with the signature of its published class."""

from __future__ import annotations

from collections.abc import Sequence

from anymask.model.config import TinyViTConfig
from anymask.model.tiny_vit import TinyViT as OwnTinyViT

__all__ = ["TinyViT"]


class TinyViT(OwnTinyViT):
    """TinyViT (arXiv 2207.10666) with SAM's neck.

    Parameters
    ----------
    img_size : int
        Side of the square input, a multiple of 16.
    in_chans, num_classes : int
        3, and any number: the classifier of the published file is not used.
    embed_dims, depths, num_heads, window_sizes : sequence of int
        Of the four stages.
    mlp_ratio : float
    drop_rate, drop_path_rate, use_checkpoint, mbconv_expand_ratio, local_conv_size, layer_lr_decay
        Concern the training of the published weights; their published values are fixed here.
    """

    def __init__(
        self,
        img_size: int = 224,
        in_chans: int = 3,
        num_classes: int = 1000,
        embed_dims: Sequence[int] = (96, 192, 384, 768),
        depths: Sequence[int] = (2, 2, 6, 2),
        num_heads: Sequence[int] = (3, 6, 12, 24),
        window_sizes: Sequence[int] = (7, 7, 14, 7),
        mlp_ratio: float = 4.0,
        drop_rate: float = 0.0,
        drop_path_rate: float = 0.1,
        use_checkpoint: bool = False,
        mbconv_expand_ratio: float = 4.0,
        local_conv_size: int = 3,
        layer_lr_decay: float = 1.0,
    ) -> None:
        if in_chans != 3 or mbconv_expand_ratio != 4 or local_conv_size != 3:
            raise ValueError(
                "MobileSAM's encoder is built with in_chans=3, mbconv_expand_ratio=4 and "
                "local_conv_size=3; leave these out."
            )
        config = TinyViTConfig(
            tuple(embed_dims), tuple(depths), tuple(num_heads), tuple(window_sizes), mlp_ratio
        )
        super().__init__(config, img_size, 256)
