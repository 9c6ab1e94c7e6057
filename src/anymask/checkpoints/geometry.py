"""Derive the geometry of a SAM from the shapes of its tensors, independent of its file name.

What shapes do not show (for example the heads of the mask decoder) is taken from the published
models.
"""

from __future__ import annotations

from dataclasses import replace

from anymask.checkpoints.formats import name_some
from anymask.errors import CheckpointError
from anymask.model.config import VARIANTS, SamConfig
from anymask.model.encoder_configs import encoder_kinds
from anymask.model.encoders import (
    PREFIX,
    EncoderConfig,
    Shapes,
    count_children,
)

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
        Name of the file for errors.
    decoder_heads : int, optional
        Heads of the mask decoder, if known.

    Returns
    -------
    SamConfig
        Named after the published variant if it differs at most in the input size, otherwise
        "custom".

    Raises
    ------
    CheckpointError
        If a part of the model is missing or of an unknown kind.

    Examples
    --------
    A checkpoint with only the mask decoder is refused:

    >>> config_from_shapes({"mask_decoder.iou_token.weight": (1, 256)}, "half.pth")
    Traceback (most recent call last):
    ...
    anymask.errors.CheckpointError: half.pth has no image encoder and no prompt encoder of a \
SAM; give the whole model.
    """
    absent = [p for p, prefix in _PARTS.items() if not any(n.startswith(prefix) for n in shapes)]
    if absent:
        raise CheckpointError(
            f"{source} has {' and '.join(f'no {part}' for part in absent)} of a SAM; "
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
            f"{source} has tensors whose shapes do not fit a SAM; give a SAM checkpoint."
        ) from error
    return _named(config)


def describe(config: SamConfig) -> str:
    """Describe a geometry in a few words, for messages.

    >>> describe(VARIANTS["vit_b"])
    'vit_b (ViT of width 768 and depth 12, input 1024)'
    """
    known = {"custom": "custom SAM"} | {name: name for name in VARIANTS}
    name, words = known.get(config.name, f"SAM {config.name!r}"), config.image_encoder.in_words
    return f"{name} ({words}, input {config.image_size})"


def _encoder(shapes: Shapes, source: str) -> tuple[EncoderConfig, int | None]:
    """The image encoder's geometry and, if the tensors show it, its input size."""
    for kind in encoder_kinds().values():
        found = kind.from_shapes(shapes)
        if found is not None:
            return found
    names = [n for n in shapes if n.startswith(PREFIX)]
    raise CheckpointError(
        f"{source} has an image encoder of a kind unknown to anymask, with "
        f"{name_some(names, 'tensor')}; give a SAM with a ViT, MobileSAM, or a SAM 2."
    )


def _common(
    shapes: Shapes, encoder_and_size: tuple[EncoderConfig, int | None], decoder_heads: int | None
) -> SamConfig:
    encoder, image_size = encoder_and_size
    # What shapes do not show is taken from the variant with this kind of encoder.
    alike = (v for v in VARIANTS.values() if type(v.image_encoder) is type(encoder))
    base = next(alike, SamConfig("custom", encoder))
    by_mask = "mask_decoder.mask_quality_head.mlp.layers."
    iou_from_masks = by_mask + "0.weight" in shapes
    iou_head = by_mask if iou_from_masks else "mask_decoder.iou_prediction_head.layers."
    masks, prompt_dim = shapes["mask_decoder.mask_tokens.weight"]
    return replace(
        base,
        name="custom",
        image_encoder=encoder,
        image_size=image_size or base.image_size,
        prompt_dim=prompt_dim,
        mask_in_chans=shapes["prompt_encoder.mask_downscaling.3.weight"][0],
        decoder_depth=count_children(shapes, "mask_decoder.transformer.layers."),
        decoder_heads=decoder_heads or base.decoder_heads,
        decoder_mlp_dim=shapes["mask_decoder.transformer.layers.0.mlp.lin1.weight"][0],
        num_multimask_outputs=masks - 1,
        iou_head_depth=count_children(shapes, iou_head),
        iou_head_hidden_dim=shapes[iou_head + "0.weight"][0],
        iou_from_masks=iou_from_masks,
        dense_prompts="prompt_encoder.dense_prompts.proj.weight" in shapes,
    )


def _named(config: SamConfig) -> SamConfig:
    for name, variant in VARIANTS.items():
        if replace(variant, image_size=config.image_size) == replace(config, name=name):
            return replace(config, name=name)
    return config
