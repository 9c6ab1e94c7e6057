"""Data sets in archives give the same data as folders, and malicious archives are refused."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

import anymask
from anymask.datasets import archives, open_dataset
from anymask.errors import ImageError
from anymask.io.results import write_results
from anymask.masks.mask_set import MaskSet
from tests.datasets.drawn_sets import noise, save, two_discs, write_busi, write_pairs

ROOT = Path(anymask.__file__).parents[1]


@pytest.fixture
def cells(tmp_path):
    return write_pairs(tmp_path / "cells", 4)


def zipped(path: Path, folder: Path, above: str = "") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(p for p in folder.rglob("*") if p.is_file()):
            archive.write(file, above + str(file.relative_to(folder)))
    return path


def tarred(path: Path, folder: Path, above: str = "") -> Path:
    mode = "w" if path.suffix == ".tar" else "w:gz"
    with tarfile.open(path, mode) as archive:
        archive.add(folder, above or ".")
    return path


@pytest.mark.parametrize("name", ["cells.zip", "cells.tar", "cells.tar.gz", "cells.tgz"])
@pytest.mark.parametrize("above", ["", "cells/"])
def test_an_archive_gives_the_same_data_set_as_the_folder(cells, tmp_path, name, above):
    pack = zipped if name.endswith("zip") else tarred
    packed = open_dataset(pack(tmp_path / name, cells, above))
    assert packed.keys == open_dataset(cells).keys
    assert packed.fingerprint() == open_dataset(cells).fingerprint()
    assert len(packed[0].masks) == 2


@pytest.mark.parametrize("name", ["out.zip", "out.tgz"])
def test_corrected_results_in_an_archive_are_used_as_in_the_folder(tmp_path, name):
    folder = tmp_path / "out"
    save(folder / "a.png", noise(0, two_discs()))
    masks = MaskSet.from_labels(two_discs())
    write_results(folder / "a", noise(0, two_discs()), masks, image_name="a.png")
    save(folder / "a.labels.tif", two_discs(5))
    pack = zipped if name.endswith("zip") else tarred
    (example,) = open_dataset(pack(tmp_path / name, folder))
    np.testing.assert_array_equal(example.masks[0], two_discs(5) == 1)
    os.utime(folder / "a.labels.tif", (10**9, 10**9))  # a copy may have any time
    (example,) = open_dataset(pack(tmp_path / f"later_{name}", folder))
    np.testing.assert_array_equal(example.masks[0], two_discs(5) == 1)


def test_clutter_of_operating_systems_is_ignored(tmp_path):
    packed = zipped(tmp_path / "busi.zip", write_busi(tmp_path / "BUSI"), "Dataset_BUSI/")
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr("__MACOSX/Dataset_BUSI/benign/._benign (1).png", b"?")
        archive.writestr("Dataset_BUSI/.DS_Store", b"?")
    with pytest.warns(UserWarning, match="contain no object"):
        assert open_dataset(packed).set_names == ["benign", "malignant"]


def test_an_archive_is_unpacked_once_and_again_when_it_changes(cells, tmp_path):
    packed = zipped(tmp_path / "x.zip", cells)
    first = archives.unpacked(packed)
    assert archives.unpacked(packed) == first
    zipped(packed, write_pairs(cells, 1, first=9))
    assert archives.unpacked(packed) != first
    assert len(open_dataset(packed)) == 5


def test_unpacked_files_are_removed_when_the_program_ends(cells, tmp_path):
    packed = zipped(tmp_path / "x.zip", cells)
    code = (
        "from anymask.datasets import open_dataset; "
        f"print(open_dataset({str(packed)!r}).sources[0].image)"
    )
    env = {"PYTHONPATH": str(ROOT), "PATH": "", "TMPDIR": str(tmp_path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    image = Path(done.stdout.strip())
    assert image.name == "00.png"
    assert image.is_relative_to(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cells", "x.zip"]


OUTSIDE = ["../evil.png", "images/../../evil.png", "/tmp/evil.png", "C:\\evil.png", "..\\evil.png"]


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_zip_with_a_member_outside_the_folder_is_refused(cells, tmp_path, name):
    packed = zipped(tmp_path / "x.zip", cells)
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr(name, b"evil")
    with pytest.raises(ImageError, match="would be outside the folder"):
        open_dataset(packed)
    assert not list(tmp_path.rglob("evil*"))


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_tar_with_a_member_outside_the_folder_is_refused(cells, tmp_path, name):
    packed = tarred(tmp_path / "x.tar", cells)
    with tarfile.open(packed, "a") as archive:
        member = tarfile.TarInfo(name)
        member.size = 4
        archive.addfile(member, io.BytesIO(b"evil"))
    with pytest.raises(ImageError, match="would be outside the folder"):
        open_dataset(packed)
    assert not list(tmp_path.rglob("evil*"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE])
def test_a_tar_with_a_link_or_device_is_refused(cells, tmp_path, kind):
    packed = tarred(tmp_path / "x.tar", cells)
    with tarfile.open(packed, "a") as archive:
        member = tarfile.TarInfo("images/link.png")
        member.type, member.linkname = kind, "/etc/passwd"
        archive.addfile(member)
    with pytest.raises(ImageError, match=r"'images/link\.png' is a link or a device"):
        open_dataset(packed)


def test_a_zip_with_a_link_is_refused(cells, tmp_path):
    packed = zipped(tmp_path / "x.zip", cells)
    with zipfile.ZipFile(packed, "a") as archive:
        member = zipfile.ZipInfo("images/link.png")
        member.create_system, member.external_attr = 3, 0o120777 << 16
        archive.writestr(member, "/etc/passwd")
    with pytest.raises(ImageError, match=r"'images/link\.png' is a link or a device"):
        open_dataset(packed)


def test_a_repeated_member_is_refused(cells, tmp_path):
    packed = tarred(tmp_path / "x.tar", cells)
    with tarfile.open(packed, "a") as archive:
        archive.add(cells / "images" / "00.png", "images/00.png")
    with pytest.raises(ImageError, match=r"images/00\.png occurs twice"):
        open_dataset(packed)


@pytest.mark.parametrize("name", ["bomb.zip", "bomb.tar.gz"])
@pytest.mark.parametrize("passed_over", [False, True])
def test_an_archive_that_unpacks_to_far_more_than_its_size_is_refused(
    cells, tmp_path, monkeypatch, name, passed_over
):
    monkeypatch.setattr(archives, "_HARMLESS", 2**20)
    packed = tmp_path / name
    zeros, member = bytes(40 * 2**20), "__MACOSX/x" if passed_over else "images/x.tif"
    if name.endswith("zip"):
        with zipfile.ZipFile(zipped(packed, cells), "a", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(member, zeros)
    else:
        with tarfile.open(packed, "w:gz") as archive:
            info = tarfile.TarInfo(member)
            info.size = len(zeros)
            archive.addfile(info, io.BytesIO(zeros))
            archive.add(cells, "cells")
    assert packed.stat().st_size < 2**18
    with pytest.raises(ImageError, match="more than 100 times its size"):
        open_dataset(packed)


def test_a_zip_that_lies_about_the_size_of_a_member_is_refused(cells, tmp_path):
    packed = tmp_path / "x.zip"
    with zipfile.ZipFile(zipped(packed, cells), "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images/x.tif", bytes(3_000_001))
    told = (3_000_001).to_bytes(4, "little")
    packed.write_bytes(packed.read_bytes().replace(told, (10).to_bytes(4, "little")))
    with pytest.raises(ImageError, match="cannot be unpacked"):
        open_dataset(packed)


@pytest.mark.parametrize("name", ["x.zip", "x.tar", "x.tar.gz", "x.tgz"])
def test_a_damaged_or_missing_archive_is_refused_with_a_sentence(cells, tmp_path, name):
    packed = tmp_path / name
    with pytest.raises(ImageError, match="There is no file or folder"):
        open_dataset(packed)
    packed.write_bytes(b"not an archive at all" * 40)
    with pytest.raises(ImageError, match="cannot be unpacked"):
        open_dataset(packed)
    whole = (zipped if name.endswith("zip") else tarred)(packed, cells).read_bytes()
    packed.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ImageError, match="cannot be unpacked"):
        open_dataset(packed)


def test_an_archive_without_images_is_refused_by_its_name(tmp_path):
    with zipfile.ZipFile(tmp_path / "notes.zip", "w") as archive:
        archive.writestr("readme.txt", "nothing here")
    with pytest.raises(ImageError, match=r"No image with masks was found in .*notes"):
        open_dataset(tmp_path / "notes.zip")
