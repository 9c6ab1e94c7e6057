"""`anymask semantic`: masks of whole images, and other thresholds afterwards."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import tifffile
from PIL import Image

import anymask
from anymask.images.geotiff_tags import geo_tags
from anymask.images.pseudo_rgb import pseudo_rgb
from anymask.predict.predictor import SamPredictor
from anymask.predict.score_map import ScoreMap
from anymask.predict.semantic import score_map


def test_the_mask_and_its_scores_equal_those_of_the_model(
    cli, model, small_reference_sam, scene, scene_file, tmp_path
):
    result = cli(
        "semantic", scene_file, "-o", tmp_path, "--model", model, "--dtype", "float32",
        "-p", "120,90", "-p", "30,40,0", "-t", "0.1",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    predictor = SamPredictor(small_reference_sam)
    predictor.set_image(scene)
    logits, _, _ = predictor.predict(
        [(120, 90), (30, 40)], [1, 0], box=(0, 0, 240, 180), multimask_output=False,
        return_logits=True,
    )  # fmt: skip
    mask = np.asarray(Image.open(tmp_path / "scene.semantic.png"))
    assert set(np.unique(mask)) <= {0, 255}
    sure = np.abs(logits[0] - 0.1) > 1e-4
    np.testing.assert_array_equal((mask > 0)[sure], (logits[0] > 0.1)[sure])
    saved = ScoreMap.load(tmp_path / "scene.scores.npz")
    np.testing.assert_allclose(saved.full_size(), logits[0], atol=1e-4)


@pytest.mark.parametrize("kind", ["npz", "tif"])
def test_another_threshold_needs_no_model(cli, tmp_path, kind):
    scores = ScoreMap(np.linspace(-4, 4, 12, dtype=np.float32).reshape(3, 4), (3, 4))
    scores.save(tmp_path / "maps" / "day 1" / f"leaf.v2.scores.{kind}")
    result = cli("semantic", tmp_path / "maps", "-o", tmp_path / "out", "-t", "1.5", "-m", "none")
    assert result.exit_code == 0, result.stderr
    mask = np.asarray(Image.open(tmp_path / "out" / "day 1" / "leaf.v2.semantic.png"))
    np.testing.assert_array_equal(mask > 0, scores.mask(1.5))


def test_scores_of_a_map_keep_its_place(cli, model, tmp_path):
    transform = (5e5, 0.5, 0.0, 5e6, 0.0, -0.5)
    tags = geo_tags(transform, "EPSG:32632", "m")
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((30, 40), np.uint8), extratags=tags)
    result = cli(
        "semantic", tmp_path / "a.tif", "--scores", "tif", "--model", model, "-o", tmp_path
    )
    assert result.exit_code == 0, result.stderr
    scores = anymask.read(tmp_path / "a.scores.tif")
    assert (scores.geo["transform"], scores.geo["crs"]) == (transform, "EPSG:32632")
    assert ScoreMap.load(tmp_path / "a.scores.tif").image_size == (30, 40)


def test_scores_none_saves_no_scores_and_nothing_is_overwritten(cli, model, scene_file, tmp_path):
    shutil.copy(scene_file, tmp_path / "a.png")
    options = ("-o", tmp_path / "out", "--model", model, "--scores", "none")
    assert cli("semantic", tmp_path / "a.png", *options).exit_code == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.semantic.png"]
    again = cli("semantic", tmp_path / "a.png", *options)
    assert again.exit_code == 2
    assert "exists already" in again.stderr
    assert cli("semantic", tmp_path / "a.png", *options, "--overwrite").exit_code == 0


def test_one_bad_score_map_does_not_stop_the_others(cli, tmp_path):
    scores = ScoreMap(np.ones((3, 4), np.float32), (3, 4))
    scores.save(tmp_path / "b.scores.npz")
    (tmp_path / "a.scores.npz").write_bytes(b"PK")
    result = cli("semantic", tmp_path, "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert "a.scores.npz is damaged" in " ".join(result.stderr.split())
    assert (tmp_path / "out" / "b.semantic.png").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["-p", "1"], "--point '1' is not x,y"),
        (["--scores", "png"], "--scores is 'png'"),
        (["-p", "900,5"], "outside the image, which is 240 wide"),
    ],
)
def test_mistakes_give_a_sentence(cli, model, scene_file, tmp_path, options, words):
    result = cli("semantic", scene_file, "-o", tmp_path, "--model", model, *options)
    assert result.exit_code == 2
    assert words in " ".join(result.stderr.split())
    assert not list(tmp_path.iterdir())


def test_each_pseudo_rgb_of_a_cube_gets_a_mask(cli, model, small_reference_sam, tmp_path):
    cube = tmp_path / "cube.npy"
    values = np.random.default_rng(0).random((60, 80, 5)).astype(np.float32)
    np.save(cube, values)
    recipes = ("edge=ch[4] - ch[0]", "colour=ch[3];ch[1];ch[0]", "none=nm(680)")
    result = cli(
        "semantic", cube, "-o", tmp_path / "out", "--model", model, "--dtype", "float32",
        *(word for recipe in recipes for word in ("--rgb", recipe)),
    )  # fmt: skip
    assert result.exit_code == 1
    assert "cube.npy (none): In 'nm(680)'" in result.stderr
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {
        "cube.edge.semantic.png", "cube.edge.scores.npz",
        "cube.colour.semantic.png", "cube.colour.scores.npz",
    }  # fmt: skip
    predictor = SamPredictor(small_reference_sam)
    predictor.set_image(pseudo_rgb(values, "ch[3]", "ch[1]", "ch[0]").rgb)
    expected = score_map(predictor).full_size()
    saved = ScoreMap.load(tmp_path / "out" / "cube.colour.scores.npz").full_size()
    np.testing.assert_allclose(saved, expected, atol=1e-4)


def test_a_stack_needs_a_plane(cli, model, tmp_path):
    stack = np.random.default_rng(0).integers(0, 4000, (4, 40, 50)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "stack.tif", stack, metadata={"axes": "ZYX"})
    refused = cli("semantic", tmp_path / "stack.tif", "-o", tmp_path / "out", "--model", model)
    assert refused.exit_code == 2
    assert "4 z planes" in refused.stderr
    result = cli(
        "semantic", tmp_path / "stack.tif", "-o", tmp_path / "out", "--model", model, "--z", "max"
    )
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / "out" / "stack.semantic.png").is_file()
