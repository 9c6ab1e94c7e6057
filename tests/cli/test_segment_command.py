"""`anymask segment`: from typed prompts to files and scores."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageColor
from pycocotools import mask as coco_mask

from anymask import SamPredictor
from anymask.io import load_masks
from anymask.painting import NEGATIVE, POSITIVE


@pytest.fixture(scope="module")
def predictor(small_reference_sam, scene) -> SamPredictor:
    predictor = SamPredictor(small_reference_sam)
    predictor.set_image(scene)
    return predictor


def segment_json(cli, scene_file, model, *arguments: object) -> dict:
    result = cli(
        "segment", scene_file, "--model", model, "--dtype", "float32", "--json", *arguments
    )
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_points_give_the_mask_and_score_of_the_predictor(
    cli, scene_file, model, predictor, tmp_path
):
    answer = segment_json(cli, scene_file, model, "-p", "120,90", "-p", "10,10,0", "-o", tmp_path)
    masks, iou, _ = predictor.predict(
        point_coords=[[120, 90], [10, 10]], point_labels=[1, 0], multimask_output=False
    )
    (row,) = answer["masks"]
    assert row["predicted_iou"] == pytest.approx(float(iou[0]), abs=1e-6)
    assert row["area"] == masks[0].sum() > 0
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "scene.labels.tif") > 0, masks[0])


def test_several_boxes_are_several_objects_in_the_order_given(
    cli, scene_file, model, predictor, tmp_path
):
    boxes = [[20, 20, 120, 90], [100, 10, 160, 100], [150, 90, 230, 170]]
    options = [o for box in boxes for o in ("--box", ",".join(map(str, box)))]
    answer = segment_json(cli, scene_file, model, *options, "-o", tmp_path)
    masks, iou, _ = predictor.predict(box=boxes, multimask_output=False)
    assert [row["object"] for row in answer["masks"]] == [1, 2, 3]
    assert [row["area"] for row in answer["masks"]] == masks.sum((1, 2, 3)).tolist()
    np.testing.assert_allclose(
        [row["predicted_iou"] for row in answer["masks"]], iou[:, 0], atol=1e-5
    )
    coco = json.loads((tmp_path / "scene.masks.json").read_text())
    by_id = {a["id"]: coco_mask.decode(a["segmentation"]) for a in coco["annotations"]}
    for row, mask in zip(answer["masks"], masks[:, 0], strict=True):
        np.testing.assert_array_equal(by_id[row["id"]], mask)


def test_multimask_gives_three_masks_best_first(cli, scene_file, model, predictor):
    answer = segment_json(cli, scene_file, model, "-p", "120,90", "--multimask")
    _, iou, _ = predictor.predict(point_coords=[[120, 90]], point_labels=[1])
    assert [row["object"] for row in answer["masks"]] == [1, 1, 1]
    np.testing.assert_allclose(
        [row["predicted_iou"] for row in answer["masks"]], np.sort(iou)[::-1], atol=1e-6
    )


def test_stability_is_the_iou_of_the_masks_at_a_higher_and_a_lower_threshold(
    cli, scene_file, model, predictor
):
    answer = segment_json(cli, scene_file, model, "-b", "20,20,120,90")
    logits, _, _ = predictor.predict(
        box=[20, 20, 120, 90], multimask_output=False, return_logits=True
    )
    expected = (logits[0] > 1).sum() / (logits[0] > -1).sum()
    assert answer["masks"][0]["stability_score"] == pytest.approx(expected, abs=1e-6)


def test_a_mask_prompt_changes_the_mask(cli, scene_file, model, tmp_path):
    mask = np.zeros((180, 240), np.uint8)
    mask[60:120, 80:160] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    alone = segment_json(cli, scene_file, model, "-p", "120,90")
    hinted = segment_json(cli, scene_file, model, "-p", "120,90", "--mask", tmp_path / "mask.png")
    assert alone["masks"][0]["predicted_iou"] != hinted["masks"][0]["predicted_iou"]


def test_stdout_holds_only_the_json_with_the_names_of_the_files(cli, scene_file, model, tmp_path):
    answer = segment_json(cli, scene_file, model, "-p", "120,90", "-o", tmp_path / "out")
    assert answer["files"] == [
        str(tmp_path / "out" / f"scene{suffix}")
        for suffix in (".overlay.png", ".labels.tif", ".masks.csv", ".masks.json")
    ]
    assert (answer["width"], answer["height"]) == (240, 180)


def test_the_overlay_shows_the_prompts(cli, scene_file, model, tmp_path):
    prompts = ("-p", "120,90", "-p", "30,40,0", "-b", "60,20,200,150")
    segment_json(cli, scene_file, model, *prompts, "-o", tmp_path)
    painted = np.asarray(Image.open(tmp_path / "scene.overlay.png"))
    assert painted.shape == (180, 240, 3)
    assert painted[90, 120].tolist() == list(ImageColor.getrgb(POSITIVE))
    assert painted[40, 30].tolist() == list(ImageColor.getrgb(NEGATIVE))
    assert painted[20, 130].tolist() == list(ImageColor.getrgb(POSITIVE))


def test_the_overlay_shows_candidates_side_by_side(cli, scene_file, model, tmp_path):
    answer = segment_json(
        cli, scene_file, model, "-p", "120,90", "-p", "9,9,0", "--multimask", "-o", tmp_path
    )
    painted = np.asarray(Image.open(tmp_path / "scene.overlay.png"))
    panels = np.split(painted, [240, 244, 484, 488], axis=1)[::2]
    picture = np.asarray(Image.open(scene_file).convert("RGB"))
    masks = load_masks(tmp_path / "scene.masks.json")
    for panel, row in zip(panels, answer["masks"], strict=True):  # best first
        changed = (panel != picture).any(-1)
        mask = masks[masks.ids.tolist().index(row["id"])]
        for x, y in ((120, 90), (9, 9)):
            mask[y - 5 : y + 6, x - 5 : x + 6] = changed[y - 5 : y + 6, x - 5 : x + 6]
        assert (changed == mask).mean() > 0.99


def test_without_output_the_scores_are_shown_and_nothing_is_written(
    cli, scene_file, model, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    result = cli("segment", scene_file, "-m", model, "-p", "120,90")
    assert result.exit_code == 0
    assert "Predicted IoU" in result.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "No prompt is given"),
        (["-p", "here"], "--point 'here' is not x,y"),
        (["-b", "1,2,3"], "--box '1,2,3' is not x0,y0,x1,y1"),
        (["-b", "0,0,9,9", "-b", "9,9,20,20", "-p", "3,3"], "2 boxes are 2 objects"),
        (["-p", "250,90"], "outside the image"),
        (["-p", "-3,90"], "outside the image"),
        (["-p", "nan,90"], "(nan, 90)"),
        (["-b", "120,90,20,20"], "(120, 90, 20, 20)"),
        (["--mask", "missing.png"], "no file missing.png"),
        (["-p", "9,9", "--device", "tpu"], "no device 'tpu'"),
        (["-p", "9,9", "--dtype", "float8"], "the dtype 'float8'"),
    ],
)
def test_mistakes_give_one_sentence_and_exit_2(cli, scene_file, model, arguments, sentence):
    result = cli("segment", scene_file, "--model", model, *arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert sentence in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("name", ["missing.png", "empty.png", "text.png", "picture.xyz"])
def test_an_unreadable_image_is_named_with_exit_2(cli, model, tmp_path, name):
    if name != "missing.png":
        (tmp_path / name).write_text("" if name == "empty.png" else "no picture")
    result = cli("segment", tmp_path / name, "-m", model, "-p", "1,1")
    assert result.exit_code == 2
    assert name in result.stderr


def test_an_output_inside_a_file_is_refused_before_anything_slow(cli, scene_file, tmp_path):
    (tmp_path / "file").write_text("x")
    # The model does not exist either, but the output folder is checked first.
    result = cli(
        "segment", scene_file, "-m", "no.pth", "-p", "9,9", "-o", tmp_path / "file" / "out"
    )
    assert result.exit_code == 2
    assert "choose another folder" in result.stderr


def test_a_missing_model_is_named_with_exit_2(cli, scene_file):
    result = cli("segment", scene_file, "-m", "no_such.pth", "-p", "9,9")
    assert result.exit_code == 2
    assert "no_such.pth" in result.stderr


def test_existing_results_are_not_replaced_without_overwrite(cli, scene_file, model, tmp_path):
    command = ("segment", scene_file, "-p", "60,60", "-o", tmp_path, "-m", model)
    assert cli(*command).exit_code == 0
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    refused = cli(*command[:2], "-p", "10,90", *command[4:])
    assert refused.exit_code == 2
    assert "already has results for scene; replace them with --overwrite, or name" in refused.stderr
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert cli(*command[:2], "-p", "10,90", *command[4:], "--overwrite").exit_code == 0
    assert (tmp_path / "scene.masks.json").read_bytes() != before["scene.masks.json"]


def test_an_output_folder_is_not_left_empty_by_a_run_that_fails(cli, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no image")
    for command in (("segment", "--point", "5,5"), ("everything",)):
        words = (command[0], tmp_path / "bad.png", *command[1:], "-o", tmp_path / "out")
        assert cli(*words).exit_code != 0
        assert not (tmp_path / "out").exists()
