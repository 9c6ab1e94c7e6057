"""The examples on the page about training data work."""

from __future__ import annotations

import doctest
import re
import shlex
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from anymask.cli.dataset import app
from anymask.io.results import write_results
from anymask.masks.mask_set import MaskSet
from tests.datasets.drawn_sets import noise, save, two_discs, write_busi, write_pairs

PAGE = (Path(__file__).parents[2] / "docs" / "training_data.md").read_text(encoding="utf-8")
LINES = [
    shlex.split(line)[2:]
    for block in re.findall(r"```sh\n(.*?)```", PAGE, re.S)
    for line in block.splitlines()
    if line.startswith("anymask dataset")
]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with the data that the page uses."""
    monkeypatch.chdir(tmp_path)
    write_pairs(tmp_path / "cells", 12)
    write_busi(tmp_path / "BUSI")
    shutil.make_archive("busi", "zip", "BUSI")
    for i in range(12):
        save(tmp_path / "scans" / f"p{i // 3}_{i}.png", noise(i, two_discs()))
        save(tmp_path / "scans" / f"p{i // 3}_{i}_mask.png", two_discs())
        image = noise(50 + i, two_discs())
        save(tmp_path / "photos" / f"{i}.png", image)
        masks = MaskSet.from_labels(two_discs())
        write_results(tmp_path / "photos" / str(i), image, masks, image_name=f"{i}.png")
    return tmp_path


def test_the_examples_give_the_shown_results(here):
    examples = doctest.DocTestParser().get_doctest(PAGE, {}, "training_data.md", None, 0)
    assert len(examples.examples) > 8
    assert doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(examples).failed == 0


@pytest.mark.parametrize("words", LINES, ids=" ".join)
def test_a_command_runs(here, words):
    assert CliRunner().invoke(app, words).exit_code == 0
