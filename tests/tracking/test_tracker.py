"""What a user of `SamTracker` relies on beside the numbers."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

import anymask
from anymask.errors import PromptError
from anymask.model.sam import Sam
from anymask.tracking import SamTracker
from anymask.tracking.errors import TrackingError

DISC = {"point_coords": [[30, 60]], "point_labels": [1]}


@pytest.fixture
def tracker(model: Sam, video: NDArray[np.uint8]) -> SamTracker:
    tracker = SamTracker(model)
    tracker.start(video[:8])
    return tracker


def logits(tracker: SamTracker) -> list[NDArray[np.float32]]:
    return [each.low_res for each in tracker.propagate()]


def test_undo_takes_back_a_correction_and_then_the_object(tracker: SamTracker):
    tracker.add(0, 1, **DISC)
    before = logits(tracker)
    tracker.add(4, 1, point_coords=[[70, 90]], point_labels=[0])
    corrected = logits(tracker)
    assert not np.array_equal(corrected[4], before[4])
    assert not np.array_equal(corrected[7], before[7])
    assert np.array_equal(corrected[0], before[0])
    assert tracker.undo()
    assert np.array_equal(logits(tracker)[7], before[7])
    assert tracker.undo()
    assert tracker.ids == ()
    assert not tracker.undo()


def test_a_second_click_in_a_frame_adds_to_the_first_unless_it_replaces_it(tracker: SamTracker):
    two = {"point_coords": [[30, 60], [60, 90]], "point_labels": [1, 0]}
    tracker.add(0, 1, **DISC)
    added = tracker.add(0, 1, point_coords=[[60, 90]], point_labels=[0])
    replaced = tracker.add(0, 1, **two, replace_earlier=True)
    said = tracker._objects[1].prompts[0]
    assert said.coords is not None
    assert said.coords.tolist() == two["point_coords"]
    assert added.low_res.shape == replaced.low_res.shape


def test_an_object_does_not_depend_on_the_others(tracker: SamTracker):
    tracker.add(0, 1, **DISC)
    alone = logits(tracker)
    tracker.add(0, 7, box=[70, 75, 110, 105])
    together = list(tracker.propagate())
    assert together[5].ids == (1, 7)
    assert np.array_equal(together[5].low_res[0], alone[5][0])
    tracker.remove(1)
    assert tracker.ids == (7,)
    assert tracker.undo()
    assert tracker.ids == (1, 7)


def test_a_prompt_can_be_removed_from_one_frame(tracker: SamTracker):
    tracker.add(0, 1, **DISC)
    before = logits(tracker)
    tracker.add(4, 1, **DISC)
    tracker.remove(1, frame=4)
    assert np.array_equal(logits(tracker)[7], before[7])
    tracker.remove(1, frame=0)
    assert tracker.ids == ()


def test_frames_far_back_come_back_from_disk_unchanged(model: Sam, video: NDArray[np.uint8]):
    tracker = SamTracker(model)
    tracker.start(np.concatenate([video, video]))
    tracker.add(0, 1, **DISC)
    first = {each.frame: each.low_res for each in tracker.propagate()}
    shelf = tracker._objects[1].bank.shelf
    assert len(shelf._recent) == 16
    assert len(first) == 40
    assert np.array_equal(tracker.known(3).low_res, first[3])
    folder = shelf._path(0).parent
    assert folder.is_dir()
    del tracker, shelf
    assert not folder.exists()


def test_labels_give_a_pixel_to_the_object_that_is_surer_of_it(tracker: SamTracker):
    tracker.add(0, 3, **DISC)
    found = tracker.add(0, 9, box=[20, 40, 60, 80])
    labels, masks = found.labels, found.masks
    assert set(np.unique(labels)) <= {0, 3, 9}
    assert np.array_equal(labels > 0, masks.any(0))
    both = masks.all(0)
    surer = found.logits(1) > found.logits(0)
    assert np.array_equal(labels[both] == 9, surer[both])
    assert set(found.mask_set().ids) == {i for i, m in zip((3, 9), masks, strict=True) if m.any()}


def test_metas_names_give_metas_results(model: Sam, video: NDArray[np.uint8]):
    predictor = SamTracker(model)
    state = predictor.init_state(video[:4])
    frame, ids, masks = predictor.add_new_points_or_box(
        state, frame_idx=0, obj_id=2, points=[[30, 60]], labels=[1]
    )
    assert (frame, ids, tuple(masks.shape)) == (0, [2], (1, 1, 128, 128))
    frames = [each[0] for each in predictor.propagate_in_video(state)]
    assert frames == [0, 1, 2, 3]
    assert np.array_equal(masks[0, 0].numpy() > 0, predictor.known(0).masks[0])


def test_bad_steps_are_answered_with_a_sentence(tracker: SamTracker, model: Sam):
    with pytest.raises(TrackingError, match="no object to follow"):
        next(tracker.propagate())
    with pytest.raises(TrackingError, match=r"There is no frame 8; there are 8, counted from 0"):
        tracker.add(8, 1, **DISC)
    with pytest.raises(TrackingError, match="object 0 is no positive number"):
        tracker.add(0, 0, **DISC)
    with pytest.raises(PromptError, match="Nothing is said about the object"):
        tracker.add(0, 1)
    with pytest.raises(PromptError, match="outside the image"):
        tracker.add(0, 1, point_coords=[[500, 60]], point_labels=[1])
    with pytest.raises(PromptError, match="The mask has the shape 4×4"):
        tracker.add(0, 1, mask=np.ones((4, 4)))
    assert tracker.ids == ()
    with pytest.raises(TrackingError, match="no object 4; the objects are none"):
        tracker.remove(4)
    with pytest.raises(TrackingError, match="direction is 'up'"):
        next(tracker.propagate("up"))  # type: ignore[arg-type]
    with pytest.raises(TrackingError, match="call start"):
        SamTracker(model).add(0, 1, **DISC)


def test_a_first_sam_is_told_to_follow_nothing():
    sam = anymask.load(device="cpu")
    with pytest.raises(TrackingError, match=r"small cannot follow objects; load a SAM 2\.1"):
        SamTracker(sam)
