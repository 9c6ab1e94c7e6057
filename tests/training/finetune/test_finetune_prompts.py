"""Rounds of prompts: their positions, and that they depend only on seed, epoch and step."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from anymask.masks.boxes import boxes_of_masks
from anymask.masks.rle import mask_of
from anymask.model.sam import ImageEmbedding
from anymask.training.finetune.prompt_batches import Batch, corrected, first_prompts, generator_of
from anymask.training.finetune.settings import Settings
from anymask.training.finetune.training_images import describe, turned
from tests.training.finetune.conftest import draw_example


def batch_of(masks, kind="box", scale=1.0):
    """A batch of one image with P masks (P, S, S) and one kind of prompt."""
    nothing = ImageEmbedding(torch.empty(0))
    side = masks.shape[-1]
    return Batch(
        nothing,
        {kind: masks[None]},
        torch.tensor([[scale, scale]]),
        torch.tensor([[side, side - 16]]),
    )


@pytest.fixture
def masks():
    """Thirty-two rectangles of 20×10 pixels in a frame of 64, none touching its border."""
    masks = torch.zeros(32, 64, 64, dtype=torch.bool)
    masks[:, 20:30, 22:42] = True
    return masks


def test_boxes_without_jitter_are_the_bounding_boxes(masks):
    (asked,) = first_prompts(batch_of(masks), Settings(box_jitter=0), generator_of(1))
    assert asked.boxes.tolist() == [[22, 20, 41, 29]] * 32


def test_jitter_in_pixels_refers_to_the_image_on_disk_and_is_bounded(masks):
    settings = Settings(box_jitter=0, box_jitter_pixels=3)
    moves = []
    for scale in (1.0, 2.0):
        (asked,) = first_prompts(batch_of(masks, scale=scale), settings, generator_of(1))
        moves.append(asked.boxes - torch.tensor([22.0, 20, 41, 29]))
    assert 2.5 < moves[0].abs().max() <= 3
    torch.testing.assert_close(moves[1], 2 * moves[0])


def test_jitter_as_a_fraction_grows_with_the_side_of_the_box(masks):
    (asked,) = first_prompts(batch_of(masks), Settings(box_jitter=0.1), generator_of(1))
    moves = (asked.boxes - torch.tensor([22.0, 20, 41, 29])).std(0)
    assert 1.4 < moves[0] / moves[1] < 3  # 20 wide and 10 high


def test_boxes_stay_in_the_image_with_any_jitter(masks):
    settings = Settings(box_jitter=0.5, box_jitter_pixels=100)
    (asked,) = first_prompts(batch_of(masks), settings, generator_of(1))
    assert asked.boxes.min() >= 0
    assert asked.boxes[:, ::2].max() <= 63
    assert asked.boxes[:, 1::2].max() <= 47  # below is padding


def test_first_points_lie_on_the_object(masks):
    (asked,) = first_prompts(batch_of(masks, "point"), Settings(), generator_of(2))
    x, y = asked.coords[:, 0].long().unbind(1)
    assert masks[0][y, x].all()
    assert (asked.labels == 1).all()


def test_corrective_clicks_are_placed_on_errors(masks):
    (asked,) = first_prompts(batch_of(masks, "point"), Settings(), generator_of(2))
    answer = torch.full((32, 4, 16, 16), -5.0)
    answer[:, 2, 5:8, 2:8] = 5.0  # the candidate with the best score, too far to the left
    iou = torch.zeros(32, 4)
    iou[:, 2] = 1
    again = corrected(asked, answer, iou, generator_of(3))
    assert again.kind == "refined"
    torch.testing.assert_close(again.previous[:, 0], answer[:, 2])
    assert torch.equal(again.coords[:, :1], asked.coords)
    assert set(again.labels[:, 1:].flatten().tolist()) == {0, 1}
    for (x, y), label in zip(
        again.coords[:, 1:].flatten(0, 1).long().tolist(), again.labels[:, 1:].flatten().tolist(),
        strict=True,
    ):  # fmt: skip
        assert bool(masks[0, y, x]) == bool(label)


def test_random_numbers_depend_only_on_seed_epoch_and_step():
    def draw(*numbers):
        return torch.rand(4, generator=generator_of(*numbers)).tolist()

    assert draw(1, 2, 3) == draw(1, 2, 3)
    assert len({tuple(draw(*n)) for n in ((1, 2, 3), (2, 1, 3), (1, 2, 4), (1, 3, 2))}) == 4


def test_masks_are_restored_from_run_lengths_in_every_view():
    example = draw_example(1)
    image, pixels = describe(example, 0, 128)  # twice the size
    assert pixels.shape == (96, 128, 3)
    assert image.scales(0) == (2, 2)
    for view in range(8):
        expected = turned(np.kron(example.masks[0], np.ones((2, 2), bool)), view)
        got = image.mask(0, view, 128).numpy()
        h, w = expected.shape
        np.testing.assert_array_equal(got[:h, :w], expected)
        assert got.sum() == expected.sum()


def test_the_eight_views_differ_and_keep_the_object():
    _, pixels = describe(draw_example(1), 0, 64)
    assert len({turned(pixels, view).tobytes() for view in range(8)}) == 8
    image, _ = describe(draw_example(1), 0, 64)
    areas = {int(image.mask(0, view, 64).sum()) for view in range(8)}
    assert areas == {int(mask_of(image.masks[0], image.input_size).sum())}
    boxes = [boxes_of_masks(image.mask(0, v, 64).numpy()[None])[0] for v in (0, 1)]
    assert boxes[0][0] == 63 - boxes[1][2]
