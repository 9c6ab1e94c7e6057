"""The few functions of torchvision that the `segment-anything` wheel imports.

torchvision is only published for some builds of torch. `install_torchvision_stand_in` gives the
wheel what it needs of it: the resizing of 8-bit pictures (Pillow's, which torchvision calls too),
box areas and non-maximum suppression. Benchmarks call it before they import the wheel.
"""

from __future__ import annotations

import sys
from types import ModuleType

import numpy as np
import torch
from PIL import Image
from torch import Tensor


def install_torchvision_stand_in() -> None:
    """Let ``import segment_anything`` work without torchvision."""
    modules = {
        "torchvision": {},
        "torchvision.ops": {},
        "torchvision.ops.boxes": {"batched_nms": batched_nms, "box_area": box_area},
        "torchvision.transforms": {},
        "torchvision.transforms.functional": {"resize": resize, "to_pil_image": to_pil_image},
    }
    for name, contents in modules.items():
        module = ModuleType(name)
        for key, value in contents.items():
            setattr(module, key, value)
        sys.modules[name] = module
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, module)


def to_pil_image(image: np.ndarray) -> Image.Image:
    """An (H, W, 3) uint8 array as a Pillow image."""
    return Image.fromarray(image)


def resize(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """A Pillow image resized to `size` (height, width), bilinear with antialiasing."""
    height, width = size
    return image.resize((width, height), Image.Resampling.BILINEAR)


def box_area(boxes: Tensor) -> Tensor:
    """Areas (N,) of XYXY boxes (N, 4)."""
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def batched_nms(boxes: Tensor, scores: Tensor, idxs: Tensor, iou_threshold: float) -> Tensor:
    """Greedy suppression among the boxes of each group.

    Parameters
    ----------
    boxes : Tensor
        (N, 4) XYXY.
    scores : Tensor
        (N,)
    idxs : Tensor
        (N,), the group of each box.
    iou_threshold : float
        A box goes when its IoU with a better box of its group is above this.

    Returns
    -------
    Tensor
        Indices of the boxes that stay, best first.
    """
    waiting = torch.argsort(scores, descending=True, stable=True)
    kept: list[Tensor] = []
    while len(waiting):
        best, rest = waiting[0], waiting[1:]
        kept.append(best)
        corner_min = torch.maximum(boxes[best, :2], boxes[rest, :2])
        corner_max = torch.minimum(boxes[best, 2:], boxes[rest, 2:])
        common = (corner_max - corner_min).clamp(min=0).prod(dim=1)
        union = box_area(boxes[best][None]) + box_area(boxes[rest]) - common
        suppressed = (common / union > iou_threshold) & (idxs[rest] == idxs[best])
        waiting = rest[~suppressed]
    return torch.stack(kept) if kept else torch.empty(0, dtype=torch.int64, device=boxes.device)
