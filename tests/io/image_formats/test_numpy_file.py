"""NPY and NPZ: axes told from shapes or given, nothing unpickled, no bomb unpacked."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anymask.errors import ImageError
from anymask.images import memory
from anymask.io.read_images import read, read_rgb
from tests.io.refusals import sentence


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((20, 30), "YX"),
        ((20, 30, 1), "YXC"),
        ((20, 30, 3), "YXS"),
        ((20, 30, 4), "YXS"),
        ((20, 30, 7), "YXC"),
        ((3, 20, 30), "CYX"),
        ((7, 20, 30), "CYX"),
    ],
)
def test_axes_are_guessed_from_the_shape(shape: tuple[int, ...], axes: str, tmp_path: Path) -> None:
    array = np.random.default_rng(0).random(shape)
    np.save(tmp_path / "a.npy", array)
    np.savez_compressed(tmp_path / "a.npz", array)
    for name in ("a.npy", "a.npz"):
        image = read(tmp_path / name)
        assert image.axes == axes
        np.testing.assert_array_equal(image.numpy(), array)


def test_axes_can_be_given(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((4, 5, 6, 7)))
    assert 'axes="ZCYX"' in sentence(tmp_path / "a.npy")
    assert read(tmp_path / "a.npy", axes="tzyx").axes == "TZYX"
    for wrong in ("YX", "YXCC", "ABCD"):
        assert "does not fit" in sentence(tmp_path / "a.npy", axes=wrong)
    assert "including Y and X" in sentence(tmp_path / "a.npy", axes="TZCS")


@pytest.mark.parametrize("order", ["C", "F"])
def test_npy_is_mapped_in_either_order(order: Any, tmp_path: Path) -> None:
    array = np.arange(60, dtype=">f4").reshape(5, 12, order=order)
    np.save(tmp_path / "a.npy", array)
    image = read(tmp_path / "a.npy")
    assert isinstance(image.array, np.memmap)
    assert image.numpy().dtype == np.float32
    np.testing.assert_array_equal(image.numpy(), array)


def test_one_of_several_arrays_is_chosen_by_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", left=np.zeros((4, 5)), right=np.ones((6, 7)), x=np.arange(3))
    assert "choose one with dataset=: left (4×5), right (6×7)" in sentence(tmp_path / "a.npz")
    image = read(tmp_path / "a.npz", dataset="right")
    assert image.shape == (6, 7)
    assert image.metadata["dataset"] == "right"
    assert "has no array 'up'; it has left (4×5)" in sentence(tmp_path / "a.npz", dataset="up")
    assert "not an image" in sentence(tmp_path / "a.npz", dataset="x")
    np.save(tmp_path / "a.npy", np.zeros((4, 5)))
    assert "dataset= does not apply" in sentence(tmp_path / "a.npy", dataset="left")


def test_lists_beside_the_one_image_do_not_make_it_ambiguous(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", picture=np.ones((6, 7)), x=np.arange(3), name=np.array("leaf"))
    assert read(tmp_path / "a.npz").shape == (6, 7)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_objects_in_an_archive_are_never_unpickled(save: Any, tmp_path: Path) -> None:
    class Armed:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "fired",)

    save(tmp_path / "a.npz", a=np.array([[Armed(), Armed()]], dtype=object))
    assert "no array of numbers" in sentence(tmp_path / "a.npz")
    assert "not numbers" in sentence(tmp_path / "a.npz", dataset="a")
    assert not (tmp_path / "fired").exists()


@pytest.mark.parametrize("array", [np.array(5), np.arange(5), np.zeros((0, 4)), np.array([["a"]])])
def test_anything_but_an_image_is_refused(array: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", array)
    sentence(tmp_path / "a.npy")


def test_records_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((4, 5), dtype=[("x", "f4"), ("y", "f4")]))
    assert "not numbers" in sentence(tmp_path / "a.npy")


@pytest.mark.parametrize("kept", [1, 30, 0.5, 0.95])
def test_cut_off_archives_are_refused(kept: float, tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", np.random.default_rng(0).random((40, 50)))
    content = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(content[: kept if kept >= 1 else int(kept * len(content))])
    sentence(tmp_path / "a.npz")


@pytest.mark.parametrize("place", [0.2, 0.5, 0.8])
def test_archives_with_bytes_changed_are_refused(place: float, tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", np.random.default_rng(0).random((40, 50)))
    content = bytearray((tmp_path / "a.npz").read_bytes())
    at = int(place * len(content))
    content[at : at + 8] = b"\xff" * 8
    (tmp_path / "a.npz").write_bytes(content)
    sentence(tmp_path / "a.npz")


def bomb(path: Path, shape: tuple[int, ...], zeros: int) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f8", "fortran_order": False, "shape": shape}
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("a.npy", "w") as file:
            file.write(header.getvalue())
            for _ in range(zeros // (1 << 20)):
                file.write(bytes(1 << 20))


def test_an_archive_that_unpacks_to_more_than_the_memory_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "available_memory", lambda: 100 << 20)
    bomb(tmp_path / "bomb.npz", (4096, 4096), 4096 * 4096 * 8)
    assert (tmp_path / "bomb.npz").stat().st_size < 1 << 20
    assert "4096×4096 values" in sentence(tmp_path / "bomb.npz")


def test_a_false_promise_in_an_archive_is_refused(tmp_path: Path) -> None:
    bomb(tmp_path / "more.npz", (1_000_000, 1_000_000), 1 << 20)
    assert "1000000×1000000" in sentence(tmp_path / "more.npz")
    bomb(tmp_path / "less.npz", (1000, 1000), 1 << 20)
    sentence(tmp_path / "less.npz")


def test_a_vast_array_is_opened_and_read_by_region(tmp_path: Path) -> None:
    path = tmp_path / "vast.npy"
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "|u1", "fortran_order": False, "shape": (60_000, 60_000)}
        )
        file.truncate(file.tell() + 60_000 * 60_000)  # no blocks on disk for what is not written
    assert not read(path).region(59_990, 59_990, 10, 10).numpy().any()
    with pytest.raises(ImageError, match="60000×60000 pixels"):
        read_rgb(path)
