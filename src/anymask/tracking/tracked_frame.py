"""What is known of the objects in one frame."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from anymask.masks.labels import label_dtype
from anymask.masks.mask_set import MaskSet


@dataclass(frozen=True, eq=False)
class TrackedFrame:
    """The objects in one frame.

    Attributes
    ----------
    frame : int
        Index of the frame, from 0.
    ids : tuple of int
        The objects, in the order in which they were added.
    low_res : (N, h, w) float32 array
        Logits of their masks, low-resolution.
    presence : (N,) float32 array
        Logits of whether the frame shows the object; below 0 its mask is empty.
    predicted_iou : (N,) float32 array
        The model's estimate of each mask's quality.
    image_size : tuple of int
        Height and width of the frame.
    """

    frame: int
    ids: tuple[int, ...]
    low_res: NDArray[np.float32]
    presence: NDArray[np.float32]
    predicted_iou: NDArray[np.float32]
    image_size: tuple[int, int]

    def logits(self, number: int) -> NDArray[np.float32]:
        """Return the logits of one object at the size of the frame, (H, W) float32."""
        low_res = torch.from_numpy(self.low_res[number])[None, None]
        logits = F.interpolate(low_res, self.image_size, mode="bilinear", align_corners=False)
        return logits[0, 0].numpy()

    @cached_property
    def masks(self) -> NDArray[np.bool_]:
        """The masks, (N, H, W) bool; they may overlap."""
        masks = np.empty((len(self.ids), *self.image_size), bool)
        for number in range(len(self.ids)):
            masks[number] = self.logits(number) > 0
        return masks

    @cached_property
    def labels(self) -> NDArray[np.unsignedinteger]:
        """A label image (H, W): each pixel the id of the object whose logit is highest, or 0."""
        labels = np.zeros(self.image_size, label_dtype(max(self.ids, default=1)))
        highest = np.zeros(self.image_size, np.float32)
        for number, object_id in enumerate(self.ids):
            logits = self.logits(number)
            inside = logits > highest
            labels[inside] = object_id
            highest[inside] = logits[inside]
        return labels

    def mask_set(self) -> MaskSet:
        """Return the masks that are not empty, with their ids and predicted IoU."""
        shown = np.flatnonzero(self.masks.any((1, 2)))
        if not len(shown):
            return MaskSet.from_counts(self.image_size, [])
        found = MaskSet.from_masks(self.masks[shown], predicted_iou=self.predicted_iou[shown])
        return found.with_ids(np.array(self.ids)[shown])
