"""Thousands of prompts in one call: what each gives alone, kept as run lengths."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from scipy.ndimage import label

from anymask import Prompts, SamPredictor
from anymask.errors import PromptError
from anymask.model.sam import Sam


@pytest.fixture(scope="module")
def predictor(small_reference_sam: Sam, scene: np.ndarray) -> SamPredictor:
    """A predictor with `scene` set, 180 high and 240 wide, that drops regions without a click."""
    found = SamPredictor(small_reference_sam, keep_clicked=True)
    found.set_image(scene)
    return found


def mixed_prompts() -> Prompts:
    """Eleven boxes, seven single points, five of two points, and a box with a point."""
    rng = np.random.default_rng(3)
    corners = np.sort(rng.uniform(0, (240, 180), (24, 2, 2)), axis=1).reshape(24, 4)
    boxes = np.full((24, 4), np.nan)
    boxes[:11], boxes[23] = corners[:11], corners[23]
    points = rng.uniform(0, (240, 180), (24, 2, 2))
    labels = np.full((24, 2), -1)
    labels[11:, 0], labels[18:23, 1] = 1, 0
    order = rng.permutation(24)
    names = [f"c{i % 3}" if i % 3 else "" for i in range(24)]
    ids = 1000 - np.arange(24)
    prompts = Prompts(boxes, points, labels, class_names=names, ids=ids)
    return prompts.select(order)


def test_every_prompt_gives_what_it_gives_alone_in_the_order_given(predictor: SamPredictor):
    prompts = mixed_prompts()
    done: list[tuple[int, int]] = []
    masks = predictor.predict_many(prompts, progress=lambda *count: done.append(count))
    assert masks.ids.tolist() == prompts.ids.tolist()
    assert masks.class_names == prompts.class_names
    assert done[0] == (0, 24)
    assert done[-1] == (24, 24)
    for row, mask in enumerate(masks):
        real = prompts.point_labels[row] != -1
        alone, iou, _ = predictor.predict(
            point_coords=prompts.point_coords[row][real] if real.any() else None,
            point_labels=prompts.point_labels[row][real] if real.any() else None,
            box=prompts.boxes[row] if prompts.has_box[row] else None,
            multimask_output=False,
        )
        assert (mask != alone[0]).sum() <= 2, row  # logits that are 0 but for rounding
        assert masks.predicted_iou[row] == pytest.approx(float(iou[0]), abs=1e-4)


def test_stability_is_the_iou_of_the_masks_at_a_higher_and_a_lower_threshold(
    predictor: SamPredictor,
):
    box = [20, 20, 120, 90]
    masks = predictor.predict_many(Prompts([box]))
    logits, _, _ = predictor.predict(box=box, multimask_output=False, return_logits=True)
    expected = (logits > 1).sum() / (logits > -1).sum()
    assert masks.stability_score[0] == pytest.approx(expected, abs=1e-3)


def test_regions_without_a_click_are_dropped_only_for_clicks_and_only_if_wanted(
    predictor: SamPredictor, small_reference_sam: Sam, scene: np.ndarray
):
    clicks = np.stack(np.meshgrid(np.arange(15, 240, 30), np.arange(15, 180, 30)), -1)
    points = Prompts(point_coords=clicks.reshape(-1, 1, 2))
    all_kept = SamPredictor(small_reference_sam, keep_clicked=False)
    all_kept.set_image(scene)
    clicked, whole = predictor.predict_many(points), all_kept.predict_many(points)
    smaller = np.flatnonzero(clicked.areas < whole.areas)
    assert len(smaller) > 3
    assert (clicked.areas <= whole.areas).all()
    for row in smaller:
        x, y = points.point_coords[row, 0].astype(int)
        assert clicked[row][y, x]
        assert label(clicked[row], np.ones((3, 3)))[1] == 1
    boxed = Prompts(np.tile([60.0, 20, 200, 150], (len(smaller), 1)), points.point_coords[smaller])
    assert (predictor.predict_many(boxed).areas == all_kept.predict_many(boxed).areas).all()


def test_masks_do_not_depend_on_how_many_are_in_memory(predictor: SamPredictor):
    prompts = mixed_prompts()
    one, many = (predictor.predict_many(prompts, prompts_per_batch=n) for n in (1, 100))
    assert all(np.array_equal(a, b) for a, b in zip(one.counts, many.counts, strict=True))


def test_memory_does_not_grow_by_the_masks_of_all_prompts(predictor: SamPredictor):
    boxes = np.tile([20.0, 20.0, 120.0, 90.0], (200, 1))
    tracemalloc.start()
    predictor.predict_many(Prompts(boxes))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200 * 180 * 240 / 4  # bytes; a quarter of the masks as booleans


def test_no_prompts_give_no_masks(predictor: SamPredictor):
    masks = predictor.predict_many(Prompts())
    assert len(masks) == 0
    assert masks.image_size == (180, 240)


@pytest.mark.parametrize(
    ("prompts", "words"),
    [
        (Prompts([[1, 1, 9, 9], [300, 9, 310, 20]], ids=[4, 8]), r"number 2 \(id 8\) lies outside"),
        (Prompts(point_coords=[[[1, 500]]]), "lies outside the image, which is 240 wide"),
        (Prompts([[0, 0, 0.5, 0.5]], image_sizes={"": (1, 1)}), "prompts.for_image"),
        (Prompts([[9, 46, 10, 47]], crs="EPSG:4326"), "not in the pixels of this image yet"),
        (Prompts([[1, 1, 9, 9]] * 2, images=["a", "b"]), "not in the pixels of this image yet"),
    ],
)
def test_prompts_that_are_not_in_the_image_are_refused(predictor: SamPredictor, prompts, words):
    with pytest.raises(PromptError, match=words):
        predictor.predict_many(prompts)


def test_without_an_image_it_says_what_to_call_first(small_reference_sam: Sam):
    with pytest.raises(PromptError, match="set_image"):
        SamPredictor(small_reference_sam).predict_many(Prompts([[0, 0, 9, 9]]))
