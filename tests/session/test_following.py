"""A SAM 2 follows objects through a stack with its memory of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from anymask.checkpoints import load
from anymask.session import LayerKey, Session
from anymask.session.following import follow
from anymask.session.replaying import replay
from anymask.session.visible_region import Region
from anymask.tracking.tracker import SamTracker
from tests.checkpoints.sam2_models import small_video_model

KEY = LayerKey("i1", "rgb")
LOOSE = {"min_score": 0.0, "min_overlap": 0.0}


@pytest.fixture(scope="module")
def sam2(tmp_path_factory: pytest.TempPathFactory):
    """A small SAM 2 with drawn weights, to which objects are present."""
    theirs, folder = small_video_model(), tmp_path_factory.mktemp("sam2")
    with torch.no_grad():
        theirs.mask_decoder.pred_obj_score_head.proj_out.bias += 8
    theirs.save_pretrained(folder)
    return load(folder, device="cpu", dtype="float32")


@pytest.fixture
def stack(tmp_path: Path, stack_file: Path):
    """A disc drawn as object 4 in plane 2 of five."""
    with Session.create(tmp_path / "work") as session:
        session.images.add(stack_file)
        labels = np.array(session.layers.labels(KEY))
        y, x = np.mgrid[: labels.shape[1], : labels.shape[2]]
        labels[2][np.hypot(y - 40, x - 46) < 18] = 4
        session.edits.paint(KEY, labels)
        yield session


def frames_of(session: Session) -> list[np.ndarray]:
    _, height, width = session.layers.labels(KEY).shape
    whole = Region(0, 0, height, width)
    return [session.images.rgb_part(KEY, plane, whole) for plane in range(5)]


def test_the_masks_are_those_of_the_tracker(stack, sam2):
    tracker = SamTracker(sam2)
    tracker.start(frames_of(stack))
    tracker.add(2, mask=stack.layers.labels(KEY)[2] == 4)
    expected = {frame.frame: frame.masks[0] for frame in tracker.propagate("forward")}
    found = stack.clicks.propagate(sam2, KEY, 4, 2, direction=1, **LOOSE)
    labels = stack.layers.labels(KEY)
    assert found.planes == [plane for plane in (3, 4) if expected[plane].any()] != []
    for plane in found.planes:
        np.testing.assert_array_equal(labels[plane] == 4, expected[plane])


def test_an_object_is_followed_both_ways_and_the_journal_repeats_it(stack, sam2):
    found = stack.clicks.propagate(sam2, KEY, 4, 2, **LOOSE)
    assert set(found.planes) & {0, 1}
    assert set(found.planes) & {3, 4}
    assert [layer.status for layer in replay(stack.folder, sam=sam2).layers] == ["same"]


def test_an_unsure_model_ends_the_object(stack, sam2):
    found = stack.clicks.propagate(sam2, KEY, 4, 2, direction=1, min_score=1.0)
    assert found.planes == []
    assert "unsure in plane 3" in found.ended[1]


def test_a_reduced_region_gives_masks_of_the_whole_image(stack, sam2):
    mask = stack.layers.labels(KEY)[2] == 4
    height, width = mask.shape
    region = Region(0, 0, height, width, 4)
    for found in follow(sam2, stack.images, KEY, region, range(5), 2, mask, 1):
        assert found.mask.shape == mask.shape
        blocks = found.mask[: height // 4 * 4].reshape(height // 4, 4, width // 4, 4)
        assert (blocks.all((1, 3)) == blocks.any((1, 3))).all()
