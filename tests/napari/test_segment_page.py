"""Runs over images in the window: progress, Cancel, thresholds, edited layers."""

from __future__ import annotations

import numpy as np
import pytest

from anymask.session import LayerKey


@pytest.fixture
def segmented(panel, shipped, photos, idle):
    """Two photographs, both segmented."""
    _use(panel, shipped)
    panel.images.add(photos)
    idle()
    panel.segment.points.setValue(8)
    panel.segment.scope.setCurrentIndex(0)
    panel.segment.run()
    idle()
    return panel


def _use(panel, sam):
    panel.control.sam = sam


def test_a_run_over_all_images_shows_progress_and_gives_labels_layers(
    panel, shipped, photos, idle, qtbot
):
    _use(panel, shipped)
    panel.images.add(photos)
    idle()
    texts = []
    panel.control.tasks.moved.connect(lambda fraction, text: texts.append(text))
    panel.segment.points.setValue(16)
    panel.segment.run()
    assert panel._task.isVisibleTo(panel)
    idle()
    assert not panel._task.isVisibleTo(panel)
    assert {"photo1 (1 of 2)", "photo2 (2 of 2)"} <= set(texts)
    session = panel.control.session
    assert [session.layers.state(key) for key in session.layers] == ["segmented"] * 2
    labels = session.layers.labels(LayerKey("i1", "rgb"))
    assert panel.canvas.layer.name == "photo1 · rgb · masks"
    assert np.array_equal(panel.canvas.layer.data, labels)
    red, blue = labels[45, 40], labels[95, 70]
    assert red
    assert blue
    assert red != blue
    square = np.zeros_like(labels, bool)
    square[20:70, 20:60] = True
    assert np.mean((labels == red) == square) > 0.95
    assert panel.message.text.text().startswith("Segmented 2 of 2 in")


def test_the_images_page_shows_which_image_failed_and_why_until_the_next_run(
    panel, shipped, photos, idle
):
    _use(panel, shipped)
    panel.images.add(photos)
    idle()
    content = photos[1].read_bytes()
    photos[1].unlink()
    panel.control.session.images._files._in_memory.clear()
    panel.control.session.images._rendered._kept.clear()
    panel.segment.points.setValue(4)
    panel.segment.scope.setCurrentIndex(0)
    panel.segment.run()
    idle()
    text = panel.message.text.text()
    assert text.startswith("Segmented 1 of 2. photo2: ")
    assert "photo2.png is missing" in text
    first, second = (panel.images.list.item(at) for at in range(2))
    assert "◐ segmented" in first.text()
    assert second.text().startswith("photo2\n✗ ")
    assert "photo2.png is missing" in second.text()
    assert "photo2.png is missing" in second.toolTip()
    photos[1].write_bytes(content)
    panel.segment.run()
    idle()
    second = panel.images.list.item(1)
    assert "◐ segmented" in second.text()
    assert "missing" not in second.toolTip()


def test_cancel_keeps_what_is_finished(panel, shipped, photos, idle, wait):
    _use(panel, shipped)
    panel.images.add(photos)
    idle()
    panel.segment.points.setValue(8)
    session = panel.control.session
    panel.segment.run()
    wait(lambda: session.images.state("i1") == "segmented")
    panel.cancel.click()
    idle()
    assert session.images.state("i1") == "segmented"
    assert session.images.state("i2") == "new"
    assert panel.message.text.text() == "Cancelled: 1 of 2 were finished and are kept."


def test_a_run_keeps_what_is_mine_or_replaces_it_as_one_likes(segmented, idle, answer):
    panel, session = segmented, segmented.control.session
    key = LayerKey("i1", "rgb")
    panel.canvas.layer.data[0:6, 0:6] = 60
    panel.canvas.layer.events.paint(value=[])
    panel.canvas.record()
    assert session.images.state("i1") == "edited"
    asked = answer(None)
    panel.segment.run()
    assert "There are masks that you made or edited: photo1." in asked[0]
    assert not panel.control.tasks.is_busy
    before = session.layers.labels(key).copy()
    answer("Keep all, add what is new")
    panel.segment.run()
    idle()
    assert (session.layers.labels(key)[before > 0] == before[before > 0]).all()
    assert session.images.state("i1") == "edited"
    answer("Keep mine, replace automatic ones")
    panel.segment.run()
    idle()
    assert session.layers.labels(key)[2, 2] == 60
    assert session.layers.automatic(key) == set(session.layers.ids(key)) - {60}
    assert min(session.layers.automatic(key)) > 60  # found anew
    answer("Replace all")
    panel.segment.run()
    idle()
    assert session.layers.labels(key)[2, 2] != 60
    assert session.images.state("i1") == "segmented"


def test_sliders_act_at_once_and_letting_go_makes_a_step(segmented, wait):
    panel, session, page = segmented, segmented.control.session, segmented.segment
    key = LayerKey("i1", "rgb")
    before = session.layers.labels(key).copy()
    assert page.area.slider.isEnabled()
    objects = session.layers.objects(key).columns
    areas = objects["area"]
    largest = before == objects["id"][np.argmax(areas)]
    page.area.slider.setSliderDown(True)
    limit = float(np.sort(areas)[-1])
    page.area.set_value(limit)
    page.area.moved.emit(limit)
    shown = len(np.unique(before))
    wait(lambda: 2 <= len(np.unique(panel.canvas.layer.data)) < shown)
    assert np.array_equal(session.layers.labels(key), before)  # so far it is a preview
    page.area.slider.setSliderDown(False)
    wait(lambda: session.edits.can_undo(key) == "thresholds")
    left = len(session.layers.objects(key))
    assert 1 <= left < len(areas)
    assert session.layers.labels(key)[largest].all()
    assert page.count.text() == f"{left} object{'s' if left > 1 else ''} in photo1"
    panel.control.undo()
    wait(lambda: np.array_equal(panel.canvas.layer.data, before))
    assert page.area.value == 0


def test_semantic_mode_has_a_threshold_of_its_own(panel, shipped, photos, idle, wait):
    _use(panel, shipped)
    panel.images.add(photos[:1])
    idle()
    page = panel.segment
    page.semantic.click()
    assert page._logits.isVisibleTo(page)
    assert not page._options.isVisibleTo(page)
    page.run()
    idle()
    session, key = panel.control.session, LayerKey("i1", "rgb")
    assert set(np.unique(session.layers.labels(key))) <= {0, 1}
    many = np.count_nonzero(session.layers.labels(key))
    page.logit.number.setValue(6.0)
    wait(lambda: np.count_nonzero(session.layers.labels(key)) < max(many, 1))
    page.logit.number.setValue(-6.0)
    wait(lambda: np.count_nonzero(session.layers.labels(key)) > many)
    page.everything.click()
