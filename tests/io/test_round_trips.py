"""What is written comes back: ids, class names, counts and pixels, by every format."""

from __future__ import annotations

import string
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from anymask.io import FORMATS, load_dataset, load_masks, save_dataset, save_masks
from anymask.masks.mask_set import MaskSet

# Every mask, whatever overlaps, comes back pixel by pixel.
LOSSLESS = ("coco", "npz", "geojson", "gpkg", "shapefile", "imagej", "labelme", "yolo")
LABELS = ("labels", "png", "labels-npz", "zarr", "voc")
NEEDS_SIZE = ("yolo", "shapefile")
SUFFIX = {name: entry.suffix for name, entry in FORMATS.items()}

letters = string.ascii_letters + string.digits + " .,:;-_'\"{}[]()<>&#%äßπ中"
names = st.text(letters, min_size=1, max_size=12).filter(lambda name: name.strip() == name)


@st.composite
def mask_sets(draw, largest_id=2**40, overlapping=True, empty=True):
    shape = draw(st.tuples(*[st.integers(1, 14)] * 2))
    if overlapping:
        stack = draw(hnp.arrays(np.bool_, st.tuples(st.integers(0, 5), *map(st.just, shape))))
    else:
        numbers = draw(hnp.arrays(np.uint8, shape, elements=st.integers(0, 5)))
        stack = np.array([numbers == i for i in np.unique(numbers[numbers > 0])], bool)
        stack = stack.reshape(-1, *shape)
    if not empty:
        stack = stack[stack.any((1, 2))]
    n = len(stack)
    ids = draw(st.lists(st.integers(1, largest_id), min_size=n, max_size=n, unique=True))
    masks = MaskSet.from_masks(stack, object_ids=np.array(ids, np.int64))
    if draw(st.booleans()) and n:
        chosen = draw(st.lists(names | st.just(""), min_size=n, max_size=n))
        masks = masks.with_class_names(chosen)
    return masks


def save_and_load(masks: MaskSet, form: str, **options) -> MaskSet:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a b ü" + SUFFIX[form])
        save_masks(masks, path, form, **options)
        return load_masks(path, masks.image_size if form in NEEDS_SIZE else None)


def by_id(masks: MaskSet) -> dict[int, tuple[str, bytes]]:
    classes = masks.class_names or ("",) * len(masks)
    return {
        int(id_): (name, mask.tobytes())
        for id_, name, mask in zip(masks.ids, classes, masks, strict=True)
    }


def same_masks(a: MaskSet, b: MaskSet) -> bool:
    return a.image_size == b.image_size and by_id(a) == by_id(b)


@given(mask_sets())
@pytest.mark.parametrize("form", ["coco", "npz", "geojson", "gpkg", "shapefile"])
def test_ids_classes_and_pixels_of_any_masks_come_back(form, masks):
    assert same_masks(save_and_load(masks, form), masks)


@given(mask_sets(empty=False))
@pytest.mark.parametrize("form", ["imagej", "labelme"])
def test_ids_classes_and_pixels_of_masks_with_pixels_come_back(form, masks):
    assert same_masks(save_and_load(masks, form), masks)


@given(mask_sets())
def test_coco_polygons_give_back_every_pixel(masks):
    assert same_masks(save_and_load(masks, "coco", polygons=True), masks)


@given(mask_sets(empty=False))
def test_yolo_gives_back_pixels_and_classes_in_the_order_of_the_ids(masks):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "labels", "a.txt")
        save_masks(masks, path, "yolo")
        again = load_masks(path, masks.image_size)
    ordered = masks.select(np.argsort(masks.ids)).with_ids(np.arange(1, len(masks) + 1))
    assert same_masks(again, ordered)


@given(mask_sets(overlapping=False, largest_id=65_535))
@pytest.mark.parametrize("form", LABELS)
def test_label_images_give_back_ids_classes_and_pixels(form, masks):
    again = save_and_load(masks, form)
    assert same_masks(again, masks)
    np.testing.assert_array_equal(again.to_labels(), masks.to_labels())


@given(mask_sets(overlapping=False))
@pytest.mark.parametrize("form", ["labels", "labels-npz", "zarr"])
def test_large_ids_are_unchanged_in_label_images(form, masks):
    assert same_masks(save_and_load(masks, form), masks)


@given(mask_sets(), st.data())
def test_npz_gives_back_scores_points_and_crops(masks, data):
    n = len(masks)
    numbers = st.floats(0, 1) | st.just(float("nan"))
    masks = MaskSet.from_counts(
        masks.image_size,
        masks.counts,
        predicted_iou=data.draw(st.lists(numbers, min_size=n, max_size=n)),
        stability_score=data.draw(st.lists(numbers, min_size=n, max_size=n)),
        point_coords=np.arange(2 * n).reshape(n, 2) / 3,
        crop_box=np.arange(4 * n).reshape(n, 4),
    )
    again = save_and_load(masks, "npz")
    assert again.object_ids is None
    for name in ("predicted_iou", "stability_score", "point_coords", "crop_box", "ids"):
        np.testing.assert_array_equal(getattr(again, name), getattr(masks, name))


@pytest.mark.parametrize("form", ["coco", "geojson"])
def test_scores_come_back_and_unknown_ones_stay_unknown(form):
    masks = MaskSet.from_masks(np.ones((2, 3, 4), bool), predicted_iou=[0.25, float("nan")])
    again = save_and_load(masks, form).select([0, 1])
    found = dict(zip(again.ids.tolist(), again.predicted_iou.tolist(), strict=True))
    assert found[int(masks.ids[0])] == 0.25
    assert np.isnan(found[int(masks.ids[1])])


@given(mask_sets(empty=False), st.floats(0.05, 0.49))
@pytest.mark.parametrize("form", ["geojson", "labelme"])
def test_simplified_outlines_stay_within_the_tolerance(form, masks, simplify):
    again = save_and_load(masks, form, simplify=simplify)
    if len(masks) == 0:
        return
    assert again.ids.tolist() == sorted(masks.ids.tolist())
    for id_, mask in zip(again.ids, again, strict=True):
        before = masks[int(np.flatnonzero(masks.ids == id_)[0])]
        # A pixel whose whole neighbourhood is of one kind is farther than that from any outline.
        padded = np.pad(before, 1)
        near = np.stack(
            [
                padded[y : y + before.shape[0], x : x + before.shape[1]]
                for y in range(3)
                for x in range(3)
            ]
        )
        certain = near.all(0) | ~near.any(0)
        np.testing.assert_array_equal(mask[certain], before[certain])


def test_a_data_set_of_several_images_comes_back_from_one_coco_file(tmp_path):
    rng = np.random.default_rng(3)
    pictures = {}
    for name, ids in (("a.png", [5, 9]), ("day 2/b.tif", [5]), ("c.png", [])):
        stack = rng.random((len(ids), 6, 7)) < 0.5
        masks = MaskSet.from_masks(stack, object_ids=np.array(ids, np.int64))
        pictures[name] = masks.with_class_names(["leaf", ""][: len(ids)])
    (path,) = save_dataset(pictures.items(), tmp_path, "coco")
    again = dict(load_dataset(path))
    assert again.keys() == pictures.keys()
    assert all(same_masks(again[name], pictures[name]) for name in pictures)
    assert same_masks(load_masks(path, picture="day 2/b.tif"), pictures["day 2/b.tif"])


def test_a_coco_file_is_parsed_once_for_all_its_images_until_it_changes(tmp_path, monkeypatch):
    from anymask.io import mask_file

    parsed, read = [], mask_file.read_json
    monkeypatch.setattr(mask_file, "read_json", lambda path: parsed.append(path) or read(path))
    labels = {f"{number}.png": np.eye(4, dtype=int) * number for number in (1, 2, 3)}
    pictures = {name: MaskSet.from_labels(each) for name, each in labels.items()}
    (path,) = save_dataset(pictures.items(), tmp_path, "coco")
    for name, masks in pictures.items():
        assert same_masks(load_masks(path, picture=name), masks)
    assert len(parsed) == 1
    changed = {"1.png": MaskSet.from_labels(np.ones((4, 4), int)), "2.png": pictures["2.png"]}
    save_dataset(changed.items(), tmp_path, "coco", overwrite=True)
    assert load_masks(path, picture="1.png").areas.tolist() == [16]


@pytest.mark.parametrize("form", ["yolo", "voc"])
def test_a_data_set_numbers_classes_alike_in_all_images(tmp_path, form):
    label = np.array([[1, 1, 0], [0, 0, 0], [0, 0, 0]])
    pictures = [
        ("a.png", MaskSet.from_labels(label).with_class_names(["root"])),
        ("b.png", MaskSet.from_labels(label.T).with_class_names(["leaf"])),
    ]
    files = save_dataset(pictures, tmp_path, form)
    listing = tmp_path / ("data.yaml" if form == "yolo" else "labelmap.txt")
    assert listing in files
    assert listing.read_text().index("leaf") < listing.read_text().index("root")
    inner, suffix = ("labels", ".txt") if form == "yolo" else ("Annotations", ".xml")
    for name, masks in pictures:
        path = tmp_path / inner / name.replace(".png", suffix)
        assert same_masks(load_masks(path, (3, 3)), masks)


@pytest.mark.parametrize("form", ["yolo", "voc"])
def test_images_saved_one_by_one_extend_the_list_of_classes(tmp_path, form):
    inner, suffix = ("labels", ".txt") if form == "yolo" else ("Annotations", ".xml")
    saved = {}
    for name, kind in (("a", "root"), ("b", "leaf"), ("c", ""), ("d", "root")):
        masks = MaskSet.from_labels(np.array([[1, 1], [0, 1]])).with_class_names([kind])
        saved[tmp_path / inner / (name + suffix)] = masks
        save_masks(masks, tmp_path / inner / (name + suffix), form)
    assert all(same_masks(load_masks(path, (2, 2)), masks) for path, masks in saved.items())
