"""Invalid trainings raise a clear error before anything is cached or drawn."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

import anymask
from anymask.errors import AnymaskError, CheckpointError, ImageError, OutputError
from recipes.small import bank
from recipes.small.__main__ import app
from recipes.small.curves import draw_curves
from recipes.small.recipe import Recipe
from recipes.small.run import pretrain
from tests.recipes.disk_sets import write_disks, write_mask
from tests.recipes.tiny import TINY

SHIPPED = Path(anymask.__file__).parent / "checkpoints" / "weights" / "small.safetensors"
RECIPE = Recipe(side=64, batch_size=2, prompts=2)
FAST = {"recipe": RECIPE, "backbone": None}
TINY_RUN = {**FAST, "config": TINY, "drawn": 0, "minutes": 0.01}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_disks(tmp_path / "data" / "disks", 6)


def _refused(data: Path, out: Path, error: type[AnymaskError], match: str, **options) -> None:
    with pytest.raises(error, match=match) as raised:
        pretrain([data], out, **{**FAST, "drawn": 2, "minutes": 0.01, **options})
    assert "\n" not in str(raised.value)
    assert not (out / "cache").exists()


@pytest.mark.parametrize("minutes", [0, -1, float("nan")])
def test_the_training_time_must_be_above_zero(data: Path, tmp_path: Path, minutes: float) -> None:
    _refused(data, tmp_path / "o", AnymaskError, r"training time is", minutes=minutes)


def test_the_command_rejects_a_time_of_zero(data: Path, tmp_path: Path) -> None:
    command = ["--data", str(data), "--out", str(tmp_path / "o"), "--minutes", "0"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 2
    assert "--minutes" in result.output


def test_one_prompt_is_too_few_because_half_of_them_are_boxes(data: Path, tmp_path: Path) -> None:
    recipe = Recipe(side=64, batch_size=2, prompts=1)
    _refused(data, tmp_path / "o", AnymaskError, r"at least 2 prompts", recipe=recipe)


@pytest.mark.parametrize("device", ["foo", "cuda:99"])
def test_a_missing_device_raises_an_error(data: Path, tmp_path: Path, device: str) -> None:
    _refused(data, tmp_path / "o", CheckpointError, rf"device '{device}'", device=device)


def test_a_file_without_weights_raises_an_error(data: Path, tmp_path: Path) -> None:
    text = tmp_path / "notes.safetensors"
    text.write_text("no weights")
    _refused(data, tmp_path / "o", CheckpointError, r"notes\.safetensors", start_from=text)
    _refused(data, tmp_path / "o", AnymaskError, r"no backbone 'lite9'", backbone="lite9")


def test_weights_of_another_architecture_raise_an_error(
    data: Path, tmp_path: Path, small_reference_sam: anymask.Sam
) -> None:
    other = tmp_path / "other.safetensors"
    save_file({k: v.contiguous() for k, v in small_reference_sam.state_dict().items()}, other)
    _refused(data, tmp_path / "o", CheckpointError, r"other\.safetensors", start_from=other)


def test_a_resumed_training_cannot_start_from_other_weights(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "o"
    out.mkdir()
    (out / "state.pt").touch()
    both = {"resume": True, "start_from": SHIPPED}
    _refused(data, out, AnymaskError, r"--resume .* --start-from .* one of them", **both)


def test_the_error_for_a_truncated_state_says_what_to_do(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    pretrain([data], out, report=lambda _: None, **TINY_RUN)
    state = (out / "state.pt").read_bytes()
    (out / "state.pt").write_bytes(state[: len(state) // 2])
    way_out = r"state\.pt is damaged .* --start-from .*weights\.safetensors"
    with pytest.raises(CheckpointError, match=way_out):
        pretrain([data], out, resume=True, **TINY_RUN)
    torch.save({"progress": {}}, out / "state.pt")
    with pytest.raises(CheckpointError, match=r"state\.pt is not the state of a training"):
        pretrain([data], out, resume=True, **TINY_RUN)


def test_a_truncated_log_still_gives_curves(tmp_path: Path) -> None:
    line = '{"kind": "train", "images": 100, "box": 0.5}\n'
    log, picture = tmp_path / "log.jsonl", tmp_path / "curves.png"
    log.write_text(line)
    draw_curves(log, picture)
    whole = picture.read_bytes()
    log.write_text(line + "17\n" + line[:30])
    draw_curves(log, picture)
    assert picture.read_bytes() == whole


@pytest.mark.parametrize("out", ["file", "file/below"])
def test_results_need_a_folder(data: Path, tmp_path: Path, out: str) -> None:
    (tmp_path / "file").write_text("here first")
    _refused(data, tmp_path / out, OutputError, r"Cannot write .*choose another folder")
    assert (tmp_path / "file").read_text() == "here first"


def test_a_held_out_image_with_a_wrong_mask_is_found_before_training(
    data: Path, tmp_path: Path
) -> None:
    held_out = data.parent / "crackforest"  # by licence, validation only
    write_disks(held_out, 1)
    write_mask(held_out / "masks" / "0.png", np.ones((5, 5), np.uint8))
    _refused(data.parent, tmp_path / "o", ImageError, r"crackforest/images/0\.png")


def test_training_continues_with_a_message_if_no_validation_image_has_an_object(
    data: Path, tmp_path: Path
) -> None:
    write_disks(data.parent / "alone", 1)  # too small to hold out an image
    empty = write_disks(data.parent / "crackforest", 1)
    write_mask(empty / "masks" / "0.png", np.zeros((90, 120), np.uint8))
    lines: list[str] = []
    places = [data.parent / "alone", empty]
    pretrain(places, tmp_path / "o", report=lines.append, **TINY_RUN)
    assert any("no evaluation during training" in line for line in lines)
    assert not any(line.startswith("evaluation") for line in lines)


def test_one_thread_draws_scenes_in_one_process(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    class Counted(ProcessPoolExecutor):
        def __init__(self, processes: int) -> None:
            asked.append(processes)
            super().__init__(processes)

    monkeypatch.setattr(bank, "ProcessPoolExecutor", Counted)
    options = {**TINY_RUN, "drawn": 2, "report": lambda _: None}
    pretrain([data], tmp_path / "o", threads=1, **options)
    assert asked == [1]
