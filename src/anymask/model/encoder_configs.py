"""The kinds of image encoders, as plain data: anymask's own and those of other packages.

Geometries of ViT-B, L and H are those of "Segment Anything" (arXiv 2304.02643, appendix A), that of
ViT-T is MobileSAM's (arXiv 2306.14289). The networks are imported when one is built.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, ClassVar, Literal

from anymask import plugins
from anymask.model.encoders import PREFIX, EncoderConfig, Shapes, count_children
from anymask.model.sam2.hiera_config import HieraConfig

if TYPE_CHECKING:
    from torch import nn

GROUP = "anymask.encoders"
"""Entry points of other packages' kinds."""

_PUBLISHED_VITS: dict[tuple[int, int], tuple[int, ...]] = {
    (768, 12): (2, 5, 8, 11),
    (1024, 24): (5, 11, 17, 23),
    (1280, 32): (7, 15, 23, 31),
}
"""Width and depth of the published ViTs, and their blocks of global attention."""


@dataclass(frozen=True)
class ViTConfig(EncoderConfig):
    """A plain vision transformer with windowed and global attention (arXiv 2203.16527).

    Attributes
    ----------
    width, depth, num_heads : int
        Channels of a token, number of blocks, heads of each attention.
    global_attn_indexes : tuple of int
        Blocks whose attention sees the whole image; the others see windows.
    window_size : int
        Side of an attention window in tokens; 0 makes every block global.
    patch_size : int
        Side of the square of pixels that becomes one token.
    mlp_ratio : float
        Hidden channels of a block's MLP over its width.
    """

    kind: ClassVar[str] = "vit"
    low_rank: ClassVar[Mapping[str, Literal["all", "qv"]]] = {"qkv": "qv"}

    width: int
    depth: int
    num_heads: int
    global_attn_indexes: tuple[int, ...]
    window_size: int = 14
    patch_size: int = 16
    mlp_ratio: float = 4.0

    def build(self, image_size: int, out_chans: int) -> nn.Module:
        """Build `ImageEncoderViT`."""
        from functools import partial

        from torch import nn

        from anymask.model.image_encoder import ImageEncoderViT

        return ImageEncoderViT(
            image_size,
            self.patch_size,
            embed_dim=self.width,
            depth=self.depth,
            num_heads=self.num_heads,
            mlp_ratio=self.mlp_ratio,
            out_chans=out_chans,
            norm_layer=partial(nn.LayerNorm, eps=1e-6),
            use_rel_pos=True,
            window_size=self.window_size,
            global_attn_indexes=self.global_attn_indexes,
        )

    @classmethod
    def from_shapes(cls, shapes: Shapes) -> tuple[ViTConfig, int | None] | None:
        """See `EncoderConfig.from_shapes`."""
        blocks = PREFIX + "blocks."
        if not any(name.startswith(blocks) for name in shapes):
            return None
        width, _, patch, _ = shapes[PREFIX + "patch_embed.proj.weight"]
        _, side, columns, _ = shapes[PREFIX + "pos_embed"]
        if side != columns:
            raise ValueError("the input is not square")
        depth = count_children(shapes, blocks)
        tables = [shapes[f"{blocks}{i}.attn.rel_pos_h"] for i in range(depth)]
        num_heads = width // tables[0][1]
        mlp_ratio = shapes[blocks + "0.mlp.lin1.weight"][0] / width
        lengths = [length for length, _ in tables]
        indexes, window = _attention_pattern(lengths, side, width, depth)
        return cls(width, depth, num_heads, indexes, window, patch, mlp_ratio), side * patch

    @property
    def in_words(self) -> str:
        """A few words for messages."""
        return f"ViT of width {self.width} and depth {self.depth}"

    def activation_bytes(self, image_size: int, training: bool) -> float:
        """See `EncoderConfig.activation_bytes`."""
        side = image_size // self.patch_size
        tokens = side**2 * self.width * 4.0
        whole = side**4 * 4.0  # one head's attention over the whole image
        if not training:
            return 12 * tokens + 4 * whole
        globally = len(self.global_attn_indexes) * self.num_heads * 2.2 * whole
        windows = self.depth * self.num_heads * side**2 * self.window_size**2 * 4.0 * 2.2
        return self.depth * 24 * tokens + globally + windows


def _attention_pattern(
    lengths: list[int], side: int, width: int, depth: int
) -> tuple[tuple[int, ...], int]:
    """Return the blocks of global attention and the window of the others.

    `lengths` are those of the blocks' relative position tables: a block that sees n tokens a side
    has 2·n - 1 rows.
    """
    whole = 2 * side - 1
    if len(set(lengths)) > 1:
        # The tables of global attention may be for another image size; then the most common
        # length is the windows'.
        other = _commonest(n for n in lengths if n != whole)
        length = whole if whole in lengths else _commonest(n for n in lengths if n != other)
        return tuple(i for i, n in enumerate(lengths) if n == length), (other + 1) // 2
    window = (lengths[0] + 1) // 2
    if lengths[0] != whole:
        return (), window
    # One window is as large as the image: local and global attention are the same. The published
    # model of these sizes, if there is one, tells which blocks would differ at other input sizes.
    return _PUBLISHED_VITS.get((width, depth), tuple(range(depth))), window


def _commonest(lengths: Iterable[int]) -> int:
    counts = Counter(lengths)
    return max(counts, key=lambda n: (counts[n], -n))


@dataclass(frozen=True)
class TinyViTConfig(EncoderConfig):
    """MobileSAM's image encoder, TinyViT-5M (arXiv 2207.10666): one entry a stage."""

    kind: ClassVar[str] = "tiny_vit"
    # Its joint projection keeps queries, keys and values head by head.
    low_rank: ClassVar[Mapping[str, Literal["all", "qv"]]] = {"qkv": "all"}

    widths: tuple[int, ...] = (64, 128, 160, 320)
    depths: tuple[int, ...] = (2, 2, 6, 2)
    num_heads: tuple[int, ...] = (2, 4, 5, 10)
    window_sizes: tuple[int, ...] = (7, 7, 14, 7)
    mlp_ratio: float = 4.0
    patch_size: int = 16

    def build(self, image_size: int, out_chans: int) -> nn.Module:
        """Build `TinyViT`."""
        from anymask.model.tiny_vit import TinyViT

        return TinyViT(self, image_size, out_chans)

    @classmethod
    def from_shapes(cls, shapes: Shapes) -> tuple[TinyViTConfig, int | None] | None:
        """See `EncoderConfig.from_shapes`."""
        prefix = PREFIX + "layers."
        if not any(name.startswith(prefix) for name in shapes):
            return None
        published = cls()
        widths = [shapes[PREFIX + "patch_embed.seq.2.c.weight"][0]]
        depths, num_heads, windows = [], [published.num_heads[0]], [published.window_sizes[0]]
        for stage in range(count_children(shapes, prefix)):
            depths.append(count_children(shapes, f"{prefix}{stage}.blocks."))
            if stage:
                first = f"{prefix}{stage}.blocks.0."
                widths.append(shapes[first + "attn.norm.weight"][0])
                heads, offsets = shapes[first + "attn.attention_biases"]
                num_heads.append(heads)
                windows.append(math.isqrt(offsets))
        mlp_ratio = shapes[f"{prefix}1.blocks.0.mlp.fc1.weight"][0] / widths[1]
        found = cls(tuple(widths), tuple(depths), tuple(num_heads), tuple(windows), mlp_ratio)
        return found, None

    @property
    def in_words(self) -> str:
        """A few words for messages."""
        return f"TinyViT of widths {'-'.join(map(str, self.widths))}"

    def activation_bytes(self, image_size: int, training: bool) -> float:
        """See `EncoderConfig.activation_bytes`."""
        return _pyramid_bytes(image_size, self.widths[0], training)


@dataclass(frozen=True)
class SmallEncoderConfig(EncoderConfig):
    """The image encoder shipped with anymask 0.1: convolutions to 1/16, attention at 1/32.

    Attributes
    ----------
    widths : tuple of int
        Channels at 1/4, 1/8, 1/16 and 1/32 of the input.
    depths : tuple of int
        Residual blocks at 1/4, 1/8 and 1/16, and transformer blocks at 1/32.
    num_heads : int
        Heads of each attention at 1/32.
    mlp_ratio : float
        Hidden channels of a transformer block's MLP over its width.
    """

    kind: ClassVar[str] = "small"
    low_rank: ClassVar[Mapping[str, Literal["all", "qv"]]] = {
        "qkv": "qv",
        "conv1": "all",
        "conv2": "all",
    }

    widths: tuple[int, int, int, int] = (48, 96, 192, 288)
    depths: tuple[int, int, int, int] = (3, 3, 4, 6)
    num_heads: int = 9
    mlp_ratio: float = 4.0
    patch_size: int = 16

    @property
    def size_step(self) -> int:
        """Sides are multiples of the coarsest cell's."""
        return 32

    def build(self, image_size: int, out_chans: int) -> nn.Module:
        """Build `SmallEncoder`."""
        from anymask.model.small_encoder import SmallEncoder

        return SmallEncoder(self, image_size, out_chans)

    @classmethod
    def from_shapes(cls, shapes: Shapes) -> tuple[SmallEncoderConfig, int | None] | None:
        """See `EncoderConfig.from_shapes`."""
        if not any(name.startswith(PREFIX + "stage1.") for name in shapes):
            return None
        quarter = shapes[PREFIX + "stem.2.weight"][0]
        eighth, sixteenth, last = (shapes[f"{PREFIX}down{i}.0.weight"][0] for i in (2, 3, 4))
        one, two, three, four = (count_children(shapes, f"{PREFIX}stage{i}.") for i in (1, 2, 3, 4))
        found = cls(
            widths=(quarter, eighth, sixteenth, last),
            depths=(one, two, three, four),
            mlp_ratio=shapes[PREFIX + "stage4.0.mlp.lin1.weight"][0] / last,
        )
        return found, None

    @property
    def in_words(self) -> str:
        """A few words for messages."""
        return f"small encoder of widths {'-'.join(map(str, self.widths))}"

    def activation_bytes(self, image_size: int, training: bool) -> float:
        """See `EncoderConfig.activation_bytes`."""
        return _pyramid_bytes(image_size, self.widths[0], training)


@dataclass(frozen=True)
class EfficientNetLiteConfig(EncoderConfig):
    """EfficientNet-Lite with attention at 1/32 and a feature pyramid as its neck.

    Attributes
    ----------
    stem_width : int
        Channels at 1/2 of the input.
    widths, depths : tuple of 7 int
        Channels and blocks of each stage of EfficientNet (arXiv 1905.11946, table 1).
    attention_width, attention_depth, num_heads : int
        Channels, blocks and heads of the attention at 1/32.
    mlp_ratio : float
        Hidden channels of a transformer block's MLP over its width.
    neck_widths : tuple of 2 int
        Channels of the neck at 1/8 and at 1/4.
    """

    kind: ClassVar[str] = "efficientnet_lite"
    low_rank: ClassVar[Mapping[str, Literal["all", "qv"]]] = {
        "qkv": "qv",
        "conv1": "all",
        "conv2": "all",
        "expand": "all",
        "project": "all",
    }

    stem_width: int = 32
    widths: tuple[int, ...] = (16, 24, 48, 88, 120, 208, 352)
    depths: tuple[int, ...] = (1, 3, 3, 4, 4, 5, 1)
    attention_width: int = 256
    attention_depth: int = 3
    num_heads: int = 8
    mlp_ratio: float = 4.0
    neck_widths: tuple[int, int] = (64, 32)
    patch_size: int = 16

    @property
    def size_step(self) -> int:
        """Sides are multiples of the coarsest cell's."""
        return 32

    def build(self, image_size: int, out_chans: int) -> nn.Module:
        """Build `EfficientNetLiteEncoder`."""
        from anymask.model.efficientnet_encoder import EfficientNetLiteEncoder

        return EfficientNetLiteEncoder(self, image_size, out_chans)

    @classmethod
    def from_shapes(cls, shapes: Shapes) -> tuple[EfficientNetLiteConfig, int | None] | None:
        """See `EncoderConfig.from_shapes`."""
        prefix = PREFIX + "stages."
        if not any(name.startswith(prefix) for name in shapes):
            return None
        stages = range(count_children(shapes, prefix))
        attention = shapes[PREFIX + "norms.3.weight"][0]
        found = cls(
            stem_width=shapes[PREFIX + "stem.weight"][0],
            widths=tuple(shapes[f"{prefix}{i}.0.project.weight"][0] for i in stages),
            depths=tuple(count_children(shapes, f"{prefix}{i}.") for i in stages),
            attention_width=attention,
            attention_depth=count_children(shapes, PREFIX + "attention."),
            mlp_ratio=shapes[PREFIX + "attention.0.mlp.lin1.weight"][0] / attention,
            neck_widths=(shapes[PREFIX + "eighth.weight"][0], shapes[PREFIX + "quarter.weight"][0]),
        )
        return found, None

    @property
    def in_words(self) -> str:
        """A few words for messages."""
        return f"EfficientNet-Lite of widths {'-'.join(map(str, self.widths))}"

    def activation_bytes(self, image_size: int, training: bool) -> float:
        """See `EncoderConfig.activation_bytes`."""
        # A bottleneck widens its input six times: the widest map, 6·widths[0] channels, is at 1/2.
        return _pyramid_bytes(image_size, 10 * self.widths[0], training)


def _pyramid_bytes(image_size: int, quarter: int, training: bool) -> float:
    """For networks that use most memory for maps with this many channels at 1/4 of the input."""
    return (60 if training else 8) * (image_size / 4) ** 2 * quarter * 4.0


_OWN_KINDS: tuple[type[EncoderConfig], ...] = (
    ViTConfig,
    TinyViTConfig,
    SmallEncoderConfig,
    EfficientNetLiteConfig,
    HieraConfig,
)


@cache
def encoder_kinds() -> dict[str, type[EncoderConfig]]:
    """Return all kinds of encoders by name: anymask's own, then those of other packages.

    Another package adds one through an entry point of the group ``anymask.encoders``, whose name
    is the kind's and whose object is the dataclass.

    One that cannot be used is left out with a `PluginWarning`.
    """
    kinds: dict[str, type[EncoderConfig]] = {kind.kind: kind for kind in _OWN_KINDS}
    for entry, kind in plugins.loaded_classes(GROUP, EncoderConfig, "encoder"):
        if entry.name in kinds:
            plugins.leave_out(entry, "encoder", f"there is an encoder called {entry.name} already")
        elif getattr(kind, "kind", None) != entry.name:
            plugins.leave_out(entry, "encoder", f"its kind differs from {entry.name}")
        else:
            kinds[entry.name] = kind
    return kinds
