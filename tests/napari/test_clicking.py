"""Clicking in the window, with the mouse and the keys."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt

from anymask.napari.click_layers import NAMES
from anymask.napari.colours import SELECTED, STATES
from anymask.napari.preferences import preference
from anymask.predict.predictor import SamPredictor
from anymask.session import LayerKey, ObjectInfo

KEY = LayerKey("i1", "rgb")


@pytest.fixture
def clicking(panel, shipped, photos, idle, wait):
    """A photograph, prepared for clicks."""
    panel.control.sam = shipped
    panel.images.add(photos[:1])
    idle()
    panel.clicks.overwrite = False
    panel.clicks.set_tool("points")
    panel.clicks.start()
    wait(lambda: panel.clicks.is_ready)
    return panel


def _answered(panel):
    previews = panel.clicks.previews
    return bool(previews) and previews[0].prompts == panel.clicks.prompts


def test_a_click_shows_a_mask_at_once_and_c_makes_it_an_object(clicking, mouse, wait):
    panel = clicking
    mouse.click(40, 45)
    assert np.allclose(panel.clicks.prompts.points, [(40, 45)], atol=1)
    wait(lambda: _answered(panel))
    shown = panel.clicks.layers.preview
    assert shown.data.shape == (120, 160)
    square = np.zeros((120, 160), bool)
    square[20:70, 20:60] = True
    assert np.mean((shown.data > 0) == square) > 0.95
    assert len(panel.control.session.layers.objects(KEY)) == 0
    mouse.key(Qt.Key.Key_C)
    labels = panel.control.session.layers.labels(KEY)
    assert np.mean((labels == 1) == square) > 0.95
    assert np.array_equal(panel.canvas.layer.data, labels)
    assert not panel.clicks.prompts
    assert panel.control.selected == (1,)


def test_outlines_and_a_sign_say_what_is_selected_and_what_a_click_did(clicking, mouse, wait):
    panel, outlines = clicking, clicking.canvas.outlines
    mouse.click(40, 45)
    assert panel.clicks.sign.text == "Finding the mask…"  # at once, and no quality of before
    wait(lambda: _answered(panel))
    assert panel.clicks.sign.text.startswith("Predicted quality")
    assert len(outlines.seams.data) >= 4
    mouse.key(Qt.Key.Key_C)
    area = panel.control.session.layers.area(KEY, 1)
    assert panel.clicks.sign.text == f"Committed object 1 ({area:,} px)"
    wait(lambda: len(outlines.seams.data) and np.allclose(outlines.lines.edge_color[0], SELECTED))
    panel.control.select([])  # it keeps an outline in its own colour, without a seam
    wait(lambda: not len(outlines.seams.data) and len(outlines.lines.data))
    panel.objects.colours.setCurrentIndex(2)
    assert np.allclose(panel.canvas.layer.colormap.map(np.array([1]))[0], STATES["yours"])
    zoom = panel.viewer.scene.camera.zoom
    panel.viewer.scene.camera.zoom = 2 * zoom
    wait(lambda: np.isclose(outlines.lines.edge_width, 1 / zoom))  # two pixels of the screen
    listed = panel.viewer.window._qt_viewer.layers
    rows = range(len(panel.viewer.layers))
    wait(lambda: sum(not listed.isRowHidden(at) for at in rows) == 2)  # the picture, its masks
    panel.canvas.layer.opacity = 0.8
    assert preference("opacity", None) == 0.8
    panel.canvas.layer.opacity = 0.45


def test_right_click_and_shift_exclude_and_w_withdraws(clicking, mouse, wait):
    panel = clicking
    mouse.click(40, 45)
    mouse.click(70, 95, Qt.MouseButton.RightButton)
    mouse.click(120, 30, keys=Qt.KeyboardModifier.ShiftModifier)
    assert panel.clicks.prompts.labels == (1, 0, 0)
    colours = panel.clicks.layers.points.face_color
    assert colours[0, 1] > colours[0, 0]
    assert colours[1, 0] > colours[1, 1]
    mouse.key(Qt.Key.Key_W)
    assert panel.clicks.prompts.labels == (1, 0)
    wait(lambda: _answered(panel))
    mouse.key(Qt.Key.Key_Q)
    assert not panel.clicks.prompts
    assert not panel.clicks.layers.preview.data.any()


def test_a_click_on_the_outer_half_of_a_border_pixel_is_a_click(clicking, wait):
    clicking.clicks.add_points([(-0.4, -0.4), (159.4, 119.4), (-0.6, 5.0)], 1)
    assert clicking.clicks.prompts.points == ((0.0, 0.0), (159.4, 119.4))
    wait(lambda: _answered(clicking))


def test_a_drag_moves_the_picture_and_sets_no_point(clicking, mouse):
    before = np.array(clicking.viewer.scene.camera.center)
    mouse.drag((40, 45), (60, 60), (90, 80))
    assert not clicking.clicks.prompts
    assert not np.allclose(clicking.viewer.scene.camera.center, before)


def test_n_goes_through_the_three_candidates_and_comes_back(clicking, mouse, wait):
    panel = clicking
    mouse.click(40, 45)
    wait(lambda: _answered(panel))
    seen = [panel.clicks.previews[0].chosen]
    for _ in range(3):
        last = panel.clicks.previews[0]
        mouse.key(Qt.Key.Key_N)
        wait(lambda last=last: panel.clicks.previews[0] is not last)
        seen.append(panel.clicks.previews[0].chosen)
    assert sorted(seen[:3]) == [0, 1, 2]
    assert seen[3] == seen[0]
    assert "candidate 1 of 3" in panel.click.status.text()


def test_one_box_is_refined_by_points_and_several_boxes_are_several_objects(clicking, mouse, wait):
    panel = clicking
    mouse.key(Qt.Key.Key_J)
    mouse.drag((17, 17), (40, 40), (63, 73))
    wait(lambda: _answered(panel))
    assert np.allclose(panel.clicks.prompts.box, (17, 17, 63, 73), atol=1.5)
    mouse.drag((47, 77), (70, 90), (93, 113))
    wait(lambda: len(panel.clicks.previews) == 2)
    panel.clicks.class_name = "cell"
    mouse.key(Qt.Key.Key_C)
    session = panel.control.session
    assert len(session.layers.objects(KEY)) == 2
    labels = session.layers.labels(KEY)
    assert labels[45, 40] != labels[95, 70]
    assert labels[45, 40]
    assert labels[95, 70]
    assert set(session.layers.class_names(KEY).values()) == {"cell"}
    assert len(panel.clicks.layers.boxes.data) == 0
    panel.control.undo()  # both at once
    assert len(session.layers.objects(KEY)) == 0
    panel.clicks.class_name = ""


def test_a_scribble_becomes_points_along_it(clicking, mouse, wait):
    panel = clicking
    mouse.key(Qt.Key.Key_H)
    before = np.array(panel.viewer.scene.camera.center)
    mouse.drag((25, 45), (35, 45), (45, 45), (55, 45))
    points = np.array(panel.clicks.prompts.points)
    assert len(points) > 2
    assert np.allclose(points[:, 1], 45, atol=1.5)
    assert set(panel.clicks.prompts.labels) == {1}
    assert np.allclose(panel.viewer.scene.camera.center, before)
    wait(lambda: _answered(panel))


def test_the_eraser_takes_an_object_and_undo_brings_it_back(clicking, mouse, wait):
    panel, session = clicking, clicking.control.session
    panel.clicks.add_points([(40, 45)], 1)
    wait(lambda: _answered(panel))
    panel.clicks.commit()
    mouse.key(Qt.Key.Key_O)
    mouse.click(40, 45)
    assert len(session.layers.objects(KEY)) == 0
    assert not panel.canvas.layer.data.any()
    mouse.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert session.layers.objects(KEY).ids.tolist() == [1]
    assert panel.canvas.layer.data[45, 40] == 1


def test_a_selected_object_is_refined_in_place(clicking, wait):
    panel, session = clicking, clicking.control.session
    panel.canvas.layer.data[30:60, 30:50] = 7
    panel.canvas.layer.events.paint(value=[])
    panel.canvas.record()
    panel.control.select([7])
    panel.clicks.refine()
    wait(lambda: _answered(panel))
    panel.clicks.add_points([(40, 45), (25, 25), (55, 65)], 1)
    wait(lambda: _answered(panel))
    panel.clicks.commit()
    assert session.layers.objects(KEY).ids.tolist() == [7]
    assert np.count_nonzero(session.layers.labels(KEY) == 7) > 1500


def test_the_embedding_is_kept_on_disk_for_the_next_time(clicking, wait, photos, idle):
    panel = clicking
    folder = panel.control.session.folder
    panel.clicks.stop()
    panel.control.set_session(None)
    panel.images.open(folder)
    idle()
    panel.clicks.start()
    wait(lambda: panel.clicks.is_ready)
    assert panel.clicks.status == "Ready to click (found on disk)"


def test_another_image_is_prepared_and_prompts_do_not_follow(clicking, mouse, wait, photos, idle):
    panel = clicking
    mouse.click(40, 45)
    wait(lambda: _answered(panel))
    panel.images.add(photos[1:])
    idle()
    wait(lambda: panel.clicks.is_ready and panel.control.current.image == "i2")
    assert not panel.clicks.prompts
    assert panel.viewer.layers[-1].name == "anymask clicks"
    assert panel.viewer.layers.selection.active.name == "anymask clicks"


def test_regions_without_a_click_belong_to_the_mask_only_if_wanted(
    clicking, mouse, wait, monkeypatch
):
    panel, session, real = clicking, clicking.control.session, SamPredictor.predict

    def with_a_corner(*args, **options):
        masks, scores, logits = real(*args, **options)
        masks[:, :4, :4] = True
        return masks, scores, logits

    monkeypatch.setattr(SamPredictor, "predict", with_a_corner)
    assert panel.click.clicked_only.isChecked()
    mouse.click(40, 45)
    wait(lambda: _answered(panel))
    assert not panel.clicks.layers.preview.data[0, 0]
    panel.click.clicked_only.click()
    wait(lambda: _answered(panel) and panel.clicks.layers.preview.data[0, 0])
    mouse.key(Qt.Key.Key_C)
    assert session.layers.labels(KEY)[0, 0] == 1
    (click,) = session.edits.steps(KEY)[-1].args["clicks"]
    assert click["prompts"]["keep_clicked"] is False
    panel.click.clicked_only.click()
    mouse.click(70, 95)
    wait(lambda: _answered(panel))
    assert not panel.clicks.layers.preview.data[0, 0]


def test_the_layers_of_clicks_are_hidden_when_clicking_ends_and_shown_again(clicking, mouse, wait):
    panel = clicking
    layers = [layer for layer in panel.viewer.layers if layer.name in NAMES]
    panel.clicks.stop()
    assert [layer.visible for layer in layers] == [False] * 3
    assert panel.viewer.layers.selection.active is panel.canvas.layer
    mouse.click(40, 45)
    assert not panel.clicks.prompts
    panel.clicks.start()
    wait(lambda: panel.clicks.is_ready)
    shown = [layer for layer in panel.viewer.layers if layer.visible]
    assert [layer for layer in shown if layer.name in NAMES] == layers
    mouse.click(40, 45)
    wait(lambda: _answered(panel))


def test_a_click_counts_though_another_layer_is_selected(clicking, mouse, wait):
    panel = clicking
    for layer in (panel.canvas.picture, panel.canvas.layer, None):
        panel.viewer.layers.selection.active = layer
        mouse.click(40, 45)
        assert len(panel.clicks.prompts.points) == 1
        panel.clicks.clear()
    mouse.key(Qt.Key.Key_J)
    panel.viewer.layers.selection.active = panel.canvas.picture
    mouse.drag((17, 17), (40, 40), (63, 73))
    assert np.allclose(panel.clicks.prompts.box, (17, 17, 63, 73), atol=1.5)


def test_a_click_that_goes_to_the_tool_of_another_layer_is_explained(clicking, mouse, wait):
    panel, masks = clicking, clicking.canvas.layer
    panel.viewer.layers.selection.active = masks
    masks.mode = "paint"
    mouse.click(40, 45)
    assert not panel.clicks.prompts
    assert "its tool “paint” is chosen" in panel.message.text.text()
    panel.message.action.click()
    mouse.click(40, 45)
    assert len(panel.clicks.prompts.points) == 1
    masks.mode = "pan_zoom"


def test_what_others_keep_is_shown_and_automatic_masks_give_up_their_pixels(clicking, mouse, wait):
    panel, session = clicking, clicking.control.session
    panel.canvas.layer.data[20:70, 20:40] = 7  # painted: keeps its pixels
    panel.canvas.layer.events.paint(value=[])
    panel.canvas.record()
    mouse.click(50, 45)
    wait(lambda: _answered(panel))
    shown = panel.clicks.layers.preview.data
    kept = panel.clicks.previews[0].shown & (session.layers.labels(KEY) == 7)
    assert kept.any()
    assert np.array_equal(shown == 255, kept)
    assert "Object 7 keeps" in panel.click.status.text()
    panel.click.overwrite.setChecked(True)
    assert not (panel.clicks.layers.preview.data == 255).any()
    assert not panel.clicks.held
    panel.click.overwrite.setChecked(False)
    panel.clicks.clear()
    session.edits.undo(KEY)
    labels = np.zeros((120, 160), np.uint16)
    labels[10:110, 10:150] = 1
    info = {1: ObjectInfo(origin="everything")}
    session._store.change(KEY, "segment", labels, infos=info, renew=True)
    mouse.click(40, 45)
    wait(lambda: _answered(panel))
    wanted = panel.clicks.previews[0].shown
    mouse.key(Qt.Key.Key_C)
    assert np.array_equal(session.layers.labels(KEY) == 2, wanted)
    assert panel.message.text.text() == "Object 1 gave up pixels."
    panel.message.action.click()
    assert np.array_equal(session.layers.labels(KEY), labels)


def test_a_clicked_object_is_selected_or_refined_drawn_round_and_painted_on(clicking, mouse, wait):
    panel, session = clicking, clicking.control.session
    mouse.key(Qt.Key.Key_L)
    mouse.drag((14, 14), (66, 14), (66, 76), (14, 76))
    wait(lambda: _answered(panel))
    assert not panel.clicks.previews[0].shown[:, 70:].any()
    mouse.key(Qt.Key.Key_B)
    mouse.drag((40, 45), (78, 45))  # from the mask to the right
    wait(lambda: _answered(panel) and panel.clicks.previews[0].shown[45, 76])
    mouse.key(Qt.Key.Key_C)
    assert session.layers.labels(KEY)[45, 76] == 1
    panel.control.select([])
    mouse.click(40, 45, keys=Qt.KeyboardModifier.AltModifier)
    assert panel.control.selected == (1,)
    assert not panel.clicks.prompts
    mouse.key(Qt.Key.Key_G)
    mouse.click(40, 45)
    wait(lambda: _answered(panel))
    assert panel.clicks.sign.text.endswith("Object 1 is here; R refines it")
    mouse.key(Qt.Key.Key_R)
    wait(lambda: _answered(panel))
    assert panel.clicks.prompts.object_id == 1
    assert len(panel.clicks.prompts.points) == 1
    mouse.key(Qt.Key.Key_C)
    assert session.layers.ids(KEY) == [1]


def test_each_point_is_an_object_and_corners_close_to_a_line(clicking, mouse, wait):
    panel, session = clicking, clicking.control.session
    panel.click.one_each.setChecked(True)
    mouse.click(40, 45)
    mouse.click(70, 95)
    wait(lambda: len(panel.clicks.previews) == 2)
    mouse.key(Qt.Key.Key_C)
    panel.click.one_each.setChecked(False)
    labels = session.layers.labels(KEY)
    assert {int(labels[45, 40]), int(labels[95, 70])} == {1, 2}
    mouse.key(Qt.Key.Key_L)
    for place in ((100, 20), (150, 20), (150, 60), (155, 70)):
        mouse.click(*place)
    mouse.key(Qt.Key.Key_W)  # the last corner again
    mouse.key(Qt.Key.Key_Return)
    wait(lambda: len(panel.clicks.prompts.lasso) == 3)
    wait(lambda: _answered(panel))
