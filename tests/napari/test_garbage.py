"""What napari and torch brought is left out of collections, and what comes later is not."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np


def _added(window: Any, side: int = 20) -> weakref.ref[Any]:
    return weakref.ref(window.viewer.add_labels(np.zeros((side, side), np.uint8)))


def _remove(window: Any, layer: weakref.ref[Any]) -> None:
    window.viewer.layers.remove(layer())


def test_removing_a_layer_looks_through_little_but_that_layer(panel: Any, qtbot: Any) -> None:
    _remove(panel, _added(panel))  # the first one has napari import more
    panel.control.model_changed.emit()
    assert gc.get_freeze_count() > 100_000
    layer = _added(panel)
    _remove(panel, layer)
    assert len(gc.get_objects()) < 50_000
    qtbot.waitUntil(lambda: gc.collect() >= 0 and layer() is None)


def test_a_large_layer_from_before_the_model_is_freed_and_later_ones_are_looked_through_alone(
    panel: Any, qtbot: Any
) -> None:
    gc.unfreeze()
    layer, small = _added(panel, 1024), _added(panel)
    panel.control.model_changed.emit()
    _remove(panel, small)
    assert gc.get_freeze_count() > 100_000
    _remove(panel, layer)
    assert gc.get_freeze_count() == 0
    qtbot.waitUntil(lambda: gc.get_freeze_count() > 100_000)
    assert layer() is None
    _remove(panel, _added(panel))
    assert gc.get_freeze_count() > 100_000


def test_the_pixels_of_an_image_are_freed_with_its_session(
    panel: Any, photos: list[Any], idle: Any, qtbot: Any
) -> None:
    panel.images.add(photos)
    idle()
    panel.control.model_changed.emit()
    pixels = [weakref.ref(layer.data) for layer in (panel.canvas.picture, panel.canvas.layer)]
    panel.control.set_session(None)
    assert gc.get_freeze_count() > 100_000
    qtbot.waitUntil(lambda: all(each() is None for each in pixels))


def test_a_closed_panel_leaves_python_as_it_was(qapp: Any) -> None:
    from napari.components import ViewerModel

    from anymask.napari.garbage import Collector

    collected_by_itself, frozen = gc.isenabled(), gc.get_freeze_count()
    collector = Collector(ViewerModel())
    assert not gc.isenabled()
    collector.stop()
    collector.freeze()  # a model that arrives late
    assert gc.get_freeze_count() == 0
    if collected_by_itself:
        assert gc.isenabled()
    if frozen:
        gc.freeze()
