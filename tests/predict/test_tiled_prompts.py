"""Prompts of a large image, each asked in the tile that shows it best."""

from __future__ import annotations

import numpy as np
import pytest

from anymask import Prompts, SamPredictor
from anymask.model.sam import Sam
from anymask.predict.everything.grids import tiles_of
from anymask.predict.tiled_prompts import masks_in_tiles

NAN = float("nan")


@pytest.fixture(scope="module")
def predictor(small_reference_sam: Sam) -> SamPredictor:
    return SamPredictor(small_reference_sam, keep_clicked=True)


@pytest.fixture(scope="module")
def large(scene: np.ndarray) -> np.ndarray:
    """An image of 500×700 pixels."""
    return np.ascontiguousarray(np.tile(scene, (3, 3, 1))[:500, :700])


def test_a_prompt_gives_in_its_tile_what_it_gives_in_an_image_of_the_tile(predictor, large):
    tiles = tiles_of((500, 700), 300, 40)
    assert [tile.box[:2] for tile in tiles] == [(x, y) for y in (0, 200) for x in (0, 200, 400)]
    # In the middle of the fourth tile and of the last; and too large for any.
    boxes = np.array([[110, 300, 190, 390], [NAN] * 4, [20, 20, 600, 400]])
    points = np.array([[[NAN, NAN]], [[540, 360]], [[NAN, NAN]]])
    prompts = Prompts(boxes, points, [[-1], [1], [-1]], ids=[9, 4, 7], class_names=["a", "b", "c"])
    done: list[tuple[int, int]] = []
    masks = masks_in_tiles(
        predictor, large, prompts, 300, 40, progress=lambda *count: done.append(count)
    )
    assert masks.ids.tolist() == [9, 4, 7]
    assert masks.class_names == ("a", "b", "c")
    assert done[-1] == (3, 3)
    assert np.count_nonzero(masks.areas) > 1  # this small model finds nothing at some places
    for row, box in ((0, (0, 200, 300, 500)), (1, (400, 200, 700, 500)), (2, (0, 0, 700, 500))):
        x0, y0, x1, y1 = box
        predictor.set_image(large[y0:y1, x0:x1])
        own = Prompts(
            boxes[row : row + 1] - (x0, y0, x0, y0),
            points[row : row + 1] - (x0, y0),
            prompts.point_labels[row : row + 1],
        )
        (alone,) = predictor.predict_many(own)
        expected = np.zeros((500, 700), bool)
        expected[y0:y1, x0:x1] = alone
        np.testing.assert_array_equal(masks[row], expected)


def test_a_box_beyond_the_edge_of_the_image_still_has_a_tile(predictor, large):
    prompts = Prompts([[-20, -20, 60, 70], [650, 450, 720, 520]])
    masks = masks_in_tiles(predictor, large, prompts, 300, 40)
    predictor.set_image(large[:300, :300])
    first = Prompts([[-20, -20, 60, 70]])
    np.testing.assert_array_equal(masks[0][:300, :300], predictor.predict_many(first)[0])
    assert not masks[0][300:].any()
    assert not masks[1][:200].any()
    assert not masks[1][:, :400].any()
