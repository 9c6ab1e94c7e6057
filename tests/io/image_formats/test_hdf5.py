"""HDF5: datasets chosen, axes and wavelengths found, read by part."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from anymask.errors import ImageError
from anymask.images import memory
from anymask.images.lazy import LazyArray
from anymask.io.read_images import read, read_rgb
from tests.io.refusals import sentence


def noise(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 60_000, shape).astype(np.uint16)


@pytest.mark.parametrize("suffix", [".h5", ".hdf5", ".he5"])
@pytest.mark.parametrize("options", [{}, {"chunks": (8, 8, 2), "compression": "gzip"}])
def test_the_one_image_is_read_by_part(
    suffix: str, options: dict[str, Any], tmp_path: Path
) -> None:
    cube = noise((20, 30, 5))
    with h5py.File(tmp_path / f"a{suffix}", "w") as file:
        file.create_dataset("scan/cube", data=cube, **options)
        file["scan/times"] = np.arange(20.0)
        file["comment"] = "a leaf"
    image = read(tmp_path / f"a{suffix}")
    assert isinstance(image.array, LazyArray)
    assert image.axes == "YXC"
    assert image.metadata["dataset"] == "scan/cube"
    np.testing.assert_array_equal(image.numpy(), cube)
    np.testing.assert_array_equal(image.region(3, 4, 5, 6).channel(2), cube[3:8, 4:10, 2])
    np.testing.assert_array_equal(image.array[::-2, 3, 1:], cube[::-2, 3, 1:])


def test_of_several_datasets_one_is_chosen(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["left"] = np.zeros((4, 5))
        file["scans/right"] = noise((6, 7))
    assert "has 2 arrays; choose one with dataset=: left (4×5), scans/right (6×7)" in sentence(path)
    for name in ("scans/right", "/scans/right"):
        np.testing.assert_array_equal(read(path, dataset=name).numpy(), noise((6, 7)))
    assert "has no array 'up'; it has left (4×5), scans/right (6×7)" in sentence(path, dataset="up")


def test_long_lists_are_cut_short(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for number in range(40):
            file[f"frame{number:02}"] = np.zeros((4, 5))
    assert "frame11 (4×5) and 28 more" in sentence(tmp_path / "a.h5")


@pytest.mark.parametrize("how", ["labels", "axes", "axistags"])
def test_named_axes_are_believed(how: str, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("a", data=noise((2, 3, 20, 30, 4)))
        if how == "labels":
            for dim, label in zip(
                data.dims, ("time", "z", "row", "column", "channel"), strict=True
            ):
                dim.label = label
        elif how == "axes":
            data.attrs["axes"] = "TZYXC"
        else:
            data.attrs["axistags"] = json.dumps({"axes": [{"key": key} for key in "tzyxc"]})
    image = read(tmp_path / "a.h5")
    assert image.axes == "TZYXC"
    assert read(tmp_path / "a.h5", axes="TCYXZ").axes == "TCYXZ"


@pytest.mark.parametrize("tags", ["{", "[]", '{"axes": 3}', '{"axes": [{"key": "y"}]}'])
def test_names_that_do_not_fit_are_left_aside(tags: str, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("a", data=noise((20, 30)))
        data.attrs["axistags"] = tags
    assert read(tmp_path / "a.h5").axes == "YX"


@pytest.mark.parametrize("where", ["beside", "attribute"])
@pytest.mark.parametrize("shape", [(20, 30, 6), (6, 20, 30)])
def test_wavelengths_are_found_and_show_the_axis_of_bands(
    where: str, shape: tuple[int, ...], tmp_path: Path
) -> None:
    nm = np.linspace(400, 900, 6)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        cube = file.create_dataset("cube", data=noise(shape))
        if where == "beside":
            file["meta/Wavelength"] = nm / 1000
            file["meta/Wavelength"].attrs["Units"] = "micrometers"
        else:
            cube.attrs["wavelengths"] = nm
            cube.attrs["wavelength_units"] = "nm"
    image = read(tmp_path / "a.h5")
    assert image.axes == ("YXC" if shape[2] == 6 else "CYX")
    np.testing.assert_allclose(image.wavelengths, nm)


def test_a_short_cube_of_many_bands_is_known_by_its_wavelengths(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["cube"] = noise((4, 30, 50))
        file["wavelength"] = np.linspace(400, 900, 50)
    assert read(tmp_path / "a.h5").axes == "YXC"


def test_size_of_elements_is_the_pixel_size(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("a", data=noise((3, 20, 30)))
        data.attrs["axes"] = "ZYX"
        data.attrs["element_size_um"] = [2.0, 0.25, 0.5]
    image = read(tmp_path / "a.h5")
    assert (image.pixel_size, image.z_step, image.unit) == ((0.25, 0.5), 2.0, "µm")


def test_attributes_are_kept_as_plain_values(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("a", data=noise((20, 30)))
        data.attrs["sensor"] = b"HySpex"
        data.attrs["gain"] = np.float32(1.5)
        data.attrs["offsets"] = np.array([1, 2])
    assert read(tmp_path / "a.h5").metadata["attributes"] == {
        "sensor": "HySpex",
        "gain": 1.5,
        "offsets": [1, 2],
    }


@pytest.mark.parametrize("dtype", ["u1", ">i2", "f4", "f8", "?", "c8"])
def test_types_are_kept(dtype: str, tmp_path: Path) -> None:
    array = noise((20, 30)).astype(dtype)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["a"] = array
    image = read(tmp_path / "a.h5")
    assert image.dtype == np.dtype(dtype).newbyteorder("=")
    np.testing.assert_array_equal(image.numpy(), array)


def test_only_images_are_offered(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["text"] = np.array([[b"a", b"b"], [b"c", b"d"]])
        file["table"] = np.zeros((4, 4), dtype=[("x", "f4")])
        file["nothing"] = h5py.Empty("f4")
        file["row"] = np.zeros((1, 20))
    assert "no array of numbers with rows and columns; it has row (1×20)" in sentence(
        tmp_path / "a.h5"
    )


def test_60000_pixels_square_are_read_by_region(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "vast.h5"
    with h5py.File(path, "w") as file:
        data = file.create_dataset("a", (60_000, 60_000), "u1", chunks=(512, 512))
        data[30_000:30_010, 40_000:40_010] = 9
    image = read(path)
    assert image.region(29_995, 39_995, 10, 10).numpy().sum() == 9 * 25
    with pytest.raises(ImageError, match="60000×60000 pixels"):
        read_rgb(path)
    monkeypatch.setattr(memory, "available_memory", lambda: 4 << 30)
    with pytest.raises(ImageError, match=r"60000×60000 values, which take 3\.4 GB"):
        image.numpy()


def test_chunks_larger_than_the_memory_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("a", (9000, 9000), "f8", chunks=(9000, 9000))
    monkeypatch.setattr(memory, "available_memory", lambda: 100 << 20)
    assert "A chunk of" in sentence(tmp_path / "a.h5")


def test_lazy_images_can_be_sent_to_other_processes(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["a"] = noise((20, 30))
    image = pickle.loads(pickle.dumps(read(tmp_path / "a.h5")))
    np.testing.assert_array_equal(image.numpy(), noise((20, 30)))


@pytest.mark.parametrize("kept", [3, 100, 0.3, 0.7, 0.95])
def test_cut_off_files_are_refused_in_one_sentence(kept: float, tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("a", data=noise((100, 100)), chunks=(10, 10), compression="gzip")
    content = path.read_bytes()
    path.write_bytes(content[: int(kept if kept > 1 else kept * len(content))])
    sentence(path)


def test_a_damaged_chunk_is_refused_when_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        data = file.create_dataset("a", data=noise((64, 64)), chunks=(32, 32), compression="gzip")
        place = data.id.get_chunk_info(3)
    content = bytearray(path.read_bytes())
    content[place.byte_offset : place.byte_offset + place.size] = b"\xff" * place.size
    path.write_bytes(content)
    image = read(path)
    assert image.region(0, 0, 32, 32).numpy().any()
    with pytest.raises(ImageError, match=r"a\.h5"):
        image.region(32, 32, 4, 4).numpy()


def test_files_with_bytes_changed_are_read_or_refused_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("a", data=noise((30, 30)), chunks=(10, 10), compression="gzip")
    content = path.read_bytes()
    rng = np.random.default_rng(3)
    for _ in range(100):
        changed = bytearray(content)
        for place in rng.integers(0, 2500, 4):
            changed[place] = rng.integers(256)
        path.write_bytes(changed)
        try:
            read(path).region(0, 0, 1, 1).numpy()
        except ImageError as error:
            assert "\n" not in str(error)
            assert str(path) in str(error)


def test_text_named_hdf5_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.h5").write_text("this is not a picture\n" * 20)
    sentence(tmp_path / "a.h5")


def test_paths_with_spaces_and_other_letters_are_read(tmp_path: Path) -> None:
    path = tmp_path / "größe µ 田.h5"
    with h5py.File(path, "w") as file:
        file["größe"] = noise((20, 30))
    assert read(path, dataset="größe").numpy().shape == (20, 30)


def test_a_scale_factor_that_is_not_applied_is_told(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["cube"] = noise((20, 30))
        file["cube"].attrs["scale_factor"] = np.float32([0.5])
        file["cube"].attrs["add_offset"] = 0.0
    with pytest.warns(UserWarning, match="scale_factor 0.5, which is not applied") as told:
        np.testing.assert_array_equal(read(tmp_path / "a.h5").numpy(), noise((20, 30)))
    assert len(told) == 1


def test_netcdf_4_is_hdf5_and_the_classic_format_is_named(tmp_path):
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    with h5py.File(tmp_path / "new.nc", "w") as file:
        file["y"], file["x"] = np.arange(3.0), np.arange(4.0)
        file.create_dataset("ndvi", data=values).attrs["_FillValue"] = np.float32(7)
    image = read(tmp_path / "new.nc")
    np.testing.assert_array_equal(image.numpy(), values)
    assert image.metadata["nodata"] == 7
    (tmp_path / "old.nc").write_bytes(b"CDF\x01" + bytes(600))
    with pytest.raises(ImageError, match=r"NetCDF 3 \(classic\).*nccopy"):
        read(tmp_path / "old.nc")
