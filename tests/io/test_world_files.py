"""A small text file beside an image says where it lies on a map, as GDAL reads it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyproj
import pytest
import rasterio
from PIL import Image as Pillow

import anymask
from anymask.notices import ReadingNotice

TURNED = "0.3\n0.1\n-0.1\n-0.4\n500000.25\n5199999.75\n"


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "a.jpg"
    Pillow.fromarray(np.zeros((6, 8, 3), np.uint8)).save(path)
    return path


@pytest.mark.parametrize("suffix", [".jgw", ".jpgw", ".wld", ".JGW"])
def test_the_transform_is_that_of_gdal(suffix: str, photo: Path) -> None:
    photo.with_suffix(suffix).write_text(TURNED)
    photo.with_suffix(".prj").write_text(pyproj.CRS(32632).to_wkt("WKT1_ESRI"))
    image = anymask.read(photo)
    assert image.geo == {"transform": (500000.15, 0.3, -0.1, 5199999.9, 0.1, -0.4)} | {
        "crs": "EPSG:32632"
    }
    assert image.unit == "m"
    assert image.pixel_size == pytest.approx((np.hypot(0.1, 0.4), np.hypot(0.3, 0.1)))
    if suffix != ".JGW":  # GDAL looks for that only on some systems
        with rasterio.open(photo) as raster:
            assert raster.transform.to_gdal() == pytest.approx(image.geo["transform"], rel=1e-12)


def test_the_reference_system_is_also_found_in_gdals_own_file(photo: Path) -> None:
    photo.with_suffix(".jgw").write_text(TURNED)
    wkt = pyproj.CRS(2056).to_wkt("WKT1_GDAL")
    xml = f"<PAMDataset><SRS>{wkt.replace('<', '&lt;')}</SRS></PAMDataset>"
    photo.with_name("a.jpg.aux.xml").write_text(xml)
    image = anymask.read(photo)
    assert ((image.geo or {})["crs"], image.unit) == ("EPSG:2056", "m")


def test_without_a_reference_system_lengths_stay_unknown_and_it_is_said(photo: Path) -> None:
    photo.with_suffix(".jgw").write_text(TURNED)
    with pytest.warns(ReadingNotice, match=r"its reference system is unknown: there is no \.prj"):
        image = anymask.read(photo)
    assert "transform" in (image.geo or {})
    assert image.pixel_size is None


@pytest.mark.parametrize("text", ["1\n2\n3\n", "a\nb\nc\nd\ne\nf\n", "1\n0\n0\n0\n5\n5\n"])
def test_what_is_no_world_file_is_named_and_not_used(text: str, photo: Path) -> None:
    photo.with_suffix(".jgw").write_text(text)
    with pytest.warns(ReadingNotice, match=r"a\.jgw .*not used"):
        assert anymask.read(photo).geo is None


def test_an_image_that_is_stored_turned_has_no_place_and_it_is_said(photo: Path) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 3
    Pillow.fromarray(np.zeros((6, 8, 3), np.uint8)).save(photo, exif=exif)
    photo.with_suffix(".jgw").write_text(TURNED)
    with pytest.warns(ReadingNotice, match="stored turned or mirrored"):
        assert anymask.read(photo).geo is None
