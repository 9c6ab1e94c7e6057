"""The network gives the numbers of the published implementation."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from anymask.model.config import VARIANTS, SamConfig
from anymask.model.sam import Sam
from tests.conftest import draw_weights_by_rule, relative_l2

PROMPTS = ("point", "points", "box", "box_point")


def _input_frame(arrays, image: str, original: NDArray[np.uint8]) -> tuple[torch.Tensor, NDArray]:
    resized = arrays[f"{image}/input"]
    scale = np.array(resized.shape[1::-1]) / np.array(original.shape[1::-1])
    return torch.from_numpy(resized).permute(2, 0, 1)[None].float(), scale


def _prompt(arrays, key: str, scale: NDArray) -> dict[str, torch.Tensor]:
    prompt = {}
    if f"{key}/point_coords" in arrays:
        coords = arrays[f"{key}/point_coords"] * scale
        prompt["point_coords"] = torch.from_numpy(coords)[None].float()
        prompt["point_labels"] = torch.from_numpy(arrays[f"{key}/point_labels"])[None]
    if f"{key}/box" in arrays:
        box = arrays[f"{key}/box"].reshape(2, 2) * scale
        prompt["boxes"] = torch.from_numpy(box.reshape(1, 4)).float()
    return prompt


@pytest.mark.parametrize("image", ["scene", "tall"])
@torch.no_grad()
def test_a_small_sam_gives_the_published_codes_numbers(
    image: str, small_reference_sam: Sam, reference: Path, request: pytest.FixtureRequest
) -> None:
    arrays = np.load(reference / "small" / "predictor.npz")
    original = request.getfixturevalue(image)
    pixels, scale = _input_frame(arrays, image, original)
    embedding = small_reference_sam.encode_image(small_reference_sam.preprocess(pixels))
    assert relative_l2(embedding.embedding, arrays[f"{image}/embedding"]) < 1e-5
    for prompt in PROMPTS:
        for multimask in (1, 0):
            low_res, iou = small_reference_sam.decode(
                embedding,
                **_prompt(arrays, f"{image}/{prompt}", scale),
                multimask_output=bool(multimask),
            )
            expected = f"{image}/{prompt}/{multimask}"
            assert relative_l2(low_res[0], arrays[f"{expected}/low_res"]) < 1e-5, expected
            assert relative_l2(iou[0], arrays[f"{expected}/iou"]) < 1e-5, expected
            full = small_reference_sam.postprocess_masks(
                low_res, pixels.shape[-2:], original.shape[:2]
            )
            logits = arrays[f"{expected}/logits"]
            certain = np.abs(logits) > 1e-4
            agree = (full[0].numpy() > 0) == (logits > 0)
            assert agree[certain].all(), expected


@torch.no_grad()
def test_a_mask_prompt_gives_the_published_codes_numbers(
    small_reference_sam: Sam, reference: Path, scene: NDArray[np.uint8]
) -> None:
    arrays = np.load(reference / "small" / "predictor.npz")
    pixels, scale = _input_frame(arrays, "scene", scene)
    embedding = small_reference_sam.encode_image(small_reference_sam.preprocess(pixels))
    mask_input = torch.from_numpy(arrays["scene/mask/mask_input"])
    low_res, iou = small_reference_sam.decode(
        embedding,
        **_prompt(arrays, "scene/point", scale),
        masks=mask_input.reshape(1, 1, *mask_input.shape[-2:]),
        multimask_output=False,
    )
    assert relative_l2(low_res[0], arrays["scene/mask/low_res"]) < 1e-5
    assert relative_l2(iou[0], arrays["scene/mask/iou"]) < 1e-5


@pytest.mark.slow
@torch.no_grad()
def test_the_full_vit_b_geometry_gives_the_published_codes_numbers(reference: Path) -> None:
    expected = np.load(reference / "geometry" / "vit_b.outputs.npz")
    sam = Sam(VARIANTS["vit_b"]).eval()
    draw_weights_by_rule(sam)
    x = np.random.default_rng(11).standard_normal((1, 3, 1024, 1024)).astype(np.float32)
    image = sam.encode_image(torch.from_numpy(x))
    channels = expected["embedding"].reshape(-1, 64, 64)
    assert relative_l2(image.embedding[0, ::8], channels) < 1e-5
    norm = float(image.embedding.double().norm())
    assert norm == pytest.approx(float(expected["embedding_norm"]), rel=1e-5)
    low_res, iou = sam.decode(
        image,
        point_coords=torch.tensor([[[500.0, 375.0], [100.0, 900.0]]]),
        point_labels=torch.tensor([[1, 0]]),
        boxes=torch.tensor([[200.0, 150.0, 800.0, 700.0]]),
    )
    assert (
        relative_l2(low_res.reshape(3, 256, 256), expected["low_res"].reshape(3, 256, 256)) < 1e-5
    )
    assert relative_l2(iou.flatten(), expected["iou"].flatten()) < 1e-5


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("vit_b", 93_735_472), ("vit_l", 312_342_832), ("vit_h", 641_090_608)],
)
def test_published_geometries_have_their_published_tensors(
    name: str, parameters: int, reference: Path
) -> None:
    with torch.device("meta"):
        sam = Sam(VARIANTS[name])
    assert sum(p.numel() for p in sam.parameters()) == parameters
    published = json.loads((reference / "geometry" / f"{name}.keys.json").read_text())
    assert {k: list(v.shape) for k, v in sam.state_dict().items()} == dict(published)


@pytest.mark.parametrize("name", VARIANTS)
def test_every_image_encoder_tells_its_input_size_as_metas_does(name: str) -> None:
    with torch.device("meta"):
        sam = Sam(VARIANTS[name])
    assert sam.image_encoder.img_size == VARIANTS[name].image_size


@torch.no_grad()
def test_a_batch_of_images_is_decoded_as_each_image_alone(
    small_reference_sam: Sam, small_reference_config: SamConfig
) -> None:
    torch.manual_seed(0)
    images = small_reference_sam.encode_image(torch.randn(2, 3, 256, 256))
    coords, labels = torch.rand(6, 2, 2) * 256, torch.tensor([[1, 0]]).expand(6, 2)
    together, iou = small_reference_sam.decode(images, point_coords=coords, point_labels=labels)
    for i in range(2):
        mine = slice(3 * i, 3 * i + 3)
        alone, iou_alone = small_reference_sam.decode(
            images.image(i), point_coords=coords[mine], point_labels=labels[mine]
        )
        assert relative_l2(together[mine], alone) < 1e-5
        assert relative_l2(iou[mine], iou_alone) < 1e-5
