"""Expressions over bands: which bands are meant, which are read, what comes out."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from anymask.errors import ExpressionError, ImageError
from anymask.images import blocks
from anymask.images.band_math import band_math, resolve
from anymask.images.bands import as_cube, nearest_band
from anymask.images.image import Image
from anymask.images.indices import INDICES
from anymask.images.lazy import LazyArray
from tests.images.cubes import LAYOUTS, NM, Counting, cube, numbers


def at(nm: float) -> int:
    return int(np.abs(NM - nm).argmin())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_numbers_are_those_of_numpy_in_every_order_of_memory(layout: str) -> None:
    v = numbers()
    found = band_math(cube(layout=layout), "(nm(860) - nm(680)) / (nm(860) + nm(680))")
    red, infrared = v[..., at(680)], v[..., at(860)]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, (infrared - red) / (infrared + red))


def test_the_expression_of_the_issue_is_float_arithmetic_on_integers() -> None:
    values = np.array([[[10, 250, 20], [200, 3, 250]]], np.uint8)
    found = band_math(values, "(ch[1]-ch[2])/(ch[1]+ch[2])")
    np.testing.assert_allclose(found, [[230 / 270, -247 / 253]], rtol=1e-6)


def test_blocks_of_rows_change_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = band_math(cube(), "nm(550) ** 2 / ch[3:9]")
    monkeypatch.setattr(blocks, "_BLOCK", 40)
    np.testing.assert_array_equal(band_math(cube(), "nm(550) ** 2 / ch[3:9]"), whole)


def test_a_range_of_bands_is_their_mean_and_counts_as_in_python() -> None:
    v = numbers()
    np.testing.assert_allclose(
        band_math(cube(), "ch[10:20]"), v[..., 10:20].mean(axis=2), rtol=1e-5
    )
    np.testing.assert_array_equal(band_math(cube(), "ch[0]"), v[..., 0])
    np.testing.assert_array_equal(band_math(cube(), "ch[60:61]"), v[..., 60])
    np.testing.assert_allclose(band_math(cube(), "ch[58:]"), v[..., 58:].mean(axis=2), rtol=1e-5)
    np.testing.assert_allclose(
        band_math(cube(), "nm(670:690)"), v[..., (NM >= 670) & (NM <= 690)].mean(axis=2), rtol=1e-5
    )


def test_a_mean_of_integers_does_not_overflow() -> None:
    values = np.full((2, 2, 300), 65_535, np.uint16)
    np.testing.assert_array_equal(band_math(values, "ch[0:300]"), 65_535)
    flags = np.ones((2, 2, 3), bool)
    flags[..., 0] = False
    np.testing.assert_allclose(band_math(flags, "ch[0:3]"), 2 / 3)


def test_only_the_bands_named_are_read() -> None:
    counting = Counting(numbers(), 2)
    lazy = LazyArray(counting, counting.values.shape, np.float32, "cube")
    image = Image(lazy, "YXC", wavelengths=NM)
    band_math(image, "nm(860) / ch[3] + ch[7:9]")
    assert counting.bands == {at(860), 3, 7, 8}
    assert resolve("ndvi", image).bands == [at(670), at(800)]


def test_the_nearest_band_counts_if_it_is_near_enough() -> None:
    image = cube()
    assert nearest_band(image, 684) == at(680)
    v = numbers()
    np.testing.assert_array_equal(band_math(image, "nm(1013)"), v[..., 60])
    np.testing.assert_array_equal(band_math(image, "nm(1013, 20)"), v[..., 60])
    np.testing.assert_array_equal(band_math(image, "nm(1000:1000)"), v[..., 60])
    for text, options in (("nm(1016)", {}), ("nm(1013)", {"tolerance": 5}), ("nm(1013, 5)", {})):
        with pytest.raises(ExpressionError, match=r"no band within .* nearest is at 1000 nm"):
            band_math(image, text, **options)


def test_bad_bands_are_neither_found_nor_averaged() -> None:
    bad = np.zeros(61, bool)
    bad[[at(680), 10, 12]] = True
    image, v = cube(bad_bands=bad), numbers()
    assert nearest_band(image, 681) == at(690)
    np.testing.assert_allclose(
        band_math(image, "ch[10:14]"), v[..., [11, 13]].mean(axis=2), rtol=1e-6
    )
    with pytest.raises(ExpressionError, match="marked as bad"):
        band_math(image, "1 + ch[10]")


def test_division_by_zero_and_unknown_values_become_nan_without_a_warning() -> None:
    values = numbers()[:1, :5, :3].copy()
    values[0, 0] = 0
    values[0, 1, 0], values[0, 2, 1] = np.nan, np.inf
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = band_math(values, "ch[0] / ch[1]")
        plain = band_math(values, "ch[1]")
    assert np.isnan(found[0]).tolist() == [True, True, False, False, False]
    assert np.isnan(plain[0]).tolist() == [False, False, True, False, False]


def test_no_data_of_the_file_is_nan() -> None:
    values = np.array([[[1, 2], [65_535, 2]]], np.uint16)
    image = Image(values, "YXC", metadata={"nodata": 65_535.0})
    np.testing.assert_array_equal(band_math(image, "ch[0] + ch[1]"), [[3, np.nan]])


def test_comparisons_give_truth() -> None:
    found = band_math(cube(), "nm(860) > 0.5 and nm(680) < 0.5")
    assert found.dtype == bool
    v = numbers()
    np.testing.assert_array_equal(found, (v[..., at(860)] > 0.5) & (v[..., at(680)] < 0.5))


def test_channels_are_known_by_the_names_in_the_file() -> None:
    image = Image(numbers()[..., :2], "YXC", channel_names=("DAPI 405", "gfp"))
    np.testing.assert_array_equal(
        band_math(image, "'DAPI 405' - GFP"), numbers()[..., 0] - numbers()[..., 1]
    )


FORMULAS = {
    "ndvi": lambda r: (r(800) - r(670)) / (r(800) + r(670)),
    "gndvi": lambda r: (r(800) - r(550)) / (r(800) + r(550)),
    "ndre": lambda r: (r(790) - r(720)) / (r(790) + r(720)),
    "evi": lambda r: 2.5 * (r(860) - r(640)) / (r(860) + 6 * r(640) - 7.5 * r(470) + 1),
    "savi": lambda r: (r(800) - r(670)) / (r(800) + r(670) + 0.5) * 1.5,
    "pri": lambda r: (r(530) - r(570)) / (r(530) + r(570)),
    "ndwi_open": lambda r: (r(560) - r(830)) / (r(560) + r(830)),
    "cigreen": lambda r: r(800) / r(550) - 1,
    "cire": lambda r: r(800) / r(720) - 1,
    "mcari": lambda r: ((r(700) - r(670)) - 0.2 * (r(700) - r(550))) * (r(700) / r(670)),
    "ari": lambda r: 1 / r(550) - 1 / r(700),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_an_index_is_its_published_formula(name: str) -> None:
    v = numbers().astype(np.float64)
    expected = FORMULAS[name](lambda nm: v[..., at(nm)])
    np.testing.assert_allclose(band_math(cube(), name), expected, rtol=2e-3, atol=1e-5)
    np.testing.assert_allclose(band_math(cube(), name.upper()), expected, rtol=2e-3, atol=1e-5)


def test_water_in_leaves_is_seen_in_the_short_wave_infrared() -> None:
    image = as_cube(numbers()[..., :2], wavelengths=[860, 1240])
    a, b = numbers()[..., 0], numbers()[..., 1]
    np.testing.assert_allclose(band_math(image, "ndwi"), (a - b) / (a + b), rtol=1e-6)
    with pytest.raises(ExpressionError, match=r"ndwi: .*no band within 20 nm of 1240 nm"):
        band_math(cube(), "ndwi")


def test_every_index_of_the_library_has_a_source() -> None:
    assert {*FORMULAS, "ndwi"} == set(INDICES)
    for name, index in INDICES.items():
        assert name == index.name
        assert any(character.isdigit() for character in index.source)


def test_indices_with_constants_take_reflectance_by_the_factor_of_the_header() -> None:
    scaled = (numbers() * 10_000).round().astype(np.uint16)
    fields = {"fields": {"reflectance scale factor": "10000"}}
    for name in ("savi", "evi", "mcari", "ari", "ndvi"):
        np.testing.assert_allclose(
            band_math(cube(scaled, metadata=fields), name),
            band_math(cube(scaled / np.float32(10_000)), name),
            rtol=2e-3,
            atol=1e-4,
        )


@pytest.mark.parametrize(
    ("text", "position", "part"),
    [
        ("nm(680) + ch[61]", 10, "there is no ch[61]"),
        ("ch[50:70]", 0, "ch[0] to ch[60]"),
        ("1 + ndvy", 4, "did you mean 'ndvi'?"),
        ("2 * nm(2000)", 4, "nearest is at 1000 nm"),
        ("nm(1100:1200)", 0, "no band from 1100 to 1200"),
        ("nm(690:670)", 0, "lower number first"),
        ("nm(680, 5, 5)", 0, "a wavelength"),
        ("nm(680, -5)", 0, "0 or more"),
        ("nm(670:690, 5)", 0, "no tolerance"),
        ("ndwi", 0, "ndwi:"),
    ],
)
def test_errors_point_at_the_missing_band(text: str, position: int, part: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        band_math(cube(), text)
    assert (caught.value.expression, caught.value.position) == (text, position)
    assert part in str(caught.value)


def test_wavelengths_are_needed_for_nm_and_only_for_it() -> None:
    with pytest.raises(ExpressionError, match=r"does not state the wavelengths.*ch\[12\]"):
        band_math(numbers(), "nm(680)")
    assert band_math(numbers(), "ch[1]").shape == numbers().shape[:2]


def test_anything_but_a_cube_is_refused() -> None:
    with pytest.raises(ImageError, match="not a spectral image"):
        band_math(np.zeros((2, 2, 2, 2)), "ch[0]")
    with pytest.raises(ImageError, match="complex128"):
        band_math(np.zeros((2, 2, 2), complex), "ch[0]")
    with pytest.raises(ImageError, match="2 wavelengths for 3"):
        band_math(np.zeros((2, 2, 3)), "ch[0]", wavelengths=[1, 2])


def test_colour_samples_of_a_photograph_are_bands_too(scene: np.ndarray) -> None:
    found = band_math(Image(scene, "YXS"), "2 * ch[1] - ch[0] - ch[2]")
    r, g, b = np.moveaxis(scene.astype(np.float32), -1, 0)
    np.testing.assert_array_equal(found, 2 * g - r - b)
