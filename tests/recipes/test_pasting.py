"""Objects of one view are pasted into another, complete and with new numbers."""

from __future__ import annotations

import pytest
import torch

from recipes.small import pasting
from recipes.small.pasting import paste_across

SIDE, NEW = 64, 10


@pytest.fixture(autouse=True)
def _in_every_view(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pasting, "_SHARE", 1.0)
    monkeypatch.setattr(pasting, "_ALIKE", 0.0)
    monkeypatch.setattr(pasting, "_ROUNDS", 2)


def _batch(*regions: tuple[slice, slice] | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Views of one colour each, with one region (or none) that is brighter by 100."""
    B = len(regions)
    pixels = (10.0 * torch.arange(B)).view(B, 1, 1, 1).repeat(1, 3, SIDE, SIDE)
    labels = torch.zeros(B, SIDE, SIDE, dtype=torch.long)
    for b, region in enumerate(regions):
        if region is not None:
            pixels[b][:, *region] += 100
            labels[b][region] = 3
    return pixels, labels


def _pasted(pixels: torch.Tensor, labels: torch.Tensor, seed: int = 0):
    return paste_across(pixels, labels, NEW, torch.Generator().manual_seed(seed))


def test_an_object_is_pasted_whole_with_its_colours_and_a_new_number():
    square = (slice(20, 40), slice(5, 25))
    for seed in range(20):
        pixels, labels = _pasted(*_batch(square, None), seed)
        assert set(labels[1].unique().tolist()) <= {0, NEW, NEW + 1}
        last = labels[1] == NEW + 1  # nothing was pasted over it
        assert 300 <= last.sum() <= 400
        assert (pixels[1][:, last] > 55).all()  # 10 is the background, 100 the object
        assert (pixels[1][:, last] == 100).float().mean() > 0.6
        assert (pixels[1][:, labels[1] == 0] < 80).all()
        assert torch.equal(labels[0], _batch(square, None)[1][0])  # the other view has no object


def test_a_pasted_object_can_be_anywhere():
    square = (slice(20, 40), slice(5, 25))
    corners = []
    for seed in range(30):
        _, labels = _pasted(*_batch(square, None), seed)
        corners.append((labels[1] == NEW + 1).nonzero().amin(0))
    rows_and_columns = torch.stack(corners)
    assert (rows_and_columns.amin(0) < 10).all()
    assert (rows_and_columns.amax(0) > 35).all()


def test_half_of_the_pasted_objects_are_mirrored_with_their_colours():
    pixels, labels = _batch(None, None)
    labels[0, 20:40, 5:15] = labels[0, 30:40, 15:25] = 3  # an L
    pixels[0, :, :, 10:][:, labels[0, :, 10:] == 3] = 200
    mirrored = []
    for seed in range(30):
        after, ids = _pasted(pixels, labels, seed)
        rows, columns = (ids[1] == NEW + 1).nonzero(as_tuple=True)
        upper = columns[rows == rows.min()].float().mean()
        mirrored.append(bool(upper > columns.float().mean()))
        bright = columns[after[1, 0][ids[1] == NEW + 1] > 150].float().mean()
        assert (bright < columns.float().mean()) == mirrored[-1]
    assert 8 <= sum(mirrored) <= 22


def test_a_view_may_receive_a_copy_of_its_own_object_with_a_new_number(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(pasting, "_ALIKE", 1.0)
    monkeypatch.setattr(pasting, "_ROUNDS", 1)
    square = (slice(20, 40), slice(5, 25))
    beside = 0
    for seed in range(20):
        pixels, labels = _pasted(*_batch(square, None), seed)
        assert torch.equal(labels[1], _batch(square, None)[1][1])  # it has no object to copy
        copy = labels[0] == NEW
        assert 300 <= copy.sum() <= 400
        assert (pixels[0][:, copy] > 50).all()
        assert (pixels[0][:, copy] == 100).float().mean() > 0.6
        beside += int((labels[0] == 3).sum() == 400)
    assert beside > 3  # the others overlap the first


def test_objects_of_any_other_view_are_pasted_unchanged():
    square = (slice(20, 40), slice(5, 25))
    givers = set()
    for seed in range(20):
        pixels, _ = _pasted(*_batch(square, square, None), seed)
        # The colours of objects, in views with backgrounds 0, 10 and 20.
        givers |= {float(value) for value in pixels[2].unique() if value in (100, 110)}
        assert pixels.max() <= 110
        assert not (pixels[2] == 120).any()
    assert givers == {100.0, 110.0}


@pytest.mark.parametrize(
    "region",
    [
        (slice(0, 20), slice(5, 25)),  # cut by the view
        (slice(30, 33), slice(5, 60)),  # too thin: softening would remove most of it
        (slice(1, 63), slice(1, 63)),  # would hide the view
        (slice(30, 32), slice(30, 32)),  # a speck
    ],
)
def test_cut_thin_large_and_tiny_objects_are_not_pasted(region):
    pixels, labels = _batch(region, None)
    after = _pasted(pixels, labels)
    assert torch.equal(after[0], pixels)
    assert torch.equal(after[1], labels)


def test_objects_cut_by_the_end_of_the_image_are_not_pasted_and_padding_stays_empty():
    pixels, labels = _batch((slice(20, 40), slice(5, 25)), (slice(20, 40), slice(5, 25)))
    labels[0, 40:] = -1
    after, ids = _pasted(pixels, labels)
    assert torch.equal(ids[1], labels[1])  # the only other object is cut at row 40
    assert torch.equal(ids[0] == -1, labels[0] == -1)
    assert torch.equal(after[0][:, 40:], pixels[0][:, 40:])


def test_a_single_view_is_unchanged():
    pixels, labels = _batch((slice(20, 40), slice(5, 25)))
    after = _pasted(pixels, labels)
    assert torch.equal(after[0], pixels)
    assert torch.equal(after[1], labels)
