"""Files that are no checkpoints: each is refused in one sentence that says what it is."""

from __future__ import annotations

import argparse
import gzip
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from anymask.checkpoints import load, numpy_values, save
from anymask.checkpoints.info import info
from anymask.errors import CheckpointError
from anymask.model.sam import Sam
from tests.checkpoints.conftest import TINY

# A damaged name can make a tensor one that is none of the SAM's.
pytestmark = pytest.mark.filterwarnings("ignore::anymask.checkpoints.formats.CheckpointNotice")


class CreatesAFile:
    """What a malicious checkpoint is: an object whose unpickling runs a command."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.path}",)


def refusal(path: Path) -> str:
    """The one sentence with which both `load` and `info` refuse a file."""
    sentences = []
    for call in (load, info):
        with pytest.raises(CheckpointError) as caught:
            call(path)
        sentences.append(str(caught.value))
    assert sentences[0] == sentences[1]
    sentence = sentences[0]
    assert "\n" not in sentence
    assert sentence.endswith(".")
    assert path.name in sentence
    return sentence


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def image(path: Path) -> Path:
    Image.new("RGB", (64, 48), "teal").save(path.with_suffix(".png"))
    return path.with_suffix(".png").rename(path)


def archive(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("weights/readme.txt", "nothing here")
    return path


def torchscript(path: Path) -> Path:
    torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 2), torch.ones(1, 2)), str(path))
    return path


def numpy_array(path: Path) -> Path:
    np.save(path.with_suffix(".npy"), np.ones(3))
    return path.with_suffix(".npy").rename(path)


PAGE = b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>"
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 375042383\n"


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda p: write(p, b""), "is empty; download"),
        (lambda p: write(p, b"epoch 1 loss 0.5\n" * 9), "is a text file"),
        (lambda p: write(p, "Gewichte für später …".encode()), "is a text file"),
        (lambda p: write(p, json.dumps({"a": 1}).encode()), "is a text file"),
        (lambda p: write(p, PAGE), "is a web page saved under this name"),
        (lambda p: write(p, LFS), "is a Git LFS pointer.*git lfs pull"),
        (lambda p: write(p, bytes(range(0, 256, 3)) + b"\xff" * 999), "not a checkp"),
        (lambda p: write(p, gzip.compress(b"weights")), "is a gzip archive, .*unpack it first"),
        (lambda p: write(p, pickle.dumps([1, 2, 3])), "is a Python pickle not made by torch.save"),
        (image, "is a PNG image"),
        (numpy_array, "is a NumPy array"),
        (archive, "is a zip archive without PyTorch tensors"),
        (torchscript, "is a TorchScript program, which holds code"),
    ],
)
def test_a_file_that_is_something_else_is_named_for_what_it_is(
    tmp_path: Path, make: Callable[[Path], Path], what: str
):
    path = make(tmp_path / "model.pth")
    with pytest.raises(CheckpointError, match=f"model.pth .*{what}"):
        load(path)
    refusal(path)


def test_a_missing_file_is_refused_with_the_known_names(tmp_path: Path):
    with pytest.raises(CheckpointError, match=r"no file .*sam.pth; check the path.*small, vit_b"):
        load(tmp_path / "sam.pth")


@pytest.mark.parametrize("share", [0.02, 0.5, 0.999])
@pytest.mark.parametrize("options", [{}, {"_use_new_zipfile_serialization": False}])
def test_a_pytorch_file_cut_short_is_told_to_be_so(
    state: dict[str, torch.Tensor], saved: Callable[..., Path], options: dict, share: float
):
    path = saved(state, **options)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert "cut short or damaged" in refusal(path)


@pytest.mark.parametrize("left", [4, 60, 5000, 1_000_000])
def test_a_safetensors_file_cut_short_is_told_to_be_so(
    state: dict[str, torch.Tensor], tmp_path: Path, left: int
):
    path = tmp_path / "model.safetensors"
    save_file(state, path)
    path.write_bytes(path.read_bytes()[:left])
    expected = "cut short" if left >= 9 else "damaged at its beginning"
    assert expected in refusal(path)


def test_a_safetensors_file_with_a_damaged_header_is_told_to_be_so(
    state: dict[str, torch.Tensor], tmp_path: Path
):
    path = tmp_path / "model.safetensors"
    save_file(state, path)
    content = bytearray(path.read_bytes())
    content[9:12] = b"\0\0\0"
    path.write_bytes(content)
    assert "damaged header" in refusal(path)


@pytest.mark.parametrize("options", [{}, {"_use_new_zipfile_serialization": False}])
def test_code_in_a_pytorch_file_is_refused_by_name_and_never_runs(
    state: dict[str, torch.Tensor], saved: Callable[..., Path], tmp_path: Path, options: dict
):
    trace = tmp_path / "the_code_ran"
    path = saved({"model": state, "epoch": CreatesAFile(trace)}, **options)
    assert "needs the Python object posix.system, so it is refused" in refusal(path)
    assert not trace.exists()
    # The file is indeed malicious: whoever trusts it runs its code.
    torch.load(path, weights_only=False)
    assert trace.exists()


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_code_in_a_bare_pickle_is_refused_by_name_and_never_runs(tmp_path: Path, protocol: int):
    trace = tmp_path / "the_code_ran"
    content = pickle.dumps({"weights": CreatesAFile(trace)}, protocol=protocol)
    sentence = refusal(write(tmp_path / "model.pth", content))
    # The oldest protocol is text, and is taken for such.
    assert ("is a text file" if protocol == 0 else "calls posix.system") in sentence
    assert not trace.exists()


def test_a_whole_pickled_model_is_refused_by_the_name_of_its_class(saved: Callable[..., Path]):
    sentence = refusal(saved(torch.nn.Linear(2, 2)))
    assert "torch.nn.modules.linear.Linear" in sentence
    assert "state_dict" in sentence


def test_training_settings_that_are_python_objects_are_refused_by_name(
    state: dict[str, torch.Tensor], saved: Callable[..., Path]
):
    path = saved({"model": state, "args": argparse.Namespace(lr=1e-4)})
    assert "needs the Python object argparse.Namespace" in refusal(path)


@pytest.mark.parametrize("options", [{}, {"_use_new_zipfile_serialization": False}])
def test_numpy_values_beside_the_tensors_do_not_refuse_a_file(
    state: dict[str, torch.Tensor], saved: Callable[..., Path], options: dict
):
    beside = {
        "best_score": np.float64(0.5),
        "epoch": np.int64(3),
        "stopped": np.bool_(True),
        "on": np.datetime64("2026-01-01"),
        "losses": np.arange(3.0),
        "names": np.array(["a", {}], object),
    }
    model = load(saved({"model": state, **beside}, **options), dtype="float32")
    assert all(torch.equal(model.state_dict()[name], state[name]) for name in state)


def test_code_in_numpy_values_is_refused_by_name_and_never_runs(
    state: dict[str, torch.Tensor], saved: Callable[..., Path], tmp_path: Path
):
    trace = tmp_path / "the_code_ran"
    for hidden in (np.array([CreatesAFile(trace)], object), np.dtype("f8", metadata={})):
        path = saved({"model": state, "best": [hidden, CreatesAFile(trace)]})
        assert "needs the Python object posix.system" in refusal(path)
    assert not trace.exists()


def test_a_number_is_made_of_plain_types_of_the_right_size_only():
    dtype = numpy_values.Dtype("f8", False, True)
    dtype.__setstate__((3, ">", None, None, None, -1, -1, 0))
    assert numpy_values.scalar(dtype, np.array(1.5, ">f8").tobytes()) == 1.5
    assert numpy_values.scalar(numpy_values.Dtype("U2"), np.array("µa").tobytes()) == "µa"
    for code, data in (("f8", b"short"), ("O8", bytes(8)), ("V8", bytes(8)), ("f8", [1])):
        assert numpy_values.scalar(numpy_values.Dtype(code), data) is None
    assert numpy_values.scalar("f8", bytes(8)) is None


def test_tensors_of_another_network_are_refused_with_three_of_their_names(
    saved: Callable[..., Path],
):
    sentence = refusal(saved(torch.nn.TransformerEncoderLayer(8, 2, 16).state_dict()))
    assert "none named as in a SAM" in sentence
    assert sentence.count("self_attn.") == 3


def test_an_incomplete_sam_2_checkpoint_is_told_to_be_one(saved: Callable[..., Path]):
    tensors = {
        "image_encoder.trunk.pos_embed": torch.ones(1, 4, 4, 8),
        "memory_attention.norm.weight": torch.ones(8),
        "sam_mask_decoder.iou_token.weight": torch.ones(1, 8),
    }
    assert "is an incomplete SAM 2 checkpoint" in refusal(saved({"model": tensors}))


def test_a_sam_3_checkpoint_is_told_to_be_one(saved: Callable[..., Path]):
    tensors = {"detector.backbone.vision_backbone.trunk.pos_embed": torch.ones(1, 4, 4, 8)}
    assert "is a SAM 3 checkpoint" in refusal(saved(tensors))


def test_an_unknown_image_encoder_is_refused(
    state: dict[str, torch.Tensor], saved: Callable[..., Path]
):
    other = {n: t for n, t in state.items() if not n.startswith("image_encoder.")}
    other["image_encoder.features.0.weight"] = torch.ones(3)
    assert "image encoder of a kind unknown to anymask" in refusal(saved(other))


def test_a_file_without_tensors_is_refused_with_what_it_holds(saved: Callable[..., Path]):
    assert "no named tensors (only 2 entries (epoch, loss))" in refusal(
        saved({"epoch": 3, "loss": 0.1})
    )


def test_a_single_tensor_is_refused(saved: Callable[..., Path]):
    assert "has a single Tensor" in refusal(saved(torch.ones(3)))


@pytest.mark.filterwarnings("ignore:Detected pickle protocol:UserWarning")
@pytest.mark.parametrize("name", ["model.safetensors", "model.pth", "legacy.pth"])
def test_whatever_bytes_are_damaged_the_file_loads_or_is_refused_in_a_sentence(
    tmp_path: Path, name: str
):
    sam = Sam(replace(TINY, image_size=32, prompt_dim=32, decoder_mlp_dim=8))
    path = tmp_path / name
    if name == "legacy.pth":
        torch.save(sam.state_dict(), path, _use_new_zipfile_serialization=False)
    else:
        save(sam, path)
    whole = path.read_bytes()
    rng = np.random.default_rng(17)
    refused = 0
    for round_ in range(80):
        damaged = np.frombuffer(whole, np.uint8).copy()
        # The beginning and the end are where containers keep what they know of their content.
        span = slice(6000) if round_ % 2 else slice(-20_000, None)
        places = rng.integers(len(damaged[span]), size=4)
        damaged[span][places] = rng.integers(256, size=4)
        path.write_bytes(damaged.tobytes())
        try:
            load(path, device="cpu")
        except CheckpointError as error:
            refused += 1
            assert "\n" not in str(error)
    assert refused > 20


def test_a_folder_without_weights_is_refused(tmp_path: Path):
    (tmp_path / "config.json").write_text("{}")
    sentence = refusal(tmp_path)
    assert "is a folder without a model.safetensors; check the path" in sentence


def test_a_folder_with_another_checkpoint_is_answered_with_its_name(
    state: dict[str, torch.Tensor], saved: Callable[..., Path]
):
    path = saved(state, "best.pth")
    assert "give the path of a file in it, such as best.pth" in refusal(path.parent)


def test_the_folder_of_an_unfinished_fine_tuning_says_how_to_finish_it(
    state: dict[str, torch.Tensor], saved: Callable[..., Path]
):
    path = saved(state, "last.safetensors")
    sentence = refusal(path.parent)
    assert "has an unfinished fine-tuning" in sentence
    assert "anymask finetune --resume" in sentence


@pytest.mark.parametrize("source", [3, b"model.pth", ["model.pth"]])
def test_a_source_that_is_no_path_is_refused(source: Any):
    with pytest.raises(CheckpointError, match=f"not as {type(source).__name__}"):
        load(source)
