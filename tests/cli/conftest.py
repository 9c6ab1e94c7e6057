"""Run the command line in this process or in a separate one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import anymask
from anymask.cli.app import app


@pytest.fixture(scope="session")
def model(small_reference_sam, tmp_path_factory) -> Path:
    """A checkpoint file of the small reference model."""
    path = tmp_path_factory.mktemp("model") / "reference.safetensors"
    anymask.save(small_reference_sam, path)
    return path


@pytest.fixture(scope="session")
def scene_file(reference) -> Path:
    """An image of 240×180 pixels."""
    return reference / "small" / "scene.png"


@pytest.fixture
def cli() -> Callable[..., Result]:
    """Run a command in this process: `cli("segment", path, "--json")`."""

    def run(*arguments: object) -> Result:
        words = [str(a) for a in arguments]
        result = CliRunner().invoke(app, words, prog_name="anymask", env={"COLUMNS": "200"})
        # Commands end with SystemExit; anything else would be a traceback.
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    return run


@pytest.fixture
def start_process() -> Callable[..., subprocess.Popen[str]]:
    """Start a command in a separate process, as a shell does."""

    def start(
        *arguments: object, variables: Mapping[str, str] = {}, **options: object
    ) -> subprocess.Popen[str]:
        source = str(Path(anymask.__file__).parents[1])
        clean = {"PYTHONPATH": source, "PATH": "", "HOME": "/nonexistent", "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(
            [sys.executable, "-m", "anymask", *map(str, arguments)],
            env={**clean, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    return start
