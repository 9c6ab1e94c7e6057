"""Runs of a model over the layers of a session, and later changes of thresholds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import anymask
from anymask.predict.predictor import SamPredictor
from anymask.predict.semantic import score_map
from anymask.session import (
    CancelToken,
    EditedError,
    LayerKey,
    RunProgress,
    Session,
    SessionError,
    Thresholds,
    replay,
)

OPEN = Thresholds(0.1, 0.4, 0.7)


@pytest.fixture
def ready(session):
    session.runs.set_options(points_per_side=6, thresholds=OPEN)
    return session


def test_a_run_gives_the_masks_of_the_generator(ready, small_reference_sam):
    run = ready.runs.segment(small_reference_sam)
    assert run.done == list(ready.layers)
    assert (run.failed, run.cancelled) == ([], False)
    generator = anymask.SamAutomaticMaskGenerator(
        small_reference_sam,
        points_per_side=6,
        pred_iou_thresh=0.1,
        stability_score_thresh=0.4,
        box_nms_thresh=0.7,
    )
    for key in run.done:
        masks = generator.generate_masks(ready.images.rgb(key))
        assert len(masks) > 1
        np.testing.assert_array_equal(ready.layers.labels(key), masks.to_labels())
        table = ready.layers.objects(key).columns
        scores = dict(zip(masks.ids.tolist(), masks.predicted_iou.tolist(), strict=True))
        expected = [scores[i] for i in table["id"].tolist()]
        np.testing.assert_allclose(table["predicted_iou"], expected, atol=1e-6)
        assert ready.layers.state(key) == "segmented"


@pytest.mark.parametrize(
    "changed",
    [
        {"pred_iou": 0.2},
        {"stability": 0.7, "nms": 0.4},
        {"clean_area": 30},
        {"nms": 0.4, "nms_by": "mask"},
        {"min_area": 200, "max_area": 6000},
    ],
)
def test_thresholds_are_changed_without_the_model(ready, small_reference_sam, changed):
    key = ready.layers[0]
    ready.runs.segment(small_reference_sam, [key])
    wanted = replace(OPEN, **changed)
    before = np.array(ready.layers.labels(key))
    preview = ready.runs.preview(key, wanted)
    np.testing.assert_array_equal(ready.layers.labels(key), before)
    ready.runs.set_thresholds(key, wanted)
    generator = anymask.SamAutomaticMaskGenerator(
        small_reference_sam,
        points_per_side=6,
        pred_iou_thresh=wanted.pred_iou,
        stability_score_thresh=wanted.stability,
        box_nms_thresh=wanted.nms,
        nms_by=wanted.nms_by,
        min_mask_region_area=wanted.clean_area,
    )
    expected = generator.generate_masks(ready.images.rgb(key)).filter(
        min_area=wanted.min_area, max_area=wanted.max_area
    )
    np.testing.assert_array_equal(ready.layers.labels(key), expected.to_labels())
    np.testing.assert_array_equal(preview, expected.to_labels())
    assert ready.runs.count(key, wanted) == len(expected)
    assert ready.layers.state(key) == "segmented"
    ready.edits.undo(key)
    np.testing.assert_array_equal(ready.layers.labels(key), before)
    assert ready.runs.thresholds(key) == OPEN


def test_thresholds_cannot_go_below_the_limits(ready, small_reference_sam):
    key = ready.layers[0]
    ready.runs.set_options(thresholds=Thresholds(0.3, 0.9, 0.7))
    ready.runs.segment(small_reference_sam, [key])
    limits = ready.runs.limits(key)
    assert (limits.pred_iou, limits.stability) == (0.1, 0.7)
    assert ready.runs.count(key, limits) > ready.runs.count(key, ready.runs.thresholds(key))
    with pytest.raises(SessionError, match="segment again"):
        ready.runs.set_thresholds(key, replace(limits, pred_iou=0.05))


def test_thresholds_can_be_changed_after_the_session_was_closed(ready, small_reference_sam):
    key = ready.layers[0]
    ready.runs.segment(small_reference_sam, [key])
    stricter = replace(OPEN, pred_iou=0.2)
    expected = ready.runs.preview(key, stricter)
    ready.close()
    with Session.open(ready.folder) as again:
        assert again.runs.thresholds(key) == OPEN
        again.runs.set_thresholds(key, stricter)
        np.testing.assert_array_equal(again.layers.labels(key), expected)


def test_edited_masks_are_replaced_only_with_permission(ready, small_reference_sam, paint):
    first, second, _ = ready.layers
    ready.runs.segment(small_reference_sam, [first, second])
    paint(ready, first, 9, slice(0, 5), slice(0, 5))
    edited = np.array(ready.layers.labels(first))
    assert ready.layers.edited() == [first]
    with pytest.raises(EditedError, match=r"edited by hand.*: a;") as caught:
        ready.runs.segment(small_reference_sam)
    assert caught.value.layers == (first,)
    with pytest.raises(EditedError):
        ready.runs.set_thresholds(first, OPEN)
    np.testing.assert_array_equal(ready.layers.labels(first), edited)
    run = ready.runs.segment(small_reference_sam, [first], replace=True)
    assert run.done == [first]
    assert ready.layers.state(first) == "segmented"
    ready.edits.undo(first)
    np.testing.assert_array_equal(ready.layers.labels(first), edited)
    assert ready.layers.state(first) == "edited"


def test_a_run_adds_to_what_stays_and_a_replay_repeats_it(ready, small_reference_sam, paint):
    key = ready.layers[0]
    ready.runs.segment(small_reference_sam, [key])
    automatic = set(ready.layers.ids(key))
    paint(ready, key, 500, slice(0, 5), slice(0, 5))
    ready.runs.segment(small_reference_sam, [key], keep="hand")
    new = ready.layers.labels(key).copy()
    assert (new[:5, :5] == 500).all()
    assert ready.layers.automatic(key)
    assert not ready.layers.automatic(key) & (automatic | {500})
    assert ready.layers.state(key) == "edited"
    ready.runs.segment(small_reference_sam, [key], keep="all")
    assert (ready.layers.labels(key)[new > 0] == new[new > 0]).all()
    assert replay(ready, sam=small_reference_sam).layers[0].status == "same"


def test_an_edit_made_while_the_model_runs_is_kept(ready, small_reference_sam, paint):
    key = ready.layers[0]

    def edit_once(now: RunProgress) -> None:
        if not ready.layers.labels(key).any():
            paint(ready, key, 3, slice(0, 9), slice(0, 9))

    run = ready.runs.segment(small_reference_sam, [key], progress=edit_once)
    assert run.done == []
    assert "edited while the model was running" in run.failed[0][1]
    assert ready.layers.objects(key).ids.tolist() == [3]


def test_a_cancelled_run_keeps_finished_layers(ready, small_reference_sam):
    token = CancelToken()
    seen: list[RunProgress] = []

    def progress(now: RunProgress) -> None:
        seen.append(now)
        if now.index == 1 and now.fraction > 0.4:
            token.cancel()

    run = ready.runs.segment(small_reference_sam, progress=progress, cancel=token)
    first, second, third = ready.layers
    assert run.cancelled
    assert run.done == [first]
    assert [ready.layers.state(key) for key in (first, second, third)] == [
        "segmented",
        "new",
        "new",
    ]
    fractions = [now.fraction for now in seen]
    assert fractions == sorted(fractions)
    assert 0.4 < fractions[-1] < 0.8


def test_a_failed_image_is_named_and_does_not_stop_the_others(ready, small_reference_sam):
    first, second, third = ready.layers
    ready.images["i2"].path.unlink()
    ready.images._files._in_memory.clear()
    run = ready.runs.segment(small_reference_sam)
    assert run.done == [first, third]
    ((key, sentence),) = run.failed
    assert key == second
    assert "b.png is missing" in sentence
    assert any("b.png is missing" in line for line in ready.log_lines())


def test_a_session_remembers_a_failure_until_a_run_over_that_layer_succeeds(
    ready, small_reference_sam
):
    first, second, third = ready.layers
    path = ready.images["i2"].path
    content = path.read_bytes()
    path.unlink()
    ready.images._files._in_memory.clear()
    ready.runs.segment(small_reference_sam)
    ready.close()
    with Session.open(ready.folder) as again:
        assert list(again.runs.failures) == [second]
        assert "b.png is missing" in again.runs.failures[second]
        path.write_bytes(content)
        again.runs.segment(small_reference_sam, [third])
        assert list(again.runs.failures) == [second]
        again.runs.segment(small_reference_sam, [first, second])
        assert again.runs.failures == {}


def test_all_pseudo_rgbs_of_an_image_are_segmented(ready, small_reference_sam):
    ready.images.add_recipe("red=ch[0]", images=["i1"])
    keys = [key for key in ready.layers if key.image == "i1"]
    run = ready.runs.segment(small_reference_sam, keys)
    assert [ready.layers.title(key) for key in run.done] == ["a.rgb", "a.red"]
    assert not np.array_equal(ready.layers.labels(keys[0]), ready.layers.labels(keys[1]))


def test_semantic_mode_keeps_scores_and_can_change_its_threshold(ready, small_reference_sam):
    key = ready.layers[0]
    ready.runs.set_options(mode="semantic", semantic_points=((35.0, 30.0),), semantic_labels=(1,))
    ready.runs.segment(small_reference_sam, [key])
    predictor = SamPredictor(small_reference_sam)
    predictor.set_image(ready.images.rgb(key))
    scores = score_map(predictor, [(35, 30)])
    np.testing.assert_array_equal(ready.layers.labels(key), scores.mask(0))
    values = np.unique(scores.full_size())
    wanted = float(values[len(values) // 3])
    preview = ready.runs.preview_semantic(key, wanted)
    ready.runs.set_semantic_threshold(key, wanted)
    np.testing.assert_array_equal(ready.layers.labels(key), scores.mask(wanted))
    np.testing.assert_array_equal(preview, scores.mask(wanted))
    assert ready.runs.has_scores(key)
    assert not ready.runs.has_candidates(key)
    ready.edits.undo(key)
    np.testing.assert_array_equal(ready.layers.labels(key), scores.mask(0))


def test_every_plane_of_a_stack_is_segmented_with_its_own_ids(
    tmp_path, stack_file, small_reference_sam
):
    with Session.create(tmp_path / "work") as session:
        session.images.add(stack_file)
        session.runs.set_options(points_per_side=5, thresholds=OPEN)
        (key,) = session.layers
        session.runs.segment(small_reference_sam)
        labels = session.layers.labels(key)
        ids = [set(np.unique(plane).tolist()) - {0} for plane in labels]
        assert all(ids[:4])
        assert sum(map(len, ids)) == len(set.union(*ids)) == len(session.layers.objects(key))
        session.runs.set_thresholds(key, replace(OPEN, stability=0.6))
        assert len(session.layers.objects(key)) < sum(map(len, ids))


def test_the_model_and_its_file_are_recorded(session, small_reference_sam, tmp_path):
    path = tmp_path / "model.safetensors"
    anymask.save(small_reference_sam, path)
    record = session.runs.use_model(small_reference_sam, path)
    assert len(record.sha256 or "") == 64
    session.close()
    with Session.open(session.folder) as again:
        assert again.runs.model == record
        assert again.runs.model.source == str(path)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"points_per_side": 0}, "from 4 to 128"),
        ({"mode": "magic"}, "everything or semantic"),
        ({"colour": 1}, "no option 'colour'"),
    ],
)
def test_options_that_make_no_sense_are_refused(session, changes, problem):
    with pytest.raises(SessionError, match=problem):
        session.runs.set_options(**changes)


def test_a_layer_edited_during_a_run_is_kept_and_named(ready, small_reference_sam, paint):
    first, second, third = ready.layers
    paint(ready, third, 4, slice(0, 9), slice(0, 9))

    def edit(now: RunProgress) -> None:
        if now.layer == first and now.fraction == 0:
            paint(ready, second, 7, slice(0, 9), slice(0, 9))
            paint(ready, third, 5, slice(0, 3), slice(0, 3))

    run = ready.runs.segment(small_reference_sam, replace=[third], progress=edit)
    assert run.done == [first, third]  # the third could be replaced
    ((layer, sentence),) = run.failed
    assert layer == second
    assert "edited while the model was running" in sentence
    assert ready.layers.labels(second)[4, 4] == 7
    assert ready.layers.state(third) == "segmented"
    with pytest.raises(EditedError):
        ready.runs.segment(small_reference_sam, replace=[third])


def test_an_edit_made_while_thresholds_are_applied_is_not_replaced(
    ready, small_reference_sam, paint, monkeypatch
):
    layer = ready.layers[0]
    ready.runs.segment(small_reference_sam, [layer])
    choose = ready.runs._chosen

    def slow(*arguments):
        found = choose(*arguments)
        paint(ready, layer, 60, slice(0, 9), slice(0, 9))  # as another thread might
        return found

    monkeypatch.setattr(ready.runs, "_chosen", slow)
    with pytest.raises(EditedError):
        ready.runs.set_thresholds(layer, replace(OPEN, min_area=50))
    assert ready.layers.labels(layer)[4, 4] == 60


def test_an_image_removed_during_a_run_is_skipped(session, shipped):
    session.runs.set_options(points_per_side=4)
    keys = session.layers

    def remove(progress):
        if progress.index == 1 and keys[2] in session.layers:
            session.images.remove([keys[1].image, keys[2].image])

    run = session.runs.segment(shipped, progress=remove)
    assert run.done == [keys[0]]
    assert run.failed == []
    assert list(session.layers) == [keys[0]]


def test_a_pseudo_rgb_replaced_during_a_run_gets_no_masks(session, shipped):
    session.runs.set_options(points_per_side=4)
    session.images.add_recipe("ch[0]", name="red")
    key = LayerKey("i1", "red")

    def change(progress):
        if session.images["i1"].recipes[-1].source == ("ch[0]",) and progress.fraction > 0:
            session.images.add_recipe("ch[1]", name="red")

    run = session.runs.segment(shipped, [key], progress=change)
    assert run.done == []
    assert "changed while the model was running" in run.failed[0][1]
    assert session.layers.state(key) == "new"


def test_a_read_only_session_refuses_a_run(session, shipped):
    with Session.open(session.folder, read_only=True) as looked:
        told = []
        with pytest.raises(SessionError, match="read-only"):
            looked.runs.segment(shipped, progress=told.append)
        assert told == []
