"""`anymask convert`: one or many results of any format, written in any other."""

from __future__ import annotations

import csv
import json
from functools import partial

import numpy as np
import pytest
import tifffile
import yaml
from PIL import Image as Picture
from pycocotools.coco import COCO

import anymask
from anymask.images.recipes import recipe
from anymask.io import load_dataset, load_masks, save_masks
from anymask.io.read_masks import scale_of
from anymask.io.results import write_results
from anymask.io.view import View
from anymask.masks.mask_set import MaskSet
from anymask.predict.score_map import ScoreMap

SHAPE = (20, 30)


@pytest.fixture
def run(cli):
    """Run this command: `run(path, "--json")`."""
    return partial(cli, "convert")


def labels_with(*ids: int) -> np.ndarray:
    labels = np.zeros(SHAPE, np.uint32)
    for number, id_ in enumerate(ids):
        labels[2 + number : 12, 3 + 7 * number : 9 + 7 * number] = id_
    return labels


@pytest.fixture
def masks() -> MaskSet:
    return MaskSet.from_labels(labels_with(70_000, 5)).with_class_names(["leaf", "stem"])


@pytest.fixture
def results(tmp_path, masks):
    """A folder as `anymask everything` writes it, with one image in a subfolder."""
    folder = tmp_path / "masks"
    picture = np.zeros((*SHAPE, 3), np.uint8)
    write_results(folder / "a", picture, masks, image_name="a.png")
    write_results(folder / "day 2" / "b.v2", picture, masks.select([0]), image_name="b.v2.jpg")
    return folder


def test_several_results_of_one_image_are_named_after_the_results(run, tmp_path, masks):
    picture = np.zeros((*SHAPE, 3), np.uint8)
    for name in ("cube.ndvi", "cube.pca"):
        write_results(tmp_path / "masks" / name, picture, masks, image_name="cube.hdr")
    result = run(tmp_path / "masks", "--to", "yolo", "-o", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    names = sorted(p.name for p in (tmp_path / "out" / "labels").iterdir())
    assert names == ["cube.ndvi.txt", "cube.pca.txt"]


@pytest.fixture
def photos(tmp_path):
    """A photograph of 8 bits, and one of 16 in a subfolder, for `results`."""
    folder = tmp_path / "photos"
    (folder / "day 2").mkdir(parents=True)
    grey = np.arange(600, dtype=np.uint16).reshape(SHAPE)
    Picture.fromarray(grey.astype(np.uint8)).save(folder / "a.png")
    Picture.fromarray(grey * 100).save(folder / "day 2" / "b.v2.tif")
    return folder


@pytest.mark.parametrize(("form", "place"), [("yolo", "images"), ("voc", "JPEGImages")])
def test_a_data_set_to_train_on_has_its_images(run, photos, tmp_path, form, place):
    out, results = tmp_path / "out", tmp_path / "masks"
    for name in ("a.png", "day 2/b.v2.tif"):
        path = results / f"{name[: name.rindex('.')]}.labels.tif"
        save_masks(labels_with(7, 5), path, image=name)
    result = run(results, "--to", form, "-o", out, "--images", photos)
    assert result.exit_code == 0, result.stderr
    assert "put the images" not in result.stderr
    assert (out / place / "a.png").read_bytes() == (photos / "a.png").read_bytes()
    shown = anymask.to_rgb(anymask.read(photos / "day 2" / "b.v2.tif"))
    written = np.asarray(Picture.open(out / place / "day 2" / "b.v2.png"))
    np.testing.assert_array_equal(written, shown)
    if form == "yolo":
        # Folders are relative to this file unless "path" names another place.
        assert yaml.safe_load((out / "data.yaml").read_text())["train"] == "images"
        assert "path" not in yaml.safe_load((out / "data.yaml").read_text())
    else:
        assert (
            "<filename>b.v2.png</filename>"
            in (out / "Annotations" / "day 2" / "b.v2.xml").read_text()
        )
    again = run(results, "--to", form, "-o", out, "--images", photos, "--overwrite")
    assert again.exit_code == 0, again.stderr


def test_images_are_kept_and_measured_as_the_model_saw_them(run, tmp_path):
    rng = np.random.default_rng(0)
    stack = rng.integers(0, 4000, (3, *SHAPE), np.uint16)
    tifffile.imwrite(tmp_path / "stack.tif", stack, imagej=True, metadata={"axes": "ZYX"})
    bands = rng.integers(1, 200, (*SHAPE, 3), np.uint8)
    Picture.fromarray(bands).save(tmp_path / "photo.png")
    masks, results = MaskSet.from_labels(labels_with(4, 9)), tmp_path / "masks"
    index = "(ch[0] - ch[1]) / (ch[0] + ch[1])"
    views = {
        "stack": View(planes={"z": 2}, options={"low": "5%", "gamma": 0.7}),
        "photo.index": View((recipe(index, name="index"),)),
        "photo.blue": View((recipe("ch[2]", "ch[2]", "ch[0]", name="blue"),)),
    }
    for name, view in views.items():
        made = view.made_with(view.recipes[0] if view.recipes else None)
        file = "stack.tif" if name == "stack" else "photo.png"
        shown = np.zeros((*SHAPE, 3), np.uint8)
        write_results(results / name, shown, masks, image_name=file, info={"view": made})

    result = run(results, "--to", "yolo", "-o", tmp_path / "yolo", "--images", tmp_path)
    assert result.exit_code == 0, result.stderr
    expected = {
        "stack": anymask.to_rgb(stack[2], low="5%", gamma=0.7),
        "photo.index": anymask.pseudo_rgb(bands, index).rgb,
        "photo.blue": anymask.pseudo_rgb(bands, "ch[2]", "ch[2]", "ch[0]").rgb,
    }
    for name, rgb in expected.items():
        written = np.asarray(Picture.open(tmp_path / "yolo" / "images" / f"{name}.png"))
        np.testing.assert_array_equal(written, rgb, err_msg=name)

    table = tmp_path / "stack.csv"
    one = results / "stack.labels.tif"
    result = run(one, "--to", "csv", "-o", table, "--images", tmp_path / "stack.tif")
    assert result.exit_code == 0, result.stderr
    header, *rows = (line.split(",") for line in table.read_text().splitlines())
    means = [float(row[header.index("intensity_mean")]) for row in rows]
    labels = labels_with(4, 9)
    assert means == pytest.approx([stack[2][labels == id_].mean() for id_ in (4, 9)], rel=1e-4)


def test_a_view_of_another_version_is_refused_only_where_it_is_needed(
    run, results, photos, tmp_path
):
    path = results / "a.masks.json"
    content = json.loads(path.read_text())
    content["info"]["view"] = {"hologram": 1}
    path.write_text(json.dumps(content))
    result = run(path, "--to", "yolo", "-o", tmp_path / "out", "--images", photos)
    assert result.exit_code == 2
    assert "a.masks.json says what its masks were found in" in result.stderr
    assert "this version does not know hologram" in result.stderr
    assert run(path, "--to", "labels", "-o", tmp_path / "out").exit_code == 0


def test_without_images_it_is_said_where_a_data_set_needs_them(run, results, tmp_path):
    result = run(results, "--to", "yolo", "-o", tmp_path / "out")
    assert f"put the images into {tmp_path / 'out' / 'images'}" in result.stderr


def test_another_image_in_a_data_set_is_not_replaced_unasked(run, results, photos, tmp_path):
    out = tmp_path / "out"
    (out / "images").mkdir(parents=True)
    (out / "images" / "a.png").write_bytes(b"mine")
    result = run(results, "--to", "yolo", "-o", out, "--images", photos)
    assert result.exit_code == 2
    assert "is another image; choose another folder" in result.stderr
    assert (out / "images" / "a.png").read_bytes() == b"mine"


def test_labelme_finds_the_image_from_its_own_folder(run, results, photos, tmp_path):
    run(results, "--to", "labelme", "-o", tmp_path / "out", "--images", photos)
    for file, image in (("a.json", "a.png"), ("day 2/b.v2.json", "day 2/b.v2.tif")):
        json_file = tmp_path / "out" / file
        path = json_file.parent / json.loads(json_file.read_text())["imagePath"]
        assert path.samefile(photos / image)


@pytest.mark.parametrize("to_file", [True, False])
def test_the_pixel_size_of_a_label_image_is_kept(run, tmp_path, to_file):
    picture = np.zeros((*SHAPE, 3), np.uint8)
    masks = MaskSet.from_labels(labels_with(4, 9))
    write_results(
        tmp_path / "in" / "a", picture, masks, image_name="a.png", pixel_size=(0.5, 2.0), unit="µm"
    )
    place = tmp_path / "in" / "a.labels.tif" if to_file else tmp_path / "in"
    table = tmp_path / "out" / "a.csv"
    result = run(place, "--to", "csv", "-o", table if to_file else table.parent)
    assert result.exit_code == 0, result.stderr
    header, first, *_ = table.read_text().splitlines()
    assert "area_um2" in header
    assert float(first.split(",")[header.split(",").index("area_um2")]) == masks.areas[0]
    run(place, "--to", "labels", "-o", tmp_path / "b", "--pixel-size", "3", "--unit", "mm")
    assert scale_of(tmp_path / "b" / "a.tif") == {"pixel_size": (3.0, 3.0), "unit": "mm"}


def test_an_image_of_another_size_is_refused(run, tmp_path):
    save_masks(labels_with(4), tmp_path / "a.tif")
    Picture.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "p.png")
    result = run(
        tmp_path / "a.tif", "--to", "labels", "-o", tmp_path / "b.tif", "--images",
        tmp_path / "p.png",
    )  # fmt: skip
    assert result.exit_code == 2
    assert "30×20 pixels" in result.stderr
    assert not (tmp_path / "b.tif").exists()


def test_score_maps_and_semantic_masks_beside_results_are_ignored(run, results, tmp_path):
    scores = ScoreMap(np.zeros(SHAPE, np.float32), SHAPE)
    for folder, name in ((results, "a"), (results, "c")):
        scores.save(folder / f"{name}.scores.npz")
        scores.save(folder / f"{name}.scores.tif")
        Picture.fromarray(np.zeros(SHAPE, np.uint8)).save(folder / f"{name}.semantic.png")
    result = run(results, "--to", "labels", "-o", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    written = sorted(p.name for p in (tmp_path / "out").rglob("*.tif"))
    assert written == ["a.tif", "b.v2.tif"]


@pytest.mark.parametrize(
    ("form", "name"),
    [
        *(("coco", "x.json"), ("npz", "x.npz"), ("labels", "x.tif"), ("labels", "x.tiff")),
        *(("labels-npz", "x.npz"), ("zarr", "x.zarr"), ("yolo", "x.txt"), ("labelme", "x.json")),
        *(("geojson", "x.geojson"), ("imagej", "x.zip")),
    ],
)
def test_one_result_becomes_one_file_with_the_same_ids(run, tmp_path, results, masks, form, name):
    result = run(results / "a.masks.json", "--to", form, "--out", tmp_path / "out" / name)
    assert result.exit_code == 0, result.output
    assert str(tmp_path / "out" / name) in result.stdout
    again = load_masks(tmp_path / "out" / name, SHAPE)
    assert again.class_names == ("leaf", "stem")
    if form == "yolo":
        assert again.ids.tolist() == [1, 2]
    else:
        np.testing.assert_array_equal(again.to_labels(), masks.to_labels())


def test_what_a_format_cannot_store_is_reported(run, tmp_path, results):
    result = run(results / "a.masks.json", "--to", "yolo", "-o", tmp_path / "x.txt")
    assert "The file has no ids" in result.stderr
    result = run(results / "a.masks.json", "--to", "png", "-o", tmp_path / "x.png")
    assert result.exit_code == 2
    assert "70,000" in result.stderr
    assert not (tmp_path / "x.png").exists()


def test_a_folder_of_results_becomes_one_coco_file(run, tmp_path, results):
    result = run(results, "--to", "coco", "-o", tmp_path / "all.json")
    assert result.exit_code == 0, result.output
    coco = COCO(str(tmp_path / "all.json"))
    names = {image["file_name"] for image in coco.loadImgs(coco.getImgIds())}
    assert names == {"a.png", "day 2/b.v2.jpg"}
    assert sorted(coco.getAnnIds()) == [1, 2, 3]  # 0 means no match to pycocotools
    again = dict(load_dataset(tmp_path / "all.json"))
    assert again["a.png"].ids.tolist() == [5, 70_000]


def test_a_folder_of_results_becomes_a_data_set_and_is_read_back(run, tmp_path, results):
    for form, inner in (("yolo", "labels/day 2/b.v2.txt"), ("labelme", "day 2/b.v2.json")):
        out = tmp_path / form
        assert run(results, "--to", form, "-o", out).exit_code == 0
        assert (out / inner).is_file()
        again = tmp_path / f"{form} again"
        size = ("--image-size", "30x20")
        result = run(out, "--to", "labels", "-o", again, *size)
        assert result.exit_code == 0, result.output
        labels = tifffile.imread(again / "day 2" / "b.v2.tif")
        np.testing.assert_array_equal(labels > 0, labels_with(0, 5) > 0)


def test_a_voc_folder_is_read_without_its_images(run, tmp_path, masks):
    small = masks.with_ids([3, 200])
    save_masks(small, tmp_path / "voc" / "Annotations" / "a.xml")
    save_masks(small, tmp_path / "flat" / "b.xml")
    for folder, name in (("voc", "a"), ("flat", "b")):
        out = tmp_path / f"{folder} out"
        assert run(tmp_path / folder, "--to", "labels", "-o", out).exit_code == 0
        (path,) = out.rglob("*.tif")
        assert path.name == f"{name}.tif"
        np.testing.assert_array_equal(tifffile.imread(path), small.to_labels())


def test_one_bad_result_does_not_stop_the_others(run, tmp_path, results):
    (results / "c.masks.json").write_text("{")
    result = run(results, "--to", "npz", "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert "c.masks.json is not valid JSON" in result.stderr
    assert "1 of 3 results could not be read." in result.stderr
    assert (tmp_path / "out" / "a.npz").is_file()


def test_existing_files_are_kept_without_overwrite(run, tmp_path, results):
    out = tmp_path / "x.json"
    out.write_text("mine")
    result = run(results / "a.masks.json", "--to", "labelme", "-o", out)
    assert result.exit_code == 2
    assert "exists already" in result.stderr
    assert out.read_text() == "mine"
    assert run(results / "a.masks.json", "--to", "labelme", "-o", out, "--overwrite").exit_code == 0
    assert len(load_masks(out)) == 2


def test_names_in_a_data_set_cannot_leave_the_output_folder(run, tmp_path, masks):
    data = masks.to_coco("../../up.png")
    data["images"].append({**data["images"][0], "id": 2, "file_name": "/etc/rooted.png"})
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "all.json").write_text(json.dumps(data))
    out = tmp_path / "deep" / "er" / "out"
    result = run(tmp_path / "in" / "all.json", "--to", "npz", "-o", out)
    assert result.exit_code == 0, result.output
    found = {path.relative_to(out).as_posix() for path in out.rglob("*.npz")}
    assert found == {"up.npz", "etc/rooted.npz"}
    assert len(list(tmp_path.rglob("*.npz"))) == 2


def test_images_with_the_same_stem_keep_their_suffixes(run, tmp_path, masks):
    data = masks.to_coco("a.png")
    data["images"].append({**data["images"][0], "id": 2, "file_name": "a.jpg"})
    (tmp_path / "all.json").write_text(json.dumps(data))
    assert run(tmp_path / "all.json", "--to", "labels", "-o", tmp_path / "out").exit_code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.jpg.tif", "a.png.tif"]


def test_images_give_pixel_size_and_brightness(run, tmp_path, results):
    images = tmp_path / "pictures"
    (images / "day 2").mkdir(parents=True)
    for name, level in (("a", 100), ("day 2/b.v2", 200)):
        tifffile.imwrite(
            images / f"{name}.tif",
            np.full(SHAPE, level, np.uint16),
            imagej=True,
            resolution=(2, 2),
            metadata={"unit": "um"},
        )
    result = run(results, "--to", "csv", "-o", tmp_path / "out", "--images", images)
    assert result.exit_code == 0, result.output
    header, row = (tmp_path / "out" / "day 2" / "b.v2.csv").read_text().splitlines()
    values = dict(zip(header.split(","), row.split(","), strict=True))
    assert float(values["intensity_mean"]) == 200
    assert float(values["area_um2"]) == int(values["num_pixels"]) / 4
    result = run(results, "--to", "labels", "-o", tmp_path / "tif", "--images", images)
    with tifffile.TiffFile(tmp_path / "tif" / "a.tif") as tiff:
        assert tiff.imagej_metadata["unit"] == "micron"
    result = run(results / "a.masks.json", "--to", "csv", "-o", tmp_path / "p.csv",
                 "--pixel-size", "2", "--unit", "mm")  # fmt: skip
    assert "area_mm2" in (tmp_path / "p.csv").read_text()


def test_polygons_and_the_order_of_classes_follow_the_options(run, tmp_path, results):
    options = ("--polygons", "--classes", "stem,leaf,root", "--simplify", "0.4")
    run(results / "a.masks.json", "--to", "coco", "-o", tmp_path / "x.json", *options)
    data = json.loads((tmp_path / "x.json").read_text())
    assert [c["name"] for c in data["categories"]] == ["stem", "leaf", "root"]
    assert all(isinstance(a["segmentation"], list) for a in data["annotations"])


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("a.masks.json", "--to", "geojsn", "-o", "x"), "did you mean geojson?"),
        (("none.json", "--to", "coco", "-o", "x.json"), "There is no file or folder"),
        (("a.masks.json", "--to", "coco", "-o", "x.json", "--image-size", "3"), "write for inst"),
        (("a.masks.json", "--to", "csv", "-o", "x", "--pixel-size", "0"), "one number above 0"),
        (("a.masks.json", "--to", "csv", "-o", "x.csv", "--pixel-size", "2"), "needs a unit"),
        ((".", "--to", "labels", "-o", "x.tif"), "cannot go into one file"),
        (("a.masks.csv", "--to", "coco", "-o", "x.json"), "measurements but no masks"),
        (("a.masks.json", "--to", "csv", "-o", "x", "--images", "nowhere"), "no image or folder"),
    ],
)
def test_mistakes_give_one_sentence(run, results, monkeypatch, arguments, what):
    monkeypatch.chdir(results)
    before = sorted(results.rglob("*"))
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert what in result.stderr
    assert result.stderr.count("\n") == 1
    assert sorted(results.rglob("*")) == before


@pytest.mark.parametrize("command", ["convert", "clean"])
def test_images_beside_their_masks_are_no_masks_and_masks_are_no_images(cli, tmp_path, command):
    folder, out = tmp_path / "cells", tmp_path / "out"
    folder.mkdir()
    labels = labels_with(3, 5)
    Picture.fromarray(labels.astype(np.uint8)).save(folder / "a_cp_masks.png")
    Picture.fromarray(np.full(SHAPE, 200, np.uint8)).save(folder / "a.png")
    steps = ("--min-area", 1) if command == "clean" else ()
    result = cli(command, folder, "--images", folder, "--to", "csv", "-o", out, *steps)
    assert result.exit_code == 0, result.stderr
    (table,) = out.rglob("*.csv")
    rows = list(csv.DictReader(table.open()))
    assert [(row["id"], float(row["intensity_mean"])) for row in rows] == [("3", 200), ("5", 200)]


@pytest.mark.parametrize("size", [{}, {"width": None, "height": None}, {"width": 60, "height": 40}])
def test_images_are_found_by_the_names_in_a_coco_file_and_give_its_size(run, tmp_path, size):
    (tmp_path / "photos").mkdir()
    for name in ("my leaf.png", "b.png"):
        Picture.fromarray(np.zeros((20, 30, 3), np.uint8)).save(tmp_path / "photos" / name)
    factor = 2 if size.get("width") else 1
    outline = [factor * number for number in (2, 2, 12, 2, 12, 8, 2, 8)]
    names = ["day 1\\my%20leaf.jpg", "/data/b.png"]
    coco = {
        "images": [{"id": n, "file_name": name, **size} for n, name in enumerate(names)],
        "categories": [{"id": 1, "name": "leaf"}],
        "annotations": [
            {"id": n + 1, "image_id": n, "category_id": 1, "segmentation": [outline]}
            for n in range(2)
        ],
    }
    (tmp_path / "x.json").write_text(json.dumps(coco))
    result = run(
        tmp_path / "x.json",
        "--to",
        "labels",
        "--images",
        tmp_path / "photos",
        "-o",
        tmp_path / "out",
    )
    assert result.exit_code == 0, result.stderr
    found = [load_masks(path) for path in (tmp_path / "out").rglob("*.tif")]
    assert [(m.image_size, m.areas.tolist()) for m in found] == [((20, 30), [60])] * 2
