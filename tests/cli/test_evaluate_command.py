"""``anymask evaluate``, run as a user would."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import anymask
from anymask.checkpoints.registry import SMALL_SHA256
from anymask.cli.app import app
from anymask.cli.evaluate import parse_prompts
from anymask.errors import AnymaskError

ODD = os.fsdecode(b"caf\xe9")
"""A file name that is not UTF-8."""


def write_discs(folder, scene, names):
    """Write a data set of two images with two discs each."""
    y, x = np.ogrid[: scene.shape[0], : scene.shape[1]]
    labels = np.zeros(scene.shape[:2], np.uint8)
    labels[(x - 60) ** 2 + (y - 60) ** 2 < 30**2] = 1
    labels[(x - 170) ** 2 + (y - 100) ** 2 < 45**2] = 2
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    for name, step in zip(names, (1, -1), strict=True):
        Image.fromarray(scene[:, ::step]).save(folder / "images" / f"{name}.png")
        Image.fromarray(labels[:, ::step]).save(folder / "masks" / f"{name}.png")
    return folder


@pytest.fixture
def discs(tmp_path, scene):
    """A data set of two images with two discs each."""
    return write_discs(tmp_path / "discs", scene, "ab")


@pytest.fixture(scope="module")
def whole(model, scene, tmp_path_factory):
    """Boxes and everything, measured on such a set with odd names: data, output, and results."""
    folder = tmp_path_factory.mktemp("whole")
    data = write_discs(folder / f"{ODD} [red]", scene, (ODD, "b"))
    words = ["evaluate", "--model", model, "--data", data, "-o", folder / "out", "--components"]
    words += ["--prompts", "box,everything", "--baselines", "ellipse,filled_box"]
    words += ["--dtype", "float32"]
    result = CliRunner().invoke(app, list(map(str, words)), env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    return data, result.stdout, folder / "out"


def test_json_has_the_figures_of_model_and_baselines(cli, model, discs):
    result = cli("evaluate", "--model", model, "--data", discs, "--json", "--dtype", "float32")
    assert result.exit_code == 0
    data = json.loads(result.stdout)
    assert data["counts"] == {"discs": {"images": 2, "objects": 4}}
    means = data["figures"]["iou"]["mean_over_sets"]
    assert means["ellipse"] > 0.95
    assert means["filled_box"] == pytest.approx(np.pi / 4, abs=0.02)
    for name in ("click1_single", "click1_oracle", "click3", "click5", "box", "grabcut_click"):
        assert 0 <= means[name] <= 1
    assert data["model"]["dtype"] == "float32"


def test_two_runs_write_the_same_json_and_page(cli, model, discs, tmp_path):
    written = []
    for name in ("one", "two"):
        result = cli(
            *("evaluate", "--model", model, "--data", discs, "-o", tmp_path / name),
            *("--prompts", "point,box", "--baselines", "ellipse", "--dtype", "float32"),
        )
        assert result.exit_code == 0
        assert "Mean IoU" in result.stdout
        files = sorted((tmp_path / name).iterdir())
        assert [f.name for f in files] == ["evaluation.html", "evaluation.json"]
        written.append([f.read_bytes() for f in files])
    assert written[0] == written[1]


def test_only_the_given_prompts_are_measured(cli, model, discs):
    result = cli(
        *("evaluate", "--model", model, "--data", discs, "--prompts", "box", "--json"),
        *("--baselines", "none", "--limit", 1, "--max-objects", 1),
    )
    data = json.loads(result.stdout)
    assert list(data["figures"]["iou"]["mean_over_sets"]) == ["box"]
    assert data["counts"] == {"discs": {"images": 1, "objects": 1}}
    assert data["everything"]["by_set"] == {}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--prompts", "guess"], "'guess' is not one of point, box, clicks:N, everything"),
        (["--prompts", ","], "is empty"),
        (["--baselines", "magic"], "no baseline 'magic'"),
        (["--min-area", "99999"], "None of the images has an object of 99999 pixels or more"),
    ],
)
def test_mistakes_give_a_sentence(cli, model, discs, options, says):
    result = cli("evaluate", "--model", model, "--data", discs, *options)
    assert result.exit_code == 2
    assert says in result.stderr.replace("\n", " ")


def test_a_folder_without_masks_gives_a_sentence(cli, model, tmp_path):
    result = cli("evaluate", "--model", model, "--data", tmp_path)
    assert result.exit_code == 2
    assert "No image with masks" in result.stderr


def test_bad_images_are_named_and_left_out_and_the_rest_is_measured(cli, model, discs, tmp_path):
    expected = measured_by_box(cli, model, discs)
    (discs / "images" / "c.png").write_bytes(b"no picture")
    (discs / "masks" / "c.png").write_bytes((discs / "masks" / "a.png").read_bytes())
    Image.fromarray(np.zeros((50, 60, 3), np.uint8)).save(discs / "images" / "d.png")
    (discs / "masks" / "d.png").write_bytes((discs / "masks" / "a.png").read_bytes())
    result = cli(
        *("evaluate", "--model", model, "--data", discs, "--dtype", "float32"),
        *("--prompts", "box", "--baselines", "ellipse", "-o", tmp_path / "out"),
    )
    assert result.exit_code == 1
    for text in (result.stderr, (tmp_path / "out" / "evaluation.html").read_text()):
        assert text.count(str(discs / "images" / "c.png")) == 1
        assert "60×50" in text
    assert "discs/c" in result.stdout
    data = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert [bad["file"] for bad in data["unreadable"]] == [
        str(discs / "images" / f"{name}.png") for name in "cd"
    ]
    assert data["counts"] == {"discs": {"images": 2, "objects": 4}}
    assert data["figures"]["iou"]["by_set"]["discs"]["box"] == pytest.approx(expected, abs=1e-6)


def test_if_no_image_is_left_the_command_fails_and_writes_nothing(cli, model, discs, tmp_path):
    for name in "ab":
        (discs / "images" / f"{name}.png").write_bytes(b"no picture")
    result = cli("evaluate", "--model", model, "--data", discs, "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert result.stderr.startswith("2 of 2 images cannot be used (a: ")
    assert result.stderr.endswith("; likewise b); fix or remove them.\n")
    assert not (tmp_path / "out").exists()


def test_images_without_masks_and_masks_without_images_are_reported(cli, model, discs):
    for name in ("one", "two", "three", "four"):
        (discs / "images" / f"{name}.png").write_bytes((discs / "images" / "a.png").read_bytes())
    (discs / "masks" / "orphan.png").write_bytes((discs / "masks" / "a.png").read_bytes())
    result = cli(
        *("evaluate", "--model", model, "--data", discs, "--prompts", "box", "--json"),
        *("--baselines", "none"),
    )
    assert result.exit_code == 0
    assert "4 images without masks are left out: four.png, one.png, three.png, …" in result.stderr
    assert "1 file without its image is left out: orphan.png." in result.stderr
    unused = json.loads(result.stdout)["unused"]
    assert (unused["without_masks"]["count"], unused["without_image"]["count"]) == (4, 1)


def test_a_name_that_is_not_utf_8_is_escaped_and_can_be_read_back(whole):
    _, told, out = whole
    assert "caf\\udce9 [red]" in told
    data = json.loads((out / "evaluation.json").read_text(encoding="utf-8"))
    assert {each["image"] for each in data["objects"]} == {ODD, "b"}
    assert "caf\\udce9" in (out / "evaluation.html").read_text(encoding="utf-8")


def test_the_json_has_all_settings_and_the_hash_of_the_model(whole, model):
    place, _, out = whole
    data = json.loads((out / "evaluation.json").read_text(encoding="utf-8"))
    settings = data["settings"]
    assert settings["data"] == [str(place)]
    assert settings["components"] is True
    assert settings["baselines"] == ["ellipse", "filled_box"]
    assert settings["everything"]["pred_iou_thresh"] == 0.88
    assert data["model"]["model"] == str(model)
    assert data["model"]["anymask"] == anymask.__version__
    assert data["model"]["weights_sha256"] == hashlib.sha256(model.read_bytes()).hexdigest()


def test_the_shipped_model_is_named_with_the_beginning_of_its_hash(cli, discs, tmp_path):
    result = cli(
        *("evaluate", "--data", discs, "--limit", 1, "--max-objects", 1, "-o", tmp_path / "out"),
        *("--prompts", "box", "--baselines", "none"),
    )
    assert f"Model small, weights sha256 {SMALL_SHA256[:12]}, input size 512" in result.stdout
    data = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert data["model"]["weights_sha256"] == SMALL_SHA256
    assert f"<dd>{SMALL_SHA256[:12]}</dd>" in (tmp_path / "out" / "evaluation.html").read_text()


def test_everything_has_figures_and_thumbnails_of_each_image(whole):
    data, _, out = whole
    everything = json.loads((out / "evaluation.json").read_text())["everything"]
    assert sorted((e["set"], e["image"], e["objects"]) for e in everything["images"]) == [
        (data.name, "b", 2),
        (data.name, ODD, 2),
    ]
    overlaps = [e["mean_best_overlap"] for e in everything["images"]]
    mean = everything["by_set"][data.name]["mean_best_overlap"]
    assert np.mean(overlaps) == pytest.approx(mean, abs=2e-6)
    page = (out / "evaluation.html").read_text()
    _, _, whole_images = page.partition("Worst whole images by mean best overlap")
    assert whole_images.count("data:image/jpeg;base64,") == 4  # both as the worst and as the best


def test_the_evaluation_page_names_existing_json_keys_and_options(cli, model, discs, tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", page, re.S)
    lines = [line for block in blocks for line in block.splitlines()]
    assert len(lines) == 2
    for line in lines:
        words = shlex.split(line.replace("mine.pth", str(model)).replace(" report/", " {out}"))
        words = [w.replace("{out}", str(tmp_path / "out")) for w in words[1:]]
        words[words.index("--data") + 1] = str(discs)
        assert cli(*words, "--limit", 1, "--max-objects", 1).exit_code == 0
    data = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    for names in re.findall(r"`(everything\.\w+|calibration\.\w+|unreadable|unused)`", page):
        found = data
        for name in names.split("."):
            assert name in found
            found = found[name]


def measured_by_box(cli, model, data):
    result = cli(
        *("evaluate", "--model", model, "--data", data, "--dtype", "float32", "--json"),
        *("--prompts", "box", "--baselines", "none"),
    )
    return json.loads(result.stdout)["figures"]["iou"]["by_set"]["discs"]["box"]


def test_prompts_are_read_in_any_order_and_the_most_clicks_count():
    assert parse_prompts("everything, clicks:3,point") == (3, False, True)
    assert parse_prompts("clicks:12,clicks:2") == (12, False, False)
    for wrong in ("clicks:0", "clicks:", "clicks:2.5", "5", "clicks:101"):
        with pytest.raises(AnymaskError):
            parse_prompts(wrong)
