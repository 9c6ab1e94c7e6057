"""Clicks and the objects made from them."""

from __future__ import annotations

import json
import shutil
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from anymask.errors import PromptError
from anymask.predict.predictor import SamPredictor
from anymask.session import (
    BrushStroke,
    ClickPrompts,
    LayerKey,
    Region,
    Session,
    SessionError,
    points_along,
    region_for,
    replay,
)
from anymask.session.embedding_folder import EmbeddingFolder
from anymask.session.lasso import inside_of


@pytest.fixture
def clicks(session):
    return session.clicks


@pytest.fixture
def ready(clicks, layer, shipped):
    return clicks.prepare(shipped, layer)


def test_a_click_gives_what_the_predictor_gives(session, layer, ready, clicks, shipped):
    predictor = SamPredictor(shipped, keep_clicked=True)
    predictor.set_image(session.images.rgb(layer))
    masks, scores, _ = predictor.predict(np.array([[36, 30]]), np.array([1]))
    preview = clicks.predict(ready, ClickPrompts().with_point(36, 30))
    np.testing.assert_array_equal(preview.masks, masks)
    np.testing.assert_array_equal(preview.scores, scores)
    assert preview.chosen == int(np.argmax(scores))


def test_regions_without_a_click_can_be_kept_and_the_journal_says_which_it_was(
    session, layer, ready, clicks, shipped
):
    predictor = SamPredictor(shipped, keep_clicked=False)
    predictor.set_image(session.images.rgb(layer))
    everything = ClickPrompts(((36, 30),), (1,), keep_clicked=False)
    masks, _, _ = predictor.predict(np.array([[36, 30]]), np.array([1]))
    np.testing.assert_array_equal(clicks.predict(ready, everything).masks, masks)
    for prompts in (everything, ClickPrompts().with_point(36, 30)):
        assert ClickPrompts.from_json(json.loads(json.dumps(prompts.to_json()))) == prompts
    old = ClickPrompts().with_point(36, 30).to_json()
    del old["keep_clicked"]  # as 0.1.0 wrote it, which kept all
    assert not ClickPrompts.from_json(old).keep_clicked


@pytest.mark.parametrize("step", [1, 2])
def test_the_object_has_the_regions_that_are_shown(session, layer, shipped, monkeypatch, step):
    real = SamPredictor.predict

    def with_a_corner(*args, **options):
        masks, scores, logits = real(*args, **options)
        masks[:, :4, :4], logits[:, :8, :8] = True, 20
        return masks, scores, logits

    monkeypatch.setattr(SamPredictor, "predict", with_a_corner)
    ready = session.clicks.prepare(shipped, layer, 0, Region(0, 0, 90, 120, step))
    for keep_clicked in (True, False):
        prompts = ClickPrompts(((90, 60),), (1,), keep_clicked=keep_clicked)
        preview = session.clicks.predict(ready, prompts)
        session.clicks.commit(preview)
        found = session.layers.labels(layer) == 1
        assert preview.shown[0, 0] == found[0, 0] == (not keep_clicked)
        assert found[60, 90]
        session.edits.undo(layer)


def test_an_image_that_two_threads_need_is_encoded_once(session, layer, shipped, monkeypatch):
    real, calls = SamPredictor.set_image, []
    begun, go_on = threading.Event(), threading.Event()

    def slow(self, *args, **options):
        calls.append(1)
        begun.set()
        assert go_on.wait(60)
        return real(self, *args, **options)

    monkeypatch.setattr(SamPredictor, "set_image", slow)
    clicks, found = session.clicks, []
    first = threading.Thread(target=lambda: found.append(clicks.prepare(shipped, layer)))
    first.start()
    assert begun.wait(60)
    second = threading.Thread(target=lambda: found.append(clicks.prepare(shipped, layer)))
    second.start()
    second.join(0.2)
    assert second.is_alive()
    go_on.set()
    first.join()
    second.join()
    assert len(calls) == 1
    assert found[0].predictor is found[1].predictor


def test_two_images_with_the_same_pixels_are_encoded_once_and_clicked_separately(
    session, layer, ready, clicks, shipped, pictures, tmp_path, monkeypatch
):
    shutil.copy(pictures / "a.png", tmp_path / "copy.png")
    (copy,) = session.images.add(tmp_path / "copy.png").ids
    monkeypatch.setattr(SamPredictor, "set_image", None)
    ready = clicks.prepare(shipped, LayerKey(copy, "rgb"))
    assert ready.layer == LayerKey(copy, "rgb")
    clicks.commit(clicks.predict(ready, ClickPrompts().with_point(36, 30)))
    assert len(session.layers.objects(LayerKey(copy, "rgb"))) == 1
    assert len(session.layers.objects(layer)) == 0


def test_if_one_thread_fails_to_encode_the_other_tries(session, layer, shipped, monkeypatch):
    real, calls = SamPredictor.set_image, []
    begun, go_on = threading.Event(), threading.Event()

    def failing_once(self, *args, **options):
        calls.append(1)
        if len(calls) > 1:
            return real(self, *args, **options)
        begun.set()
        assert go_on.wait(60)
        raise MemoryError

    monkeypatch.setattr(SamPredictor, "set_image", failing_once)
    clicks = session.clicks

    def fail():
        with pytest.raises(MemoryError):
            clicks.prepare(shipped, layer)

    first = threading.Thread(target=fail)
    first.start()
    assert begun.wait(60)
    threading.Timer(0.2, go_on.set).start()
    assert clicks.prepare(shipped, layer).layer == layer
    first.join()
    assert len(calls) == 2


def test_candidates_are_cycled_by_score(clicks, ready):
    preview = clicks.predict(ready, ClickPrompts().with_point(36, 30))
    seen = [preview]
    for _ in range(3):
        seen.append(clicks.cycle(seen[-1]))
    scores = [p.score for p in seen]
    assert scores[:3] == sorted(scores[:3], reverse=True)
    assert seen[3].chosen == seen[0].chosen
    one = clicks.predict(ready, ClickPrompts(box=(10, 10, 60, 50)))
    assert len(one.scores) == 1
    assert len(clicks.cycle(one).scores) == 3


def test_the_chosen_mask_becomes_an_object_and_can_be_undone(session, layer, ready, clicks):
    preview = clicks.predict(ready, ClickPrompts(box=(20, 14, 52, 46)))
    change = clicks.commit(preview, class_name="disc")
    np.testing.assert_array_equal(session.layers.labels(layer) == 1, preview.shown)
    assert change.ids == (1,)
    table = session.layers.objects(layer).columns
    assert table["class_name"].tolist() == ["disc"]
    assert table["origin"].tolist() == ["click"]
    np.testing.assert_allclose(table["predicted_iou"], preview.score, atol=1e-6)
    assert [c.name for c in session.layers.classes] == ["disc"]
    session.edits.undo(layer)
    assert not session.layers.labels(layer).any()


def test_a_new_object_takes_pixels_of_others_only_with_overwrite(
    session, layer, ready, clicks, paint
):
    paint(session, layer, 5, slice(20, 30), slice(20, 40))
    preview = clicks.predict(ready, ClickPrompts(box=(20, 14, 52, 46)))
    overlap = preview.shown & (session.layers.labels(layer) == 5)
    assert overlap.any()
    clicks.commit(preview)
    labels = session.layers.labels(layer)
    assert (labels == 5).sum() == 200
    np.testing.assert_array_equal(labels == 6, preview.shown & ~overlap)
    session.edits.undo(layer)
    clicks.commit(preview, overwrite=True)
    np.testing.assert_array_equal(session.layers.labels(layer) == 6, preview.shown)


def test_a_mask_covered_by_other_objects_is_refused(session, layer, ready, clicks, paint):
    paint(session, layer, 5, slice(0, 90), slice(0, 120))
    with pytest.raises(SessionError, match="Other objects cover this whole mask"):
        clicks.commit(clicks.predict(ready, ClickPrompts(box=(16, 10, 60, 50))))


def test_committing_to_an_id_replaces_that_object(session, layer, ready, clicks):
    clicks.commit(clicks.predict(ready, ClickPrompts(box=(16, 10, 60, 50))), class_name="disc")
    other = clicks.predict(ready, ClickPrompts(box=(70, 40, 112, 82)))
    clicks.commit(other, id=1)
    np.testing.assert_array_equal(session.layers.labels(layer) == 1, other.shown)
    assert session.layers.class_names(layer) == {1: "disc"}


def test_many_boxes_are_one_step(session, layer, ready, clicks):
    boxes = [(16.0, 10.0, 60.0, 50.0), (70.0, 40.0, 112.0, 82.0)]
    previews = clicks.predict_boxes(ready, boxes)
    clicks.commit_many(previews, overwrite=True)
    assert session.layers.objects(layer).ids.tolist() == [1, 2]
    single = clicks.predict(ready, ClickPrompts(box=boxes[1]))
    np.testing.assert_array_equal(previews[1].shown, single.shown)
    session.edits.undo(layer)
    assert not session.layers.labels(layer).any()


def test_an_object_of_the_layer_can_be_a_prompt(session, layer, ready, clicks, paint):
    paint(session, layer, 3, slice(20, 45), slice(22, 52))
    alone = clicks.predict(ready, ClickPrompts(object_id=3))
    both = clicks.predict(ready, ClickPrompts(points=((36, 30),), labels=(1,), object_id=3))
    assert alone.masks.shape == both.masks.shape == (1, 90, 120)
    assert not np.array_equal(
        both.low_res,
        clicks.predict(ready, ClickPrompts().with_point(36, 30), multimask=False).low_res,
    )
    with pytest.raises(SessionError, match="no pixel in view"):
        clicks.predict(ready, ClickPrompts(object_id=77))


def test_prompts_that_make_no_sense_are_refused(session, layer, ready, clicks):
    with pytest.raises(PromptError, match="no prompt"):
        clicks.predict(ready, ClickPrompts())
    with pytest.raises(PromptError, match="outside"):
        clicks.predict(ready, ClickPrompts().with_point(500, 3))
    with pytest.raises(PromptError, match="outside"):
        clicks.predict(ready, ClickPrompts(box=(200, 3, 300, 9)))
    with pytest.raises(PromptError, match="2 points but 1 labels"):
        ClickPrompts(((1, 2), (3, 4)), (1,))


def test_an_encoded_image_is_reused_in_the_next_session(session, layer, ready, clicks, shipped):
    expected = clicks.predict(ready, ClickPrompts().with_point(36, 30))
    assert not ready.from_cache
    session.close()
    with Session.open(session.folder) as again:
        found = again.clicks.prepare(shipped, layer)
        assert found.from_cache
        answer = again.clicks.predict(found, ClickPrompts().with_point(36, 30))
        np.testing.assert_array_equal(answer.low_res, expected.low_res)
        assert again.clicks.is_prepared(shipped, layer)
        assert not again.clicks.is_prepared(shipped, again.layers[1])


def test_a_damaged_embedding_is_encoded_again(session, layer, ready, shipped):
    (file,) = (session.folder / "embeddings").glob("*")
    file.write_bytes(file.read_bytes()[:-9])
    session.close()
    with Session.open(session.folder) as again:
        assert not again.clicks.prepare(shipped, layer).from_cache


def test_the_folder_of_embeddings_stays_below_its_limit(session, ready, tmp_path):
    (file,) = (session.folder / "embeddings").glob("*")
    folder = EmbeddingFolder(tmp_path / "cache", most_bytes=int(2.5 * file.stat().st_size))
    for name in ("a", "b", "c"):
        folder.save(ready.predictor, name)
    assert not folder.load(ready.predictor, "a")
    assert folder.load(ready.predictor, "c")


def test_another_model_encodes_again(session, layer, ready, clicks, small_reference_sam):
    other = clicks.prepare(small_reference_sam, layer)
    assert not other.from_cache
    assert other.predictor is not ready.predictor
    point = ClickPrompts().with_point(36, 30)
    first = clicks.predict(ready, point)  # the prepared image still works, with its own model
    assert not np.array_equal(first.scores, clicks.predict(other, point).scores)
    assert not clicks.is_prepared(ready.model.sam, layer)


def test_scribbles_become_points_at_even_distances():
    line = [(10.0, 10.0), (50.0, 10.0), (50.0, 50.0)]
    points = points_along(line, 4)
    assert points == [(20.0, 10.0), (40.0, 10.0), (50.0, 20.0), (50.0, 40.0)]
    assert points_along([(3, 4)]) == [(3.0, 4.0)]
    assert points_along([(3, 4), (5, 4)]) == [(4.0, 4.0)]


@given(
    st.integers(1, 30000), st.integers(1, 30000), st.floats(0, 1), st.floats(0, 1),
    st.floats(0.001, 1), st.sampled_from([256, 1024]),
)  # fmt: skip
def test_the_region_for_a_view_contains_the_view(height, width, y, x, share, side):
    top, left = y * height, x * width
    bottom, right = min(height, top + share * height), min(width, left + share * width)
    region = region_for((height, width), (top, left, bottom, right), side)
    assert 0 <= region.top <= top
    assert 0 <= region.left <= left
    assert bottom <= region.top + region.height <= height
    assert right <= region.left + region.width <= width
    assert max(region.height, region.width) / region.step <= 2048
    if max(height, width) > 1.5 * side:
        longest = max(bottom - top, right - left, side)
        assert max(region.height, region.width) <= 4 * longest


def test_a_view_that_moves_a_little_keeps_its_region():
    views = [(5000 + d, 9000 + d, 5500 + d, 9500 + d) for d in range(0, 60, 10)]
    assert len({region_for((20000, 30000), view) for view in views}) <= 2


@pytest.mark.parametrize("step", [1, 2])
@pytest.mark.parametrize(
    "prompts",
    [
        ClickPrompts().with_point(58, 46),
        ClickPrompts().with_point(58, 46).with_point(80, 40, 0),
        ClickPrompts(box=(44, 34, 74, 61)),
        ClickPrompts(points=((58, 46),), labels=(1,), box=(44, 34, 74, 61)),
    ],
    ids=["point", "points", "box", "box and point"],
)
def test_prompts_in_a_zoomed_region_are_at_the_right_place(tmp_path, shipped, discs, prompts, step):
    # Left, top, height and width differ, so that a mix-up of x and y shows.
    region = Region(20, 30, 50, 80, step)
    Image.fromarray(discs((90, 120), [(46, 58, 10)])).save(tmp_path / "disc.png")
    with Session.create(tmp_path / "work") as session:
        session.images.add(tmp_path / "disc.png")
        layer = session.layers[0]
        ready = session.clicks.prepare(shipped, layer, 0, region)
        preview = session.clicks.predict(ready, prompts)
        predictor = SamPredictor(shipped)
        predictor.set_image(session.images.rgb_part(layer, 0, region))
        _, _, low_res = predictor.predict(
            point_coords=[((x - 30) / step, (y - 20) / step) for x, y in prompts.points] or None,
            point_labels=list(prompts.labels) or None,
            box=prompts.box and np.subtract(prompts.box, (30, 20, 30, 20)) / step,
            multimask_output=len(prompts.points) == 1 and prompts.box is None,
        )
        np.testing.assert_array_equal(preview.low_res, low_res)
        session.clicks.commit(preview)
        rows, columns = np.nonzero(session.layers.labels(layer))
        assert (abs(rows.mean() - 46), abs(columns.mean() - 58)) < (3, 3)


def test_several_boxes_in_a_zoomed_region_are_at_the_right_places(session, layer, clicks, shipped):
    ready = clicks.prepare(shipped, layer, 0, Region(8, 16, 80, 100))
    boxes = [(20.0, 14.0, 52.0, 46.0), (70.0, 40.0, 112.0, 82.0)]
    clicks.commit_many(clicks.predict_boxes(ready, boxes))
    for label, (x, y) in ((1, (36, 30)), (2, (90, 60))):
        rows, columns = np.nonzero(session.layers.labels(layer) == label)
        assert abs(rows.mean() - y) < 3
        assert abs(columns.mean() - x) < 3


def test_a_mask_shown_at_half_size_is_committed_at_full_size(session, layer, clicks, shipped):
    ready = clicks.prepare(shipped, layer, 0, Region(0, 0, 90, 120, 2))
    preview = clicks.predict(ready, ClickPrompts(box=(20, 14, 52, 46)))
    assert preview.shown.shape == (45, 60)
    clicks.commit(preview)
    full = session.layers.labels(layer) == 1
    coarse = preview.shown.repeat(2, 0).repeat(2, 1)
    assert (full & coarse).sum() / (full | coarse).sum() > 0.9


def test_a_lasso_bounds_the_mask_and_brush_strokes_correct_it_at_any_scale(
    session, layer, ready, clicks, shipped
):
    lasso = ((10.0, 10.0), (60.0, 10.0), (35.0, 55.0))
    add, cut = BrushStroke(((2, 2), (9, 2)), 1.5), BrushStroke(((35, 25),), 3, adds=False)
    prompts = ClickPrompts(lasso=lasso, strokes=(add, cut))
    assert ClickPrompts.from_json(json.loads(json.dumps(prompts.to_json()))) == prompts
    plain = clicks.predict(ready, ClickPrompts(box=(10, 10, 60, 55))).masks[0]
    shown = clicks.predict(ready, prompts).shown
    assert not shown[50, 12:25].any()  # in the box, but outside the line
    assert shown[2, 1:11].all()
    assert not shown[22:28, 35].any()
    untouched = np.ones(plain.shape, bool)
    untouched[:10] = untouched[20:30, 30:40] = False
    untouched[:, :] &= inside_of(lasso, plain.shape)
    np.testing.assert_array_equal(shown[untouched], plain[untouched])
    change = clicks.commit(clicks.predict(ready, prompts))
    np.testing.assert_array_equal(session.layers.labels(layer) == change.ids[0], shown)
    assert replay(session, sam=shipped).layers[0].status == "same"
    coarse = clicks.prepare(shipped, layer, region=Region(0, 0, *shown.shape, 2))
    crop = clicks.predict(coarse, prompts).mask  # in pixels of the image
    whole = np.zeros(shown.shape, bool)
    whole[crop.window] = crop.pixels
    assert whole[2, 1:11].all()
    assert not whole[22:28, 35].any()
    assert not whole[50, 12:25].any()
    with pytest.raises(PromptError, match="at least three corners"):
        ClickPrompts(lasso=lasso[:2])
