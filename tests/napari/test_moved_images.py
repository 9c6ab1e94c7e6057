"""Images that are not where they were when the session was closed."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image
from qtpy.QtWidgets import QFileDialog

from anymask.session import LayerKey, Session


@pytest.fixture
def moved(tmp_path, photos):
    """A session with edited masks whose two photographs lie elsewhere, one with another name."""
    for name in ("before", "sessions", "now"):
        (tmp_path / name).mkdir()
    files = [shutil.move(path, tmp_path / "before") for path in photos]
    with Session.create(tmp_path / "sessions" / "work") as session:
        session.images.add(files)
        labels = np.zeros((120, 160), np.uint16)
        labels[20:70, 20:60] = 4
        session.edits.paint(LayerKey("i1", "rgb"), labels)
    shutil.move(files[0], tmp_path / "now" / "photo1.png")
    shutil.move(files[1], tmp_path / "now" / "renamed.png")
    return session.folder


def test_moved_images_are_named_found_in_a_folder_and_shown_with_their_masks(
    panel, moved, tmp_path, wait, monkeypatch
):
    panel.images.open(moved)
    wait(lambda: panel.control.session.folder == moved)
    wait(lambda: panel.message.action.text() == "Search in a folder…")
    assert panel.message.kind == "error"
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *a, **k: str(tmp_path / "now"))
    panel.message.action.click()
    wait(lambda: panel.canvas.picture is not None)
    wait(lambda: panel.message.text.text() == "2 images were found again.")
    assert [record.path.name for record in panel.control.session.images] == [
        "photo1.png",
        "renamed.png",
    ]
    assert panel.canvas.layer.data[30, 30] == 4
    panel.control.step(1)
    wait(lambda: panel.canvas.picture is not None and panel.canvas.picture.name == "photo2 · rgb")


def test_a_file_of_the_same_name_with_another_content_is_not_taken_for_it(
    panel, moved, tmp_path, wait, monkeypatch
):
    Image.fromarray(np.zeros((120, 160, 3), np.uint8)).save(tmp_path / "now" / "photo1.png")
    panel.images.open(moved)
    wait(lambda: panel.control.session.folder == moved)
    wait(lambda: panel.message.action.isVisibleTo(panel.message))
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *a, **k: str(tmp_path / "now"))
    wait(lambda: not panel.control.tasks.is_busy)
    panel.message.action.click()
    session = panel.control.session
    wait(lambda: session.images["i2"].path.name == "renamed.png")
    wait(lambda: not panel.control.tasks.is_busy)
    assert session.images.is_missing("i1")
    assert "photo1" in panel.message.text.text()
    assert panel.message.action.text() == "Search in a folder…"


def test_an_image_that_goes_while_the_window_is_open_is_searched_for_the_same_way(
    panel, photos, idle, tmp_path, wait, monkeypatch
):
    (tmp_path / "away").mkdir()
    (tmp_path / "sessions").mkdir()
    inner = tmp_path / "inner"
    inner.mkdir()
    files = [shutil.move(path, inner) for path in photos]
    panel.control.set_session(Session.create(tmp_path / "sessions" / "work"))
    panel.images.add(files)
    idle()
    session = panel.control.session
    shutil.move(files[1], tmp_path / "away")
    session.images._files._in_memory.clear()  # as after many other images
    session.images._rendered._kept.clear()
    panel.control.step(1)
    wait(lambda: "photo2.png is missing" in panel.message.text.text())
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *a, **k: str(tmp_path / "away"))
    panel.message.action.click()
    wait(lambda: panel.canvas.picture is not None)
    wait(lambda: panel.message.text.text() == "1 image was found again.")
