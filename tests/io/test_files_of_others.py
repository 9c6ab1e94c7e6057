"""Mask files as other programs write them: right pixels, and a word about what is left out."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest
import roifile

from anymask.errors import AnymaskError, ImageError
from anymask.io import load_dataset, load_masks
from anymask.notices import noticing

A = [[10, 10], [30, 10], [30, 20], [10, 20]]
"""The outline of columns 10 to 29, rows 10 to 19: 200 pixels."""
B = [[35, 25], [55, 25], [55, 40], [35, 40]]
"""300 pixels."""
SIZE = (48, 64)


def labelme(tmp_path, *shapes, **fields):
    """Write a LabelMe file; each shape is its type, points, and other fields."""
    shapes = [
        {"label": "cell", "group_id": None, "shape_type": kind, "points": points} | more
        for kind, points, more in shapes
    ]
    data = {"version": "5.5.0", "shapes": shapes, "imagePath": "a.png", "imageHeight": 48}
    path = tmp_path / "a.json"
    path.write_text(json.dumps(data | {"imageWidth": 64} | fields))
    return path


@pytest.mark.parametrize(
    "kind", ["rectangle", "rotation", "quadrilateral", "oriented_rectangle", "polygon"]
)
def test_labelme_shapes_with_four_corners_are_outlines(tmp_path, kind):
    diamond = [[10, 15], [20, 10], [30, 15], [20, 20]]
    masks = load_masks(labelme(tmp_path, (kind, A, {}), (kind, diamond, {"direction": 0.4})))
    assert masks.areas.tolist() == [200, 100]
    assert masks.boxes[0].tolist() == [10, 10, 29, 19]


@pytest.mark.parametrize("group", [1, "1", "left leaf"])
def test_labelme_objects_are_what_has_the_same_label_and_group(tmp_path, group):
    own, other = {"group_id": group}, {"group_id": group, "label": "leaf"}
    masks = load_masks(labelme(tmp_path, ("polygon", A, own), ("polygon", B, own)))
    assert masks.areas.tolist() == [500]
    masks = load_masks(labelme(tmp_path, ("polygon", A, own), ("polygon", B, other)))
    assert masks.areas.tolist() == [200, 300]
    assert (masks.class_names, masks.ids.tolist()) == (("cell", "leaf"), [1, 2])


@pytest.mark.parametrize(
    ("kind", "points"),
    [("point", [[5, 5]]), ("line", A[:2]), ("linestrip", A), ("polygon", A[:2]), ("cuboid", A * 2)],
)
def test_labelme_points_and_lines_are_left_out_by_name(tmp_path, kind, points):
    path = labelme(tmp_path, ("polygon", A, {}), (kind, points, {"label": "tip"}))
    why = "is of a kind that anymask does not know" if kind == "cuboid" else "covers no pixels"
    with pytest.warns(UserWarning, match=rf"a.json: Shape 2, a {kind} called 'tip', {why} and"):
        masks = load_masks(path)
    assert (masks.areas.tolist(), masks.class_names) == ([200], ("cell",))


def test_labelme_without_a_size_takes_that_of_the_image(tmp_path):
    path = labelme(tmp_path, ("polygon", A, {}), imageHeight=None, imageWidth=None)
    assert load_masks(path, SIZE).image_size == SIZE
    with pytest.raises(ImageError, match="does not say how large the image is"):
        load_masks(path)


def feature(geometry, points, **properties):
    return {
        "type": "Feature",
        "geometry": {"type": geometry, "coordinates": points},
        "properties": {"objectType": "annotation"} | properties,
    }


def test_qupath_points_are_left_out_and_its_classes_have_all_their_names(tmp_path):
    features = [
        feature("Polygon", [[*A, A[0]]], classification={"name": "Tumor", "color": [200, 0, 0]}),
        feature("Point", [5, 5]),
        feature("MultiPolygon", [[[*B, B[0]]]], classification={"names": ["Tumor", "Positive"]}),
        feature("LineString", A),
    ]
    path = tmp_path / "a.geojson"
    for whole in (features, {"type": "FeatureCollection", "features": features}):
        path.write_text(json.dumps(whole))
        with pytest.warns(UserWarning, match="covers no pixels and is left out") as told:
            masks = load_masks(path, SIZE)
        assert masks.areas.tolist() == [200, 300]
        assert masks.class_names == ("Tumor", "Tumor: Positive")
        assert ["Point" in str(told[0].message), "LineString" in str(told[1].message)] == [True] * 2


def test_imagej_points_are_left_out(tmp_path):
    tip = roifile.ImagejRoi.frompoints([[5, 5]])
    tip.roitype = roifile.ROI_TYPE.POINT
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name, roi in (("tip", tip), ("cell", roifile.ImagejRoi.frompoints(A))):
            archive.writestr(f"{name}.roi", roi.tobytes())
    with pytest.warns(UserWarning, match="The ROI tip.* is a point"):
        masks = load_masks(tmp_path / "a.zip", SIZE)
    assert masks.areas.tolist() == [200]


def yolo(tmp_path, folder, **lists):
    """Write a label file of the classes 1 and 0 in a folder, and lists of classes by path."""
    path = tmp_path / folder / "a.txt"
    path.parent.mkdir(parents=True)
    for name, text in lists.items():
        (tmp_path / name.replace("__", "/")).write_text(text)
    outline = " ".join(f"{x / 64:.8f} {y / 48:.8f}" for x, y in A)
    path.write_text(f"1 {outline}\n0 {outline}\n")
    return path


YAML = "train: ../train/images\nnc: 2\nnames: [leaf, weed]\n"


@pytest.mark.parametrize(
    ("folder", "name", "text"),
    [
        ("labels", "data.yaml", YAML),
        ("train/labels", "data.yaml", YAML),
        ("labels/train", "data.yaml", YAML),
        ("set/labels/train", "coco8-seg.yaml", YAML),
        ("labels", "weeds.yml", "path: .\nnames:\n  0: leaf\n  1: weed\n  3: stone\n"),
        ("labels", "labels/classes.txt", "leaf\nweed\n"),
        ("obj_train_data", "obj.names", "leaf\nweed\n"),
    ],
)
def test_yolo_classes_are_found_where_programs_write_them(tmp_path, folder, name, text):
    masks = load_masks(yolo(tmp_path, folder, **{name: text}), SIZE)
    assert masks.class_names == ("weed", "leaf")


def test_yolo_classes_without_a_list_are_numbers_and_it_is_said(tmp_path):
    path = yolo(tmp_path, "labels", **{"other.yaml": "names: [a, b]", "list.yaml": "[a, b]"})
    with pytest.warns(UserWarning, match="no list of classes near it"):
        assert load_masks(path, SIZE).class_names == ("1", "0")
    (tmp_path / "x.yaml").write_text(YAML)
    (tmp_path / "y.yaml").write_text(YAML.replace("weed", "grass"))
    with pytest.warns(UserWarning, match=r"different classes in x\.yaml and y\.yaml"):
        assert load_masks(path, SIZE).class_names == ("1", "0")
    (tmp_path / "data.yaml").write_text("names: [leaf]")
    with pytest.warns(UserWarning, match="has the class 1, which the list"):
        assert load_masks(path, SIZE).class_names == ("1", "leaf")


def test_python_objects_in_an_array_are_refused_as_such(tmp_path):
    np.save(tmp_path / "a_seg.npy", {"masks": np.zeros(SIZE)})
    with pytest.raises(ImageError, match="Python objects, which could do harm"):
        load_masks(tmp_path / "a_seg.npy")


def test_the_only_array_of_an_npz_is_its_label_image_whatever_its_name(tmp_path):
    labels = np.array([[0, 3], [700, 3]], np.uint16)
    np.savez(tmp_path / "one.npz", cells=labels)
    np.testing.assert_array_equal(load_masks(tmp_path / "one.npz").to_labels(), labels)
    np.savez(tmp_path / "two.npz", cells=labels, nuclei=labels)
    with pytest.raises(ImageError, match="has the arrays cells, nuclei but no masks"):
        load_masks(tmp_path / "two.npz")


def coco_file(tmp_path, *annotations, **fields):
    """Write a COCO file of one image and one category."""
    data = {
        "images": [{"id": 1, "file_name": "a.png", "width": 64, "height": 48}],
        "categories": [{"id": 1, "name": "cell"}],
        "annotations": [{"id": n, **each} for n, each in enumerate(annotations, 1)],
    }
    path = tmp_path / "coco.json"
    path.write_text(json.dumps(data | fields))
    return path


FLAT = [number for point in A for number in point]


@pytest.mark.parametrize(("image", "category"), [(1, 1), ("1", "1"), (1.0, 1.0)])
def test_ids_of_coco_may_be_numbers_or_text(tmp_path, image, category):
    one = {"image_id": image, "category_id": category, "segmentation": [FLAT]}
    path = coco_file(tmp_path, one)
    for masks in (load_masks(path), dict(load_dataset(path))["a.png"]):
        assert (masks.areas.tolist(), masks.class_names) == ([200], ("cell",))


@pytest.mark.parametrize("shape", [[A], A, [A, B]])
def test_polygons_of_coco_may_be_pairs(tmp_path, shape):
    masks = load_masks(coco_file(tmp_path, {"image_id": 1, "segmentation": shape}))
    assert masks.areas.tolist() == [500 if B in shape else 200]


def test_coco_annotations_of_unlisted_images_and_categories_are_told(tmp_path):
    path = coco_file(
        tmp_path,
        {"image_id": 7, "category_id": 1, "segmentation": [FLAT]},
        {"image_id": 1, "category_id": 9, "segmentation": [FLAT]},
    )
    with noticing() as notices:
        masks = load_masks(path)
    assert (masks.ids.tolist(), masks.class_names) == ([2], ("9",))
    assert "1 annotation of images that the file does not list (7) is left out." in notices[0]
    assert "does not declare the category 9, so objects of it are called by" in notices[1]


def test_a_polygon_may_reach_far_beyond_its_image(tmp_path):
    far = [-200, 10, 30, 10, 30, 20, -200, 20]
    assert load_masks(coco_file(tmp_path, {"image_id": 1, "segmentation": [far]})).areas == [300]


def test_fractions_in_place_of_pixels_and_pixels_in_place_of_fractions_are_refused(tmp_path):
    shares = [number / (64, 48)[index % 2] for index, number in enumerate(FLAT)]
    with pytest.raises(AnymaskError, match="seem to be fractions of the image"):
        load_masks(coco_file(tmp_path, {"image_id": 1, "segmentation": [shares]}))
    (tmp_path / "a.txt").write_text(f"0 {' '.join(map(str, FLAT))}")
    with pytest.raises(ImageError, match="coordinate 30, which seems to be in pixels"):
        load_masks(tmp_path / "a.txt", SIZE)
