"""Segment everything in an image: prompt a grid of points, keep good and distinct masks.

`SamAutomaticMaskGenerator` has the interface of Meta's class of the same name and gives the same
masks (arXiv 2304.02643, appendix B). It holds no more than the masks it keeps, as run lengths:
a mask whose predicted IoU is too low is never enlarged, and of the others only the boundary is
(see `filtering`). Images of any size can be segmented in tiles (see `tile_joining`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.errors import AnymaskError
from anymask.images.image import Image
from anymask.images.normalize import rgb_of
from anymask.masks.distinct import distinct
from anymask.masks.mask_set import MaskSet, OutputMode
from anymask.model.arrays import arrays_of, without_gradients
from anymask.option_fields import options_of
from anymask.predict.everything.decoder_passes import ask
from anymask.predict.everything.duplicates import without_duplicates
from anymask.predict.everything.filtering import Criteria, Frame
from anymask.predict.everything.grids import Crop, Tile, crops_of, tiles_of
from anymask.predict.everything.grids import point_grids as regular_grids
from anymask.predict.everything.options import EverythingOptions, check_point_grids
from anymask.predict.everything.pixel_source import PixelSource, check_pixel_source, part_of
from anymask.predict.everything.small_regions import without_small
from anymask.predict.predictor import SamPredictor

if TYPE_CHECKING:
    from anymask.model.sam import Sam

OnPoints = Callable[[int, int], None]
"""Called with the number of points done and the number in all."""

# A mask that comes this near to a tile's edge, in low-resolution logits, is cut by it.
_NEAR_EDGE = 2
_OPTIONS = options_of(EverythingOptions)


class SamAutomaticMaskGenerator:
    """Find all objects of an image.

    Options left at None are the model's own, ``model.config.everything``: for the published
    models Meta's defaults, which are named below.

    Parameters
    ----------
    model : Sam
        From `anymask.load` or ``sam_model_registry``.
    points_per_side : int or None
        Number of points along each side of the image; None if `point_grids` are given.
    points_per_batch : int
        Points whose low-resolution masks are in memory at a time, rounded up to whole passes of
        the decoder (8 points on a CPU, else 64). The masks do not depend on it.
    pred_iou_thresh : float, optional
        Keep masks whose predicted IoU is above this, 0.88; 0 keeps all.
    stability_score_thresh : float, optional
        Keep masks whose stability score is at least this, 0.95; 0 keeps all. The score is the
        IoU of the mask thresholded a little higher and a little lower.
    stability_score_offset : float, optional
        How much higher and lower, 1 logit.
    box_nms_thresh : float, optional
        If two masks overlap by an IoU above this, 0.7, keep only the better one. `nms_by` sets
        whether boxes or masks are compared, and `order_by` which one is better.
    crop_n_layers : int
        Also segment crops of the image: layer i has 2ⁱ×2ⁱ of them.
    crop_nms_thresh : float
        As `box_nms_thresh`, for masks of different crops; the mask of the smaller crop stays.
    crop_overlap_ratio : float
        Overlap of the crops of layer 1, as a fraction of the image's shorter side; half as much
        in each further layer.
    crop_n_points_downscale_factor : float
        Layer i has `points_per_side` divided by this to the power of i.
    point_grids : sequence of (N, 2) arrays, optional
        Points (x, y) in 0 … 1 for the image and for each layer of crops, instead of
        `points_per_side`.
    min_mask_region_area : float, optional
        Fill holes and remove islands of fewer pixels than this; 0, the published models'
        default, leaves masks as they are.
    output_mode : {"binary_mask", "uncompressed_rle", "coco_rle"}
        The type of `segmentation` in the records of `generate`.
    tile_size : int, optional
        Segment images that are larger than this in square tiles with sides of this many pixels,
        each with its own grid of points (and its own crops, if any). Objects cut by the edge of a
        tile are joined with their continuation in the next tile, or dropped if there is none.
        Duplicates are dropped as between crops, but the better mask by `order_by` stays. Tiles of
        a single colour are skipped. Memory does not grow with the image.
    tile_overlap : int, optional
        Neighbouring tiles overlap by at least this many pixels; an eighth of `tile_size`. Objects
        smaller than this are complete in at least one tile.
    max_mask_share : float, optional
        Drop masks that cover more than this share of the image, or of the tile; 1, the published
        models' default, keeps all.
    nms_by : {"box", "mask"}, optional
        Whether `box_nms_thresh` and `crop_nms_thresh` are compared with the IoU of bounding boxes,
        as in the published code, or of the masks, which also keeps objects inside the box of
        another, such as the content of a cup. By default the model's own value; "box" for the
        published models.
    order_by : {"predicted_iou", "iou_times_stability"}, optional
        Which of two overlapping masks is better, and the order of the results: by the predicted
        IoU, as in the published code, or by its product with the stability score, which also
        considers how sharp the outline is. By default the model's own value; "predicted_iou" for
        the published models.

    Attributes
    ----------
    options : EverythingOptions
        All of these except `point_grids` and `output_mode`, with the model's own values filled in.
        Each can also be read and set as an attribute, as in Meta's class.
    predictor : SamPredictor
    output_mode : str

    Raises
    ------
    AnymaskError
        If an option has an invalid value.

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
        crop_n_points_downscale_factor: float = 1,
        point_grids: Sequence[ArrayLike] | None = None,
        min_mask_region_area: float | None = None,
        output_mode: OutputMode = "binary_mask",
        tile_size: int | None = None,
        tile_overlap: int | None = None,
        max_mask_share: float | None = None,
        nms_by: Literal["box", "mask"] | None = None,
        order_by: Literal["predicted_iou", "iou_times_stability"] | None = None,
    ) -> None:
        arguments = locals()
        given = {name: arguments[name] for name in _OPTIONS}
        self.options = EverythingOptions.for_model(model.config.everything, given)
        if (points_per_side is None) == (point_grids is None):
            raise AnymaskError(
                "The points to ask at come from points_per_side or from point_grids: give one of "
                "the two and None for the other."
            )
        if output_mode not in get_args(OutputMode):
            known = ", ".join(map(repr, get_args(OutputMode)))
            raise AnymaskError(f"output_mode is {output_mode!r}; it can be {known}.")
        self.output_mode: OutputMode = output_mode
        self.predictor = SamPredictor(model)
        self._own_grids = None
        if point_grids is not None:
            self._own_grids = check_point_grids(point_grids, crop_n_layers)

    if not TYPE_CHECKING:  # as in Meta's class, where each option is an attribute

        def __getattr__(self, name: str) -> Any:
            if name in _OPTIONS and "options" in vars(self):
                return getattr(self.options, name)
            raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}")

        def __setattr__(self, name: str, value: Any) -> None:
            if name in _OPTIONS:
                name, value = "options", replace(self.options, **{name: value})
            super().__setattr__(name, value)

    @property
    def point_grids(self) -> Sequence[NDArray[np.float64]]:
        """Points (x, y) in 0 … 1: (N, 2) arrays for the image and for each layer of crops."""
        if self._own_grids is not None:
            return self._own_grids
        options = self.options
        assert options.points_per_side is not None
        return regular_grids(
            options.points_per_side, options.crop_n_layers, options.crop_n_points_downscale_factor
        )

    def generate(
        self, image: PixelSource | Image, progress: OnPoints | None = None
    ) -> list[dict[str, Any]]:
        """Find all objects of an image.

        Parameters
        ----------
        image : (H, W, 3) uint8 array, or Image
            RGB. Besides NumPy arrays, anything with a shape and a dtype that returns arrays when
            sliced: memory maps, arrays in Zarr or HDF5 files. With `tile_size`, at most one tile
            is read at a time. An :class:`anymask.Image` is shown as :func:`anymask.to_rgb` does by
            default.
        progress : callable, optional
            Called with the points done and their total.

        Returns
        -------
        list of dict
            Best mask first, as `order_by` says (with crops: those of the smallest crops first);
            empty if there is none. `segmentation`: the mask, as `output_mode` says; `area` in
            pixels; `bbox` XYWH, where the width is the last column minus the first;
            `predicted_iou`; `point_coords` [[x, y]], the point that was asked; `stability_score`;
            `crop_box` XYWH.

        Raises
        ------
        ImageError
            If the image is not uint8 RGB.
        """
        return self.generate_masks(image, progress).to_records(self.output_mode)

    @without_gradients
    def generate_masks(
        self, image: PixelSource | Image, progress: OnPoints | None = None
    ) -> MaskSet:
        """Find all objects of an image, as a `MaskSet`, which takes little memory.

        Parameters and errors are those of `generate`, and so are the masks and their order.
        """
        pixels: PixelSource = rgb_of(image)
        size = check_pixel_source(pixels)
        tiles = self.tiles(size)
        total, done = len(tiles) * self.points_of_tile(tiles[0]), 0

        def advance(points: int) -> None:
            nonlocal done
            done += points
            if progress is not None:
                progress(done, total)

        advance(0)
        return self.joined([(t, self.masks_of_tile(pixels, t, advance)) for t in tiles], size)

    def tiles(self, size: tuple[int, int]) -> list[Tile]:
        """Return the tiles of an image of a height and width; one if it is not cut."""
        options = self.options
        if options.tile_size is None or max(size) <= options.tile_size:
            return [Tile(0, 0, 0, 0, size[1], size[0])]
        return tiles_of(size, options.tile_size, options.overlap_of_tiles)

    def points_of_tile(self, tile: Tile) -> int:
        """How many points are asked at in a tile."""
        return sum(len(self.point_grids[crop.layer]) for crop in self._crops_of(tile))

    @without_gradients
    def masks_of_tile(
        self, image: PixelSource, tile: Tile, advance: Callable[[int], None] | None = None
    ) -> MaskSet:
        """Find the masks of a tile and of its crops, without duplicates.

        Parameters
        ----------
        image : (H, W, 3) uint8 array, or anything that is sliced like one
            The whole image, of which only the tile is read.
        tile : Tile
            One of `tiles`.
        advance : callable, optional
            Called with a number of points when they are done.

        Returns
        -------
        MaskSet
            Of the size of the image.
        """
        height, width = image.shape[:2]
        try:
            return self._masks_of_tile(image, (height, width), tile, advance or (lambda _: None))
        finally:
            self.predictor.reset_image()

    def joined(self, parts: Sequence[tuple[Tile, MaskSet]], size: tuple[int, int]) -> MaskSet:
        """Join the masks of all tiles of an image to those of the image."""
        # Imported here, because it imports SciPy, which images without tiles do not need.
        from anymask.predict.everything.tile_joining import masks_of_tiles

        if len(parts) > 1:
            return masks_of_tiles(parts, size, self.options, self.reach(parts[0][0]))
        return without_small(parts[0][1], self.options)

    def reach(self, tile: Tile) -> int:
        """How near to an edge of its tile a mask is cut by it, in pixels."""
        low_res = self.predictor.model.config.low_res_size
        return math.ceil(_NEAR_EDGE * max(tile.size) / low_res)

    def _crops_of(self, tile: Tile) -> list[Crop]:
        options = self.options
        return crops_of(tile.size, options.crop_n_layers, options.crop_overlap_ratio)

    def _masks_of_tile(
        self,
        image: PixelSource,
        size: tuple[int, int],
        tile: Tile,
        advance: Callable[[int], None],
    ) -> MaskSet:
        options, crops, pixels = self.options, self._crops_of(tile), part_of(image, tile.box)
        if tile.size != size and not np.ptp(pixels, axis=(0, 1)).any():
            advance(self.points_of_tile(tile))
            return MaskSet.from_counts(size, [])
        each = [self._masks_of_crop(pixels, size, tile, crop, advance) for crop in crops]
        found = MaskSet.concatenate(each, size)
        if len(crops) > 1:
            nearness = 1 / found.crop_box[:, 2:].prod(1).astype(np.float32)
            stay = distinct(found, nearness, options.crop_nms_thresh, options.nms_by)
            found = found.select(stay)
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
        options, predictor = self.options, self.predictor
        model = predictor.model
        predictor.set_image(pixels[crop.y0 : crop.y1, crop.x0 : crop.x1])
        assert predictor.input_size is not None
        assert predictor.image_features is not None
        x0, y0 = tile.x0 + crop.x0, tile.y0 + crop.y0
        box = (x0, y0, tile.x0 + crop.x1, tile.y0 + crop.y1)
        points = self.point_grids[crop.layer] * crop.size[::-1]
        coords = predictor.transform.apply_coords(points, crop.size)[:, None]
        arrays = arrays_of(model)
        asked = {
            "point_coords": arrays.of(coords, "float32"),
            "point_labels": arrays.of(np.ones((len(coords), 1), np.int64)),
        }
        found = list(
            ask(
                model,
                predictor.image_features,
                asked,
                Frame(
                    model.config.image_size,
                    predictor.input_size,
                    box,
                    size,
                    tile.box,
                    model.config.stretches,
                ),
                Criteria(
                    model.mask_threshold,
                    options.stability_score_offset,
                    options.stability_score_thresh,
                ),
                pred_iou_thresh=options.pred_iou_thresh,
                prompts_in_flight=options.points_per_batch,
                advance=advance,
            )
        )
        masks = MaskSet.from_counts(
            size,
            [each.counts for each in found],
            predicted_iou=[each.predicted_iou for each in found],
            stability_score=[each.stability_score for each in found],
            point_coords=[points[each.prompt] + (x0, y0) for each in found],
            crop_box=[(x0, y0, *crop.size[::-1])] * len(found),
        )
        if options.max_mask_share < 1:
            masks = masks.select(masks.areas <= options.max_mask_share * math.prod(tile.size))
        return masks.select(without_duplicates(masks, options.box_nms_thresh, options))
