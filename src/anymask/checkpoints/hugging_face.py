"""Save a ViT `Sam` as a folder that Hugging Face's `SamModel` and `SamProcessor` load."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from safetensors.torch import save as to_safetensors

from anymask.errors import OutputError
from anymask.files import whole_file
from anymask.model.config import SamConfig, ViTConfig
from anymask.model.sam import Sam

_POSITIONS = "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"
_RENAMED = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"^prompt_encoder\.point_embeddings\.", "prompt_encoder.point_embed."),
        (r"^prompt_encoder\.mask_downscaling\.0\.", "prompt_encoder.mask_embed.conv1."),
        (r"^prompt_encoder\.mask_downscaling\.1\.", "prompt_encoder.mask_embed.layer_norm1."),
        (r"^prompt_encoder\.mask_downscaling\.3\.", "prompt_encoder.mask_embed.conv2."),
        (r"^prompt_encoder\.mask_downscaling\.4\.", "prompt_encoder.mask_embed.layer_norm2."),
        (r"^prompt_encoder\.mask_downscaling\.6\.", "prompt_encoder.mask_embed.conv3."),
        (r"^image_encoder\.neck\.0\.", "vision_encoder.neck.conv1."),
        (r"^image_encoder\.neck\.1\.", "vision_encoder.neck.layer_norm1."),
        (r"^image_encoder\.neck\.2\.", "vision_encoder.neck.conv2."),
        (r"^image_encoder\.neck\.3\.", "vision_encoder.neck.layer_norm2."),
        (r"^image_encoder\.patch_embed\.proj\.", "vision_encoder.patch_embed.projection."),
        (r"^image_encoder\.blocks\.(\d+)\.norm", r"vision_encoder.layers.\1.layer_norm"),
        (r"^image_encoder\.blocks\.", "vision_encoder.layers."),
        (r"^image_encoder\.", "vision_encoder."),
        (r"^(mask_decoder\.transformer\..*)norm(\d\.|_final)", r"\1layer_norm\2"),
        (r"^mask_decoder\.output_upscaling\.0\.", "mask_decoder.upscale_conv1."),
        (r"^mask_decoder\.output_upscaling\.1\.", "mask_decoder.upscale_layer_norm."),
        (r"^mask_decoder\.output_upscaling\.3\.", "mask_decoder.upscale_conv2."),
    )
)
_MLP = re.compile(
    r"(mask_decoder\.(?:output_hypernetworks_mlps\.\d+|iou_prediction_head))\.layers\.(\d+)\.(\w+)"
)
# The depth of the hypernetworks, the same in every geometry.
_HYPERNETWORK_DEPTH = 3


def save_hugging_face(sam: Sam, folder: str | os.PathLike[str]) -> None:
    """Save a model for Hugging Face's `SamModel.from_pretrained`.

    Parameters
    ----------
    sam : Sam
        A model with a ViT encoder.
    folder : str or path
        Where to write `model.safetensors`, `config.json` and `preprocessor_config.json`, each whole
        or not at all; created if missing.

    Raises
    ------
    OutputError
        If the encoder is not a ViT, or a file cannot be written.
    """
    config = sam.config
    plain = not (config.use_skips or config.dense_prompts or config.iou_from_masks)
    if not isinstance(config.image_encoder, ViTConfig) or not plain:
        raise OutputError(
            f"Hugging Face's SamModel supports only ViT encoders, but {config.name} has none; save "
            "it as .safetensors."
        )
    state = {
        _name(name, config): tensor.detach().cpu().contiguous()
        for name, tensor in sam.state_dict().items()
    }
    # That layout has the positional encoding twice.
    state["shared_image_embedding.positional_embedding"] = state[
        "prompt_encoder.shared_embedding.positional_embedding"
    ].clone()
    target = Path(folder).expanduser()
    texts = {
        "config.json": _config(config),
        "preprocessor_config.json": _preprocessor(config),
    }
    for file_name, content in texts.items():
        with whole_file(target / file_name) as temporary:
            temporary.write_text(json.dumps(content, indent=1), encoding="utf-8")
    with whole_file(target / "model.safetensors") as temporary:
        temporary.write_bytes(to_safetensors(state, {"format": "pt"}))


def _name(name: str, config: SamConfig) -> str:
    if name == _POSITIONS:
        return "prompt_encoder.shared_embedding.positional_embedding"
    mlp = _MLP.fullmatch(name)
    if mlp:
        head, layer, kind = mlp[1], int(mlp[2]), mlp[3]
        depth = config.iou_head_depth if "iou" in head else _HYPERNETWORK_DEPTH
        ends = {0: "proj_in", depth - 1: "proj_out"}
        return f"{head}.{ends.get(layer, f'layers.{layer - 1}')}.{kind}"
    for pattern, replacement in _RENAMED:
        name = pattern.sub(replacement, name)
    return name


def _config(config: SamConfig) -> dict[str, Any]:
    encoder = config.image_encoder
    assert isinstance(encoder, ViTConfig)
    return {
        "architectures": ["SamModel"],
        "model_type": "sam",
        "vision_config": {
            "hidden_size": encoder.width,
            "num_hidden_layers": encoder.depth,
            "num_attention_heads": encoder.num_heads,
            "global_attn_indexes": list(encoder.global_attn_indexes),
            "window_size": encoder.window_size,
            "patch_size": encoder.patch_size,
            "mlp_ratio": encoder.mlp_ratio,
            "mlp_dim": int(encoder.width * encoder.mlp_ratio),
            "image_size": config.image_size,
            "output_channels": config.prompt_dim,
            "num_pos_feats": config.prompt_dim // 2,
        },
        "prompt_encoder_config": {
            "hidden_size": config.prompt_dim,
            "image_size": config.image_size,
            "patch_size": encoder.patch_size,
            "mask_input_channels": config.mask_in_chans,
        },
        "mask_decoder_config": {
            "hidden_size": config.prompt_dim,
            "mlp_dim": config.decoder_mlp_dim,
            "num_hidden_layers": config.decoder_depth,
            "num_attention_heads": config.decoder_heads,
            "num_multimask_outputs": config.num_multimask_outputs,
            "iou_head_depth": config.iou_head_depth,
            "iou_head_hidden_dim": config.iou_head_hidden_dim,
        },
    }


def _preprocessor(config: SamConfig) -> dict[str, Any]:
    size = config.image_size
    return {
        "image_processor_type": "SamImageProcessor",
        "processor_class": "SamProcessor",
        "do_resize": True,
        "do_rescale": True,
        "do_normalize": True,
        "do_pad": True,
        "do_convert_rgb": True,
        "resample": 2,
        "rescale_factor": 1 / 255,
        "size": {"longest_edge": size},
        "pad_size": {"height": size, "width": size},
        "mask_size": {"longest_edge": config.low_res_size},
        "mask_pad_size": {"height": config.low_res_size, "width": config.low_res_size},
        "image_mean": [value / 255 for value in config.pixel_mean],
        "image_std": [value / 255 for value in config.pixel_std],
    }
