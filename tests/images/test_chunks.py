"""Cubes in chunks that hold many bands: no chunk is unpacked once for every band."""

from __future__ import annotations

import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
import zarr

from anymask.images import chunks
from anymask.images.image import Image
from anymask.images.lazy import LazyArray
from anymask.images.normalize import to_rgb
from anymask.images.object_spectra import object_spectra
from anymask.images.pseudo_rgb import pseudo_rgb
from anymask.io.image_formats import hdf5
from anymask.io.read_images import read

SHAPE, CHUNK = (120, 90, 40), (32, 30, 40)
VALUES = np.random.default_rng(3).random(SHAPE).astype(np.float32) + np.float32(0.1)
NM = np.linspace(400, 1000, SHAPE[2])


class Packed:
    """A cube in chunks that counts how often it unpacks each."""

    def __init__(self, values: np.ndarray = VALUES, chunk: tuple[int, ...] = CHUNK) -> None:
        self.values, self.chunk = values, chunk
        self.unpacked = np.zeros(
            [-(-n // c) for n, c in zip(values.shape, chunk, strict=True)], int
        )

    def read(self, box: tuple[slice, ...]) -> np.ndarray:
        touched = tuple(
            slice(s.start // n, (s.stop - 1) // n + 1) for s, n in zip(box, self.chunk, strict=True)
        )
        self.unpacked[touched] += 1
        return self.values[box].copy()

    def image(self) -> Image:
        shape, dtype = self.values.shape, self.values.dtype
        array = chunks.chunked_array(self.read, shape, dtype, "cube", self.chunk)
        return Image(array, "YXC", wavelengths=NM)


@pytest.mark.parametrize(
    "recipe", [("ndvi",), ("nm(860)", "nm(680)", "nm(550)"), ("truecolor",), ("pca",), ("mnf",)]
)
def test_a_pseudo_rgb_unpacks_each_chunk_a_few_times(recipe) -> None:
    packed = Packed()
    shown = pseudo_rgb(packed.image(), *recipe).rgb
    # Components, limits and the image are a pass each, and one row is looked at beforehand.
    assert packed.unpacked.max() <= 4
    expected = pseudo_rgb(Image(VALUES, "YXC", wavelengths=NM), *recipe).rgb
    assert np.abs(shown.astype(int) - expected).max() <= 1


def test_spectra_of_objects_unpack_each_chunk_once() -> None:
    packed = Packed()
    labels = np.zeros(SHAPE[:2], np.uint8)
    labels[20:70, 10:50] = 1
    found = object_spectra(packed.image(), labels)
    assert packed.unpacked.max() == 1
    np.testing.assert_allclose(found.mean[0], VALUES[20:70, 10:50].mean((0, 1)), rtol=1e-5)


def test_channels_one_after_another_are_those_of_the_array() -> None:
    packed = Packed()
    image = packed.image()
    for index, channel in enumerate(image.channels()):
        np.testing.assert_array_equal(channel, VALUES[..., index])
    assert packed.unpacked.max() == 1
    few = list(image.channels([39, -40, 7]))
    np.testing.assert_array_equal(np.stack(few, -1), VALUES[..., [39, 0, 7]])


def test_bands_in_chunks_of_their_own_are_read_alone() -> None:
    packed = Packed(chunk=(120, 90, 1))
    to_rgb(packed.image(), channels=[30, 2, 11])
    assert np.flatnonzero(packed.unpacked.sum((0, 1))).tolist() == [2, 11, 30]
    assert packed.unpacked.max() == 1


def test_no_more_is_kept_than_allowed(monkeypatch) -> None:
    monkeypatch.setattr(chunks, "KEPT_BYTES", 32 * 90 * 40 * 4)
    packed = Packed()
    image = packed.image()
    reader = image.array._read
    np.testing.assert_array_equal(image.channel(3), VALUES[..., 3])
    assert reader._kept is None  # all chunks together are too much
    np.testing.assert_array_equal(image.array[40:50, :, 3], VALUES[40:50, :, 3])
    assert reader._kept[1].nbytes == 32 * 90 * 40 * 4
    assert packed.unpacked.max() == 2
    pseudo_rgb(image, "ndvi")
    assert packed.unpacked.max() <= 2 + 3


def test_one_file_keeps_something_at_a_time() -> None:
    first, second = Packed().image(), Packed().image()
    first.array[0, 0, 0]
    assert first.array._read._kept is not None
    second.array[0, 0, 0]
    assert first.array._read._kept is None
    assert second.array._read._kept is not None


def test_what_is_read_can_be_changed_without_harm() -> None:
    image = Packed().image()
    part = image.array[3:5, 4:9, 7]
    part[...] = -1
    np.testing.assert_array_equal(image.array[3:5, 4:9, 7], VALUES[3:5, 4:9, 7])


def test_a_region_is_cut_along_the_chunks_of_its_file() -> None:
    packed = Packed()
    image = packed.image().region(10, 5, 100, 80)
    shown = pseudo_rgb(image, "ndvi").rgb
    assert packed.unpacked.max() <= 3
    expected = pseudo_rgb(Image(VALUES[10:110, 5:85], "YXC", wavelengths=NM), "ndvi").rgb
    assert np.abs(shown.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("index", [np.s_[::-2, 3, ::5], np.s_[5:117:7, ::-1], np.s_[...]])
def test_any_index_gives_what_numpy_gives(index) -> None:
    array = Packed().image().array
    np.testing.assert_array_equal(array[index], VALUES[index])
    np.testing.assert_array_equal(
        array.transpose((2, 0, 1)).select(np.s_[4]), VALUES.transpose(2, 0, 1)[4]
    )


def _hdf5(path: Path) -> Path:
    with h5py.File(path / "cube.h5", "w") as file:
        file.create_dataset("cube", data=VALUES, chunks=CHUNK, compression="gzip")
        file.create_dataset("wavelength", data=NM)
    return path / "cube.h5"


def _zarr(path: Path) -> Path:
    array = zarr.create_array(
        str(path / "cube.zarr"), shape=SHAPE, chunks=CHUNK, dtype="f4",
        dimension_names=("y", "x", "c"),
    )  # fmt: skip
    array[...] = VALUES
    return path / "cube.zarr"


@pytest.mark.parametrize("write", [_hdf5, _zarr])
def test_files_in_chunks_are_read_by_chunks(write, tmp_path) -> None:
    image = read(write(tmp_path))
    assert image.axes == "YXC"
    assert image.array.grid == tuple((length, 0) for length in CHUNK)
    reads = []
    inner = image.array._read._read
    image.array._read._read = lambda box: reads.append(box) or inner(box)
    shown = pseudo_rgb(image, "(ch[30] - ch[20]) / (ch[30] + ch[20])")
    assert len(reads) <= 3
    assert shown.masked.sum() == 0
    np.testing.assert_array_equal(image.numpy(), VALUES)
    again = pickle.loads(pickle.dumps(read(image.path)))
    np.testing.assert_array_equal(again.channel(5), VALUES[..., 5])


def test_tiles_of_a_packed_tiff_are_its_chunks(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("anymask.io.image_formats.tiff.series.EAGER_BYTES", 1000)
    path = tmp_path / "bands.tif"
    tifffile.imwrite(
        path, VALUES, tile=(32, 32), compression="zlib", photometric="minisblack",
        planarconfig="contig",
    )  # fmt: skip
    image = read(path)
    assert isinstance(image.array, LazyArray)
    assert image.axes == "YXC"
    assert image.array.grid == ((32, 0), (32, 0), (40, 0))
    np.testing.assert_array_equal(image.channel(17), VALUES[..., 17])


def test_a_matlab_cube_has_its_chunks_turned_with_it(tmp_path) -> None:
    with h5py.File(tmp_path / "cube.h5", "w") as file:
        file.create_dataset("cube", data=VALUES.transpose(2, 1, 0), chunks=(40, 30, 32))
    image = hdf5.read_file(tmp_path / "cube.h5", None, None, matlab=True)
    assert image.array.grid == tuple((length, 0) for length in CHUNK)
    np.testing.assert_array_equal(image.channel(9), VALUES[..., 9])
