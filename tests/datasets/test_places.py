"""Every kind of place opens as the same data set and is refused with the same sentences."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anymask.datasets import open_dataset
from anymask.datasets.layouts import SESSION
from anymask.errors import ImageError
from anymask.io.write_masks import save_masks
from anymask.masks.mask_set import MaskSet
from anymask.session import LayerKey, Session
from anymask.session.store.folder import SUFFIX
from tests.datasets.drawn_sets import noise, save, two_discs, write_pairs

COUNT = 3


@pytest.fixture
def pairs(tmp_path):
    return write_pairs(tmp_path / "cells", COUNT)


def masks_of(folder: Path, number: int) -> MaskSet:
    labels = np.asarray(Image.open(folder / "masks" / f"{number:02}.png"))
    return MaskSet.from_labels(labels).with_class_names(["nucleus", "cell"])


def as_format(pairs: Path, place: Path, images: str, masks: str) -> Path:
    """Images in one folder and masks in another, in the format of the suffix in `masks`."""
    for number in range(COUNT):
        path = pairs / "images" / f"{number:02}.png"
        (place / images).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place / images)
        save_masks(masks_of(pairs, number), place / masks.format(path.stem))
    return place


def as_coco(pairs: Path, place: Path) -> Path:
    place.mkdir()
    data = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "cell"}]}
    for number in range(COUNT):
        shutil.copy(pairs / "images" / f"{number:02}.png", place)
        data["images"].append({"id": number, "file_name": f"{number:02}.png"})
        for mask in masks_of(pairs, number).select([0, 1]).counts:
            size = list(two_discs().shape)
            entry = {"id": len(data["annotations"]), "image_id": number, "category_id": 1}
            entry["segmentation"] = {"counts": [int(n) for n in mask], "size": size}
            data["annotations"].append(entry)
    (place / "all.json").write_text(json.dumps(data))
    return place


def as_session(pairs: Path, place: Path) -> Path:
    with Session.create(place) as session:
        session.images.add(sorted((pairs / "images").glob("*.png")))
        session.edits.set_classes([("nucleus", None), ("cell", None)])
        for number, image in enumerate(session.images):
            key = LayerKey(image.id, image.recipes[0].name)
            labels = masks_of(pairs, number).to_labels()
            session.edits.paint(key, labels.astype(session.layers.labels(key).dtype))
            session.edits.classify(key, [1], "nucleus")
            session.edits.classify(key, [2], "cell")
        return session.folder


PLACES = {
    "YOLO": lambda pairs, at: as_format(pairs, at, "images/train", "labels/train/{}.txt"),
    "Pascal VOC": lambda pairs, at: as_format(pairs, at, "JPEGImages", "Annotations/{}.xml"),
    "VOC beside": lambda pairs, at: as_format(pairs, at, "images", "annotations/{}.xml"),
    "COCO": as_coco,
    "COCO file": lambda pairs, at: as_coco(pairs, at) / "all.json",
    "session": as_session,
    "folder of sessions": lambda pairs, at: as_session(pairs, at / "one").parent,
    "zipped session": lambda pairs, at: Path(
        shutil.make_archive(str(at), "zip", at.parent, as_session(pairs, at).name)
    ),
}


@pytest.mark.parametrize("kind", PLACES)
def test_every_kind_of_place_gives_the_same_images_and_masks(pairs, tmp_path, kind):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dataset = open_dataset(PLACES[kind](pairs, tmp_path / "place"))
    assert len(dataset) == COUNT
    for opened, written in zip(dataset, open_dataset(pairs), strict=True):
        np.testing.assert_array_equal(opened.image, written.image)
        np.testing.assert_array_equal(opened.masks, written.masks)


def test_a_session_keeps_the_order_of_its_classes_with_one_object_per_class(pairs, tmp_path):
    place = as_session(pairs, tmp_path / "work")
    assert open_dataset(place).classes == ("nucleus", "cell")
    assert open_dataset(place, pairs).keys[:4] == ["work/00", "work/01", "work/02", "cells/00"]
    labels = two_discs() * 0 + 1
    with Session.open(place) as session:
        key = session.layers[0]
        session.edits.paint(key, labels.astype(session.layers.labels(key).dtype))
        session.edits.classify(key, [1], "cell")
    first = open_dataset(place, objects="classes")[0]
    assert (first.class_ids, first.masks[0].all()) == ((1,), True)


def test_a_session_is_found_by_its_name_without_the_suffix(pairs, tmp_path):
    assert SESSION == SUFFIX
    as_session(pairs, tmp_path / "work")
    assert len(open_dataset(tmp_path / "work")) == COUNT


def test_missing_images_and_masks_of_a_session_are_named(pairs, tmp_path):
    place = as_session(pairs, tmp_path / "work")
    extra = save(tmp_path / "extra.png", noise(9, two_discs()))
    with Session.open(place) as session:
        session.images.add(extra)
    (pairs / "images" / "01.png").unlink()
    with pytest.warns(UserWarning, match="image") as told:
        dataset = open_dataset(place, max_bad=0.5)
    skipped, unmatched = (str(warning.message) for warning in told)
    assert skipped.startswith("1 of 3 images cannot be used and is skipped (01: ")
    assert unmatched == "1 image without masks is left out: extra.png."
    assert dataset.keys == ["work/00", "work/02"]


def test_boxes_and_class_lists_are_not_read_as_masks(pairs, tmp_path):
    place = as_format(pairs, tmp_path / "voc", "JPEGImages", "Annotations/{}.xml")
    (place / "SegmentationObject" / "02.png").unlink()
    with pytest.warns(UserWarning, match=r"^1 image without masks is left out: 02\.png\.$"):
        assert open_dataset(place).keys == ["voc/00", "voc/01"]
    (pairs / "masks" / "classes.txt").write_text("cell\n")
    assert open_dataset(pairs).left_out.without_image == ()


def test_an_empty_place_is_refused_with_its_given_name(tmp_path):
    Session.create(tmp_path / "empty").close()
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.md").write_text("nothing")
    shutil.make_archive(str(tmp_path / "notes"), "zip", tmp_path / "notes")
    for place in ("empty.anymask", "notes", "notes.zip"):
        with pytest.raises(ImageError) as refused:
            open_dataset(tmp_path / place)
        assert f"No image with masks was found in {tmp_path / place};" in str(refused.value)
