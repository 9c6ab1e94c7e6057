"""Following gives the numbers of the other published implementation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from transformers import Sam2VideoModel
from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession

from anymask.model.sam import Sam
from anymask.tracking import SamTracker
from tests.checkpoints.sam2_models import SIDE
from tests.conftest import relative_l2

DISC = [30.0, 60.0]
SQUARE = [78.0, 80.0, 102.0, 100.0]
# Maps are remembered in bfloat16, whose last bit may fall either way.
CLOSE = 1e-3


class Theirs:
    """Their model in the order of their processor's calls."""

    def __init__(self, model: Sam2VideoModel, pixels: torch.Tensor) -> None:
        self.model = model
        self.session = Sam2VideoInferenceSession(pixels, SIDE, SIDE, dtype=torch.float32)

    def add(self, frame: int, object_id: int, **given: Any) -> torch.Tensor:
        session = self.session
        number = session.obj_id_to_idx(object_id)
        if "mask" in given:
            session.add_mask_inputs(number, frame, given["mask"])
        else:
            coords, labels = torch.tensor(given["coords"]), torch.tensor(given["labels"])
            inputs = {"point_coords": coords[None, None], "point_labels": labels[None, None]}
            session.add_point_inputs(number, frame, inputs)
        session.obj_with_new_inputs.append(object_id)
        with torch.inference_mode():
            return self.model(session, frame_idx=frame).pred_masks

    def follow(self, **options: Any) -> dict[int, torch.Tensor]:
        found = self.model.propagate_in_video_iterator(self.session, **options)
        return {each.frame_idx: each.pred_masks for each in found}


@pytest.fixture
def both(model: Sam, theirs: Sam2VideoModel, video: NDArray[np.uint8]) -> tuple[SamTracker, Theirs]:
    """Both implementations, with the same frames."""
    tracker = SamTracker(model)
    tracker.start(video)
    pixels = model.preprocess(torch.from_numpy(video).permute(0, 3, 1, 2))
    return tracker, Theirs(theirs, pixels)


def test_a_clicked_object_is_followed_with_their_logits(both: tuple[SamTracker, Theirs]):
    ours, theirs = both
    wanted = theirs.add(0, 1, coords=[DISC], labels=[1])
    found = ours.add(0, 1, point_coords=[DISC], point_labels=[1])
    assert relative_l2(torch.from_numpy(found.low_res), wanted[:, 0]) < 1e-5
    followed = theirs.follow()
    for each in ours.propagate():
        assert relative_l2(torch.from_numpy(each.low_res), followed[each.frame][:, 0]) < CLOSE
    assert each.frame == len(followed) - 1 == 19


def test_two_objects_are_followed_from_the_middle_in_both_directions(
    both: tuple[SamTracker, Theirs],
):
    ours, theirs = both
    corners = np.reshape(SQUARE, (2, 2)).tolist()
    for frame, object_id, point in ((8, 1, [54.0, 68.0]), (8, 2, None)):
        if point is None:
            theirs.add(frame, object_id, coords=corners, labels=[2, 3])
            ours.add(frame, object_id, box=SQUARE)
        else:
            theirs.add(frame, object_id, coords=[point], labels=[1])
            ours.add(frame, object_id, point_coords=[point], point_labels=[1])
    wanted = theirs.follow() | theirs.follow(reverse=True)
    found = {each.frame: each for each in ours.propagate("both")}
    assert found.keys() == wanted.keys()
    for frame, each in found.items():
        assert each.ids == (1, 2)
        assert relative_l2(torch.from_numpy(each.low_res), wanted[frame][:, 0]) < CLOSE


def test_masks_in_two_frames_are_taken_as_they_are_and_followed(
    both: tuple[SamTracker, Theirs], video: NDArray[np.uint8]
):
    ours, theirs = both
    for frame in (0, 10):
        mask = (video[frame] == (60, 170, 220)).all(2)
        theirs.add(frame, 5, mask=torch.from_numpy(mask)[None, None].float())
        found = ours.add(frame, 5, mask=mask)
        assert (found.masks[0] == mask).mean() > 0.99
    wanted = theirs.follow()
    for each in ours.propagate():
        assert relative_l2(torch.from_numpy(each.low_res), wanted[each.frame][:, 0]) < CLOSE


def test_an_object_that_is_absent_has_an_empty_mask_and_is_remembered_so(
    both: tuple[SamTracker, Theirs],
):
    ours, theirs = both
    head = ours.model.mask_decoder.pred_obj_score_head.layers[-1]
    with torch.no_grad():
        head.bias -= 30
        theirs.model.mask_decoder.pred_obj_score_head.proj_out.bias -= 30
    try:
        theirs.add(0, 1, coords=[DISC], labels=[1])
        ours.add(0, 1, point_coords=[DISC], point_labels=[1])
        theirs.follow(max_frame_num_to_track=2)
        found = list(ours.propagate(most=2))
        kept = theirs.session.output_dict_per_obj[0]["non_cond_frame_outputs"][2]
        bank = ours._objects[1].bank
        own_map, _ = bank.shelf.get(bank.followed[2].key)
        wanted = kept["maskmem_features"].float().permute(1, 2, 0)
        assert relative_l2(own_map.float().flatten(2), wanted) < 1e-2
        assert torch.allclose(bank.followed[2].pointer, kept["object_pointer"][0], atol=1e-6)
        assert not found[2].masks.any()
        assert found[2].presence[0] < 0
    finally:
        with torch.no_grad():
            head.bias += 30
            theirs.model.mask_decoder.pred_obj_score_head.proj_out.bias += 30


def test_a_correction_builds_on_the_answer_that_was_followed(both: tuple[SamTracker, Theirs]):
    ours, theirs = both
    theirs.add(0, 1, coords=[DISC], labels=[1])
    ours.add(0, 1, point_coords=[DISC], point_labels=[1])
    before = theirs.follow(max_frame_num_to_track=6)
    list(ours.propagate(most=6))
    point = torch.tensor([[[[48.0, 66.0]]]])
    with torch.inference_mode():
        wanted = theirs.model._run_single_frame_inference(
            theirs.session,
            frame_idx=6,
            obj_idx=0,
            batch_size=1,
            is_init_cond_frame=False,
            point_inputs={"point_coords": point, "point_labels": torch.ones(1, 1, 1).long()},
            mask_inputs=None,
            reverse=False,
            run_mem_encoder=True,
            prev_sam_mask_logits=before[6].clamp(-32, 32),
        )
    found = ours.add(6, 1, point_coords=point[0, 0].tolist(), point_labels=[1])
    assert relative_l2(torch.from_numpy(found.low_res), wanted["pred_masks"][:, 0]) < CLOSE
