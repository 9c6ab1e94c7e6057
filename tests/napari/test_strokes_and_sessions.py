"""Nothing is lost: strokes, undo, sessions opened again."""

from __future__ import annotations

import threading

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from anymask.session import LayerKey, Session

KEY = LayerKey("i1", "rgb")


def _paint(layer, label=1):
    layer.mode = "paint"
    layer.brush_size = 9
    layer.selected_label = label
    layer.paint((30, 30), label)
    QTest.qWait(10)


def test_a_stroke_is_a_step_that_undo_takes_back(panel, photos, idle, qtbot):
    panel.images.add(photos[:1])
    idle()
    session, layer = panel.control.session, panel.canvas.layer
    _paint(layer)
    assert session.edits.can_undo(KEY) == "paint"
    assert np.array_equal(session.layers.labels(KEY), layer.data)
    assert session.layers.objects(KEY).ids.tolist() == [1]
    layer.mode = "fill"
    layer.fill((100, 100), 2)
    QTest.qWait(10)
    assert session.edits.can_undo(KEY) == "fill"
    panel._undo.click()
    panel._undo.click()
    assert not layer.data.any()
    assert not session.layers.labels(KEY).any()
    assert not panel._undo.isEnabled()
    panel._redo.click()
    assert layer.data[30, 30] == 1


def test_a_stroke_is_compared_where_it_was_painted_and_nowhere_else(panel, photos, idle):
    panel.images.add(photos[:1])
    idle()
    session, layer = panel.control.session, panel.canvas.layer
    layer.data[0, 0] = 9  # napari does not know of it
    _paint(layer)
    assert session.layers.objects(KEY).ids.tolist() == [1]
    layer.data_setitem((np.array([5, 110]), np.array([150, 7])), 3)
    QTest.qWait(10)
    assert session.layers.labels(KEY)[110, 7] == session.layers.labels(KEY)[5, 150] == 3
    layer.data = layer.data.copy()  # a whole layer is compared as a whole
    QTest.qWait(10)
    assert session.layers.labels(KEY)[0, 0] == 9


def test_the_next_image_is_shown_with_the_same_layers_and_tool(panel, photos, idle, wait):
    panel.images.add(photos)
    idle()
    picture, layer = panel.canvas.picture, panel.canvas.layer
    _paint(layer, 4)
    layer.brush_size = 17
    panel.control.step(1)
    wait(lambda: panel.canvas.layer is not None)
    assert panel.canvas.picture is picture
    assert panel.canvas.layer is layer
    assert picture.data.shape == (150, 100, 3)
    assert layer.data.shape == (150, 100)
    assert not layer.data.any()
    assert (picture.visible, layer.visible) == (True, True)
    assert (str(layer.mode), layer.brush_size, layer.selected_label) == ("paint", 17, 1)
    layer.paint((140, 90), 2)
    QTest.qWait(10)
    session = panel.control.session
    assert session.layers.objects(LayerKey("i2", "rgb")).ids.tolist() == [2]
    assert session.layers.objects(KEY).ids.tolist() == [4]


def test_a_stroke_that_is_written_down_in_parts_is_undone_as_one(panel, photos, idle, wait):
    panel.images.add(photos[:1])
    idle()
    session, layer = panel.control.session, panel.canvas.layer
    _paint(layer, 1)
    before = layer.data.copy()
    with layer.block_history():  # the mouse is down
        for column in (60, 80, 100):
            layer.paint((60, column), 2)
            panel.canvas.record()  # as the timer does every second
    wait(lambda: not panel.canvas._strokes[KEY]._soon.isActive())
    assert [step.kind for step in session.edits.steps(KEY)] == ["paint"] * 4
    whole = layer.data.copy()
    panel.control.undo()
    assert np.array_equal(layer.data, before)
    assert np.array_equal(session.layers.labels(KEY), before)
    panel.control.redo()
    assert np.array_equal(layer.data, whole)
    layer.paint((100, 20), 3)  # the next stroke is one by itself
    wait(lambda: not panel.canvas._strokes[KEY]._soon.isActive())
    panel.control.undo()
    assert np.array_equal(layer.data, whole)


def test_polygons_are_steps_too(panel, photos, idle, wait):
    panel.images.add(photos[:1])
    idle()
    layer = panel.canvas.layer
    layer.mode = "polygon"
    layer.paint_polygon([(10, 10), (10, 50), (40, 50), (40, 10)], 5)
    wait(lambda: panel.control.session.edits.can_undo(KEY) == "polygon")
    assert panel.control.session.layers.objects(KEY).ids.tolist() == [5]
    layer.mode = "pan_zoom"


def test_napari_s_own_undo_key_takes_back_the_session_s_step(panel, photos, idle):
    panel.images.add(photos[:1])
    idle()
    layer = panel.canvas.layer
    _paint(layer)
    panel.viewer.layers.selection.active = layer
    canvas = panel.viewer.window._qt_viewer.canvas.native
    QTest.keyClick(canvas, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert not layer.data.any()
    assert panel.control.session.edits.can_redo(KEY) == "paint"


def test_undo_leaves_the_brush_on(panel, photos, idle, mouse, wait):
    panel.images.add(photos[:1])
    idle()
    layer, session = panel.canvas.layer, panel.control.session
    panel.viewer.layers.selection.active = layer
    layer.mode = "paint"
    mouse.drag((30, 30), (40, 40))
    wait(lambda: session.edits.can_undo(KEY) == "paint")
    mouse.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    wait(lambda: not layer.data.any())
    QTest.qWait(10)
    assert str(layer.mode) == "paint"
    mouse.drag((60, 60), (70, 60))
    wait(lambda: session.edits.can_undo(KEY) == "paint")
    layer.mode = "pan_zoom"


def test_leaving_an_image_keeps_what_was_painted(panel, photos, idle, wait):
    panel.images.add(photos)
    idle()
    with panel.canvas.layer.block_history():  # the stroke has not ended
        panel.canvas.layer.paint((30, 30), 4)
        panel.control.step(1)
    wait(lambda: KEY not in panel.canvas.labels)
    assert panel.control.session.layers.objects(KEY).ids.tolist() == [4]
    panel.control.step(1)
    wait(lambda: panel.canvas.layer is not None)
    assert panel.canvas.layer.data[30, 30] == 4


def test_an_edit_while_an_image_is_opened_is_shown(panel, photos, idle, wait, monkeypatch):
    panel.images.add(photos)
    idle()
    panel.control.step(1)
    idle()
    session = panel.control.session
    real, reading, go_on = session.layers.labels, threading.Event(), threading.Event()

    def slow(key):
        labels = np.array(real(key))
        if threading.current_thread() is not threading.main_thread():
            reading.set()
            assert go_on.wait(600)
        return labels

    monkeypatch.setattr(session.layers, "labels", slow)
    panel.control.step(-1)
    assert reading.wait(600)
    painted = np.array(real(KEY))
    painted[30, 30] = 4
    session.edits.paint(KEY, painted)
    QTest.qWait(10)
    go_on.set()
    wait(lambda: panel.canvas.layer is not None)
    QTest.qWait(50)
    assert panel.canvas.layer.data[30, 30] == 4


def test_a_session_opens_as_it_was_left(panel, photos, idle, wait):
    panel.images.add(photos)
    idle()
    _paint(panel.canvas.layer, 6)
    panel.control.step(1)
    idle()
    folder = panel.control.session.folder
    panel.control.set_session(None)
    assert [layer.name for layer in panel.viewer.layers] == []
    panel.images.open(folder)
    idle()
    assert panel.control.current.image == "i2"
    panel.control.step(-1)
    wait(lambda: panel.canvas.layer is not None)
    assert panel.canvas.layer.data[30, 30] == 6
    panel.control.undo()
    assert not panel.canvas.layer.data.any()


def test_a_session_that_is_open_elsewhere_can_be_looked_at(panel, photos, idle, tmp_path):
    with Session.create(tmp_path / "other") as other:
        other.images.add(photos[:1])
        panel.images.open(other.folder)
        idle()
        assert panel.message.action.text() == "Open read-only"
        panel.message.action.click()
        idle()
        assert panel.control.session.read_only
        assert "(read-only)" in panel.images.session_name.text()
        _paint(panel.canvas.layer)
        assert not other.layers.labels(KEY).any()
        panel.control.set_session(None)
