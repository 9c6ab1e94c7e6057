"""Prompt encoder, mask decoder and enlargement as one module, for export to ONNX."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from anymask.compat.segment_anything.modeling.sam import Sam
from anymask.compat.segment_anything.utils.amg import calculate_stability_score

__all__ = ["Sam", "SamOnnxModel", "calculate_stability_score"]

# Up to two points, of which one fills up, the prompt is ambiguous; the weight outdoes any score.
_MOST_AMBIGUOUS_POINTS = 2.5
_WEIGHT = 1000.0


class SamOnnxModel(nn.Module):
    """The contract of Meta's exported decoder: one image, one object, any number of points.

    Parameters
    ----------
    model : Sam
    return_single_mask : bool
        Return the best candidate only: the single mask for three points and more, otherwise one of
        the three.
    use_stability_score : bool
        Return stability scores in place of predicted IoU.
    return_extra_metrics : bool
        Also return stability scores and areas at the image's size.
    """

    def __init__(
        self,
        model: Sam,
        return_single_mask: bool,
        use_stability_score: bool = False,
        return_extra_metrics: bool = False,
    ) -> None:
        super().__init__()
        self.model = model
        self.mask_decoder = model.mask_decoder
        self.img_size = model.config.image_size
        self.return_single_mask = return_single_mask
        self.use_stability_score = use_stability_score
        self.stability_score_offset = 1.0
        self.return_extra_metrics = return_extra_metrics

    @staticmethod
    def resize_longest_image_size(input_image_size: Tensor, longest_side: int) -> Tensor:
        """Height and width, int64, of an image resized to a longest side."""
        size = input_image_size.to(torch.float32)
        return torch.floor(size * (longest_side / size.max()) + 0.5).to(torch.int64)

    def mask_postprocessing(self, masks: Tensor, orig_im_size: Tensor) -> Tensor:
        """Enlarge low-resolution logits to the size (height, width) of the image."""
        side = self.img_size
        masks = F.interpolate(masks, (side, side), mode="bilinear", align_corners=False)
        height, width = self.resize_longest_image_size(orig_im_size, side)
        masks = masks[..., :height, :width]
        height, width = orig_im_size.to(torch.int64)
        return F.interpolate(masks, (height, width), mode="bilinear", align_corners=False)

    def select_masks(
        self, masks: Tensor, iou_preds: Tensor, num_points: int
    ) -> tuple[Tensor, Tensor]:
        """The best of each prompt's masks (N, M, h, w), as (N, 1, h, w), and its score (N, 1)."""
        bonus = torch.zeros_like(iou_preds)
        bonus[:, 0] = (num_points - _MOST_AMBIGUOUS_POINTS) * _WEIGHT
        best = torch.argmax(iou_preds + bonus, 1)
        rows = torch.arange(masks.shape[0], device=masks.device)
        return masks[rows, best][:, None], iou_preds[rows, best][:, None]

    @torch.no_grad()
    def forward(
        self,
        image_embeddings: Tensor,
        point_coords: Tensor,
        point_labels: Tensor,
        mask_input: Tensor,
        has_mask_input: Tensor,
        orig_im_size: Tensor,
    ) -> tuple[Tensor, ...]:
        """Answer a prompt.

        Parameters
        ----------
        image_embeddings : (1, C, h, w) tensor
        point_coords, point_labels : (1, P, 2) and (1, P) float tensors
            In pixels of the encoder's input. Labels are 1 and 0, 2 and 3 for the corners of a box,
            and -1 for the point that fills up where there is no box.
        mask_input : (1, 1, 4·h, 4·w) tensor
            Logits of an earlier mask.
        has_mask_input : (1,) tensor
            1 if `mask_input` counts, else 0.
        orig_im_size : (2,) tensor
            Height and width of the image.

        Returns
        -------
        masks : (1, M, H, W) tensor
            Logits.
        iou_predictions : (1, M) tensor
        stability_scores, areas : (1, M) tensors
            Only with `return_extra_metrics`.
        low_res_masks : (1, M, 4·h, 4·w) tensor
        """
        low_res, scores = self.mask_decoder.predict_masks(
            image_embeddings=image_embeddings,
            image_pe=self.model.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=self._embed_points(point_coords, point_labels),
            dense_prompt_embeddings=self._embed_masks(mask_input, has_mask_input),
        )
        if self.use_stability_score:
            scores = self._stability(low_res)
        if self.return_single_mask:
            low_res, scores = self.select_masks(low_res, scores, point_coords.shape[1])
        masks = self.mask_postprocessing(low_res, orig_im_size)
        if not self.return_extra_metrics:
            return masks, scores, low_res
        areas = (masks > self.model.mask_threshold).sum((-2, -1))
        return masks, scores, self._stability(masks), areas, low_res

    def _embed_points(self, point_coords: Tensor, point_labels: Tensor) -> Tensor:
        """Tokens (1, P, C); comparisons with each label, because a tracer follows no index."""
        encoder = self.model.prompt_encoder
        tokens = encoder.pe_layer._pe_encoding((point_coords + 0.5) / self.img_size)
        labels = point_labels[..., None]
        tokens = tokens * (labels != -1)
        kinds = [encoder.not_a_point_embed, *encoder.point_embeddings]
        for label, kind in enumerate(kinds, start=-1):
            tokens = tokens + kind.weight * (labels == label)
        return tokens

    def _embed_masks(self, mask_input: Tensor, has_mask_input: Tensor) -> Tensor:
        encoder = self.model.prompt_encoder
        without = encoder.no_mask_embed.weight.view(1, -1, 1, 1)
        has_mask = has_mask_input.view(-1, 1, 1, 1)
        return has_mask * encoder.mask_downscaling(mask_input) + (1 - has_mask) * without

    def _stability(self, masks: Tensor) -> Tensor:
        threshold, offset = self.model.mask_threshold, self.stability_score_offset
        return calculate_stability_score(masks, threshold, offset)
