"""SAM 2 in both published layouts, held to the numbers of the other implementation."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import Sam2Config as TheirConfig
from transformers import Sam2Model

from anymask.checkpoints import load, save
from anymask.checkpoints.info import info
from anymask.checkpoints.sam2_layouts import config_of, meta_name
from anymask.errors import CheckpointError
from anymask.model.building import build_model
from anymask.model.config import VARIANTS, Sam2Config, SamConfig
from anymask.model.sam import Sam
from tests.checkpoints.sam2_models import SIDE, draw, small_image_model, small_video_model
from tests.conftest import relative_l2

POINTS = torch.tensor([[[30.0, 33.0], [100.0, 80.0]]])
LABELS = torch.tensor([[1, 0]])
BOXES = torch.tensor([[20.0, 30.0, 100.0, 110.0]])


@pytest.fixture(scope="module")
def theirs() -> Sam2Model:
    return small_image_model()


@pytest.fixture(scope="module")
def folder(theirs: Sam2Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sam2")
    theirs.save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def ours(folder: Path) -> Sam:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # all tensors are used
        return load(folder, dtype="float32")


@pytest.fixture(scope="module")
def pixels() -> torch.Tensor:
    noise = np.random.default_rng(1).standard_normal((2, 3, SIDE, SIDE))
    return torch.from_numpy(noise).float()


def test_a_hugging_face_folder_gives_hugging_faces_embedding_and_finer_maps(
    theirs: Sam2Model, ours: Sam, pixels: torch.Tensor
):
    with torch.no_grad():
        image = ours.encode_image(pixels)
    quarter, eighth, embedding = theirs.get_image_embeddings(pixels)
    assert relative_l2(image.embedding, embedding) < 1e-5
    assert relative_l2(image.skips[0], eighth) < 1e-5
    assert relative_l2(image.skips[1], quarter) < 1e-5


@pytest.mark.parametrize("multimask", [True, False])
@pytest.mark.parametrize("kinds", ["points", "boxes", "points boxes", "masks", "points masks"])
def test_masks_and_scores_are_hugging_faces(
    theirs: Sam2Model, ours: Sam, pixels: torch.Tensor, kinds: str, multimask: bool
):
    mask = torch.from_numpy(np.random.default_rng(2).standard_normal((1, 1, 32, 32))).float()
    mine: dict[str, Any] = {}
    given: dict[str, Any] = {}
    if "points" in kinds:
        mine |= {"point_coords": POINTS, "point_labels": LABELS}
        given |= {"input_points": POINTS[None], "input_labels": LABELS[None]}
    if "boxes" in kinds:
        mine["boxes"], given["input_boxes"] = BOXES, BOXES[None].clone()
    if "masks" in kinds:
        mine["masks"] = given["input_masks"] = mask
    with torch.no_grad():
        image = ours.encode_image(pixels[:1])
        masks, iou = ours.decode(image, **mine, multimask_output=multimask)
        wanted = theirs(pixels[:1], **given, multimask_output=multimask)
    assert relative_l2(masks, wanted.pred_masks[0]) < 1e-5
    assert relative_l2(iou, wanted.iou_scores[0]) < 1e-5


def test_with_gradients_the_numbers_stay_and_every_parameter_has_one(
    ours: Sam, pixels: torch.Tensor
):
    def run() -> torch.Tensor:
        image = ours.encode_image(pixels[:1])
        return ours.decode(image, point_coords=POINTS, point_labels=LABELS)[0]

    with torch.no_grad():
        wanted = run()
    masks = run()
    assert relative_l2(masks.detach(), wanted) < 1e-5
    masks.sum().backward()
    encoder = ours.image_encoder.named_parameters()
    assert [name for name, p in encoder if p.grad is None] == []
    ours.zero_grad()


def test_an_unstable_single_mask_is_replaced_by_the_best_candidate(ours: Sam, pixels: torch.Tensor):
    with torch.no_grad():
        image = ours.encode_image(pixels[:1])
        single, iou = ours.decode(
            image, point_coords=POINTS, point_labels=LABELS, multimask_output=False
        )
        three, scores = ours.decode(image, point_coords=POINTS, point_labels=LABELS)
    best = int(scores.argmax())
    assert torch.equal(iou[0, 0], scores[0, best])
    assert relative_l2(single[0, 0], three[0, best]) < 1e-6


def test_a_file_in_metas_layout_is_recognised(tmp_path: Path):
    with torch.device("meta"):
        model = build_model(VARIANTS["sam2.1_hiera_tiny"])
    state = {meta_name(n): torch.zeros(()).expand(t.shape) for n, t in model.state_dict().items()}
    torch.save({"model": state}, tmp_path / "any.pt")
    found = info(tmp_path / "any.pt")
    assert (found.variant, found.layout, found.extras) == ("sam2.1_hiera_tiny", "Meta", ())
    assert found.config == VARIANTS["sam2.1_hiera_tiny"]


@pytest.mark.parametrize(
    ("size", "millions"), [("tiny", 38.9), ("small", 46.0), ("base_plus", 80.8), ("large", 224.4)]
)
def test_the_published_sizes_have_their_number_of_parameters_and_are_told_by_shapes(
    size: str, millions: float
):
    for generation in ("sam2", "sam2.1"):
        config = VARIANTS[f"{generation}_hiera_{size}"]
        with torch.device("meta"):
            model = build_model(config)
        shapes = {name: tuple(t.shape) for name, t in model.state_dict().items()}
        assert config_of(shapes, {}, "a file") == config
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(millions, abs=0.1)


def test_metas_names_are_those_of_metas_files():
    with torch.device("meta"):
        names = build_model(VARIANTS["sam2.1_hiera_tiny"]).state_dict()
    written = {meta_name(name) for name in names}
    for name in (
        "image_encoder.trunk.blocks.3.proj.weight",
        "image_encoder.trunk.blocks.0.mlp.layers.1.bias",
        "image_encoder.neck.convs.3.conv.weight",
        "sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix",
        "sam_prompt_encoder.point_embeddings.3.weight",
        "sam_mask_decoder.transformer.layers.1.mlp.layers.0.weight",
        "sam_mask_decoder.transformer.final_attn_token_to_image.out_proj.bias",
        "sam_mask_decoder.conv_s0.weight",
        "sam_mask_decoder.pred_obj_score_head.layers.2.weight",
        "memory_attention.layers.3.cross_attn_image.k_proj.weight",
        "memory_attention.norm.weight",
        "memory_encoder.mask_downsampler.encoder.12.weight",
        "memory_encoder.fuser.layers.1.gamma",
        "maskmem_tpos_enc",
        "no_obj_embed_spatial",
        "obj_ptr_tpos_proj.weight",
    ):
        assert name in written


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_saved_model_is_loaded_again_with_its_geometry(ours: Sam, tmp_path: Path, suffix: str):
    path = tmp_path / f"model{suffix}"
    save(ours, path)
    again = load(path, dtype="float32", variant=ours.config if suffix == ".pt" else None)
    assert again.config == ours.config
    for name, tensor in ours.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor)


def test_a_small_geometry_in_metas_layout_asks_for_what_shapes_do_not_show(
    ours: Sam, tmp_path: Path
):
    save(ours, tmp_path / "mine.pt")
    with pytest.raises(CheckpointError, match=r"mine.pt cannot be loaded .* give variant="):
        load(tmp_path / "mine.pt")


def test_a_geometry_goes_through_json_and_back():
    for config in VARIANTS.values():
        assert SamConfig.from_dict(config.to_dict()) == config
    assert isinstance(SamConfig.from_dict(VARIANTS["sam2_hiera_tiny"].to_dict()), Sam2Config)


def test_all_tensors_of_a_video_model_are_used(tmp_path: Path):
    small_video_model().save_pretrained(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = load(tmp_path, dtype="float32")
    assert isinstance(model.config, Sam2Config)
    assert model.config.memory is not None
    assert model.config.memory.attention_depth == 2
    assert info(tmp_path).layout == "Hugging Face"


@pytest.mark.slow
def test_the_tiny_geometry_gives_hugging_faces_numbers_at_full_size(tmp_path: Path):
    theirs = Sam2Model(TheirConfig()).eval()
    draw(theirs)
    theirs.save_pretrained(tmp_path)
    ours = load(tmp_path, dtype="float32")
    assert ours.config.name == "sam2.1_hiera_tiny"
    noise = np.random.default_rng(1).standard_normal((1, 3, 1024, 1024))
    pixels = torch.from_numpy(noise).float()
    points, labels = POINTS * 8, LABELS
    with torch.no_grad():
        masks, iou = ours.decode(
            ours.encode_image(pixels), point_coords=points, point_labels=labels
        )
        wanted = theirs(pixels, input_points=points[None], input_labels=labels[None])
    assert relative_l2(masks, wanted.pred_masks[0]) < 1e-5
    assert relative_l2(iou, wanted.iou_scores[0]) < 1e-5
