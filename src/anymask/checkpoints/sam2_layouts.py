"""The names of SAM 2's tensors in Meta's and in Hugging Face's files, and its geometry.

A `Sam2` names the parts that it shares with the first SAM as the first SAM does, and the others as
Meta does. Meta's files of SAM 2 put `sam_` before the prompt encoder and the mask decoder.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from anymask.errors import CheckpointError
from anymask.model.config import VARIANTS, MemoryConfig, Sam2Config
from anymask.model.encoders import Shapes, count_children
from anymask.model.sam2.hiera_config import TRUNK, HieraConfig

_ROOT = re.compile(r"(.*?)(?:image_encoder\.trunk|vision_encoder\.backbone)\.pos_embed")
_AVERAGED = re.compile(r"(^|[._])(ema|teacher|averaged?)([._]|$)", re.IGNORECASE)

_Rules = tuple[tuple[re.Pattern[str], str], ...]


def _rules(*pairs: tuple[str, str]) -> _Rules:
    return tuple((re.compile(pattern), replacement) for pattern, replacement in pairs)


_FROM_META = _rules(
    (r"^sam_(prompt_encoder|mask_decoder)\.", r"\1."),
    (r"^(mask_decoder\.transformer\.layers\.\d+\.mlp)\.layers\.0\.", r"\1.lin1."),
    (r"^(mask_decoder\.transformer\.layers\.\d+\.mlp)\.layers\.1\.", r"\1.lin2."),
)
_TO_META = _rules(
    (r"^(mask_decoder\.transformer\.layers\.\d+\.mlp)\.lin1\.", r"\1.layers.0."),
    (r"^(mask_decoder\.transformer\.layers\.\d+\.mlp)\.lin2\.", r"\1.layers.1."),
    (r"^(prompt_encoder|mask_decoder)\.", r"sam_\1."),
)
_GAUSSIAN = "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"
_THEIR_BLOCKS = r"^vision_encoder\.backbone\.blocks\.(\d+)"
_THEIR_FUSER = r"^memory_encoder\.memory_fuser\.layers\.(\d+)"
_FUSER = r"memory_encoder.fuser.layers.\1"
_FROM_HUGGING_FACE = _rules(
    (r"^shared_image_embedding\.positional_embedding$", _GAUSSIAN),
    (r"^prompt_encoder\.shared_embedding\.positional_embedding$", _GAUSSIAN),
    (r"^prompt_encoder\.mask_embed\.conv1\.", "prompt_encoder.mask_downscaling.0."),
    (r"^prompt_encoder\.mask_embed\.layer_norm1\.", "prompt_encoder.mask_downscaling.1."),
    (r"^prompt_encoder\.mask_embed\.conv2\.", "prompt_encoder.mask_downscaling.3."),
    (r"^prompt_encoder\.mask_embed\.layer_norm2\.", "prompt_encoder.mask_downscaling.4."),
    (r"^prompt_encoder\.mask_embed\.conv3\.", "prompt_encoder.mask_downscaling.6."),
    (r"^vision_encoder\.backbone\.patch_embed\.projection\.", f"{TRUNK}patch_embed.proj."),
    (
        rf"{_THEIR_BLOCKS}\.mlp\.proj_in\.",
        rf"{TRUNK}blocks.\1.mlp.layers.0.",
    ),
    (
        rf"{_THEIR_BLOCKS}\.mlp\.proj_out\.",
        rf"{TRUNK}blocks.\1.mlp.layers.1.",
    ),
    (rf"{_THEIR_BLOCKS}\.layer_norm", rf"{TRUNK}blocks.\1.norm"),
    (r"^vision_encoder\.backbone\.", TRUNK),
    (r"^vision_encoder\.neck\.convs\.(\d+)\.", r"image_encoder.neck.convs.\1.conv."),
    (r"^(mask_decoder\.transformer\.layers\.\d+\.mlp)\.proj_in\.", r"\1.lin1."),
    (r"^(mask_decoder\.transformer\.layers\.\d+\.mlp)\.proj_out\.", r"\1.lin2."),
    (r"^mask_decoder\.upscale_conv1\.", "mask_decoder.output_upscaling.0."),
    (r"^mask_decoder\.upscale_layer_norm\.", "mask_decoder.output_upscaling.1."),
    (r"^mask_decoder\.upscale_conv2\.", "mask_decoder.output_upscaling.3."),
    (r"^(mask_decoder\.transformer\..*|memory_attention\..*)layer_norm", r"\1norm"),
    (r"\.o_proj\.", ".out_proj."),
    (r"^no_memory_embedding$", "no_mem_embed"),
    (r"^no_memory_positional_encoding$", "no_mem_pos_enc"),
    (r"^memory_temporal_positional_encoding$", "maskmem_tpos_enc"),
    (r"^no_object_pointer$", "no_obj_ptr"),
    (r"^occlusion_spatial_embedding_parameter$", "no_obj_embed_spatial"),
    (r"^temporal_positional_encoding_projection_layer\.", "obj_ptr_tpos_proj."),
    (r"^object_pointer_proj\.", "obj_ptr_proj."),
    (r"^memory_encoder\.feature_projection\.", "memory_encoder.pix_feat_proj."),
    (r"^memory_encoder\.projection\.", "memory_encoder.out_proj."),
    (
        rf"{_THEIR_FUSER}\.scale$",
        rf"{_FUSER}.gamma",
    ),
    (
        rf"{_THEIR_FUSER}\.depthwise_conv\.",
        rf"{_FUSER}.dwconv.",
    ),
    (
        rf"{_THEIR_FUSER}\.layer_norm\.",
        rf"{_FUSER}.norm.",
    ),
    (
        rf"{_THEIR_FUSER}\.pointwise_conv",
        rf"{_FUSER}.pwconv",
    ),
)
# Hugging Face counts the layers between the first and the last of an MLP of their own.
_MLP = re.compile(
    r"(mask_decoder\.(?:output_hypernetworks_mlps\.\d+|iou_prediction_head|pred_obj_score_head)"
    r"|object_pointer_proj)\.(proj_in|proj_out|layers\.(\d+))\.(weight|bias)"
)
_DOWNSAMPLER = re.compile(
    r"memory_encoder\.mask_downsampler\.(?:layers\.(\d+)\.(conv|layer_norm)|final_conv)\.(\w+)"
)


def find_root(names: Iterable[str]) -> str | None:
    """Return the prefix of SAM 2's tensors among a file's names; None if there are none.

    A running average (ema, teacher) is only taken if there is nothing else.
    """
    roots = [match[1] for name in names if (match := _ROOT.fullmatch(name))]
    return min(roots, key=lambda root: bool(_AVERAGED.search(root)), default=None)


def own_names(names: Iterable[str], root: str) -> tuple[dict[str, str], str]:
    """Return `Sam2`'s name for each tensor below `root`, and the layout of the file.

    Returns
    -------
    names : dict of str to str
        The file's names to ours; those of no part of SAM 2 are left out.
    layout : str
        "Meta" or "Hugging Face".
    """
    inner = {name: name[len(root) :] for name in names if name.startswith(root)}
    if f"{TRUNK}pos_embed" in inner.values():
        found = {name: _renamed(i, _FROM_META) for name, i in inner.items()}
        layout = "Meta"
    else:
        found, layout = _from_hugging_face(inner), "Hugging Face"
    return {name: own for name, own in found.items() if _PARTS.match(own)}, layout


_PARTS = re.compile(
    r"(image_encoder|prompt_encoder|mask_decoder|memory_attention|memory_encoder|mask_downsample"
    r"|obj_ptr_proj|obj_ptr_tpos_proj)\.|(maskmem_tpos_enc|no_mem_embed|no_mem_pos_enc|no_obj_ptr"
    r"|no_obj_embed_spatial)$"
)


def meta_name(name: str) -> str:
    """Return the name of a tensor in Meta's files of SAM 2.

    >>> meta_name("mask_decoder.transformer.layers.0.mlp.lin1.weight")
    'sam_mask_decoder.transformer.layers.0.mlp.layers.0.weight'
    """
    return _renamed(name, _TO_META)


def _renamed(name: str, rules: _Rules) -> str:
    for pattern, replacement in rules:
        name = pattern.sub(replacement, name)
    return name


def _from_hugging_face(inner: Mapping[str, str]) -> dict[str, str]:
    between = Counter(
        m[1] for i in inner.values() if (m := _MLP.fullmatch(i)) and m[3] and m[4] == "weight"
    )
    halvings = sum(
        bool(m and m[2] == "conv" and m[3] == "weight")
        for m in map(_DOWNSAMPLER.fullmatch, inner.values())
    )
    names = {}
    for original, name in inner.items():
        if mlp := _MLP.fullmatch(name):
            last = between[mlp[1]] + 1
            layer = int(mlp[3]) + 1 if mlp[3] else {"proj_in": 0, "proj_out": last}[mlp[2]]
            name = f"{mlp[1]}.layers.{layer}.{mlp[4]}"
        elif down := _DOWNSAMPLER.fullmatch(name):
            # Convolution, normalisation and activation, three entries to a halving.
            step = 3 * (int(down[1]) if down[1] else halvings) + (down[2] == "layer_norm")
            name = f"memory_encoder.mask_downsampler.encoder.{step}.{down[3]}"
        names[original] = _renamed(name, _FROM_HUGGING_FACE)
    return names


def split_point_embeddings(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """Return tensors with Hugging Face's four kinds of points, in one table, as Meta's four."""
    split = dict(tensors)
    table = split.pop("prompt_encoder.point_embed.weight", None)
    if table is not None:
        for i in range(len(table)):
            split[f"prompt_encoder.point_embeddings.{i}.weight"] = table[i : i + 1]
    return split


def config_of(shapes: Shapes, hf_config: Mapping[str, Any], source: str) -> Sam2Config:
    """Return the geometry of a SAM 2.

    Parameters
    ----------
    shapes : mapping of str to tuple of int
        Of its tensors under our names.
    hf_config : mapping
        Hugging Face's config.json, which says what shapes do not show; empty if there is none.
    source : str
        Name of the file for errors.

    Raises
    ------
    CheckpointError
        If a part is missing or its geometry is unknown.
    """
    try:
        config = _config_of(shapes, hf_config)
    except CheckpointError as error:
        raise CheckpointError(f"{source} cannot be loaded as it is. {error}") from None
    except KeyError as error:
        raise CheckpointError(
            f"{source} is an incomplete SAM 2 checkpoint without the tensor {error.args[0]}; give "
            f"the whole model."
        ) from error
    except (ValueError, IndexError, TypeError, ZeroDivisionError) as error:
        raise CheckpointError(
            f"{source} has tensors whose shapes do not fit a SAM 2; give a SAM 2 checkpoint."
        ) from error
    for name, variant in VARIANTS.items():
        if isinstance(variant, Sam2Config) and _alike(config, variant):
            return replace(config, name=name)
    return config


def _alike(config: Sam2Config, variant: Sam2Config) -> bool:
    """Whether a geometry is a published one, perhaps for another input size or without memory."""
    known = replace(
        variant,
        name=config.name,
        image_size=config.image_size,
        memory=config.memory and variant.memory,
    )
    return config == known


def _config_of(shapes: Shapes, hf_config: Mapping[str, Any]) -> Sam2Config:
    encoder = _encoder(shapes, hf_config)
    decoder = hf_config.get("mask_decoder_config", {})
    iou_head = "mask_decoder.iou_prediction_head.layers."
    masks, prompt_dim = shapes["mask_decoder.mask_tokens.weight"]
    return Sam2Config(
        "custom",
        encoder,
        image_size=_image_size(hf_config),
        prompt_dim=prompt_dim,
        mask_in_chans=shapes["prompt_encoder.mask_downscaling.3.weight"][0],
        decoder_depth=count_children(shapes, "mask_decoder.transformer.layers."),
        decoder_heads=decoder.get("num_attention_heads", Sam2Config.decoder_heads),
        decoder_mlp_dim=shapes["mask_decoder.transformer.layers.0.mlp.lin1.weight"][0],
        num_multimask_outputs=masks - 1,
        iou_head_depth=count_children(shapes, iou_head),
        iou_head_hidden_dim=shapes[iou_head + "0.weight"][0],
        memory=_memory(shapes, hf_config),
    )


def _encoder(shapes: Shapes, hf_config: Mapping[str, Any]) -> HieraConfig:
    trunk = hf_config.get("vision_config", {}).get("backbone_config")
    if not trunk:
        found = HieraConfig.from_shapes(shapes)
        if found is None:
            raise KeyError(f"{TRUNK}pos_embed")
        return found[0]
    width, depths, _ = HieraConfig.visible(shapes)
    rows, columns = shapes[f"{TRUNK}pos_embed"][2:]
    return HieraConfig(
        width=width,
        num_heads=trunk.get("num_attention_heads", HieraConfig.num_heads),
        depths=depths,
        global_attn_indexes=tuple(
            trunk.get("global_attention_blocks", HieraConfig.global_attn_indexes)
        ),
        window_sizes=tuple(trunk.get("window_size_per_stage", HieraConfig.window_sizes)),
        position_grid=(rows, columns),
        mlp_ratio=shapes[f"{TRUNK}blocks.0.mlp.layers.0.weight"][0] / width,
    )


def _image_size(hf_config: Mapping[str, Any]) -> int:
    size = hf_config.get("prompt_encoder_config", {}).get("image_size", Sam2Config.image_size)
    return int(size[0] if isinstance(size, list) else size)


def _memory(shapes: Shapes, hf_config: Mapping[str, Any]) -> MemoryConfig | None:
    if "maskmem_tpos_enc" not in shapes:
        return None
    return MemoryConfig(
        frames=shapes["maskmem_tpos_enc"][0],
        pointers=hf_config.get("max_object_pointers_in_encoder", MemoryConfig.pointers),
        channels=shapes["maskmem_tpos_enc"][-1],
        attention_depth=count_children(shapes, "memory_attention.layers."),
        attention_mlp_dim=shapes["memory_attention.layers.0.linear1.weight"][0],
        fuser_depth=count_children(shapes, "memory_encoder.fuser.layers."),
        occlusion_embedding="no_obj_embed_spatial" in shapes,
        pointer_positions="obj_ptr_tpos_proj.weight" in shapes,
    )
