"""Which images a folder or a pattern means: all kinds that are read, each once."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pydicom
import pytest
import zarr
from PIL import Image as PillowImage
from pydicom.data import get_testdata_file
from spectral.io import envi

from anymask.errors import ImageError
from anymask.io.listing import is_image_folder, list_images
from anymask.io.registry import image_suffixes


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def pair(folder: Path, name: str, suffix: str = "dat") -> None:
    folder.mkdir(exist_ok=True, parents=True)
    envi.save_image(str(folder / f"{name}.hdr"), np.zeros((4, 5, 3), np.uint8), ext=suffix)


@pytest.fixture
def field(tmp_path: Path) -> Path:
    folder = tmp_path / "field work"
    pair(folder, "a")
    pair(folder, "b", "img")
    pair(folder, "c", "")
    PillowImage.new("L", (3, 3)).save(folder / "d.png")
    zarr.save_array(str(folder / "e.ome.zarr"), np.zeros((4, 5)))
    (folder / "log.dat").write_bytes(b"not a picture")
    (folder / "alone.hdr").write_text("ENVI\n")
    (folder / "sky.hdr").write_text("#?RADIANCE\n")
    (folder / "sky.img").write_bytes(b"not a picture")
    (folder / "notes.txt").touch()
    return folder


def test_a_folder_lists_each_image_once(field: Path) -> None:
    assert names(list_images(field)) == ["a.hdr", "b.hdr", "c.hdr", "d.png", "e.ome.zarr"]


def test_a_pattern_does_so_too(field: Path) -> None:
    assert names(list_images(str(field / "*"))) == names(list_images(field))
    assert names(list_images(str(field / "*.dat"))) == ["a.dat"]
    assert names(list_images([str(field / "*.hdr"), str(field / "*.dat")])) == [
        "a.hdr",
        "b.hdr",
        "c.hdr",
    ]


def test_files_named_by_themselves_are_taken_as_named(field: Path) -> None:
    assert names(list_images(field / "a.dat")) == ["a.dat"]
    assert names(list_images(field / "log.dat")) == ["log.dat"]  # its header may be elsewhere
    assert names(list_images(field / "c")) == ["c"]
    assert names(list_images([field / "a.dat", field / "a.hdr", field])) == [
        "a.dat",
        "b.hdr",
        "c.hdr",
        "d.png",
        "e.ome.zarr",
    ]
    with pytest.raises(ImageError, match=r"suffix \.txt"):
        list_images(field / "notes.txt")


def test_a_zarr_folder_is_one_image_and_not_searched(field: Path) -> None:
    inside = field / "e.ome.zarr" / "thumbnail.png"
    PillowImage.new("L", (3, 3)).save(inside)
    assert is_image_folder(field / "e.ome.zarr")
    assert names(list_images(field / "e.ome.zarr")) == ["e.ome.zarr"]
    assert names(list_images(str(field / "**" / "*.png"))) == ["d.png"]
    assert names(list_images(str(field.parent / "**" / "*.zarr"))) == ["e.ome.zarr"]


def test_a_file_named_zarr_is_not_an_image(tmp_path: Path) -> None:
    (tmp_path / "a.zarr").write_bytes(b"zip")
    with pytest.raises(ImageError, match="no image"):
        list_images(tmp_path)


def test_dicom_without_a_suffix_is_known_by_its_content(tmp_path: Path) -> None:
    path = tmp_path / "IM000017"
    pydicom.dcmread(get_testdata_file("CT_small.dcm", download=False)).save_as(path)
    assert list_images(path) == [path]


def test_all_known_suffixes_are_found_in_either_case(tmp_path: Path) -> None:
    plain = [s for s in image_suffixes() if s not in (".hdr", ".zarr", ".dat", ".raw", ".img")]
    plain = [s for s in plain if s not in (".bil", ".bip", ".bsq")]
    for suffix in plain:
        (tmp_path / f"a{suffix}").touch()
        (tmp_path / f"b{suffix.upper()}").touch()
    assert len(list_images(tmp_path)) == 2 * len(plain)


def test_links_in_circles_end(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    PillowImage.new("L", (3, 3)).save(deep / "p.png")
    for place in (tmp_path, tmp_path / "a", deep):
        for number in range(4):
            os.symlink(tmp_path, place / f"up{number}")
    os.symlink(tmp_path / "self", tmp_path / "self")
    os.symlink(tmp_path / "self.png", tmp_path / "self.png")
    assert names(list_images(str(tmp_path / "**" / "*.png"))) == ["p.png"]
    with pytest.raises(ImageError, match="no image"):
        list_images(tmp_path)
    with pytest.raises(ImageError, match="no file or folder"):
        list_images(tmp_path / "self.png")


def test_links_to_folders_elsewhere_are_followed(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "here").mkdir()
    PillowImage.new("L", (3, 3)).save(tmp_path / "data" / "p.png")
    os.symlink(tmp_path / "data", tmp_path / "here" / "link")
    found = list_images(str(tmp_path / "here" / "**" / "*.png"))
    assert found == [tmp_path / "here" / "link" / "p.png"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.png", ["1.png"]),
        ("**/*.png", ["1.png", "2.png", "3.png"]),
        ("**", ["1.png", "2.png", "3.png"]),
        ("s*/*.png", ["2.png"]),
        ("*/t/*.png", ["3.png"]),
        ("s/**/*.png", ["2.png", "3.png"]),
        ("**/t/?.png", ["3.png"]),
        (".h*/*.png", ["4.png"]),
    ],
)
def test_patterns_match_like_glob(pattern: str, expected: list[str], tmp_path: Path) -> None:
    for name in ("1.png", "s/2.png", "s/t/3.png", ".h/4.png", "s/.5.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.touch()
    assert sorted(names(list_images(str(tmp_path / pattern)))) == expected


def test_a_name_that_is_too_long_is_an_image_error() -> None:
    with pytest.raises(ImageError):
        list_images("x" * 5000 + ".png")
