"""`anymask segment` with prompts from a file, with several objects, and into data sets."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from anymask import Prompts, SamPredictor, load_masks, open_dataset, read_prompts, segment_folder
from anymask.cli.prompts import joined_objects
from anymask.errors import AnymaskError
from anymask.io import load_dataset
from anymask.io.results import SUFFIXES
from anymask.jobs.prompt_job import PromptJob, digest

BOXES = {"one.png": [[20, 20, 120, 90], [100, 10, 160, 100]], "two.png": [[30, 40, 110, 160]]}


@pytest.fixture
def photos(tmp_path, scene_file) -> Path:
    """A folder with three images: one.png, spare.png and two.png."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("one.png", "spare.png"):
        shutil.copy(scene_file, folder / name)
    scene = Image.open(scene_file).convert("RGB")
    scene.transpose(Image.Transpose.ROTATE_90).save(folder / "two.png")
    return folder


@pytest.fixture
def boxes(tmp_path) -> Path:
    """A COCO file with boxes for one.png, two.png and an image that is not there."""
    return coco(tmp_path / "boxes.json", {**BOXES, "gone.png": [[0, 0, 9, 9]]})


def coco(path: Path, boxes: dict[str, list]) -> Path:
    data: dict = {"images": [], "annotations": [], "categories": [{"id": 9, "name": "blob"}]}
    for image_id, (name, own) in enumerate(boxes.items()):
        data["images"].append({"id": image_id, "file_name": name})
        for x0, y0, x1, y1 in own:
            number = 10 * len(data["annotations"]) + 5
            box = [x0 + 0.5, y0 + 0.5, x1 - x0, y1 - y0]
            data["annotations"].append(
                {"id": number, "image_id": image_id, "category_id": 9, "bbox": box}
            )
    path.write_text(json.dumps(data))
    return path


def files_of(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_each_image_of_a_folder_gets_masks_of_its_own_boxes_with_their_ids_and_classes(
    cli, photos, boxes, model, small_reference_sam, tmp_path
):
    result = cli(
        *("segment", photos, "--prompts", boxes, "-o", tmp_path / "out"),
        *("-m", model, "--dtype", "float32"),
    )
    assert result.exit_code == 0, result.output
    written = sorted(name + suffix for name in ("one", "two") for suffix in SUFFIXES)
    assert files_of(tmp_path / "out") == ["job.jsonl", *written]
    assert "boxes.json has prompts for 1 image not among the given ones: gone.png" in result.stderr
    assert "boxes.json has no prompts for 1 image, which is left out: spare.png" in result.stderr
    masks = load_masks(tmp_path / "out" / "one.masks.json")
    assert masks.ids.tolist() == [5, 15]
    assert masks.class_names == ("blob", "blob")
    predictor = SamPredictor(small_reference_sam)
    predictor.set_image(np.asarray(Image.open(photos / "one.png").convert("RGB")))
    expected = predictor.predict_many(Prompts(BOXES["one.png"]))
    for mask, right in zip(masks, expected, strict=True):
        np.testing.assert_array_equal(mask, right)
    labels = tifffile.imread(tmp_path / "out" / "one.labels.tif")
    assert set(np.unique(labels)) <= {0, 5, 15}


@pytest.mark.filterwarnings("ignore:boxes.json has")
def test_a_stopped_run_is_completed_and_only_changed_prompts_are_asked_again(
    photos, boxes, model, tmp_path
):
    def run(**options):
        return segment_folder(photos, tmp_path / "out", model, prompts=boxes, **options)

    def stop() -> bool:
        return (tmp_path / "out" / "one.masks.json").exists()

    assert run(cancel=stop).cancelled
    second = run(skip_existing=True)
    assert [(each.name, each.status) for each in second.outcomes] == [
        ("one", "kept"),
        ("two", "done"),
    ]
    coco(boxes, {**BOXES, "two.png": [[30, 40, 110, 150]]})
    third = run(skip_existing=True, overwrite=True)
    assert [each.status for each in third.outcomes] == ["kept", "done"]
    named = run(skip_existing=True, overwrite=True, class_name="cell")
    assert [each.status for each in named.outcomes] == ["done", "done"]
    assert set(load_masks(tmp_path / "out" / "two.masks.json").class_names) == {"cell"}


@pytest.mark.parametrize("form", ["yolo", "coco", "labelme", "voc"])
def test_a_data_set_has_its_images_and_is_ready_to_train_on(
    cli, photos, boxes, model, tmp_path, form
):
    place = tmp_path / "set"
    command = ("segment", photos, "--prompts", boxes, "-m", model, "-o", place, "--to", form)
    assert cli(*command, "--class-name", "cell").exit_code == 0
    source = {"yolo": "labels/two.txt", "coco": "annotations.json"}
    source |= {"labelme": "two.json", "voc": "Annotations/two.xml"}
    assert source[form] in files_of(place)
    data = open_dataset(place)
    (two,) = (example for example in data if Path(example.name).name == "two")
    assert len(data) == 2
    assert [data.classes[i] for i in two.class_ids] == ["cell"]
    (expected,) = load_masks(place / "results" / "two.masks.json")
    np.testing.assert_array_equal(two.masks[0], expected)
    # Again: refused, completed, replaced.
    refused = cli(*command)
    assert refused.exit_code == 2
    assert "--skip-existing" in refused.stderr
    assert cli(*command, "--class-name", "cell", "--skip-existing").exit_code == 0
    shutil.rmtree(place / "results")
    assert "exists already" in cli(*command).stderr


def test_a_picture_that_a_file_says_has_no_objects_is_in_the_data_set_too(
    cli, photos, model, tmp_path
):
    boxes = coco(tmp_path / "boxes.json", {**BOXES, "spare.png": []})
    place = tmp_path / "set"
    result = cli("segment", photos, "--prompts", boxes, "-m", model, "-o", place, "--to", "yolo")
    assert result.exit_code == 0
    assert (place / "labels" / "spare.txt").read_text() == ""
    assert (place / "images" / "spare.png").is_file()


def test_several_objects_each_with_its_points_and_class(
    cli, scene_file, model, small_reference_sam, scene, tmp_path
):
    place = tmp_path / "set"
    result = cli(
        *("segment", scene_file, "--object", "tall cup:", "120,90", "10,10,0"),
        *("--object", "60,60", "20,20,120,90", "-m", model, "--dtype", "float32"),
        *("-o", place, "--to", "coco", "--json"),
    )
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)["masks"]
    predictor = SamPredictor(small_reference_sam, keep_clicked=True)
    predictor.set_image(scene)
    first, _, _ = predictor.predict([[120, 90], [10, 10]], [1, 0], multimask_output=False)
    both, _, _ = predictor.predict([[60, 60]], [1], [20, 20, 120, 90], multimask_output=False)
    assert [row["area"] for row in rows] == [first.sum(), both.sum()]
    assert [row["class_name"] for row in rows] == ["tall cup", ""]
    ((name, masks),) = load_dataset(place / "annotations.json")
    assert (name, set(masks.class_names)) == ("scene.png", {"tall cup", ""})
    assert (place / "images" / "scene.png").read_bytes() == scene_file.read_bytes()


def test_what_follows_an_object_is_taken_until_the_next_word():
    words = ["--object", "8,5", "-3,2,0", "a.png", "--object", "cup: 1,1", "2,2", "-o", "x"]
    assert joined_objects(words) == [
        *("--object", "8,5 -3,2,0", "a.png", "--object", "cup: 1,1 2,2", "-o", "x")
    ]
    assert joined_objects(["--", "--object", "8,5", "9,9"]) == ["--", "--object", "8,5", "9,9"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--object", "cup:"], "neither a point nor a box"),
        (["--object", "8,5", "here,5"], "here,5"),
        (["--object", "1,1,9,9 2,2,8,8"], "has 2 boxes"),
        (["--object", "8,5", "-p", "3,3"], "move them into --object"),
        (["-p", "3,3", "--crs", "pixels"], "go with --prompts"),
        (["-p", "3,3", "--to", "yolo"], "name its folder with -o"),
        (["-p", "3,3", "--to", "geojson", "-o", "out"], "choose from coco, labelme"),
        (["--prompts", "p.csv"], "name a folder for them with -o"),
        (["--prompts", "p.csv", "-o", "out", "-p", "3,3"], "do not go with it"),
        (["--prompts", "none.csv", "-o", "out"], "There is no file none.csv"),
        (["--prompts", "empty.csv", "-o", "out"], "empty.csv is empty"),
        (["--prompts", "other.csv", "-o", "out"], "it names a.png, b.png"),
        (["--prompts", "p.csv", "--crs", "EPSG:4326", "-o", "out"], "where it lies on the map"),
        (["--prompts", "p.csv", "-o", "out"], "None of the prompts lies in scene.png"),
    ],
)
def test_mistakes_give_one_sentence(
    cli, scene_file, model, tmp_path, monkeypatch, arguments, sentence
):
    monkeypatch.chdir(tmp_path)
    Path("p.csv").write_text("x,y\n900,900\n")
    Path("empty.csv").write_text("")
    Path("other.csv").write_text("image,x,y\na.png,1,1\nb.png,1,1\n")
    result = cli("segment", scene_file, "--model", model, *arguments)
    assert result.exit_code in (1, 2)
    assert sentence in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not files_of(tmp_path / "out") if (tmp_path / "out").exists() else True


def test_prompts_of_no_stated_image_are_for_the_one_given_or_the_one_of_that_name(
    cli, photos, model, tmp_path
):
    table = tmp_path / "clicks.csv"
    table.write_text("x,y\n120,90\n")
    command = ("segment", "-m", model, "-o", tmp_path / "out")
    assert cli(*command, photos / "one.png", "--prompts", table).exit_code == 0
    refused = cli(*command, photos, "--prompts", table)
    assert refused.exit_code == 2
    assert "clicks.csv does not say which image its prompts are for, and 3 are" in refused.stderr
    shutil.copy(table, tmp_path / "two.csv")
    result = cli(*command, photos, "--prompts", tmp_path / "two.csv")
    assert result.exit_code == 0
    assert sorted(path.name for path in (tmp_path / "out").glob("*.json")) == [
        "one.masks.json",
        "two.masks.json",
    ]


def test_points_on_a_map_go_to_the_tiles_they_lie_in(
    cli, model, small_reference_sam, scene, tmp_path
):
    """Two tiles side by side, 240 pixels of a metre wide, and a third far away."""
    tiles = tmp_path / "tiles"
    tiles.mkdir()
    for name, east in (("west.tif", 0), ("east.tif", 240), ("far.tif", 9000)):
        tags = [
            (33550, "d", 3, (1.0, 1.0, 0.0), True),
            (33922, "d", 6, (0, 0, 0, 500_000 + east, 5_200_000, 0), True),
            (34735, "H", 12, (1, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, 32632), True),
        ]
        tifffile.imwrite(tiles / name, scene, photometric="rgb", extratags=tags)
    table = tmp_path / "trees.csv"
    table.write_text("id,x,y\n3,500120.5,5199909.5\n8,500360.5,5199909.5\n9,400000,5000000\n")
    result = cli(
        *("segment", tiles, "--prompts", table, "--crs", "EPSG:32632", "-m", model),
        *("--class-name", "tree", "-o", tmp_path / "out", "--dtype", "float32"),
    )
    assert result.exit_code == 0, result.output
    assert "1 of 3 objects of trees.csv lie in none of the images (id 9)" in result.stderr
    assert "no prompts for 1 image, which is left out: far.tif" in result.stderr
    west, east = (load_masks(tmp_path / "out" / f"{name}.masks.json") for name in ("west", "east"))
    assert (west.ids.tolist(), east.ids.tolist()) == ([3], [8])
    predictor = SamPredictor(small_reference_sam, keep_clicked=True)
    predictor.set_image(scene)
    (right,) = predictor.predict_many(Prompts(point_coords=[[[120, 90]]]))
    np.testing.assert_array_equal(west[0], right)
    np.testing.assert_array_equal(east[0], right)


def test_small_boxes_of_a_large_image_are_better_asked_in_tiles_which_is_said(
    cli, model, scene, tmp_path
):
    Image.fromarray(np.tile(scene, (3, 3, 1))).save(tmp_path / "large.png")  # 720×540
    (tmp_path / "boxes.csv").write_text("x0,y0,x1,y1\n300,250,320,270\n")
    command = ("segment", tmp_path / "large.png", "--prompts", tmp_path / "boxes.csv", "-m", model)
    advice = "masks are better with --tile-size 256"
    assert advice in cli(*command, "-o", tmp_path / "whole").stderr
    tiled = cli(*command, "-o", tmp_path / "tiled", "--tile-size", 256, "--tile-overlap", 60)
    assert tiled.exit_code == 0
    assert advice not in tiled.stderr
    made = json.loads((tmp_path / "tiled" / "large.masks.json").read_text())["info"]
    assert made["options"] == {"tile_size": 256, "tile_overlap": 60}


def test_a_job_can_be_sent_to_another_process(boxes, tmp_path):
    own = {Path("one.png"): read_prompts(boxes).of("one.png")}
    job = PromptJob(tmp_path / "out", prompts=own)
    again = pickle.loads(pickle.dumps(job))
    assert digest(again.prompts[Path("one.png")]) == digest(own[Path("one.png")])
    assert digest(own[Path("one.png")]) != digest(own[Path("one.png")].with_class_name("cell"))


def test_options_of_everything_and_of_prompts_do_not_mix(photos, boxes, model, tmp_path):
    with pytest.raises(AnymaskError, match="points_per_side= is for every object"):
        segment_folder(photos, tmp_path / "out", model, prompts=boxes, points_per_side=4)
    with pytest.raises(AnymaskError, match="give prompts= too"):
        segment_folder(photos, tmp_path / "out", model, class_name="cell")
