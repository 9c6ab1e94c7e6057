"""Split prompts into pieces whose image tokens fit into a processor's caches.

The decoder runs the image tokens of a prompt through a dozen steps. On a CPU, most of these are
limited by memory speed, so it decodes a few prompts at a time; a GPU takes all at once.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

_BYTES = 1 << 22  # image tokens per piece


class Piece(NamedTuple):
    """Some of the prompts, and their images."""

    prompts: slice
    images: slice


WHOLE = Piece(slice(None), slice(None))
"""All prompts and all images, which need not be counted."""


def cut(prompts: int, images: int, most: int) -> list[Piece]:
    """Cut N = B·P prompts of B images, in order, into pieces of about `most` prompts.

    A piece holds some prompts of one image, or all prompts of some images.

    Examples
    --------
    >>> cut(3, 1, 2)
    [Piece(prompts=slice(0, 2, None), images=slice(0, 1, None)), \
Piece(prompts=slice(2, 3, None), images=slice(0, 1, None))]
    """
    each = prompts // images
    if each <= most:
        step = most // each
        starts = range(0, images, step)
        return [
            Piece(slice(b * each, min(b + step, images) * each), slice(b, min(b + step, images)))
            for b in starts
        ]
    return [
        Piece(slice(b * each + i, b * each + min(i + most, each)), slice(b, b + 1))
        for b in range(images)
        for i in range(0, each, most)
    ]


def prompts_in_a_piece(image: Tensor) -> int:
    """Number of prompts to decode at a time on a CPU, for image tokens (B, S, C)."""
    return max(1, _BYTES // (image.element_size() * image[0].numel()))
