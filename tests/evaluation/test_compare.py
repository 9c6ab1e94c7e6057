"""Two models on the same images: differences and their intervals."""

from __future__ import annotations

import numpy as np
import pytest

from anymask.evaluation.compare import (
    Pair,
    compare_everything,
    compare_objects,
    difference,
    ratio,
)
from anymask.evaluation.everything import EverythingRecord, everything_figures
from anymask.evaluation.object_matching import Overlaps
from anymask.evaluation.records import ObjectRecord, Score
from anymask.evaluation.simulated_clicks import Click


def records(ious: dict[str, list[float]], set_name: str = "a", add: float = 0.0):
    """One record per IoU, by image."""
    return [
        ObjectRecord(
            set_name,
            image,
            index,
            (4, 4),
            (0, 0, 1, 1),
            Click(0, 0),
            4,
            {"box": Score(iou + add), "click3": Score(iou)},
        )
        for image, values in ious.items()
        for index, iou in enumerate(values)
    ]


def overlaps(seed: int, found: int = 6, true: int = 4) -> Overlaps:
    rng = np.random.default_rng(seed)
    iou = np.zeros((found, true))
    iou[np.arange(true), np.arange(true)] = rng.uniform(0.3, 1, true)
    return Overlaps(iou, rng.uniform(size=found))


def normal_pairs(rng, n: int) -> Pair:
    before = rng.normal(0.5, 0.2, n)
    return Pair(n, ratio(before, np.ones(n)), ratio(before + rng.normal(0, 0.05, n), np.ones(n)))


def test_a_gain_in_every_image_is_better_and_a_loss_is_worse():
    hard = {"x": [0.2], "y": [0.5, 0.6], "z": [0.9]}
    gain = compare_objects(records(hard), records(hard, add=0.05), ["box"])
    assert gain.mean == pytest.approx(0.05)
    assert gain.low == pytest.approx(0.05)
    assert gain.word == "better"
    loss = compare_objects(records(hard, add=0.05), records(hard), ["box"])
    assert loss.word == "worse"
    assert compare_objects(records(hard), records(hard), ["box"]).word == "no different"


def test_means_equal_those_of_the_reports():
    before = records({"x": [0.2, 0.4], "y": [0.9]}) + records({"z": [0.7]}, "b")
    gain = compare_objects(before, before, ["box"])
    assert gain.before == pytest.approx((0.5 + 0.7) / 2)
    assert gain.units == 3


def test_the_mean_of_several_scores_counts():
    before, after = records({"x": [0.2], "y": [0.5]}), records({"x": [0.2], "y": [0.5]}, add=0.1)
    assert compare_objects(before, after, ["box", "click3"]).mean == pytest.approx(0.05)


def test_a_single_image_gives_no_interval_whatever_its_objects():
    one = records({"x": [0.2, 0.3, 0.4]})
    assert compare_objects(one, records({"x": [0.9, 0.9, 0.9]}), ["box"]).word == "untested"


@pytest.mark.parametrize(("n", "least"), [(4, 0.9), (12, 0.93)])
def test_models_of_equal_quality_are_no_different_in_about_95_percent_of_draws(n, least):
    rng = np.random.default_rng(0)
    words = [difference([normal_pairs(rng, n)], i, 400).word for i in range(400)]
    assert least <= words.count("no different") / 400 <= 0.97


def test_objects_of_one_image_are_drawn_together():
    # Forty objects in four images, each with one common change, count as four observations.
    rng = np.random.default_rng(1)
    shifts = [0.2, -0.1, 0.15, -0.12]
    base = {str(i): rng.uniform(0.3, 0.6, 10).tolist() for i in range(4)}
    moved = {name: [v + shifts[int(name)] for v in base[name]] for name in base}
    together = compare_objects(records(base), records(moved), ["box"])
    one_each = [{f"{name}{k}": [v] for name in d for k, v in enumerate(d[name])} for d in
                (base, moved)]  # fmt: skip
    apart = compare_objects(*(records(d) for d in one_each), ["box"])
    assert together.mean == pytest.approx(apart.mean)
    assert together.high - together.low > 2.5 * (apart.high - apart.low)


def test_images_of_one_group_are_drawn_together():
    base = {f"p{i}_{k}": [0.4] for i in range(3) for k in range(5)}
    moved = {name: [0.4 + (int(name[1]) - 0.8) / 10] for name in base}
    by_image = compare_objects(records(base), records(moved), ["box"])
    by_patient = compare_objects(
        records(base), records(moved), ["box"], group=lambda _, image: image[:2]
    )
    assert (by_image.units, by_patient.units) == (15, 3)
    assert by_patient.high - by_patient.low > 2 * (by_image.high - by_image.low)


@pytest.mark.parametrize("name", ["ap50", "ap75", "f1_50"])
def test_figures_of_everything_equal_those_of_the_reports(name):
    models = [
        [EverythingRecord(s, f"{s}{i}", overlaps(10 * i + k)) for s in "ab" for i in range(4)]
        for k in (0, 1)
    ]
    gain = compare_everything(*models, name)
    expected = [np.mean([f[name] for f in everything_figures(m).values()]) for m in models]
    assert (gain.before, gain.after) == pytest.approx(expected)
    assert gain.low < gain.mean < gain.high


def test_an_image_without_found_masks_counts():
    empty = Overlaps(np.zeros((0, 3)), np.zeros(0))
    before = [EverythingRecord("a", str(i), empty) for i in range(8)]
    after = [EverythingRecord("a", str(i), overlaps(i)) for i in range(8)]
    for name in ("ap50", "f1_50"):
        gain = compare_everything(before, after, name)
        assert gain.before == 0
        assert gain.word == "better"


def test_the_same_seed_gives_the_same_interval():
    rng = np.random.default_rng(0)
    before, after = (records({str(i): [rng.uniform()] for i in range(9)}) for _ in range(2))
    first, second = (compare_objects(before, after, ["box"], seed=3) for _ in range(2))
    assert first == second
    assert first != compare_objects(before, after, ["box"], seed=4)


def test_records_of_different_objects_raise_an_error():
    with pytest.raises(ValueError, match="same objects"):
        compare_objects(records({"x": [0.2]}), records({"y": [0.2]}), ["box"])
    with pytest.raises(ValueError, match="same objects"):
        compare_objects([], [], ["box"])
