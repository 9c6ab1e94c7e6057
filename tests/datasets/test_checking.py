"""Checks of data sets: counts and problems; the contact sheet."""

from __future__ import annotations

import json
import shutil
import warnings

import numpy as np
import pytest
from PIL import Image

from anymask.datasets import check_dataset, contact_sheet, open_dataset
from anymask.datasets.dataset import Dataset
from anymask.errors import AnymaskError
from anymask.show import overlay
from tests.datasets.drawn_sets import (
    HEIGHT,
    WIDTH,
    disc,
    noise,
    save,
    two_discs,
    white,
    write_pairs,
)


def open_quietly(place, **options) -> Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return open_dataset(place, max_bad=1, **options)


@pytest.fixture
def twelve(tmp_path):
    return write_pairs(tmp_path / "cells", 12)


def doubled(array: np.ndarray) -> np.ndarray:
    return array.repeat(2, 0).repeat(2, 1)


def told_of(place, **options) -> str:
    return "\n".join(check_dataset(open_quietly(place, **options)).problems)


def test_a_good_set_has_exact_figures_and_no_problems(twelve):
    found = check_dataset(open_dataset(twelve))
    assert found.problems == []
    assert (found.images, found.objects, found.sets) == (12, 24, {"cells": 12})
    small, large = (two_discs() == 2).sum(), (two_discs() == 1).sum()
    assert found.areas == (small, (small + large) / 2, large)
    assert found.objects_per_image == (2, 2, 2)
    assert (found.sides, found.sizes) == ((WIDTH, WIDTH, WIDTH), 1)


def test_unmatched_and_unusable_files_are_named(twelve):
    (twelve / "masks" / "00.png").unlink()
    (twelve / "images" / "01.png").unlink()
    save(twelve / "masks" / "02.png", np.zeros((HEIGHT, WIDTH), np.uint8))
    save(twelve / "masks" / "03.png", two_discs()[:-2])
    found = check_dataset(open_quietly(twelve))
    assert found.without_masks == (str(twelve / "images" / "00.png"),)
    assert found.without_image == (str(twelve / "masks" / "01.png"),)
    assert found.empty == ("cells/02",)
    assert [bad.name for bad in found.skipped] == ["03"]
    told = "\n".join(found.problems)
    for part in (
        f"1 image without masks: {twelve / 'images' / '00.png'}",
        f"1 mask file without an image: {twelve / 'masks' / '01.png'}",
        "1 image without an object: cells/02",
        "1 image cannot be used: cells/03",
        "only 8 images",
    ):
        assert part in told


def test_exact_and_near_copies_are_found(twelve):
    pixels = np.asarray(Image.open(twelve / "images" / "05.png"))
    copies = {"same.bmp": pixels, "bright.png": pixels // 2 + 60, "twice.png": doubled(pixels)}
    for name, copy in copies.items():
        save(twelve / "images" / name, copy)
        shutil.copy(twelve / "masks" / "05.png", twelve / "masks" / f"{name[:-4]}.png")
    save(twelve / "masks" / "twice.png", doubled(two_discs()))
    dataset = open_dataset(twelve)
    found = check_dataset(dataset)
    assert found.same == [("cells/05", "cells/same")]
    names = ("05", "bright", "same", "twice")
    expected = {(a, b) for i, a in enumerate(names) for b in names[i + 1 :]} - {("05", "same")}
    assert {tuple(k.split("/")[1] for k in sorted(pair)) for pair in found.alike} == expected
    held_out = [i for i, key in enumerate(dataset.keys) if key in ("cells/05", "cells/twice")]
    rest = [i for i in range(len(dataset)) if i not in held_out]
    halves = check_dataset(dataset, (dataset.subset(rest), dataset.subset(held_out)))
    assert set(halves.across) == {
        ("cells/bright", "cells/05"),
        ("cells/bright", "cells/twice"),
        ("cells/same", "cells/05"),
        ("cells/same", "cells/twice"),
    }
    assert "one in training and one held out" in halves.problems[0]
    assert found.across == []


def test_different_and_blank_images_are_not_near_copies(tmp_path):
    write_pairs(tmp_path, 30)
    for i, grey in enumerate((10, 20)):
        save(tmp_path / "images" / f"flat{i}.png", np.full((HEIGHT, WIDTH, 3), grey, np.uint8))
        save(tmp_path / "masks" / f"flat{i}.png", two_discs())
    assert check_dataset(open_dataset(tmp_path)).alike == []


def test_classes_are_counted_and_missing_ones_reported(tmp_path):
    for i in range(12):
        labels = np.zeros((HEIGHT, WIDTH), np.uint8)
        labels[:, :40] = 1
        labels[:, 50:] = 2 if i == 0 else 0
        save(tmp_path / "images" / f"{i}.png", noise(i, labels))
        save(tmp_path / "masks" / f"{i}.png", labels)
    dataset = open_dataset(tmp_path, objects="classes", classes=["field", "road", "house"])
    found = check_dataset(dataset)
    counts = {name: (c.objects, c.images) for name, c in found.classes.items()}
    assert counts == {"field": (12, 12), "road": (1, 1), "house": (0, 0)}
    assert found.classes["road"].share == round(14 / (12 * 40 + 14), 4)
    assert "1 declared class without an object: house." in found.problems
    assert not any("rare" in problem for problem in found.problems)
    json.dumps(found.to_dict())


def test_a_class_with_a_twentieth_of_the_objects_of_another_is_reported(tmp_path):
    for i in range(2):
        labels = np.zeros((HEIGHT, WIDTH), np.uint8)
        save(tmp_path / "images" / f"{i}.png", noise(i, labels))
    boxes = [[x, y, x + 6, y, x + 6, y + 6, x, y + 6] for x in range(0, 56, 8) for y in (0, 8, 16)]
    annotations = [
        {"image_id": 1, "category_id": 1, "segmentation": [box], "id": i}
        for i, box in enumerate(boxes)
    ]
    annotations.append({"image_id": 2, "category_id": 2, "segmentation": [boxes[0]], "id": 99})
    data = {
        "images": [{"id": i + 1, "file_name": f"{i}.png"} for i in range(2)],
        "categories": [{"id": 1, "name": "cell"}, {"id": 2, "name": "debris"}],
        "annotations": annotations,
    }
    (tmp_path / "all.json").write_text(json.dumps(data))
    assert "The class cell has 21 objects and debris has 1" in told_of(tmp_path)


def test_ids_of_objects_read_as_classes_are_reported(tmp_path):
    for i in range(10):
        labels = np.zeros((HEIGHT, WIDTH), np.uint8)
        for k in range(1, 3 + i % 5):
            labels[6:30, 8 * k : 8 * k + 6] = k
        save(tmp_path / "images" / f"{i}.png", noise(i, labels))
        save(tmp_path / "masks" / f"{i}.png", labels)
    assert "The 6 classes get rarer and rarer from 1 to 6" in told_of(tmp_path, objects="classes")
    assert told_of(tmp_path) == ""


def test_inverted_masks_and_objects_in_parts_are_reported(tmp_path):
    for i in range(12):
        torn = (disc(12, 12, 6) | disc(44, 30, 6)).astype(np.uint8)
        save(tmp_path / "images" / f"{i}.png", noise(i, torn))
        save(tmp_path / "masks" / f"{i}.png", torn)
    assert "12 images with one object in several parts" in told_of(tmp_path)
    assert told_of(tmp_path, objects="components") == ""
    for i in range(12):
        save(tmp_path / "masks" / f"{i}.png", white(~disc(12, 12, 4)))
    assert "12 images in which one object fills more than 95%" in told_of(tmp_path)


def test_small_objects_left_out_are_counted(twelve):
    assert "12 objects of fewer than 200 pixels are left out" in told_of(twelve, min_area=200)


def test_a_contact_sheet_shows_the_masks_on_their_images(twelve):
    dataset = open_dataset(twelve)
    sheet = contact_sheet(dataset, count=4, columns=2, tile=WIDTH)
    assert sheet.dtype == np.uint8
    # The second tile is the second of four images spread over twelve, at its own size.
    chosen = dataset[4]
    painted = overlay(chosen.image, np.stack(chosen.masks), alpha=0.35, outline_width=1)
    left, bottom = 6 + WIDTH + 6, 6 + WIDTH
    np.testing.assert_array_equal(sheet[bottom - HEIGHT : bottom, left : left + WIDTH], painted)
    captions = sheet[bottom : bottom + 18]
    assert (captions < 100).any()
    assert contact_sheet(dataset, count=50, columns=20, tile=40).shape[1] == 12 * 46 + 6


def test_a_contact_sheet_of_tall_wide_and_tiny_images_and_long_names_is_drawn(tmp_path):
    sizes = {"t" * 60: (400, 8), "w": (8, 400), "dot": (8, 8)}
    for name, size in sizes.items():
        mask = np.zeros(size, np.uint8)
        mask[2:6, 2:6] = 255
        save(tmp_path / "images" / f"{name}.png", noise(len(name), mask))
        save(tmp_path / "masks" / f"{name}.png", mask)
    sheet = contact_sheet(open_dataset(tmp_path, min_area=0), tile=100)
    assert sheet.shape == (100 + 18 + 12, 3 * 106 + 6, 3)
    for place in range(3):
        assert (sheet[6:106, 6 + 106 * place : 106 * (place + 1)] != 255).any()


@pytest.mark.parametrize("option", [{"count": 0}, {"columns": 0}, {"tile": 8}])
def test_an_impossible_contact_sheet_is_refused(twelve, option):
    with pytest.raises(AnymaskError, match="cannot be drawn"):
        contact_sheet(open_dataset(twelve), **option)
