"""Processes that train together have the same gradients and end together."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch
from torch import nn

from anymask.errors import AnymaskError
from recipes.small.checks import check_figures
from recipes.small.processes import Team, team_of
from recipes.small.recipe import Recipe

pytestmark = pytest.mark.slow


def _gradient(layer: nn.Linear, row: float) -> list[nn.Parameter]:
    layer.zero_grad()
    layer(torch.full((1, 3), row)).sum().backward()
    return list(layer.parameters())


def _average_with_others(team: Team, folder: Path) -> None:
    layer = nn.Linear(3, 2)
    for step in range(3):
        parameters = _gradient(layer, row=float(team.rank + step))
        told = team.agree(-1.0)
        team.average(parameters)
        gradients = [p.grad for p in parameters]
        torch.save((told, gradients), folder / f"{team.rank}-{step}.pt")
    time.sleep(60)


def _end_at_once(team: Team) -> None:
    os._exit(3)


def _wait(team: Team, path: Path) -> None:
    path.write_text(str(os.getpid()))
    team.agree(0.0)


def test_all_processes_get_the_mean_gradient_and_the_value_of_the_first_process(tmp_path):
    layer, own = nn.Linear(3, 2), []
    with team_of(3, 8, _average_with_others, tmp_path) as team:
        for step in range(3):
            parameters = _gradient(layer, row=float(step))
            assert team.agree(step / 4) == step / 4
            team.average(parameters)
            own.append([p.grad.clone() for p in parameters])
        deadline = time.monotonic() + 60
        while len(list(tmp_path.glob("*-2.pt"))) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.2)
    for step, (weight, bias) in enumerate(own):
        # Inputs are 0 + step, 1 + step and 2 + step: their mean is 1 + step.
        assert torch.equal(weight, torch.full((2, 3), 1.0 + step))
        assert torch.equal(bias, torch.ones(2))
        for rank in (1, 2):
            told, gradients = torch.load(tmp_path / f"{rank}-{step}.pt")
            assert told == step / 4
            assert torch.equal(gradients[0], weight)
            assert torch.equal(gradients[1], bias)


def test_a_single_process_keeps_its_gradient():
    layer = nn.Linear(3, 2)
    with team_of(1, 8, _end_at_once) as team:
        parameters = _gradient(layer, 2.0)
        team.average(parameters)
        assert team.agree(0.5) == 0.5
    assert torch.equal(parameters[0].grad, torch.full((2, 3), 2.0))


def test_a_process_that_ends_raises_a_clear_error():
    with (
        pytest.raises(AnymaskError, match="training processes has ended"),
        team_of(2, 8, _end_at_once) as team,
    ):
        team.agree(1.0)


def test_no_process_outlives_the_first(tmp_path):
    path = tmp_path / "pid"
    code = (
        "import sys; from pathlib import Path; from tests.recipes import test_processes as t\n"
        "from recipes.small.processes import team_of\n"
        "import time\n"
        "if __name__ == '__main__':\n"
        "    with team_of(2, 8, t._wait, Path(sys.argv[1])):\n"
        "        time.sleep(60)\n"
    )
    script = tmp_path / "first.py"
    script.write_text(code)
    root = Path(__file__).parents[2]
    first = subprocess.Popen(
        [sys.executable, script, path], env={**os.environ, "PYTHONPATH": str(root)}
    )
    deadline = time.monotonic() + 60
    while not (path.exists() and path.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    other = int(path.read_text())
    first.kill()
    first.wait()
    while _is_running(other) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _is_running(other)


def _is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_several_processes_need_the_cpu():
    check_figures(Recipe(), minutes=1, processes=2, device="cpu")
    with pytest.raises(AnymaskError, match="--processes 2 is for the CPU, but the device is cuda"):
        check_figures(Recipe(), minutes=1, processes=2, device="cuda")
