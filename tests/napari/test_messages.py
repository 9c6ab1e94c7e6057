"""What the window says: names as they are, errors until they were seen, nothing about nothing."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from PIL import Image
from qtpy.QtWidgets import QApplication

from anymask.napari import widgets
from anymask.session import Session

NAME = "a <b>bold<br> name & more"


@pytest.fixture
def named(panel, tmp_path, idle):
    """A picture whose file name looks like HTML, shown."""
    Image.fromarray(np.full((40, 60, 3), 90, np.uint8)).save(tmp_path / f"{NAME}.png")
    panel.images.add([tmp_path / f"{NAME}.png"])
    idle()
    return panel


def _lines(label):
    """How many lines a text without wrapping would take."""
    return round(label.sizeHint().height() / label.fontMetrics().height())


def test_names_of_files_are_not_taken_for_html(named, answer, qtbot):
    from qtpy.QtCore import Qt
    from qtpy.QtWidgets import QMessageBox

    from anymask.napari.dialogs import ask

    plain = Qt.TextFormat.PlainText
    assert named.shown.textFormat() == plain
    assert _lines(named.shown) == 1
    named.control.say(f"{NAME} was said")
    assert named.message.text.textFormat() == plain
    assert named.segment.count.textFormat() == plain
    assert named.task_text.textFormat() == plain
    seen = []

    def look():
        box = QApplication.activeModalWidget()
        if isinstance(box, QMessageBox):
            seen.append(box.textFormat())

    from qtpy.QtCore import QTimer

    timer = QTimer()
    timer.setInterval(10)
    timer.timeout.connect(look)
    timer.start()
    asked = answer(None)
    assert ask(None, "Title", f"{NAME}?", ["Yes"]) is None
    timer.stop()
    assert asked == [f"{NAME}?"]
    assert set(seen) <= {plain}


def test_an_error_goes_once_it_was_seen_and_the_user_goes_on(panel, photos, idle, monkeypatch):
    panel.images.add(photos)
    idle()
    panel.control.say("Something was wrong.", "error")
    panel.control.step(1)
    assert panel.message.isVisibleTo(panel)  # nobody can have read it yet
    monkeypatch.setattr(widgets, "_SEEN_SECONDS", 0.0)
    panel.control.step(1)
    assert not panel.message.isVisibleTo(panel)
    panel.control.say("It can be helped.", "error", ("Help", lambda: None))
    panel.control.step(1)
    assert panel.message.isVisibleTo(panel)


def test_without_an_image_the_keys_of_the_review_say_so_once(panel):
    said = []
    panel.control.said.connect(lambda text, *_: said.append(text))
    panel.objects.next_unreviewed()
    panel.spectra.measure()
    assert said == ["Add an image first."] * 2
    assert panel.message.action.text() == "Add files…"


def test_where_one_is_in_times_and_depths_is_said(panel, tmp_path, idle, wait):
    data = np.zeros((2, 3, 20, 30), np.uint8)
    data[..., 5:9, 5:9] = 200
    tifffile.imwrite(tmp_path / "both.tif", data, imagej=True, metadata={"axes": "TZYX"})
    panel.images.add([tmp_path / "both.tif"])
    idle()
    panel.viewer.dims.set_current_step(0, 0)
    assert panel.shown.text().endswith("time 0, depth 0")
    assert panel.viewer.dims.axis_labels[0] == "t×z"
    panel.viewer.dims.set_current_step(0, 4)
    assert panel.shown.text().endswith("time 1, depth 1")


def test_masks_of_a_session_to_look_at_only_cannot_be_painted(panel, photos, idle, tmp_path):
    panel.images.add(photos)
    idle()
    assert panel.canvas.layer.editable
    folder = panel.control.session.folder
    panel.control.set_session(None)
    panel.control.set_session(Session.open(folder, read_only=True))
    idle()
    assert not panel.canvas.layer.editable


def test_layers_deleted_in_napari_come_back(panel, photos, idle, wait):
    panel.images.add(photos[:1])
    idle()
    panel.viewer.layers.clear()
    assert "the session still has it" in panel.message.text.text()
    panel.message.action.click()
    wait(lambda: panel.canvas.layer in panel.viewer.layers)
    assert panel.canvas.picture in panel.viewer.layers
    panel.viewer.layers.remove(panel.canvas.layer)
    labels = np.zeros((120, 160), np.uint16)
    labels[5:20, 5:20] = 3
    session, key = panel.control.need_current()
    session.edits.paint(key, labels)  # as by a click that is committed
    wait(lambda: panel.canvas.layer in panel.viewer.layers)
    assert np.array_equal(panel.canvas.layer.data, labels)


def test_buttons_of_pseudo_rgbs_that_are_gone_do_not_cover_the_name_of_the_image(
    panel, photos, idle
):
    panel.images.add(photos[:1])
    idle()
    session = panel.control.session
    session.images.add_recipe("ch[0]", name="red")
    panel._tell()  # one right after the other, before anything is laid out
    panel._tell()
    QApplication.processEvents()
    part = panel.shown.parentWidget()
    assert part.childAt(panel.shown.geometry().center()) is panel.shown
