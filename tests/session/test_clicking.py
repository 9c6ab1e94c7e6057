"""Clicks that become objects."""

from __future__ import annotations

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
    Clicker,
    LayerKey,
    Prompts,
    Region,
    Session,
    SessionError,
    points_along,
    region_for,
)


@pytest.fixture
def clicker(session, layer, shipped):
    clicker = Clicker(shipped, session)
    clicker.select(clicker.prepare(layer))
    return clicker


def test_a_click_gives_what_the_predictor_gives(session, layer, clicker, shipped):
    predictor = SamPredictor(shipped)
    predictor.set_image(session.rgb(layer))
    masks, scores, _ = predictor.predict(np.array([[36, 30]]), np.array([1]))
    preview = clicker.predict(Prompts().with_point(36, 30))
    np.testing.assert_array_equal(preview.masks, masks)
    np.testing.assert_array_equal(preview.scores, scores)
    assert preview.chosen == int(np.argmax(scores))


def test_a_picture_that_two_threads_want_is_encoded_once(session, layer, shipped, monkeypatch):
    real, calls = SamPredictor.set_image, []
    begun, go_on = threading.Event(), threading.Event()

    def slow(self, *args, **options):
        calls.append(1)
        begun.set()
        assert go_on.wait(60)
        return real(self, *args, **options)

    monkeypatch.setattr(SamPredictor, "set_image", slow)
    clicker, found = Clicker(shipped, session), []
    first = threading.Thread(target=lambda: found.append(clicker.prepare(layer)))
    first.start()
    assert begun.wait(60)
    second = threading.Thread(target=lambda: found.append(clicker.prepare(layer)))
    second.start()
    second.join(0.2)
    assert second.is_alive()
    go_on.set()
    first.join()
    second.join()
    assert len(calls) == 1
    assert found[0].predictor is found[1].predictor


def test_two_images_that_are_the_same_picture_are_encoded_once_and_clicked_each(
    session, layer, clicker, pictures, tmp_path, monkeypatch
):
    shutil.copy(pictures / "a.png", tmp_path / "copy.png")
    (copy,) = session.add_images(tmp_path / "copy.png").ids
    monkeypatch.setattr(SamPredictor, "set_image", None)
    ready = clicker.prepare(LayerKey(copy, "rgb"))
    assert ready.layer == LayerKey(copy, "rgb")
    clicker.select(ready)
    session.commit(clicker.predict(Prompts().with_point(36, 30)))
    assert len(session.objects(LayerKey(copy, "rgb"))) == 1
    assert len(session.objects(layer)) == 0


def test_where_one_thread_cannot_encode_the_other_tries(session, layer, shipped, monkeypatch):
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
    clicker = Clicker(shipped, session)

    def fail():
        with pytest.raises(MemoryError):
            clicker.prepare(layer)

    first = threading.Thread(target=fail)
    first.start()
    assert begun.wait(60)
    threading.Timer(0.2, go_on.set).start()
    assert clicker.prepare(layer).layer == layer
    first.join()
    assert len(calls) == 2


def test_candidates_are_cycled_by_score_and_come_round(clicker):
    preview = clicker.predict(Prompts().with_point(36, 30))
    seen = [preview]
    for _ in range(3):
        seen.append(clicker.cycle(seen[-1]))
    scores = [p.score for p in seen]
    assert scores[:3] == sorted(scores[:3], reverse=True)
    assert seen[3].chosen == seen[0].chosen
    one = clicker.predict(Prompts(box=(10, 10, 60, 50)))
    assert len(one.scores) == 1
    assert len(clicker.cycle(one).scores) == 3


def test_the_chosen_mask_becomes_an_object_and_can_be_undone(session, layer, clicker):
    preview = clicker.predict(Prompts(box=(20, 14, 52, 46)))
    change = session.commit(preview, class_name="disc")
    np.testing.assert_array_equal(session.labels(layer) == 1, preview.shown)
    assert change.ids == (1,)
    table = session.objects(layer).columns
    assert table["class_name"].tolist() == ["disc"]
    assert table["origin"].tolist() == ["click"]
    np.testing.assert_allclose(table["predicted_iou"], preview.score, atol=1e-6)
    assert [c.name for c in session.classes] == ["disc"]
    session.undo(layer)
    assert not session.labels(layer).any()


def test_a_new_object_leaves_others_their_pixels_unless_told(session, layer, clicker, paint):
    paint(session, layer, 5, slice(20, 30), slice(20, 40))
    preview = clicker.predict(Prompts(box=(20, 14, 52, 46)))
    overlap = preview.shown & (session.labels(layer) == 5)
    assert overlap.any()
    session.commit(preview)
    labels = session.labels(layer)
    assert (labels == 5).sum() == 200
    np.testing.assert_array_equal(labels == 6, preview.shown & ~overlap)
    session.undo(layer)
    session.commit(preview, overwrite=True)
    np.testing.assert_array_equal(session.labels(layer) == 6, preview.shown)


def test_a_mask_that_lies_on_others_altogether_is_refused(session, layer, clicker, paint):
    paint(session, layer, 5, slice(0, 90), slice(0, 120))
    with pytest.raises(SessionError, match="lies on other objects"):
        session.commit(clicker.predict(Prompts(box=(16, 10, 60, 50))))


def test_committing_to_an_id_replaces_that_object(session, layer, clicker):
    session.commit(clicker.predict(Prompts(box=(16, 10, 60, 50))), class_name="disc")
    other = clicker.predict(Prompts(box=(70, 40, 112, 82)))
    session.commit(other, id=1)
    np.testing.assert_array_equal(session.labels(layer) == 1, other.shown)
    assert session.class_names(layer) == {1: "disc"}


def test_many_boxes_are_one_step(session, layer, clicker):
    boxes = [(16.0, 10.0, 60.0, 50.0), (70.0, 40.0, 112.0, 82.0)]
    previews = clicker.predict_boxes(boxes)
    session.commit_many(previews, overwrite=True)
    assert session.objects(layer).ids.tolist() == [1, 2]
    single = clicker.predict(Prompts(box=boxes[1]))
    np.testing.assert_array_equal(previews[1].shown, single.shown)
    session.undo(layer)
    assert not session.labels(layer).any()


def test_an_object_of_the_layer_is_a_prompt(session, layer, clicker, paint):
    paint(session, layer, 3, slice(20, 45), slice(22, 52))
    alone = clicker.predict(Prompts(object_id=3))
    both = clicker.predict(Prompts(points=((36, 30),), labels=(1,), object_id=3))
    assert alone.masks.shape == both.masks.shape == (1, 90, 120)
    assert not np.array_equal(
        both.low_res, clicker.predict(Prompts().with_point(36, 30), multimask=False).low_res
    )
    with pytest.raises(SessionError, match="no pixel in view"):
        clicker.predict(Prompts(object_id=77))


def test_prompts_that_cannot_mean_anything_are_refused(session, layer, clicker):
    with pytest.raises(PromptError, match="no prompt"):
        clicker.predict(Prompts())
    with pytest.raises(PromptError, match="outside"):
        clicker.predict(Prompts().with_point(500, 3))
    with pytest.raises(PromptError, match="outside"):
        clicker.predict(Prompts(box=(200, 3, 300, 9)))
    with pytest.raises(PromptError, match="2 points and 1 labels"):
        Prompts(((1, 2), (3, 4)), (1,))


def test_an_encoded_picture_is_found_again_in_the_next_session(session, layer, clicker, shipped):
    expected = clicker.predict(Prompts().with_point(36, 30))
    assert not clicker.selected.from_cache
    session.close()
    with Session.open(session.folder) as again:
        other = Clicker(shipped, again)
        ready = other.prepare(layer)
        assert ready.from_cache
        other.select(ready)
        np.testing.assert_array_equal(
            other.predict(Prompts().with_point(36, 30)).low_res, expected.low_res
        )
        assert other.is_prepared(layer)
        assert not other.is_prepared(again.all_layers()[1])


def test_a_damaged_embedding_is_encoded_again(session, layer, clicker, shipped):
    (file,) = (session.folder / "embeddings").glob("*")
    file.write_bytes(file.read_bytes()[:-9])
    ready = Clicker(shipped, session).prepare(layer)
    assert not ready.from_cache


def test_the_cache_keeps_to_its_limit(session, shipped, tmp_path):
    from anymask.session.embeddings import EmbeddingCache

    clicker = Clicker(shipped, session)
    one = clicker.prepare(session.all_layers()[0])
    (file,) = (session.folder / "embeddings").glob("*")
    cache = EmbeddingCache(tmp_path / "cache", most_bytes=int(2.5 * file.stat().st_size))
    for name in ("a", "b", "c"):
        cache.save(one.predictor, name)
    assert not cache.load(one.predictor, "a")
    assert cache.load(one.predictor, "c")


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
def test_the_region_for_a_view_holds_all_of_it(height, width, y, x, share, side):
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


def test_a_view_that_moves_a_little_stays_in_its_region():
    views = [(5000 + d, 9000 + d, 5500 + d, 9500 + d) for d in range(0, 60, 10)]
    assert len({region_for((20000, 30000), view) for view in views}) <= 2


def test_in_a_large_picture_a_click_gives_a_mask_at_full_size(tmp_path, shipped, discs):
    picture = discs((900, 1200), [(300, 400, 160), (700, 900, 120)])
    Image.fromarray(picture).save(tmp_path / "large.png")
    with Session.create(tmp_path / "work") as session:
        session.add_images(tmp_path / "large.png")
        layer = LayerKey("i1", "rgb")
        clicker = Clicker(shipped, session)
        region = Region(100, 192, 400, 420)
        clicker.select(clicker.prepare(layer, 0, region))
        preview = clicker.predict(Prompts().with_point(400, 300))
        session.commit(preview)
        rows, columns = np.mgrid[:900, :1200]
        disc = np.hypot(rows - 300, columns - 400) < 160
        mask = session.labels(layer) == 1
        assert (mask & disc).sum() / (mask | disc).sum() > 0.9
        inside = np.zeros((900, 1200), bool)
        inside[preview.overlay_window] = preview.shown
        np.testing.assert_array_equal(mask, inside)


def test_a_mask_shown_at_half_size_is_committed_at_full_size(session, layer, shipped):
    clicker = Clicker(shipped, session)
    clicker.select(clicker.prepare(layer, 0, Region(0, 0, 90, 120, 2)))
    preview = clicker.predict(Prompts(box=(20, 14, 52, 46)))
    assert preview.shown.shape == (45, 60)
    session.commit(preview)
    full = session.labels(layer) == 1
    coarse = preview.shown.repeat(2, 0).repeat(2, 1)
    assert (full & coarse).sum() / (full | coarse).sum() > 0.9
