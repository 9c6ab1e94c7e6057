"""Holes: what a file says is "no data" is measured, projected and shown nowhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import PIL.Image
import pytest
import tifffile
import zarr
from spectral.io import envi

import anymask
from anymask.datasets.label_files import read_labels
from anymask.images.band_math import band_math
from anymask.images.image import Image
from anymask.images.spectral import smooth
from tests.io.image_formats.test_dicom import write as write_dicom

# One object of 6×6 pixels, with a hole of 2×3 in it.
LABELS = np.zeros((10, 12), np.uint8)
LABELS[2:8, 3:9] = 4
HOLE = np.s_[3:5, 4:7]


def scene(dtype: str, hole: float, inside: float = 50) -> np.ndarray:
    """10 outside the object, `inside` in it, and a hole."""
    values = np.where(LABELS == 4, inside, 10).astype(dtype)
    values[HOLE] = hole
    return values


def tiff(folder: Path, values: np.ndarray, nodata: str | None) -> Path:
    tags = [(42113, "s", 0, nodata, True)] if nodata else []
    colour = "rgb" if values.ndim == 3 else "minisblack"
    path = folder / "a.tif"
    tifffile.imwrite(path, values, extratags=tags, metadata=None, photometric=colour)
    return path


def cube(folder: Path, values: np.ndarray, nodata: str) -> Path:
    fields = {"data ignore value": nodata}
    envi.save_image(str(folder / "a.hdr"), values[..., None], ext=".dat", metadata=fields)
    return folder / "a.hdr"


def hdf5(folder: Path, values: np.ndarray, **attributes: object) -> Path:
    with h5py.File(folder / "a.h5", "w") as file:
        file["values"] = values
        file["values"].attrs.update(attributes)
    return folder / "a.h5"


def folder_of_chunks(folder: Path, values: np.ndarray, **attributes: object) -> Path:
    array = zarr.create_array(folder / "a.zarr", data=values)
    array.attrs.update(attributes)
    return folder / "a.zarr"


def scan(folder: Path, values: np.ndarray, **elements: object) -> Path:
    write_dicom(folder / "a.dcm", values, **elements)
    return folder / "a.dcm"


def masked(folder: Path, how: str) -> Path:
    """A GeoTIFF of which GDAL says by a mask or by alpha that the hole holds no data."""
    values, path = scene("u1", 77), folder / "a.tif"
    valid = np.full(values.shape, 255, np.uint8)
    valid[HOLE] = 0
    if how in ("gray alpha", "deep alpha"):
        dtype = "u1" if how == "gray alpha" else "u2"
        pair = np.stack([values, valid], -1).astype(dtype)
        tifffile.imwrite(path, pair, photometric="minisblack", extrasamples=[2], planarconfig=1)
        return path
    if how == "beside":
        tifffile.imwrite(path, values, metadata=None)
        tifffile.imwrite(folder / "a.tif.msk", valid, compression="zlib", metadata=None)
        return path
    kinds = {"photometric": 4, "subfiletype": 4, "metadata": None}
    with tifffile.TiffWriter(path) as file:
        file.write(values, metadata=None)
        file.write(valid > 0, **kinds)
        file.write(values[::2, ::2], subfiletype=1, metadata=None)
        file.write(valid[::2, ::2] > 0, **{**kinds, "subfiletype": 5})
    return path


FILES: dict[str, Callable[[Path], Path]] = {
    "GeoTIFF int16": lambda f: tiff(f, scene("i2", -9999), "-9999"),
    "GeoTIFF uint8": lambda f: tiff(f, scene("u1", 255), "255"),
    "GeoTIFF int32": lambda f: tiff(f, scene("i4", 2**31 - 1), "2147483647"),
    # As ArcGIS prints the lowest float32, with too few digits.
    "GeoTIFF float32": lambda f: tiff(f, scene("f4", -3.40282347e38), "-3.4028230607370965e+38"),
    "GeoTIFF infinity": lambda f: tiff(f, scene("f4", -np.inf), "-inf"),
    "GeoTIFF NaN": lambda f: tiff(f, scene("f4", np.nan), "nan"),
    "ENVI": lambda f: cube(f, scene("i2", -9999), "-9999"),
    "NetCDF": lambda f: hdf5(f, scene("i2", -32768), _FillValue=np.int16(-32768)),
    "NetCDF with two": lambda f: hdf5(f, scene("i2", 99), _FillValue=-1, missing_value=[-2, 99]),
    "NetCDF valid range": lambda f: hdf5(f, scene("f4", 51), valid_range=[0.0, 50.0]),
    "NEON": lambda f: hdf5(f, scene("i2", -9999), Data_Ignore_Value=-9999.0),
    "Zarr": lambda f: folder_of_chunks(f, scene("i2", -9), _FillValue=-9),
    "DICOM": lambda f: scan(f, scene("u2", 0), PixelPaddingValue=0),
    "DICOM range": lambda f: scan(f, scene("u2", 7), PixelPaddingValue=5, PixelPaddingRangeLimit=9),
    "mask in the file": lambda f: masked(f, "bits"),
    "mask beside the file": lambda f: masked(f, "beside"),
    "DICOM signed": lambda f: scan(f, scene("i2", -2000), PixelPaddingValue=-2000),
}  # fmt: skip


@pytest.mark.parametrize("kind", FILES)
def test_holes_are_left_out_of_every_measurement(tmp_path: Path, kind: str) -> None:
    image = anymask.read(FILES[kind](tmp_path)).plane()
    found = anymask.measure(LABELS, image)
    numbers = [found[f"intensity_{what}"][0] for what in ("mean", "std", "min", "max")]
    assert numbers == [50, 0, 50, 50]
    assert (found["num_pixels"][0], found["intensity_pixels"][0]) == (36, 30)
    assert "1 of 1 objects has pixels without data" in found.notes[0]
    computed = band_math(image, "ch[0] * 2")
    assert np.isnan(computed[HOLE]).all()
    assert np.nanmin(computed) == 20
    assert anymask.object_spectra(image, LABELS).pixels.tolist() == [[30]]


@pytest.mark.parametrize("how", ["gray alpha", "deep alpha"])
def test_transparent_pixels_are_holes(tmp_path: Path, how: str) -> None:
    image = anymask.read(masked(tmp_path, how))
    found = anymask.measure(LABELS, image)
    for colour in ("red", "green", "blue"):
        assert found[f"intensity_std_{colour}"].tolist() == [0]
        assert found[f"intensity_mean_{colour}"].tolist() == [50]
        assert found[f"intensity_pixels_{colour}"].tolist() == [30]
    assert not anymask.to_rgb(image)[HOLE].any()


def test_pixels_that_are_partly_transparent_are_measured(tmp_path: Path) -> None:
    photo = np.dstack([np.full((4, 5, 3), 200, np.uint8), np.full((4, 5), 1, np.uint8)])
    photo[0, 0] = (9, 9, 9, 0)
    PIL.Image.fromarray(photo).save(tmp_path / "a.png")
    image = anymask.read(tmp_path / "a.png")
    found = anymask.measure(np.ones((4, 5), np.uint8), image)
    assert (found["intensity_min_red"][0], found["intensity_pixels_red"][0]) == (200, 19)
    shown = anymask.to_rgb(image)
    assert shown[0, 0].tolist() == [0, 0, 0]
    assert (shown.reshape(-1, 3)[1:] == 200).all()


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("how", ["bits", "beside", "gray alpha"])
def test_holes_stay_where_they_are_in_parts_of_an_image(
    tmp_path: Path, how: str, large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if large:  # read piece by piece
        monkeypatch.setattr("anymask.io.image_formats.tiff.series.EAGER_BYTES", 10)
    image = anymask.read(masked(tmp_path, how))
    part = image.region(2, 4, 6, 5)
    expected = np.zeros((6, 5), bool)
    expected[1:3, 0:3] = True
    assert (np.isnan(part.without_nodata(part.channel(0))) == expected).all()
    whole = band_math(image, "ch[0]")
    assert np.isnan(whole).sum() == 6
    assert np.isnan(whole[HOLE]).all()
    found = anymask.measure(LABELS, image, properties=["intensity_mean", "intensity_std"])
    means, deviations = (
        [found[name][0] for name in found if what in name] for what in ("mean", "std")
    )
    assert means[0] == 50
    assert deviations[0] == 0


def test_a_smaller_copy_in_the_file_has_its_own_mask(tmp_path: Path) -> None:
    path = masked(tmp_path, "bits")
    small = anymask.read(path, page=2)
    assert small.shape == (5, 6)
    assert np.argwhere(~small.valid).tolist() == [[2, 2], [2, 3]]


def test_a_file_beside_an_image_that_is_no_mask_of_it_is_told(tmp_path: Path) -> None:
    path = tiff(tmp_path, scene("u1", 77), None)
    tifffile.imwrite(
        tmp_path / "a.tif.msk", np.ones((3, 10, 12), np.uint8), photometric="minisblack"
    )
    with pytest.warns(
        UserWarning, match=r"a\.tif\.msk is not used: it is ZYX 3×10×12, not one mask"
    ):
        assert anymask.read(path).valid is None


def test_padding_is_rescaled_and_inverted_as_the_pixels_are(tmp_path: Path) -> None:
    elements = {"RescaleSlope": 0.5, "RescaleIntercept": -100, "PixelPaddingValue": 0}
    for photometric in ("MONOCHROME2", "MONOCHROME1"):
        path = scan(tmp_path, scene("u2", 0), PhotometricInterpretation=photometric, **elements)
        image = anymask.read(path)
        found = anymask.measure(LABELS, image)
        assert found["intensity_std"][0] == 0
        assert found["intensity_pixels"][0] == 30


def test_without_holes_the_table_has_no_column_for_them(tmp_path: Path) -> None:
    found = anymask.measure(LABELS, anymask.read(tiff(tmp_path, scene("i2", 50), "-9999")))
    assert "intensity_pixels" not in found
    assert found.notes == ()


@pytest.mark.parametrize(("how", "expected"), [("max", [7, 5, -1]), ("mean", [6, 5, np.nan])])
def test_projections_leave_holes_out(how: str, expected: list[float]) -> None:
    planes = np.array([[[7, -1, -1]], [[5, 5, -1]]], np.int16)
    image = Image(planes, "ZYX", metadata={"nodata": -1}).plane(z=how)  # type: ignore[arg-type]
    np.testing.assert_array_equal(image.numpy(), [expected])
    assert np.isnan(image.without_nodata(image.numpy())).tolist() == [[False, False, True]]


@pytest.mark.parametrize("write", [tiff, cube])
@pytest.mark.parametrize("inside", [50, 10])  # 10: all valid values are alike
def test_an_8_bit_picture_keeps_its_values_beside_black_holes(
    tmp_path: Path, write: Callable[..., Path], inside: int
) -> None:
    values = scene("u1", 255, inside)
    expected = values.copy()
    expected[HOLE] = 0
    shown = anymask.to_rgb(anymask.read(write(tmp_path, values, "255")))
    np.testing.assert_array_equal(shown, np.repeat(expected[..., None], 3, -1))


def test_an_orthophoto_with_and_without_nodata_is_the_same_picture(tmp_path: Path) -> None:
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    photo = np.stack([ramp, ramp[::-1], ramp.T], -1)
    shown = anymask.to_rgb(anymask.read(tiff(tmp_path, photo, "0")))
    np.testing.assert_array_equal(shown, photo)


def test_a_colour_with_the_value_of_nodata_in_one_sample_is_no_hole(tmp_path: Path) -> None:
    photo = np.full((4, 5, 3), (255, 200, 10), np.uint8)
    photo[0, 0] = 255
    shown = anymask.to_rgb(anymask.read(tiff(tmp_path, photo, "255")))
    assert shown[0, 0].tolist() == [0, 0, 0]
    assert (shown.reshape(-1, 3)[1:] == (255, 200, 10)).all()


@pytest.mark.parametrize(("dtype", "hole"), [("u1", 0), ("u2", 65535), ("i2", -9999)])
def test_nodata_is_inverted_with_pixels_whose_zero_is_white(
    tmp_path: Path, dtype: str, hole: float
) -> None:
    path, tags = tmp_path / "a.tif", [(42113, "s", 0, str(hole), True)]
    values = scene(dtype, hole)
    tifffile.imwrite(path, values, photometric="miniswhite", extratags=tags, metadata=None)
    found = anymask.measure(LABELS, anymask.read(path))
    assert (found["intensity_std"][0], found["intensity_pixels"][0]) == (0, 30)


def test_nodata_of_a_palette_is_no_colour(tmp_path: Path) -> None:
    path, tags = tmp_path / "a.tif", [(42113, "s", 0, "7", True)]
    colours = np.full((3, 256), 7 * 257, np.uint16)
    tifffile.imwrite(path, scene("u1", 7), photometric="palette", colormap=colours, extratags=tags)
    assert anymask.measure(LABELS, anymask.read(path))["intensity_mean_red"].tolist() == [7]


def test_bad_bands_are_not_measured() -> None:
    values = np.dstack([scene("u2", 50), scene("u2", 9), scene("u2", 50)])
    bad = np.array([False, True, False])
    image = Image(values, "YXC", wavelengths=np.array([500.0, 1400, 1600]), bad_bands=bad)
    found = anymask.measure(LABELS, image, properties=["intensity_mean"])
    assert list(found) == ["id", "intensity_mean_500nm", "intensity_mean_1600nm"]


def test_a_hole_in_a_bad_band_spoils_no_smoothed_band() -> None:
    values = np.tile(np.arange(9.0), (2, 2, 1))
    values[0, 0, 4] = -1
    bad = np.arange(9) == 4
    image = Image(values, "YXC", bad_bands=bad, metadata={"nodata": -1})
    smoothed = smooth(image, window=3, order=1).numpy()
    assert np.isnan(smoothed[0, 0]).tolist() == bad.tolist()
    np.testing.assert_allclose(smoothed[0, 0, ~bad], smoothed[1, 1, ~bad])


@pytest.mark.parametrize(
    ("dtype", "nodata"),
    [("u1", 255), ("u2", 65535), ("i2", -9999), ("f4", -3.4028235e38), ("f4", float("nan"))],
)
def test_no_data_in_a_label_image_is_background_in_every_door(
    tmp_path: Path, dtype: str, nodata: float
) -> None:
    labels = np.where(LABELS == 0, np.array(nodata, dtype), LABELS.astype(dtype))
    path = tiff(tmp_path, labels, f"{nodata:.9g}")
    assert anymask.load_masks(path).ids.tolist() == [4]
    assert anymask.load_masks(path).areas.tolist() == [36]
    np.testing.assert_array_equal(read_labels(path), LABELS)


@pytest.mark.parametrize("version", [2, 3])
def test_the_value_of_chunks_never_written_is_no_data_in_zarr(tmp_path: Path, version: int) -> None:
    values = scene("i2", -32768)
    array = zarr.create_array(
        str(tmp_path / "a.zarr"), shape=values.shape, dtype="i2", fill_value=-32768,
        zarr_format=version,
    )  # fmt: skip
    array[:] = values
    found = anymask.measure(LABELS, anymask.read(tmp_path / "a.zarr"))
    assert (found["intensity_min"][0], found["intensity_pixels"][0]) == (50, 30)
    white = zarr.create_array(
        str(tmp_path / "b.zarr"), shape=values.shape, dtype="u1", fill_value=255,
        zarr_format=version,
    )  # fmt: skip
    white[:] = scene("u1", 255)
    assert anymask.measure(LABELS, anymask.read(tmp_path / "b.zarr"))["intensity_max"][0] == 255
