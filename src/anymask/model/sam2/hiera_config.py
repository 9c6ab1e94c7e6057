"""The geometry of SAM 2's image encoder, as plain data.

The four published sizes are those of SAM 2 and SAM 2.1 (arXiv 2408.00714, appendix C).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from anymask.errors import CheckpointError
from anymask.model.encoders import PREFIX, EncoderConfig, Shapes, count_children

if TYPE_CHECKING:
    from torch import nn

TRUNK = PREFIX + "trunk."
"""Prefix of the names of a Hiera's tensors in a checkpoint."""


@dataclass(frozen=True)
class HieraConfig(EncoderConfig):
    """Hiera (arXiv 2306.00989) with windows, some global attention and a feature pyramid.

    Attributes
    ----------
    width, num_heads : int
        Channels and attention heads at 1/4 of the input; both double at each further stage.
    depths : tuple of int
        Blocks at 1/4, 1/8, 1/16 and 1/32 of the input.
    global_attn_indexes : tuple of int
        Blocks, counted over all stages, whose attention sees the whole image.
    window_sizes : tuple of int
        Side of an attention window in tokens, of each stage.
    position_grid : tuple of int
        Rows and columns of the learnt positions, which are enlarged to the image.
    mlp_ratio : float
        Hidden channels of a block's MLP over its width.
    """

    kind: ClassVar[str] = "hiera"
    low_rank: ClassVar[Mapping[str, Literal["all", "qv"]]] = {"qkv": "qv"}

    width: int = 96
    num_heads: int = 1
    depths: tuple[int, ...] = (1, 2, 7, 2)
    global_attn_indexes: tuple[int, ...] = (5, 7, 9)
    window_sizes: tuple[int, ...] = (8, 4, 14, 7)
    position_grid: tuple[int, int] = (7, 7)
    mlp_ratio: float = 4.0
    patch_size: int = 16

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each stage."""
        return tuple(self.width << i for i in range(len(self.depths)))

    @property
    def size_step(self) -> int:
        """Sides are multiples of the coarsest cell's, and of the first stage's windows."""
        return 4 * max(8, self.window_sizes[0])

    def build(self, image_size: int, out_chans: int) -> nn.Module:
        """Build `HieraEncoder`."""
        from anymask.model.sam2.hiera import HieraEncoder

        return HieraEncoder(self, image_size, out_chans)

    @classmethod
    def from_shapes(cls, shapes: Shapes) -> tuple[HieraConfig, int | None] | None:
        """See `EncoderConfig.from_shapes`.

        Raises
        ------
        CheckpointError
            If it is none of the published sizes: the number of heads, the windows and the blocks of
            global attention do not show in shapes.
        """
        if not any(name.startswith(TRUNK) for name in shapes):
            return None
        width, depths, published = cls.visible(shapes)
        if published is None:
            raise CheckpointError(
                f"This Hiera of width {width} and depths {'-'.join(map(str, depths))} is none of "
                "the published ones, and its heads and windows do not show in the file; give "
                "variant=Sam2Config(...) with its geometry."
            )
        return published, None

    @classmethod
    def visible(cls, shapes: Shapes) -> tuple[int, tuple[int, ...], HieraConfig | None]:
        """Return width and depths, and the published geometry that has them.

        Raises
        ------
        KeyError
            If a block is missing.
        """
        width = shapes[TRUNK + "patch_embed.proj.weight"][0]
        blocks = count_children(shapes, TRUNK + "blocks.")
        # The first block of each further stage projects its shortcut to more channels.
        starts = [0] + [i for i in range(blocks) if f"{TRUNK}blocks.{i}.proj.weight" in shapes]
        ends = [*starts[1:], blocks]
        depths = tuple(end - start for start, end in zip(starts, ends, strict=True))
        alike = (h for h in PUBLISHED_HIERAS.values() if (h.width, h.depths) == (width, depths))
        return width, depths, next(alike, None)

    @property
    def in_words(self) -> str:
        """A few words for messages."""
        return f"Hiera of width {self.width} and depths {'-'.join(map(str, self.depths))}"

    def activation_bytes(self, image_size: int, training: bool) -> float:
        """See `EncoderConfig.activation_bytes`."""
        tokens = (image_size / 4) ** 2
        if not training:
            return 12 * tokens * self.width * 4.0
        total = 0.0
        for stage, (depth, width) in enumerate(zip(self.depths, self.widths, strict=True)):
            here = tokens / 4**stage
            scores = self.num_heads * 2**stage * self.window_sizes[stage] ** 2
            total += depth * here * (20 * width + 2.2 * scores) * 4.0
        whole = (image_size / self.patch_size) ** 4 * self.num_heads * 4
        return total + len(self.global_attn_indexes) * whole * 2.2 * 4.0


PUBLISHED_HIERAS: dict[str, HieraConfig] = {
    "tiny": HieraConfig(),
    "small": HieraConfig(depths=(1, 2, 11, 2), global_attn_indexes=(7, 10, 13)),
    "base_plus": HieraConfig(
        width=112,
        num_heads=2,
        depths=(2, 3, 16, 3),
        global_attn_indexes=(12, 16, 20),
        position_grid=(14, 14),
    ),
    "large": HieraConfig(
        width=144,
        num_heads=2,
        depths=(2, 6, 36, 4),
        global_attn_indexes=(23, 33, 43),
        window_sizes=(8, 4, 16, 8),
    ),
}
"""The published sizes by Meta's names of them."""
