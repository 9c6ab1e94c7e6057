"""Number of clicks (NoC), the usual figure for comparing interactive segmentation.

A careful user (`clicks`) clicks until the mask is good enough, at most twenty times (as in RITM,
arXiv 2102.06583, section 5.1). An object that never becomes good enough counts as twenty.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch

from anymask.datasets.types import Example
from anymask.evaluation.metrics import mask_iou
from anymask.evaluation.protocols import PromptedImage
from anymask.evaluation.records import Target, targets_of
from anymask.evaluation.simulated_clicks import next_click
from anymask.masks.clicked import keep_clicked
from anymask.model.sam import Sam


class ClickedObject(NamedTuple):
    """The result of clicking on one object.

    Attributes
    ----------
    set_name, image : str
    ious : list of float
        IoU after each click.
    """

    set_name: str
    image: str
    ious: list[float]

    def clicks_to(self, iou: float, most: int) -> int:
        """The number of clicks needed to reach an IoU, or `most` if it was not reached.

        Examples
        --------
        >>> ClickedObject("coco", "dog", [0.4, 0.86, 0.91]).clicks_to(0.85, 20)
        2
        """
        return next((n for n, found in enumerate(self.ious, 1) if found >= iou), most)


@torch.inference_mode()
def click_objects(
    sam: Sam,
    examples: Iterable[Example],
    *,
    until: float = 0.9,
    most: int = 20,
    max_objects: int | None = 1,
) -> list[ClickedObject]:
    """Click on objects until their masks are good enough.

    The first click keeps the candidate with the highest predicted IoU. Further clicks are answered
    with one mask, given the logits of the last prediction. Regions without a click are dropped if
    the model's configuration says so, as in `SamPredictor`.

    Parameters
    ----------
    sam : Sam
    examples : iterable of Example
    until : float
        Stop at this IoU.
    most : int
        Stop after this many clicks.
    max_objects : int or None
        At most this many objects per image, evenly spread by area; None for all.
    """
    found = []
    for example in examples:
        targets = targets_of(example, max_objects)
        if not targets:
            continue
        prompted = PromptedImage(sam, example.image)
        for target in targets:
            ious = _click(prompted, target, until, most)
            found.append(ClickedObject(example.set_name, example.name, ious))
    return found


def _click(prompted: PromptedImage, target: Target, until: float, most: int) -> list[float]:
    points, labels = [list(target.click[:2])], [1]
    low_res, ious = None, []
    for number in range(most):
        answer = prompted.ask(
            points=[points], labels=[labels], low_res=low_res, multimask_output=number == 0
        )
        best = int(answer.predicted_iou[0].argmax())
        mask = answer.masks[0, best]
        if prompted.sam.config.keep_clicked:
            mask = keep_clicked(mask, np.array(points)[np.array(labels) == 1])
        low_res = answer.low_res[:, best : best + 1]
        ious.append(mask_iou(mask, target.mask))
        click = next_click(mask, target.mask)
        if ious[-1] >= until or click is None:
            break
        points.append([click.x, click.y])
        labels.append(click.label)
    return ious
