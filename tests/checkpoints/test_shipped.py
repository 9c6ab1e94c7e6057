"""The shipped model, in installations of the package made for the test."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import anymask
from anymask.checkpoints import load, save, sources
from anymask.errors import CheckpointError
from anymask.files import sha256
from anymask.model.config import VARIANTS
from anymask.model.sam import Sam

LOAD = """
import sys
from anymask.checkpoints import load, sam_model_registry
from anymask.checkpoints.info import info
from anymask.errors import CheckpointError
try:
    sams = [load(), load("small"), sam_model_registry["small"]()]
    sums = {float(sam.mask_decoder.iou_token.weight.detach().double().sum()) for sam in sams}
    print(sams[0].config.name, info("small").variant, sams[2].dtype, *sums)
except CheckpointError as error:
    print(error)
"""


@pytest.fixture
def installation(tmp_path: Path) -> Path:
    """A copy of the package without weights."""
    site = tmp_path / "site"
    source = Path(anymask.__file__).parent
    shutil.copytree(source, site / "anymask", ignore=shutil.ignore_patterns("weights", "*.pyc"))
    return site


@pytest.fixture
def weights(installation: Path, tmp_path: Path) -> Path:
    """Weights put where the package has them, rounded so that their sums are exact."""
    path = installation / "anymask" / "checkpoints" / "weights" / "small.safetensors"
    save(Sam(VARIANTS["small"]).bfloat16(), path)
    return path


@pytest.fixture
def load_shipped(tmp_path: Path) -> Callable[[Path], str]:
    def load_shipped(site: Path) -> str:
        environment = os.environ | {"PYTHONPATH": str(site), "ANYMASK_OFFLINE": "1"}
        ran = subprocess.run(
            [sys.executable, "-c", LOAD],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        return ran.stdout.strip()

    return load_shipped


def set_hash(installation: Path, value: str) -> None:
    registry = installation / "anymask" / "checkpoints" / "registry.py"
    lines = registry.read_text().splitlines()
    (line,) = [i for i, text in enumerate(lines) if text.startswith("SMALL_SHA256")]
    lines[line] = f'SMALL_SHA256: str | None = "{value}"'
    registry.write_text("\n".join(lines))


def test_the_shipped_model_loads_with_nothing_downloaded(
    installation: Path, weights: Path, load_shipped: Callable[[Path], str]
):
    set_hash(installation, sha256(weights))
    name, variant, dtype, *sums = load_shipped(installation).split()
    assert (name, variant, dtype) == ("small", "small", "torch.float32")
    assert len(sums) == 1  # however it is asked for, it is the same


@pytest.mark.slow
def test_the_shipped_model_loads_from_a_zipped_installation(
    installation: Path, weights: Path, load_shipped: Callable[[Path], str], tmp_path: Path
):
    set_hash(installation, sha256(weights))
    archive = shutil.make_archive(str(tmp_path / "anymask"), "zip", installation)
    assert load_shipped(Path(archive)).startswith("small small torch.float32 ")


def test_other_weights_than_the_package_was_made_with_are_refused(monkeypatch):
    monkeypatch.setattr(sources, "SMALL_SHA256", "0" * 64)
    with pytest.raises(
        CheckpointError, match=r"small\.safetensors is not the model of this version"
    ):
        load()
    monkeypatch.undo()
    assert load().config.name == "small"  # a file of the installation is not ours to remove


def test_an_installation_without_weights_says_so(
    installation: Path, load_shipped: Callable[[Path], str]
):
    assert load_shipped(installation) == (
        "This installation of anymask lacks the weights of its shipped model; install it again, or "
        "load another model by name or path."
    )


def test_the_shipped_weights_carry_the_configuration_in_the_code() -> None:
    assert load().config == VARIANTS["small"]
