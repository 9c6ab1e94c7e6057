"""JPEG 2000 and VRT have the values and the place that GDAL gives them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from numpy.typing import NDArray
from rasterio.transform import from_origin

import anymask
from anymask.errors import ImageError
from anymask.images.lazy import LazyArray
from anymask.io.image_formats import jpeg2000

PLACE = (500_000.0, 0.5, 0.0, 5_200_000.0, 0.0, -0.5)
PHOTO = (np.arange(3 * 64 * 80).reshape(3, 64, 80) % 251).astype(np.uint8)
BANDS = PHOTO.astype(np.uint16) * 200


def write(path: Path, bands: NDArray[Any], driver: str, **options: Any) -> Path:
    with rasterio.open(
        path,
        "w",
        driver=driver,
        count=len(bands),
        height=bands.shape[1],
        width=bands.shape[2],
        dtype=bands.dtype,
        crs="EPSG:32632",
        transform=from_origin(500_000, 5_200_000, 0.5, 0.5),
        **options,
    ) as raster:
        raster.write(bands)
    return path


def jp2(path: Path, bands: NDArray[Any]) -> Path:
    return write(path, bands, "JP2OpenJPEG", QUALITY=100, REVERSIBLE="YES")


@pytest.mark.parametrize("bands", [PHOTO, BANDS], ids=["8-bit", "16-bit"])
@pytest.mark.parametrize("read", [anymask.read, jpeg2000._read_whole], ids=["rasterio", "without"])
def test_jpeg_2000_has_its_values_and_place_with_and_without_rasterio(
    read: Any, bands: NDArray[Any], tmp_path: Path
) -> None:
    image = read(jp2(tmp_path / "a.jp2", bands))
    first = image.axes.index("C" if bands is BANDS else "S")
    assert np.array_equal(np.moveaxis(np.asarray(image.array), first, 0), bands)
    assert ((image.geo or {})["transform"], (image.geo or {})["crs"]) == (PLACE, "EPSG:32632")
    assert (image.pixel_size, image.unit) == ((0.5, 0.5), "m")


def test_a_vrt_mosaic_is_read_piece_by_piece(tmp_path: Path) -> None:
    tags = {"nodata": 7}
    write(tmp_path / "a.tif", BANDS, "GTiff", **tags)
    rasterio.shutil.copy(tmp_path / "a.tif", tmp_path / "a.vrt", driver="VRT")
    image = anymask.read(tmp_path / "a.vrt")
    assert isinstance(image.array, LazyArray)
    assert (image.axes, image.metadata["nodata"]) == ("CYX", 7)
    assert np.array_equal(image.array[1, 10:40:3, 70:20:-2], BANDS[1, 10:40:3, 70:20:-2])
    assert ((image.geo or {})["transform"], image.unit) == (PLACE, "m")


def test_a_vrt_names_the_file_that_it_misses(tmp_path: Path) -> None:
    write(tmp_path / "a.tif", BANDS, "GTiff")
    rasterio.shutil.copy(tmp_path / "a.tif", tmp_path / "a.vrt", driver="VRT")
    (tmp_path / "a.tif").unlink()
    with pytest.raises(ImageError, match=r"a\.vrt cannot be read: .*a\.tif"):
        anymask.read(tmp_path / "a.vrt").channel(0)


def test_smaller_levels_are_those_of_the_file(tmp_path: Path) -> None:
    large = np.kron(BANDS, np.ones((1, 4, 4), BANDS.dtype))  # GDAL has no levels of small ones
    with rasterio.open(write(tmp_path / "a.tif", large, "GTiff"), "r+") as raster:
        raster.build_overviews([2])
        expected = raster.read(out_shape=(3, 128, 160))
    rasterio.shutil.copy(tmp_path / "a.tif", tmp_path / "a.vrt", driver="VRT")
    image = anymask.read(tmp_path / "a.vrt", level=1)
    assert np.array_equal(image.array[...], expected)
    assert image.pixel_size == (1.0, 1.0)
    with pytest.raises(ImageError, match="has 2 levels; level=2 is not one of them"):
        anymask.read(tmp_path / "a.vrt", level=2)


def test_damaged_jpeg_2000_is_named(tmp_path: Path) -> None:
    content = jp2(tmp_path / "a.jp2", PHOTO).read_bytes()
    for kept in (len(content) // 2, 30):
        (tmp_path / "a.jp2").write_bytes(content[:kept])
        for read in (anymask.read, jpeg2000.read):
            with pytest.raises(ImageError, match=r"a\.jp2"):
                np.asarray(read(tmp_path / "a.jp2").array)
