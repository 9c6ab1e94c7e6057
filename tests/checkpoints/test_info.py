"""What `info` says of checkpoints."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from anymask.checkpoints import load, save
from anymask.checkpoints.info import info
from anymask.errors import CheckpointError
from anymask.model.config import VARIANTS
from anymask.model.sam import Sam
from tests.checkpoints.conftest import TINY

Save = Callable[..., Path]


@pytest.mark.parametrize(
    ("name", "parameters"), [("vit_t", 9_808_452), ("small", None), ("vit_b", 93_735_472)]
)
def test_variant_parameters_and_size_are_told(tmp_path: Path, name: str, parameters: int | None):
    sam = Sam(VARIANTS[name])
    path = tmp_path / "somebodys.pth"
    torch.save(sam.half().state_dict(), path)
    what = info(path)
    assert (what.variant, what.image_size) == (name, VARIANTS[name].image_size)
    assert what.parameters == (parameters or sum(p.numel() for p in sam.parameters()))
    assert (what.layout, what.container, what.dtype) == ("Meta", "PyTorch zip", "float16")
    assert what.size == path.stat().st_size
    assert what.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (what.extras, what.metadata, what.known_as) == ((), {}, None)


def test_a_file_of_ours_tells_its_geometry(tiny_sam: Sam, tmp_path: Path):
    save(tiny_sam, tmp_path / "ours.safetensors")
    what = info(tmp_path / "ours.safetensors")
    assert (what.layout, what.container, what.config) == ("anymask", "safetensors", TINY)
    assert what.parameters == sum(p.numel() for p in tiny_sam.parameters())


def test_metadata_and_extras_are_told(state: dict[str, torch.Tensor], tmp_path: Path):
    path = tmp_path / "tuned.safetensors"
    tensors = {**state, "head.weight": torch.ones(2)}
    tensors["mask_decoder.hf_token.weight"] = torch.ones(1, 256)
    save_file(tensors, path, {"author": "a lab", "format": "pt"})
    what = info(path)
    assert what.metadata == {"author": "a lab", "format": "pt"}
    assert what.extras == ("head.weight", "mask_decoder.hf_token.weight")
    assert what.layout == "Meta"


def test_the_reference_file_is_described(reference: Path):
    what = info(reference / "small" / "small_sam.safetensors")
    assert (what.variant, what.image_size, what.dtype) == ("custom", 256, "float32")
    assert what.config.image_encoder.global_attn_indexes == (1, 3)
    assert what.config.image_encoder.window_size == 6


def test_8_bit_weights_are_told_though_they_do_not_load(
    state: dict[str, torch.Tensor], tmp_path: Path
):
    path = tmp_path / "quantised.safetensors"
    save_file({name: t.to(torch.float8_e4m3fn) for name, t in state.items()}, path)
    assert info(path).dtype == "float8_e4m3fn"
    with pytest.raises(CheckpointError, match="has float8_e4m3fn in"):
        load(path)


def test_a_file_with_a_safetensors_dtype_unknown_to_sams_is_refused(tmp_path: Path):
    path = tmp_path / "odd.safetensors"
    save_file({"a": torch.ones(2)}, path)
    path.write_bytes(path.read_bytes().replace(b'"F32"', b'"Q32"'))
    with pytest.raises(CheckpointError, match="damaged"):
        info(path)


def test_a_name_that_is_not_cached_is_told_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("ANYMASK_HOME", str(tmp_path))
    with pytest.raises(
        CheckpointError,
        match=r"vit_b is known but not on this machine .375 MB.; .*anymask.load\('vit_b'\)",
    ):
        info("vit_b")
