"""`read` over all kinds of files: how they are told apart, and what is said when one cannot be."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image as PillowImage

import anymask
from anymask.io.read_images import read, read_rgb
from anymask.io.registry import image_suffixes
from tests.io.refusals import sentence


@pytest.mark.parametrize(
    ("name", "module", "extra"),
    [
        ("a.h5", "h5py", "formats"),
        ("a.zarr", "zarr", "formats"),
        ("a.dcm", "pydicom", "formats"),
        ("a.nef", "rawpy", "raw"),
    ],
)
def test_a_package_that_is_not_installed_is_named_with_how_to_get_it(
    name: str, module: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    if name.endswith(".zarr"):
        (tmp_path / name).mkdir()
    else:
        (tmp_path / name).write_bytes(b"content")
    message = sentence(tmp_path / name)
    assert f'pip install "anymask[{extra}]"' in message
    assert module in message


def test_only_what_a_file_needs_is_imported(tmp_path: Path) -> None:
    PillowImage.new("L", (3, 3)).save(tmp_path / "a.png")
    code = (
        "import sys; from anymask.io import list_images, read; "
        f"read({str(tmp_path / 'a.png')!r}); list_images({str(tmp_path)!r}); print(*sys.modules)"
    )
    env = {"PYTHONPATH": str(Path(anymask.__file__).parents[1]), "PATH": ""}
    loaded = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    ).stdout.split()
    unwanted = {"torch", "tifffile", "spectral", "h5py", "zarr", "pydicom", "rawpy", "scipy"}
    assert unwanted.isdisjoint(loaded)


@pytest.mark.parametrize("suffix", image_suffixes())
def test_every_kind_refuses_what_it_is_not_in_one_sentence(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"leaf größe{suffix}"
    for content in (b"", b"\0" * 1000, b"\xff" * 1000, b"words and words " * 70):
        path.write_bytes(content)
        assert str(path) in sentence(path) or suffix in (".dat", ".raw", ".img")
        path.unlink()
    assert "There is no file" in sentence(path)
    if suffix != ".zarr":
        path.mkdir()
        assert "is a folder" in sentence(path)


def test_other_files_are_refused_with_the_suffixes_that_are_read(tmp_path: Path) -> None:
    for name in ("a.xyz", "none"):
        (tmp_path / name).write_bytes(b"content")
        message = sentence(tmp_path / name)
        assert ".tiff" in message
        assert ".zarr" in message


def test_links_that_lead_nowhere_are_no_files(tmp_path: Path) -> None:
    os.symlink(tmp_path / "loop.png", tmp_path / "loop.png")
    os.symlink(tmp_path / "gone.png", tmp_path / "link.png")
    for name in ("loop.png", "link.png", "loop.png/a.png"):
        assert "There is no file" in sentence(tmp_path / name)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    assert "pipe" in sentence(tmp_path / "a.png")


@pytest.mark.parametrize("path", ["", "x" * 5000 + ".png", "a\0b.png", "/dev/null"])
def test_names_that_can_be_no_picture_are_image_errors(path: str) -> None:
    sentence(path)


@pytest.mark.parametrize(
    "option",
    [{"header": "a.hdr"}, {"level": 0}, {"dataset": "a"}, {"series": 0}, {"axes": "YX"}],
)
def test_an_option_that_a_kind_has_not_is_refused_with_those_that_have_it(
    option: dict[str, Any], tmp_path: Path
) -> None:
    PillowImage.new("L", (3, 3)).save(tmp_path / "a.png")
    assert f"{next(iter(option))}= does not apply to" in sentence(tmp_path / "a.png", **option)


@pytest.mark.parametrize("option", [{"page": "1"}, {"series": True}, {"level": 0.5}])
def test_an_option_that_is_no_whole_number_is_refused(
    option: dict[str, Any], tmp_path: Path
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 5), np.uint8))
    assert "is not a whole number" in sentence(tmp_path / "a.tif", **option)


def test_an_image_in_memory_needs_no_file_any_more(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.ones((4, 5), np.uint16))
    image = read(tmp_path / "a.tif")
    (tmp_path / "a.tif").unlink()
    assert image.numpy().sum() == 20


def test_files_are_closed_when_nobody_reads_them_any_more(tmp_path: Path) -> None:
    import h5py

    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["a"] = np.ones((4, 5))
    image = read(tmp_path / "a.h5")
    assert image.channel(0).sum() == 20
    del image
    with h5py.File(tmp_path / "a.h5", "r+") as file:  # HDF5 would not allow it otherwise
        file["a"][0, 0] = 2
    assert read(tmp_path / "a.h5").channel(0).sum() == 21


def test_a_colour_picture_is_shown_whatever_file_it_lies_in(
    scene: np.ndarray, tmp_path: Path
) -> None:
    import h5py
    import scipy.io
    import zarr
    from spectral.io import envi

    np.save(tmp_path / "a.npy", scene)
    np.savez_compressed(tmp_path / "a.npz", scene)
    scipy.io.savemat(tmp_path / "a.mat", {"scene": scene})
    envi.save_image(str(tmp_path / "a.hdr"), scene, interleave="bil")
    zarr.save_array(str(tmp_path / "a.zarr"), np.ascontiguousarray(scene))
    tifffile.imwrite(tmp_path / "a.tif", scene, photometric="rgb", compression="zlib")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["scene"] = scene
    for suffix in ("npy", "npz", "mat", "hdr", "img", "zarr", "tif", "h5"):
        np.testing.assert_array_equal(read_rgb(tmp_path / f"a.{suffix}"), scene)
