"""What a person said about one object in one frame."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.nn import functional as F

from anymask.errors import PromptError
from anymask.images.resize import ResizeLongestSide
from anymask.model.sam2.following import FramePrompt
from anymask.model.sam2.sam2 import Sam2
from anymask.predict.checked_prompts import check_prompts


@dataclass(frozen=True, eq=False)
class Said:
    """All prompts of one object in one frame, in pixels of the frame.

    Attributes
    ----------
    coords, labels : (P, 2) and (P,) arrays, or None
    box : (4,) array or None
        XYXY.
    mask : (H, W) bool array or None
        Never together with the others.
    """

    coords: NDArray[np.float64] | None = None
    labels: NDArray[np.int64] | None = None
    box: NDArray[np.float64] | None = None
    mask: NDArray[np.bool_] | None = None


def joined(
    before: Said,
    size: tuple[int, int],
    point_coords: ArrayLike | None,
    point_labels: ArrayLike | None,
    box: ArrayLike | None,
    mask: ArrayLike | None,
) -> Said:
    """Check what is said now, and add it to what was said before.

    Parameters
    ----------
    before : Said
    size : tuple of int
        Height and width of the frame.
    point_coords, point_labels, box, mask
        As in `SamTracker.add`.

    Raises
    ------
    PromptError
        If nothing is said, or a prompt is malformed or outside the frame.
    """
    if mask is not None:
        if not (point_coords is None and point_labels is None and box is None):
            raise PromptError("A mask was given beside points or a box; give one or the other.")
        array = np.asarray(mask)
        if array.shape != size:
            shape = "×".join(map(str, array.shape))
            raise PromptError(
                f"The mask has the shape {shape}, but frames are {size[0]} high and {size[1]} "
                "wide; give one of that shape."
            )
        return Said(mask=array > 0)
    if point_coords is None and point_labels is None and box is None:
        raise PromptError("Nothing is said about the object; give points, a box or a mask.")
    checked = check_prompts(point_coords, point_labels, box, None, image_size=size, mask_size=1)
    if checked.batched:
        raise PromptError("These are prompts of several objects; add one object at a time.")
    said = replace(before, mask=None)
    if checked.point_coords is not None and checked.point_labels is not None:
        coords, labels = checked.point_coords[0], checked.point_labels[0]
        if said.coords is not None and said.labels is not None:
            coords = np.concatenate([said.coords, coords])
            labels = np.concatenate([said.labels, labels])
        said = replace(said, coords=coords, labels=labels)
    if checked.boxes is not None:
        said = replace(said, box=checked.boxes[0])
    return said


def frame_prompt(said: Said, transform: ResizeLongestSide, size: tuple[int, int]) -> FramePrompt:
    """Return points and box in pixels of the encoder's input."""
    coords = labels = boxes = None
    if said.coords is not None and said.labels is not None:
        scaled = transform.apply_coords(said.coords, size)
        coords = torch.as_tensor(scaled, dtype=torch.float32)[None]
        labels = torch.as_tensor(said.labels)[None]
    if said.box is not None:
        boxes = torch.as_tensor(transform.apply_boxes(said.box, size), dtype=torch.float32)
    return FramePrompt(coords, labels, boxes)


def mask_tensor(mask: NDArray[np.bool_], model: Sam2) -> Tensor:
    """Return a mask stretched to the encoder's input, (1, 1, S, S), 0 and 1."""
    values = torch.from_numpy(mask).float()[None, None].to(model.device)
    size = (model.config.image_size,) * 2
    if values.shape[2:] != size:
        values = F.interpolate(values, size, mode="bilinear", align_corners=False, antialias=True)
    return (values >= 0.5).float()
