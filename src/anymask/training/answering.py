"""Predictions during training, shared by pretraining and fine-tuning."""

from __future__ import annotations

from torch import Tensor

from anymask.model.sam import ImageEmbedding, Sam, cut_at_boxes


def answer_prompts(
    sam: Sam,
    image: ImageEmbedding,
    coords: Tensor | None,
    labels: Tensor | None,
    boxes: Tensor | None,
    previous: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Predict the masks of N prompts, with all mask tokens of the decoder.

    Parameters
    ----------
    sam : Sam
    image : ImageEmbedding
    coords, labels : (N, P, 2) and (N, P) tensors, or None
        Points as (x, y) in pixels of the encoder's input.
    boxes : (N, 4) tensor or None
        XYXY in the same pixels.
    previous : (N, 1, 4·h, 4·w) tensor or None
        Logits of an earlier prediction.

    Returns
    -------
    low_res : (N, M, 4·h, 4·w) float32 tensor
        Logits, cut at the box as in prediction.
    iou : (N, M) float32 tensor
    """
    points = None if coords is None or labels is None else (coords, labels)
    sparse, dense = sam.prompt_encoder(points, boxes, previous)
    low_res, iou = sam.mask_decoder.predict_masks(
        image.embedding,
        sam.prompt_encoder.get_dense_pe(),
        sparse,
        dense,
        range(sam.mask_decoder.num_mask_tokens),
        image.skips,
    )
    low_res = low_res.float()
    if boxes is not None and sam.config.box_margin is not None:
        low_res = cut_at_boxes(low_res, boxes, sam.config)
    return low_res, iou.float()
