"""The functions that CVAT's own command loads, in the shapes that its SDK reads."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import skimage.data
from PIL import Image

import anymask

pytest.importorskip("cvat_sdk")
from cvat_sdk.auto_annotation.driver import _AnnotationMapper  # what annotate_task checks with
from cvat_sdk.masks import decode_mask

from anymask.cvat import clicks, everything
from anymask.cvat.encoding import cvat_mask
from anymask.masks.objects import boxed
from anymask.masks.polygons import fill_polygons
from anymask.masks.rle import mask_of

COINS = skimage.data.coins()[:150, :200]
PICTURE = Image.fromarray(COINS)
RGB = np.stack([COINS] * 3, -1)


@pytest.fixture(scope="module")
def function():
    made = everything.create("coin", dtype="float32", device="cpu", points_per_side=8, min_area=30)
    return made


def accepted(function, shapes, polygons: bool) -> list:
    """The shapes as CVAT's driver passes them on for a task with this label."""
    import logging

    label = SimpleNamespace(name="coin", id=17, type="any", attributes=[], sublabels=[])
    mapper = _AnnotationMapper(
        logging.getLogger(), function.spec.labels, [label],
        allow_unmatched_labels=False, conv_mask_to_poly=polygons,
    )  # fmt: skip
    mapper.validate_and_remap(shapes, 4)
    return shapes


def test_a_task_gets_the_masks_of_everything(function):
    context = SimpleNamespace(conf_threshold=0.6, conv_mask_to_poly=False)
    shapes = accepted(function, function.detect(context, PICTURE), polygons=False)
    generator = anymask.SamAutomaticMaskGenerator(
        anymask.load(dtype="float32", device="cpu"), 8, pred_iou_thresh=0.6
    )
    expected = [mask for mask in generator.generate_masks(RGB).filter(min_area=30)]
    assert len(shapes) == len(expected) > 3
    for shape, mask in zip(shapes, expected, strict=True):
        assert (shape.label_id, shape.frame, shape.type.value) == (17, 4, "mask")
        assert np.array_equal(decode_mask(shape.points, image_width=200, image_height=150), mask)
    context = SimpleNamespace(conf_threshold=0.6, conv_mask_to_poly=True)
    polygons = accepted(function, function.detect(context, PICTURE), polygons=True)
    rings = [[np.array(shape.points).reshape(-1, 2)] for shape in polygons]
    filled = mask_of(fill_polygons(rings, (150, 200)), (150, 200))
    assert np.array_equal(filled, np.logical_or.reduce(expected))


def test_a_click_in_cvat_gives_the_best_mask_of_the_point():
    function = clicks.create(dtype="float32", device="cpu")
    assert function.spec.min_neg_points == 0
    image = function.preprocess_image(None, PICTURE)
    prompts = SimpleNamespace(pos_points=[(50.5, 45.5)], neg_points=[], bounding_box=None)
    (shape,) = function.detect(None, image, prompts)
    masks, scores, _ = image.predict([[50, 45]], [1])
    found = decode_mask(shape.points, image_width=200, image_height=150)
    assert np.array_equal(found, masks[scores.argmax()])
    assert float(shape.attributes[0].value) == pytest.approx(scores.max(), abs=1e-4)
    box = SimpleNamespace(pos_points=[], neg_points=[(2, 2)], bounding_box=((20, 20), (90, 80)))
    (shape,) = function.detect(None, image, box)
    masks, _, _ = image.predict(
        [[1.5, 1.5]], [0], box=[19.5, 19.5, 89.5, 79.5], multimask_output=False
    )
    found = decode_mask(shape.points, image_width=200, image_height=150)
    assert np.array_equal(found, masks[0])
    alone = SimpleNamespace(pos_points=[], neg_points=[(2, 2)], bounding_box=None)
    assert function.detect(None, image, alone) == []


def test_run_lengths_are_those_of_cvat():
    mask = np.random.default_rng(0).random((40, 50)) > 0.5
    mask[0], mask[:, 0] = False, False
    assert np.array_equal(
        decode_mask(cvat_mask(boxed(mask)), image_width=50, image_height=40), mask
    )
