"""`anymask dataset check`: what it prints, writes and refuses."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from anymask.cli.dataset import app
from anymask.datasets import contact_sheet, open_dataset, read_split
from tests.datasets.drawn_sets import noise, save, two_discs, write_busi, write_pairs


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(app, [str(a) for a in arguments], prog_name="anymask dataset")
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


@pytest.fixture
def cells(tmp_path):
    return write_pairs(tmp_path / "cells", 12)


def test_a_good_data_set_is_counted_without_problems(cells):
    result = run("check", cells)
    assert result.exit_code == 0
    for words in ("Images", "12", "24; 2 per image", "pixels, all of one size", "Nothing looks"):
        assert words in result.stdout
    assert result.stderr == ""


def test_problems_go_to_stderr_one_per_line_and_unusable_images_exit_1(cells):
    save(cells / "masks" / "03.png", two_discs()[:-1])
    (cells / "masks" / "04.png").unlink()
    result = run("check", cells)
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    assert lines[0].startswith("- 1 image cannot be used: cells/03 (A mask of")
    assert lines[1] == f"- 1 image without masks: {cells / 'images' / '04.png'}."
    assert "Nothing looks" not in result.stdout


def test_json_has_the_figures_the_fingerprint_and_the_split(tmp_path):
    result = run("check", write_busi(tmp_path / "BUSI"), "--json", "--split", "0.25")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert (found["images"], found["objects"]) == (4, 6)
    assert found["sets"] == {"benign": 2, "malignant": 2}
    assert found["empty"] == ["normal/normal (1)"]
    assert found["split"] == {"train": 3, "validation": 1}
    with pytest.warns(UserWarning, match="contain no object"):
        assert found["fingerprint"] == open_dataset(tmp_path / "BUSI").fingerprint()
    assert result.stderr == ""


def test_the_contact_sheet_is_written_as_png(cells, tmp_path):
    path = tmp_path / "new" / "sheet.png"
    result = run("check", cells, "--sheet", path)
    assert f"Written: {path}" in result.stdout.replace("\n", "")
    expected = contact_sheet(open_dataset(cells))
    np.testing.assert_array_equal(np.asarray(Image.open(path)), expected)


def test_a_split_by_group_is_saved_and_then_used(tmp_path):
    folder = tmp_path / "scans"
    for i in range(12):
        save(folder / "images" / f"p{i // 3}_{i}.png", noise(i, two_discs()))
        save(folder / "masks" / f"p{i // 3}_{i}.png", two_discs())
    path = folder / "split.json"
    options = ("--split", 0.25, "--group", r"p(\d)", "--seed", 3, "--write", path)
    result = run("check", folder, *options)
    assert "9 to train on, 3 held out" in result.stdout
    split = read_split(path)
    assert (split.seed, split.fraction, split.group) == (3, 0.25, r"p(\d)")
    assert len({key.split("/")[1][:2] for key in split.validation}) == 1
    assert open_dataset(folder, split="validation").keys == list(split.validation)
    assert "9 to train on, 3 held out" in run("check", folder).stdout


def test_copies_in_both_declared_halves_are_reported(tmp_path):
    write_pairs(tmp_path / "train", 10)
    write_pairs(tmp_path / "val", 1, first=4)
    result = run("check", tmp_path)
    assert "1 pair of the same or almost the same image" in result.stderr
    assert "train/04 and val/04" in result.stderr


def test_classes_of_label_values_are_counted(cells):
    (cells / "classes.txt").write_text("large\nsmall\n")
    found = json.loads(run("check", cells, "--semantic", "--json").stdout)
    assert {name: c["objects"] for name, c in found["classes"].items()} == {
        "large": 12,
        "small": 12,
    }
    table = run("check", cells, "--semantic").stdout
    assert "large" in table
    assert "Share of pixels" in table


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--write", "x.json"), "add --split with the share"),
        (("--group", "folder"), "add --split with the share"),
        (("--split", "1.5"), "between 0 and 1"),
        (("--components", "--semantic"), "cannot be combined"),
        (("--sheet", "x.jpg"), "must end in .png"),
    ],
)
def test_options_that_make_no_sense_give_a_sentence(cells, options, says):
    result = run("check", cells, *options)
    assert result.exit_code == 2
    assert says in result.stderr


def test_a_missing_folder_gives_a_sentence(tmp_path):
    result = run("check", tmp_path / "nowhere")
    assert result.exit_code == 2
    assert "There is no file or folder" in result.stderr
