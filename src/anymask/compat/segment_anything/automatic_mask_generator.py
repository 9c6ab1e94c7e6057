"""Find all objects of an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from anymask.compat.lenient import image_as_8_bit
from anymask.compat.segment_anything.modeling.sam import Sam
from anymask.compat.segment_anything.predictor import SamPredictor
from anymask.compat.segment_anything.utils.amg import (
    MaskData,
    area_from_rle,
    batch_iterator,
    batched_mask_to_box,
    box_xyxy_to_xywh,
    build_all_layer_point_grids,
    calculate_stability_score,
    coco_encode_rle,
    generate_crop_boxes,
    is_box_near_crop_edge,
    keep_distinct,
    mask_to_rle_pytorch,
    remove_small_regions,
    rle_to_mask,
    uncrop_boxes_xyxy,
    uncrop_masks,
    uncrop_points,
)
from anymask.masks.rle import box_of
from anymask.predict.everything.decoder_passes import ask
from anymask.predict.everything.filtering import Criteria, Frame
from anymask.predict.everything.generator import SamAutomaticMaskGenerator as OwnGenerator

__all__ = [
    "MaskData",
    "Sam",
    "SamAutomaticMaskGenerator",
    "SamPredictor",
    "area_from_rle",
    "batch_iterator",
    "batched_mask_to_box",
    "box_xyxy_to_xywh",
    "build_all_layer_point_grids",
    "calculate_stability_score",
    "coco_encode_rle",
    "generate_crop_boxes",
    "is_box_near_crop_edge",
    "mask_to_rle_pytorch",
    "remove_small_regions",
    "rle_to_mask",
    "uncrop_boxes_xyxy",
    "uncrop_masks",
    "uncrop_points",
]

# A class that changes one of these is asked step by step.
_STEPS = ("_generate_masks", "_process_crop", "_process_batch", "postprocess_small_regions")


class SamAutomaticMaskGenerator(OwnGenerator):
    """`anymask.SamAutomaticMaskGenerator` with Meta's parameters and defaults.

    Its steps can be overridden as those of Meta's class: `_generate_masks`, `_process_crop` and
    `_process_batch`, which hand on `MaskData`, and `postprocess_small_regions`.
    """

    def __init__(
        self,
        model: Sam,
        points_per_side: int | None = 32,
        points_per_batch: int = 64,
        pred_iou_thresh: float = 0.88,
        stability_score_thresh: float = 0.95,
        stability_score_offset: float = 1.0,
        box_nms_thresh: float = 0.7,
        crop_n_layers: int = 0,
        crop_nms_thresh: float = 0.7,
        crop_overlap_ratio: float = 512 / 1500,
        crop_n_points_downscale_factor: float = 1,
        point_grids: Sequence[ArrayLike] | None = None,
        min_mask_region_area: float = 0,
        output_mode: Any = "binary_mask",
    ) -> None:
        super().__init__(
            model,
            points_per_side,
            points_per_batch,
            # As in Meta's code, what is outside its range turns a filter off.
            max(0.0, pred_iou_thresh),
            max(0.0, stability_score_thresh),
            stability_score_offset,
            min(1.0, box_nms_thresh),
            crop_n_layers,
            min(1.0, crop_nms_thresh),
            crop_overlap_ratio,
            crop_n_points_downscale_factor,
            point_grids,
            max(0, min_mask_region_area),
            output_mode,
            max_mask_share=1.0,
            nms_by="box",
            order_by="predicted_iou",
        )
        self.predictor = SamPredictor(model)

    @property
    def point_grids(self) -> Sequence[NDArray[np.float64]]:
        """Points (x, y) in 0 … 1 for the image and each layer of crops; may be assigned."""
        return super().point_grids

    @point_grids.setter
    def point_grids(self, grids: Sequence[NDArray[np.float64]]) -> None:
        self._own_grids = tuple(grids)

    # The signature is Meta's; progress is in anymask.SamAutomaticMaskGenerator.
    def generate(self, image: Any) -> list[dict[str, Any]]:  # type: ignore[override]
        """Find all objects of an H×W×3 image; see `anymask.SamAutomaticMaskGenerator.generate`."""
        image = image_as_8_bit(image)
        own = SamAutomaticMaskGenerator
        if all(getattr(type(self), step) is getattr(own, step) for step in _STEPS):
            return super().generate(image)
        data = self._generate_masks(image)
        if self.options.min_mask_region_area > 0:
            data = self.postprocess_small_regions(
                data,
                self.options.min_mask_region_area,
                max(self.options.box_nms_thresh, self.options.crop_nms_thresh),
            )
        return [self._record(data, row) for row in range(len(data["rles"]))]

    def _record(self, data: MaskData, row: int) -> dict[str, Any]:
        counts = data["rles"][row]
        kinds = {"binary_mask": rle_to_mask, "coco_rle": coco_encode_rle, "uncompressed_rle": dict}
        box, crop = (box_xyxy_to_xywh(np.array(data[n][row])) for n in ("boxes", "crop_boxes"))
        return {
            "segmentation": kinds[self.output_mode](counts),
            "area": area_from_rle(counts),
            "bbox": box.tolist(),
            "predicted_iou": float(data["iou_preds"][row]),
            "point_coords": [np.asarray(data["points"][row]).tolist()],
            "stability_score": float(data["stability_score"][row]),
            "crop_box": crop.tolist(),
        }

    @torch.no_grad()
    def _generate_masks(self, image: NDArray[np.uint8]) -> MaskData:
        """Masks of an image: rles, boxes, points, iou_preds, stability_score and crop_boxes."""
        size = image.shape[:2]
        options = self.options
        crops, layers = generate_crop_boxes(size, options.crop_n_layers, options.crop_overlap_ratio)
        data = MaskData()
        for crop, layer in zip(crops, layers, strict=True):
            data.cat(self._process_crop(image, crop, layer, size))
        if len(crops) > 1:
            x0, y0, x1, y1 = data["crop_boxes"].float().reshape(-1, 4).unbind(1)
            nearness = 1 / ((x1 - x0) * (y1 - y0))
            data.filter(keep_distinct(data["boxes"], nearness, options.crop_nms_thresh))
        data.to_numpy()
        return data

    @torch.no_grad()
    def _process_crop(
        self,
        image: NDArray[np.uint8],
        crop_box: Sequence[int],
        crop_layer_idx: int,
        orig_size: tuple[int, ...],
    ) -> MaskData:
        """Masks of a crop of an image, without duplicates, in pixels of the image."""
        x0, y0, x1, y1 = crop_box
        pixels = image[y0:y1, x0:x1]
        self.predictor.set_image(pixels)
        points = self.point_grids[crop_layer_idx] * np.array(pixels.shape[1::-1])
        data = MaskData()
        for (some,) in batch_iterator(self.options.points_per_batch, points):
            data.cat(self._process_batch(some, pixels.shape[:2], crop_box, orig_size))
        self.predictor.reset_image()
        kept = keep_distinct(data["boxes"], data["iou_preds"], self.options.box_nms_thresh)
        data.filter(kept)
        data["boxes"] = uncrop_boxes_xyxy(data["boxes"], crop_box)
        data["points"] = uncrop_points(data["points"], crop_box)
        data["crop_boxes"] = torch.tensor(list(crop_box)).expand(len(data["rles"]), 4)
        return data

    @torch.no_grad()
    def _process_batch(
        self,
        points: NDArray[np.float64],
        im_size: tuple[int, ...],
        crop_box: Sequence[int],
        orig_size: tuple[int, ...],
    ) -> MaskData:
        """Masks of some points (P, 2) of the crop that is set; boxes and points are the crop's."""
        options, predictor = self.options, self.predictor
        model, features = predictor.model, predictor.image_features
        assert features is not None
        assert predictor.input_size is not None
        coords = torch.from_numpy(predictor.transform.apply_coords(points, _pair(im_size))).float()
        x0, y0, x1, y1 = crop_box
        found = list(
            ask(
                model,
                features,
                {
                    "point_coords": coords[:, None],
                    "point_labels": torch.ones(len(coords), 1).long(),
                },
                Frame(
                    model.config.image_size,
                    predictor.input_size,
                    (x0, y0, x1, y1),
                    _pair(orig_size),
                ),
                Criteria(
                    model.mask_threshold,
                    options.stability_score_offset,
                    options.stability_score_thresh,
                ),
                pred_iou_thresh=options.pred_iou_thresh,
                prompts_in_flight=len(points),
                advance=lambda _: None,
            )
        )
        boxes = np.array([box_of(each.counts, _pair(orig_size)) for each in found])
        boxes = boxes.reshape(-1, 4) - np.array([x0, y0, x0, y0])
        return MaskData(
            iou_preds=torch.tensor([each.predicted_iou for each in found]),
            points=torch.from_numpy(points[[each.prompt for each in found]].reshape(-1, 2)),
            stability_score=torch.tensor([each.stability_score for each in found]),
            boxes=torch.from_numpy(boxes),
            rles=[{"size": list(_pair(orig_size)), "counts": e.counts.tolist()} for e in found],
        )

    @staticmethod
    def postprocess_small_regions(
        mask_data: MaskData, min_area: float, nms_thresh: float
    ) -> MaskData:
        """Fill small holes, remove small islands, and drop duplicates, in place.

        Masks that needed no change win over those that did.
        """
        if not mask_data["rles"]:
            return mask_data
        cleaned: list[NDArray[np.bool_]] = []
        untouched: list[float] = []
        for counts in mask_data["rles"]:
            mask, filled = remove_small_regions(rle_to_mask(counts), min_area, "holes")
            mask, thinned = remove_small_regions(mask, min_area, "islands")
            cleaned.append(mask)
            untouched.append(float(not (filled or thinned)))
        masks = torch.from_numpy(np.stack(cleaned))
        boxes: Tensor = batched_mask_to_box(masks)
        kept = keep_distinct(boxes, torch.tensor(untouched), nms_thresh)
        for row in kept.tolist():
            if not untouched[row]:
                mask_data["rles"][row] = mask_to_rle_pytorch(masks[row : row + 1])[0]
                own = mask_data["boxes"]
                own[row] = boxes[row] if isinstance(own, Tensor) else boxes[row].numpy()
        mask_data.filter(kept)
        return mask_data


def _pair(size: tuple[int, ...]) -> tuple[int, int]:
    height, width = size
    return int(height), int(width)
