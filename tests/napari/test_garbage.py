"""What napari and torch brought is left out of collections, and what comes later is not."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np


def _added(window: Any) -> weakref.ref[Any]:
    return weakref.ref(window.viewer.add_labels(np.zeros((20, 20), np.uint8)))


def _remove(window: Any, layer: weakref.ref[Any]) -> None:
    window.viewer.layers.remove(layer())


def test_removing_a_layer_looks_through_little_but_that_layer(panel: Any, qtbot: Any) -> None:
    panel.control.model_changed.emit()
    assert gc.get_freeze_count() > 100_000
    layer = _added(panel)
    _remove(panel, layer)
    assert len(gc.get_objects()) < 50_000
    qtbot.waitUntil(lambda: gc.collect() >= 0 and layer() is None)


def test_a_layer_from_before_the_model_is_looked_through_with_all_and_later_ones_are_not(
    panel: Any, qtbot: Any
) -> None:
    gc.unfreeze()
    layer = _added(panel)
    panel.control.model_changed.emit()
    _remove(panel, layer)
    assert gc.get_freeze_count() == 0
    qtbot.waitUntil(lambda: gc.get_freeze_count() > 100_000)
    _remove(panel, _added(panel))
    assert gc.get_freeze_count() > 100_000
    gc.unfreeze()
    qtbot.waitUntil(lambda: gc.collect() >= 0 and layer() is None)


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
