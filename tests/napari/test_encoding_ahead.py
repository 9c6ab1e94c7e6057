"""What a first click needs is there before clicking is turned on, and nothing waits for it."""

from __future__ import annotations

import os
import sys
import threading

import pytest

from anymask.napari import encoding_ahead
from anymask.predict.predictor import SamPredictor
from anymask.session import LayerKey

KEY = LayerKey("i1", "rgb")
SHAPES = [(120, 160, 3), (150, 100, 3)]


@pytest.fixture(autouse=True)
def soon(window):
    """Look after a moment, as for a user."""
    look = window.clicks._ahead._look
    before = look.interval()
    look.setInterval(encoding_ahead._SETTLED_MS)
    yield
    look.setInterval(before)


@pytest.fixture
def encoded(monkeypatch):
    """Shapes of the pictures that are encoded, with the priority and thread of who does it."""
    real, found = SamPredictor.set_image, []

    def noted(self, image, *args, **options):
        thread = threading.get_native_id()
        nice = os.getpriority(os.PRIO_PROCESS, thread) if sys.platform == "linux" else 0
        found.append((image.shape, nice, threading.current_thread().name))
        return real(self, image, *args, **options)

    monkeypatch.setattr(SamPredictor, "set_image", noted)
    return found


def _is_prepared(panel, key=KEY):
    return panel.control.session.clicks.is_prepared(panel.control.sam, key)


def _looked(panel, qtbot):
    """Wait until it looked whether there is anything to encode; return what it asked for."""
    look = panel.clicks._ahead._look
    with qtbot.waitSignal(look.timeout, timeout=600_000):
        look.start()
    return panel.clicks._ahead._asked


def test_the_first_click_finds_its_picture_encoded(panel, shipped, photos, idle, wait, encoded):
    panel.images.add(photos[:1])
    idle()
    wait(lambda: _is_prepared(panel))
    assert [shape for shape, *_ in encoded] == SHAPES[:1]
    assert panel.clicks.status == "Off"
    assert list((panel.control.session.folder / "embeddings").glob("*.safetensors"))
    panel.clicks.start()
    wait(lambda: panel.clicks.is_ready)
    panel.clicks.add_points([(40, 45)], 1)
    wait(lambda: bool(panel.clicks.previews))
    assert len(encoded) == 1


def test_who_turns_clicking_on_meanwhile_waits_for_that_one(
    panel, shipped, photos, idle, wait, gate, encoded
):
    held = gate(SamPredictor, "set_image")
    panel.images.add(photos[:1])
    idle()
    held.wait_until_reached()
    panel.clicks.start()
    assert panel.clicks.status == "Preparing the image…"
    held.open()
    wait(lambda: panel.clicks.is_ready)
    assert len(encoded) == 1


def test_only_the_picture_that_somebody_looks_at_is_encoded(
    panel, shipped, photos, idle, wait, encoded, qtbot
):
    look = panel.clicks._ahead._look
    moment = look.interval()
    look.setInterval(2**30)  # however slow the machine is, the first is left before the moment ends
    panel.images.add(photos)
    idle()
    panel.control.step(1)
    idle()
    look.setInterval(moment)
    wait(lambda: _is_prepared(panel, LayerKey("i2", "rgb")))
    assert [shape for shape, *_ in encoded] == SHAPES[1:]
    panel.control.step(1)
    wait(lambda: _is_prepared(panel))
    panel.control.step(1)
    idle()
    assert _looked(panel, qtbot)
    qtbot.wait(200)
    assert [shape for shape, *_ in encoded] == SHAPES[::-1]


def test_it_yields_to_everything_else(panel, shipped, photos, idle, wait, encoded):
    panel.images.add(photos[:1])
    idle()
    wait(lambda: _is_prepared(panel))
    ((_, nice, thread),) = encoded
    assert nice >= (10 if sys.platform == "linux" else 0)  # elsewhere threads have none
    assert "ahead" in thread


def test_nothing_is_encoded_while_a_task_runs_but_after_it(
    panel, shipped, photos, idle, wait, encoded, qtbot
):
    panel.images.add(photos[:1])
    idle()
    go_on = threading.Event()
    assert panel.control.run("Something long", lambda task: go_on.wait(600))
    assert _looked(panel, qtbot) is None
    assert encoded == []
    go_on.set()
    wait(lambda: _is_prepared(panel))
    assert len(encoded) == 1


def test_without_a_model_nothing_happens_and_with_it_the_picture_is_encoded(
    panel, shipped, photos, idle, wait, encoded, qtbot
):
    panel.control.sam = None
    panel.images.add(photos[:1])
    idle()
    assert _looked(panel, qtbot) is None
    assert encoded == []
    panel.control.sam = shipped
    panel.control.model_changed.emit()
    wait(lambda: _is_prepared(panel))
    assert len(encoded) == 1
