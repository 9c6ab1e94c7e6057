"""Large pictures in the window: what is visible is encoded, at the zoom at which it is seen."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from anymask.session import LayerKey

KEY = LayerKey("i1", "rgb")
SIZE = (2200, 3000)
DISC = (400, 600, 120)  # row, column, radius


def _disc():
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    return np.hypot(rows - DISC[0], columns - DISC[1]) < DISC[2]


@pytest.fixture
def large(panel, shipped, tmp_path, idle, wait):
    """A picture of 2200×3000 pixels with a disc, ready to be clicked."""
    pixels = np.full((*SIZE, 3), 60, np.uint8)
    pixels[_disc()] = (210, 80, 60)
    pixels += np.random.default_rng(0).integers(0, 6, pixels.shape, np.uint8)
    Image.fromarray(pixels).save(tmp_path / "large.png", compress_level=1)
    panel.control.sam = shipped
    panel.images.add([tmp_path / "large.png"])
    idle()
    panel.clicks.overwrite = False
    panel.clicks.set_tool("points")
    panel.clicks.start()
    wait(lambda: panel.clicks.is_ready)
    wait(lambda: _region(panel).height == SIZE[0])
    return panel


def _region(panel):
    return panel.clicks.ready.region


def _look_at(panel, row, column, zoom):
    panel.viewer.scene.camera.center = (0, row, column)
    panel.viewer.scene.camera.zoom = zoom


def test_zooming_in_encodes_the_visible_tile_and_masks_are_of_full_size(large, wait):
    panel = large
    assert _region(panel).step == 2  # all of it, at half its size
    assert _region(panel).width == SIZE[1]
    _look_at(panel, 400, 600, 1.0)
    wait(lambda: _region(panel).step == 1)
    region = _region(panel)
    assert region.holds(600 - 130, 400 - 130)
    assert region.holds(600 + 130, 400 + 130)
    assert max(region.height, region.width) <= 1024
    panel.clicks.add_points([(600, 400)], 1)
    wait(lambda: bool(panel.clicks.previews))
    preview = panel.clicks.layers.preview
    assert preview.data.shape == (region.height, region.width)
    assert tuple(preview.translate[-2:]) == (region.top, region.left)
    panel.clicks.commit()
    mask, disc = panel.control.session.layers.labels(KEY) == 1, _disc()
    assert (mask & disc).sum() / (mask | disc).sum() > 0.95


def test_what_is_prepared_stays_while_there_are_prompts_and_follows_the_view_afterwards(
    large, wait
):
    panel = large
    whole = _region(panel)
    panel.clicks.add_points([(600, 400)], 1)
    wait(lambda: bool(panel.clicks.previews))
    assert panel.clicks.layers.preview.scale[-1] == 2
    _look_at(panel, 400, 600, 1.0)
    panel.clicks._look.stop()
    panel.clicks._view_settled()  # as the timer would
    assert _region(panel) == whole
    panel.clicks.add_points([(640, 400)], 1)  # both points are about the same region
    wait(lambda: panel.clicks.previews
         and len(panel.clicks.previews[0].prompts.points) == 2)  # fmt: skip
    panel.clicks.commit()
    wait(lambda: _region(panel).step == 1)


def test_a_click_outside_of_what_is_prepared_has_the_visible_part_prepared_first(large, wait):
    panel = large
    _look_at(panel, 400, 600, 1.0)
    wait(lambda: _region(panel).step == 1)
    assert not _region(panel).holds(2700, 2000)
    panel.viewer.reset_view()
    wait(lambda: panel.canvas.picture.corner_pixels[1, 1] > 2900)
    panel.clicks._look.stop()
    panel.clicks.add_points([(2700, 2000)], 1)
    wait(lambda: bool(panel.clicks.previews))
    assert _region(panel).holds(2700, 2000)
    assert panel.message.kind != "error" or not panel.message.isVisibleTo(panel)
