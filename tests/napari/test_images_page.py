"""Images in the window: the list, what is shown of each, files that cannot be read as they are."""

from __future__ import annotations

import os

import numpy as np
from PIL import Image
from qtpy.QtWidgets import QFileDialog

from anymask.napari.internal_layers import NAMES


def _names(panel):
    return [each.name for each in panel.viewer.layers if each.name not in NAMES]


def test_images_are_listed_with_thumbnail_and_state_and_shown_with_their_own_layers(
    panel, photos, idle, wait
):
    panel.images.add(photos)
    idle()
    rows = [panel.images.list.item(at).text() for at in range(panel.images.list.count())]
    assert rows == ["photo1\n○ no masks yet · 160×120", "photo2\n○ no masks yet · 100×150"]
    assert _names(panel) == ["photo1 · rgb", "photo1 · rgb · masks"]
    first = np.asarray(Image.open(photos[0]))
    assert np.array_equal(panel.canvas.picture.data, first)

    def middle() -> int:  # of the red square of the first photograph
        icon = panel.images.list.item(0).icon().pixmap(44, 44)
        return icon.toImage().pixelColor(11, 12).red()

    wait(lambda: abs(middle() - 222) < 12)


def test_next_and_previous_go_round_and_replace_the_layers(panel, photos, idle, wait):
    panel.images.add(photos)
    idle()
    panel.control.step(1)
    wait(lambda: _names(panel) == ["photo2 · rgb", "photo2 · rgb · masks"])
    assert panel.shown.whole == "photo2  (2 of 2)"
    # The second has another size, and is shown whole.
    assert panel.viewer.layers.extent.world[1].tolist() == [149, 99]
    assert panel.viewer.scene.camera.center == (0, 74.5, 49.5)
    panel.control.step(1)
    wait(lambda: _names(panel) == ["photo1 · rgb", "photo1 · rgb · masks"])
    panel.images.list.setCurrentRow(1)
    wait(lambda: _names(panel) == ["photo2 · rgb", "photo2 · rgb · masks"])


def test_a_missing_header_is_asked_for_and_nothing_is_copied(
    panel, cube, idle, answer, monkeypatch, tmp_path
):
    header = tmp_path / "headers" / "leaf.hdr"
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *a, **k: (str(header), ""))
    before = sorted(os.listdir(tmp_path))
    asked = answer("Choose header…")
    panel.images.add([cube])
    idle()
    assert len(asked) == 1
    assert "leaf.img has no header beside it" in asked[0]
    idle()
    record = panel.control.record
    assert (record.name, record.size, record.bands) == ("leaf", (40, 50), 45)
    assert record.header == header
    assert sorted(os.listdir(tmp_path)) == before


def test_headers_of_several_files_are_asked_for_one_after_the_other(
    panel, cube, idle, answer, monkeypatch, tmp_path, wait
):
    second = tmp_path / "other.img"
    second.write_bytes(cube.read_bytes())
    header = tmp_path / "headers" / "leaf.hdr"
    asked_for = []

    def choose(_, title, *rest, **options):
        asked_for.append(title)
        if len(asked_for) == 1:
            answer("Choose header…")
        return str(header), ""

    monkeypatch.setattr(QFileDialog, "getOpenFileName", choose)
    answer("Choose header…")
    panel.images.add([cube, second])
    wait(lambda: len(panel.control.session.images) == 2)
    idle()
    assert asked_for == ["Header of leaf.img", "Header of other.img"]
    assert [record.name for record in panel.control.session.images] == ["leaf", "other"]


def test_a_session_that_is_open_is_not_opened_again(panel, photos, idle):
    panel.images.add(photos[:1])
    idle()
    session = panel.control.session
    panel.images.open(session.folder)
    assert panel.message.text.text() == "This session is already open here."
    assert panel.control.session is session


def test_without_its_header_a_file_is_left_out_with_a_sentence(panel, cube, idle, answer):
    answer(None)
    panel.images.add([cube])
    idle()
    assert not panel.control.session.images
    assert "leaf.img was skipped" in panel.message.text.text()


def test_a_file_that_is_no_image_is_named_and_the_others_are_added(panel, photos, idle, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    panel.images.add([broken, photos[0]])
    idle()
    assert [record.name for record in panel.control.session.images] == ["photo1"]
    assert panel.message.kind == "error"
    assert "broken.png" in panel.message.text.text()


def test_removing_an_image_with_masks_asks_and_shows_the_next_one(
    panel, photos, idle, answer, wait
):
    panel.images.add(photos)
    idle()
    panel.canvas.layer.data[5:9, 5:9] = 1
    panel.canvas.layer.events.paint(value=[])
    panel.canvas.record()
    assert panel.control.session.images.state("i1") == "edited"
    panel.images.list.setCurrentRow(0)
    asked = answer(None)
    panel.images._remove()
    assert "1 of these images have masks that are not saved" in asked[0]
    assert len(panel.control.session.images) == 2
    answer("Remove")
    panel.images._remove()
    wait(lambda: _names(panel) == ["photo2 · rgb", "photo2 · rgb · masks"])
    assert photos[0].exists()


def test_the_thumbnail_follows_a_pseudo_rgb_that_is_given_other_expressions(
    panel, photos, idle, wait
):
    def colour() -> tuple[int, int, int]:  # of the red square
        icon = panel.images.list.item(0).icon().pixmap(44, 44)
        return icon.toImage().pixelColor(icon.width() // 4, icon.height() * 3 // 8).getRgb()[:3]

    panel.images.add(photos[:1])
    idle()
    wait(lambda: colour()[0] > 150)
    panel.control.session.images.add_recipe("ch[2]", "ch[1]", "ch[0]", name="rgb")
    wait(lambda: colour()[2] > 150)
    assert colour()[0] < 100


def test_without_an_image_there_is_nothing_to_undo(panel, photos, idle):
    assert not panel._undo.isEnabled()
    assert not panel._redo.isEnabled()
    assert panel.shown.text() == "No image yet"


def test_a_long_name_leaves_room_for_the_number_of_the_image(panel, photos, idle):
    long = photos[0].with_name("a very long name of a photograph taken on a monday.png")
    photos[0].rename(long)
    panel.images.add([long])
    idle()
    assert panel.shown.text().startswith("a very long name")
    assert "…" in panel.shown.text()
    assert panel.shown.text().endswith("(1 of 1)")
    assert panel.shown.toolTip() == str(long)
