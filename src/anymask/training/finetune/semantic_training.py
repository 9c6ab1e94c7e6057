"""Semantic mode: the model learns to mark all pixels of each class, not single objects.

It needs no new kind of model: the prompt is a box around the whole image, and each of the decoder's
candidate masks, which otherwise compete for one object, gets a class. With one class, it is the
single mask, as in `anymask semantic`. Up to three classes keep the published geometry;
for more, candidates are added (as in SAMed, arXiv 2304.13785), and the saved file records the
geometry. A pixel gets the class with the highest logit, or background if none is above 0.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from anymask.masks.rle import mask_of
from anymask.model.config import SamConfig
from anymask.model.sam import ImageEmbedding, Sam
from anymask.training.finetune.answers import answer
from anymask.training.finetune.prompt_batches import Asked
from anymask.training.finetune.settings import FineTuneError
from anymask.training.finetune.training_images import TrainingImage, on_canvas, turned
from anymask.training.losses_in_use import losses_in_use


def class_names(data: object, images: Sequence[TrainingImage]) -> tuple[str, ...]:
    """Return the classes of a data set; a single class if it declares none.

    Raises
    ------
    FineTuneError
        If the class of an object is not declared.
    """
    declared = tuple(getattr(data, "classes", ()) or ())
    highest = max((c for image in images for c in image.class_ids), default=-1)
    if not declared:
        return tuple(f"class {i}" for i in range(highest + 1)) or ("object",)
    for image in images:
        wrong = [c for c in image.class_ids if c >= len(declared)]
        if wrong:
            raise FineTuneError(
                f"{image.set_name}/{image.name} has an object of class {wrong[0]}, but only "
                f"{len(declared)} classes are declared (0 to {len(declared) - 1}); declare all."
            )
    return declared


def widen(sam: Sam, classes: int) -> None:
    """Give the decoder one candidate mask per class, if it has fewer.

    New candidates start as copies of the mask for unambiguous prompts.
    """
    decoder, extra = sam.mask_decoder, classes - sam.config.num_multimask_outputs
    if classes == 1 or extra <= 0:
        return
    tokens = decoder.mask_tokens.weight.detach()
    decoder.mask_tokens = nn.Embedding.from_pretrained(
        torch.cat([tokens, tokens[:1].expand(extra, -1)]), freeze=False
    )
    mlps = decoder.output_hypernetworks_mlps
    mlps.extend(copy.deepcopy(mlps[0]) for _ in range(extra))
    if not decoder.iou_from_masks:
        last = decoder.iou_prediction_head.layers[-1]
        assert isinstance(last, nn.Linear)
        wider = nn.Linear(last.in_features, last.out_features + extra).to(last.weight)
        with torch.no_grad():
            wider.weight.copy_(torch.cat([last.weight, last.weight[:1].expand(extra, -1)]))
            wider.bias.copy_(torch.cat([last.bias, last.bias[:1].expand(extra)]))
        decoder.iou_prediction_head.layers[-1] = wider
    decoder.num_mask_tokens = classes + 1
    sam.config = replace(sam.config, num_multimask_outputs=classes)


def ask_for_classes(
    views: Sequence[tuple[TrainingImage, int]],
    classes: int,
    config: SamConfig,
    device: torch.device,
) -> Asked:
    """Make the prompts for all classes of each view: a box around the image.

    Returns
    -------
    Asked
        With (B, K, S/2, S/2) targets.
    """
    side, targets, boxes = config.image_size, [], []
    for image, view in views:
        whole = torch.zeros(classes, side, side)
        ids = image.class_ids or (0,) * len(image.masks)
        for counts, number in zip(image.masks, ids, strict=True):
            if number >= 0:
                mask = turned(mask_of(counts, image.input_size), view)
                whole[number] = torch.maximum(whole[number], on_canvas(mask, side).float())
        h, w = image.input_size[::-1] if view & 4 else image.input_size
        targets.append(F.avg_pool2d(whole[None], 2)[0])
        boxes.append([0.0, 0.0, w - 1.0, h - 1.0])
    nothing = torch.empty(0, device=device)
    return Asked(
        "box", torch.stack(targets).to(device), nothing, boxes=torch.tensor(boxes, device=device)
    )


def class_answers(
    sam: Sam, image: ImageEmbedding, asked: Asked, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Predict the mask of each class, (B, K, S/4, S/4) logits, and its IoU (B, K)."""
    low_res, iou = answer(sam, image, asked, dtype)
    K = asked.targets.shape[1]
    chosen = slice(0, 1) if K == 1 else slice(1, K + 1)
    return low_res[:, chosen], iou[:, chosen]


def class_loss(
    low_res: Tensor, iou: Tensor, asked: Asked, kind: str
) -> tuple[Tensor, dict[str, float]]:
    """Return the loss of all classes, and their mean IoU in images that contain the class."""
    losses, actual = losses_in_use(low_res, asked.targets, kind)  # (B, K)
    present = (asked.targets > 0.5).any(3).any(2)
    loss = losses.mean() + F.mse_loss(iou[present], actual[present]) if present.any() else None
    mean = actual[present].mean().item() if present.any() else float("nan")
    return (losses.mean() if loss is None else loss), {"classes": mean}
