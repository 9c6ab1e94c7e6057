"""Score maps: thresholds that are chosen after the model has run."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

import anymask
from anymask.errors import AnymaskError, ImageError, OutputError, PromptError
from anymask.predict.predictor import SamPredictor
from anymask.predict.score_map import ScoreMap
from anymask.predict.semantic import score_map


@pytest.fixture(scope="module")
def predictor(small_reference_sam, scene) -> SamPredictor:
    predictor = SamPredictor(small_reference_sam)
    predictor.set_image(scene)
    return predictor


@pytest.fixture(scope="module")
def scores(predictor) -> ScoreMap:
    return score_map(predictor, [(120, 90), (30, 40)], [1, 0])


def low_res(seed: int = 0) -> ScoreMap:
    logits = np.random.default_rng(seed).normal(0, 3, (16, 16)).astype(np.float32)
    return ScoreMap(logits, (30, 47), (41, 64), 64, 0.75)


# What the model answers


def test_logits_are_those_of_the_predictor_with_the_whole_image_as_box(predictor, scores):
    expected, iou, low = predictor.predict(
        [(120, 90), (30, 40)], [1, 0], box=(0, 0, 240, 180), multimask_output=False,
        return_logits=True,
    )  # fmt: skip
    np.testing.assert_allclose(scores.full_size(), expected[0], atol=1e-4)
    np.testing.assert_array_equal(scores.logits, low[0])
    assert scores.predicted_iou == iou[0]
    far = np.abs(expected[0]) > 1e-4
    np.testing.assert_array_equal(scores.mask()[far], (expected[0] > 0)[far])


def test_points_are_in_pixels_of_the_image_and_labels_default_to_1(small_reference_sam, tall):
    predictor = SamPredictor(small_reference_sam)
    predictor.set_image(tall)
    one = score_map(predictor, [(150, 280)])
    expected, _, _ = predictor.predict(
        [(150, 280)], [1], box=(0, 0, 201, 300), multimask_output=False, return_logits=True
    )
    np.testing.assert_allclose(one.full_size(), expected[0], atol=1e-4)
    assert one.image_size == (300, 201)


def test_a_box_takes_the_place_of_the_whole_image_and_an_answer_refines(predictor, scores):
    boxed = score_map(predictor, box=(40, 30, 160, 120), mask_input=scores.logits[None])
    expected, _, _ = predictor.predict(
        box=(40, 30, 160, 120), mask_input=scores.logits[None], multimask_output=False,
        return_logits=True,
    )  # fmt: skip
    np.testing.assert_allclose(boxed.full_size(), expected[0], atol=1e-4)


def test_prompts_that_mean_nothing_are_told(predictor, small_reference_sam):
    with pytest.raises(PromptError, match="No image is set"):
        score_map(SamPredictor(small_reference_sam))
    with pytest.raises(PromptError, match="outside the image, which is 240 wide"):
        score_map(predictor, [(242, 10)])
    with pytest.raises(PromptError, match="one prompt"):
        score_map(predictor, box=[(0, 0, 9, 9), (5, 5, 20, 20)])


# Thresholds


@given(st.integers(0, 9), st.floats(-8, 8), st.floats(-8, 8))
def test_a_higher_threshold_gives_a_mask_within_the_lower_one_s(seed, one, other):
    scores = low_res(seed)
    assert (scores.mask(min(one, other)) >= scores.mask(max(one, other))).all()
    np.testing.assert_array_equal(scores.mask(one), scores.full_size() > np.float32(one))


def test_a_probability_is_another_way_to_say_a_threshold():
    scores = low_res()
    np.testing.assert_array_equal(scores.mask(probability=0.5), scores.mask(0))
    np.testing.assert_array_equal(
        scores.mask(probability=0.9), scores.probabilities() > np.float32(0.9)
    )
    assert scores.probabilities().dtype == np.float32
    assert ScoreMap(np.full((1, 2), 1e9, np.float32), (1, 2)).probabilities().min() == 1
    for wrong in (0, 1, 2, float("nan")):
        with pytest.raises(PromptError, match="probability is"):
            scores.mask(probability=wrong)
    with pytest.raises(PromptError, match="threshold is nan"):
        scores.mask(float("nan"))


def test_masks_are_the_same_however_many_rows_are_computed_at_once(monkeypatch):
    whole = low_res().full_size()
    monkeypatch.setattr("anymask.predict.score_map._VALUES_AT_ONCE", 100)
    np.testing.assert_array_equal(low_res().full_size(), whole)


# Files


def test_npz_keeps_every_bit(tmp_path):
    before = low_res()
    before.save(tmp_path / "a b ü.npz")
    after = ScoreMap.load(tmp_path / "a b ü.npz")
    np.testing.assert_array_equal(after.logits, before.logits)
    np.testing.assert_array_equal(after.mask(0.3), before.mask(0.3))
    assert after.predicted_iou == 0.75


def test_tiff_keeps_the_logits_of_every_pixel_to_a_five_hundredth(tmp_path):
    before = low_res()
    before.save(tmp_path / "scores.tif")
    stored = tifffile.imread(tmp_path / "scores.tif")
    assert stored.dtype == np.float32
    assert np.abs(stored - before.full_size()).max() <= 1 / 512
    after = ScoreMap.load(tmp_path / "scores.tif")
    assert after.image_size == (30, 47)
    assert after.predicted_iou == 0.75
    sure = np.abs(before.full_size() - 0.7) > 1 / 512
    np.testing.assert_array_equal(after.mask(0.7)[sure], before.mask(0.7)[sure])


def test_a_float_tiff_of_another_program_is_a_score_map(tmp_path):
    values = np.array([[0.2, 0.9, 0.4]], np.float32)
    tifffile.imwrite(tmp_path / "p.tif", values)
    loaded = ScoreMap.load(tmp_path / "p.tif")
    assert loaded.mask(0.5).tolist() == [[False, True, False]]
    assert np.isnan(loaded.predicted_iou)


def test_a_saved_map_is_read_without_torch(tmp_path):
    low_res().save(tmp_path / "s.npz")
    code = (
        "import sys; from anymask.predict.score_map import ScoreMap;"
        f"ScoreMap.load({str(tmp_path / 's.npz')!r}).mask(1); print('torch' in sys.modules)"
    )
    env = {"PYTHONPATH": str(Path(anymask.__file__).parents[1]), "PATH": ""}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert done.stdout.strip() == "False"


def test_unknown_suffixes_and_unwritable_places_are_told(tmp_path):
    with pytest.raises(OutputError, match=r"must end in \.npz"):
        low_res().save(tmp_path / "scores.png")
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="Cannot write"):
        low_res().save(tmp_path / "file" / "scores.npz")


def damaged_files(folder: Path) -> dict[str, Path]:
    """Files that are no score maps, by what is wrong with them."""
    low_res().save(folder / "good.npz")
    low_res().save(folder / "good.tif")
    files = {}
    for suffix in ("npz", "tif"):
        data = (folder / f"good.{suffix}").read_bytes()
        files[f"half.{suffix}"] = data[: len(data) // 2]
        files[f"broken.{suffix}"] = data[:200] + bytes(100) + data[300:]
        files[f"empty.{suffix}"] = b""
    for name, content in files.items():
        (folder / name).write_bytes(content)
    np.savez(folder / "other.npz", a=np.zeros(3))
    arrays = dict(np.load(folder / "good.npz"))
    np.savez(folder / "size.npz", **{**arrays, "image_size": [0, 5]})
    np.savez(folder / "frame.npz", **{**arrays, "frame": [99, 5, 16]})
    np.savez(folder / "version.npz", **{**arrays, "anymask_score_map": 9})
    np.savez(folder / "pickle.npz", **{**arrays, "logits": np.array([[{}]], object)})
    np.savez(folder / "words.npz", **{**arrays, "logits": np.array([["a"]])})
    tifffile.imwrite(folder / "labels.tif", np.zeros((4, 4), np.uint8))
    tifffile.imwrite(folder / "colours.tif", np.zeros((4, 4, 3), np.float32), photometric="rgb")
    return {
        path.name: path for path in sorted(folder.iterdir()) if not path.name.startswith("good")
    }


def test_damaged_files_end_in_a_sentence(tmp_path):
    files = damaged_files(tmp_path)
    assert len(files) >= 12
    for path in files.values():
        with pytest.raises(ImageError, match=path.name) as caught:
            ScoreMap.load(path)
        assert len(str(caught.value)) < 300
    with pytest.raises(ImageError, match="There is no score map"):
        ScoreMap.load(tmp_path / "missing.npz")


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr("anymask.predict.score_map._MAX_BYTES", 2**20)
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("logits.npy", bytes(2**21))
    tifffile.imwrite(tmp_path / "bomb.tif", np.zeros((1000, 1000), np.float32), compression="zlib")
    for name in ("bomb.npz", "bomb.tif"):
        with pytest.raises(ImageError, match="would take more than"):
            ScoreMap.load(tmp_path / name)


@pytest.mark.parametrize(
    "wrong",
    [
        (np.zeros((3, 4), np.float32), (4, 3)),
        (np.zeros((3, 4), np.int32), (3, 4)),
        (np.zeros(5, np.float32), (5, 1)),
        (np.zeros((4, 4), np.float32), (9, 9), (9, 8), 8),
    ],
)
def test_logits_that_do_not_fit_are_refused(wrong):
    with pytest.raises(AnymaskError, match="not a score map of an image"):
        ScoreMap(*wrong)


def test_the_description_in_a_tiff_says_what_it_is(tmp_path):
    low_res().save(tmp_path / "s.tif")
    with tifffile.TiffFile(tmp_path / "s.tif") as file:
        assert json.loads(file.pages.first.description) == {
            "anymask_score_map": 1,
            "predicted_iou": 0.75,
        }


@pytest.mark.parametrize(("size", "resized"), [((700, 1000), (717, 1024)), ((50, 33), (1024, 676))])
def test_a_crop_has_the_pixels_of_the_mask_cropped_to_their_box(size, resized):
    logits = np.full((256, 256), -3, np.float32)
    logits[40:90, 50:120] += np.random.default_rng(2).uniform(0, 8, (50, 70)).astype(np.float32)
    for scores in (ScoreMap(logits, size, resized, 1024), ScoreMap(logits, (256, 256))):
        crop = scores.crop(1.5)
        whole = np.zeros(scores.image_size, bool)
        whole[crop.window] = crop.pixels
        np.testing.assert_array_equal(whole, scores.mask(1.5))
        assert crop.pixels.any(0)[[0, -1]].all()
        assert crop.pixels.any(1)[[0, -1]].all()
        assert scores.crop(99) is None
