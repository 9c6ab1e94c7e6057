"""The shipped geometry: fine masks, dense prompts, masks that stay in their box."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from anymask.model.config import VARIANTS, SamConfig
from anymask.model.dense_prompts import DensePrompts
from anymask.model.mask_quality import MaskQualityHead, mask_statistics
from anymask.model.sam import Sam, cut_at_boxes


@pytest.fixture(scope="module")
def small() -> Sam:
    torch.manual_seed(0)
    return Sam(VARIANTS["small"]).eval()


@torch.no_grad()
def test_masks_have_a_quarter_of_the_inputs_resolution(small: Sam) -> None:
    image = small.encode_image(torch.randn(1, 3, 512, 512))
    point, label = torch.tensor([[[100.0, 60.0]]]), torch.ones(1, 1)
    low_res, iou = small.decode(image, point_coords=point, point_labels=label)
    assert low_res.shape == (1, 3, 128, 128)
    assert iou.shape == (1, 3)


@torch.no_grad()
def test_fine_features_reach_single_pixels_of_the_mask(small: Sam) -> None:
    x = torch.randn(1, 3, 512, 512)
    image = small.encode_image(x)
    changed = image._replace(skips=(image.skips[0], image.skips[1].clone()))
    changed.skips[1][..., 40, 70] += 1.0
    point, label = torch.tensor([[[100.0, 60.0]]]), torch.ones(1, 1)
    before, _ = small.decode(image, point_coords=point, point_labels=label)
    after, _ = small.decode(changed, point_coords=point, point_labels=label)
    rows, cols = torch.nonzero((before != after).any(1)[0], as_tuple=True)
    assert rows.tolist() == [40]
    assert cols.tolist() == [70]


@torch.no_grad()
def test_one_weight_file_serves_any_input_size(small: Sam) -> None:
    other = Sam(replace(VARIANTS["small"], image_size=256)).eval()
    other.load_state_dict(small.state_dict())
    image = other.encode_image(torch.randn(1, 3, 256, 256))
    low_res, _ = other.decode(image, boxes=torch.tensor([[10.0, 20.0, 200.0, 100.0]]))
    assert low_res.shape == (1, 3, 64, 64)


@torch.no_grad()
def test_masks_of_a_box_stay_in_the_slightly_enlarged_box() -> None:
    config = VARIANTS["small"]
    logits = torch.full((1, 1, 128, 128), 5.0)
    cut = cut_at_boxes(logits, torch.tensor([[100.0, 200.0, 299.0, 259.0]]), config)
    rows, cols = torch.nonzero(cut[0, 0] > 0, as_tuple=True)
    margin = config.box_margin * 199
    assert 200 - margin - 4 <= rows.min() * 4 <= 200
    assert 259 <= rows.max() * 4 + 3 <= 259 + margin + 4
    assert 100 - margin - 4 <= cols.min() * 4 <= 100
    assert 299 <= cols.max() * 4 + 3 <= 299 + margin + 4


def test_a_model_in_half_precision_keeps_its_coordinates_exact(small: Sam) -> None:
    import copy

    half = copy.deepcopy(small).to(torch.bfloat16)
    name = "positional_encoding_gaussian_matrix"
    kept = getattr(half.prompt_encoder.pe_layer, name)
    assert kept.dtype == torch.float32
    assert torch.equal(kept, getattr(small.prompt_encoder.pe_layer, name))
    assert half.pixel_mean.dtype == torch.float32
    assert half.dtype == torch.bfloat16


def _maps(**prompts: torch.Tensor | tuple[torch.Tensor, torch.Tensor] | None) -> torch.Tensor:
    layer = DensePrompts(dim=5, patch_size=16)
    with torch.no_grad():
        layer.proj.weight.copy_(torch.eye(5).view(5, 5, 1, 1))
        onto = torch.zeros(1, 5, 8, 8)
        return layer(prompts.get("points"), prompts.get("boxes"), onto)


def test_a_point_is_brightest_in_its_own_cell() -> None:
    points = torch.tensor([[[40.0, 88.0], [100.0, 8.0]]]), torch.tensor([[1, 0]])
    maps = _maps(points=points)[0]
    positive, negative = maps[0], maps[2]
    assert divmod(int(positive.argmax()), 8) == (5, 2)
    assert divmod(int(negative.argmax()), 8) == (0, 6)


def test_the_drawn_box_covers_the_area_of_the_box() -> None:
    boxes = torch.tensor([[9.5, 20.5, 100.0, 90.5]])
    maps = _maps(boxes=boxes)[0]
    assert float(maps[4].sum()) * 256 == pytest.approx(90.5 * 70, rel=1e-5)
    assert maps[:4].abs().sum() == 0


def test_padding_points_draw_nothing() -> None:
    points = torch.tensor([[[40.0, 88.0]]]), torch.tensor([[-1]])
    assert _maps(points=points).abs().sum() == 0


def test_configurations_survive_json() -> None:
    import json

    for config in VARIANTS.values():
        assert SamConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_the_predicted_iou_depends_on_the_mask_and_leaves_it_alone() -> None:
    torch.manual_seed(0)
    head = MaskQualityHead(dim=8, hidden_dim=16, depth=3)
    iou_token, mask_tokens = torch.randn(2, 8), torch.randn(2, 3, 8)
    logits = torch.randn(2, 3, 16, 16, requires_grad=True)
    iou = head(iou_token, mask_tokens, logits)
    assert iou.shape == (2, 3)
    changed = logits.detach().clone()
    changed[1, 2] *= 10
    differs = (head(iou_token, mask_tokens, changed) != iou).nonzero().tolist()
    assert differs == [[1, 2]]
    iou.sum().backward()
    assert logits.grad is None


def test_the_statistics_of_a_mask_are_its_expected_overlaps() -> None:
    # A quarter of the pixels with probability 0.9, the others with 0.2.
    probability = torch.full((1, 1, 4, 4), 0.2)
    probability[..., :2, :2] = 0.9
    expected_iou, precision, recall, size = mask_statistics(probability.logit())[0, 0].tolist()
    inside, mass = 4.0, 4 * 0.9 + 12 * 0.2
    assert precision == pytest.approx(0.9, abs=1e-3)
    assert recall == pytest.approx(3.6 / mass, abs=1e-3)
    assert expected_iou == pytest.approx(3.6 / (inside + mass - 3.6), abs=1e-3)
    assert size == pytest.approx(0.5, abs=1e-3)
