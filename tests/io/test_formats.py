"""What other programs find in the files, and what is read of theirs."""

from __future__ import annotations

import json
import zipfile
from xml.etree import ElementTree

import numpy as np
import pyarrow.parquet
import pytest
import roifile
import yaml
from PIL import Image as Pillow
from pycocotools.coco import COCO

from anymask.errors import AnymaskError, ImageError, OutputError
from anymask.images.image import Image
from anymask.io import load_masks, losses, measure_in_image, save_masks
from anymask.io.mask_formats.voc import palette
from anymask.masks.mask_set import MaskSet
from anymask.masks.polygons import signed_area


@pytest.mark.parametrize("polygons", [False, True])
def test_pycocotools_finds_ids_classes_and_pixels(tmp_path, masks, stack, polygons):
    save_masks(masks, tmp_path / "a.json", image="pictures/a.png", polygons=polygons)
    coco = COCO(str(tmp_path / "a.json"))
    assert coco.loadImgs(coco.getImgIds())[0]["file_name"] == "a.png"
    names = {c["id"]: c["name"] for c in coco.loadCats(coco.getCatIds())}
    for id_, name, mask in zip(masks.ids, masks.class_names, stack, strict=True):
        (annotation,) = coco.loadAnns([int(id_)])
        assert names[annotation["category_id"]] == name
        np.testing.assert_array_equal(coco.annToMask(annotation), mask)
        assert annotation["area"] == mask.sum()
    kinds = {type(a["segmentation"]) for a in coco.dataset["annotations"]}
    assert kinds == {list if polygons else dict}


def test_pycocotools_takes_an_empty_mask_among_polygons(tmp_path):
    save_masks(MaskSet.from_masks(np.zeros((1, 4, 5), bool)), tmp_path / "a.json", polygons=True)
    coco = COCO(str(tmp_path / "a.json"))
    assert coco.annToMask(coco.loadAnns([1])[0]).sum() == 0


def test_classes_are_numbered_as_asked(tmp_path, masks):
    classes = ["nucleus", "none of these", "pair", "wall"]
    save_masks(masks, tmp_path / "a.json", classes=classes)
    data = json.loads((tmp_path / "a.json").read_text())
    assert [c["name"] for c in data["categories"]] == classes
    assert [a["category_id"] for a in data["annotations"]] == [1, 4, 3]
    save_masks(masks, tmp_path / "labels" / "a.txt", classes=classes)
    assert yaml.safe_load((tmp_path / "data.yaml").read_text())["names"][2] == "pair"
    lines = (tmp_path / "labels" / "a.txt").read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["0", "3", "2"]
    with pytest.raises(OutputError, match="'nucleus' is not among pair, wall"):
        save_masks(masks, tmp_path / "b.json", classes=["pair", "wall"])


def test_yolo_lines_are_shares_of_the_image(tmp_path):
    labels = np.zeros((10, 20), int)
    labels[2:4, 5:15] = 1
    save_masks(labels, tmp_path / "a.txt")
    assert (tmp_path / "a.txt").read_text() == "0 0.25 0.2 0.75 0.2 0.75 0.4 0.25 0.4\n"
    assert yaml.safe_load((tmp_path / "data.yaml").read_text())["names"] == {0: "object"}


def test_a_list_of_classes_that_someone_wrote_is_used_and_never_rewritten(tmp_path, masks):
    text = "# mine\nnames: [pair, other, wall, nucleus]\npath: /data\n"
    (tmp_path / "data.yaml").write_text(text)
    save_masks(masks, tmp_path / "labels" / "a.txt")
    assert (tmp_path / "data.yaml").read_text() == text
    again = load_masks(tmp_path / "labels" / "a.txt", masks.image_size)
    assert again.class_names == ("nucleus", "wall", "pair")
    with pytest.raises(OutputError, match=r"data\.yaml has other classes.*'new'"):
        save_masks(masks.with_class_names(["new"] * 3), tmp_path / "labels" / "b.txt")
    assert not (tmp_path / "labels" / "b.txt").exists()


def test_voc_has_its_palette_boxes_from_1_and_classes_by_pixel(tmp_path, masks, stack):
    masks = masks.with_ids([12, 200, 7])
    files = save_masks(masks, tmp_path / "Annotations" / "a.xml", image="a.jpg")
    assert {path.relative_to(tmp_path).as_posix() for path in files} == {
        "Annotations/a.xml",
        "SegmentationClass/a.png",
        "SegmentationObject/a.png",
        "labelmap.txt",
    }
    with Pillow.open(tmp_path / "SegmentationObject" / "a.png") as image:
        assert image.mode == "P"
        assert image.getpalette()[: 3 * 256] == palette().reshape(-1).tolist()
        np.testing.assert_array_equal(np.asarray(image), masks.to_labels())
    with Pillow.open(tmp_path / "SegmentationClass" / "a.png") as image:
        classes = np.asarray(image)
    assert (classes[stack[2]] == 1).all()  # nucleus, pair, wall
    assert (classes[stack[1]] == 2).all()
    root = ElementTree.parse(tmp_path / "Annotations" / "a.xml").getroot()
    assert root.findtext("filename") == "a.jpg"
    assert [o.findtext("name") for o in root.findall("object")] == ["nucleus", "wall", "pair"]
    box = root.findall("object")[2].find("bndbox")
    assert [int(side.text) for side in box] == [6, 31, 25, 35]


def test_voc_of_others_is_read_in_the_order_of_its_objects_without_void(tmp_path):
    labels = np.array([[1, 1, 255, 2], [255, 255, 255, 2]], np.uint8)
    for folder in ("Annotations", "SegmentationObject"):
        (tmp_path / folder).mkdir()
    image = Pillow.fromarray(labels)
    image.putpalette(palette().tobytes())
    image.save(tmp_path / "SegmentationObject" / "a.png")
    (tmp_path / "Annotations" / "a.xml").write_text(
        "<annotation><object><name>dog</name></object><object><name>cat</name></object></annotation>"
    )
    masks = load_masks(tmp_path / "Annotations" / "a.xml")
    assert masks.ids.tolist() == [1, 2]
    assert masks.class_names == ("dog", "cat")
    assert masks.areas.tolist() == [2, 2]


def test_labelme_has_a_polygon_for_each_part_grouped_by_id(tmp_path, masks):
    save_masks(masks, tmp_path / "a.json", "labelme", image="a.jpg")
    data = json.loads((tmp_path / "a.json").read_text())
    assert (data["imagePath"], data["imageHeight"], data["imageWidth"]) == ("a.jpg", 40, 50)
    assert [(s["label"], s["group_id"]) for s in data["shapes"]] == [
        ("nucleus", 7),
        ("wall", 12),
        ("pair", 300),
        ("pair", 300),
    ]
    assert data["shapes"][2]["points"] == [[5, 30], [10, 30], [10, 35], [5, 35]]


def test_labelme_shapes_of_other_kinds_are_read(tmp_path):
    shapes = [
        {"label": "box", "points": [[2, 1], [5, 4]], "shape_type": "rectangle"},
        {"label": "disc", "points": [[15, 15], [15, 20]], "shape_type": "circle", "group_id": None},
    ]
    data = {"imageHeight": 30, "imageWidth": 32, "shapes": shapes, "imagePath": "a.png"}
    (tmp_path / "a.json").write_text(json.dumps(data))
    masks = load_masks(tmp_path / "a.json")
    assert masks.class_names == ("box", "disc")
    assert masks.areas[0] == 9
    assert masks.areas[1] == pytest.approx(np.pi * 25, rel=0.05)
    shapes[0]["shape_type"] = "line"
    (tmp_path / "a.json").write_text(json.dumps(data))
    with pytest.warns(UserWarning, match="a line called 'box'"):
        assert load_masks(tmp_path / "a.json").class_names == ("disc",)
    data["shapes"] = shapes[:1]
    (tmp_path / "a.json").write_text(json.dumps(data))
    with pytest.raises(AnymaskError, match=r"nothing that covers pixels, .* kind line"):
        load_masks(tmp_path / "a.json")


def rings_of(feature) -> list[tuple[bool, np.ndarray]]:
    geometry = feature["geometry"]
    polygons = geometry["coordinates"]
    polygons = [polygons] if geometry["type"] == "Polygon" else polygons
    return [(i > 0, np.array(ring)) for polygon in polygons for i, ring in enumerate(polygon)]


@pytest.mark.parametrize("transform", [None, (1000, 2, 0, 5000, 0, -2), (0, 0, 3, 0, 3, 0)])
def test_geojson_obeys_the_right_hand_rule_on_every_map(tmp_path, masks, stack, transform):
    geo = None if transform is None else {"transform": transform, "crs": "EPSG:32632"}
    image = Image(np.zeros((40, 50)), "YX", geo=geo, name="field")
    save_masks(masks, tmp_path / "a.geojson", image=image)
    data = json.loads((tmp_path / "a.geojson").read_text())
    by_id = {feature["id"]: feature for feature in data["features"]}
    assert by_id[12]["geometry"]["type"] == by_id[7]["geometry"]["type"] == "Polygon"
    assert by_id[300]["geometry"]["type"] == "MultiPolygon"
    assert by_id[300]["properties"]["classification"]["name"] == "pair"
    for id_, mask in zip(masks.ids, stack, strict=True):
        area = 0.0
        for is_hole, ring in rings_of(by_id[int(id_)]):
            assert ring[0].tolist() == ring[-1].tolist()
            assert (signed_area(ring[:-1]) < 0) == is_hole
            area += signed_area(ring[:-1])
        pixel = 1 if transform is None else abs(transform[1] * transform[5] or 9)
        assert area == pytest.approx(mask.sum() * pixel)
    assert len(rings_of(by_id[12])) == 2
    assert ("crs" in data) == (transform is not None)
    again = load_masks(tmp_path / "a.geojson")
    np.testing.assert_array_equal(again.to_labels(), masks.to_labels())


def test_geojson_coordinates_are_those_of_the_map_or_of_pixels_as_asked(tmp_path):
    labels = np.zeros((10, 10), int)
    labels[2:4, 1:6] = 1
    image = Image(
        labels, "YX", geo={"transform": (500.0, 10, 0, 900.0, 0, -10), "crs": "EPSG:25832"}
    )
    corners = {}
    for name, geo in (("map", None), ("pixels", False)):
        save_masks(labels, tmp_path / f"{name}.geojson", image=image, geo=geo)
        data = json.loads((tmp_path / f"{name}.geojson").read_text())
        corners[name] = {tuple(p) for p in data["features"][0]["geometry"]["coordinates"][0]}
    assert corners["map"] == {(510, 880), (560, 880), (560, 860), (510, 860)}
    assert corners["pixels"] == {(1, 2), (6, 2), (6, 4), (1, 4)}
    with pytest.raises(OutputError, match="geo-reference"):
        save_masks(labels, tmp_path / "x.geojson", geo=True)


def test_geojson_of_others_is_placed_by_the_images_transform(tmp_path):
    ring = [[510, 880], [560, 880], [560, 860], [510, 860], [510, 880]]
    data = {
        "type": "Feature",
        "properties": {"class": "field"},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }
    (tmp_path / "a.json").write_text(json.dumps(data))
    image = Image(np.zeros((10, 10)), "YX", geo={"transform": (500.0, 10, 0, 900.0, 0, -10)})
    masks = load_masks(tmp_path / "a.json", image=image)
    expected = np.zeros((10, 10), bool)
    expected[2:4, 1:6] = True
    np.testing.assert_array_equal(masks[0], expected)
    assert masks.class_names == ("field",)
    with pytest.raises(AnymaskError, match="does not say how large the image is"):
        load_masks(tmp_path / "a.json")


def test_roifile_reads_names_outlines_and_holes(tmp_path, masks, stack):
    save_masks(masks, tmp_path / "a.zip")
    rois = roifile.roiread(tmp_path / "a.zip")
    assert [roi.name for roi in rois] == ["0007-nucleus", "0012-wall", "0300-pair"]
    assert rois[0].roitype == roifile.ROI_TYPE.TRACED
    assert rois[1].composite
    assert len(rois[1].coordinates(multi=True)) == 2
    corners = rois[0].coordinates()
    assert signed_area(corners.astype(float)) == stack[2].sum()
    assert (rois[0].left, rois[0].top) == tuple(corners.min(0))


def test_rois_of_others_are_read_given_the_size_of_the_image(tmp_path):
    roi = roifile.ImagejRoi()
    roi.roitype = roifile.ROI_TYPE.RECT
    roi.left, roi.top, roi.right, roi.bottom = 3, 2, 8, 6
    roi.tofile(tmp_path / "a.roi")
    masks = load_masks(tmp_path / "a.roi", (10, 12))
    expected = np.zeros((10, 12), bool)
    expected[2:6, 3:8] = True
    np.testing.assert_array_equal(masks[0], expected)
    roi.roitype = roifile.ROI_TYPE.POINT
    roi.integer_coordinates, roi.n_coordinates = np.zeros((1, 2), np.int32), 1
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("dot.roi", roi.tobytes())
    with pytest.raises(AnymaskError, match="only points and lines"):
        load_masks(tmp_path / "b.zip", (10, 12))


def test_outlines_beyond_16_bits_come_back_from_imagej(tmp_path):
    labels = np.zeros((3, 40_000), np.uint8)
    labels[1, 33_000:39_999] = 4
    save_masks(labels, tmp_path / "a.zip")
    np.testing.assert_array_equal(load_masks(tmp_path / "a.zip").to_labels(), labels)


def test_tables_carry_units_in_their_names_and_channels(tmp_path, masks, calibrated):
    save_masks(masks, tmp_path / "a.csv", image=calibrated)
    header, first, *_ = (tmp_path / "a.csv").read_text().splitlines()
    row = dict(zip(header.split(","), first.split(","), strict=True))
    assert (row["id"], row["class_name"]) == ("7", "nucleus")
    assert float(row["area_um2"]) == masks.areas[2] * 0.125
    dapi = calibrated.array[masks[2]][:, 0]
    assert float(row["intensity_mean_DAPI"]) == pytest.approx(dapi.mean())
    assert float(row["intensity_max_DAPI"]) == dapi.max()


def test_parquet_has_the_types_and_units_of_the_columns(tmp_path, masks, calibrated):
    save_masks(masks, tmp_path / "a.parquet", image=calibrated, properties=["area", "solidity"])
    table = pyarrow.parquet.read_table(tmp_path / "a.parquet")
    assert table.column_names == ["id", "class_name", "area_um2", "solidity"]
    assert table["id"].to_pylist() == [7, 12, 300]
    assert table["class_name"].to_pylist() == ["nucleus", "wall", "pair"]
    assert table.schema.field("area_um2").metadata == {b"unit": "µm²".encode()}


def test_an_image_of_another_size_is_not_measured(masks):
    with pytest.raises(AnymaskError, match="50×40 pixels and other is 20×30"):
        measure_in_image(masks, Image(np.zeros((30, 20)), "YX", name="other"))


def test_records_of_segment_anything_and_sa1b_are_read(tmp_path, masks, stack):
    records = masks.to_records("coco_rle")
    (tmp_path / "records.json").write_text(json.dumps(records).replace("NaN", "null"))
    data = {"image": {"height": 40, "width": 50, "file_name": "sa_1.jpg"}, "annotations": records}
    (tmp_path / "sa_1.json").write_text(json.dumps(data).replace("NaN", "null"))
    for name in ("records.json", "sa_1.json"):
        found = load_masks(tmp_path / name)
        assert found.ids.tolist() == masks.ids.tolist()
        np.testing.assert_array_equal(np.array(list(found)), stack)


def test_losses_of_a_format_are_listed(stack):
    stack[2] |= stack[0]
    overlapping = MaskSet.from_masks(
        np.concatenate([stack, np.zeros((1, 40, 50), bool)]), object_ids=[5, 6, 7, 8]
    )
    assert losses(overlapping, "coco") == losses(overlapping, "npz") == []
    assert losses(overlapping, "csv") == []
    (overlap, empty) = losses(overlapping, "labels")
    assert overlap.startswith("2 of the 4 masks overlap")
    assert empty == "1 mask without pixels is left out."
    assert "numbered from 1" in losses(overlapping, "yolo")[0]


def test_the_format_is_known_by_the_content_not_the_name(tmp_path, masks):
    for number, form in enumerate(("coco", "npz", "labels", "png", "labelme", "geojson", "imagej")):
        save_masks(masks, tmp_path / f"{number}.dat", form)
        np.testing.assert_array_equal(
            load_masks(tmp_path / f"{number}.dat").to_labels(), masks.to_labels()
        )


def test_the_same_masks_give_the_same_bytes(tmp_path, masks):
    for form in ("coco", "labels", "png", "yolo", "voc", "labelme", "geojson", "imagej", "csv"):
        for name in ("x", "y"):
            save_masks(masks, tmp_path / name / form / "a", form, image="a.png")
        x, y = (tmp_path / name / form / "a" for name in ("x", "y"))
        assert x.read_bytes() == y.read_bytes(), form


def test_an_image_of_another_size_is_refused(tmp_path, calibrated):
    masks = MaskSet.from_labels(np.ones((30, 20), np.uint8))
    with pytest.raises(ImageError, match="20×30 pixels and cells is 50×40"):
        save_masks(masks, tmp_path / "a.geojson", image=calibrated)
    assert not list(tmp_path.iterdir())
