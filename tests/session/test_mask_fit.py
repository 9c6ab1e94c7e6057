"""What becomes of a new mask where other objects are, and of those."""

from __future__ import annotations

import numpy as np
import pytest

from anymask.masks.objects import ObjectCrop
from anymask.session import ClickPrompts, LayerKey, Session, SessionError, Thresholds, replay
from anymask.session.mask_fit import fit

SIZE = (60, 80)


def _square(top, left, side):
    return ObjectCrop(np.ones((side, side), bool), top, left)


def _labels(**parts):
    labels = np.zeros(SIZE, np.uint16)
    for name, (rows, columns) in parts.items():
        labels[rows, columns] = int(name[1:])
    return labels


def test_an_automatic_mask_gives_up_its_pixels_and_others_keep_theirs():
    labels = _labels(o1=(slice(0, 30), slice(0, 40)), o2=(slice(0, 30), slice(40, 80)))
    new = fit(labels, _square(10, 30, 20), 3, automatic={1})
    after = new.apply(labels)
    assert new.taken == {1: 200}
    assert new.kept == {2: 200}
    expected = labels.copy()
    expected[10:30, 30:40] = 3
    assert np.array_equal(after, expected)


def test_slivers_of_an_automatic_mask_go_and_the_rest_of_it_stays():
    labels = _labels(o1=(slice(9, 31), slice(9, 60)))  # one pixel more on three sides
    after = fit(labels, _square(10, 10, 20), 2, automatic={1}).apply(labels)
    assert (after[10:30, 10:30] == 2).all()
    assert (after[9:31, 30:60] == 1).any()
    alone = _labels(o1=(slice(9, 31), slice(9, 31)))  # one pixel more on four
    new = fit(alone, _square(10, 10, 20), 2, automatic={1})
    assert np.unique(new.apply(alone)).tolist() == [0, 2]
    assert new.taken == {1: 22 * 22}


def test_a_thin_automatic_mask_is_no_sliver():
    labels = _labels(o1=(slice(20, 22), slice(0, 80)))
    after = fit(labels, _square(10, 10, 20), 2, automatic={1}).apply(labels)
    assert (after == 1).sum() == 2 * 60


def test_a_mask_of_which_others_leave_slivers_gets_nothing_unless_it_may_overwrite():
    labels = _labels(o1=(slice(11, 29), slice(11, 29)))
    crop = _square(10, 10, 20)
    assert fit(labels, crop, 2).count == 0
    assert fit(labels, crop, 2, overwrite=False).count == 400 - 18 * 18  # as it always was
    assert fit(labels, crop, 2, overwrite=True).count == 400


def test_numbers_of_an_object_s_own_pixels_are_free():
    labels = _labels(o1=(slice(0, 30), slice(0, 40)))
    after = fit(labels, _square(10, 30, 20), 1).apply(labels)
    assert (after == 1).sum() == 400
    assert (after[10:30, 30:50] == 1).all()


@pytest.fixture
def segmented(session, layer, shipped):
    """A session whose first image was segmented by the model."""
    session.runs.set_options(points_per_side=6, thresholds=Thresholds(0.3, 0.5, 0.7))
    session.runs.segment(shipped, [layer])
    assert session.layers.automatic(layer)
    return session


def _click(session, layer, shipped, prompts):
    return session.clicks.predict(session.clicks.prepare(shipped, layer), prompts)


def test_a_commit_inside_automatic_masks_is_whole_and_says_what_it_took(
    segmented: Session, layer: LayerKey, shipped
):
    before = np.array(segmented.layers.labels(layer))
    preview = _click(segmented, layer, shipped, ClickPrompts(box=(20, 14, 52, 46)))
    met = set(np.unique(before[preview.shown]).tolist()) - {0}
    assert met
    (shown,) = segmented.clicks.fit([preview])
    change = segmented.clicks.commit(preview)
    labels = segmented.layers.labels(layer)
    (label,) = set(segmented.layers.objects(layer).ids.tolist()) - set(np.unique(before).tolist())
    assert np.array_equal(labels == label, preview.shown)
    assert np.array_equal(labels, shown.apply(before))
    for each in met:
        assert str(each) in change.note
    segmented.edits.undo(layer)
    assert np.array_equal(segmented.layers.labels(layer), before)


def test_what_was_committed_or_edited_is_not_automatic(segmented, layer, shipped, paint):
    automatic = segmented.layers.automatic(layer)
    first = min(automatic)
    rows, columns = np.nonzero(segmented.layers.labels(layer) == first)
    paint(segmented, layer, first, slice(0, 1), slice(0, 2))
    assert segmented.layers.automatic(layer) == automatic - {first}
    segmented.edits.undo(layer)
    assert segmented.layers.automatic(layer) == automatic
    segmented.edits.review(layer, [first])
    assert segmented.layers.automatic(layer) == automatic - {first}
    folder = segmented.folder
    segmented.close()
    with Session.open(folder) as again:  # the journal says so
        assert again.layers.automatic(layer) == automatic - {first}
        inside = ClickPrompts(((float(columns.mean()), float(rows.mean())),), (1,))
        preview = _click(again, layer, shipped, inside)
        again.clicks.commit(preview, overwrite=True)
        (new,) = set(again.layers.objects(layer).ids.tolist()) - automatic
        assert new not in again.layers.automatic(layer)
        with pytest.raises(SessionError, match=r"Other objects cover this whole mask|slivers"):
            again.clicks.commit(preview)


def test_a_replay_repeats_what_a_click_took(segmented, layer, shipped):
    preview = _click(segmented, layer, shipped, ClickPrompts(box=(20, 14, 52, 46)))
    assert "Object" in segmented.clicks.commit(preview).note
    (again,) = replay(segmented, sam=shipped).layers
    assert again.status == "same"
