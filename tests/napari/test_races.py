"""An answer that comes late changes nothing that was done meanwhile."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from qtpy.QtWidgets import QApplication

from anymask.napari.tasks import Latest
from anymask.session import LayerKey

KEY = LayerKey("i1", "rgb")


def _paint(panel, label, where=(slice(30, 40), slice(30, 40))):
    panel.canvas.layer.data[where] = label
    panel.canvas.layer.events.paint(value=[])
    panel.canvas.record()


@pytest.fixture
def shown(panel, photos, idle):
    """Two photographs; the first is shown."""
    panel.images.add(photos)
    idle()
    return panel


@pytest.mark.parametrize("in_between", [False, True])
def test_of_several_questions_the_newest_is_answered_and_a_forgotten_one_never(
    panel, wait, in_between
):
    latest = Latest(panel.control.main, "questions", in_between=in_between)
    started, go_on, answers = threading.Event(), threading.Event(), []

    def slow():
        started.set()
        assert go_on.wait(600)
        return "first"

    latest.ask(slow, answers.append, answers.append)
    assert started.wait(600)
    latest.ask(lambda: "second", answers.append, answers.append)
    latest.ask(lambda: "third", answers.append, answers.append)
    go_on.set()
    wait(lambda: "third" in answers)
    assert answers == (["first", "third"] if in_between else ["third"])
    started.clear()
    go_on.clear()
    latest.ask(slow, answers.append, answers.append)
    assert started.wait(600)
    latest.forget()
    go_on.set()
    latest.ask(lambda: "fourth", answers.append, answers.append)
    wait(lambda: "fourth" in answers)
    assert answers[-2:] == ["third", "fourth"]
    latest.close()


def test_an_image_that_was_left_while_it_was_read_is_not_shown(shown, gate, wait):
    session = shown.control.session
    held = gate(session.images, "rgb")
    shown.control.step(1)
    held.wait_until_reached()
    shown.control.set_session(None)
    held.open()
    assert list(shown.viewer.layers) == []


def test_masks_edited_while_a_run_goes_on_are_kept(shown, shipped, gate, idle):
    panel, session = shown, shown.control.session
    panel.control.sam = shipped
    panel.segment.points.setValue(8)
    held = gate(session.images, "rgb")
    panel.segment.run()
    held.wait_until_reached()
    _paint(panel, 9)
    held._opened.set()
    idle()
    assert session.layers.labels(KEY)[35, 35] == 9
    assert session.images.state("i1") == "edited"
    assert session.images.state("i2") == "segmented"
    assert panel.message.kind == "error"
    assert "edited while the model was running" in panel.message.text.text()


def test_an_image_removed_while_a_run_goes_on_is_not_missed(shown, shipped, gate, idle):
    panel, session = shown, shown.control.session
    panel.control.sam = shipped
    panel.segment.points.setValue(4)
    held = gate(session.images, "rgb")
    panel.segment.run()
    held.wait_until_reached()
    session.images.remove(["i2"])
    held._opened.set()
    idle()
    assert panel.message.kind == "good"
    assert panel.message.text.text().startswith("Segmented 1 of 2")


def test_no_new_session_is_begun_while_a_task_runs(shown, shipped, gate, idle, monkeypatch):
    panel, session = shown, shown.control.session
    panel.control.sam = shipped
    monkeypatch.setattr("anymask.napari.pages.images_page.choose_new_file", None)
    held = gate(session.images, "rgb")
    panel.segment.run()
    held.wait_until_reached()
    panel.images._new_session()
    assert "still running" in panel.message.text.text()
    assert panel.control.session is session
    panel.control.tasks.cancel()
    held._opened.set()
    idle()


@pytest.fixture
def segmented(shown, shipped, idle):
    """The first photograph segmented."""
    shown.control.sam = shipped
    shown.segment.points.setValue(8)
    shown.segment.scope.setCurrentIndex(2)
    shown.segment.run()
    idle()
    yield shown
    shown.segment.scope.setCurrentIndex(0)


def test_a_preview_of_thresholds_does_not_cover_an_edit(segmented, gate, answer, wait):
    panel, session, page = segmented, segmented.control.session, segmented.segment
    held = gate(session.runs, "count")
    page.area.slider.setSliderDown(True)
    page.area.set_value(3000)
    page.area.moved.emit(3000.0)
    held.wait_until_reached()
    _paint(panel, 99)
    held.open()
    assert np.array_equal(panel.canvas.layer.data, session.layers.labels(KEY))
    asked = answer(None)
    page.area.slider.setSliderDown(False)
    wait(lambda: asked)
    assert "edited" in asked[0]
    assert np.array_equal(panel.canvas.layer.data, session.layers.labels(KEY))
    assert panel.canvas.layer.data[35, 35] == 99


def test_an_edit_from_elsewhere_takes_a_preview_s_place_whole(segmented):
    panel, session = segmented, segmented.control.session
    panel.canvas.preview(KEY, np.full((120, 160), 7, np.uint16))
    copy = np.array(session.layers.labels(KEY))
    copy[30:33, 30:33] = 55
    session.edits.paint(KEY, copy)
    QApplication.processEvents()
    assert np.array_equal(panel.canvas.layer.data, session.layers.labels(KEY))
    _paint(panel, 56)  # nothing of the preview is taken for painted
    assert not (session.layers.labels(KEY) == 7).any()


def test_thresholds_of_a_session_that_was_closed_are_not_noted_in_the_next(
    segmented, gate, tmp_path, photos, idle
):
    from anymask.session import Session

    panel, old = segmented, segmented.control.session
    held = gate(old.runs, "set_thresholds")
    panel.segment.iou.number.setValue(0.93)
    held.wait_until_reached()
    panel.control.set_session(Session.create(tmp_path / "next"))
    before = panel.control.session.runs.options
    held.open()
    assert panel.control.session.runs.options == before
    assert panel.message.kind != "error", "\n".join(panel.control.session.log_lines())


def test_measurements_come_to_nothing_once_they_are_not_asked_for(shown, gate, wait):
    panel = shown
    _paint(panel, 1)
    wait(lambda: panel.objects.model.rowCount() == 1)
    plain = panel.objects.model.columnCount()
    held = gate(panel.control.session.layers, "objects")
    panel.objects.measures.setCurrentIndex(panel.objects.measures.findData("shape"))
    held.wait_until_reached()
    panel.objects.measures.setCurrentIndex(0)
    held.open()
    assert panel.objects.model.columnCount() == plain


@pytest.fixture
def leaf(panel, cube, idle, tmp_path):
    """The cube in the window."""
    panel.images.add([cube], tmp_path / "headers" / "leaf.hdr")
    idle()
    return panel


def test_a_band_read_after_going_back_is_not_shown(leaf, gate):
    held = gate(leaf.control.session.images, "load")
    leaf.pseudo_rgb.bands.setValue(40)
    held.wait_until_reached()
    leaf.pseudo_rgb._hide_band()
    held.open()
    assert not any("band" in layer.name for layer in leaf.viewer.layers)


def test_spectra_that_come_after_clear_are_not_drawn(leaf, gate):
    held = gate(leaf.control.session.images, "load")
    leaf.spectra.show_pixel(20, 20)
    held.wait_until_reached()
    leaf.spectra._clear()
    held.open()
    assert leaf.spectra.plot.lines == []
    assert leaf.spectra.place.text() == ""


def test_a_pseudo_rgb_that_gets_other_expressions_is_drawn_anew(leaf, wait, idle):
    session = leaf.control.session
    session.images.add_recipe("nm(860)", name="one")
    leaf.control.show("i1", "one")
    wait(lambda: leaf.canvas.picture is not None)
    before = np.array(leaf.canvas.picture.data)
    assert before[20, 20, 0] > before[2, 2, 0]
    session.images.add_recipe("0 - nm(860)", name="one")
    wait(lambda: leaf.canvas.picture is not None
         and leaf.canvas.picture.data[20, 20, 0] < leaf.canvas.picture.data[2, 2, 0])  # fmt: skip
