"""An image encoder: a linear projection of patches."""

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from anymask.model.encoders import PREFIX, EncoderConfig


@dataclass(frozen=True)
class PatchesConfig(EncoderConfig):
    """The encoder's configuration, stored in the files of its models."""

    kind: ClassVar[str] = "patches"
    patch_size: int = 16

    def build(self, image_size: int, out_chans: int) -> nn.Module:
        """Normalised images (B, 3, H, W) to an embedding (B, out_chans, h, w)."""
        project = nn.Conv2d(3, out_chans, self.patch_size, stride=self.patch_size)
        return nn.Sequential(project, nn.GELU())

    @classmethod
    def from_shapes(cls, shapes):
        """Recognise it in a checkpoint that has no configuration."""
        weight = shapes.get(PREFIX + "0.weight")
        return None if weight is None else (cls(weight[-1]), None)

    @property
    def in_words(self):
        return f"patches of {self.patch_size} pixels"

    def activation_bytes(self, image_size, training):
        return 4.0 * 256 * (image_size / self.patch_size) ** 2
