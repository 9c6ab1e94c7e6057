"""Predictions for prompts during training, and their loss."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from anymask.model.sam import ImageEmbedding, Sam
from anymask.training.answering import answer_prompts
from anymask.training.finetune.prompt_batches import Asked
from anymask.training.losses import ambiguous_loss
from anymask.training.losses_in_use import losses_in_use

# Weight of the loss of the candidate masks; lower if the prompt is not ambiguous.
_CANDIDATE_WEIGHT = {"point": 1.0, "box": 0.5, "refined": 0.25}


def answer(
    sam: Sam, image: ImageEmbedding, asked: Asked, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Predict all masks of the decoder for prompts.

    Returns
    -------
    low_res : (N, M, 4·h, 4·w) float32 tensor
        Logits, cropped to the box as in prediction.
    iou : (N, M) float32 tensor
    """
    with torch.autocast(sam.device.type, dtype, enabled=dtype != torch.float32):
        return answer_prompts(sam, image, asked.coords, asked.labels, asked.boxes, asked.previous)


def answer_loss(
    low_res: Tensor, iou: Tensor, asked: Asked, kind: str
) -> tuple[Tensor, dict[str, float]]:
    """Return the loss of predictions, and their mean IoU by kind of prompt.

    The first mask learns from every prompt, the candidates mostly from single points; the predicted
    IoU learns the true IoU.

    Parameters
    ----------
    low_res, iou : tensors
        From `answer`.
    asked : Asked
    kind : str
        One of `MASK_LOSSES`.
    """
    losses, actual = losses_in_use(low_res, asked.targets, kind)  # (N, M)
    loss = losses[:, 0].mean() + F.mse_loss(iou, actual)
    if losses.shape[1] > 1:
        loss = loss + _CANDIDATE_WEIGHT[asked.kind] * ambiguous_loss(losses[:, 1:])
    best = actual[:, 1:].amax(1) if asked.kind == "point" else actual[:, 0]
    return loss, {asked.kind: best.mean().item()}
