"""The other implementations, if installed: Meta's `segment-anything`, and `transformers`.

Meta's package imports torchvision, which is not published for every build of torch. If it is
missing, a replacement supplies what the package uses: resizing of 8-bit images (Pillow's, which
torchvision calls too), box areas and non-maximum suppression.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from types import ModuleType
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from anymask.errors import AnymaskError
from anymask.model.config import EverythingConfig, SamConfig, ViTConfig

SEGMENT_ANYTHING = "segment-anything"
TRANSFORMERS = "transformers"


def metas_package() -> ModuleType:
    """Import `segment_anything`, with or without torchvision."""
    stand_ins = {} if importlib.util.find_spec("torchvision") else _torchvision_stand_in()
    sys.modules.update(stand_ins)
    try:
        return importlib.import_module("segment_anything")
    finally:
        # Other packages must not mistake it for the real torchvision.
        for name in stand_ins:
            del sys.modules[name]


def has_peers(config: SamConfig) -> bool:
    """Whether the other implementations support this architecture: they support ViTs."""
    return isinstance(config.image_encoder, ViTConfig)


def metas_sam(config: SamConfig, weights: Mapping[str, Tensor] | None = None) -> nn.Module:
    """Build Meta's `Sam` with the architecture of a ViT, in float32.

    Parameters
    ----------
    config : SamConfig
    weights : mapping, optional
        Weights of our `Sam` in float32, which has Meta's names; without them, Meta's classes
        initialise the weights.
    """
    modeling = metas_package().modeling
    vit, side = config.image_encoder, config.embedding_size
    assert isinstance(vit, ViTConfig)
    sam = modeling.Sam(
        modeling.ImageEncoderViT(
            img_size=config.image_size,
            patch_size=vit.patch_size,
            embed_dim=vit.width,
            depth=vit.depth,
            num_heads=vit.num_heads,
            mlp_ratio=vit.mlp_ratio,
            out_chans=config.prompt_dim,
            qkv_bias=True,
            norm_layer=partial(nn.LayerNorm, eps=1e-6),
            use_rel_pos=True,
            window_size=vit.window_size,
            global_attn_indexes=vit.global_attn_indexes,
        ),
        modeling.PromptEncoder(
            config.prompt_dim, (side, side), (config.image_size,) * 2, config.mask_in_chans
        ),
        modeling.MaskDecoder(
            transformer_dim=config.prompt_dim,
            transformer=modeling.TwoWayTransformer(
                config.decoder_depth,
                config.prompt_dim,
                config.decoder_heads,
                config.decoder_mlp_dim,
            ),
            num_multimask_outputs=config.num_multimask_outputs,
            iou_head_depth=config.iou_head_depth,
            iou_head_hidden_dim=config.iou_head_hidden_dim,
        ),
    ).eval()
    if weights is not None:
        sam.load_state_dict(weights)
    return sam


def metas_generator(sam: nn.Module, settings: Mapping[str, Any]) -> Any:
    """Meta's generator with our options; options that it lacks must have its fixed values.

    Raises
    ------
    AnymaskError
        If it does not support an option.
    """
    generator = metas_package().SamAutomaticMaskGenerator
    known, published = inspect.signature(generator).parameters, asdict(EverythingConfig())
    for name, value in settings.items():
        if name not in known and value != published.get(name):
            raise AnymaskError(
                f"Meta's package has no {name}, which is {value!r} for this model; leave the "
                "peers out."
            )
    return generator(sam, **{name: v for name, v in settings.items() if name in known})


def transformers_sam(config: SamConfig) -> nn.Module:
    """Build `transformers`' SamModel with fused attention, with a ViT's architecture, in float32.

    The package initialises the weights; the time does not depend on them.
    """
    from transformers import (
        SamConfig as TheirConfig,
    )
    from transformers import (
        SamMaskDecoderConfig,
        SamModel,
        SamPromptEncoderConfig,
        SamVisionConfig,
    )

    vit = config.image_encoder
    assert isinstance(vit, ViTConfig)
    vision = SamVisionConfig(
        hidden_size=vit.width,
        output_channels=config.prompt_dim,
        num_hidden_layers=vit.depth,
        num_attention_heads=vit.num_heads,
        image_size=config.image_size,
        patch_size=vit.patch_size,
        window_size=vit.window_size,
        global_attn_indexes=list(vit.global_attn_indexes),
        mlp_dim=int(vit.width * vit.mlp_ratio),
        num_pos_feats=config.prompt_dim // 2,
    )
    prompt = SamPromptEncoderConfig(
        hidden_size=config.prompt_dim,
        image_size=config.image_size,
        patch_size=vit.patch_size,
        mask_input_channels=config.mask_in_chans,
    )
    decoder = SamMaskDecoderConfig(
        hidden_size=config.prompt_dim,
        mlp_dim=config.decoder_mlp_dim,
        num_hidden_layers=config.decoder_depth,
        num_attention_heads=config.decoder_heads,
        iou_head_depth=config.iou_head_depth,
        iou_head_hidden_dim=config.iou_head_hidden_dim,
    )
    whole = TheirConfig(vision.to_dict(), prompt.to_dict(), decoder.to_dict())
    whole._attn_implementation = "sdpa"
    return SamModel(whole).eval()


def _torchvision_stand_in() -> dict[str, ModuleType]:
    """Modules by name, with the functions that Meta's package imports from them."""
    contents: dict[str, dict[str, Any]] = {
        "torchvision": {},
        "torchvision.ops": {},
        "torchvision.ops.boxes": {"batched_nms": _batched_nms, "box_area": _box_area},
        "torchvision.transforms": {},
        "torchvision.transforms.functional": {"resize": _resize, "to_pil_image": Image.fromarray},
    }
    modules = {}
    for name, members in contents.items():
        modules[name] = ModuleType(name)
        vars(modules[name]).update(members)
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(modules[parent], child, modules[name])
    return modules


def _resize(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Resize a Pillow image to height and width, bilinear with antialiasing."""
    height, width = size
    return image.resize((width, height), Image.Resampling.BILINEAR)


def _box_area(boxes: Tensor) -> Tensor:
    """Areas (N,) of XYXY boxes (N, 4)."""
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def _batched_nms(boxes: Tensor, scores: Tensor, idxs: Tensor, iou_threshold: float) -> Tensor:
    """Greedy suppression among the boxes (N, 4) XYXY of each group; indices, best first."""
    waiting = torch.argsort(scores, descending=True, stable=True)
    kept: list[Tensor] = []
    while len(waiting):
        best, rest = waiting[0], waiting[1:]
        kept.append(best)
        low = torch.maximum(boxes[best, :2], boxes[rest, :2])
        high = torch.minimum(boxes[best, 2:], boxes[rest, 2:])
        common = (high - low).clamp(min=0).prod(dim=1)
        union = _box_area(boxes[best][None]) + _box_area(boxes[rest]) - common
        dropped = (common / union > iou_threshold) & (idxs[rest] == idxs[best])
        waiting = rest[~dropped]
    return torch.stack(kept) if kept else torch.empty(0, dtype=torch.int64, device=boxes.device)
