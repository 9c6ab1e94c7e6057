"""Processes, clocks and memory of the benchmark."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from anymask.errors import AnymaskError
from benchmarks.side_by_side.machine import (
    machine,
    resident_mb,
    run_command,
    run_fresh,
    versions,
)
from benchmarks.side_by_side.network import take_turns

# In its own process, because earlier code may have left memory that can be reused.
HELD_AND_GIVEN_BACK = """
import numpy as np
from benchmarks.side_by_side.machine import peak_mb, reset_peak, resident_mb
before = resident_mb()
reset_peak()
array = np.ones(10**8, np.uint8)
del array
print(None if before is None else peak_mb() - before)
"""


def test_the_peak_includes_released_memory():
    command = [sys.executable, "-c", HELD_AND_GIVEN_BACK]
    found = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    if found == "None":
        assert resident_mb() is None  # a system that does not report it
    else:
        assert 95 < float(found) < 150


def test_the_machine_and_the_versions_are_reported():
    found = machine()
    assert found["cpu"]
    assert found["cores"] >= 1
    assert set(versions("numpy", "no-such-package")) == {"python", "numpy"}


def test_a_failing_task_raises_an_error_with_its_name(capfd):
    with pytest.raises(AnymaskError, match=r"^The part 'No such task' .* exit code 1; .*\.$"):
        run_fresh("benchmarks.side_by_side.tasks", "no_such_task", {}, label="No such task")
    assert "no_such_task" in capfd.readouterr().err


def test_a_command_reports_its_own_needs_whatever_the_memory_of_its_parent():
    held = np.ones(3 * 10**8, np.uint8)
    found = run_command(["models"], threads=1)
    assert found["cpu_seconds"] > 0
    assert found["seconds"] > 0
    if resident_mb() is None:
        assert found["peak_mb"] is None  # a system that does not report it
    else:
        assert 10 < found["peak_mb"] < held.nbytes / 1e6


def test_a_failing_command_raises_an_error(capfd):
    with pytest.raises(AnymaskError, match="'anymask everything' failed with exit code 2"):
        run_command(["everything", "no_such_file.png", "--output", "nowhere"])
    assert "no_such_file.png" in capfd.readouterr().err


def test_calls_take_turns_after_one_warm_up_call():
    made = []
    calls = {name: lambda name=name: made.append(name) or len(made) for name in ("a", "b")}
    times, results = take_turns(calls, 3)
    assert made == ["a", "b"] * 4
    assert results == {"a": 1, "b": 2}
    assert set(times["a"]) == {"seconds", "cpu_seconds"}
