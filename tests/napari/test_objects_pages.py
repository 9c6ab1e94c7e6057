"""The table of objects, classes, review, and the clean-up tools."""

from __future__ import annotations

import imageio.v3 as imageio
import numpy as np
import pytest
from qtpy.QtCore import QItemSelectionModel
from qtpy.QtWidgets import QFileDialog, QInputDialog

from anymask.napari.pages.object_rows import COLUMNS
from anymask.session import LayerKey

KEY = LayerKey("i1", "rgb")


@pytest.fixture
def drawn(panel, photos, idle, wait):
    """Four objects: a square with a hole, a square in two pieces, a dot, and one at the border."""
    panel.images.add(photos[:1])
    idle()
    data = panel.canvas.layer.data
    data[10:30, 10:30] = 1
    data[18:22, 18:22] = 0
    data[50:60, 10:20] = 2
    data[50:56, 40:50] = 2
    data[80:83, 80:83] = 3
    data[0:10, 100:110] = 4
    panel.canvas.layer.events.paint(value=[])
    panel.canvas.record()
    wait(lambda: panel.objects.model.rowCount() == 4)
    return panel


def _cells(panel, name):
    column = [each for each, _ in COLUMNS].index(name)
    model = panel.objects.model
    return [model.data(model.index(at, column)) for at in range(model.rowCount())]


def _click_row(panel, row, add=False):
    flags = QItemSelectionModel.SelectionFlag
    how = flags.Select if add else flags.ClearAndSelect
    model = panel.objects.model
    panel.objects.table.selectionModel().select(model.index(row, 0), how | flags.Rows)


def test_the_table_lists_the_objects_and_sorts(drawn):
    assert _cells(drawn, "id") == ["1", "2", "3", "4"]
    assert _cells(drawn, "area") == ["384", "160", "9", "100"]
    drawn.objects.table.sortByColumn(3, drawn.objects.model.sort.__defaults__[0])
    assert _cells(drawn, "area") == ["9", "100", "160", "384"]
    drawn.objects.table.sortByColumn(0, drawn.objects.model.sort.__defaults__[0])


def test_table_and_canvas_are_linked_both_ways(drawn, wait):
    _click_row(drawn, 1)
    assert drawn.control.selected == (2,)
    assert drawn.canvas.layer.selected_label == 2
    before = drawn.canvas.layer.colormap
    outlines = drawn.canvas.outlines
    wait(lambda: outlines.layers and len(outlines.seams.data) == 8)  # two rectangles
    assert drawn.canvas.layer.colormap is before  # the picture under it is to be seen
    drawn.canvas.layer.selected_label = 3  # as napari's picker does
    rows = drawn.objects.table.selectionModel().selectedRows()
    assert [index.row() for index in rows] == [2]


def test_a_small_object_is_enlarged_and_the_image_stays_in_view(drawn):
    camera, shown = drawn.viewer.scene.camera, drawn.viewer.window._qt_viewer.canvas.size
    drawn.viewer.reset_view()
    before = tuple(camera.center), camera.zoom
    drawn.canvas.look_at(1)  # well in view
    assert (tuple(camera.center), camera.zoom) == before
    camera.zoom = before[1] / 3
    drawn.canvas.look_at(3)  # 3 pixels wide
    assert np.isclose(camera.zoom * 3, 90)
    camera.zoom = before[1] * 3
    drawn.canvas.look_at(4)  # at the upper border, which stays at the border of the view
    half = shown[0] / camera.zoom / 2
    assert camera.center[-2] - half >= -0.51


def test_classes_have_names_and_colours_and_show_in_the_canvas(drawn, wait, monkeypatch):
    panel, session = drawn, drawn.control.session
    _click_row(panel, 0)
    _click_row(panel, 2, add=True)
    assert panel.control.selected == (1, 3)
    panel.objects.class_box.setCurrentText("leaf")
    panel.objects._set_class()
    wait(lambda: _cells(panel, "class_name") == ["leaf", "", "leaf", ""])
    session.edits.set_classes([("leaf", "#00ff00")])
    panel.control.select([])
    panel.objects.colours.setCurrentIndex(1)
    wait(lambda: np.allclose(panel.canvas.layer.colormap.map(np.array([1]))[0], (0, 1, 0, 1)))
    panel.objects.colours.setCurrentIndex(0)
    monkeypatch.setattr(QInputDialog, "getText", lambda *a, **k: ("Blatt", True))
    panel.objects._rename("leaf")
    wait(lambda: _cells(panel, "class_name") == ["Blatt", "", "Blatt", ""])


def test_review_goes_through_the_queue_until_all_are_ok(drawn, wait):
    panel, session = drawn, drawn.control.session
    assert panel.objects.count.text() == "4 objects, 4 to review"
    queue = session.layers.review_queue(KEY)
    panel.objects.next_unreviewed()
    seen = [panel.control.selected[0]]
    for _ in range(3):
        panel.objects.mark_ok()
        seen.append(panel.control.selected[0])
    panel.objects.mark_ok()
    assert seen == queue
    wait(lambda: panel.objects.count.text() == "4 objects, all reviewed")
    assert panel.message.text.text() == "All objects of this image are reviewed."


def test_erase_merge_and_split_act_on_what_is_selected(drawn, wait):
    panel, session = drawn, drawn.control.session
    panel.control.select([2])
    panel.objects._split("components")
    assert len(session.layers.objects(KEY)) == 5
    panel.control.select([2, 5])
    panel.objects._merge()
    assert session.layers.objects(KEY).ids.tolist() == [1, 2, 3, 4]
    panel.control.select([4])
    panel.objects.erase()
    assert session.layers.objects(KEY).ids.tolist() == [1, 2, 3]
    assert panel.control.selected == ()
    assert np.array_equal(panel.canvas.layer.data, session.layers.labels(KEY))
    panel.control.select([1])
    panel.objects._split("components")
    assert "cannot be split" in panel.message.text.text()


def test_many_objects_are_erased_as_one_step(drawn, idle):
    session, many = drawn.control.session, np.zeros((120, 160), np.uint16)
    many[::8, ::8] = np.arange(1, 301).reshape(15, 20)
    session.edits.import_masks(KEY, many, replace=True)
    drawn.control.select(range(1, 251))
    drawn.objects.erase()
    idle()
    assert session.layers.ids(KEY) == list(range(251, 301))
    drawn.control.undo()
    assert np.array_equal(drawn.canvas.layer.data, many)


def test_measurements_are_shown_when_asked_for(drawn, wait):
    panel = drawn
    panel.objects.measures.setCurrentIndex(panel.objects.measures.findData("shape"))
    wait(lambda: panel.objects.model.columnCount() > len(COLUMNS))
    titles = [panel.objects.model.headerData(at, 1) for at in range(7, 9)]
    assert titles
    panel.objects.measures.setCurrentIndex(0)
    wait(lambda: panel.objects.model.columnCount() == len(COLUMNS))


def test_a_choice_is_checked_while_it_is_typed(drawn, wait):
    page = drawn.clean_up
    assert page.range.text() == "Ids 1 to 4, 4 objects"
    page.choice.setText("1-2")
    wait(lambda: page.range.text() == "2 of 4 objects; ids 1 to 4")
    page.choice.setText("area > 99 and area < 200")
    page._select()
    wait(lambda: drawn.control.selected == (2, 4))
    page.choice.setText("arae > 99")
    wait(lambda: "did you mean 'area'" in page.range.text())
    page.choice.clear()


def test_keep_drops_the_others_as_one_step(drawn, idle):
    session = drawn.control.session
    drawn.clean_up.choice.setText("1,3")
    drawn.clean_up._keep()
    idle()
    assert session.layers.objects(KEY).ids.tolist() == [1, 3]
    drawn.control.undo()
    assert session.layers.objects(KEY).ids.tolist() == [1, 2, 3, 4]
    drawn.clean_up.choice.clear()


def test_clean_up_fills_holes_and_keeps_largest_pieces(drawn, idle):
    page, session = drawn.clean_up, drawn.control.session
    page.holes.setChecked(True)
    page.largest.setChecked(True)
    page.border.setChecked(True)
    page.small.setValue(20)
    page._clean()
    idle()
    table = session.layers.objects(KEY)
    areas = dict(zip(table.ids.tolist(), table.columns["area"].tolist(), strict=True))
    assert areas == {1: 400, 2: 100}
    assert np.array_equal(drawn.canvas.layer.data, session.layers.labels(KEY))
    for box in (page.holes, page.largest, page.border):
        box.setChecked(False)
    page.small.setValue(0)


def test_one_mask_is_shown_and_saved(drawn, tmp_path, monkeypatch, wait):
    page, path = drawn.clean_up, tmp_path / "mask.png"
    page.choice.setText("1,2")
    page._show_binary()
    wait(lambda: drawn.viewer.layers[-1].name == "photo1 · one mask")
    layer = drawn.viewer.layers[-1]
    assert layer.data.sum() == 384 + 160
    drawn.viewer.layers.remove(layer)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a, **k: (str(path), ""))
    page._save_binary()
    wait(lambda: drawn.message.text.text() == "Saved mask.png.")
    assert np.array_equal(imageio.imread(path) == 255, np.isin(drawn.canvas.layer.data, (1, 2)))
    page.choice.clear()
