"""Names to checkpoints, and Meta's dictionary of builders."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import anymask
from anymask.checkpoints import load, sam_model_registry
from anymask.checkpoints.registry import CHECKPOINTS, SHIPPED, find_entry
from anymask.errors import CheckpointError
from anymask.model.config import VARIANTS
from anymask.model.sam import Sam


def test_the_registry_is_read_without_torch():
    code = "import sys, anymask.checkpoints.registry; print('torch' in sys.modules)"
    environment = os.environ | {"PYTHONPATH": str(Path(anymask.__file__).parents[1])}
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert ran.stdout.strip() == "False"


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_every_entry_is_complete_enough_to_verify_and_to_cite(name: str):
    entry = CHECKPOINTS[name]
    assert entry.name == name
    assert entry.config in VARIANTS
    assert entry.licence
    assert entry.citation
    if name == SHIPPED:
        assert entry.url is None
    else:
        assert entry.url is not None
        assert entry.url.startswith("https://")
        assert entry.url.endswith(entry.file_name)
        assert re.fullmatch("[0-9a-f]{64}", entry.sha256 or "")
        # The weights are float32, and little else is in the file.
        parameters = {
            "vit_b": 93735472,
            "vit_l": 312342832,
            "vit_h": 641090608,
            "vit_t": 10130092,
            "sam2.1_hiera_tiny": 38962498,
            "sam2.1_hiera_small": 46060354,
            "sam2.1_hiera_base_plus": 80850178,
            "sam2.1_hiera_large": 224446642,
        }
        assert entry.size is not None
        assert 0 < entry.size - 4 * parameters[name] < 400_000


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(CheckpointError, match="no model named 'vit_x'; the names are small, vit_b"):
        find_entry("vit_x")


def test_the_dictionary_of_builders_has_metas_keys_and_ours():
    sam = ["default", "small", "vit_b", "vit_l", "vit_h", "vit_t"]
    sam2 = [f"sam2.1_hiera_{size}" for size in ("tiny", "small", "base_plus", "large")]
    assert list(sam_model_registry) == sam + sam2
    assert set(sam_model_registry.keys()) >= {"default", "vit_h", "vit_l", "vit_b"}
    assert "vit_b" in sam_model_registry
    assert "vit_x" not in sam_model_registry


def test_a_wrong_key_is_a_key_error_that_reads_as_a_sentence():
    with pytest.raises(KeyError) as caught:
        sam_model_registry["vit_huge"]
    assert str(caught.value) == (
        "There is no model named 'vit_huge'; the names are small, vit_b, vit_l, vit_h, vit_t, "
        "sam2.1_hiera_tiny, sam2.1_hiera_small, sam2.1_hiera_base_plus or sam2.1_hiera_large."
    )


def test_a_builder_without_a_checkpoint_gives_an_untrained_float32_model():
    sam = sam_model_registry["vit_t"]()
    assert sam.config == VARIANTS["vit_t"]
    assert (sam.dtype, sam.device.type, sam.training) == (torch.float32, "cpu", False)


def test_a_builder_loads_a_checkpoint_of_its_variant(saved: Callable[..., Path]):
    sam = Sam(VARIANTS["vit_t"])
    path = saved(sam.state_dict(), "mobile.pt")
    loaded = sam_model_registry["vit_t"](checkpoint=str(path))
    assert (loaded.dtype, loaded.device.type, loaded.training) == (torch.float32, "cpu", False)
    for name, tensor in sam.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor)


def test_a_builder_refuses_another_variant_by_saying_what_the_file_is(saved: Callable[..., Path]):
    path = saved(Sam(VARIANTS["vit_t"]).state_dict(), "mobile.pt")
    with pytest.raises(CheckpointError, match=r"mobile.pt is a vit_t \(TinyViT.*not a vit_b"):
        sam_model_registry["vit_b"](checkpoint=path)
    with pytest.raises(CheckpointError, match="not a vit_h"):
        sam_model_registry["default"](checkpoint=path)


def test_a_name_that_is_neither_model_nor_file_is_answered_with_the_known_names():
    with pytest.raises(CheckpointError, match="no model and no file named 'resnet50'; the names"):
        load("resnet50")


def test_a_missing_published_file_is_answered_with_the_name_that_downloads_it():
    with pytest.raises(CheckpointError, match="load 'vit_b' by name to download it"):
        load("checkpoints/sam_vit_b_01ec64.pth")
