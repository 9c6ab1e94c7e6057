"""MATLAB's files: version 5 written by SciPy, version 7.3 as MATLAB lays out HDF5."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.io

from anymask.errors import ImageError
from anymask.images import memory
from anymask.images.lazy import LazyArray
from anymask.io.read_images import read
from tests.io.refusals import sentence


def noise(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 200, shape).astype(np.uint16)


CLASSES = {"uint8": "uint8", "uint16": "uint16", "float64": "double", "float32": "single"}


def write(path: Path, version: str, variables: dict[str, np.ndarray]) -> None:
    if version == "5":
        scipy.io.savemat(path, variables, do_compression=True)
        return
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, array in variables.items():
            array = np.atleast_2d(array)
            data = file.create_dataset(name, data=array.T)  # MATLAB counts columns first
            data.attrs["MATLAB_class"] = np.bytes_(CLASSES[array.dtype.name])
        cells = file.create_dataset("#refs#/b", data=np.zeros((4, 5)))
        cells.attrs["MATLAB_class"] = np.bytes_("double")
        words = file.create_dataset("words", data=np.zeros((4, 5), "u2"))
        words.attrs["MATLAB_class"] = np.bytes_("char")
    with path.open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")


@pytest.fixture(params=["5", "7.3"])
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("dtype", CLASSES)
def test_the_cube_is_read_with_its_type(version: str, dtype: str, tmp_path: Path) -> None:
    cube = noise((20, 30, 6)).astype(dtype)
    write(tmp_path / "pines.mat", version, {"cube": cube, "step": np.array([[1.0]])})
    image = read(tmp_path / "pines.mat")
    assert (image.axes, image.dtype, image.name) == ("YXC", cube.dtype, "pines")
    assert image.metadata["dataset"] == "cube"
    np.testing.assert_array_equal(image.numpy(), cube)
    np.testing.assert_array_equal(image.region(2, 3, 4, 5).channel(1), cube[2:6, 3:8, 1])


def test_wavelengths_beside_the_cube_are_found(version: str, tmp_path: Path) -> None:
    nm = np.linspace(400, 900, 6)
    for name, shape in (("a", (20, 30, 6)), ("b", (6, 20, 30))):
        variables = {"cube": noise(shape), "Wavelengths": nm.reshape(-1, 1)}
        write(tmp_path / f"{name}.mat", version, variables)
        image = read(tmp_path / f"{name}.mat")
        assert image.axes == ("YXC" if shape[2] == 6 else "CYX")
        np.testing.assert_allclose(image.wavelengths, nm)


def test_one_of_several_variables_is_chosen(version: str, tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    write(path, version, {"cube": noise((20, 30, 6)), "truth": noise((20, 30))})
    assert "choose one with dataset=: cube (20×30×6), truth (20×30)" in sentence(path)
    assert read(path, dataset="truth").axes == "YX"
    assert "has no array 'up'" in sentence(path, dataset="up")
    assert read(path, dataset="cube", axes="YXZ").axes == "YXZ"


def test_version_7_3_is_read_by_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.mat", "7.3", {"cube": noise((20, 30, 6))})
    assert isinstance(read(tmp_path / "a.mat").array, LazyArray)
    scipy.io.savemat(tmp_path / "b.mat", {"cube": np.zeros((1500, 1500))}, do_compression=True)
    monkeypatch.setattr(memory, "available_memory", lambda: 30 << 20)
    assert "-v7.3" in sentence(tmp_path / "b.mat")


def test_logical_arrays_are_boolean(tmp_path: Path) -> None:
    mask = noise((20, 30)) > 100
    scipy.io.savemat(tmp_path / "5.mat", {"mask": mask})
    with h5py.File(tmp_path / "7.mat", "w", userblock_size=512) as file:
        data = file.create_dataset("mask", data=mask.T.astype(np.uint8))
        data.attrs["MATLAB_class"] = np.bytes_("logical")
    for name in ("5.mat", "7.mat"):
        image = read(tmp_path / name)
        assert image.dtype == np.bool_
        np.testing.assert_array_equal(image.numpy(), mask)


def test_complex_values_are_kept(tmp_path: Path) -> None:
    array = noise((20, 30)) + 1j
    scipy.io.savemat(tmp_path / "a.mat", {"a": array})
    np.testing.assert_array_equal(read(tmp_path / "a.mat").numpy(), array)


def test_structures_and_text_are_not_images(tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "a.mat", {"s": {"cube": noise((4, 5))}, "t": "text", "n": 5.0})
    assert "no array of numbers" in sentence(tmp_path / "a.mat")
    assert "class struct" in sentence(tmp_path / "a.mat", dataset="s")


@pytest.mark.parametrize("format_", ["4", "5"])
def test_older_versions_are_read(format_: Any, tmp_path: Path) -> None:
    array = noise((20, 30)).astype(float)
    scipy.io.savemat(tmp_path / "a.mat", {"a": array}, format=format_)
    np.testing.assert_array_equal(read(tmp_path / "a.mat").numpy(), array)


@pytest.mark.parametrize("kept", [1, 100, 130, 0.5, 0.95])
def test_cut_off_files_are_refused_in_one_sentence(
    version: str, kept: float, tmp_path: Path
) -> None:
    path = tmp_path / "a.mat"
    write(path, version, {"cube": noise((20, 30, 6))})
    content = path.read_bytes()
    path.write_bytes(content[: int(kept if kept >= 1 else kept * len(content))])
    sentence(path)


def test_files_with_bytes_changed_are_read_or_refused_in_one_sentence(
    version: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.mat"
    write(path, version, {"cube": noise((20, 30, 6))})
    content = path.read_bytes()
    rng = np.random.default_rng(4)
    for _ in range(60):
        changed = bytearray(content)
        for place in rng.integers(0, len(content), 4):
            changed[place] = rng.integers(256)
        path.write_bytes(changed)
        try:
            read(path).region(0, 0, 1, 1).numpy()
        except ImageError as error:
            assert "\n" not in str(error)
            assert str(path) in str(error)


@pytest.mark.parametrize(
    "content", [b"\0" * 600, b"text " * 100, b"MATLAB 5.0 MAT-file".ljust(128)]
)
def test_anything_but_a_mat_file_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.mat").write_bytes(content)
    sentence(tmp_path / "a.mat")
