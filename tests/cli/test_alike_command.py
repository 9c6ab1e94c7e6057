"""``anymask alike``."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from anymask import load_masks
from anymask.cli.app import app


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, shift in (("a", 0), ("b", 8)):
        picture = np.full((100, 140, 3), 40, np.uint8)
        for y, x in ((15, 15), (15, 70), (60, 40)):
            picture[y + shift : y + shift + 24, x : x + 24] = (200, 60, 40)
        Image.fromarray(picture).save(folder / f"{name}.png")
    return folder


def test_objects_are_found_in_a_folder_and_answers_make_it_go_on(photos, tmp_path):
    run, out = CliRunner().invoke, tmp_path / "out"
    call = ["alike", str(photos), "-o", str(out), "--points-per-side", "10", "--json"]
    example = ["--example", f"{photos}/a.png:box=15,15,39,39"]
    first = run(app, [*call, *example, "--active"])
    assert first.exit_code == 0, first.output
    for name, shift in (("a", 0), ("b", 8)):
        labels = load_masks(out / f"{name}.masks.json").to_labels()
        for y, x in ((15, 15), (15, 70), (60, 40)):
            assert labels[y + shift + 12, x + 12] > 0
        with (out / f"{name}.masks.csv").open() as file:
            assert all(0 <= float(row["likeness"]) <= 1 for row in csv.DictReader(file))
    with (out / "least_certain.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {"image", "likeness", "threshold", "taken", "box"} == set(rows[0])

    # The first row is an answer as it stands. The same again is skipped; with an answer, it is not.
    same = run(app, [*call, *example, "--skip-existing"])
    assert {each["status"] for each in json.loads(same.stdout)["outcomes"]} == {"kept"}
    answer = ["--not", f"{rows[0]['image']}:box={rows[0]['box']}"]
    more = run(app, [*call, *example, *answer, "--skip-existing", "--overwrite"])
    assert {each["status"] for each in json.loads(more.stdout)["outcomes"]} == {"done"}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ([], "No example is shown"),
        (["--example", "box=1,2,3,4"], "is not IMAGE:box="),
        (["--example", "none.png:box=1,2,3,4"], "There is no file none.png"),
        (["--example", "{a}:box=1,2,3"], "is not a box in pixels"),
    ],
)
def test_mistakes_are_told_before_anything_is_done(photos, tmp_path, options, sentence):
    options = [each.replace("{a}", f"{photos}/a.png") for each in options]
    result = CliRunner().invoke(app, ["alike", str(photos), "-o", str(tmp_path / "o"), *options])
    assert result.exit_code != 0
    assert sentence in " ".join(result.output.split())
