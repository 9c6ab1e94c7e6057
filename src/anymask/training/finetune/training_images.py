"""Training images for the loop: their place, objects and views.

Masks are stored as run lengths at the size of the encoder's input, so that hundreds of objects per
image take little memory; a step unpacks only the few masks it needs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anymask.datasets.types import Example
from anymask.evaluation.records import shrink_mask
from anymask.images.resize import resize_for
from anymask.masks.rle import Counts, counts_of, mask_of


@dataclass(frozen=True, eq=False)
class TrainingImage:
    """One image of a data set, without its pixels.

    Attributes
    ----------
    index : int
        Its index in the data set.
    set_name, name : str
    size : tuple of int
        Height and width on disk.
    input_size : tuple of int
        Height and width in the encoder's input, without padding.
    pixels_hash : str
        SHA-256 of the pixels in the encoder's input.
    masks : tuple of arrays
        Run lengths of each object in the encoder's input.
    class_ids : tuple of int
        The class of each object, if the data set has classes.
    """

    index: int
    set_name: str
    name: str
    size: tuple[int, int]
    input_size: tuple[int, int]
    pixels_hash: str
    masks: tuple[Counts, ...]
    class_ids: tuple[int, ...] = ()

    def scales(self, view: int) -> tuple[float, float]:
        """Pixels of the encoder's input per pixel of the image on disk, in x and y of a view."""
        y, x = (new / old for new, old in zip(self.input_size, self.size, strict=True))
        return (y, x) if view & 4 else (x, y)

    def mask(self, number: int, view: int, side: int) -> Tensor:
        """Return an object in a view of the image, (side, side) bool, padded right and below."""
        return on_canvas(turned(mask_of(self.masks[number], self.input_size), view), side)


def resized(example: Example, side: int, stretches: bool = False) -> NDArray[np.uint8]:
    """Resize the image of an example for the encoder, by its longest side or to a square."""
    return resize_for(side, stretches).apply_image(np.ascontiguousarray(example.image))


def describe(
    example: Example, index: int, side: int, stretches: bool = False
) -> tuple[TrainingImage, NDArray[np.uint8]]:
    """Make a `TrainingImage` from an example; return it with its resized pixels."""
    pixels = resized(example, side, stretches)
    h, w = pixels.shape[:2]
    class_ids = tuple(getattr(example, "class_ids", ()) or ())
    masks, kept = [], []
    for number, mask in enumerate(example.masks):
        small = shrink_mask(np.asarray(mask, bool), (h, w))
        if small.any():  # a small speck may disappear
            masks.append(counts_of(small))
            kept += [class_ids[number]] if class_ids else []
    digest = hashlib.sha256(f"{h} {w} ".encode() + pixels.tobytes()).hexdigest()
    size = example.image.shape[0], example.image.shape[1]
    image = TrainingImage(
        index, example.set_name, example.name, size, (h, w), digest, tuple(masks), tuple(kept)
    )
    return image, pixels


def fingerprint(images: Sequence[TrainingImage]) -> str:
    """Hash names, pixels and masks of images, in order (SHA-256)."""
    digest = hashlib.sha256()
    for image in images:
        digest.update(f"{image.set_name}/{image.name} {image.pixels_hash}".encode())
        for counts in image.masks:
            digest.update(np.asarray(counts, np.int64).tobytes())
        digest.update(str(image.class_ids).encode())
    return digest.hexdigest()


def turned(array: NDArray, view: int) -> NDArray:
    """Rotate and mirror an array (H, W, …) in one of eight ways; view 0 returns it unchanged.

    Examples
    --------
    >>> [turned(np.array([[1, 2]]), view).tolist() for view in (0, 1, 2, 4)]
    [[[1, 2]], [[2, 1]], [[1, 2]], [[1], [2]]]
    """
    if view & 1:
        array = array[:, ::-1]
    if view & 2:
        array = array[::-1]
    if view & 4:
        array = array.swapaxes(0, 1)
    return array


def on_canvas(array: NDArray, side: int) -> Tensor:
    """Copy an array (h, w, …) to the top left of zeros (side, side, …)."""
    canvas = np.zeros((side, side, *array.shape[2:]), array.dtype)
    canvas[: array.shape[0], : array.shape[1]] = array
    return torch.from_numpy(canvas)
