"""The files beside the package, for indexes, containers and GitHub, agree with pyproject.toml."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from tools import public_names

import anymask

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
# Packages that conda-forge calls otherwise than the index.
CONDA_NAMES = {"torch": "pytorch"}


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def python_versions() -> list[str]:
    """The versions of Python that the classifiers name."""
    found = [re.fullmatch(r".* :: Python :: (3\.\d+)", text) for text in PROJECT["classifiers"]]
    return [match[1] for match in found if match]


def steps_of(workflow: Path) -> list[dict]:
    jobs = yaml.safe_load(workflow.read_text(encoding="utf-8"))["jobs"]
    return [step for job in jobs.values() for step in job["steps"]]


def test_the_page_on_compatibility_lists_the_public_names_as_they_are():
    text = text_of("docs/api_policy.md")
    assert text == public_names.with_names(text), "run python tools/public_names.py"
    listed = re.search(r"<!-- public names -->(.*)<!-- end -->", text, re.S)[1]
    assert set(re.findall(r"`(\w+)`", listed)) == set(anymask.__all__)


def test_the_conda_recipe_needs_what_pyproject_needs():
    recipe = yaml.safe_load(text_of("conda/recipe.yaml"))
    assert recipe["context"]["version"] == anymask.__version__
    assert f">={recipe['context']['python_min']}" == PROJECT["requires-python"]
    wanted = {
        CONDA_NAMES.get(each.name, each.name): each.specifier
        for each in map(Requirement, PROJECT["dependencies"])
    }
    lines = [line.partition(" ") for line in recipe["requirements"]["run"]]
    listed = {name: SpecifierSet(limits) for name, _, limits in lines if name != "python"}
    assert listed == wanted
    (command,) = recipe["build"]["python"]["entry_points"]
    assert dict([command.split(" = ")]) == PROJECT["scripts"]
    about = recipe["about"]
    assert (about["summary"], about["license"]) == (PROJECT["description"], PROJECT["license"])
    assert about["homepage"] == PROJECT["urls"]["Homepage"]


def test_the_image_installs_the_package_of_this_folder_and_runs_without_rights():
    text = text_of("Dockerfile").replace("\\\n", " ")
    lines = [line.partition(" ")[::2] for line in text.splitlines() if line[:1].isupper()]
    bases = [rest for word, rest in lines if word == "FROM" and not rest.startswith("command")]
    versions = {re.match(r"python:([\d.]+)-slim", base)[1] for base in bases}
    assert len(versions) == 1
    assert versions <= set(python_versions())
    kept = {line[1:] for line in text_of(".dockerignore").splitlines() if line.startswith("!")}
    copied = {
        name
        for word, rest in lines
        if word == "COPY" and "--from" not in rest
        for name in rest.split()[:-1]
    }
    assert copied == kept
    assert all((ROOT / name).exists() for name in copied)
    extras = re.search(r'-c constraints\.txt "\.\[([\w,]+)\]"', text)[1].split(",")
    assert {"web"} <= set(extras) <= set(PROJECT["optional-dependencies"])
    said = dict(lines)
    assert said["ENTRYPOINT"] == '["anymask"]'
    assert "anymask" in PROJECT["scripts"]
    assert int(said["USER"]) > 0
    assert lines[-1] == ("FROM", "command")  # what is built by default


def test_hadolint_has_nothing_to_say_about_the_image():
    hadolint = shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("hadolint is not installed")
    done = subprocess.run([hadolint, ROOT / "Dockerfile"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_of_the_server_starts_with_a_token_and_finds_itself_healthy(tmp_path):
    stage = text_of("Dockerfile").replace("\\\n", " ").partition(" AS serve")[2]
    command = json.loads(re.search(r"^CMD (\[.*\])", stage, re.M)[1])
    check = json.loads(re.search(r"^HEALTHCHECK .*? CMD (\[.*\])", stage, re.M)[1])
    port = command[command.index("--port") + 1]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        other = str(free.getsockname()[1])
    photos = tmp_path / "photos"
    photos.mkdir()
    ours = {"/data": str(photos), port: other}
    secret = "a-token-of-the-container"
    environment = {**os.environ, "ANYMASK_TOKEN": secret, "ANYMASK_HOME": str(tmp_path / "models")}
    log = tmp_path / "log"
    with log.open("w") as out:
        server = subprocess.Popen(
            [sys.executable, "-m", "anymask", *(ours.get(word, word) for word in command)],
            env=environment, stdout=out, stderr=out,
        )  # fmt: skip
    try:
        checked = [sys.executable, "-c", check[2].replace(port, other)]
        until = time.monotonic() + 120
        while subprocess.run(checked, capture_output=True).returncode:
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(f"http://127.0.0.1:{other}/v1/status")
        asked = urllib.request.Request(
            f"http://127.0.0.1:{other}/v1/status", headers={"Authorization": f"Bearer {secret}"}
        )
        assert json.loads(urllib.request.urlopen(asked).read())["session"] == "photos"
    finally:
        server.terminate()
        server.wait()
    assert not (tmp_path / "models").exists()  # nothing is written outside the served folder


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_runs_scripts_that_exist(workflow):
    ran = [shlex.split(step["run"])[:2] for step in steps_of(workflow) if "run" in step]
    ours = [word for words in ran for word in words if re.fullmatch(r"(\./|\.ci/|tools/).+", word)]
    assert ours
    assert [word for word in ours if not (ROOT / word).is_file()] == []


@pytest.mark.parametrize("name", ["test", "wheel"])
def test_a_workflow_covers_every_system_and_version_that_the_classifiers_name(name):
    jobs = yaml.safe_load(text_of(f".github/workflows/{name}.yml"))["jobs"].values()
    matrices = [job["strategy"]["matrix"] for job in jobs if "strategy" in job]
    assert all(matrix["python"] == python_versions() for matrix in matrices)
    systems = {system for matrix in matrices for system in matrix.get("os", ["ubuntu-latest"])}
    assert systems == {"ubuntu-latest", "macos-latest", "windows-latest"}


@pytest.mark.parametrize("form", ["bug_report", "feature_request"])
def test_an_issue_form_has_a_name_and_questions_with_labels(form):
    content = yaml.safe_load(text_of(f".github/ISSUE_TEMPLATE/{form}.yml"))
    assert content["name"]
    assert content["description"]
    ids = [part["id"] for part in content["body"]]
    assert len(ids) == len(set(ids))
    assert all(part["attributes"]["label"] for part in content["body"])
    assert any(part.get("validations", {}).get("required") for part in content["body"])


def test_pre_commit_checks_with_the_versions_of_constraints_txt():
    (repo,) = yaml.safe_load(text_of(".pre-commit-config.yaml"))["repos"]
    assert [hook["id"] for hook in repo["hooks"]] == ["ruff", "ruff-format", "mypy"]
    pinned = {pin for hook in repo["hooks"] for pin in hook.get("additional_dependencies", [])}
    assert pinned
    assert pinned <= set(text_of("constraints.txt").splitlines())
