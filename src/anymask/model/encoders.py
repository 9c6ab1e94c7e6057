"""The interface of a kind of image encoder.

A kind is a frozen dataclass of plain numbers below `EncoderConfig`. It builds the network, is
recognised in a checkpoint by the shapes of its tensors, and says what training needs to know.
Nothing else in the package asks which kind it is. Nothing here imports torch.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

if TYPE_CHECKING:
    from torch import nn

Shapes = Mapping[str, tuple[int, ...]]
"""Shapes of a checkpoint's tensors under Meta's names."""

PREFIX = "image_encoder."
"""Prefix of the names of an encoder's tensors in a checkpoint."""


class EncoderConfig:
    """Base of all configurations of image encoders.

    A subclass is a frozen dataclass whose fields are numbers and tuples of numbers, so that it can
    be stored as JSON.

    Attributes
    ----------
    kind : str
        The name in files; see `encoder_kinds`.
    patch_size : int
        Side in pixels of the input's square that becomes one cell of the embedding.
    low_rank : dict
        The layers that low-rank fine-tuning updates, by the last part of their name: "all" rows of
        their weight, or those of queries and values in a joint projection ("qv").
    """

    kind: ClassVar[str]
    low_rank: ClassVar[Mapping[str, Literal["all", "qv"]]] = {}
    patch_size: int

    @property
    def size_step(self) -> int:
        """Sides of the input are multiples of this."""
        return self.patch_size

    def build(self, image_size: int, out_chans: int) -> nn.Module:
        """Build the network with random weights.

        It maps normalised images (B, 3, H, W) to an embedding (B, `out_chans`, h, w) with cells of
        `patch_size` pixels. It may return a tuple: the embedding, then features (B, C/4, 2·h, 2·w)
        and (B, C/8, 4·h, 4·w) for the mask decoder's upscaling.

        Parameters
        ----------
        image_size : int
            Side of the square input in pixels.
        out_chans : int
            Channels C of the embedding.
        """
        raise NotImplementedError

    @classmethod
    def from_shapes(cls, shapes: Shapes) -> tuple[Self, int | None] | None:
        """Derive the configuration from a checkpoint, if it has an encoder of this kind.

        Parameters
        ----------
        shapes : mapping of str to tuple of int

        Returns
        -------
        (config, image_size) or None
            The input size is None if the tensors do not show it.

        Raises
        ------
        KeyError
            If it is of this kind and a tensor is missing.
        ValueError, IndexError, ZeroDivisionError
            If it is of this kind and shapes contradict each other.
        """
        raise NotImplementedError

    @property
    def in_words(self) -> str:
        """A few words for messages, such as "ViT of width 768 and depth 12"."""
        raise NotImplementedError

    def activation_bytes(self, image_size: int, training: bool) -> float:
        """Approximate memory for encoding one image in float32, in bytes.

        Parameters
        ----------
        image_size : int
        training : bool
            Include the memory for gradients.
        """
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """Return the kind and all fields as JSON-ready data."""
        return {"kind": self.kind, **asdict(self)}  # type: ignore[call-overload]


def count_children(shapes: Iterable[str], prefix: str) -> int:
    """Return how many numbered children `prefix` has, counted from 0 without a gap.

    Raises
    ------
    KeyError
        If one is missing, or there are none.

    Examples
    --------
    >>> count_children(["blocks.0.w", "blocks.1.w", "blocks.1.b"], "blocks.")
    2
    """
    number = re.compile(re.escape(prefix) + r"(\d+)\.")
    found = {int(m[1]) for name in shapes if (m := number.match(name))}
    if found != set(range(len(found))) or not found:
        raise KeyError(f"{prefix}{min(set(range(len(found) + 1)) - found)}")
    return len(found)
