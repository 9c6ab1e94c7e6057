"""Map info and pixel sizes of ENVI headers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from anymask.images.image import Image
from anymask.io.read_images import read
from tests.io.image_formats.envi_pairs import write_pair


def georeferenced(folder: Path, info: str, *more: str) -> Image:
    header, _ = write_pair(folder)
    with header.open("a") as file:
        file.write("\n".join([f"map info = {{{info}}}", *more]))
    return read(header)


def test_utm_map_info_becomes_a_transform(tmp_path: Path) -> None:
    image = georeferenced(
        tmp_path, "UTM, 1.000, 1.000, 500000.0, 5400000.0, 0.5, 0.25, 32, North, WGS-84"
    )
    assert image.geo is not None
    assert image.geo["transform"] == (500000.0, 0.5, 0.0, 5400000.0, 0.0, -0.25)
    assert image.geo["crs"] == "EPSG:32632"
    assert image.geo["map info"][0] == "UTM"
    assert image.pixel_size == (0.25, 0.5)
    assert image.unit == "m"


def test_geographic_map_info_is_in_degrees(tmp_path: Path) -> None:
    image = georeferenced(
        tmp_path, "Geographic Lat/Lon, 3.0, 2.0, 10.0, 50.0, 0.1, 0.1, WGS-84, units=Degrees"
    )
    assert image.geo is not None
    np.testing.assert_allclose(image.geo["transform"], (9.8, 0.1, 0, 50.1, 0, -0.1))
    assert image.geo["crs"] == "EPSG:4326"
    assert image.unit == "degree"


def test_turned_map_info_keeps_the_reference_pixel_in_place(tmp_path: Path) -> None:
    wkt = 'PROJCS["Somewhere",GEOGCS["Else"]]'
    image = georeferenced(
        tmp_path,
        "Arbitrary, 3.0, 2.0, 100.0, 200.0, 2.0, 2.0, units=Meters, rotation=30",
        f"coordinate system string = {{{wkt}}}",
    )
    assert image.geo is not None
    x0, a, b, y0, d, e = image.geo["transform"]
    np.testing.assert_allclose([x0 + 2 * a + b, y0 + 2 * d + e], [100, 200])
    np.testing.assert_allclose(image.pixel_size, [2, 2])
    np.testing.assert_allclose([a, b, d, e], 2 * np.array([0.75**0.5, 0.5, 0.5, -(0.75**0.5)]))
    assert image.geo["crs"] == wkt


@pytest.mark.parametrize("info", ["UTM, 1, 1, x, y, 1, 1", "UTM", "UTM, 1, 1, 0, 0, 0, 0, 32"])
def test_a_map_info_that_says_nothing_is_kept_without_a_transform(
    info: str, tmp_path: Path
) -> None:
    image = georeferenced(tmp_path, info)
    assert image.geo is not None
    assert "transform" not in image.geo
    assert image.pixel_size is None


def test_pixel_size_without_a_map_is_kept(tmp_path: Path) -> None:
    header, _ = write_pair(tmp_path)
    with header.open("a") as file:
        file.write("pixel size = {0.2, 0.3, units=Millimeters}\n")
    image = read(header)
    assert (image.pixel_size, image.unit, image.geo) == ((0.3, 0.2), "mm", None)
