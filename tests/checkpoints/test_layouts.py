"""The layouts that SAM checkpoints come in all give the same model."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from transformers import SamConfig as TheirConfig
from transformers import SamMaskDecoderConfig, SamModel, SamPromptEncoderConfig, SamVisionConfig

from anymask.checkpoints import load
from anymask.checkpoints.formats import CheckpointNotice
from anymask.checkpoints.info import info
from anymask.errors import CheckpointError
from anymask.model.config import SamConfig
from anymask.model.sam import Sam
from tests.checkpoints.conftest import assert_same_model, draw, outputs
from tests.conftest import relative_l2

State = dict[str, torch.Tensor]
Save = Callable[..., Path]


def prefixed(state: State, prefix: str) -> State:
    return {prefix + name: tensor for name, tensor in state.items()}


def by_component(state: State) -> dict[str, State]:
    parts: dict[str, State] = {}
    for name, tensor in state.items():
        component, _, rest = name.partition(".")
        parts.setdefault(component, {})[rest] = tensor
    return parts


WRAPPINGS: dict[str, Callable[[State], Any]] = {
    "as it is": lambda s: s,
    "model": lambda s: {"model": s, "epoch": 3, "best_loss": 0.1},
    "state_dict": lambda s: {"state_dict": s},
    "model_state": lambda s: {"model_state": s},
    "model_state_dict": lambda s: {"model_state_dict": s, "lr": [1e-4]},
    "sam": lambda s: {"sam": s},
    "nested": lambda s: {"checkpoint": {"state": {"model": s}}, "epoch": 1},
    "module.": lambda s: prefixed(s, "module."),
    "sam.": lambda s: prefixed(s, "sam."),
    "model.": lambda s: prefixed(s, "model."),
    "_orig_mod.": lambda s: prefixed(s, "_orig_mod."),
    "all prefixes": lambda s: {"model": prefixed(s, "module._orig_mod.sam_model.")},
    "components apart": by_component,
    "one component under another prefix": lambda s: {
        ("encoder." if n.startswith("image_encoder.") else "") + n: t for n, t in s.items()
    },
    "with an optimiser": lambda s: {
        "model": s,
        "optimizer": {"state": {0: {"exp_avg": torch.ones(3)}}, "param_groups": [{"lr": 1e-4}]},
    },
    "parameters": lambda s: {n: torch.nn.Parameter(t) for n, t in s.items()},
    "with its normalisation": lambda s: {
        **s,
        "pixel_mean": torch.tensor([123.675, 116.28, 103.53]).view(3, 1, 1),
        "pixel_std": torch.tensor([58.395, 57.12, 57.375]).view(3, 1, 1),
    },
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_a_wrapped_state_is_the_same_model_without_a_word(
    tiny_sam: Sam, state: State, saved: Save, wrapping: str
):
    assert_same_model(load(saved(WRAPPINGS[wrapping](state)), dtype="float32"), tiny_sam)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("suffix", [".pth", ".pt", ".ckpt", ".safetensors", ""])
def test_the_container_is_told_from_the_content_and_not_from_the_suffix(
    tiny_sam: Sam, state: State, saved: Save, tmp_path: Path, suffix: str
):
    for path in (tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"):
        if path.stem == "a":
            save_file(state, path)
        else:
            torch.save(state, path)
        assert_same_model(load(path, dtype="float32"), tiny_sam)


@pytest.mark.filterwarnings("error")
def test_the_pytorch_format_of_before_2020_loads(tiny_sam: Sam, state: State, saved: Save):
    path = saved({"model": state}, _use_new_zipfile_serialization=False)
    assert path.read_bytes()[:2] != b"PK"
    assert_same_model(load(path, dtype="float32"), tiny_sam)
    assert info(path).container == "PyTorch legacy"


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_a_file_of_another_precision_loads_as_its_rounded_weights(
    tiny_config: SamConfig, state: State, saved: Save, dtype: torch.dtype
):
    rounded = {n: t.to(dtype) for n, t in state.items()}
    expected = Sam(tiny_config).eval()
    expected.load_state_dict({n: t.float() for n, t in rounded.items()})
    path = saved(rounded)
    assert_same_model(load(path, dtype="float32"), expected)
    assert info(path).dtype == str(dtype).removeprefix("torch.")


def heads(count: int) -> State:
    return {f"decoder.blocks.{i}.weight": torch.ones(2) for i in range(count)}


@pytest.mark.parametrize(
    ("content", "names"),
    [
        (
            lambda s: {**s, "decoder_state": heads(1)},
            ["1 tensor", "decoder_state.decoder"],
        ),
        (
            lambda s: {"model_state": {**prefixed(s, "sam."), **heads(40)}},
            ["40 tensors", "blocks.2"],
        ),
        (lambda s: {**s, "classifier.weight": torch.ones(2, 2)}, ["1 tensor", "classifier.weight"]),
    ],
)
def test_other_heads_are_named_in_a_notice_of_at_most_three_names(
    tiny_sam: Sam, state: State, saved: Save, content: Callable[[State], Any], names: list[str]
):
    path = saved(content(state))
    with pytest.warns(CheckpointNotice) as notices:
        sam = load(path, dtype="float32")
    assert_same_model(sam, tiny_sam)
    (notice,) = notices
    message = str(notice.message)
    assert all(name in message for name in [path.name, *names])
    assert message.count("weight") <= 3
    assert notice.filename == __file__  # it points at the call of load
    assert len(info(path).extras) == int(names[0].split()[0])


@pytest.mark.parametrize(
    ("base", "adapter"),
    [("qkv.qkv", "qkv.linear_a_q.weight"), ("qkv.base_layer", "qkv.lora_A.default.weight")],
)
def test_adapters_within_the_sam_are_left_out_with_a_notice_that_masks_differ(
    tiny_sam: Sam, state: State, saved: Save, base: str, adapter: str
):
    adapted = {n.replace("attn.qkv.", f"attn.{base}."): t for n, t in state.items()}
    adapted[f"image_encoder.blocks.0.attn.{adapter}"] = torch.ones(4, 24)
    with pytest.warns(CheckpointNotice, match=r"adds 1 tensor \(.*its masks are not those"):
        sam = load(saved(adapted), dtype="float32")
    assert_same_model(sam, tiny_sam)


def test_of_a_model_and_its_running_average_the_model_is_taken(
    tiny_sam: Sam, state: State, saved: Save
):
    averaged = {n: 0.5 * t for n, t in state.items()}
    for content in ({"ema": averaged, "model": state}, {"model": state, "model_ema": averaged}):
        with pytest.warns(CheckpointNotice, match="also has"):
            assert_same_model(load(saved(content), dtype="float32"), tiny_sam)


def test_a_running_average_alone_is_taken(tiny_sam: Sam, state: State, saved: Save):
    assert_same_model(load(saved({"ema": state}), dtype="float32"), tiny_sam)


def test_a_normalisation_of_its_own_is_kept(state: State, saved: Save):
    own = {**state, "pixel_mean": torch.tensor([10.5, 20.25, 30.1]), "pixel_std": torch.ones(3)}
    sam = load(saved(prefixed(own, "sam.")), dtype="float32")
    assert sam.config.pixel_mean == (10.5, 20.25, 30.1)
    assert torch.equal(sam.pixel_std.flatten(), torch.ones(3))


def their_sam(heads: int = 8, width: int = 256) -> SamModel:
    """Hugging Face's model of the tiny geometry, with weights that mean something."""
    vision = SamVisionConfig(
        hidden_size=24,
        num_hidden_layers=3,
        num_attention_heads=3,
        image_size=128,
        window_size=3,
        global_attn_indexes=[2],
        mlp_dim=96,
        output_channels=width,
        num_pos_feats=width // 2,
    )
    prompt = SamPromptEncoderConfig(hidden_size=width, image_size=128)
    decoder = SamMaskDecoderConfig(
        hidden_size=width,
        mlp_dim=64,
        iou_head_hidden_dim=48,
        num_attention_heads=heads,
        layer_norm_eps=1e-5,  # as in the model that Meta trained; their default is 1e-6
    )
    model = SamModel(TheirConfig(vision.to_dict(), prompt.to_dict(), decoder.to_dict())).eval()
    draw(model)
    return model


def assert_same_outputs(ours: Sam, theirs: SamModel) -> None:
    """Hold the outputs of a point and of a box to those of Hugging Face's model."""
    pixels = torch.from_numpy(np.random.default_rng(3).standard_normal((1, 3, 128, 128))).float()
    point, box = [70.0, 33.0], [20.0, 12.0, 90.0, 101.0]
    with torch.no_grad():
        image = ours.encode_image(pixels)
        point_masks, point_iou = ours.decode(
            image, point_coords=torch.tensor([[point]]), point_labels=torch.tensor([[1]])
        )
        box_masks, box_iou = ours.decode(
            image, boxes=torch.tensor([box]), masks=point_masks[:, :1], multimask_output=False
        )
        by_point = theirs(
            pixels, input_points=torch.tensor([[[point]]]), input_labels=torch.tensor([[[1]]])
        )
        by_box = theirs(
            pixels,
            input_boxes=torch.tensor([[box]]),
            input_masks=point_masks[:, :1],
            multimask_output=False,
        )
    for actual, expected in (
        (point_masks, by_point.pred_masks[:, 0]),
        (point_iou, by_point.iou_scores[:, 0]),
        (box_masks, by_box.pred_masks[:, 0]),
        (box_iou, by_box.iou_scores[:, 0]),
    ):
        assert relative_l2(actual, expected) < 1e-5


@pytest.mark.filterwarnings("error::anymask.checkpoints.formats.CheckpointNotice")
def test_hugging_faces_folder_gives_hugging_faces_outputs(tmp_path: Path):
    theirs = their_sam()
    theirs.save_pretrained(tmp_path)
    assert_same_outputs(load(tmp_path, dtype="float32"), theirs)
    assert_same_outputs(load(tmp_path / "model.safetensors", dtype="float32"), theirs)


@pytest.mark.filterwarnings("error::anymask.checkpoints.formats.CheckpointNotice")
@pytest.mark.parametrize("wrapping", ["as it is", "state_dict", "all prefixes"])
def test_hugging_faces_state_in_a_pth_gives_hugging_faces_outputs(saved: Save, wrapping: str):
    theirs = their_sam()
    path = saved(WRAPPINGS[wrapping](theirs.state_dict()))
    assert_same_outputs(load(path, dtype="float32"), theirs)
    assert info(path).layout == "Hugging Face"


def test_a_hugging_face_folder_in_parts_gives_the_whole_model(tmp_path: Path):
    theirs = their_sam()
    theirs.save_pretrained(tmp_path, max_shard_size="2MB")
    parts = sorted(tmp_path.glob("model-*.safetensors"))
    assert len(parts) > 2
    assert_same_outputs(load(tmp_path, dtype="float32"), theirs)
    assert_same_outputs(load(tmp_path / "model.safetensors.index.json", dtype="float32"), theirs)
    assert info(tmp_path).sha256 is None
    parts[1].unlink()
    with pytest.raises(CheckpointError, match=f"lacks 1 of the .* parts.*{parts[1].name}"):
        load(tmp_path)


def test_an_index_that_names_parts_outside_its_folder_is_refused(tmp_path: Path):
    index = {"weight_map": {"mask_decoder.iou_token.weight": "../elsewhere.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match="does not list the parts"):
        load(tmp_path)


def test_an_old_hugging_face_folder_with_a_pickle_loads(tmp_path: Path):
    theirs = their_sam()
    theirs.save_pretrained(tmp_path, safe_serialization=False)
    assert (tmp_path / "pytorch_model.bin").is_file()
    assert_same_outputs(load(tmp_path, dtype="float32"), theirs)


def test_heads_that_shapes_do_not_tell_are_read_from_hugging_faces_config(tmp_path: Path):
    theirs = their_sam(heads=4, width=32)
    theirs.save_pretrained(tmp_path)
    sam = load(tmp_path, dtype="float32")
    assert sam.config.decoder_heads == 4
    assert_same_outputs(sam, theirs)


def test_a_guess_at_the_decoders_heads_is_told_and_can_be_put_right(
    reference: Path, small_reference_config: SamConfig, small_reference_sam: Sam
):
    path = reference / "small" / "small_sam.safetensors"
    with pytest.warns(CheckpointNotice, match="heads of its mask decoder, so 8 are assumed"):
        guessed = load(path, dtype="float32")
    assert guessed.config.decoder_heads == 8
    told = load(path, variant=small_reference_config, dtype="float32")
    assert_same_model(told, small_reference_sam)
    assert not torch.equal(outputs(guessed)[0], outputs(told)[0])
