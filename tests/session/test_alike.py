"""Objects like some in a session: found, accepted, rejected and found again."""

from __future__ import annotations

import numpy as np
import pytest

from anymask.session import CancelToken, Session, SessionError


@pytest.fixture
def shown(session, shipped, discs):
    """The session with a disc of its first image as an object, and the layers."""
    session.runs.set_options(points_per_side=8)
    first = session.layers[0]
    painted = session.layers.labels(first).copy()
    rows, columns = np.mgrid[:90, :120]
    painted[np.hypot(rows - 60, columns - 90) < 20] = 1
    session.edits.paint(first, painted)
    return session, list(session.layers)


def test_the_answers_of_a_person_are_kept_and_used(shown, shipped, tmp_path):
    session, keys = shown
    seen = []
    run = session.alike.find(
        shipped, {keys[0]: [1]}, keys[:2], class_name="disc", threshold=0.0, progress=seen.append
    )
    assert run.done == keys[:2]
    assert seen[-1].total == 2
    table = session.layers.objects(keys[1]).columns
    assert len(table["id"]) >= 2
    assert set(table["class_name"]) == {"disc"}
    assert 1 in session.layers.objects(keys[0]).columns["id"]

    # The disc like the shown one is accepted, everything else is rejected.
    labels = session.layers.labels(keys[1]).copy()
    good = int(labels[60, 90])
    session.alike.accept(keys[1], [good])
    others = [int(i) for i in table["id"] if i != good]
    session.alike.reject(keys[1], others)
    session.close()
    with Session.open(tmp_path / "work") as again:
        again.alike.find(shipped, {keys[0]: [1]}, keys[1:2], threshold=0.0)
        after = again.layers.labels(keys[1])
        assert (after[labels == good] == good).all()
        for other in others:
            assert (after[labels == other] > 0).mean() < 0.5
        assert again.edits.undo(keys[1]) is not None
        assert again.edits.undo(keys[1]) is not None
        np.testing.assert_array_equal(again.layers.labels(keys[1]), labels)


def test_the_threshold_is_chosen_afterwards(shown, shipped):
    session, keys = shown
    with pytest.raises(SessionError, match="Nothing was searched"):
        session.alike.set_threshold(keys[1], 0.5)
    session.alike.find(shipped, {keys[0]: [1]}, keys[1:2], threshold=0.0)
    everything = session.layers.labels(keys[1]).copy()
    session.alike.set_threshold(keys[1], 1.0)
    assert not session.layers.labels(keys[1]).any()
    session.alike.set_threshold(keys[1], 0.0)
    np.testing.assert_array_equal(session.layers.labels(keys[1]) > 0, everything > 0)
    unsure = session.alike.least_certain(count=1)
    assert unsure[0].layer == keys[1]
    assert 0 <= unsure[0].likeness < 1


def test_a_cancelled_search_keeps_what_is_done(shown, shipped):
    session, keys = shown
    cancel = CancelToken()

    def stop_at_second(progress) -> None:
        if progress.index == 1:
            cancel.cancel()

    run = session.alike.find(
        shipped, {keys[0]: [1]}, keys[:2], threshold=0.0, progress=stop_at_second, cancel=cancel
    )
    assert run.cancelled
    assert run.done == keys[:1]
    with pytest.raises(SessionError, match="select at least one"):
        session.alike.find(shipped, {})
