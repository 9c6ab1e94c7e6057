"""The registry: what is known of formats is known there, and follows from their entries."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from pathlib import Path

import numpy as np
import pytest

import anymask
from anymask.errors import ImageError, OutputError
from anymask.io import image_formats as image_folder
from anymask.io import load_masks, mask_formats, save_masks
from anymask.io.registry import (
    format_named,
    format_of,
    image_files,
    image_formats,
    image_suffixes,
    written_formats,
)
from anymask.io.registry import mask_formats as all_mask_formats


@pytest.mark.parametrize(
    ("folder", "known"),
    [(image_folder, image_formats), (mask_formats, lambda: all_mask_formats().values())],
    ids=["images", "masks"],
)
def test_every_module_of_a_folder_of_formats_is_a_format(folder, known) -> None:
    modules = [module.name for module in pkgutil.iter_modules(folder.__path__)]
    found = [importlib.import_module(f"{folder.__name__}.{name}").FORMAT for name in modules]
    assert len(modules) > 8
    assert {form.name for form in found} == {form.name for form in known()}


def test_suffixes_of_images_are_distinct_and_in_lower_case() -> None:
    suffixes = image_suffixes()
    assert len(set(suffixes)) == len(suffixes)
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in suffixes)


def test_image_formats_know_nothing_of_masks() -> None:
    for path in Path(image_folder.__path__[0]).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                assert not node.module.startswith(("anymask.masks", "anymask.io.mask")), path


def test_formats_are_listed_from_what_keeps_most_to_tables() -> None:
    names = list(written_formats())
    assert names[:3] == ["coco", "npz", "geojson"]
    assert names[-2:] == ["csv", "parquet"]
    assert names.index("voc") < names.index("yolo") < names.index("labels")
    assert "npy" not in names  # only read


def test_a_shared_suffix_means_the_format_that_keeps_most() -> None:
    assert format_of(Path("a.json")).name == "coco"
    assert format_of(Path("a.NPZ")).name == "npz"
    assert format_of(Path("image.zarr/labels/cells")).name == "zarr"
    with pytest.raises(OutputError, match=r"did you mean geojson"):
        format_named("geojsn")
    with pytest.raises(OutputError, match=r"does not show the format"):
        format_of(Path("a.roi"))  # single ROIs are only read


def test_the_files_of_an_image_are_told_from_either(tmp_path: Path) -> None:
    (tmp_path / "a.hdr").write_text("ENVI\n")
    (tmp_path / "a.dat").write_bytes(b"0")
    (tmp_path / "b.png").write_bytes(b"0")
    pair = [tmp_path / "a.hdr", tmp_path / "a.dat"]
    assert image_files(pair[0]) == image_files(pair[1]) == pair
    assert image_files(tmp_path / "b.png") == [tmp_path / "b.png"]


def test_the_image_of_masks_may_be_an_image_an_array_or_a_path(tmp_path: Path) -> None:
    values = np.zeros((6, 8, 3), np.uint8)
    np.save(tmp_path / "image.npy", values)
    labels = np.zeros((6, 8), np.uint8)
    labels[1:4, 2:5] = 1
    path = tmp_path / "image.npy"
    for number, image in enumerate((anymask.read(path), values, path, str(path))):
        save_masks(labels, tmp_path / f"{number}.txt", image=image)
        read = load_masks(tmp_path / f"{number}.txt", image=image)
        np.testing.assert_array_equal(read.to_labels(), labels)
    with pytest.raises(ImageError, match=r"shape \(6,\) is not an image"):
        load_masks(tmp_path / "0.txt", image=np.zeros(6))
    with pytest.raises(ImageError, match=r"There is no file"):
        load_masks(tmp_path / "0.txt", image="nowhere.png")
