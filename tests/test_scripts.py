"""./demo and ./test: what they say where they cannot go on, and that they reuse what is there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HELPERS = ROOT / "tools" / "environment.sh"


def bash(script: str, **variables: object) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], **{k: str(v) for k, v in variables.items()}}
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f'. "{HELPERS}"\n{script}'],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("script", ["demo", "test", ".ci/run"])
def test_the_scripts_are_executable_bash_without_mistakes_of_syntax(script):
    path = ROOT / script
    assert os.access(path, os.X_OK)
    assert path.read_text(encoding="utf-8").startswith("#!/usr/bin/env bash\n")
    subprocess.run(["bash", "-n", str(path)], check=True)


def test_an_interpreter_that_is_too_old_is_named(tmp_path):
    old = tmp_path / "python"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = bash(f'prepare_environment "{ROOT}"', PYTHON=old, ANYMASK_VENV=tmp_path / "venv")
    assert done.returncode == 1
    assert f"PYTHON={old} is not a Python 3.11 or newer." in done.stderr
    assert not (tmp_path / "venv").exists()


def test_a_python_without_venv_names_the_package_to_install(tmp_path):
    # As Debian's python3 is before python3-venv is installed.
    bare = tmp_path / "python"
    bare.write_text(
        f'#!/bin/sh\ncase "$2" in *ensurepip*) exit 1;; esac\nexec "{sys.executable}" "$@"\n'
    )
    bare.chmod(0o755)
    done = bash(f'prepare_environment "{ROOT}"', PYTHON=bare, ANYMASK_VENV=tmp_path / "venv")
    assert done.returncode == 1
    assert "apt-get install python3-venv" in done.stderr
    assert not (tmp_path / "venv").exists()


@pytest.mark.parametrize(
    ("requirement", "found"),
    [
        ('nvidia-cudnn-cu13==9.1; platform_system == "Linux"', "nvidia-cudnn-cu13"),
        ("cuda-bindings>=13", "cuda-bindings"),
        ('nvidia-cudnn-cu13==9.1; platform_system == "Plan9"', ""),
        ("filelock", ""),
    ],
)
def test_packages_of_the_cuda_build_are_told_from_others(tmp_path, requirement, found):
    plan = {"install": [{"metadata": {"requires_dist": ["sympy>=1.13", requirement]}}]}
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    done = bash(f'VENV="{sys.prefix}"; cuda_packages <"{tmp_path}/plan.json"')
    assert (done.returncode, done.stdout.strip()) == (0, found)


def test_an_environment_made_from_the_same_files_is_reused(tmp_path):
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").symlink_to(sys.executable)
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    (tmp_path / "constraints.txt").write_text("torch==2.13.0\n")
    stamp = f'echo "{tmp_path} $(cat "{tmp_path}"/{{pyproject.toml,constraints.txt}} | sha256sum)"'
    bash(f'{stamp} >"{venv}/anymask-stamp"')
    done = bash(f'prepare_environment "{tmp_path}"; echo "$VENV"', ANYMASK_VENV=venv)
    assert (done.returncode, done.stdout) == (0, f"{venv}\n")

    # Other constraints, and it would install again: here, fail for want of an interpreter.
    (tmp_path / "constraints.txt").write_text("torch==2.12.0\n")
    (venv / "bin" / "python").unlink()
    done = bash(
        f'prepare_environment "{tmp_path}"', ANYMASK_VENV=venv, PYTHON=tmp_path / "no_python"
    )
    assert done.returncode == 1
