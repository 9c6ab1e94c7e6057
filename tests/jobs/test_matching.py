"""Which masks belong to which image."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from anymask.errors import ImageError
from anymask.jobs.inputs import gather
from anymask.jobs.matching import match


def touched(folder: Path, *names: str) -> Path:
    """A folder with empty files, which is enough where only names count."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def pairs(images: str, masks: Path, root: Path) -> dict[str, str]:
    matched = match(gather([images]), masks)
    assert not matched.failed
    return {item.image: item.masks.relative_to(root).as_posix() for item in matched.items}


@pytest.mark.parametrize(
    ("image", "masks"),
    [
        ("a.tif", "a.masks.json"),
        ("a.tif", "a.labels.tif"),
        ("a.v2.tif", "a.v2.cleaned.labels.tif"),
        ("a.tif", "a.ndvi.masks.json"),
        ("a.jpg", "a_mask.png"),
        ("a.tif", "a_cp_masks.tif"),
        ("a.tif", "a.txt"),
        ("a.tif", "day 1/a.masks.json"),
    ],
)
def test_masks_are_found_by_the_name_of_their_image(tmp_path, image, masks):
    touched(tmp_path / "images", image, "b.tif")
    touched(tmp_path / "masks", masks, "b.masks.json")
    found = pairs(str(tmp_path / "images"), tmp_path / "masks", tmp_path / "masks")
    assert found == {image: masks, "b.tif": "b.masks.json"}


def test_of_several_files_of_the_same_masks_the_most_complete_counts(tmp_path):
    touched(tmp_path / "images", "a.tif")
    touched(tmp_path / "masks", "a.labels.tif", "a.masks.json", "a.overlay.png", "a.masks.csv")
    found = pairs(str(tmp_path / "images"), tmp_path / "masks", tmp_path / "masks")
    assert found == {"a.tif": "a.masks.json"}


def test_folders_count(tmp_path):
    images = touched(tmp_path / "images", "x/a.tif", "y/a.tif")
    touched(tmp_path / "masks", "x/a.masks.json", "y/a.labels.tif")
    found = pairs(str(images / "**" / "*.tif"), tmp_path / "masks", tmp_path / "masks")
    assert found == {"x/a.tif": "x/a.masks.json", "y/a.tif": "y/a.labels.tif"}


def test_images_and_masks_may_lie_in_one_folder(tmp_path):
    touched(tmp_path, "a.png", "a_masks.png", "b.png", "b.masks.json", "b.overlay.png")
    found = pairs(str(tmp_path), tmp_path, tmp_path)
    assert found == {"a.png": "a_masks.png", "b.png": "b.masks.json"}


def test_images_of_one_name_have_the_masks_with_their_suffix(tmp_path):
    touched(tmp_path / "images", "a.png", "a.jpg")
    touched(tmp_path / "masks", "a.png.masks.json", "a.jpg.masks.json")
    found = pairs(str(tmp_path / "images"), tmp_path / "masks", tmp_path / "masks")
    assert found == {"a.png": "a.png.masks.json", "a.jpg": "a.jpg.masks.json"}


def test_one_image_and_one_file_belong_together_whatever_their_names(tmp_path):
    touched(tmp_path, "a.tif", "other.labels.tif")
    assert pairs(str(tmp_path / "a.tif"), tmp_path / "other.labels.tif", tmp_path) == {
        "a.tif": "other.labels.tif"
    }


def test_a_file_with_the_masks_of_several_images_is_matched_by_the_names_in_it(tmp_path):
    images = touched(tmp_path / "images", "a.tif", "sub/b 2.tif")
    listed = [(7, "a.tif"), (9, "sub\\b%202.jpg"), (11, "c.tif")]
    coco = {
        "images": [{"id": id_, "file_name": name} for id_, name in listed],
        "annotations": [],
        "categories": [],
    }
    (tmp_path / "all.json").write_text(json.dumps(coco))
    matched = match(gather([str(images / "**" / "*.tif")]), tmp_path / "all.json")
    assert [(item.image, item.picture) for item in matched.items] == [
        ("a.tif", "7"),
        ("sub/b 2.tif", "9"),
    ]
    assert matched.without_image == [tmp_path / "all.json"]


def test_no_masks_two_files_of_them_and_masks_of_no_image_are_told(tmp_path):
    images = touched(tmp_path / "images", "a.tif", "b.tif", "c.tif")
    masks = touched(
        tmp_path / "masks", "b.labels.tif", "b.cleaned.labels.tif", "c.masks.json", "d.labels.tif"
    )
    matched = match(gather([str(images)]), masks)
    assert [item.image for item in matched.items] == ["c.tif"]
    none, two = matched.failed
    assert "a.tif has no masks in" in none.reason
    assert "in 2 files" in two.reason
    assert "pattern" in two.reason
    assert matched.without_image == [masks / "d.labels.tif"]
    found = match(gather([str(images)]), masks / "*.cleaned.labels.tif")
    assert [item.masks.name for item in found.items] == ["b.cleaned.labels.tif"]


def test_nothing_in_common_is_an_error(tmp_path):
    touched(tmp_path / "images", "a.tif", "b.tif")
    touched(tmp_path / "masks", "x.masks.json")
    with pytest.raises(ImageError, match=r"images are a\.tif, b\.tif and the masks x\.masks\.json"):
        match(gather([str(tmp_path / "images")]), tmp_path / "masks")
    with pytest.raises(ImageError, match="no masks in what"):
        match(gather([str(tmp_path / "images")]), tmp_path / "masks" / "y*")
