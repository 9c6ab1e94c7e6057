"""tools/release.py on a small repository: what it refuses, what it makes, what it leaves alone."""

from __future__ import annotations

import datetime
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from tools import distribution

ROOT = Path(__file__).parents[1]

FILES = {
    "pyproject.toml": """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"
[project]
name = "anymask"
dynamic = ["version"]
description = "A small package"
readme = "README.md"
requires-python = ">=3.11"
license = "Apache-2.0"
license-files = ["LICENSE"]
[project.urls]
Homepage = "https://github.com/anymask/anymask"
[tool.setuptools.dynamic]
version = { attr = "anymask.__version__" }
[tool.setuptools.packages.find]
where = ["src"]
""",
    "README.md": "# Small\n\n[changes](https://github.com/anymask/anymask)\n",
    "LICENSE": "Free.\n",
    "MANIFEST.in": "include CHANGELOG.md\nprune tests\n",
    "constraints.txt": "",
    ".gitignore": "dist/\n",
    "CHANGELOG.md": (
        "# Changelog\n\n## Unreleased\n\n### Added\n\n- Wings.\n\n## 0.1.0 - 2026-01-01\n\n- All.\n"
    ),
    "CITATION.cff": "version: 0.1.0\n",
    "conda/recipe.yaml": 'context:\n  version: "0.1.0"\n',
    "src/anymask/__init__.py": '__version__ = "0.1.0"\n',
    "tests/test_small.py": "def test_small():\n    pass\n",
    "tools/try_install.py": "import sys, anymask\nassert anymask.__version__ == sys.argv[1]\n",
}


def git(root: Path, *words: str) -> str:
    return subprocess.run(
        ["git", *words], cwd=root, capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.fixture
def repository(tmp_path) -> Path:
    """A package of one module with the tools of this repository, committed."""
    root = tmp_path / "small"
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    for name in ("release.py", "distribution.py"):
        shutil.copy(ROOT / "tools" / name, root / "tools")
    git(root, "init", "--quiet", "--initial-branch=main")
    git(root, "config", "user.name", "Someone")
    git(root, "config", "user.email", "someone@example.org")
    commit(root)
    return root


def commit(root: Path) -> None:
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "A change")


def release(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "tools/release.py", *words, "--no-isolation"]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, env=dict(os.environ))


def state(root: Path) -> tuple[str, str, str]:
    return git(root, "rev-parse", "HEAD"), git(root, "tag"), git(root, "status", "--porcelain")


@pytest.mark.parametrize(
    ("version", "reason"),
    [
        ("next", "next is not a version such as 0.2.0 or 0.2.0rc1."),
        ("v0.2.0", "Write the version as 0.2.0, not v0.2.0."),
        ("0.1.0", "Version 0.1.0 exists already; choose a later one."),
        ("0.0.9", "Version 0.0.9 is not later than 0.1.0, the last one."),
    ],
)
def test_a_version_that_cannot_be_the_next_is_refused(repository, version, reason):
    before = state(repository)
    done = release(repository, version)
    assert (done.returncode, done.stderr) == (1, f"release: {reason}\n")
    assert state(repository) == before


def test_a_version_that_is_only_a_tag_exists_too(repository):
    git(repository, "tag", "v0.2.0")
    done = release(repository, "0.2.0")
    assert done.stderr == "release: Version 0.2.0 exists already; choose a later one.\n"


def test_changes_that_are_not_committed_are_refused(repository):
    (repository / "new_file.py").touch()
    done = release(repository, "0.2.0")
    assert done.stderr == ("release: The working tree has changes; commit or remove them first.\n")


def test_an_empty_unreleased_section_is_refused(repository):
    text = FILES["CHANGELOG.md"].replace("- Wings.\n", "")
    (repository / "CHANGELOG.md").write_text(text)
    commit(repository)
    done = release(repository, "0.2.0")
    assert done.stderr == (
        "release: Unreleased in CHANGELOG.md is empty; there is nothing to release.\n"
    )


@pytest.mark.slow
def test_a_release_is_built_tried_committed_and_tagged_and_a_dry_run_changes_nothing(repository):
    before = state(repository)
    dry = release(repository, "0.2.0", "--dry-run")
    assert dry.returncode == 0, dry.stdout + dry.stderr
    assert "+version: 0.2.0" in dry.stdout
    assert state(repository) == before
    assert not (repository / "dist").exists()

    done = release(repository, "0.2.0")
    assert done.returncode == 0, done.stdout + done.stderr
    assert git(repository, "status", "--porcelain") == ""
    assert git(repository, "log", "--format=%s") == "Release 0.2.0\nA change"
    assert git(repository, "rev-parse", "v0.2.0^{commit}") == git(repository, "rev-parse", "HEAD")
    notes = git(repository, "tag", "--list", "--format=%(contents)", "v0.2.0")
    assert notes == "anymask 0.2.0\n\n### Added\n\n- Wings."
    today = datetime.date.today().isoformat()
    changelog = (repository / "CHANGELOG.md").read_text()
    assert f"## Unreleased\n\n## 0.2.0 - {today}\n\n### Added\n\n- Wings.\n" in changelog
    for name in ("CITATION.cff", "conda/recipe.yaml", "src/anymask/__init__.py"):
        text = (repository / name).read_text()
        assert "0.2.0" in text
        assert "0.1.0" not in text
    wheel, sdist = "anymask-0.2.0-py3-none-any.whl", "anymask-0.2.0.tar.gz"
    assert {path.name for path in (repository / "dist").iterdir()} == {wheel, sdist}
    with zipfile.ZipFile(repository / "dist" / wheel) as archive:
        assert "anymask/__init__.py" in archive.namelist()
    with tarfile.open(repository / "dist" / sdist) as archive:
        assert "anymask-0.2.0/CHANGELOG.md" in archive.getnames()


@pytest.mark.slow
def test_faults_of_the_built_files_stop_the_release_and_leave_no_trace(repository):
    (repository / "src" / "anymask" / "numbers.txt").write_text("left out by setuptools")
    (repository / "README.md").write_text("# Small\n\n![shown](docs/shown.png)\n")
    commit(repository)
    before = state(repository)
    done = release(repository, "0.2.0")
    assert done.returncode == 1
    assert "py3-none-any.whl lacks anymask/numbers.txt of src/." in done.stderr
    assert "The README links to docs/shown.png, which is not absolute." in done.stderr
    assert done.stderr.endswith("release: The build failed its checks; see above.\n")
    assert state(repository) == before


def test_a_wheel_of_more_than_25_mb_is_a_problem(tmp_path):
    wheel = tmp_path / "anymask-1.0-py3-none-any.whl"
    for size, problems in [
        (25_000_000, []),
        (25_100_000, [f"{wheel.name} has 25.1 MB; at most 25 MB are allowed."]),
    ]:
        with wheel.open("wb") as file:
            file.truncate(size)
        assert distribution.size_problems(wheel) == problems


@pytest.mark.slow
def test_a_wheel_that_does_not_work_once_installed_stops_the_release(repository):
    (repository / "tools" / "try_install.py").write_text("import anymask\nanymask.load()\n")
    commit(repository)
    before = state(repository)
    done = release(repository, "0.2.0")
    assert done.returncode == 1
    assert "distribution: The trial failed; its messages are above.\n" in done.stderr
    assert state(repository) == before
