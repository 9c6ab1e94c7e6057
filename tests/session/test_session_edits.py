"""Edits of a layer: each is a step that can be undone, even after the session was closed."""

from __future__ import annotations

from threading import Thread

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anymask.session import Event, Session, SessionError
from anymask.session.label_edits import edited


def reopened(session: Session) -> Session:
    session.close()
    return Session.open(session.folder)


@pytest.fixture
def three(session, layer, paint):
    """Three objects: 1 and 2 side by side, 5 in two pieces with a hole."""
    paint(session, layer, 1, slice(10, 30), slice(10, 30))
    paint(session, layer, 2, slice(10, 30), slice(32, 50))
    paint(session, layer, 5, slice(50, 70), slice(10, 40))
    paint(session, layer, 0, slice(55, 60), slice(15, 20))
    paint(session, layer, 5, slice(75, 85), slice(60, 70))
    return np.array(session.layers.labels(layer))


def test_steps_are_undone_and_redone_after_the_session_was_closed(session, layer, paint):
    states = [np.array(session.layers.labels(layer))]
    for label in (1, 2, 3):
        paint(session, layer, label, slice(label, label + 20), slice(0, 40))
        states.append(np.array(session.layers.labels(layer)))
    session.edits.undo(layer)
    with reopened(session) as again:
        np.testing.assert_array_equal(again.layers.labels(layer), states[2])
        assert again.edits.can_redo(layer) == "paint"
        again.edits.redo(layer)
        np.testing.assert_array_equal(again.layers.labels(layer), states[3])
        for expected in reversed(states[:3]):
            again.edits.undo(layer)
            np.testing.assert_array_equal(again.layers.labels(layer), expected)
        assert again.edits.undo(layer) is None
        assert again.edits.can_undo(layer) is None


def test_a_new_step_clears_redo(session, layer, paint):
    paint(session, layer, 1, slice(0, 9), slice(0, 9))
    session.edits.undo(layer)
    paint(session, layer, 2, slice(0, 9), slice(0, 9))
    assert session.edits.redo(layer) is None
    with reopened(session) as again:
        assert again.edits.redo(layer) is None
        assert again.layers.objects(layer).ids.tolist() == [2]


def test_a_stroke_recorded_in_parts_is_undone_as_one(session, layer, paint):
    paint(session, layer, 9, slice(60, 70), slice(0, 9))
    before = np.array(session.layers.labels(layer))
    labels = before.copy()
    for part in range(4):
        labels[10 * part : 10 * part + 10, 5:50] = 3
        session.edits.paint(layer, labels, continues=part > 0)
    with reopened(session) as again:
        change = again.edits.undo(layer)
        np.testing.assert_array_equal(again.layers.labels(layer), before)
        assert change.window == (slice(0, 40), slice(5, 50))
        change = again.edits.redo(layer)
        np.testing.assert_array_equal(again.layers.labels(layer), labels)
        assert change.ids == (3,)
        again.edits.undo(layer)
        again.edits.undo(layer)
        assert not again.layers.labels(layer).any()


def test_each_layer_has_its_own_undo(session, paint):
    first, second, _ = session.layers
    paint(session, first, 1, slice(0, 9), slice(0, 9))
    paint(session, second, 1, slice(0, 9), slice(0, 9))
    session.edits.undo(first)
    assert not session.layers.labels(first).any()
    assert session.layers.labels(second).any()


def test_ids_beyond_65535_are_kept(session, layer, paint):
    change = paint(session, layer, 70_000, slice(0, 9), slice(0, 9))
    assert change.whole
    assert session.layers.labels(layer).dtype == np.uint32
    with reopened(session) as again:
        assert again.layers.objects(layer).ids.tolist() == [70_000]
        assert again.layers.objects(layer).columns["area"].tolist() == [81]


def test_labels_to_import_may_be_whole_numbers_in_floats(session, layer):
    labels = np.zeros((90, 120), np.float32)
    labels[5:14, 6:15] = 9
    session.edits.import_masks(layer, labels, replace=True)
    assert session.layers.objects(layer).ids.tolist() == [9]
    for wrong in (labels - 1, labels / 2):
        with pytest.raises(SessionError, match=r"has the id -1|has fractions"):
            session.edits.import_masks(layer, wrong, replace=True)


def test_labels_of_another_shape_are_refused(session, layer):
    with pytest.raises(SessionError, match="shape"):
        session.edits.paint(layer, np.zeros((3, 3), np.uint16))
    with pytest.raises(SessionError, match="must be integers"):
        session.edits.paint(layer, np.zeros((90, 120), np.float32))
    with pytest.raises(SessionError, match="has the id -"):
        session.edits.paint(layer, np.full((90, 120), -1))


def test_the_returned_labels_are_read_only(session, layer):
    with pytest.raises(ValueError, match="read-only"):
        session.layers.labels(layer)[0, 0] = 1


def test_a_change_names_the_window_and_the_objects(session, layer, paint):
    events: list[Event] = []
    stop = session.subscribe(events.append)
    change = paint(session, layer, 4, slice(20, 30), slice(40, 60))
    assert change.window == (slice(20, 30), slice(40, 60))
    assert change.ids == (4,)
    assert [(e.kind, e.layer) for e in events] == [("labels", layer)]
    stop()
    paint(session, layer, 5, slice(20, 30), slice(40, 60))
    assert len(events) == 1


def test_erasing_merging_and_splitting(session, layer, three):
    session.edits.merge(layer, [2, 1])
    expected = np.where(three == 2, 1, three)
    np.testing.assert_array_equal(session.layers.labels(layer), expected)
    session.edits.split(layer, 5)
    found = session.layers.objects(layer).columns
    assert dict(zip(found["id"].tolist(), found["area"].tolist(), strict=True)) == {
        1: 760,
        5: 575,
        6: 100,
    }
    session.edits.erase(layer, [1, 6])
    assert np.unique(session.layers.labels(layer)).tolist() == [0, 5]
    for _ in range(3):
        session.edits.undo(layer)
    np.testing.assert_array_equal(session.layers.labels(layer), three)


def test_an_object_in_one_piece_cannot_be_split(session, layer, three):
    steps = len(session.edits.steps(layer))
    with pytest.raises(SessionError, match="one piece"):
        session.edits.split(layer, 1)
    assert len(session.edits.steps(layer)) == steps


def test_touching_discs_are_split_at_their_neck(session, layer):
    rows, columns = np.mgrid[:90, :120]
    labels = np.zeros((90, 120), np.uint16)
    labels[np.hypot(rows - 45, columns - 40) < 18] = 3
    labels[np.hypot(rows - 45, columns - 70) < 18] = 3
    session.edits.paint(layer, labels)
    session.edits.classify(layer, [3], "cell")
    session.edits.split(layer, 3, how="watershed")
    assert session.layers.objects(layer).ids.tolist() == [3, 4]
    assert session.layers.class_names(layer) == {3: "cell", 4: "cell"}
    np.testing.assert_array_equal(session.layers.labels(layer) > 0, labels > 0)


def test_cleaning_some_objects_leaves_the_others_unchanged(session, layer, three):
    session.edits.clean(layer, [5], fill_holes=True, largest=True)
    labels = session.layers.labels(layer)
    assert (labels == 5).sum() == 600
    np.testing.assert_array_equal(labels[:50], three[:50])
    session.edits.clean(layer, min_area=370)
    assert session.layers.objects(layer).ids.tolist() == [1, 5]
    assert session.edits.can_undo(layer) == "clean"


def test_filling_a_hole_keeps_the_object_inside_it(session, layer, paint, three):
    paint(session, layer, 9, slice(56, 58), slice(16, 18))
    session.edits.clean(layer, [5], fill_holes=True)
    labels = session.layers.labels(layer)
    assert (labels == 9).sum() == 4
    assert (labels[50:70, 10:40] == 5).sum() == 596


@pytest.mark.parametrize(
    ("choice", "kept"),
    [("1-2", [1, 2]), ("5", [5]), ("area > 380", [1, 5]), ("area < 380 or id == 1", [1, 2])],
)
def test_objects_are_kept_by_list_or_condition(session, layer, three, choice, kept):
    assert session.layers.matching(layer, choice) == kept
    mask = session.layers.binarise(layer, choice)
    np.testing.assert_array_equal(mask, np.isin(three, kept))
    session.edits.keep(layer, choice)
    assert session.layers.objects(layer).ids.tolist() == kept
    session.edits.undo(layer)
    np.testing.assert_array_equal(session.layers.labels(layer), three)


@pytest.mark.parametrize(
    ("work", "expected"),
    [
        (lambda edits, layer: edits.clean(layer, [5], fill_holes=True), {1, 2, 5, 6}),
        (lambda edits, layer: edits.keep(layer, "1,2"), {1, 2, 6}),
    ],
)
def test_an_object_made_during_a_slow_edit_stays_and_other_threads_need_not_wait(
    session, layer, three, monkeypatch, paint, work, expected
):
    def interrupted(function):
        def slow(*args):
            found = function(*args)
            if 6 not in session.layers.objects(layer).ids:
                other = Thread(target=paint, args=(session, layer, 6, slice(80, 85), slice(5, 20)))
                other.start()
                other.join(60)
                assert not other.is_alive()
            return found

        return slow

    monkeypatch.setattr("anymask.session.edits.edited", interrupted(edited))
    monkeypatch.setattr(session.layers, "matching", interrupted(session.layers.matching))
    work(session.edits, layer)
    labels = session.layers.labels(layer)
    assert set(np.unique(labels)) - {0} == expected
    assert (labels == 6).sum() == 5 * 15
    if 5 in expected:
        assert labels[57, 17] == 5


def test_an_unknown_object_is_named(session, layer, three):
    for do in (session.edits.erase, lambda key, ids: session.edits.merge(key, [*ids, 1])):
        with pytest.raises(SessionError, match="a has no object 77"):
            do(layer, [77])


def test_classes_and_reviews_are_steps_and_are_kept(session, layer, three):
    session.edits.set_classes([("leaf", "#00ff00"), ("soil", None)])
    session.edits.classify(layer, [1, 2], "leaf")
    session.edits.classify(layer, [5], "stone")
    session.edits.review(layer, [1])
    assert [c.name for c in session.layers.classes] == ["leaf", "soil", "stone"]
    assert len({c.color for c in session.layers.classes}) == 3
    session.edits.rename_class("leaf", "needle")
    with reopened(session) as again:
        assert again.layers.class_names(layer) == {1: "needle", 2: "needle", 5: "stone"}
        assert again.layers.objects(layer).columns["reviewed"].tolist() == [True, False, False]
        again.edits.undo(layer)
        again.edits.undo(layer)
        assert again.layers.objects(layer).columns["reviewed"].tolist() == [False, False, False]


def test_the_review_queue_starts_with_the_worst_and_ends_with_objects_without_score(
    session, layer, three
):
    from dataclasses import replace

    found = session._store.layer(layer)
    for label, score in ((1, 0.9), (2, 0.4)):
        found.objects[label] = replace(found.objects[label], predicted_iou=score)
    assert session.layers.review_queue(layer) == [2, 1, 5]
    assert session.layers.next_unreviewed(layer) == 2
    assert session.layers.next_unreviewed(layer, after=2) == 1
    session.edits.review(layer, [1])
    assert session.layers.next_unreviewed(layer, after=2) == 5
    session.edits.review(layer, [2, 5])
    assert session.layers.next_unreviewed(layer) is None


def test_measurements_are_columns_of_the_object_table(session, layer, three):
    table = session.layers.objects(layer, ["perimeter", "intensity_mean"])
    picture = np.asarray(session.images.load(layer.image).numpy(), float)
    means = [picture[three == i, 0].mean() for i in (1, 2, 5)]
    np.testing.assert_allclose(table.columns["intensity_mean_red"], means)
    assert table.columns["perimeter"].shape == (3,)
    assert table.columns["area"].tolist() == [400, 360, 675]


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["paint", "undo", "redo", "checkpoint", "forget"]),
            st.integers(0, 6), st.integers(0, 80), st.integers(0, 110), st.integers(1, 25),
        ),
        max_size=25,
    )
)  # fmt: skip
def test_any_sequence_of_edits_is_restored_from_disk(session, actions):
    layer = session.layers[1]
    while session.edits.undo(layer) is not None:
        pass
    labels = np.zeros((90, 120), np.uint16)
    done, undone = [labels], []
    for action, label, row, column, side in actions:
        if action == "paint":
            new = done[-1].copy()
            new[row : row + side, column : column + side] = label
            if session.edits.paint(layer, new) is not None:
                done.append(new)
                undone.clear()
        elif action == "undo" and len(done) > 1:
            session.edits.undo(layer)
            undone.append(done.pop())
        elif action == "redo" and undone:
            session.edits.redo(layer)
            done.append(undone.pop())
        elif action == "checkpoint":
            session.edits.checkpoint()
        elif action == "forget":
            session._store._layers.clear()
        np.testing.assert_array_equal(session.layers.labels(layer), done[-1])
    with Session.open(session.folder, read_only=True) as other:
        np.testing.assert_array_equal(other.layers.labels(layer), done[-1])
        ids, areas = np.unique(done[-1][done[-1] > 0], return_counts=True)
        table = other.layers.objects(layer)
        assert table.ids.tolist() == ids.tolist()
        assert table.columns["area"].tolist() == areas.tolist()
