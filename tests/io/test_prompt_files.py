"""Boxes and points in files of detectors, labelling programs, tables and maps."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import roifile

from anymask import Image, MaskSet, read_prompts
from anymask.errors import AnymaskError, ImageError, PromptError
from anymask.io import save_masks
from anymask.notices import noticing

SIZE = (40, 50)
PICTURE = Image(np.zeros(SIZE, np.uint8), "YX", path=Path("cells.png"))
# A mask that reaches from column 5 to 14 and from row 3 to 9, and one of a single pixel.
EDGES = [[4.5, 2.5, 14.5, 9.5], [29.5, 19.5, 30.5, 20.5]]


@pytest.fixture
def two() -> MaskSet:
    stack = np.zeros((2, *SIZE), bool)
    stack[0, 3:10, 5:15] = stack[1, 20, 30] = True
    return MaskSet.from_masks(stack, object_ids=[300, 7], class_names=["wall", "seed"])


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("cells.json", "coco"),
        ("cells.json", "labelme"),
        ("cells.xml", "voc"),
        ("cells.geojson", "geojson"),
        ("cells.zip", "imagej"),
        ("cells.csv", "csv"),
        ("cells.txt", "yolo"),
    ],
)
def test_the_boxes_of_masks_in_any_format_run_along_their_pixels(two, tmp_path, name, form):
    save_masks(two, tmp_path / name, form, image=PICTURE)
    with noticing():
        prompts = read_prompts(tmp_path / name, PICTURE)
    order = np.argsort(prompts.class_names)[::-1]  # formats go by ids or as given
    np.testing.assert_allclose(prompts.boxes[order], EDGES, atol=1e-4)
    assert [prompts.class_names[i] for i in order] == ["wall", "seed"]
    assert prompts.ids[order].tolist() == ([2, 1] if form == "yolo" else [300, 7])


def written(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_text(text, encoding="utf-8")
    return path


def test_yolo_lines_of_detectors_have_a_class_a_box_and_maybe_a_confidence(tmp_path):
    written(tmp_path / "set" / "data.yaml", "names: [leaf, stem]\ntrain: images\n")
    path = written(tmp_path / "set" / "labels" / "a.txt", "1 0.5 0.5 0.2 0.4\n0 .1 .1 .2 .2 0.93\n")
    prompts = read_prompts(path, PICTURE)
    # Half of 50 columns less a tenth of them, and so on; edges lie half a pixel before centres.
    np.testing.assert_allclose(
        prompts.boxes, [[19.5, 11.5, 29.5, 27.5], [-0.5, -0.5, 9.5, 7.5]], atol=1e-9
    )
    assert prompts.class_names == ("stem", "leaf")


def test_coco_results_of_a_detector_are_matched_by_the_number_of_the_image(tmp_path):
    found = [
        {"image_id": 42, "category_id": 3, "bbox": [10, 5, 20, 30], "score": 0.9},
        {"image_id": 43, "category_id": 3, "bbox": [0, 0, 5, 5], "score": 0.8},
    ]
    path = written(tmp_path / "results.json", found)
    image = Image(np.zeros(SIZE, np.uint8), "YX", path=Path("000042.jpg"))
    prompts = read_prompts(path, image)
    assert prompts.boxes.tolist() == [[9.5, 4.5, 29.5, 34.5]]
    assert prompts.class_names == ("3",)
    with pytest.raises(ImageError, match="has boxes but no masks; 'anymask segment"):
        from anymask import load_masks

        load_masks(path)


def test_coco_boxes_have_the_classes_and_images_of_the_file(tmp_path):
    data = {
        "images": [
            {"id": 1, "file_name": "a.jpg", "height": 40, "width": 50},
            {"id": 2, "file_name": "sub/b.jpg", "height": 40, "width": 50},
        ],
        "categories": [{"id": 5, "name": "cat"}],
        "annotations": [
            {"id": 11, "image_id": 1, "category_id": 5, "bbox": [1, 2, 3, 4]},
            {"id": 12, "image_id": "1", "category_id": 5, "bbox": [1, 2, 30, 40], "iscrowd": 1},
            {"id": 13, "image_id": 1, "category_id": 5, "segmentation": []},
        ],
    }
    with noticing() as notices:
        prompts = read_prompts(written(tmp_path / "x.json", data))
    assert prompts.ids.tolist() == [11]
    assert prompts.class_names == ("cat",)
    assert prompts.image_sizes == {"a.jpg": (40, 50), "sub/b.jpg": (40, 50)}
    assert len(prompts.of("b.jpg")) == 0
    assert [("crowd" in text, "no box" in text) for text in notices] == [
        (True, False),
        (False, True),
    ]


def test_labelme_points_of_one_group_are_one_object_and_may_be_negative(tmp_path):
    def shape(kind, points, group=None, **more):
        return {"label": "cup", "shape_type": kind, "points": points, "group_id": group, **more}

    data = {
        "imagePath": "..\\photos\\cells.png",
        "imageHeight": 40,
        "imageWidth": 50,
        "shapes": [
            shape("point", [[10.5, 8.5]], 2),
            shape("point", [[20.5, 8.5]], 2, description="negative"),
            shape("point", [[22.5, 9.5]], 2, flags={"negative": True}),
            shape("circle", [[30, 20], [30, 25]], 4),
            shape("line", [[0, 0], [5, 5]], 5),
        ],
    }
    with noticing() as notices:
        prompts = read_prompts(written(tmp_path / "x.json", data), PICTURE)
    assert prompts.ids.tolist() == [2, 4]
    assert prompts.point_coords[0].tolist() == [[10, 8], [20, 8], [22, 9]]
    assert prompts.point_labels.tolist() == [[1, 0, 0], [-1, -1, -1]]
    assert prompts.boxes[1].tolist() == [24.5, 14.5, 34.5, 24.5]
    assert "Shape 5, a line" in notices[0]


def test_voc_boxes_are_counted_from_one_and_need_no_masks(tmp_path):
    xml = """<annotation><filename>cells.png</filename><size><width>50</width><height>40</height>
    </size><object><name>dog</name><bndbox><xmin>1</xmin><ymin>11</ymin><xmax>20</xmax>
    <ymax>40</ymax></bndbox></object></annotation>"""
    prompts = read_prompts(written(tmp_path / "x.xml", xml), PICTURE)
    assert prompts.boxes.tolist() == [[-0.5, 9.5, 19.5, 39.5]]
    assert prompts.class_names == ("dog",)


def test_each_point_of_an_imagej_roi_is_an_object_and_areas_give_boxes(tmp_path):
    points = roifile.ImagejRoi.frompoints([[3, 4], [10, 20]])
    points.roitype = roifile.ROI_TYPE.POINT
    fine = roifile.ImagejRoi.frompoints(np.array([[5.25, 6.5]], np.float32))
    fine.roitype = roifile.ROI_TYPE.POINT
    area = roifile.ImagejRoi.frompoints([[2, 2], [12, 2], [12, 8], [2, 8]])
    with zipfile.ZipFile(tmp_path / "cells.zip", "w") as archive:
        for number, roi in enumerate((points, fine, area)):
            archive.writestr(f"{number}.roi", roi.tobytes())
    prompts = read_prompts(tmp_path / "cells.zip", PICTURE)
    # Points of ImageJ count from the centre of a pixel, areas from its corner.
    assert prompts.point_coords[:3, 0].tolist() == [[3, 4], [10, 20], [5.25, 6.5]]
    assert prompts.boxes[3].tolist() == [1.5, 1.5, 11.5, 7.5]
    assert prompts.ids.tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_table_has_rows_of_points_and_boxes_that_an_id_puts_together(tmp_path, separator):
    rows = [
        "Image,id,class_name,x,y,label,x0,y0,x1,y1",
        "a.png,7,cup,10.5,20,,,,,",
        "a.png,7,,30,20,0,,,,",
        'a.png,8,"tea, spoon",,,,1,2,3,4',
        "b.png,7,,5,5,1,0,0,9,9",
        "c.png,,,,,,,,,",
    ]
    text = "\n".join(row.replace(",", separator) for row in rows)
    if separator == ";":
        text = text.replace("10.5", "10,5")
    prompts = read_prompts(written(tmp_path / "x.csv", text))
    assert prompts.images == ("a.png", "a.png", "b.png")
    assert prompts.ids.tolist() == [7, 8, 7]
    assert prompts.point_coords[0].tolist() == [[10.5, 20], [30, 20]]
    assert prompts.point_labels.tolist() == [[1, 0], [-1, -1], [1, -1]]
    assert prompts.boxes[1:].tolist() == [[1, 2, 3, 4], [0, 0, 9, 9]]
    assert prompts.class_names == ("cup", text.split(separator + '"')[1].split('"')[0], "")
    assert len(prompts.of("c.png")) == 0


def test_a_table_of_boxes_as_detectors_write_it(tmp_path):
    text = (
        "filename,xmin,ymin,xmax,ymax,label,score\na.png,1,2,3,4,cat,0.9\na.png,5,6,7,8,dog,0.8\n"
    )
    with noticing() as notices:
        prompts = read_prompts(written(tmp_path / "x.csv", text))
    assert prompts.class_names == ("cat", "dog")
    assert prompts.ids.tolist() == [1, 2]
    assert notices == [f"{tmp_path / 'x.csv'}: 1 column without prompts is not used: score."]


def feature(kind: str, coordinates: list, **properties) -> dict:
    geometry = {"type": kind, "coordinates": coordinates}
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def test_geojson_of_pixels_has_points_on_and_off_objects(tmp_path):
    data = {
        "type": "FeatureCollection",
        "features": [
            feature("MultiPoint", [[10.5, 8.5], [12.5, 8.5]], id=4, class_name="leaf"),
            feature("Point", [20.5, 8.5], id=4, label=0),
            feature("Polygon", [[[0, 0], [9, 1], [9, 9], [0, 0]]], classification={"name": "x"}),
            feature("Point", [1.5, 1.5], id=0, label="tip"),
            feature("LineString", [[1, 1], [2, 2]]),
        ],
    }
    with noticing() as notices:
        prompts = read_prompts(written(tmp_path / "x.geojson", data), PICTURE)
    assert prompts.point_coords[0].tolist() == [[10, 8], [12, 8], [20, 8]]
    assert prompts.point_labels.tolist() == [[1, 1, 0], [-1, -1, -1], [1, -1, -1]]
    assert prompts.boxes[1].tolist() == [-0.5, -0.5, 8.5, 8.5]
    assert prompts.class_names == ("leaf", "x", "tip")
    assert "Feature 5 has a LineString" in notices[0]


ON_MAP = Image(
    np.zeros(SIZE, np.uint8),
    "YX",
    path=Path("field.tif"),
    geo={"transform": (500_000.0, 2.0, 0.0, 5_200_000.0, 0.0, -2.0), "crs": "EPSG:32632"},
)
# The centre of the pixel in column 10 and row 5 of it.
POINT = [500_021.0, 5_199_989.0]


def test_geojson_on_the_map_says_its_reference_system_or_is_told(tmp_path):
    data: dict = {"type": "FeatureCollection", "features": [feature("Point", POINT)]}
    path = written(tmp_path / "x.geojson", data)
    with noticing() as notices:  # no degrees, so that of the image is assumed, and said
        assert read_prompts(path, ON_MAP).point_coords.tolist() == [[[10, 5]]]
    assert "taken as in that of field.tif" in notices[0]
    assert read_prompts(path, ON_MAP, crs="EPSG:32632").point_coords.tolist() == [[[10, 5]]]
    data["crs"] = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32632"}}
    with noticing() as notices:
        written(path, data)
        assert read_prompts(path, ON_MAP).point_coords.tolist() == [[[10, 5]]]
    assert notices == []
    with pytest.raises(PromptError, match="does not say where it lies on the map"):
        read_prompts(path, PICTURE)


def test_longitude_and_latitude_are_the_default_on_a_map_and_columns_of_tables(tmp_path):
    pyproj = pytest.importorskip("pyproj")
    to_degrees = pyproj.Transformer.from_crs("EPSG:32632", "EPSG:4326", always_xy=True).transform
    lon, lat = to_degrees(*POINT)
    data = {"type": "FeatureCollection", "features": [feature("Point", [lon, lat])]}
    table = written(tmp_path / "x.csv", f"lon,lat\n{lon},{lat}\n")
    for path in (written(tmp_path / "x.geojson", data), table):
        np.testing.assert_allclose(read_prompts(path, ON_MAP).point_coords, [[[10, 5]]], atol=1e-3)


def test_pixels_on_an_image_with_a_map_are_said_to_be_pixels(tmp_path):
    data = {"type": "FeatureCollection", "features": [feature("Point", [10.5, 5.5])]}
    prompts = read_prompts(written(tmp_path / "x.geojson", data), ON_MAP, crs="pixels")
    assert prompts.point_coords.tolist() == [[[10, 5]]]


def test_a_folder_has_a_file_for_each_image_and_says_what_it_cannot_read(tmp_path):
    labels = tmp_path / "labels"
    for name, text in (("a", "0 .5 .5 .2 .2"), ("sub/b", "1 .5 .5 .2 .2"), ("empty", "")):
        written(labels / f"{name}.txt", text)
    written(labels / "notes.txt", "look at b again")
    written(labels / "classes.txt", "leaf\nstem")
    with noticing() as notices:
        prompts = read_prompts(labels)
    assert prompts.images == ("a", "sub/b")
    assert prompts.class_names == ("leaf", "stem")
    assert len(prompts.of("empty.png")) == 0
    (notice,) = notices
    assert "notes.txt has no boxes or points in a known format" in notice


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("x.csv", "", "is empty"),
        ("x.txt", "", "has no prompts: neither a box nor a point"),
        ("x.csv", "x,y\n", "has no prompts"),
        ("x.csv", "left,top\n1,2\n", "has the columns left, top, none of which are prompts"),
        ("x.csv", "x,y\n1,here\n", r"Line 2 of .*x\.csv: y is 'here', which is no number"),
        ("x.csv", "x,y\n1,\n", "y is '', which is no number"),
        ("x.csv", "x,y,label\n1,2,cup\n", "label is 'cup', but a label is 1"),
        ("x.csv", "x0,y0,x1,y1\n9,9,1,1\n", "ends before it begins"),
        ("x.csv", "id,x0,y0,x1,y1\n1,1,1,9,9\n1,2,2,8,8\n", "The object 1 has two boxes"),
        ("x.csv", "x,y,width,height\n1,2,3,4\n", "x and y may be a corner or the centre"),
        ("x.csv", "x0,y0,x1,y1\n0,0,1,1\n.1,.2,.5,.6\n", "seem to be fractions of the image"),
        ("x.csv", "x,y,lon,lat\n1,2,3,4\n", "gives places in two ways, lon and x"),
        ("x.csv", "x,x,y\n1,2,3\n", "in two ways, x"),
        ("x.json", "{}", "has no boxes or points in a known format"),
        ("x.json", '{"images": [], "annot', "is not valid JSON"),
        ("x.txt", "leaf .5 .5 .2 .2", "has no boxes or points in a known format"),
        ("x.txt", "0 .5 .5 .2\n", "has no boxes or points in a known format"),
        ("x.txt", "0 .5 .5 .2 .2\n0.5 .5 .5 .2 .2", "Line 2 of .* does not begin with the number"),
        ("x.xml", "<annotation><object><name>a</name></object></annotation>", "has no prompts"),
        ("x.geojson", '{"type": "FeatureCollection", "features": []}', "has no prompts"),
        ("missing.csv", None, "There is no file"),
        ("x.npz", "PK", "has no boxes or points in a known format"),
    ],
)
def test_a_file_that_has_no_prompts_is_refused_in_one_sentence(tmp_path, name, text, words):
    path = tmp_path / name
    if text is not None:
        written(path, text)
    with noticing(), pytest.raises(AnymaskError, match=words) as caught:
        read_prompts(path)
    assert name in str(caught.value)


def test_a_reference_system_for_a_file_of_pixels_is_refused(tmp_path):
    path = written(tmp_path / "a.txt", "0 .5 .5 .2 .2")
    with pytest.raises(PromptError, match="has pixels; crs='EPSG:4326' is for GeoJSON and CSV"):
        read_prompts(path, crs="EPSG:4326")


def test_a_second_corner_may_be_called_x2_y2(tmp_path: Path) -> None:
    prompts = read_prompts(written(tmp_path / "x.csv", "x1,y1,x2,y2\n1,2,10,20\n"))
    assert prompts.boxes.tolist() == [[1, 2, 10, 20]]


def test_boxes_without_area_in_coco_are_left_out_and_told(tmp_path: Path) -> None:
    boxes = ([0, 0, 10, 10], [5, 5, 0, 3], [5, 5, -3, 4])
    annotations = [{"id": n, "image_id": 1, "bbox": box} for n, box in enumerate(boxes, 1)]
    data = {"images": [{"id": 1, "file_name": "a.png"}], "annotations": annotations}
    with noticing() as notices:
        prompts = read_prompts(written(tmp_path / "x.json", json.dumps(data)))
    assert prompts.ids.tolist() == [1]
    assert "without area, and is left out" in notices[0]
