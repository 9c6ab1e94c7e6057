"""The place on the map is kept from file to file, and areas in degrees are those on the ground."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pyproj
import pytest
import tifffile

import anymask
from anymask.errors import OutputError
from anymask.images.earth import row_areas
from anymask.images.image import Image
from anymask.io import load_masks, measure_in_image, save_masks
from anymask.io.read_masks import scale_of
from tests.io.image_formats.envi_pairs import write_pair

LABELS = np.zeros((20, 30), np.uint8)
LABELS[4:10, 5:15] = 3
UTM = {"transform": (500_000.0, 0.5, 0.0, 5_200_000.0, 0.0, -0.5), "crs": "EPSG:32632"}
# Lambert's azimuthal projection around 45° N, 9° E: it has no code.
KEYS = (
    1, 1, 0, 9, 1024, 0, 1, 1, 1025, 0, 1, 2, 1026, 34737, 5, 0, 2048, 0, 1, 4258,
    3072, 0, 1, 32767, 3075, 0, 1, 10, 3076, 0, 1, 9001, 3088, 34736, 1, 1, 3089, 34736, 1, 0,
)  # fmt: skip
DOUBLES, TEXT = (45.0, 9.0), "Mine|"
WKT = 'PROJCS["Mine",GEOGCS["G",UNIT["Degree",0.0174532925199433]],UNIT["Meter",1.0]]'


@pytest.fixture
def custom(tmp_path: Path) -> Image:
    """A map without EPSG code whose coordinates refer to pixel centres."""
    path = tmp_path / "custom.tif"
    tags = [
        (33550, "d", 3, (0.5, 0.5, 0.0), True),
        (33922, "d", 6, (0.0, 0.0, 0.0, 500_000.25, 5_199_999.75, 0.0), True),
        (34735, "H", len(KEYS), KEYS, True),
        (34736, "d", len(DOUBLES), DOUBLES, True),
        (34737, "s", 0, TEXT, True),
    ]
    tifffile.imwrite(path, np.zeros_like(LABELS), extratags=tags, metadata=None)
    return anymask.read(path)


def keys_of(path: Path) -> tuple[dict[int, int], tuple[float, ...], str]:
    tags = tifffile.TiffFile(path).pages.first.tags
    directory = tags[34735].value
    assert directory[3] * 4 + 4 == len(directory)
    return (
        {directory[i]: directory[i + 3] for i in range(4, len(directory), 4)},
        tags[34736].value,
        tags[34737].value,
    )


def test_a_reference_system_without_code_is_kept_verbatim(tmp_path: Path, custom: Image) -> None:
    first, second = tmp_path / "a.tif", tmp_path / "b.tif"
    save_masks(LABELS, first, image=custom)
    save_masks(LABELS, second, **scale_of(first))
    for path in (first, second):
        directory, doubles, text = keys_of(path)
        expected = {KEYS[i]: KEYS[i + 3] for i in range(4, len(KEYS), 4)}
        assert directory == {**expected, 1025: 1}  # written from pixel corners
        assert (doubles, text) == (DOUBLES, TEXT)
        assert (anymask.read(path).geo or {})["transform"] == UTM["transform"]


def test_geojson_refuses_a_reference_system_that_it_cannot_name(
    tmp_path: Path, custom: Image
) -> None:
    with pytest.raises(OutputError, match=r"custom\.tif has no EPSG code.*--pixels"):
        save_masks(LABELS, tmp_path / "a.geojson", image=custom)
    assert not (tmp_path / "a.geojson").exists()
    save_masks(LABELS, tmp_path / "a.geojson", image=custom, geo=False)
    assert load_masks(tmp_path / "a.geojson").areas.tolist() == [60]


def test_wkt_is_written_as_arcgis_does_and_read_back(tmp_path: Path) -> None:
    image = Image(LABELS, "YX", geo={**UTM, "crs": WKT}, pixel_size=(0.5, 0.5), unit="m")
    save_masks(LABELS, tmp_path / "a.tif", image=image)
    tags = tifffile.TiffFile(tmp_path / "a.tif").pages.first.tags
    assert tags[34737].value == f"ESRI PE String = {WKT}|"
    read = anymask.read(tmp_path / "a.tif")
    assert ((read.geo or {})["crs"], read.unit) == (WKT, "m")


def test_arbitrary_map_info_is_no_map(tmp_path: Path) -> None:
    header, _ = write_pair(tmp_path, **{"map info": ["Arbitrary", *"11001101"]})
    image = anymask.read(header)
    assert "transform" not in (image.geo or {})
    assert (image.pixel_size, image.unit) == (None, None)


def test_pixels_in_degrees_have_the_area_of_the_ellipsoid() -> None:
    whole = row_areas({"transform": (-180.0, 1.0, 0.0, 90.0, 0.0, -1.0)}, 180)
    assert whole is not None
    assert 360 * whole.sum() == pytest.approx(510_065_621_724_088.44, rel=1e-12)  # WGS 84
    small = row_areas({"transform": (7.0, 0.1, 0.0, 47.0, 0.0, -0.1)}, 1)
    assert small is not None
    assert small[0] == pytest.approx(84_630_185.434641, rel=1e-12)  # pyproj.Geod
    for turned in ((0, 1, 0.1, 0, 0, -1), (0, 1, 0, 95, 0, -1)):
        assert row_areas({"transform": turned}, 3) is None


@pytest.mark.parametrize("crs", ["EPSG:3857", "EPSG:3395"])
def test_pixels_of_mercators_projection_have_the_area_of_the_ellipsoid(crs: str) -> None:
    transform = (1_000_000.0, 500.0, 0.0, 8_000_000.0, 0.0, -500.0)
    areas = row_areas({"transform": transform, "crs": crs}, 3, "m")
    assert areas is not None
    x, y = (
        [1_000_000, 1_000_500, 1_000_500, 1_000_000],
        [7_999_500, 7_999_500, 7_999_000, 7_999_000],
    )
    corners = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(x, y)
    expected, _ = pyproj.Geod(ellps="WGS84").polygon_area_perimeter(*corners)
    assert areas[1] == pytest.approx(abs(expected), rel=1e-6)
    assert areas[1] < 0.3 * 500**2
    assert row_areas({"transform": transform, "crs": "EPSG:32632"}, 3, "m") is None


def test_areas_of_a_web_map_are_those_on_the_ground_and_said() -> None:
    geo = {"transform": (0.0, 1.0, 0.0, 8_399_738.0, 0.0, -1.0), "crs": "EPSG:3857"}
    image = Image(LABELS, "YX", geo=geo, pixel_size=(1.0, 1.0), unit="m")
    found = anymask.measure(LABELS, image)
    assert found["area"][0] == pytest.approx(60 * 0.251, rel=0.01)  # at 60° north
    assert (found.units["area"], found.units["feret_diameter_max"]) == ("m²", "pixels")
    assert found.notes[0].startswith("The map's projection stretches pixels: areas are in m² on")
    stated = anymask.measure(LABELS, image, pixel_size=1.0, unit="m")
    assert (stated["area"][0], stated.units["feret_diameter_max"]) == (60, "m")


def test_areas_of_a_map_in_degrees_are_in_square_metres_and_said(tmp_path: Path) -> None:
    geo = {"transform": (7.0, 0.1, 0.0, 47.4, 0.0, -0.1), "crs": "EPSG:4326"}
    image = Image(LABELS, "YX", geo=geo, pixel_size=(0.1, 0.1), unit="degree")
    save_masks(LABELS, tmp_path / "a.tif", image=image)
    area = sum(10 * float(area) for area in row_areas(geo, 20)[4:10])  # type: ignore[index]
    for found in (
        anymask.measure(LABELS, image),
        measure_in_image(load_masks(tmp_path / "a.tif"), None, **scale_of(tmp_path / "a.tif")),
    ):
        assert found["area"][0] == pytest.approx(area)
        across = math.sqrt(4 / math.pi * area)
        assert found["equivalent_diameter_area"][0] == pytest.approx(across)
        assert (found.units["area"], found.units["feret_diameter_max"]) == ("m²", "pixels")
        assert "areas are in m² on the ground" in found.notes[0]
    nowhere = anymask.measure(LABELS, pixel_size=0.1, unit="degree")
    assert (nowhere["area"][0], nowhere.units["area"]) == (60, "pixels")
    assert "measure no areas" in nowhere.notes[0]


def test_labels_in_zarr_keep_their_place_on_the_map(tmp_path: Path) -> None:
    image = Image(LABELS, "YX", geo=UTM, pixel_size=(0.5, 0.5), unit="m")
    save_masks(LABELS, tmp_path / "a.labels.zarr", image=image)
    assert scale_of(tmp_path / "a.labels.zarr") == {
        "pixel_size": (0.5, 0.5),
        "unit": "m",
        "geo_reference": {"transform": UTM["transform"], "crs": UTM["crs"]},
    }
    save_masks(LABELS, tmp_path / "a.masks.json")
    assert scale_of(tmp_path / "a.masks.json") == scale_of(tmp_path / "a.labels.zarr")
