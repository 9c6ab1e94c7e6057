"""Pages that other packages add to the panel."""

from __future__ import annotations

import gc
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QApplication

from anymask import plugins
from anymask.napari.plugin_pages import GROUP, plugin_pages
from anymask.plugins import PluginWarning

EXAMPLE = Path(__file__).parents[2] / "examples" / "more_parts"


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch):
    """Say which entry points packages have."""
    monkeypatch.syspath_prepend(str(EXAMPLE))

    def install(**pages: str) -> None:
        points = [EntryPoint(name, value, GROUP) for name, value in pages.items()]
        monkeypatch.setattr(plugins, "entry_points", lambda group: points if group == GROUP else [])

    return install


def test_a_page_follows_the_objects_of_the_image_that_is_shown(
    panel, installed, wait, tmp_path
) -> None:
    installed(count="more_parts.count_page:PAGE")
    pages = plugin_pages(panel.control, set(panel.pages))
    gc.collect()
    assert list(pages) == ["Count"]
    text = pages["Count"].column.itemAt(0).widget()
    assert text.text() == "No image yet"
    Image.fromarray(np.zeros((30, 40, 3), np.uint8)).save(tmp_path / "a.png")
    session = panel.control.need_session()
    session.images.add([tmp_path / "a.png"])
    panel.control.show(session.images.ids[0])
    labels = np.zeros((30, 40), np.int32)
    labels[2:9, 2:9], labels[12:20, 12:30] = 1, 2
    session.edits.import_masks(panel.control.current, labels)
    session.edits.add_class("leaf")
    session.edits.classify(panel.control.current, [2], "leaf")
    wait(lambda: text.text() == "2 objects\nleaf: 1\nno class: 1")
    panel.message.kind = ""
    pages["Count"].deleteLater()
    del pages
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    panel.control.select([1])
    assert panel.message.kind != "error", panel.message.text.text()


def test_a_page_that_cannot_be_built_is_left_out_with_its_reason(panel, installed) -> None:
    installed(broken="more_parts.pgm:FORMAT", missing="more_parts.nowhere:PAGE")
    with pytest.warns(PluginWarning) as warned:
        assert plugin_pages(panel.control, set()) == {}
    told = " ".join(str(warning.message) for warning in warned)
    assert "more_parts.pgm:FORMAT is not an entry of type PluginPage" in told
    assert "No module named 'more_parts.nowhere'" in told
