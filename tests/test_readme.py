"""What the README shows works as it stands there."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
import skimage
import typer

from anymask.cli.app import app

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.S)


def shell_lines() -> list[list[str]]:
    lines = [
        shlex.split(line, comments=True) for block in blocks("sh") for line in block.split("\n")
    ]
    return [words for words in lines if words and words[0] == "anymask"]


def test_the_python_example_finds_the_cup_and_paints_the_image(tmp_path, monkeypatch):
    shutil.copy(Path(skimage.__file__).parent / "data" / "coffee.png", tmp_path)
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(blocks("python")[0], names)
    assert names["masks"].shape == (3, 400, 600)
    assert names["labels"].shape == (400, 600)
    assert names["labels"].max() == len(names["table"]) == len(names["found"]) > 0
    assert np.any(names["painted"] != names["image"])


@pytest.mark.parametrize("words", shell_lines(), ids=" ".join)
def test_a_shell_line_is_understood(words):
    command, words = typer.main.get_command(app), words[1:]
    while hasattr(command, "commands"):
        command, name, *words = command.commands[words[0]], *words
    context = command.make_context(name, words)
    assert context.params


def test_the_python_example_is_ten_lines_long():
    assert len(blocks("python")[0].strip().split("\n")) == 10


def test_links_are_absolute_and_lead_to_files_that_exist():
    # The package index shows the README too, and resolves no relative link.
    root = Path(__file__).parents[1]
    ours = re.compile(
        r"https://(?:raw\.githubusercontent\.com/anymask/anymask|github\.com/anymask/anymask/blob)"
        r"/main/([^#]+)"
    )
    targets = re.findall(r"\]\(([^)]+)\)", README)
    files = [match[1] for match in map(ours.match, targets) if match]
    assert "docs/images/demo.png" in files
    assert [target for target in targets if not target.startswith(("https://", "#"))] == []
    for file in [*files, "CITATION.cff", "demo", "test"]:
        assert (root / file).exists(), file


def test_the_readme_begins_with_an_image_and_three_commands():
    parts = ("![", "pip install .", "anymask gui")
    image, install, commands = (README.index(each) for each in parts)
    assert image < install < commands < README.index("\n## ")
    first = blocks("sh")[0].strip().split("\n")
    assert [line.split()[:2] for line in first] == [
        ["pip", "install"],
        ["anymask", "everything"],
        ["anymask", "segment"],
        ["anymask", "gui"],
    ]
