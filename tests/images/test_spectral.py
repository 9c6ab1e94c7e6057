"""Reflectance, bad bands and smoothing, computed when they are read."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import savgol_filter

from anymask.errors import ImageError
from anymask.images.band_math import band_math
from anymask.images.bands import good_bands, reflectance_scale
from anymask.images.image import Image
from anymask.images.lazy import LazyArray
from anymask.images.spectral import drop_bad_bands, reflectance, smooth
from tests.images.cubes import HEIGHT, LAYOUTS, NM, WIDTH, cube, numbers


def values_of(image: Image) -> np.ndarray:
    """(rows, columns, bands)."""
    order = [image.axes.index(axis) for axis in "YXC"]
    return image.numpy().transpose(order)


def counts() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Reflectance, and what a line scanner whose columns differ makes of it, of white and dark."""
    rng = np.random.default_rng(1)
    truth = numbers()
    light = rng.uniform(2000, 4000, (WIDTH, len(NM)))
    dark = rng.uniform(90, 110, (WIDTH, len(NM)))
    return truth, truth * light + dark, light + dark, dark


@pytest.mark.parametrize("layout", LAYOUTS)
def test_reflectance_comes_back_from_white_and_dark_by_column(layout: str) -> None:
    truth, seen, white, dark = counts()
    image = cube(seen.astype(np.float32), layout)
    found = reflectance(image, white, dark)
    assert found.dtype == np.float32
    np.testing.assert_allclose(values_of(found), truth, atol=2e-4)
    np.testing.assert_array_equal(found.wavelengths, NM)


def test_rows_of_a_reference_cube_are_averaged() -> None:
    truth, seen, white, dark = counts()
    wobble = np.array([-40.0, 0, 40])[:, None, None]
    found = reflectance(cube(seen), Image(white + wobble, "YXC"), Image(dark + wobble / 40, "YXC"))
    np.testing.assert_allclose(values_of(found), truth, atol=2e-4)


def test_one_spectrum_serves_all_columns_and_the_panel_may_be_gray() -> None:
    truth = numbers()
    white = np.linspace(1000, 3000, len(NM))
    seen = truth * white
    half = reflectance(cube(seen * 2), 2 * white * 0.5, panel_reflectance=0.5)
    np.testing.assert_allclose(values_of(half), truth, rtol=1e-5)


def test_a_panel_in_the_picture_is_white() -> None:
    truth = numbers()
    truth[4:10, 3:9] = 1
    white = np.linspace(1000, 3000, len(NM))
    found = reflectance(cube(truth * white), panel=(4, 3, 6, 6))
    np.testing.assert_allclose(values_of(found), truth, rtol=1e-5)


def test_the_factor_of_the_header_is_used_where_there_is_no_reference() -> None:
    image = cube(numbers() * 10_000, metadata={"fields": {"reflectance scale factor": "10000"}})
    found = reflectance(image)
    np.testing.assert_allclose(values_of(found), numbers(), rtol=1e-5)
    assert (reflectance_scale(image), reflectance_scale(found)) == (10_000, 1)
    with pytest.raises(ImageError, match="white reference"):
        reflectance(cube())


def test_bands_without_light_are_unknown() -> None:
    white, dark = np.full(len(NM), 100.0), np.zeros(len(NM))
    white[3] = 0
    dark[5] = 200
    found = values_of(reflectance(cube(), white, dark))
    assert np.isnan(found[..., [3, 5]]).all()
    assert np.isfinite(np.delete(found, [3, 5], axis=2)).all()


@pytest.mark.parametrize(
    ("reference", "part"),
    [
        (np.ones(60), "60 bands"),
        (np.ones((WIDTH + 1, 61)), "24 columns"),
        (np.ones((5, WIDTH, 3)), "3 bands"),
    ],
)
def test_a_reference_of_another_camera_is_refused(reference: np.ndarray, part: str) -> None:
    with pytest.raises(ImageError, match=part):
        reflectance(cube(), reference)


def test_a_panel_beyond_the_picture_is_refused() -> None:
    with pytest.raises(ImageError, match="not within"):
        reflectance(cube(), panel=(0, 0, 400, 4))
    with pytest.raises(ImageError, match="give only one"):
        reflectance(cube(), np.ones(61), panel=(0, 0, 4, 4))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_bad_bands_are_dropped_with_their_names_and_wavelengths(layout: str) -> None:
    bad = np.zeros(61, bool)
    bad[[0, 7, 8, 60]] = True
    names = tuple(f"b{k}" for k in range(61))
    found = drop_bad_bands(cube(layout=layout, bad_bands=bad, channel_names=names))
    np.testing.assert_array_equal(values_of(found), numbers()[..., ~bad])
    np.testing.assert_array_equal(found.wavelengths, NM[~bad])
    assert found.channel_names == tuple(np.array(names)[~bad])
    assert len(good_bands(found)) == 57
    plain = cube()
    assert drop_bad_bands(plain).array is plain.array


@pytest.mark.parametrize("layout", LAYOUTS)
def test_smoothing_is_that_of_scipy(layout: str) -> None:
    found = smooth(cube(layout=layout), window=9, order=2)
    expected = savgol_filter(numbers().astype(np.float64), 9, 2, axis=2)
    np.testing.assert_allclose(values_of(found), expected, atol=1e-5)


def test_bad_bands_are_smoothed_over_and_stay_as_they_are() -> None:
    values = numbers()
    values[..., 20] = 1e6
    bad = np.zeros(61, bool)
    bad[20] = True
    found = values_of(smooth(cube(values, bad_bands=bad), window=5))
    expected = savgol_filter(np.delete(values, 20, axis=2).astype(float), 5, 2, axis=2)
    np.testing.assert_allclose(np.delete(found, 20, axis=2), expected, atol=1e-5)
    np.testing.assert_array_equal(found[..., 20], 1e6)


def test_one_smoothed_band_needs_only_its_neighbours() -> None:
    read: set[int] = set()
    values = numbers()

    def box_of(box: tuple[slice, ...]) -> np.ndarray:
        read.update(range(61)[box[2]])
        return values[box]

    lazy = LazyArray(box_of, values.shape, values.dtype, "cube")
    smooth(Image(lazy, "YXC", wavelengths=NM), window=7).channel(30)
    assert read == set(range(27, 34))


@pytest.mark.parametrize(("window", "order"), [(4, 2), (3, 3), (63, 2), (5, -1)])
def test_windows_that_fit_no_spectrum_are_refused(window: int, order: int) -> None:
    with pytest.raises(ImageError, match="must be odd"):
        smooth(cube(), window, order)


def test_steps_follow_each_other_and_are_read_in_part() -> None:
    truth, seen, white, dark = counts()
    bad = np.zeros(61, bool)
    bad[[1, 2]] = True
    image = smooth(drop_bad_bands(reflectance(cube(seen, bad_bands=bad), white, dark)), 5, 1)
    part = image.region(top=10, left=2, height=7, width=9)
    expected = savgol_filter(truth[10:17, 2:11][..., ~bad].astype(float), 5, 1, axis=2)
    np.testing.assert_allclose(values_of(part), expected, atol=3e-4)
    k = int(np.abs(NM[~bad] - 680).argmin())
    np.testing.assert_allclose(band_math(part, "nm(680)"), expected[..., k], atol=3e-4)


def test_no_data_stays_unknown_through_every_step() -> None:
    values = np.full((HEIGHT, WIDTH, 61), 500, np.int16)
    values[3, 4] = -1
    image = cube(values, metadata={"nodata": -1.0})
    for made in (smooth(image, 5), reflectance(image, np.full(61, 1000.0))):
        found = values_of(made)
        assert np.isnan(found[3, 4]).all()
        assert np.isfinite(np.delete(found.reshape(-1, 61), 3 * WIDTH + 4, axis=0)).all()
