"""Every mix of prompts is decoded as Meta's own code decodes it."""

from __future__ import annotations

import pytest
import torch

from anymask.model.sam import Sam
from benchmarks.side_by_side.peers import metas_sam
from tests.conftest import relative_l2

N, SIDE = 5, 256


@pytest.fixture(scope="module")
def theirs(small_reference_sam: Sam) -> torch.nn.Module:
    """Meta's own model with the weights of `small_reference_sam`."""
    sam = metas_sam(small_reference_sam.config)
    sam.load_state_dict(small_reference_sam.state_dict())
    return sam


@pytest.fixture(scope="module")
def prompts() -> dict[str, torch.Tensor]:
    """Five prompts of each kind, among them points that are none and a box of no size."""
    random = torch.Generator().manual_seed(4)
    corners = torch.rand(N, 2, 2, generator=random) * SIDE
    boxes = torch.cat([corners.amin(1), corners.amax(1)], 1)
    boxes[2, 2:] = boxes[2, :2]
    labels = [[1, 0, -1], [1, 1, 1], [-1, -1, 1], [0, 0, 0], [-1, -1, -1]]
    return {
        "point_coords": torch.rand(N, 3, 2, generator=random) * SIDE,
        "point_labels": torch.tensor(labels),
        "boxes": boxes,
        "masks": 5 * torch.randn(N, 1, SIDE // 4, SIDE // 4, generator=random),
    }


@pytest.mark.parametrize("multimask", [True, False])
@pytest.mark.parametrize("kinds", ["", "p", "b", "m", "pb", "pm", "bm", "pbm"])
@torch.no_grad()
def test_points_boxes_and_masks_mix_as_in_metas_code(
    kinds: str,
    multimask: bool,
    small_reference_sam: Sam,
    theirs: torch.nn.Module,
    prompts: dict[str, torch.Tensor],
) -> None:
    given = {name: tensor for name, tensor in prompts.items() if name[0] in kinds}
    noise = torch.randn(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(5))
    image = small_reference_sam.encode_image(noise)
    points = (given["point_coords"], given["point_labels"]) if "p" in kinds else None
    sparse, dense = theirs.prompt_encoder(
        points=points, boxes=given.get("boxes"), masks=given.get("masks")
    )
    expected = theirs.mask_decoder(
        image_embeddings=theirs.image_encoder(noise),
        image_pe=theirs.prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        multimask_output=multimask,
    )
    found = small_reference_sam.decode(image, **given, multimask_output=multimask)
    for ours, metas in zip(found, expected, strict=True):
        assert ours.shape == metas.shape
        assert relative_l2(ours, metas) < 1e-5


@torch.no_grad()
def test_a_list_of_images_with_their_own_prompts_is_segmented_as_in_metas_code(
    small_reference_sam: Sam, theirs: torch.nn.Module, prompts: dict[str, torch.Tensor]
) -> None:
    random = torch.Generator().manual_seed(6)
    points = {name: prompts[name] for name in ("point_coords", "point_labels")}
    records = [
        {"image": (256, 192), "original_size": (100, 75), "boxes": prompts["boxes"]},
        {"image": (80, 256), "original_size": (400, 1280), **points},
        {"image": (256, 256), "original_size": (64, 64), "mask_inputs": prompts["masks"][:2]},
    ]
    for record in records:
        size = (3, *record["image"])
        record["image"] = torch.randint(256, size, generator=random).float()
    found = small_reference_sam(records, multimask_output=True)
    for ours, metas, record in zip(found, theirs(records, True), records, strict=True):
        assert ours["masks"].shape[2:] == record["original_size"]
        assert (ours["masks"] != metas["masks"]).float().mean() < 1e-4
        for key in ("low_res_logits", "iou_predictions"):
            assert relative_l2(ours[key], metas[key]) < 1e-5
