"""Pseudo-RGBs, bands and spectra of a cube; saving; stacks; the log; the plugin's manifest."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from qtpy.QtWidgets import QApplication

import anymask.napari
from anymask.napari.internal_layers import NAMES
from anymask.session import LayerKey


@pytest.fixture
def leaf(panel, cube, idle, tmp_path):
    """The cube in the window."""
    panel.images.add([cube], tmp_path / "headers" / "leaf.hdr")
    idle()
    return panel


def _add(panel, *texts, name=""):
    page = panel.pseudo_rgb
    page.name.setText(name)
    for field, text in zip(page.fields, [*texts, "", ""], strict=False):
        field.setText(text)
    page.check()


def test_expressions_are_checked_while_they_are_typed(leaf, wait):
    page = leaf.pseudo_rgb
    _add(leaf, "nm(860)", "nm(680", "nm(550)")
    wait(lambda: "never closed" in page.problem.text())
    assert not page.add_button.isEnabled()
    assert "border" in page.fields[1].styleSheet()
    assert not page.fields[0].styleSheet()
    pointer = page.problem.text().splitlines()
    assert pointer[-2][pointer[-1].index("^") :] == "nm(680"
    page.fields[1].setText("nm(680)")
    wait(lambda: page.problem.text() == "✓ fits this image")
    assert page.add_button.isEnabled()


def test_several_pseudo_rgbs_have_buttons_and_masks_of_their_own(leaf, idle, wait):
    # Each channel has its own contrast, so only a reversed one is dark on the leaf.
    _add(leaf, "nm(860)", "-nm(680)", "nm(550)", name="cir")
    wait(lambda: leaf.pseudo_rgb.add_button.isEnabled())
    leaf.pseudo_rgb.add()
    idle()
    wait(lambda: leaf.canvas.picture is not None and leaf.canvas.picture.name == "leaf · cir")
    assert [made.text() for made in leaf.recipe_buttons.values()] == [
        "Pseudo-RGB image 1-1",
        "Pseudo-RGB image 1-2",
    ]
    cir = np.asarray(leaf.canvas.picture.data)
    assert cir[20, 20].tolist() == [255, 0, 255]
    assert cir[2, 2].tolist() == [0, 255, 0]
    leaf.canvas.layer.data[10:30, 12:34] = 5
    leaf.canvas.layer.events.paint(value=[])
    leaf.canvas.record()
    leaf.recipe_buttons[LayerKey("i1", "rgb")].click()
    idle()
    assert leaf.control.current == LayerKey("i1", "rgb")
    assert not leaf.control.session.layers.labels(LayerKey("i1", "rgb")).any()
    shown = [layer for layer in leaf.viewer.layers if layer.visible]
    assert [each.name for each in shown if each.name not in NAMES] == [
        "leaf · rgb",
        "leaf · rgb · masks",
    ]


def test_an_index_from_the_presets_is_one_field_in_gray(leaf, idle, wait):
    page = leaf.pseudo_rgb
    for field in (page.name, *page.fields):
        field.clear()
    page.preset.setCurrentIndex(page.preset.findData("ndvi"))
    page._take_preset()
    wait(lambda: page.add_button.isEnabled())
    page.add()
    idle()
    wait(lambda: leaf.control.current.recipe == "ndvi")
    wait(lambda: leaf.canvas.picture is not None)
    pixels = np.asarray(leaf.canvas.picture.data)
    assert np.array_equal(pixels[..., 0], pixels[..., 2])
    assert int(pixels[20, 20, 0]) > int(pixels[2, 2, 0]) + 100


def test_a_pseudo_rgb_for_all_images_says_which_ones_it_does_not_fit(leaf, photos, idle, wait):
    leaf.images.add([photos[0]])
    idle()
    assert leaf.control.record.name == "photo1"
    page = leaf.pseudo_rgb
    page.scope.setCurrentIndex(0)
    _add(leaf, "ndvi")
    wait(lambda: page.add_button.isEnabled() and "wavelengths" in page.problem.text())
    page.add()
    idle()
    images = leaf.control.session.images
    assert [[how.name for how in each.recipes] for each in images] == [["rgb", "ndvi"], ["rgb"]]
    text = leaf.message.text.text()
    assert text.startswith("ndvi was added to 1 image. It does not fit photo1: ")


def test_removing_a_pseudo_rgb_with_edited_masks_asks(leaf, idle, wait, answer):
    _add(leaf, "ndvi")
    wait(lambda: leaf.pseudo_rgb.add_button.isEnabled())
    leaf.pseudo_rgb.add()
    idle()
    wait(lambda: leaf.control.current.recipe == "ndvi" and leaf.canvas.layer is not None)
    leaf.canvas.layer.data[3:6, 3:6] = 1
    leaf.canvas.layer.events.paint(value=[])
    leaf.canvas.record()
    asked = answer(None)
    leaf.pseudo_rgb.remove(everywhere=True)
    assert "edited by hand" in asked[0]
    assert len(leaf.control.session.images["i1"].recipes) == 2
    answer("Remove it")
    leaf.pseudo_rgb.remove(everywhere=True)
    wait(lambda: leaf.control.current.recipe == "rgb")


def test_the_band_slider_shows_single_bands_and_goes_back(leaf, wait):
    page = leaf.pseudo_rgb
    page.bands.setValue(44)
    wait(lambda: any("band 44 · 890 nm" in layer.name for layer in leaf.viewer.layers))
    band = next(layer for layer in leaf.viewer.layers if "band 44" in layer.name)
    assert band.data[20, 20] == 4000
    assert band.data[2, 2] == 300
    assert page.band_name.text() == "Band 44 · 890 nm"
    page._hide_band()
    assert not any("band" in layer.name for layer in leaf.viewer.layers)


def test_spectra_of_the_cursor_and_of_objects(leaf, wait):
    leaf.open_page("Spectra")
    leaf.spectra.show_pixel(20, 20)
    wait(lambda: len(leaf.spectra.plot.lines) == 1)
    assert leaf.spectra.plot.lines[0].y[[0, -1]].tolist() == [400, 4000]
    assert leaf.spectra.place.text() == "x 20, y 20"
    leaf.canvas.layer.data[10:30, 12:34] = 2
    leaf.canvas.layer.data[0:5, 0:5] = 9
    leaf.canvas.layer.events.paint(value=[])
    leaf.canvas.record()
    leaf.control.select([2, 9])
    leaf.spectra.measure()
    wait(lambda: [line.name for line in leaf.spectra.plot.lines]
         == ["object 2", "object 9", "cursor"])  # fmt: skip
    assert leaf.spectra.plot.lines[1].y.tolist() == [300] * 45
    assert leaf.spectra.plot.lines[0].y[-1] == 4000
    leaf.open_page("Images")


def test_saving_all_uses_the_images_names_and_keeps_ids(panel, photos, idle, tmp_path, answer):
    panel.images.add(photos)
    idle()
    panel.canvas.layer.data[5:20, 5:20] = 300
    panel.canvas.layer.events.paint(value=[])
    panel.canvas.record()
    folder = tmp_path / "out"
    panel.save.folder.setText(str(folder))
    panel.save.choose_formats(["labels", "coco"])
    panel.save.save()
    idle()
    labels = tifffile.imread(folder / "photo1.labels.tif")
    assert np.array_equal(labels, panel.canvas.layer.data)
    assert labels.max() == 300
    coco = json.loads(next(folder.glob("*.json")).read_text())
    assert [each["id"] for each in coco["annotations"]] == [300] or coco["annotations"]
    assert panel.control.session.images.state("i1") == "saved"
    assert "● saved" in panel.images.list.item(0).text()
    panel.canvas.layer.data[5:20, 5:20] = 200
    panel.canvas.layer.events.paint(value=[])
    panel.save.save()  # asks nothing, because the files are its own
    idle()
    assert tifffile.imread(folder / "photo1.labels.tif").max() == 200
    (folder / "photo1.labels.tif").write_bytes(b"mine")
    asked = answer(None)
    panel.save.save()
    assert "photo1.labels.tif" in asked[0]
    assert (folder / "photo1.labels.tif").read_bytes() == b"mine"
    answer("Replace them")
    panel.save.save()
    idle()
    assert tifffile.imread(folder / "photo1.labels.tif").max() == 200


def test_what_is_saved_is_all_the_current_image_or_the_selected_layers(
    panel, photos, idle, wait, tmp_path
):
    panel.images.add(photos)
    idle()
    for _ in photos:
        panel.canvas.layer.data[5:20, 5:20] = 2
        panel.canvas.layer.events.paint(value=[])
        panel.control.step(1)
        idle()
    page = panel.save
    page.choose_formats(["labels"])
    written = {}
    for which in (0, 1, 2):
        page.what.setCurrentIndex(which)
        page.folder.setText(str(tmp_path / f"out{which}"))
        panel.control.show("i2" if which == 1 else "i1")
        idle()
        if which == 2:
            panel.viewer.layers.selection = {panel.canvas.layer}
        page.save()
        idle()
        written[which] = sorted(path.name for path in (tmp_path / f"out{which}").iterdir())
    page.what.setCurrentIndex(0)
    assert written == {
        0: ["photo1.labels.tif", "photo2.labels.tif"],
        1: ["photo2.labels.tif"],
        2: ["photo1.labels.tif"],
    }


def test_saving_without_masks_or_formats_says_what_is_missing(panel, photos, idle, tmp_path):
    panel.save.folder.setText(str(tmp_path))
    panel.images.add(photos[:1])
    idle()
    panel.save.save()
    assert panel.message.text.text().startswith("There are no masks to save")
    panel.canvas.layer.data[0:5, 0:5] = 1
    panel.canvas.layer.events.paint(value=[])
    panel.canvas.record()
    panel.save.choose_formats([])
    panel.save.save()
    assert panel.message.text.text() == "Tick at least one format."
    panel.save.choose_formats(["labels", "csv"])


@pytest.fixture(params=["ZYX", "TYX"])
def stack(panel, shipped, idle, tmp_path, request):
    """Five planes, or five times, in which a bright square moves to the right."""
    planes = np.full((5, 96, 128), 30, np.uint8)
    for at, plane in enumerate(planes):
        plane[30:60, 30 + 3 * at : 60 + 3 * at] = 220
    tifffile.imwrite(tmp_path / "moving.tif", planes, metadata={"axes": request.param}, imagej=True)
    panel.control.sam = shipped
    panel.images.add([tmp_path / "moving.tif"])
    idle()
    return panel


def test_an_object_is_followed_through_a_stack(stack, wait, idle):
    session, key = stack.control.session, LayerKey("i1", "rgb")
    assert stack.canvas.picture.data.shape == (5, 96, 128, 3)
    assert stack.click._stack.isVisibleTo(stack.click)
    stack.viewer.dims.set_current_step(0, 2)
    assert stack.control.plane == 2
    stack.clicks.start()
    wait(lambda: stack.clicks.is_ready)
    stack.clicks.add_points([(50, 45)], 1)
    wait(lambda: bool(stack.clicks.previews))
    stack.clicks.commit()
    assert session.layers.labels(key)[2].any()
    assert not session.layers.labels(key)[[0, 1, 3, 4]].any()
    stack.click._propagate()
    idle()
    found = session.layers.labels(key)
    assert [bool(plane.any()) for plane in found] == [True] * 5
    truth = np.zeros((96, 128), bool)
    truth[30:60, 42:72] = True
    assert np.mean((found[4] > 0) == truth) > 0.95
    assert np.array_equal(stack.canvas.layer.data, found)
    assert stack.message.text.text().startswith("Object 1 was found in 4 more planes.")


def test_planes_between_annotated_ones_are_filled_in(stack, idle):
    session, key = stack.control.session, LayerKey("i1", "rgb")
    stack.canvas.layer.data[0, 30:60, 30:60] = 1
    stack.canvas.layer.data[4, 30:60, 42:72] = 1
    stack.canvas.layer.events.paint(value=[])
    stack.canvas.record()
    stack.control.select([1])
    stack.click._interpolate()
    idle()
    middle = session.layers.labels(key)[2] > 0
    assert middle[45, 50]
    assert abs(np.count_nonzero(middle) - 900) < 120
    assert np.array_equal(stack.canvas.layer.data, session.layers.labels(key))


def test_the_log_is_copied_without_names_of_folders(panel, photos, idle, tmp_path):
    panel.images.add(photos[:1])
    idle()
    panel.control.say(f"Something about {tmp_path}/photo1.png.")
    assert "Something about" in panel.log.text.toPlainText()
    panel.log.copy()
    report = QApplication.clipboard().text()
    assert "anymask" in report
    assert "Something about photo1.png" in report
    assert str(tmp_path) not in report


def test_parts_of_napari_s_window_can_be_hidden(panel):
    viewer = panel.viewer.window._qt_viewer
    panel.log.layer_controls.setChecked(False)
    assert not viewer.dockLayerControls.isVisible()
    assert viewer.dockLayerList.isVisible()
    panel.log.layer_controls.setChecked(True)
    assert viewer.dockLayerControls.isVisible()


def test_every_page_fits_a_screen_of_768_lines(panel):
    for name in panel.pages:
        panel.open_page(name)
        area = panel.stack.currentWidget()
        assert area.verticalScrollBar().maximum() == 0, name
        assert panel.pages[name].minimumSizeHint().width() <= area.viewport().width(), name
    assert panel.window().height() <= 768
    panel.open_page("Images")


def test_napari_finds_the_panel_by_the_manifest():
    from npe2 import PluginManifest

    manifest = PluginManifest.from_file(Path(anymask.napari.__file__).with_name("napari.yaml"))
    assert manifest.name == "anymask"
    (widget,) = manifest.contributions.widgets
    command = next(c for c in manifest.contributions.commands if c.id == widget.command)
    module, _, name = command.python_name.partition(":")
    from anymask.napari.panel import Panel

    assert (module, name) == (Panel.__module__, Panel.__name__)
