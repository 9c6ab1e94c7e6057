"""The figures of every epoch: how well held-out objects are segmented from a box and a click.

Prompts are exact and always the same: the bounding box, and a click at the object's centre,
for which the candidate with the highest predicted IoU is used. Masks are compared at
half the size of the encoder's input. `anymask.evaluation` makes the full verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from anymask.datasets.sampling import choose_objects
from anymask.evaluation.metrics import dice_of_iou
from anymask.evaluation.records import mean_over_sets
from anymask.evaluation.simulated_clicks import first_click
from anymask.masks.boxes import boxes_of_masks
from anymask.masks.rle import mask_of
from anymask.model.sam import ImageEmbedding, Sam
from anymask.training.finetune.answers import answer
from anymask.training.finetune.prompt_batches import Asked
from anymask.training.finetune.training_images import TrainingImage
from anymask.training.losses import true_iou

# Objects per image, evenly spread by area: many images say more than many objects.
_MOST_OBJECTS = 4


@dataclass(frozen=True, eq=False)
class _Question:
    """The prompts of one image: N objects, by box and by click."""

    image: TrainingImage
    numbers: list[int]
    boxes: Tensor  # (N, 4)
    clicks: Tensor  # (N, 1, 2)


class Validation:
    """Held-out images with prompts for their objects.

    Parameters
    ----------
    images : sequence of TrainingImage
    kinds : sequence of str
        Prompts whose IoU is used to compare epochs: "box", "point".
    """

    def __init__(self, images: Sequence[TrainingImage], kinds: Sequence[str]) -> None:
        self.kinds = tuple(kinds)
        self._questions = [_question(image) for image in images if image.masks]

    @torch.no_grad()
    def __call__(
        self, sam: Sam, encoded: Callable[[TrainingImage], ImageEmbedding], dtype: torch.dtype
    ) -> dict[str, float]:
        """Compute the figures of a model: means over the objects of a set, then over sets.

        Returns
        -------
        dict
            "val_box_iou", "val_box_dice", "val_click_iou", "val_click_dice"; "val_iou_error",
            the mean error of the predicted IoU; "val_score", used to compare epochs: the mean
            IoU over the trained kinds of prompts.
        """
        by_set: dict[str, dict[str, list[float]]] = {}
        for question in self._questions:
            found = by_set.setdefault(question.image.set_name, {})
            for name, values in _answers(sam, encoded(question.image), question, dtype).items():
                found.setdefault(name, []).extend(values)
        means = {s: {n: float(np.mean(v)) for n, v in f.items()} for s, f in by_set.items()}
        figures = mean_over_sets(means)
        shown = {"box": "val_box_iou", "point": "val_click_iou"}
        figures["val_score"] = float(np.mean([figures[shown[kind]] for kind in self.kinds]))
        return figures


def _question(image: TrainingImage) -> _Question:
    numbers = choose_objects([int(c[1::2].sum()) for c in image.masks], _MOST_OBJECTS)
    masks = np.stack([mask_of(image.masks[n], image.input_size) for n in numbers])
    clicks = [first_click(mask)[:2] for mask in masks]
    return _Question(
        image,
        numbers,
        torch.from_numpy(boxes_of_masks(masks)).float(),
        torch.tensor(clicks, dtype=torch.float32)[:, None],
    )


def _answers(
    sam: Sam, image: ImageEmbedding, question: _Question, dtype: torch.dtype
) -> dict[str, list[float]]:
    device, side = sam.device, sam.config.image_size
    full = torch.stack([question.image.mask(n, 0, side) for n in question.numbers])
    targets = (F.avg_pool2d(full[:, None].float(), 2) >= 0.5)[:, 0].to(device)  # (N, S/2, S/2)
    nothing: Any = torch.empty(0)
    N = len(full)
    labels = torch.ones(N, 1, dtype=torch.long, device=device)
    boxes = Asked("box", nothing, nothing, boxes=question.boxes.to(device))
    clicks = Asked("point", nothing, nothing, coords=question.clicks.to(device), labels=labels)
    figures: dict[str, list[float]] = {"val_iou_error": []}
    for name, asked in (("box", boxes), ("click", clicks)):
        low_res, iou = answer(sam, image, asked, dtype)  # (N, M, S/4, S/4), (N, M)
        index = torch.zeros(N, dtype=torch.long, device=device)
        if name == "click" and iou.shape[1] > 1:
            index = 1 + iou[:, 1:].argmax(1)
        everyone = torch.arange(N, device=device)
        chosen = low_res[everyone, index][:, None]
        actual = true_iou(_enlarged(chosen), targets)[:, 0]
        figures[f"val_{name}_iou"] = actual.tolist()
        figures[f"val_{name}_dice"] = [dice_of_iou(value) for value in actual.tolist()]
        figures["val_iou_error"] += (iou[everyone, index] - actual).abs().tolist()
    return figures


class ClassValidation:
    """Held-out images for semantic mode.

    Parameters
    ----------
    images : sequence of TrainingImage
    classes : int
    """

    def __init__(self, images: Sequence[TrainingImage], classes: int) -> None:
        self._images, self._classes = list(images), classes

    @torch.no_grad()
    def __call__(
        self, sam: Sam, encoded: Callable[[TrainingImage], ImageEmbedding], dtype: torch.dtype
    ) -> dict[str, float]:
        """Compute IoU of each class over all pixels of all images, and mean IoU and Dice."""
        from anymask.training.finetune.semantic_training import ask_for_classes, class_answers

        overlap, union = np.zeros(self._classes), np.zeros(self._classes)
        for image in self._images:
            asked = ask_for_classes([(image, 0)], self._classes, sam.config, sam.device)
            low_res, _ = class_answers(sam, encoded(image), asked, dtype)  # (1, K, S/4, S/4)
            won = _winners(_enlarged(low_res))[0].cpu().numpy()  # (K, S/2, S/2)
            true = (asked.targets[0] > 0.5).cpu().numpy()
            overlap += (won & true).sum((1, 2))
            union += (won | true).sum((1, 2))
        present = union > 0
        ious = overlap[present] / union[present]
        mean = float(ious.mean()) if present.any() else 0.0
        names = [f"val_class{i}_iou" for i in np.flatnonzero(present)]
        dice = float(np.mean([dice_of_iou(v) for v in ious])) if present.any() else 0.0
        each: dict[str, float] = dict(zip(names, ious.tolist(), strict=True))
        return {"val_iou": mean, "val_dice": dice, **each, "val_score": mean}


def _enlarged(low_res: Tensor) -> Tensor:
    """Enlarge logits to (N, M, S/2, S/2), the size used in training (`losses_in_use`)."""
    return F.interpolate(low_res, scale_factor=2, mode="bilinear")


def _winners(logits: Tensor) -> Tensor:
    """Return where each class has the highest logit, and one above 0 (background)."""
    best = logits.amax(1, keepdim=True)
    return (logits == best) & (logits > 0)
