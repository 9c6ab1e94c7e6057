"""Everything in a picture: prompt a grid of points, keep the masks that are good and distinct.

`SamAutomaticMaskGenerator` has the interface of Meta's class of the same name and gives the same
masks (arXiv 2304.02643, appendix B). It holds no more than the masks it keeps, as run lengths:
a mask whose predicted IoU is too low is never enlarged, and of the others only the boundary is
(see `filtering`). Pictures of any size can be segmented in tiles (see `tiles`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from anymask.masks.distinct import Compared, distinct
from anymask.masks.mask_set import MaskSet, OutputMode
from anymask.model.sam import Sam
from anymask.predict.everything.decoder_passes import ask
from anymask.predict.everything.filtering import Criteria, Frame
from anymask.predict.everything.grids import Crop, Tile, crops_of, tiles_of
from anymask.predict.everything.options import check_options
from anymask.predict.everything.pixel_source import PixelSource, check_pixel_source, part_of
from anymask.predict.everything.small_regions import clean
from anymask.predict.predictor import SamPredictor

Progress = Callable[[int, int], None]

# A mask that comes as near to a tile's edge as so many low-resolution logits is cut by it.
_NEAR_EDGE = 2


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
        Of two masks that overlap by an IoU above this, 0.7, keep that of the higher predicted IoU.
        `nms_by` says what overlaps, their boxes or themselves.
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
    tile_size : int, optional
        Segment pictures that are larger than this in square tiles with sides of this many pixels,
        each asked at its own grid of points (and its own crops, if any). Objects that a tile's
        edge cuts are put together with their continuation in the next tile, or dropped if there
        is none. Duplicates are dropped as between crops, but the mask of the higher predicted
        IoU stays. Tiles of a single colour are left out. Memory does not grow with the picture.
    tile_overlap : int, optional
        The least that neighbouring tiles have in common, in pixels; an eighth of `tile_size`.
        Objects smaller than that are seen whole by one of them.
    max_mask_share : float, optional
        Leave out masks that cover more than this share of the picture, or of the tile; 1, the
        published models' default, keeps all.
    nms_by : {"box", "mask"}, optional
        Whether `box_nms_thresh` and `crop_nms_thresh` are compared with the IoU of bounding boxes,
        as the published code does, or of the masks, which also keeps things that lie in the box of
        another, such as what is in a cup. By default what the model brings; "box" for the
        published ones.

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
        tile_size: int | None = None,
        tile_overlap: int | None = None,
        max_mask_share: float | None = None,
        nms_by: Compared | None = None,
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
        max_mask_share = own.max_mask_share if max_mask_share is None else max_mask_share
        nms_by = own.nms_by if nms_by is None else nms_by
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
            tile_size=tile_size,
            tile_overlap=tile_overlap,
            max_mask_share=max_mask_share,
            nms_by=nms_by,
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
        self.tile_size = tile_size
        self.tile_overlap = tile_overlap
        self.max_mask_share = max_mask_share
        self.nms_by: Compared = nms_by

    def generate(
        self, image: PixelSource, progress: Progress | None = None
    ) -> list[dict[str, Any]]:
        """Find all objects of an image.

        Parameters
        ----------
        image : (H, W, 3) uint8 array
            RGB. Besides NumPy arrays, whatever has a shape and a dtype and gives arrays when it is
            sliced: memory maps, arrays in Zarr or HDF5 files. With `tile_size` no more than a
            tile of it is read at a time.
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
    def generate_masks(self, image: PixelSource, progress: Progress | None = None) -> MaskSet:
        """Find all objects of an image, as a `MaskSet`, which takes little memory.

        Parameters and errors are those of `generate`, and so are the masks and their order.
        """
        size = check_pixel_source(image)
        tiles = [Tile(0, 0, 0, 0, size[1], size[0])]
        if self.tile_size is not None and max(size) > self.tile_size:
            overlap = self.tile_overlap or max(1, self.tile_size // 8)
            tiles = tiles_of(size, self.tile_size, overlap)
        crops = crops_of(tiles[0].size, self.crop_n_layers, self.crop_overlap_ratio)
        total = len(tiles) * sum(len(self.point_grids[crop.layer]) for crop in crops)
        done = 0

        def advance(points: int) -> None:
            nonlocal done
            done += points
            if progress is not None:
                progress(done, total)

        advance(0)
        try:
            parts = [
                (tile, self._masks_of_tile(image, size, tile, crops, advance)) for tile in tiles
            ]
        finally:
            self.predictor.reset_image()
        found = parts[0][1]
        if len(parts) > 1:
            from anymask.predict.everything.tile_joining import (
                join_tiles,  # brings SciPy, which few need
            )

            low_res = self.predictor.model.config.low_res_size
            found = join_tiles(parts, size, math.ceil(_NEAR_EDGE * max(tiles[0].size) / low_res))
            found = found.select(
                distinct(found, found.predicted_iou, self.crop_nms_thresh, self.nms_by)
            )
        if self.min_mask_region_area > 0:
            threshold = max(self.box_nms_thresh, self.crop_nms_thresh)
            found = clean(found, self.min_mask_region_area, threshold, self.nms_by)
        return found

    def _masks_of_tile(
        self,
        image: PixelSource,
        size: tuple[int, int],
        tile: Tile,
        crops: list[Crop],
        advance: Callable[[int], None],
    ) -> MaskSet:
        """Masks of a tile and of its crops, without duplicates."""
        pixels = part_of(image, tile.box)
        if tile.size != size and not np.ptp(pixels, axis=(0, 1)).any():
            advance(sum(len(self.point_grids[crop.layer]) for crop in crops))
            return MaskSet.from_counts(size, [])
        each = [self._masks_of_crop(pixels, size, tile, crop, advance) for crop in crops]
        found = MaskSet.concatenate(each, size)
        if len(crops) > 1:
            nearness = 1 / found.crop_box[:, 2:].prod(1).astype(np.float32)
            found = found.select(distinct(found, nearness, self.crop_nms_thresh, self.nms_by))
        return found

    def _masks_of_crop(
        self,
        pixels: NDArray[np.uint8],
        size: tuple[int, int],
        tile: Tile,
        crop: Crop,
        advance: Callable[[int], None],
    ) -> MaskSet:
        """Masks of a crop of a tile, without duplicates."""
        model, predictor = self.predictor.model, self.predictor
        predictor.set_image(pixels[crop.y0 : crop.y1, crop.x0 : crop.x1])
        assert predictor.input_size is not None
        assert predictor.features is not None
        x0, y0 = tile.x0 + crop.x0, tile.y0 + crop.y0
        box = (x0, y0, tile.x0 + crop.x1, tile.y0 + crop.y1)
        points = self.point_grids[crop.layer] * crop.size[::-1]
        found = list(
            ask(
                model,
                predictor.features,
                predictor.transform.apply_coords(points, crop.size),
                Frame(model.config.image_size, predictor.input_size, box, size, tile.box),
                Criteria(
                    model.mask_threshold, self.stability_score_offset, self.stability_score_thresh
                ),
                pred_iou_thresh=self.pred_iou_thresh,
                points_in_flight=self.points_per_batch,
                advance=advance,
            )
        )
        masks = MaskSet.from_counts(
            size,
            [each.counts for each in found],
            predicted_iou=[each.predicted_iou for each in found],
            stability_score=[each.stability_score for each in found],
            point_coords=[points[each.point] + (x0, y0) for each in found],
            crop_box=[(x0, y0, *crop.size[::-1])] * len(found),
        )
        if self.max_mask_share < 1:
            masks = masks.select(masks.areas <= self.max_mask_share * math.prod(tile.size))
        return masks.select(distinct(masks, masks.predicted_iou, self.box_nms_thresh, self.nms_by))
