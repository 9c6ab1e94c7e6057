"""An image as the image encoder returns it and the mask decoder takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor


class ImageEmbedding(NamedTuple):
    """What the image encoder knows of a batch of images.

    Its arrays are tensors, or NumPy arrays of a model in ONNX Runtime.

    Attributes
    ----------
    embedding : (B, C, h, w) tensor
    skips : tuple of tensors
        (B, C/4, 2·h, 2·w) and (B, C/8, 4·h, 4·w) where the model has them, else nothing.
    """

    embedding: Tensor
    skips: tuple[Tensor, ...] = ()

    def image(self, index: int) -> ImageEmbedding:
        """Return one image of the batch, as a batch of one."""
        one = slice(index, index + 1)
        return ImageEmbedding(self.embedding[one], tuple(s[one] for s in self.skips))
