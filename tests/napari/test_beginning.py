"""From the empty window to the first image, its pages, and the model."""

from __future__ import annotations

import shutil

import numpy as np
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QMessageBox

from anymask.checkpoints.sources import shipped_weights
from anymask.napari.model_loading import ANY
from anymask.napari.preferences import prefer, preference
from anymask.napari.widgets import without_folders

LEFT = Qt.MouseButton.LeftButton


def _tabs(panel):
    return [name for name, tab in panel.tabs.items() if not tab.isHidden()]


def _press(button):
    QTest.mouseClick(button, LEFT)


def test_an_empty_window_says_where_to_begin_and_a_cube_brings_its_pages(panel, idle, wait):
    assert panel.images.nothing.isVisible()
    work = ["Images", "Model", "Segment", "Click", "Objects", "Clean up", "Save", "Log"]
    assert _tabs(panel) == work
    _press(panel.tabs["Segment"])
    QApplication.processEvents()
    place = panel.segment.start.mapTo(panel, panel.segment.start.rect().topLeft())
    _press(panel.segment.start)
    QApplication.processEvents()
    assert panel.message.action.text() == "Add files…"
    assert panel.segment.start.mapTo(panel, panel.segment.start.rect().topLeft()) == place
    _press(panel.tabs["Images"])
    _press(panel.images.try_sample)
    wait(lambda: panel.control.current is not None)
    idle()
    assert not panel.images.nothing.isVisible()
    assert not panel.message.isVisible()
    assert panel.clicks.sign.text == ""
    assert {"Pseudo-RGB", "Spectra"} < set(_tabs(panel))
    assert _tabs(panel)[-1] == "Log"

    page = panel.pseudo_rgb
    _press(panel.tabs["Pseudo-RGB"])
    for field in page.fields:
        field.clear()
    for field, text in zip(page.fields[:2], ("nm(860)", "nm(680)"), strict=True):
        QTest.mouseClick(field, LEFT)
        QTest.keyClicks(field, text)
    QTest.mouseClick(page.fields[2], LEFT)
    page.preset.setCurrentIndex(page.preset.findData("ndvi"))
    page._take_preset()
    assert page.texts == ["nm(860)", "nm(680)", "ndvi"]  # in the field that the user was in
    wait(page.add_button.isEnabled)
    QTest.keyClick(page.fields[2], Qt.Key.Key_Return)
    wait(lambda: len(panel.recipe_buttons) == 2)
    idle()


def test_dropped_files_open(panel, photos, idle, wait):
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path)) for path in photos])
    window = panel.viewer.window._qt_viewer
    how = Qt.DropAction.CopyAction, mime, LEFT, Qt.KeyboardModifier.NoModifier
    QApplication.sendEvent(window, QDragEnterEvent(QPoint(50, 50), *how))
    QApplication.sendEvent(window, QDropEvent(QPointF(50, 50), *how))
    wait(lambda: panel.control.session and len(panel.control.session.images) == 2)
    idle()
    assert panel.shown.whole == "photo1  (1 of 2)"


def test_layers_of_the_viewer_and_mask_files_are_taken_in(panel, idle, wait, answer, tmp_path):
    viewer, control = panel.viewer, panel.control
    labels = np.zeros((60, 80), np.int32)
    labels[5:20, 5:30], labels[30:50, 40:70] = 1, 7
    pixels = np.where(labels > 0, 180, 40).astype(np.uint8)
    viewer.add_image(pixels, name="from: a plugin")
    viewer.add_labels(labels, name="its cells")
    viewer.layers.selection = set(viewer.layers)
    _press(panel.tabs["Images"])
    panel.images.use_layers()
    wait(lambda: control.current is not None)
    idle()
    session, key = control.session, control.current
    assert session.images[key.image].path.parent == session.folder / "layers"
    np.testing.assert_array_equal(session.images.rgb(key)[..., 0] > 100, labels > 0)
    wait(lambda: session.layers.ids(key) == [1, 7])
    np.testing.assert_array_equal(panel.canvas.layer.data, labels)
    foreign = [layer for layer in viewer.layers if layer.name in ("from: a plugin", "its cells")]
    assert not any(layer.visible for layer in foreign)
    for layer in foreign:
        viewer.layers.remove(layer)

    np.save(tmp_path / "again.npy", (labels > 5).astype(np.uint16))
    asked = answer("Replace them")
    panel.objects.import_masks([tmp_path / "again.npy"])
    idle()
    wait(lambda: session.layers.ids(key) == [1])
    assert "Masks that you edited would be replaced" in asked[0]


def test_the_model_is_confirmed_and_own_files_have_their_type(panel, idle, wait, tmp_path):
    page = panel.model
    _press(panel.tabs["Model"])
    path = tmp_path / "our nuclei.safetensors"
    shutil.copy(shipped_weights(), path)
    page.add_checkpoint(path)
    assert page.checkpoint.toolTip() == str(path)
    wait(lambda: page.variant.currentData() == "small")  # found out from the file
    _press(page.forget)
    assert str(path) not in panel.models.checkpoints
    assert page.checkpoint.currentData() == ""
    assert page.variant.currentData() != ANY
    page.variant.setCurrentIndex(page.variant.findData("small"))
    prefer(confirm_model=True)
    _press(page.start)
    wait(lambda: isinstance(QApplication.activeModalWidget(), QMessageBox))
    box = QApplication.activeModalWidget()
    assert box.text().startswith("The model is ready: anymask small")
    box.checkBox().setChecked(True)
    box.accept()
    wait(lambda: preference("confirm_model", True) is False)


def test_sentences_name_files_without_their_folders(tmp_path):
    file = tmp_path / "two words.tif"
    np.zeros(1).tofile(file)
    text = f"{file} is broken, and {tmp_path}/gone.tif: see https://a.b/c."
    assert without_folders(text) == ("two words.tif is broken, and gone.tif: see https://a.b/c.")
