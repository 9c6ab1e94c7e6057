"""Saved models load again as they were, in anymask and in Meta's code."""

from __future__ import annotations

import resource
import signal
import stat
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from anymask.checkpoints import load, save
from anymask.checkpoints.formats import CheckpointNotice
from anymask.errors import AnymaskError, CheckpointError, OutputError
from anymask.model.config import VARIANTS, SamConfig
from anymask.model.sam import Sam
from benchmarks.side_by_side.peers import metas_sam
from tests.checkpoints.conftest import TINY, assert_same_model, draw, outputs
from tests.conftest import relative_l2


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ["model.safetensors", "model.pth", "model.pt"])
def test_a_saved_model_loads_again_as_it_was(tiny_sam: Sam, tmp_path: Path, name: str):
    path = tmp_path / name
    save(tiny_sam, path)
    assert_same_model(load(path, dtype="float32"), tiny_sam)
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "config",
    [
        replace(TINY, name="of my own", decoder_heads=4, prompt_dim=64, box_margin=0.2),
        replace(TINY, pixel_mean=(1.5, 2.5, 3.5), pixel_std=(9.0, 8.0, 7.0)),
        replace(VARIANTS["small"], image_size=256, box_margin=None),
    ],
)
def test_what_shapes_do_not_tell_is_kept_in_a_safetensors_file(config: SamConfig, tmp_path: Path):
    sam = Sam(config).eval()
    draw(sam)
    save(sam, tmp_path / "model.safetensors")
    loaded = load(tmp_path / "model.safetensors", dtype="float32")
    assert loaded.config == config
    assert_same_model(loaded, sam)


def test_a_half_precision_model_is_saved_as_it_is(tiny_sam: Sam, tmp_path: Path):
    save(tiny_sam, tmp_path / "whole.safetensors")
    half = load(tmp_path / "whole.safetensors", device="cpu", dtype="bfloat16")
    with pytest.warns(CheckpointNotice, match="rounded"):
        save(half, tmp_path / "half.safetensors")
    with safe_open(tmp_path / "half.safetensors", "pt") as file:
        names = list(file.keys())
        kinds = {name.split(".")[0]: file.get_tensor(name).dtype for name in names}
    assert kinds["image_encoder"] == torch.bfloat16
    assert kinds["mask_decoder"] == torch.float32
    assert_same_model(load(tmp_path / "half.safetensors", device="cpu", dtype="bfloat16"), half)


def test_a_geometry_of_the_future_is_refused(tiny_sam: Sam, tmp_path: Path):
    path = tmp_path / "model.safetensors"
    save(tiny_sam, path)
    content = path.read_bytes().replace(b"prompt_dim", b"prompt_arm")
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="a newer version of anymask"):
        load(path)


def test_a_geometry_that_its_tensors_contradict_is_refused(tiny_sam: Sam, tmp_path: Path):
    path = tmp_path / "model.safetensors"
    save(tiny_sam, path)
    path.write_bytes(path.read_bytes().replace(rb"\"prompt_dim\": 256", rb"\"prompt_dim\": 128"))
    with pytest.raises(CheckpointError, match=r"differs from a custom .* in the shapes"):
        load(path)


@torch.no_grad()
def test_metas_code_loads_a_saved_pth_strictly_and_gives_the_same_masks(
    tiny_sam: Sam, tmp_path: Path
):
    save(tiny_sam, tmp_path / "model.pth")
    theirs = metas_sam(TINY)
    theirs.load_state_dict(torch.load(tmp_path / "model.pth", weights_only=True), strict=True)
    image = {
        "image": torch.randint(256, (3, 128, 96), generator=torch.manual_seed(1)).float(),
        "original_size": (200, 150),
        "point_coords": torch.tensor([[[40.0, 70.0]]]),
        "point_labels": torch.tensor([[1]]),
    }
    (expected,), (actual,) = theirs([image], True), tiny_sam([image], True)
    for key in ("low_res_logits", "iou_predictions"):
        assert relative_l2(actual[key], expected[key]) < 1e-5
    assert (actual["masks"] == expected["masks"]).float().mean() > 0.999


def test_metas_state_saved_by_metas_code_gives_the_same_model(tiny_sam: Sam, tmp_path: Path):
    theirs = metas_sam(TINY)
    theirs.load_state_dict(tiny_sam.state_dict())
    torch.save(theirs.state_dict(), tmp_path / "theirs.pth")
    assert_same_model(load(tmp_path / "theirs.pth", dtype="float32"), tiny_sam)


def test_another_suffix_is_refused(tiny_sam: Sam, tmp_path: Path):
    for name in ("model", "model.onnx", "model.safetensors.bak"):
        with pytest.raises(OutputError, match=r"name that ends in .safetensors, .pth or .pt"):
            save(tiny_sam, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["model.safetensors", "model.pth"])
def test_a_failed_save_leaves_what_was_there_and_nothing_half_written(
    tiny_sam: Sam, tmp_path: Path, name: str
):
    path = tmp_path / name
    save(tiny_sam, path)
    before = path.read_bytes()
    # As a full disk would: the system refuses to let any file grow beyond a megabyte.
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        with pytest.raises(OutputError, match=f"Cannot write .*{name}: the file would be"):
            save(tiny_sam, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, previous)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_a_folder_that_cannot_be_made_is_told(tiny_sam: Sam, tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(AnymaskError, match="a part of this path is a file"):
        save(tiny_sam, tmp_path / "file" / "deeper" / "model.pth")


@pytest.mark.parametrize("name", ["model.safetensors", "model.pth"])
def test_a_saved_file_has_the_rights_of_any_new_file(tiny_sam: Sam, tmp_path: Path, name: str):
    save(tiny_sam, tmp_path / "folder" / name)
    (tmp_path / "other").write_text("")
    mode = stat.S_IMODE((tmp_path / "other").stat().st_mode)
    assert stat.S_IMODE((tmp_path / "folder" / name).stat().st_mode) == mode


def test_saving_over_the_file_a_model_came_from_keeps_it_whole(tiny_sam: Sam, tmp_path: Path):
    path = tmp_path / "model.pth"
    save(tiny_sam, path)
    sam = load(path, dtype="float32")
    expected = outputs(sam)
    save(sam, path)
    for actual, before in zip(outputs(load(path, dtype="float32")), expected, strict=True):
        assert torch.equal(actual, before)


def test_saving_what_loading_has_rounded_is_told(tiny_sam: Sam, tmp_path: Path):
    save(tiny_sam, tmp_path / "whole.safetensors")
    rounded = load(tmp_path / "whole.safetensors", dtype="bfloat16")
    with pytest.warns(CheckpointNotice, match="rounded from float32 to bfloat16.*dtype='float32'"):
        save(rounded, tmp_path / "rounded.safetensors")
    again = load(tmp_path / "rounded.safetensors", dtype="float32")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save(again, tmp_path / "again.safetensors")
