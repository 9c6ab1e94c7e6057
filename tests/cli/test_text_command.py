"""``anymask text``."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

from tests.predict.words.tiny_detectors import tiny_grounding_dino


@pytest.fixture(scope="module")
def detector(tmp_path_factory) -> Path:
    return tiny_grounding_dino(tmp_path_factory.mktemp("detector"))


@pytest.fixture
def photos(tmp_path, scene_file) -> Path:
    """A folder with two images."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("one.png", "two.png"):
        shutil.copy(scene_file, folder / name)
    return folder


def test_words_become_classes_in_all_results_and_a_run_is_resumed(cli, photos, detector, tmp_path):
    asked = ["text", photos, "coin. red cup.", "-o", tmp_path / "out", "--detector", detector]
    done = cli(*asked, "--min-score", 0)
    assert done.exit_code == 0, done.output
    tables = sorted((tmp_path / "out").glob("*.masks.csv"))
    rows = [row for table in tables for row in csv.DictReader(table.open())]
    assert {row["class_name"] for row in rows} <= {"coin", "red cup"}
    assert rows
    coco = json.loads((tmp_path / "out" / "one.masks.json").read_text())
    assert {each["name"] for each in coco["categories"]} <= {"coin", "red cup"}
    assert coco["info"]["text"]["words"] == ["coin", "red cup"]
    again = cli(*asked, "--min-score", 0, "--skip-existing", "--json")
    assert [each["status"] for each in json.loads(again.stdout)["outcomes"]] == ["kept"] * 2
    other = cli(*asked, "--min-score", 0.1, "--skip-existing", "--overwrite", "--json")
    assert json.loads(other.stdout)["done"] == 2


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"words": " . "}, "No words were given"),
        ({"detector": "dyno"}, "There is no detector for words called 'dyno'"),
        ({"detector": "nothing/"}, "There is no detector for words called 'nothing/'"),
    ],
)
def test_what_is_wrong_is_one_sentence(cli, photos, tmp_path, changed, sentence):
    given = {"words": "coin", "detector": "owlv2", **changed}
    done = cli(
        "text", photos, given["words"], "-o", tmp_path / "out", "--detector", given["detector"]
    )
    assert done.exit_code == 2
    assert sentence in " ".join(done.output.split())
    assert not (tmp_path / "out").exists()
