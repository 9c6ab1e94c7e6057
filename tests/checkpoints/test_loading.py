"""Variants, input sizes, devices and dtypes of loaded models, and states that do not fit."""

from __future__ import annotations

import json
import types
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from anymask.checkpoints import load, save
from anymask.checkpoints.devices import resolve_dtype
from anymask.checkpoints.fitting import _WithoutInitialValues
from anymask.checkpoints.geometry import config_from_shapes
from anymask.checkpoints.info import info
from anymask.checkpoints.position_tables import resize_absolute, resize_relative
from anymask.errors import CheckpointError
from anymask.model.config import (
    VARIANTS,
    EfficientNetLiteConfig,
    SamConfig,
    SmallEncoderConfig,
    TinyViTConfig,
    ViTConfig,
)
from anymask.model.sam import Sam
from anymask.predict.predictor import SamPredictor
from tests.checkpoints.conftest import TINY, assert_same_model, outputs

State = dict[str, torch.Tensor]
Save = Callable[..., Path]


def shapes_of(config: SamConfig) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        return {n: tuple(t.shape) for n, t in Sam(config).state_dict().items()}


@pytest.mark.parametrize("name", ["vit_b", "vit_l", "vit_h", "vit_t"])
def test_the_published_shapes_tell_the_published_variant(reference: Path, name: str):
    keys = json.loads((reference / "geometry" / f"{name}.keys.json").read_text())
    shapes = {key: tuple(shape) for key, shape in keys.items()}
    assert config_from_shapes(shapes, "file") == VARIANTS[name]


OTHER_GEOMETRIES = {
    "narrow": TINY,
    "heads": replace(TINY, image_encoder=ViTConfig(24, 3, 2, (2,), 3)),
    "all global": replace(TINY, image_encoder=ViTConfig(24, 3, 3, (0, 1, 2), 8)),
    "all windows": replace(TINY, image_encoder=ViTConfig(24, 3, 3, (), 3)),
    "mlp": replace(TINY, image_encoder=ViTConfig(24, 4, 3, (1, 3), 5, mlp_ratio=2.5)),
    "window larger than the image": replace(TINY, image_encoder=ViTConfig(24, 3, 3, (2,), 14)),
    "decoder": replace(TINY, decoder_depth=3, decoder_mlp_dim=40, iou_head_depth=4),
    "masks": replace(TINY, num_multimask_outputs=5, mask_in_chans=8, prompt_dim=64),
    "tiny_vit": SamConfig("custom", TinyViTConfig((32, 64, 96, 128), (1, 2, 3, 1), (2, 2, 3, 4))),
    "small": replace(
        VARIANTS["small"],
        name="custom",
        image_encoder=EfficientNetLiteConfig(
            16, (8, 8, 16, 16, 24, 24, 32), (1, 1, 2, 1, 1, 1, 1), 32, 2, neck_widths=(16, 8)
        ),
    ),
    "small of 0.1": replace(
        VARIANTS["small_0_1"],
        name="custom",
        image_encoder=SmallEncoderConfig(widths=(16, 24, 32, 72), depths=(1, 2, 1, 3)),
    ),
    "vit_b at 512": replace(VARIANTS["vit_b"], image_size=512),
    "vit_b whose windows are the image": replace(VARIANTS["vit_b"], image_size=224),
    "vit_l at 256": replace(VARIANTS["vit_l"], image_size=256),
}


@pytest.mark.parametrize("geometry", OTHER_GEOMETRIES)
def test_shapes_tell_any_geometry(geometry: str):
    config = OTHER_GEOMETRIES[geometry]
    assert config_from_shapes(shapes_of(config), "file") == config


@pytest.mark.parametrize("name", ["small", "small_0_1"])
def test_the_shipped_geometries_are_told_from_shapes(name: str):
    assert config_from_shapes(shapes_of(VARIANTS[name]), "file") == VARIANTS[name]


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_model_tuned_from_the_one_that_0_1_shipped_loads_as_it_did(tmp_path: Path, suffix: str):
    # 0.1 named it "small" in the file, and had no word for dropping regions without a click.
    sam, path = Sam(VARIANTS["small_0_1"]), tmp_path / f"tuned{suffix}"
    old = VARIANTS["small_0_1"].to_dict() | {"name": "small"}
    del old["keep_clicked"], old["everything"]["order_by"]
    if suffix == ".pth":
        torch.save(sam.state_dict(), path)
    else:
        save_file(sam.state_dict(), path, {"format": "pt", "anymask_config": json.dumps(old)})
    assert load(path).config == VARIANTS["small_0_1"]
    assert load(path, variant="small").config == VARIANTS["small_0_1"]
    assert info(path).variant == "small_0_1"


def test_the_file_name_does_not_decide_the_variant(tiny_sam: Sam, state: State, saved: Save):
    loaded = load(saved(state, "sam_vit_h_4b8939.pth"), dtype="float32")
    assert_same_model(loaded, tiny_sam)


def test_the_wrong_variant_is_refused_by_saying_what_the_file_is(state: State, saved: Save):
    path = saved(state)
    with pytest.raises(CheckpointError) as caught:
        load(path, variant="vit_h")
    assert str(caught.value) == (
        f"{path} is a custom SAM (ViT of width 24 and depth 3, input 128), not a vit_h; leave out "
        f"variant= or give a vit_h file."
    )
    with pytest.raises(CheckpointError, match="no model named 'vit_x'"):
        load(path, variant="vit_x")


def test_a_geometry_that_does_not_fit_is_refused_with_three_shapes(state: State, saved: Save):
    wider = replace(TINY, decoder_mlp_dim=80)
    with pytest.raises(CheckpointError) as caught:
        load(saved(state), variant=wider)
    message = str(caught.value)
    assert "in the shapes of 6 tensors" in message
    assert message.count("instead of") == 3
    assert "(64, 256) instead of (80, 256)" in message


@pytest.mark.parametrize(
    ("lost", "words"),
    [
        ("image_encoder.", "has no image encoder of a SAM; give the whole model"),
        ("mask_decoder.", "has no mask decoder of a SAM; give the whole model"),
        ("image_encoder.pos_embed", "without the tensor image_encoder.pos_embed"),
        ("image_encoder.blocks.1.", "without the tensor image_encoder.blocks.1"),
        ("prompt_encoder.no_mask_embed", r"lacks 1 tensor \(prompt_encoder.no_mask_embed.weight\)"),
        (
            "mask_decoder.transformer.final",
            r"lacks 8 tensors \(.*, .*, .*, …\) of the \d+ of",
        ),
    ],
)
def test_missing_tensors_are_named_three_at_most(state: State, saved: Save, lost: str, words: str):
    rest = {n: t for n, t in state.items() if not n.startswith(lost)}
    with pytest.raises(CheckpointError, match=words) as caught:
        load(saved(rest))
    assert str(caught.value).count("_encoder.") + str(caught.value).count("_decoder.") <= 3


def test_tensors_of_absurd_shapes_are_refused(state: State, saved: Save):
    state["image_encoder.pos_embed"] = torch.ones(24)
    with pytest.raises(CheckpointError, match="shapes do not fit a SAM"):
        load(saved(state))


def test_mobilesams_classifier_may_be_absent(saved: Save):
    sam = Sam(VARIANTS["vit_t"])
    shorn = {
        n: t
        for n, t in sam.state_dict().items()
        if not n.startswith(("image_encoder.head.", "image_encoder.norm_head."))
    }
    assert load(saved(shorn), dtype="float32").config == VARIANTS["vit_t"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_no_numbers_are_refused_by_name(state: State, saved: Save, value: float):
    name = "mask_decoder.mask_tokens.weight"
    state[name] = state[name].clone()
    state[name][1, 7] = value
    with pytest.raises(CheckpointError, match=rf"NaN or infinite values in 1 tensor \({name}\)"):
        load(saved(state))


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda t: (100 * t).to(torch.int8), "int8"),
        (lambda t: t.to(torch.float8_e4m3fn), "float8_e4m3fn"),
        (lambda t: t.to(torch.complex64), "complex64"),
        (lambda t: t.to_sparse(), "sparse values"),
        (lambda t: t.to("meta"), "no values"),
    ],
    ids=["int8", "float8", "complex", "sparse", "meta"],
)
def test_weights_that_no_model_computes_with_are_refused_by_kind(
    state: State, saved: Save, change: Callable[[torch.Tensor], torch.Tensor], kind: str
):
    name = "image_encoder.blocks.0.mlp.lin1.weight"
    state[name] = change(state[name])
    with pytest.raises(CheckpointError, match=rf"has {kind} in 1 tensor \({name}\).*quantised"):
        load(saved(state))


def test_a_file_of_another_input_size_loads_at_its_own(saved: Save):
    config = replace(VARIANTS["vit_b"], image_size=64)
    sam = Sam(config)
    loaded = load(saved(sam.state_dict()), variant="vit_b", dtype="float32")
    assert loaded.config == config
    for name, tensor in sam.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor)


def test_another_input_size_resizes_the_position_tables_and_nothing_else(
    tiny_sam: Sam, state: State, saved: Save
):
    loaded = load(saved(state), image_size=192, dtype="float32")
    assert loaded.config == replace(TINY, image_size=192)
    changed = {n for n, t in loaded.state_dict().items() if not torch.equal(t, state.get(n))}
    tables = {f"image_encoder.blocks.2.attn.rel_pos_{axis}" for axis in "hw"}
    assert changed == tables | {"image_encoder.pos_embed"}
    masks, iou = outputs(loaded)
    assert masks.shape == (1, 3, 48, 48)
    assert iou.isfinite().all()


def test_a_trained_model_finds_the_same_object_at_another_input_size(
    reference: Path, small_reference_config: SamConfig, scene: NDArray[np.uint8]
):
    path = reference / "small" / "small_sam.safetensors"
    numbers = np.load(reference / "small" / "predictor.npz")
    masks = []
    for size in (256, 320):
        sam = load(path, variant=small_reference_config, image_size=size, dtype="float32")
        predictor = SamPredictor(sam)
        predictor.set_image(scene)
        prompt = (numbers["scene/point/point_coords"], numbers["scene/point/point_labels"])
        masks.append(predictor.predict(*prompt, multimask_output=False)[0][0])
    assert np.array_equal(masks[0], numbers["scene/point/0/logits"][0] > 0)
    assert (masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum() > 0.7


def test_absolute_positions_that_form_a_plane_form_it_at_another_size():
    ramp = torch.linspace(-1, 1, 8)
    plane = (ramp[:, None] - 0.5 * ramp)[None, :, :, None]
    fine = ((torch.arange(12) + 0.5) * 8 / 12 - 0.5) * 2 / 7 - 1
    expected = fine[:, None] - 0.5 * fine
    resized = resize_absolute(plane, 12)[0, :, :, 0]
    # The cubic is PyTorch's, which keeps lines to a tenth of a step; at the border it repeats the
    # last value.
    step = float(ramp[1] - ramp[0])
    assert (resized - expected)[2:-2, 2:-2].abs().max() < 0.1 * step


def test_absolute_positions_of_one_value_keep_it_and_of_the_same_size_stay():
    constant = resize_absolute(torch.full((1, 8, 8, 3), 0.7), 13)
    torch.testing.assert_close(constant, torch.full((1, 13, 13, 3), 0.7))
    table = torch.randn(1, 8, 8, 3)
    torch.testing.assert_close(resize_absolute(table, 8), table)


@pytest.mark.parametrize("side", [4, 11, 16, 25])
def test_relative_positions_are_resized_as_in_metas_code(
    metas_package: types.ModuleType, side: int
):
    from segment_anything.modeling.image_encoder import get_rel_pos

    table = torch.randn(2 * 16 - 1, 8)
    resized = resize_relative(table, 2 * side - 1)
    offsets = torch.arange(side)[:, None] - torch.arange(side) + side - 1
    torch.testing.assert_close(resized[offsets], get_rel_pos(side, side, table))


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (100, "needs a multiple of 16; 96 is the nearest"),
        (0, "image_size is 0; give a multiple of 16"),
        (-128, "give a multiple of 16"),
        (128.5, "give a multiple of 16"),
        ("128", "give a multiple of 16"),
        (True, "give a multiple of 16"),
    ],
)
def test_an_input_size_that_no_encoder_takes_is_refused(
    state: State, saved: Save, size: int, words: str
):
    with pytest.raises(CheckpointError, match=words):
        load(saved(state), image_size=size)


def test_the_shipped_encoder_takes_multiples_of_32(tmp_path: Path):
    path = tmp_path / "small.safetensors"
    save(Sam(VARIANTS["small"]), path)
    with pytest.raises(CheckpointError, match="small needs a multiple of 32; 256 is the nearest"):
        load(path, image_size=272)
    assert load(path, image_size=256, dtype="float32").config.image_size == 256


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("float32", torch.float32),
        ("bfloat16", torch.bfloat16),
        ("float16", torch.float16),
        (torch.bfloat16, torch.bfloat16),
    ],
)
def test_the_encoder_has_the_dtype_that_was_asked_for_and_the_rest_stays_float32(
    state: State, saved: Save, name: str | torch.dtype, dtype: torch.dtype
):
    sam = load(saved(state), device="cpu", dtype=name)
    assert sam.dtype == dtype
    assert {p.dtype for p in sam.image_encoder.parameters()} == {dtype}
    assert {p.dtype for p in sam.mask_decoder.parameters()} == {torch.float32}
    assert {p.dtype for p in sam.prompt_encoder.parameters()} == {torch.float32}
    gaussian = sam.prompt_encoder.pe_layer.positional_encoding_gaussian_matrix
    assert (gaussian.dtype, sam.pixel_mean.dtype) == (torch.float32, torch.float32)


def test_bfloat16_answers_like_float32(tiny_sam: Sam, state: State, saved: Save):
    masks, _ = outputs(load(saved(state), device="cpu", dtype="bfloat16"))
    expected, _ = outputs(tiny_sam)
    assert masks.dtype == torch.float32
    assert (masks - expected).norm() / expected.norm() < 0.05


def test_the_dtype_chosen_on_a_cpu_is_bfloat16_just_where_it_computes_in_it():
    flags = Path("/proc/cpuinfo").read_text().split()
    computes = "avx512_bf16" in flags or "amx_tile" in flags
    chosen = resolve_dtype("auto", torch.device("cpu"))
    assert chosen == (torch.bfloat16 if computes else torch.float32)


@pytest.mark.parametrize("dtype", ["int8", "float8", "", None, 32, torch.int64])
def test_a_dtype_that_no_model_has_is_refused(state: State, saved: Save, dtype: object):
    with pytest.raises(CheckpointError, match="use 'auto', 'float32', 'bfloat16' or 'float16'"):
        load(saved(state), dtype=dtype)


def test_a_device_that_does_not_exist_is_refused(state: State, saved: Save):
    path = saved(state)
    for device in ("gpu", "", None):
        with pytest.raises(CheckpointError, match=r"no device .*; use 'auto', 'cpu', 'cuda'"):
            load(path, device=device)
    with pytest.raises(CheckpointError, match="finds no device 'cuda:99' on this machine; use"):
        load(path, device="cuda:99")


def test_the_model_comes_in_evaluation_mode_and_can_be_trained(state: State, saved: Save):
    sam = load(saved(state), dtype="float32")
    assert not any(module.training for module in sam.modules())
    assert all(p.requires_grad for p in sam.parameters())


def test_the_loaded_model_does_not_depend_on_its_file(tiny_sam: Sam, state: State, saved: Save):
    path = saved(state)
    sam = load(path, dtype="float32")
    path.write_bytes(b"\0" * path.stat().st_size)
    path.unlink()
    assert_same_model(sam, tiny_sam)


def test_values_that_are_drawn_until_they_fit_do_not_hang_the_building_of_a_model():
    memory = torch.full((3,), torch.inf)  # as memory that nobody wrote may be
    with _WithoutInitialValues():
        torch.nn.init.trunc_normal_(memory, std=0.02)
    assert memory.tolist() == [0, 0, 0]
