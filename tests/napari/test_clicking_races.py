"""Fast hands and slow answers: what was pressed before the answer came still means the same."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from anymask.session import LayerKey
from anymask.session.clicks import Clicks

KEY = LayerKey("i1", "rgb")


@pytest.fixture
def shown(panel, shipped, photos, idle):
    """A photograph, with the model at hand but nothing prepared."""
    panel.control.sam = shipped
    panel.images.add(photos)
    idle()
    panel.clicks.overwrite = False
    panel.clicks.set_tool("points")
    return panel


@pytest.fixture
def clicking(shown, wait):
    """The photograph, prepared for clicks."""
    shown.clicks.start()
    wait(lambda: shown.clicks.is_ready)
    return shown


def test_a_commit_pressed_before_the_answer_takes_the_answer(clicking, gate, wait):
    panel, session = clicking, clicking.control.session
    panel.clicks.add_points([(70, 95)], 1)
    wait(lambda: bool(panel.clicks.previews))
    panel.clicks.clear()
    held = gate(panel.control.session.clicks, "predict")
    panel.clicks.add_points([(40, 45)], 1)
    held.wait_until_reached()
    panel.clicks.commit()
    panel.clicks.add_points([(70, 95)], 1)  # on the next object already
    assert len(session.layers.objects(KEY)) == 0
    held.open()
    labels = session.layers.labels(KEY)
    assert labels[45, 40] == 1
    assert np.count_nonzero(labels) > 1500
    assert panel.clicks.prompts.points == ((70.0, 95.0),)
    wait(lambda: bool(panel.clicks.previews))
    panel.clicks.commit()
    assert session.layers.objects(KEY).ids.tolist() == [1, 2]


def test_a_commit_after_a_second_click_waits_for_the_mask_of_both(clicking, gate, wait):
    panel, session = clicking, clicking.control.session
    panel.clicks.add_points([(40, 45)], 1)
    wait(lambda: bool(panel.clicks.previews))
    held = gate(panel.control.session.clicks, "predict")
    panel.clicks.add_points([(25, 25)], 1)
    held.wait_until_reached()
    panel.clicks.commit()
    held.open()
    (step,) = session.edits.steps(KEY)
    assert step.args["clicks"][0]["prompts"]["points"] == [[40, 45], [25, 25]]


def test_the_next_candidate_asked_for_before_the_answer_is_shown_after_it(clicking, gate, wait):
    panel = clicking
    held = gate(panel.control.session.clicks, "predict")
    panel.clicks.add_points([(40, 45)], 1)
    held.wait_until_reached()
    panel.clicks.cycle()
    held.open()
    order = np.argsort(-panel.clicks.previews[0].scores, kind="stable")
    wait(lambda: panel.clicks.previews[0].chosen == order[1])
    assert panel.clicks.previews[0].prompts == panel.clicks.prompts


def test_a_click_while_the_image_is_prepared_is_answered_when_it_is(shown, gate, wait):
    held = gate(Clicks, "prepare")
    shown.clicks.start()
    held.wait_until_reached()
    shown.clicks.add_points([(40, 45)], 1)
    assert shown.clicks.status == "Preparing the image…"
    assert not shown.clicks.previews
    held.open()
    wait(lambda: bool(shown.clicks.previews))
    assert shown.clicks.previews[0].prompts == shown.clicks.prompts


def test_what_was_prepared_with_another_model_is_not_asked(
    shown, gate, wait, small_reference_sam, shipped
):
    panel = shown
    held = gate(Clicks, "prepare")
    panel.clicks.start()
    held.wait_until_reached()
    panel.control.sam = small_reference_sam
    panel.control.model_changed.emit()
    held.open()
    wait(lambda: panel.clicks.is_ready)
    assert panel.clicks.ready.model.sam is small_reference_sam
    panel.clicks.stop()
    panel.control.sam = shipped


def test_stopping_while_the_image_is_prepared_stays_stopped(shown, gate):
    held = gate(Clicks, "prepare")
    shown.clicks.start()
    held.wait_until_reached()
    shown.clicks.stop()
    held.open()
    assert shown.clicks.status == "Off"
    assert not shown.clicks.is_ready


def test_prompts_go_at_once_with_the_image_that_they_were_for(clicking, wait, idle):
    panel, session = clicking, clicking.control.session
    panel.clicks.add_points([(40, 45)], 1)
    wait(lambda: bool(panel.clicks.previews))
    panel.control.step(1)
    assert not panel.clicks.prompts
    assert not panel.clicks.previews
    panel.clicks.commit()
    assert panel.message.text.text().startswith("There is nothing to commit yet")
    assert not session.layers.labels(KEY).any()
    idle()
    wait(lambda: panel.clicks.is_ready)


def test_an_object_is_refined_though_clicking_was_off(shown, wait):
    panel, session = shown, shown.control.session
    panel.canvas.layer.data[30:60, 30:50] = 7
    panel.canvas.layer.events.paint(value=[])
    panel.canvas.record()
    panel.control.select([7])
    panel.clicks.refine()
    wait(lambda: bool(panel.clicks.previews))
    assert panel.clicks.is_on
    panel.clicks.commit()
    assert session.layers.objects(KEY).ids.tolist() == [7]


def test_news_of_the_model_in_use_leave_prompts_and_choices_alone(clicking, wait):
    panel = clicking
    panel.clicks.add_points([(40, 45)], 1)
    wait(lambda: bool(panel.clicks.previews))
    panel.model.variant.setCurrentIndex(panel.model.variant.findData("vit_l"))
    panel.control.model_changed.emit()  # as when the session has noted its model
    assert panel.clicks.previews
    assert panel.clicks.is_ready
    assert panel.model.variant.currentData() == "vit_l"
    panel.model.variant.setCurrentIndex(panel.model.variant.findData("small"))


def test_an_image_that_is_a_copy_of_another_can_be_clicked(clicking, photos, tmp_path, idle, wait):
    panel, session = clicking, clicking.control.session
    shutil.copy(photos[0], tmp_path / "copy.png")
    panel.images.add([tmp_path / "copy.png"])
    idle()
    assert panel.control.current == LayerKey("i3", "rgb")
    wait(lambda: panel.clicks.is_ready)
    panel.clicks.add_points([(40, 45)], 1)
    wait(lambda: bool(panel.clicks.previews))
    panel.clicks.commit()
    assert len(session.layers.objects(LayerKey("i3", "rgb"))) == 1
    assert len(session.layers.objects(KEY)) == 0
