"""Options of the automatic mask generator: Meta's defaults, and refusals that say what to do."""

from __future__ import annotations

import inspect
from dataclasses import asdict, fields

import numpy as np
import pytest

from anymask.errors import AnymaskError
from anymask.model.config import EverythingConfig, SamConfig, ViTConfig
from anymask.model.sam import Sam
from anymask.option_fields import options_of
from anymask.predict.everything.generator import SamAutomaticMaskGenerator
from anymask.predict.everything.options import GROUPS, EverythingOptions

PUBLISHED = {
    "points_per_side": 32,
    "points_per_batch": 64,
    "pred_iou_thresh": 0.88,
    "stability_score_thresh": 0.95,
    "stability_score_offset": 1.0,
    "box_nms_thresh": 0.7,
    "crop_n_layers": 0,
    "crop_nms_thresh": 0.7,
    "crop_overlap_ratio": 512 / 1500,
    "crop_n_points_downscale_factor": 1,
    "point_grids": None,
    "min_mask_region_area": 0,
    "output_mode": "binary_mask",
}


OUR_OWN = ("tile_size", "tile_overlap", "max_mask_share", "nms_by", "order_by")
OF_THE_MODEL = [field.name for field in fields(EverythingConfig)]


def test_options_have_the_published_names_order_and_defaults(small_reference_sam):
    parameters = inspect.signature(SamAutomaticMaskGenerator).parameters
    assert list(parameters) == ["model", *PUBLISHED, *OUR_OWN]
    generator = SamAutomaticMaskGenerator(small_reference_sam)
    for name, default in PUBLISHED.items():
        if name != "point_grids":
            assert getattr(generator, name) == default, name
    assert [len(grid) for grid in generator.point_grids] == [32**2]


def test_the_signature_says_what_the_options_say():
    parameters = inspect.signature(SamAutomaticMaskGenerator).parameters
    for name, each in options_of(EverythingOptions).items():
        assert parameters[name].default == (None if name in OF_THE_MODEL else each.default)
        assert all(choice in parameters[name].annotation for choice in each.choices)
        assert name in SamAutomaticMaskGenerator.__doc__
        assert each.group in GROUPS
        assert each.help.endswith(".")


def test_a_model_with_defaults_of_its_own_is_asked_with_them_unless_told_otherwise():
    own = EverythingConfig(0.5, 0.6, 0.7, 0.8, 9, 0.9, "mask", "iou_times_stability")
    encoder = ViTConfig(width=16, depth=1, num_heads=2, global_attn_indexes=(0,))
    model = Sam(SamConfig("own", encoder, image_size=64, prompt_dim=32, everything=own))
    published = asdict(EverythingConfig())
    for option, value in asdict(own).items():
        assert getattr(SamAutomaticMaskGenerator(model), option) == value != published[option]
        told = SamAutomaticMaskGenerator(model, **{option: published[option]})
        assert getattr(told, option) == published[option]


def test_an_option_can_be_set_later_and_is_checked_then(small_reference_sam, scene):
    generator = SamAutomaticMaskGenerator(small_reference_sam, pred_iou_thresh=0.3)
    generator.points_per_side = 2
    generator.crop_n_layers = 1
    assert [len(grid) for grid in generator.point_grids] == [4, 4]
    with pytest.raises(AnymaskError, match="points_per_side is 0"):
        generator.points_per_side = 0
    assert generator.options.points_per_side == 2
    with pytest.raises(AttributeError, match="no attribute 'point_per_side'"):
        generator.point_per_side  # noqa: B018


GRID = np.array([[0.5, 0.5]])


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"points_per_side": None}, "give one of the two"),
        ({"point_grids": [GRID]}, "give one of the two"),
        ({"points_per_side": 0}, "points_per_side is 0; it must be a whole number of at least 1"),
        ({"points_per_side": 8.5}, "points_per_side is 8.5"),
        ({"points_per_batch": 0}, "points_per_batch is 0"),
        ({"pred_iou_thresh": float("nan")}, "pred_iou_thresh is nan; it must be a number"),
        ({"pred_iou_thresh": "high"}, "pred_iou_thresh is 'high'"),
        ({"pred_iou_thresh": 1.2}, "pred_iou_thresh is 1.2; it must be a number from 0 to 1"),
        ({"stability_score_thresh": "0.9"}, "stability_score_thresh is '0.9'"),
        ({"crop_nms_thresh": None}, "crop_nms_thresh is None"),
        ({"stability_score_offset": -1}, "stability_score_offset is -1; .* of at least 0"),
        ({"box_nms_thresh": 1.5}, "box_nms_thresh is 1.5; it must be a number from 0 to 1"),
        ({"crop_nms_thresh": -0.1}, "crop_nms_thresh is -0.1"),
        ({"crop_n_layers": -1}, "crop_n_layers is -1"),
        ({"crop_n_layers": True}, "crop_n_layers is True"),
        ({"crop_overlap_ratio": 2}, "crop_overlap_ratio is 2"),
        ({"crop_n_points_downscale_factor": 0}, "crop_n_points_downscale_factor is 0"),
        ({"min_mask_region_area": -5}, "min_mask_region_area is -5"),
        ({"max_mask_share": 1.1}, "max_mask_share is 1.1; it must be a number from 0 to 1"),
        ({"nms_by": "boxes"}, "nms_by is 'boxes'; it can be 'box', 'mask'"),
        ({"order_by": "area"}, "order_by is 'area'; it can be 'predicted_iou', 'iou_times_sta"),
        ({"tile_size": 1}, "tile_size is 1; it must be a whole number of at least 2"),
        ({"tile_size": 99.5}, "tile_size is 99.5"),
        ({"tile_overlap": 10}, "tile_overlap is 10, but there are no tiles; give tile_size"),
        ({"tile_size": 64, "tile_overlap": 0}, "tile_overlap is 0"),
        ({"tile_size": 64, "tile_overlap": 64}, "must overlap by less than their size"),
        ({"output_mode": "polygons"}, "output_mode is 'polygons'; it can be 'binary_mask', "),
        (
            {"points_per_side": None, "point_grids": [GRID], "crop_n_layers": 1},
            "point_grids has 1 grids, but crop_n_layers is 1; .* 2 in all",
        ),
        ({"points_per_side": None, "point_grids": [GRID * 3]}, r"point_grids\[0\] must be"),
        ({"points_per_side": None, "point_grids": [[0.5, 0.5]]}, r"point_grids\[0\] must be"),
        ({"points_per_side": None, "point_grids": [GRID, "x"]}, r"point_grids\[1\] must be"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused_in_one_sentence(
    small_reference_sam, options, what
):
    with pytest.raises(AnymaskError, match=what) as caught:
        SamAutomaticMaskGenerator(small_reference_sam, **options)
    assert str(caught.value).endswith(".")


def test_numpy_numbers_are_numbers(small_reference_sam):
    generator = SamAutomaticMaskGenerator(
        small_reference_sam,
        points_per_side=np.int64(3),
        pred_iou_thresh=np.float32(0.5),
        min_mask_region_area=np.int32(4),
    )
    assert len(generator.point_grids[0]) == 9
