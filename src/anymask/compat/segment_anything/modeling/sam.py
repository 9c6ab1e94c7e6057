"""`Sam` from its three parts, as Meta's class is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from torch import nn

from anymask.checkpoints.geometry import config_from_shapes
from anymask.compat.segment_anything.modeling.image_encoder import ImageEncoderViT
from anymask.compat.segment_anything.modeling.mask_decoder import MaskDecoder
from anymask.compat.segment_anything.modeling.prompt_encoder import PromptEncoder
from anymask.errors import CheckpointError
from anymask.model.config import EncoderConfig, SamConfig
from anymask.model.sam import Sam as OwnSam

__all__ = ["ImageEncoderViT", "MaskDecoder", "PromptEncoder", "Sam"]


class Sam(OwnSam):
    """`anymask.Sam` that is made from its parts.

    Parameters
    ----------
    image_encoder, prompt_encoder, mask_decoder : torch.nn.Module
        The encoder has its input's side as `img_size`, the prompt encoder the size of the
        embedding as `image_embedding_size`.
    pixel_mean, pixel_std : sequence of float
        Of 0-255 RGB.
    """

    def __init__(
        self,
        image_encoder: nn.Module,
        prompt_encoder: PromptEncoder,
        mask_decoder: MaskDecoder,
        pixel_mean: Sequence[float] = (123.675, 116.28, 103.53),
        pixel_std: Sequence[float] = (58.395, 57.12, 57.375),
    ) -> None:
        parts = image_encoder, prompt_encoder, mask_decoder
        red, green, blue = map(float, pixel_mean)
        config = replace(_config_of(*parts), pixel_mean=(red, green, blue))
        red, green, blue = map(float, pixel_std)
        super().__init__(replace(config, pixel_std=(red, green, blue)), *parts)


def joined(model: OwnSam) -> Sam:
    """The parts of a model as a `Sam`."""
    sam: Sam = Sam.__new__(Sam)
    parts = model.image_encoder, model.prompt_encoder, model.mask_decoder
    OwnSam.__init__(sam, model.config, *parts)
    sam.rounded_from = model.rounded_from
    return sam


@dataclass(frozen=True)
class OtherEncoderConfig(EncoderConfig):
    """An image encoder that a program brought itself."""

    kind: ClassVar[str] = "other"

    patch_size: int = 16

    @property
    def in_words(self) -> str:
        """A few words for messages."""
        return "an encoder of another program"


def _config_of(
    image_encoder: nn.Module, prompt_encoder: nn.Module, mask_decoder: nn.Module
) -> SamConfig:
    """The geometry of a model, as far as its parts show it."""
    parts = nn.ModuleDict(
        {
            "image_encoder": image_encoder,
            "prompt_encoder": prompt_encoder,
            "mask_decoder": mask_decoder,
        }
    )
    size = getattr(image_encoder, "img_size", 1024)
    image_size = int(size[0] if isinstance(size, Sequence) else size)
    shapes = {name: tuple(tensor.shape) for name, tensor in parts.state_dict().items()}
    heads = getattr(getattr(mask_decoder, "transformer", None), "num_heads", None)
    try:
        config = config_from_shapes(shapes, "the model", heads)
    except CheckpointError:
        rows, _ = getattr(prompt_encoder, "image_embedding_size", (image_size // 16,) * 2)
        dim = getattr(prompt_encoder, "embed_dim", 256)
        config = SamConfig("custom", OtherEncoderConfig(image_size // rows), prompt_dim=dim)
    return replace(config, image_size=image_size)
