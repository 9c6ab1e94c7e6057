"""The whole way in one window: photographs and a cube, from files to saved masks and back."""

from __future__ import annotations

import csv

import numpy as np
import tifffile
from qtpy.QtWidgets import QFileDialog

from anymask.session import LayerKey


def test_photographs_and_a_cube_from_files_to_saved_masks_and_back(
    panel, photos, cube, shipped, idle, wait, answer, monkeypatch, tmp_path
):
    # Images; the header of the cube is asked for.
    header = tmp_path / "headers" / "leaf.hdr"
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *a, **k: (str(header), ""))
    answer("Choose header…")
    panel.images.add([*photos, cube])
    session = panel.control.session
    wait(lambda: len(session.images) == 3)
    idle()

    # A pseudo-RGB for the cube alone.
    panel.control.show("i3")
    idle()
    page = panel.pseudo_rgb
    page.name.setText("cir")
    for field, text in zip(page.fields, ("nm(860)", "nm(680)", "nm(550)"), strict=True):
        field.setText(text)
    wait(page.add_button.isEnabled)
    page.scope.setCurrentIndex(1)
    page.add()
    idle()
    wait(lambda: panel.control.current == LayerKey("i3", "cir") and panel.canvas.picture)
    page.scope.setCurrentIndex(0)

    # The model, and a run over all pseudo-RGBs of all images.
    panel.model.checkpoint.setCurrentIndex(0)
    panel.model.variant.setCurrentIndex(panel.model.variant.findData("small"))
    panel.model.load()
    idle()
    panel.segment.points.setValue(8)
    panel.segment.scope.setCurrentIndex(0)
    panel.segment.run()
    idle()
    assert panel.message.text.text().startswith("Segmented 4 of 4")
    leaf = np.zeros((40, 50), bool)
    leaf[10:30, 12:34] = True
    found = panel.canvas.layer.data
    assert np.mean((found == found[20, 20]) == leaf) > 0.9

    # The cube's leaf alone is kept, gets a class and is reviewed.
    label = int(found[20, 20])
    panel.clean_up.choice.setText(str(label))
    panel.clean_up._keep()
    idle()
    panel.clean_up.choice.clear()
    panel.control.select([label])
    panel.objects.class_box.setCurrentText("leaf")
    panel.objects._set_class()
    panel.objects.mark_ok()
    assert session.layers.review_queue(LayerKey("i3", "cir")) == []

    # All is saved under the images' names, with the ids that the window shows.
    out = tmp_path / "out"
    panel.save.what.setCurrentIndex(0)
    panel.save.folder.setText(str(out))
    panel.save.choose_formats(["labels", "csv"])
    panel.save.save()
    idle()
    saved = tifffile.imread(out / "leaf.cir.labels.tif")
    assert np.array_equal(saved, session.layers.labels(LayerKey("i3", "cir")))
    assert np.unique(saved).tolist() == [0, label]
    with next(out.glob("leaf.cir*.csv")).open() as file:
        (row,) = csv.DictReader(file)
    assert "leaf" in row.values()
    assert {path.name for path in out.glob("*.labels.tif")} == {
        "photo1.labels.tif", "photo2.labels.tif", "leaf.rgb.labels.tif", "leaf.cir.labels.tif",
    }  # fmt: skip
    assert all("● saved" in panel.images.list.item(at).text() for at in range(3))

    # Another day it is all there.
    folder = session.folder
    panel.control.set_session(None)
    panel.images.open(folder)
    idle()
    assert panel.control.current == LayerKey("i3", "cir")
    wait(lambda: panel.canvas.layer is not None)
    assert np.array_equal(panel.canvas.layer.data, saved)
    assert panel.control.session.layers.class_names(LayerKey("i3", "cir")) == {label: "leaf"}
