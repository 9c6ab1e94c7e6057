"""The geometry of every model as plain data.

A `SamConfig` has everything needed to build a `Sam` without its weights. This module does not
import torch, so names, sizes and licences can be listed quickly. Image encoders have configurations
of their own (`encoder_configs`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, Literal, Self

from anymask.model.encoder_configs import (
    EfficientNetLiteConfig,
    SmallEncoderConfig,
    TinyViTConfig,
    ViTConfig,
    encoder_kinds,
)
from anymask.model.encoders import EncoderConfig
from anymask.model.sam2.hiera_config import PUBLISHED_HIERAS, HieraConfig
from anymask.option_fields import check_options, option

__all__ = [
    "SMALL_0_1",
    "VARIANTS",
    "EfficientNetLiteConfig",
    "EncoderConfig",
    "EverythingConfig",
    "HieraConfig",
    "MemoryConfig",
    "Sam2Config",
    "SamConfig",
    "SmallEncoderConfig",
    "TinyViTConfig",
    "ViTConfig",
]


@dataclass(frozen=True)
class EverythingConfig:
    """The options of "everything" whose best values depend on the model.

    The defaults are those published for Meta's models; a model whose scores have another meaning
    has its own (`SamConfig.everything`). `anymask.predict.everything.options` has the others.

    Raises
    ------
    AnymaskError
        If a value is out of its range.
    """

    pred_iou_thresh: float = option(
        0.88,
        "Drop masks whose predicted IoU is not above this; 0 keeps all.",
        low=0,
        high=1,
        unit="IOU",
        group="filter",
        slider=(0, 1, 0.01),
    )
    stability_score_thresh: float = option(
        0.95,
        "Drop masks whose stability score is below this: the IoU of the mask at a higher and at a "
        "lower cut-off. 0 keeps all.",
        low=0,
        high=1,
        unit="IOU",
        group="filter",
        slider=(0, 1, 0.01),
    )
    stability_score_offset: float = option(
        1.0,
        "How far the cut-off is moved up and down for the stability score, in logits.",
        low=0,
        unit="LOGITS",
        group="filter",
    )
    box_nms_thresh: float = option(
        0.7,
        "If two masks overlap more than this (IoU), keep only the better one.",
        low=0,
        high=1,
        unit="IOU",
        group="filter",
        slider=(0, 1, 0.05),
    )
    min_mask_region_area: float = option(
        0,
        "Fill holes and remove islands with fewer pixels than this.",
        low=0,
        unit="PIXELS",
        group="filter",
        slider=(0, 10000, 10),
    )
    max_mask_share: float = option(
        1.0,
        "Drop masks that cover more than this share of the image, or of the tile.",
        low=0,
        high=1,
        unit="SHARE",
        group="filter",
    )
    nms_by: Literal["box", "mask"] = option(
        "box",
        "Whether overlap is that of bounding boxes or of the masks themselves.",
        group="filter",
    )
    order_by: Literal["predicted_iou", "iou_times_stability"] = option(
        "predicted_iou",
        "Which of two masks that overlap is the better: the one of the higher predicted IoU, or "
        "of the higher product of predicted IoU and stability score.",
        group="filter",
    )

    def __post_init__(self) -> None:
        check_options(self)

    def in_words(self) -> dict[str, str]:
        """Return each option as text, in its shortest form.

        Examples
        --------
        >>> EverythingConfig().in_words()["pred_iou_thresh"]
        '0.88'
        """
        return {n: v if isinstance(v, str) else f"{v:g}" for n, v in asdict(self).items()}


@dataclass(frozen=True)
class SamConfig:
    """Everything needed to build a `Sam` with a given geometry.

    Attributes
    ----------
    name : str
        The model's name in messages and files.
    image_encoder : EncoderConfig
        Of any of the `encoder_kinds`.
    image_size : int
        Side in pixels of the square that the encoder sees.
    prompt_dim : int
        Channels of the image embedding and of every prompt token.
    mask_in_chans : int
        Channels inside the encoder of mask prompts.
    decoder_depth, decoder_heads, decoder_mlp_dim : int
        The two-way transformer of the mask decoder.
    num_multimask_outputs : int
        Masks returned for an ambiguous prompt.
    iou_head_depth, iou_head_hidden_dim : int
        The MLP that predicts each mask's IoU.
    pixel_mean, pixel_std : tuple of float
        Subtracted from and divided into 0-255 RGB.
    use_skips : bool
        Whether the decoder's upscaling adds the encoder's features at 1/8 and 1/4.
    dense_prompts : bool
        Whether points and boxes are also drawn as maps added to the image tokens.
    iou_from_masks : bool
        Whether the predicted IoU is computed from the masks too, not only from a token.
    box_margin : float or None
        Masks of a box prompt are cut at the box enlarged on each side by this fraction of its
        longer side; None does not cut them, as in Meta's models.
    keep_clicked : bool
        Whether `SamPredictor` by default drops regions of a mask without a positive click.
    everything : EverythingConfig
        Defaults of `SamAutomaticMaskGenerator` for this model.
    """

    name: str
    image_encoder: EncoderConfig
    image_size: int = 1024
    prompt_dim: int = 256
    mask_in_chans: int = 16
    decoder_depth: int = 2
    decoder_heads: int = 8
    decoder_mlp_dim: int = 2048
    num_multimask_outputs: int = 3
    iou_head_depth: int = 3
    iou_head_hidden_dim: int = 256
    pixel_mean: tuple[float, float, float] = (123.675, 116.28, 103.53)
    pixel_std: tuple[float, float, float] = (58.395, 57.12, 57.375)
    use_skips: bool = False
    dense_prompts: bool = False
    iou_from_masks: bool = False
    box_margin: float | None = None
    keep_clicked: bool = False
    everything: EverythingConfig = EverythingConfig()

    @property
    def stretches(self) -> bool:
        """Whether images are stretched to the square that the encoder sees, as in SAM 2.

        Otherwise they keep their proportions and are padded.
        """
        return False

    @property
    def embedding_size(self) -> int:
        """Side of the image embedding in tokens."""
        return self.image_size // self.image_encoder.patch_size

    @property
    def low_res_size(self) -> int:
        """Side in pixels of the masks that the decoder returns and that it takes as prompts."""
        return 4 * self.embedding_size

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as JSON-ready data; `from_dict` is the inverse.

        Examples
        --------
        >>> SamConfig.from_dict(VARIANTS["vit_b"].to_dict()) == VARIANTS["vit_b"]
        True
        """
        return {**asdict(self), "image_encoder": self.image_encoder.to_dict()}

    @staticmethod
    def from_dict(data: dict[str, Any]) -> SamConfig:
        """Build a configuration from the result of `to_dict`, also after conversion to JSON and
        back.

        Raises
        ------
        KeyError, TypeError
            If a field is unknown or missing.
        AnymaskError
            If an option of "everything" is out of its range.
        """
        data = dict(data)
        if data.pop("generation", 1) == Sam2Config.generation:
            return Sam2Config._from_fields(data)
        return SamConfig._from_fields(data)

    @classmethod
    def _from_fields(cls, data: dict[str, Any]) -> Self:
        encoder = dict(data["image_encoder"])
        encoder_class = encoder_kinds()[encoder.pop("kind")]
        fields = {
            **data,
            "image_encoder": encoder_class(**_lists_to_tuples(encoder)),
            "everything": EverythingConfig(**data.get("everything", {})),
        }
        return cls(**_lists_to_tuples(fields))


@dataclass(frozen=True)
class MemoryConfig:
    """How SAM 2 follows objects from frame to frame (arXiv 2408.00714, section 4).

    Attributes
    ----------
    frames : int
        Frames whose maps are remembered: prompted ones, and the last ones before the current.
    pointers : int
        Frames whose object pointers are remembered.
    channels : int
        Channels of a remembered map.
    attention_depth, attention_mlp_dim : int
        The memory attention.
    fuser_depth : int
        Convolutional blocks of the memory encoder.
    occlusion_embedding, pointer_positions : bool
        What SAM 2.1 added: a vector for frames that do not show the object, and learnt positions of
        object pointers in time.
    """

    frames: int = 7
    pointers: int = 16
    channels: int = 64
    attention_depth: int = 4
    attention_mlp_dim: int = 2048
    fuser_depth: int = 2
    occlusion_embedding: bool = True
    pointer_positions: bool = True


@dataclass(frozen=True)
class Sam2Config(SamConfig):
    """Everything needed to build a `Sam2` with a given geometry.

    Attributes
    ----------
    memory : MemoryConfig or None
        None for models of single images.
    stability_delta, stability_thresh : float
        The single mask is unstable if moving the cut-off by `stability_delta` logits to either side
        leaves an IoU below `stability_thresh`.
    """

    generation: ClassVar[int] = 2
    stability_delta: ClassVar[float] = 0.05
    stability_thresh: ClassVar[float] = 0.98

    use_skips: bool = True
    everything: EverythingConfig = EverythingConfig(pred_iou_thresh=0.8)
    memory: MemoryConfig | None = MemoryConfig()

    @property
    def stretches(self) -> bool:
        """True: images are stretched to the square that the encoder sees."""
        return True

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as JSON-ready data; `SamConfig.from_dict` is the inverse."""
        return {**super().to_dict(), "generation": self.generation}

    @classmethod
    def _from_fields(cls, data: dict[str, Any]) -> Self:
        memory = data.get("memory")
        return super()._from_fields({**data, "memory": memory and MemoryConfig(**memory)})


def _lists_to_tuples(fields: dict[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}


SMALL_0_1 = "small_0_1"
"""Name of the geometry that anymask 0.1 shipped, under the name "small"."""

VARIANTS: dict[str, SamConfig] = {
    "vit_b": SamConfig("vit_b", ViTConfig(768, 12, 12, (2, 5, 8, 11))),
    "vit_l": SamConfig("vit_l", ViTConfig(1024, 24, 16, (5, 11, 17, 23))),
    "vit_h": SamConfig("vit_h", ViTConfig(1280, 32, 16, (7, 15, 23, 31))),
    "vit_t": SamConfig("vit_t", TinyViTConfig()),
    "small": SamConfig(
        "small",
        EfficientNetLiteConfig(),
        image_size=512,
        prompt_dim=128,
        decoder_heads=4,
        decoder_mlp_dim=512,
        iou_head_hidden_dim=128,
        use_skips=True,
        dense_prompts=True,
        iou_from_masks=True,
        box_margin=0.05,
        keep_clicked=True,
        everything=EverythingConfig(
            pred_iou_thresh=0.4,
            stability_score_thresh=0.6,
            stability_score_offset=0.6,
            box_nms_thresh=0.35,
            min_mask_region_area=100,
            max_mask_share=0.95,
            nms_by="mask",
        ),
    ),
    **{
        f"{generation}_hiera_{size}": Sam2Config(
            f"{generation}_hiera_{size}", encoder, memory=memory
        )
        for generation, memory in (
            ("sam2.1", MemoryConfig()),
            ("sam2", MemoryConfig(occlusion_embedding=False, pointer_positions=False)),
        )
        for size, encoder in PUBLISHED_HIERAS.items()
    },
}
# The model that anymask 0.1 shipped: checkpoints that were fine-tuned from it are of this kind.
VARIANTS[SMALL_0_1] = replace(
    VARIANTS["small"],
    name=SMALL_0_1,
    image_encoder=SmallEncoderConfig(),
    keep_clicked=False,
    everything=replace(VARIANTS["small"].everything, pred_iou_thresh=0.5),
)
