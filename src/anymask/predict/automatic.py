"""Everything in a picture: prompt a grid of points, keep the masks that are good and distinct.

`SamAutomaticMaskGenerator` has the interface of Meta's class of the same name and gives the same
masks (arXiv 2304.02643, appendix B). It holds no more than the masks it keeps, as run lengths:
a mask whose predicted IoU is too low is never enlarged, and of the others only the boundary is
(see `filtering`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from anymask.images.normalize import check_rgb
from anymask.masks.mask_set import MaskSet, OutputMode
from anymask.masks.nms import nms
from anymask.masks.regions import remove_small_regions
from anymask.masks.rle import counts_of
from anymask.model.sam import Sam
from anymask.predict.filtering import Frame, Survivor, Thresholds, judge_masks
from anymask.predict.grids import Crop, crops_of
from anymask.predict.options import check_options
from anymask.predict.predictor import SamPredictor

Progress = Callable[[int, int], None]

# Points decoded in one pass. A matrix product rounds differently at different sizes, so this does
# not follow points_per_batch: the masks would. On a CPU small passes stay in the caches.
_POINTS_PER_PASS = {"cpu": 8}
_POINTS_PER_PASS_ELSEWHERE = 64


class SamAutomaticMaskGenerator:
    """Find all objects of an image.

    Options left at None are the model's own, ``model.config.everything``: for the published
    models Meta's defaults, which are named below.

    Parameters
    ----------
    model : Sam
        From `anymask.load` or ``sam_model_registry``.
    points_per_side : int or None
        The image is asked at this many points along each side; None if `point_grids` are given.
    points_per_batch : int
        Points whose low-resolution masks are held at a time, rounded up to whole passes of the
        decoder (8 points on a CPU, else 64). The masks do not depend on it.
    pred_iou_thresh : float, optional
        Keep masks whose predicted IoU is above this, 0.88; 0 keeps all.
    stability_score_thresh : float, optional
        Keep masks whose stability score is at least this, 0.95; 0 keeps all. The score is the
        IoU of the mask thresholded a little higher and a little lower.
    stability_score_offset : float, optional
        How much higher and lower, 1 logit.
    box_nms_thresh : float, optional
        Of two masks whose boxes have an IoU above this, 0.7, keep that of the higher predicted
        IoU.
    crop_n_layers : int
        Also look at crops of the image: layer i has 2ⁱ×2ⁱ of them.
    crop_nms_thresh : float
        As `box_nms_thresh`, between masks of different crops; that of the smaller crop stays.
    crop_overlap_ratio : float
        Overlap of the crops of layer 1, as a fraction of the image's shorter side; half as much
        in each further layer.
    crop_n_points_downscale_factor : int
        Layer i is asked at `points_per_side` divided by this to the power of i.
    point_grids : sequence of (N, 2) arrays, optional
        Points (x, y) in 0 … 1 for the image and for each layer of crops, instead of
        `points_per_side`.
    min_mask_region_area : int, optional
        Fill holes and remove islands of fewer pixels than this; 0, the published models'
        default, leaves masks as they are.
    output_mode : {"binary_mask", "uncompressed_rle", "coco_rle"}
        What `segmentation` is in the records of `generate`.

    Raises
    ------
    AnymaskError
        If an option cannot be what it is given as.

    Examples
    --------
    >>> import numpy as np
    >>> from anymask import SamAutomaticMaskGenerator, load
    >>> generator = SamAutomaticMaskGenerator(load(), points_per_side=4)
    >>> image = np.full((120, 160, 3), 30, np.uint8)
    >>> image[40:80, 50:110] = (200, 60, 40)
    >>> records = generator.generate(image)
    >>> generator.generate_masks(image).to_labels().shape
    (120, 160)
    """

    def __init__(
        self,
        model: Sam,
        points_per_side: int | None = 32,
        points_per_batch: int = 64,
        pred_iou_thresh: float | None = None,
        stability_score_thresh: float | None = None,
        stability_score_offset: float | None = None,
        box_nms_thresh: float | None = None,
        crop_n_layers: int = 0,
        crop_nms_thresh: float = 0.7,
        crop_overlap_ratio: float = 512 / 1500,
        crop_n_points_downscale_factor: int = 1,
        point_grids: Sequence[ArrayLike] | None = None,
        min_mask_region_area: int | None = None,
        output_mode: OutputMode = "binary_mask",
    ) -> None:
        own = model.config.everything
        pred_iou_thresh = own.pred_iou_thresh if pred_iou_thresh is None else pred_iou_thresh
        if stability_score_thresh is None:
            stability_score_thresh = own.stability_score_thresh
        if stability_score_offset is None:
            stability_score_offset = own.stability_score_offset
        box_nms_thresh = own.box_nms_thresh if box_nms_thresh is None else box_nms_thresh
        if min_mask_region_area is None:
            min_mask_region_area = own.min_mask_region_area
        self.point_grids = check_options(
            points_per_side=points_per_side,
            points_per_batch=points_per_batch,
            pred_iou_thresh=pred_iou_thresh,
            stability_score_thresh=stability_score_thresh,
            stability_score_offset=stability_score_offset,
            box_nms_thresh=box_nms_thresh,
            crop_n_layers=crop_n_layers,
            crop_nms_thresh=crop_nms_thresh,
            crop_overlap_ratio=crop_overlap_ratio,
            crop_n_points_downscale_factor=crop_n_points_downscale_factor,
            point_grids=point_grids,
            min_mask_region_area=min_mask_region_area,
            output_mode=output_mode,
        )
        self.predictor = SamPredictor(model)
        self.points_per_batch = points_per_batch
        self.pred_iou_thresh = pred_iou_thresh
        self.stability_score_thresh = stability_score_thresh
        self.stability_score_offset = stability_score_offset
        self.box_nms_thresh = box_nms_thresh
        self.crop_n_layers = crop_n_layers
        self.crop_nms_thresh = crop_nms_thresh
        self.crop_overlap_ratio = crop_overlap_ratio
        self.crop_n_points_downscale_factor = crop_n_points_downscale_factor
        self.min_mask_region_area = min_mask_region_area
        self.output_mode: OutputMode = output_mode

    def generate(
        self, image: NDArray[np.uint8], progress: Progress | None = None
    ) -> list[dict[str, Any]]:
        """Find all objects of an image.

        Parameters
        ----------
        image : (H, W, 3) uint8 array
            RGB.
        progress : callable, optional
            Called with the points done and the points in all.

        Returns
        -------
        list of dict
            Best mask first (with crops: those of the smallest crops first); empty if there is
            none. `segmentation`: the mask, as `output_mode` says; `area` in pixels; `bbox` XYWH,
            where the width is the last column minus the first; `predicted_iou`; `point_coords`
            [[x, y]], the point that was asked; `stability_score`; `crop_box` XYWH.

        Raises
        ------
        ImageError
            If the image is not uint8 RGB.
        """
        return self.generate_masks(image, progress).to_records(self.output_mode)

    @torch.no_grad()
    def generate_masks(self, image: NDArray[np.uint8], progress: Progress | None = None) -> MaskSet:
        """Find all objects of an image, as a `MaskSet`, which takes little memory.

        Parameters and errors are those of `generate`, and so are the masks and their order.
        """
        check_rgb(image)
        size = (image.shape[0], image.shape[1])
        crops = crops_of(size, self.crop_n_layers, self.crop_overlap_ratio)
        total = sum(len(self.point_grids[crop.layer]) for crop in crops)
        done = 0

        def advance(points: int) -> None:
            nonlocal done
            done += points
            if progress is not None:
                progress(done, total)

        advance(0)
        try:
            found = MaskSet.concatenate(
                [self._masks_of_crop(image, crop, advance) for crop in crops], size
            )
        finally:
            self.predictor.reset_image()
        if len(crops) > 1:
            nearness = 1 / found.crop_box[:, 2:].prod(1).astype(np.float32)
            found = found.select(nms(found.boxes, nearness, self.crop_nms_thresh))
        if self.min_mask_region_area > 0:
            threshold = max(self.box_nms_thresh, self.crop_nms_thresh)
            found = clean(found, self.min_mask_region_area, threshold)
        return found

    def _masks_of_crop(
        self, image: NDArray[np.uint8], crop: Crop, advance: Callable[[int], None]
    ) -> MaskSet:
        size = (image.shape[0], image.shape[1])
        part = np.ascontiguousarray(image[crop.y0 : crop.y1, crop.x0 : crop.x1])
        self.predictor.set_image(part)
        points = self.point_grids[crop.layer] * crop.size[::-1]
        found = list(self._survivors(points, crop, size, advance))
        masks = MaskSet.from_counts(
            size,
            [survivor.counts for _, _, survivor in found],
            predicted_iou=[iou for _, iou, _ in found],
            stability_score=[survivor.stability_score for _, _, survivor in found],
            point_coords=[points[index] + (crop.x0, crop.y0) for index, _, _ in found],
            crop_box=[(crop.x0, crop.y0, *crop.size[::-1])] * len(found),
        )
        return masks.select(nms(masks.boxes, masks.predicted_iou, self.box_nms_thresh))

    def _survivors(
        self,
        points: NDArray[np.float64],
        crop: Crop,
        image_size: tuple[int, int],
        advance: Callable[[int], None],
    ) -> Iterator[tuple[int, float, Survivor]]:
        """Masks worth keeping, each with the index of its point and its predicted IoU."""
        model, predictor = self.predictor.model, self.predictor
        assert predictor.input_size is not None
        frame = Frame(model.config.image_size, predictor.input_size, crop[:4], image_size)
        thresholds = Thresholds(
            model.mask_threshold, self.stability_score_offset, self.stability_score_thresh
        )
        per_pass = _POINTS_PER_PASS.get(model.device.type, _POINTS_PER_PASS_ELSEWHERE)
        batch = -(-self.points_per_batch // per_pass) * per_pass
        coords = torch.from_numpy(predictor.transform.apply_coords(points, crop.size)).float()
        for start in range(0, len(points), batch):
            low_res, iou, index = self._decode(coords[start : start + batch], per_pass)
            for survivor in judge_masks(low_res, frame, thresholds):
                yield start + int(index[survivor.index]), float(iou[survivor.index]), survivor
            advance(len(coords[start : start + batch]))

    def _decode(
        self, coords: Tensor, per_pass: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
        """Low-resolution masks (N, h, w) with a sufficient predicted IoU, it, and their points."""
        features = self.predictor.features
        assert features is not None
        kept = []
        for start in range(0, len(coords), per_pass):
            part = coords[start : start + per_pass, None]  # (points, 1, 2)
            low_res, iou = self.predictor.model.decode(
                features,
                point_coords=part,
                point_labels=torch.ones(part.shape[:2], dtype=torch.int64),
                multimask_output=True,
            )
            index = torch.arange(start, start + len(part), device=iou.device)
            index = index[:, None].expand_as(iou)
            if self.pred_iou_thresh > 0:
                good = iou > self.pred_iou_thresh
            else:
                good = torch.ones_like(iou, dtype=torch.bool)
            kept.append(tuple(values[good].cpu() for values in (low_res, iou, index)))
        joined = [torch.cat(values).numpy() for values in zip(*kept, strict=True)]
        return joined[0], joined[1], joined[2]


def clean(masks: MaskSet, min_area: float, iou_threshold: float) -> MaskSet:
    """Fill small holes and remove small islands of all masks, then drop duplicates.

    Masks that needed no cleaning come first and win over those that did.

    Parameters
    ----------
    masks : MaskSet
    min_area : float
        Holes and islands of fewer pixels are small.
    iou_threshold : float
        Of two masks whose boxes have an IoU above this, one is dropped.

    Returns
    -------
    MaskSet
        Scores are those of the masks before cleaning.
    """
    counts, untouched = [], []
    for before, mask in zip(masks.counts, masks, strict=True):
        mask, filled = remove_small_regions(mask, min_area, "holes")
        mask, thinned = remove_small_regions(mask, min_area, "islands")
        changed = filled or thinned
        counts.append(counts_of(mask) if changed else before)
        untouched.append(not changed)
    cleaned = replace(masks, counts=tuple(counts))
    return cleaned.select(nms(cleaned.boxes, untouched, iou_threshold))
