"""The geometry of a SAM from the shapes of its tensors, whatever its file is called.

What shapes cannot tell (the heads of the mask decoder, for instance) is as in the published
models.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

from anymask.checkpoints.formats import name_some
from anymask.errors import CheckpointError
from anymask.model.config import (
    VARIANTS,
    EncoderConfig,
    SamConfig,
    SmallEncoderConfig,
    TinyViTConfig,
    ViTConfig,
)

Shapes = Mapping[str, tuple[int, ...]]

_PARTS = {
    "image encoder": "image_encoder.",
    "prompt encoder": "prompt_encoder.",
    "mask decoder": "mask_decoder.",
}


def config_from_shapes(shapes: Shapes, source: str, decoder_heads: int | None = None) -> SamConfig:
    """Return the geometry of a SAM.

    Parameters
    ----------
    shapes : mapping of str to tuple of int
        Shapes of its tensors under Meta's names.
    source : str
        What to call the file in errors.
    decoder_heads : int, optional
        Heads of the mask decoder, if known.

    Returns
    -------
    SamConfig
        Named after the published variant it equals in all but the input size, else "custom".

    Raises
    ------
    CheckpointError
        If a part of the model is missing, or of an unknown kind.

    Examples
    --------
    A folder of tests holds the shapes of all published models; here is the refusal of a part.

    >>> config_from_shapes({"mask_decoder.iou_token.weight": (1, 256)}, "half.pth")
    Traceback (most recent call last):
    ...
    anymask.errors.CheckpointError: half.pth holds no image encoder and no prompt encoder of a \
SAM; give the whole model.
    """
    absent = [p for p, prefix in _PARTS.items() if not any(n.startswith(prefix) for n in shapes)]
    if absent:
        raise CheckpointError(
            f"{source} holds {' and '.join(f'no {part}' for part in absent)} of a SAM; "
            f"give the whole model."
        )
    try:
        config = _common(shapes, _encoder(shapes, source), decoder_heads)
    except KeyError as error:
        raise CheckpointError(
            f"{source} is an incomplete SAM checkpoint without the tensor {error.args[0]}; "
            f"give the whole model."
        ) from error
    except (ValueError, IndexError, ZeroDivisionError) as error:
        raise CheckpointError(
            f"{source} has tensors of shapes that fit no SAM; give a SAM checkpoint."
        ) from error
    return _named(config)


def describe(config: SamConfig) -> str:
    """Return a few words on a geometry, for messages.

    >>> describe(VARIANTS["vit_b"])
    'vit_b (ViT of width 768 and depth 12, input 1024)'
    """
    encoder = config.image_encoder
    if isinstance(encoder, ViTConfig):
        words = f"ViT of width {encoder.width} and depth {encoder.depth}"
    elif isinstance(encoder, TinyViTConfig):
        words = f"TinyViT of widths {'-'.join(map(str, encoder.widths))}"
    else:
        words = f"small encoder of widths {'-'.join(map(str, encoder.widths))}"
    known = {"custom": "custom SAM"} | {name: name for name in VARIANTS}
    return f"{known.get(config.name, f'SAM {config.name!r}')} ({words}, input {config.image_size})"


def _encoder(shapes: Shapes, source: str) -> tuple[EncoderConfig, int]:
    """The image encoder's geometry and its input size."""
    if any(n.startswith("image_encoder.blocks.") for n in shapes):
        return _vit(shapes)
    if any(n.startswith("image_encoder.layers.") for n in shapes):
        return _tiny_vit(shapes), VARIANTS["vit_t"].image_size
    if any(n.startswith("image_encoder.stem.") for n in shapes):
        return _small(shapes), VARIANTS["small"].image_size
    names = [n for n in shapes if n.startswith("image_encoder.")]
    raise CheckpointError(
        f"{source} has an image encoder of a kind unknown to anymask, with "
        f"{name_some(names, 'tensor')}; give a SAM with a ViT or with MobileSAM's TinyViT."
    )


def _vit(shapes: Shapes) -> tuple[ViTConfig, int]:
    width, _, patch, _ = shapes["image_encoder.patch_embed.proj.weight"]
    _, side, columns, _ = shapes["image_encoder.pos_embed"]
    if side != columns:
        raise ValueError("the input is not square")
    depth = _count(shapes, "image_encoder.blocks.")
    block = "image_encoder.blocks.{}."
    tables = [shapes[block.format(i) + "attn.rel_pos_h"] for i in range(depth)]
    num_heads = width // tables[0][1]
    mlp_ratio = shapes[block.format(0) + "mlp.lin1.weight"][0] / width
    lengths = [length for length, _ in tables]
    indexes, window = _attention_pattern(lengths, side, width, depth)
    config = ViTConfig(width, depth, num_heads, indexes, window, patch, mlp_ratio)
    return config, side * patch


def _attention_pattern(
    lengths: list[int], side: int, width: int, depth: int
) -> tuple[tuple[int, ...], int]:
    """Blocks of global attention and the window of the others, from their tables' lengths.

    The table of a block that sees n tokens a side has 2·n - 1 rows.
    """
    whole = 2 * side - 1
    if len(set(lengths)) > 1:
        # The tables of the image may be of another size than the image's: then the commonest
        # length is the windows'.
        other = _commonest(n for n in lengths if n != whole)
        length = whole if whole in lengths else _commonest(n for n in lengths if n != other)
        return tuple(i for i, n in enumerate(lengths) if n == length), (other + 1) // 2
    window = (lengths[0] + 1) // 2
    if lengths[0] != whole:
        return (), window
    # One window is as large as the image: local and global attention are the same. The published
    # model of these sizes, if there is one, tells which blocks would differ at other input sizes.
    for variant in VARIANTS.values():
        vit = variant.image_encoder
        if isinstance(vit, ViTConfig) and (vit.width, vit.depth) == (width, depth):
            return vit.global_attn_indexes, window
    return tuple(range(depth)), window


def _commonest(lengths: Iterable[int]) -> int:
    counts = Counter(lengths)
    return max(counts, key=lambda n: (counts[n], -n))


def _tiny_vit(shapes: Shapes) -> TinyViTConfig:
    prefix = "image_encoder.layers."
    published = TinyViTConfig()
    widths = [shapes["image_encoder.patch_embed.seq.2.c.weight"][0]]
    depths, num_heads, windows = [], [published.num_heads[0]], [published.window_sizes[0]]
    for stage in range(_count(shapes, prefix)):
        depths.append(_count(shapes, f"{prefix}{stage}.blocks."))
        if stage:
            first = f"{prefix}{stage}.blocks.0."
            widths.append(shapes[first + "attn.norm.weight"][0])
            heads, offsets = shapes[first + "attn.attention_biases"]
            num_heads.append(heads)
            windows.append(math.isqrt(offsets))
    mlp_ratio = shapes[f"{prefix}1.blocks.0.mlp.fc1.weight"][0] / widths[1]
    return TinyViTConfig(tuple(widths), tuple(depths), tuple(num_heads), tuple(windows), mlp_ratio)


def _small(shapes: Shapes) -> SmallEncoderConfig:
    shipped = VARIANTS["small"].image_encoder
    assert isinstance(shipped, SmallEncoderConfig)
    prefix = "image_encoder."
    quarter = shapes[prefix + "stem.2.weight"][0]
    eighth, sixteenth, last = (shapes[f"{prefix}down{i}.0.weight"][0] for i in (2, 3, 4))
    one, two, three, four = (_count(shapes, f"{prefix}stage{i}.") for i in (1, 2, 3, 4))
    return replace(
        shipped,
        widths=(quarter, eighth, sixteenth, last),
        depths=(one, two, three, four),
        mlp_ratio=shapes[prefix + "stage4.0.mlp.lin1.weight"][0] / last,
    )


def _common(
    shapes: Shapes, encoder_and_size: tuple[EncoderConfig, int], decoder_heads: int | None
) -> SamConfig:
    encoder, image_size = encoder_and_size
    small = isinstance(encoder, SmallEncoderConfig)
    base = VARIANTS["small"] if small else SamConfig("custom", encoder)
    by_mask = "mask_decoder.mask_quality_head.mlp.layers."
    iou_from_masks = by_mask + "0.weight" in shapes
    iou_head = by_mask if iou_from_masks else "mask_decoder.iou_prediction_head.layers."
    masks, prompt_dim = shapes["mask_decoder.mask_tokens.weight"]
    return replace(
        base,
        name="custom",
        image_encoder=encoder,
        image_size=image_size,
        prompt_dim=prompt_dim,
        mask_in_chans=shapes["prompt_encoder.mask_downscaling.3.weight"][0],
        decoder_depth=_count(shapes, "mask_decoder.transformer.layers."),
        decoder_heads=decoder_heads or base.decoder_heads,
        decoder_mlp_dim=shapes["mask_decoder.transformer.layers.0.mlp.lin1.weight"][0],
        num_multimask_outputs=masks - 1,
        iou_head_depth=_count(shapes, iou_head),
        iou_head_hidden_dim=shapes[iou_head + "0.weight"][0],
        iou_from_masks=iou_from_masks,
        dense_prompts="prompt_encoder.dense_prompts.proj.weight" in shapes,
    )


def _named(config: SamConfig) -> SamConfig:
    for name, variant in VARIANTS.items():
        if replace(variant, image_size=config.image_size) == replace(config, name=name):
            return replace(config, name=name)
    return config


def _count(shapes: Iterable[str], prefix: str) -> int:
    """How many numbered children `prefix` has, counted from 0 without a gap."""
    number = re.compile(re.escape(prefix) + r"(\d+)\.")
    found = {int(m[1]) for name in shapes if (m := number.match(name))}
    if found != set(range(len(found))) or not found:
        raise KeyError(f"{prefix}{min(set(range(len(found) + 1)) - found)}")
    return len(found)
