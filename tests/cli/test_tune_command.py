"""``anymask tune``, run as a user would."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file

import anymask
from anymask.model.config import EverythingConfig


@pytest.fixture(scope="module")
def discs(tmp_path_factory, scene):
    """A data set of five images with two discs each."""
    y, x = np.ogrid[: scene.shape[0], : scene.shape[1]]
    folder = tmp_path_factory.mktemp("data") / "discs"
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    for i in range(5):
        labels = np.zeros(scene.shape[:2], np.uint8)
        labels[(x - 60) ** 2 + (y - 60 - 5 * i) ** 2 < 30**2] = 1
        labels[(x - 170) ** 2 + (y - 100) ** 2 < (30 + 3 * i) ** 2] = 2
        picture = scene // 2
        picture[labels == 1], picture[labels == 2] = (210, 60, 40), (60, 190, 220)
        Image.fromarray(picture).save(folder / "images" / f"{i}.png")
        Image.fromarray(labels).save(folder / "masks" / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def strict(small_reference_sam, tmp_path_factory):
    """The reference model in half precision, with thresholds that no mask passes."""
    path = tmp_path_factory.mktemp("model") / "strict.safetensors"
    anymask.save(small_reference_sam, path)
    sam = anymask.load(path, dtype="float16")
    own = EverythingConfig(0.9, 0.9, 0.5, 0.7, 0)
    sam.config = replace(sam.config, everything=own)
    sam.rounded_from = None  # the rounded weights are the original ones here
    anymask.save(sam, path)
    return path


def test_the_tuned_thresholds_are_saved_with_the_model_and_used_by_default(
    cli, strict, discs, tmp_path
):
    tuned = tmp_path / "new" / "tuned.safetensors"
    result = cli(
        *("tune", "--data", discs, "--model", strict, "--out", tuned, "--json"),
        *("--points-per-side", 6, "--dtype", "float32"),
    )
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["written"] == str(tuned)
    assert len(found["images"]) == 5
    assert found["figures"]["before"]["mean_over_sets"]["masks_per_image"] == 0
    sam = anymask.load(tuned)
    assert asdict(sam.config.everything) == found["chosen"]
    generator = anymask.SamAutomaticMaskGenerator(sam)
    assert generator.pred_iou_thresh == found["chosen"]["pred_iou_thresh"]
    # Weights and dtypes are unchanged.
    before, after = (load_file(path) for path in (strict, tuned))
    assert tuned.stat().st_size == pytest.approx(strict.stat().st_size, abs=200)
    for name, value in before.items():
        assert after[name].dtype == value.dtype
        assert (after[name] == value).all()


def test_a_run_ends_with_tables_and_a_verdict(cli, strict, discs):
    options = ("--data", discs, "--model", strict, "--points-per-side", 4)
    result = cli("tune", *options, "--labels", "sparse")
    assert result.exit_code == 0
    for text in ("stability_score_thresh", "AR@1000", "tuned on the others", "5 images"):
        assert text in result.stdout
    assert "Masks of unlabelled things do not count" in result.stdout
    result = cli("tune", *options, "--limit", 3)
    assert "Not tested: 3 images are too few" in result.stdout


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--labels", "some"], "it can be complete or sparse"),
        (["--out", "tuned.pth"], "give a name that ends in .safetensors"),
        (["--min-area", "99999"], "None of the images has an object"),
    ],
)
def test_mistakes_give_a_sentence(cli, strict, discs, options, says):
    result = cli("tune", "--model", strict, "--data", discs, *options)
    assert result.exit_code == 2
    assert says in result.stderr.replace("\n", " ")
    assert result.stdout == ""


def test_the_model_and_card_of_a_folder_get_the_thresholds(cli, strict, discs, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(strict.read_bytes())
    (folder / "card.json").write_text('{"model": "mine"}')
    result = cli(
        *("tune", "--data", discs, "--model", folder, "--out", folder, "--json"),
        *("--points-per-side", 6, "--limit", 3, "--dtype", "float32"),
    )
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["written"] == str(folder / "model.safetensors")
    assert found["chosen"] != found["own"]
    assert asdict(anymask.load(folder).config.everything) == found["chosen"]
    card = json.loads((folder / "card.json").read_text())
    assert card["model"] == "mine"
    assert card["everything"]["pred_iou_thresh"] == found["chosen"]["pred_iou_thresh"]
    assert card["everything"]["images"] == 3


def test_a_missing_folder_is_created(cli, strict, discs, tmp_path):
    options = ("--points-per-side", 2, "--limit", 1)
    result = cli("tune", "--data", discs, "--model", strict, "--out", tmp_path / "new", *options)
    assert result.exit_code == 0
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["model.safetensors"]
