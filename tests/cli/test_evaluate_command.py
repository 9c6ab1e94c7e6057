"""``anymask evaluate``, run as a user would."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from anymask.cli.evaluate import parse_prompts
from anymask.errors import AnymaskError


@pytest.fixture
def discs(tmp_path, scene):
    """A data set of two images with two discs each."""
    y, x = np.ogrid[: scene.shape[0], : scene.shape[1]]
    labels = np.zeros(scene.shape[:2], np.uint8)
    labels[(x - 60) ** 2 + (y - 60) ** 2 < 30**2] = 1
    labels[(x - 170) ** 2 + (y - 100) ** 2 < 45**2] = 2
    folder = tmp_path / "discs"
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    for name, step in (("a", 1), ("b", -1)):
        Image.fromarray(scene[:, ::step]).save(folder / "images" / f"{name}.png")
        Image.fromarray(labels[:, ::step]).save(folder / "masks" / f"{name}.png")
    return folder


def test_json_tells_the_figures_of_model_and_baselines(cli, model, discs):
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


def test_only_what_is_asked_is_measured(cli, model, discs):
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
        (["--prompts", "guess"], "'guess', which is none of point, box, clicks:N, everything"),
        (["--prompts", ","], "names none"),
        (["--baselines", "magic"], "no baseline 'magic'"),
        (["--min-area", "99999"], "No object of at least 99999 pixels"),
    ],
)
def test_mistakes_end_with_a_sentence(cli, model, discs, options, says):
    result = cli("evaluate", "--model", model, "--data", discs, *options)
    assert result.exit_code == 2
    assert says in result.stderr.replace("\n", " ")


def test_a_folder_without_masks_ends_with_a_sentence(cli, model, tmp_path):
    result = cli("evaluate", "--model", model, "--data", tmp_path)
    assert result.exit_code == 2
    assert "No image with masks" in result.stderr


def test_prompts_are_read_in_any_order_and_the_most_clicks_count():
    assert parse_prompts("everything, clicks:3,point") == (3, False, True)
    assert parse_prompts("clicks:12,clicks:2") == (12, False, False)
    for wrong in ("clicks:0", "clicks:", "clicks:2.5", "5", "clicks:101"):
        with pytest.raises(AnymaskError):
            parse_prompts(wrong)
