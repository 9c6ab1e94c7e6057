"""Export of a session's masks; files are replaced only with permission."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import tifffile
from PIL import Image

import anymask
from anymask.errors import OutputError
from anymask.io.read_masks import load_dataset, load_masks
from anymask.session import LayerKey, Session


@pytest.fixture
def annotated(session, paint):
    """Two of the three images have objects, with ids that are not consecutive, and classes."""
    first, second, _ = session.layers
    paint(session, first, 7, slice(10, 30), slice(10, 40))
    paint(session, first, 300, slice(50, 60), slice(10, 40))
    paint(session, second, 2, slice(10, 30), slice(10, 40))
    session.edits.set_classes([("leaf", "#00ff00"), ("soil", "#aa5500")])
    session.edits.classify(first, [7], "soil")
    session.edits.classify(first, [300], "leaf")
    return session


@pytest.mark.parametrize(
    ("form", "names"),
    [
        ("labels", {"a.labels.tif", "b.labels.tif"}),
        ("png", {"a.labels.png", "b.labels.png"}),
        ("labels-npz", {"a.labels.npz", "b.labels.npz"}),
        ("npz", {"a.masks.npz", "b.masks.npz"}),
        ("zarr", {"a.labels.zarr", "b.labels.zarr"}),
        ("labelme", {"a.labelme.json", "b.labelme.json"}),
        ("geojson", {"a.geojson", "b.geojson"}),
        ("imagej", {"a.rois.zip", "b.rois.zip"}),
    ],
)
def test_every_format_keeps_ids_and_pixels(annotated, tmp_path, form, names):
    out = tmp_path / "out"
    saved = annotated.export.save(out, [form])
    assert {path.name for path in out.iterdir()} == names
    assert set(saved.files) >= {out / name for name in names}
    for key, name in zip(annotated.layers[:2], sorted(names), strict=True):
        masks = load_masks(out / name, (90, 120))
        np.testing.assert_array_equal(masks.to_labels(), annotated.layers.labels(key))


def test_coco_is_one_file_with_classes_and_the_names_of_the_images(annotated, tmp_path):
    annotated.export.save(tmp_path / "all.json", ["coco"])
    found = dict(load_dataset(tmp_path / "all.json"))
    assert set(found) == {"a.png", "b.png"}
    masks = found["a.png"]
    assert dict(zip(masks.ids.tolist(), masks.class_names, strict=True)) == {7: "soil", 300: "leaf"}
    first = annotated.layers[0]
    np.testing.assert_array_equal(masks.to_labels(), annotated.layers.labels(first))
    names = [c["name"] for c in json.loads((tmp_path / "all.json").read_text())["categories"]]
    assert names[:2] == ["leaf", "soil"]


def test_tables_have_the_measurements_of_every_object(annotated, tmp_path):
    annotated.export.save(tmp_path, ["csv"])
    with (tmp_path / "a.masks.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["id"], row["class_name"], float(row["area"])) for row in rows] == [
        ("7", "soil", 600.0),
        ("300", "leaf", 300.0),
    ]
    picture = np.asarray(Image.open(annotated.images["i1"].path), float)
    mean = picture[10:30, 10:40, 0].mean()
    assert float(rows[0]["intensity_mean_red"]) == pytest.approx(mean, rel=1e-4)


def test_several_formats_go_into_one_folder_and_the_layers_count_as_saved(annotated, tmp_path):
    first, second, third = annotated.layers
    annotated.export.save(tmp_path / "out", ["labels", "csv", "coco", "yolo"], [first])
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"a.labels.tif", "a.masks.csv", "annotations.json", "labels", "data.yaml"} <= names
    photo = annotated.images["i1"].path
    assert (tmp_path / "out" / "images" / "a.png").read_bytes() == photo.read_bytes()
    assert annotated.layers.state(first) == "saved"
    assert annotated.layers.state(second) == "edited"
    assert annotated.layers.state(third) == "new"
    annotated.edits.undo(first)
    assert annotated.layers.state(first) == "edited"


def test_existing_files_are_checked_before_anything_is_written(annotated, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "b.labels.tif").write_text("mine")
    assert annotated.export.existing(out, ["labels"]) == [out / "b.labels.tif"]
    with pytest.raises(OutputError, match=r"b\.labels\.tif exists already"):
        annotated.export.save(out, ["labels"])
    assert [path.name for path in out.iterdir()] == ["b.labels.tif"]
    assert (out / "b.labels.tif").read_text() == "mine"
    annotated.export.save(out, ["labels"], overwrite=True)
    assert tifffile.imread(out / "b.labels.tif").max() == 2


def test_files_that_the_session_wrote_are_its_own_until_someone_changes_them(annotated, tmp_path):
    out, formats = tmp_path / "out", ["labels", "csv", "coco"]
    annotated.export.save(out, formats)
    assert len(annotated.export.existing(out, formats)) == 5
    assert annotated.export.existing(out, formats, own=False) == []
    (out / "a.masks.csv").write_text("mine")
    (out / "b.labels.tif").unlink()
    annotated.close()
    with Session.open(annotated.folder) as again:
        assert again.export.existing(out, formats, own=False) == [out / "a.masks.csv"]


def test_an_image_of_the_session_is_never_replaced(tmp_path, pictures, paint):
    picture = pictures / "x.labels.png"
    Image.open(pictures / "a.png").save(picture)
    Image.open(pictures / "a.png").save(pictures / "x.bmp")
    before = picture.read_bytes()
    with Session.create(tmp_path / "work") as session:
        session.images.add([pictures / "x.bmp", picture])
        paint(session, LayerKey("i1", "rgb"), 1, slice(0, 9), slice(0, 9))
        with pytest.raises(OutputError, match="is an image of this session"):
            session.export.save(pictures, ["png"], overwrite=True)
    assert picture.read_bytes() == before


def test_each_pseudo_rgb_has_its_own_files(annotated, tmp_path, paint):
    annotated.images.add_recipe("red=ch[0]", images=["i1"])
    paint(annotated, LayerKey("i1", "red"), 5, slice(0, 9), slice(0, 9))
    annotated.export.save(tmp_path / "out", ["labels", "coco"])
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"a.rgb.labels.tif", "a.red.labels.tif", "b.labels.tif"} <= names
    found = dict(load_dataset(tmp_path / "out" / "annotations.json"))
    assert found["a.red.png"].ids.tolist() == [5]


def test_a_stack_is_one_label_file_or_one_file_per_plane_in_other_formats(
    tmp_path, stack_file, paint
):
    with Session.create(tmp_path / "work") as session:
        session.images.add(stack_file)
        key = LayerKey("i1", "rgb")
        paint(session, key, 3, slice(10, 20), slice(10, 20), plane=1)
        paint(session, key, 400, slice(10, 20), slice(10, 20), plane=4)
        session.export.save(tmp_path / "out", ["labels", "csv"])
        np.testing.assert_array_equal(
            tifffile.imread(tmp_path / "out" / "stack.labels.tif"), session.layers.labels(key)
        )
        names = sorted(path.name for path in (tmp_path / "out").glob("*.csv"))
        assert names == [f"stack.z{z}.masks.csv" for z in range(5)]


def test_without_masks_there_is_nothing_to_save(session, tmp_path):
    with pytest.raises(OutputError, match="no masks to save"):
        session.export.save(tmp_path / "out")


def test_a_binary_mask_of_selected_objects_is_written(annotated, tmp_path):
    key = annotated.layers[0]
    annotated.export.save_binary(key, "1-10", tmp_path / "mask.png")
    mask = np.asarray(Image.open(tmp_path / "mask.png"))
    np.testing.assert_array_equal(mask, np.where(annotated.layers.labels(key) == 7, 255, 0))
    with pytest.raises(OutputError, match="exists already"):
        annotated.export.save_binary(key, None, tmp_path / "mask.png")


@pytest.mark.parametrize("planes", [1, 3])
def test_every_label_image_of_a_map_has_its_place(tmp_path, paint, field, planes):
    with Session.create(tmp_path / "work") as session:
        session.images.add(field(planes))
        key = LayerKey("i1", "rgb")
        last = None if planes == 1 else planes - 1
        paint(session, key, 3, slice(10, 20), slice(10, 20), plane=last)
        session.export.save(tmp_path)
        session.export.save_binary(key, None, tmp_path / "one.tif", plane=planes - 1)
    before = anymask.read(tmp_path / "field.tif")
    for name, value in (("field.labels.tif", 3), ("one.tif", 255)):
        image = anymask.read(tmp_path / name)
        for fact in ("transform", "crs"):
            assert image.geo[fact] == before.geo[fact]
        assert (image.pixel_size, image.unit) == ((0.5, 0.5), "m")
        assert image.array.sum() == 100 * value


def test_masks_from_a_file_replace_a_layer(annotated, tmp_path):
    first, _, third = annotated.layers
    annotated.export.save(tmp_path / "all.json", ["coco"], [first])
    annotated.edits.import_masks(third, tmp_path / "all.json")
    np.testing.assert_array_equal(annotated.layers.labels(third), annotated.layers.labels(first))
    assert annotated.layers.class_names(third) == {7: "soil", 300: "leaf"}
