"""Prompts, commits and undo are done in the order in which they were asked for."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from qtpy.QtCore import Qt

from anymask.masks.objects import ObjectCrop
from anymask.session import LayerKey

KEY = LayerKey("i1", "rgb")
_DOT = ObjectCrop(np.ones((1, 1), bool), 2, 2)
SQUARES = [(40, 45), (70, 95)]
UNDO = Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def clicking(panel, shipped, photos, idle, wait):
    """A photograph, prepared for clicks."""
    panel.control.sam = shipped
    panel.images.add(photos)
    idle()
    panel.clicks.overwrite = False
    panel.clicks.set_tool("points")
    panel.clicks.start()
    wait(lambda: panel.clicks.is_ready)
    return panel


def _rounded(points):
    return tuple((round(x), round(y)) for x, y in points)


def _made(session, key=KEY):
    """The prompts of each object, in the order of the commits; other edits are named."""
    return [
        step.kind
        if step.kind != "click"
        else (_rounded(click["prompts"]["points"]), click["prompts"]["box"])
        for step in session.edits.steps(key)
        for click in step.args.get("clicks", [{}])
    ]


def _is_done(panel):
    clicks = panel.clicks
    return not clicks._queue._waiting and (not clicks._turn or clicks._turn.is_answered)


def test_click_c_click_c_at_once_makes_two_objects(clicking, mouse, wait):
    session = clicking.control.session
    for place in SQUARES:
        mouse.click(*place)
        mouse.key(Qt.Key.Key_C)
    wait(lambda: len(session.layers.objects(KEY)) == 2)
    assert _made(session) == [(((40, 45),), None), (((70, 95),), None)]
    assert not clicking.clicks.prompts


def test_a_box_right_after_a_commit_is_for_the_next_object(clicking, mouse, wait):
    session = clicking.control.session
    mouse.click(40, 45)
    mouse.key(Qt.Key.Key_C)
    mouse.key(Qt.Key.Key_J)
    mouse.drag((47, 77), (70, 90), (93, 113))
    mouse.key(Qt.Key.Key_C)
    wait(lambda: len(session.layers.objects(KEY)) == 2)
    (first, no_box), (no_points, box) = _made(session)
    assert (first, no_box, no_points) == (((40, 45),), None, ())
    assert np.allclose(box, (47, 77, 93, 113), atol=1.5)


def test_an_image_that_is_left_and_undo_come_after_the_commits_before_them(clicking, mouse, wait):
    session = clicking.control.session
    for place in SQUARES:
        mouse.click(*place)
        mouse.key(Qt.Key.Key_C)
    mouse.key(*UNDO)
    mouse.key(Qt.Key.Key_PageDown)
    wait(lambda: session.edits.can_redo(KEY) == "click")
    assert _made(session) == [(((40, 45),), None)]
    assert clicking.control.current == LayerKey("i2", "rgb")


class _Held:
    """Holds answers of the model back until they are let go, one at a time."""

    def __init__(self, clicks, monkeypatch):
        self._tickets, real = threading.Semaphore(0), clicks.predict

        def predict(*args, **options):
            assert self._tickets.acquire(timeout=600)
            return real(*args, **options)

        monkeypatch.setattr(clicks, "predict", predict)

    def let_go(self, count):
        self._tickets.release(count)


@pytest.fixture
def two(clicking):
    """A photograph with the objects 1 and 2 of nine pixels each."""
    for corner in (0, 10):
        clicking.control.session.edits.place(KEY, ObjectCrop(np.ones((3, 3), bool), corner, corner))
    return clicking


def test_an_edit_on_the_objects_page_comes_after_the_commits_before_it(
    two, mouse, wait, monkeypatch
):
    panel, session = two, two.control.session
    panel.control.select([2])
    with monkeypatch.context() as patch:
        held = _Held(session.clicks, patch)
        mouse.click(*SQUARES[1])
        mouse.key(Qt.Key.Key_C)
        panel.objects.erase()
        mouse.key(*UNDO)
        held.let_go(1)
        wait(lambda: _is_done(panel))
    assert _made(session) == ["mask", "mask", (((70, 95),), None)]
    assert session.edits.can_redo(KEY) == "erase"
    assert session.layers.objects(KEY).ids.tolist() == [1, 2, 3]


def test_the_object_that_was_selected_when_the_key_was_pressed_is_replaced(
    two, mouse, wait, monkeypatch
):
    panel, session = two, two.control.session
    panel.control.select([1])
    with monkeypatch.context() as patch:
        held = _Held(session.clicks, patch)
        mouse.click(*SQUARES[1])
        mouse.key(Qt.Key.Key_C, Qt.KeyboardModifier.ShiftModifier)
        panel.control.select([2])
        held.let_go(1)
        wait(lambda: _is_done(panel))
    labels = session.layers.labels(KEY)
    assert labels[95, 70] == 1
    assert (labels == 2).sum() == 9
    assert labels[1, 1] == 0


KEYS = ["A", "B", "C", "C", "W", "Q", "N", "edit", "undo", "answer"]


@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(actions=st.lists(st.sampled_from(KEYS), max_size=9))
def test_no_sequence_loses_or_joins_anything(clicking, mouse, wait, monkeypatch, actions):
    panel, session = clicking, clicking.control.session
    panel.clicks.overwrite = True  # so that no commit is refused
    expected, prompts = [], []
    with monkeypatch.context() as patch:
        held = _Held(session.clicks, patch)
        for action in actions:
            if action in "AB":
                place = SQUARES["AB".index(action)]
                mouse.click(*place)
                prompts.append(place)
            elif action == "C":
                mouse.key(Qt.Key.Key_C)
                if prompts:
                    expected.append((tuple(prompts), None))
                prompts = []
            elif action == "edit":
                panel.control.edit(
                    lambda session, key: session.edits.place(key, _DOT, overwrite=True)
                )
                expected.append("mask")
            elif action == "undo":
                mouse.key(*UNDO)
                expected = expected[:-1]
            elif action == "answer":
                held.let_go(1)
            else:
                mouse.key(getattr(Qt.Key, f"Key_{action}"))
                prompts = {"W": prompts[:-1], "Q": [], "N": prompts}[action]
        held.let_go(1000)
        wait(lambda: _is_done(panel))
    assert _made(session) == expected
    assert list(_rounded(panel.clicks.prompts.points)) == prompts
    panel.clicks.clear()
    while session.edits.can_undo(KEY):
        session.edits.undo(KEY)
    panel.clicks.overwrite = False
