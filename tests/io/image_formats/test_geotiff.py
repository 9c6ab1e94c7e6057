"""GeoTIFF: tags kept, transform and coordinate system derived, GDAL's notes on bands read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from anymask.images.image import Image
from anymask.io.read_images import read

UTM = (1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32632)
WGS84 = (1, 1, 0, 3, 1024, 0, 1, 2, 1025, 0, 1, 1, 2048, 0, 1, 4326)
BANDS = np.random.default_rng(0).integers(0, 255, (3, 20, 30)).astype(np.uint16)


def written(
    folder: Path,
    keys: tuple[int, ...] = UTM,
    *,
    scale: tuple[float, ...] | None = (0.5, 0.25, 0.0),
    tie: tuple[float, ...] | None = (0.0, 0.0, 0.0, 500_000.0, 5_400_000.0, 0.0),
    matrix: tuple[float, ...] | None = None,
    gdal: str | None = None,
    nodata: str | None = None,
    **options: Any,
) -> Path:
    tags: list[Any] = [(34735, "H", len(keys), keys, True)]
    for code, numbers in ((33550, scale), (33922, tie), (34264, matrix)):
        if numbers is not None:
            tags.append((code, "d", len(numbers), numbers, True))
    for code, text in ((42112, gdal), (42113, nodata)):
        if text is not None:
            tags.append((code, "s", 0, text, True))
    options = {"photometric": "minisblack", "planarconfig": "separate", **options}
    tifffile.imwrite(folder / "map.tif", BANDS, extratags=tags, metadata=None, **options)
    return folder / "map.tif"


def geo(image: Image) -> Any:
    assert image.geo is not None
    return image.geo


def test_tags_are_kept_and_say_where_pixels_lie(tmp_path: Path) -> None:
    image = read(written(tmp_path))
    assert image.axes == "CYX"
    np.testing.assert_array_equal(image.array, BANDS)
    assert geo(image)["transform"] == (500_000.0, 0.5, 0.0, 5_400_000.0, 0.0, -0.25)
    assert geo(image)["crs"] == "EPSG:32632"
    assert geo(image)["ModelPixelScale"] == [0.5, 0.25, 0.0]
    assert geo(image)["ModelTiepoint"] == [0.0, 0.0, 0.0, 500_000.0, 5_400_000.0, 0.0]
    assert (image.pixel_size, image.unit) == ((0.25, 0.5), "m")


def test_a_tie_point_within_the_image_counts_from_there(tmp_path: Path) -> None:
    image = read(written(tmp_path, tie=(10.0, 4.0, 0.0, 1000.0, 2000.0, 0.0)))
    assert geo(image)["transform"] == (995.0, 0.5, 0.0, 2001.0, 0.0, -0.25)


def test_coordinates_of_pixel_centres_are_moved_by_half_a_pixel(tmp_path: Path) -> None:
    keys = (*UTM[:11], 2, *UTM[12:])
    image = read(written(tmp_path, keys))
    assert geo(image)["transform"] == (499_999.75, 0.5, 0.0, 5_400_000.125, 0.0, -0.25)


def test_geographic_coordinates_are_in_degrees(tmp_path: Path) -> None:
    image = read(written(tmp_path, WGS84, scale=(0.1, 0.1, 0), tie=(0, 0, 0, 10, 50, 0)))
    assert geo(image)["crs"] == "EPSG:4326"
    assert image.unit == "degree"


def test_a_turned_grid_is_read_from_its_matrix(tmp_path: Path) -> None:
    matrix = (0.3, 0.4, 0, 1000, 0.4, -0.3, 0, 2000, 0, 0, 0, 0, 0, 0, 0, 1)
    image = read(written(tmp_path, scale=None, tie=None, matrix=tuple(map(float, matrix))))
    assert geo(image)["transform"] == (1000.0, 0.3, 0.4, 2000.0, 0.4, -0.3)
    np.testing.assert_allclose(image.pixel_size, (0.5, 0.5))


def test_feet_are_called_feet(tmp_path: Path) -> None:
    keys = (1, 1, 0, 4, *UTM[4:], 3076, 0, 1, 9002)
    assert read(written(tmp_path, keys)).unit == "ft"


def test_a_system_of_the_users_own_has_no_code(tmp_path: Path) -> None:
    image = read(written(tmp_path, (*UTM[:-1], 32767)))
    assert "crs" not in geo(image)
    assert "transform" in geo(image)


def test_tie_points_alone_make_no_transform(tmp_path: Path) -> None:
    points = (0, 0, 0, 1, 2, 0, 5, 5, 0, 6, 7, 0)
    image = read(written(tmp_path, scale=None, tie=tuple(map(float, points))))
    assert "transform" not in geo(image)
    assert image.pixel_size is None
    assert len(geo(image)["ModelTiepoint"]) == 2


def test_names_wavelengths_and_nodata_of_gdal_are_read(tmp_path: Path) -> None:
    items = "".join(
        f'<Item name="DESCRIPTION" sample="{i}" role="description">{name}</Item>'
        f'<Item name="wavelength" sample="{i}">{nm / 1000}</Item>'
        f'<Item name="wavelength_units" sample="{i}">Micrometers</Item>'
        for i, (name, nm) in enumerate([("blue", 450), ("red", 650), ("nir", 850)])
    )
    image = read(written(tmp_path, gdal=f"<GDALMetadata>{items}</GDALMetadata>", nodata="-9999 "))
    assert image.channel_names == ("blue", "red", "nir")
    np.testing.assert_allclose(image.wavelengths, [450, 650, 850])
    assert image.metadata["nodata"] == -9999


@pytest.mark.parametrize("gdal", ["<GDALMetadata><Item", "<GDALMetadata/>", "no xml"])
def test_notes_that_say_nothing_do_no_harm(gdal: str, tmp_path: Path) -> None:
    image = read(written(tmp_path, gdal=gdal, nodata="none"))
    assert image.channel_names is None
    assert "nodata" not in image.metadata


def test_a_sparse_file_is_filled_with_its_nodata(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anymask.io.image_formats.tiff.series.EAGER_BYTES", 0)
    path = tmp_path / "a.tif"
    tile = np.full((16, 16), 7, np.int16)
    tifffile.imwrite(
        path,
        (tile if i == 0 else None for i in range(4)),
        shape=(32, 32),
        dtype=np.int16,
        tile=(16, 16),
        compression="zlib",
        extratags=[(42113, "s", 0, "-9999", True)],
    )
    image = read(path)
    assert image.channel(0)[20, 20] == -9999
    assert image.channel(0)[3, 3] == 7
    np.testing.assert_array_equal(image.numpy(), tifffile.imread(path))


def test_a_region_knows_where_it_lies(tmp_path: Path) -> None:
    part = read(written(tmp_path)).region(top=4, left=10, height=5, width=5)
    assert geo(part)["transform"] == (500_005.0, 0.5, 0.0, 5_399_999.0, 0.0, -0.25)


@pytest.mark.parametrize(
    "keys", [(1, 1, 0), (1, 1, 0, 99), (2, 0, 0, 0), (1, 1, 0, 1, 3072, 34737, 9, 5)]
)
def test_damaged_keys_do_not_hide_the_image(keys: tuple[int, ...], tmp_path: Path) -> None:
    np.testing.assert_array_equal(read(written(tmp_path, keys)).array, BANDS)


def test_a_scale_that_is_not_applied_is_told(tmp_path: Path) -> None:
    item = '<Item name="SCALE" sample="0" role="scale">{}</Item>'
    path = written(tmp_path, gdal=f"<GDALMetadata>{item.format(0.0001)}</GDALMetadata>")
    with pytest.warns(UserWarning, match=r"has a scale \(0.0001\), which is not applied"):
        np.testing.assert_array_equal(read(path).array, BANDS)
