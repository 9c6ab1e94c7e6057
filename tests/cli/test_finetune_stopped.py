"""``anymask finetune`` in a separate process: stopped by Ctrl-C, resumed, out of disk space."""

from __future__ import annotations

import resource
import signal
import time

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file


@pytest.fixture
def words(tmp_path, model):
    """The command on six drawn images, without the verdict."""
    rng = np.random.default_rng(0)
    for kind in ("images", "masks"):
        (tmp_path / "data" / kind).mkdir(parents=True)
    for number in range(6):
        image = rng.integers(0, 60, (48, 64, 3)).astype(np.uint8)
        mask = np.zeros((48, 64), np.uint8)
        y, x = rng.integers(4, 24, 2)
        mask[y : y + 18, x : x + 22] = 255
        image[mask > 0] = 220
        Image.fromarray(image).save(tmp_path / "data/images" / f"{number}.png")
        Image.fromarray(mask).save(tmp_path / "data/masks" / f"{number}.png")
    fixed = ["finetune", "--data", tmp_path / "data", "--model", model, "--epochs", 6]
    fixed += ["--device", "cpu", "--dtype", "float32", "--cache", tmp_path / "cache"]
    return [*fixed, "--verdict", "none"]


def ended(process):
    """Return the exit code, stdout and stderr, each output on one line."""
    stdout, stderr = process.communicate(timeout=300)
    return process.returncode, " ".join(stdout.split()), " ".join(stderr.split())


@pytest.mark.slow
def test_after_ctrl_c_it_says_how_to_resume_and_ends_as_if_never_stopped(
    start_process, words, tmp_path
):
    process = start_process(*words, "--out", tmp_path / "stopped")
    deadline = time.monotonic() + 240
    while not (tmp_path / "stopped/last.safetensors").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    code, _, said = ended(process)
    assert code == 130, said
    assert (
        f"saved in {tmp_path / 'stopped'}; run the same command with --resume to continue." in said
    )
    assert "Traceback" not in said
    assert not (tmp_path / "stopped/model.safetensors").exists()

    code, _, said = ended(start_process(*words, "--out", tmp_path / "stopped", "--resume"))
    assert code == 0, said
    assert "Before training" not in said
    code, _, said = ended(start_process(*words, "--out", tmp_path / "whole"))
    assert code == 0, said
    both = [load_file(tmp_path / name / "model.safetensors") for name in ("stopped", "whole")]
    assert both[0].keys() == both[1].keys()
    for name, tensor in both[0].items():
        assert torch.equal(tensor, both[1][name]), name


def test_without_space_for_a_checkpoint_it_gives_a_sentence_and_leaves_no_partial_file(
    cli, words, tmp_path
):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        result = cli(*words, "--out", tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    said = " ".join(result.stderr.split())
    assert result.exit_code == 2, said
    assert "Cannot write" in said
    assert "the file would be larger than this file system allows" in said
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["split.json"]
