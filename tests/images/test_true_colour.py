"""Spectra to colours, held to published numbers of the CIE and of sRGB."""

from __future__ import annotations

import numpy as np
import pytest

from anymask.errors import ImageError
from anymask.images.true_colour import (
    _D65,
    matching_functions,
    rgb_weights,
    srgb_encode,
)

# CIE 1931 standard observer, from the tables of CIE 15.
PUBLISHED = {
    420: (0.13438, 0.00400, 0.64560),
    450: (0.33620, 0.03800, 1.77211),
    500: (0.00490, 0.32300, 0.27200),
    550: (0.43345, 0.99495, 0.00875),
    600: (1.06220, 0.63100, 0.00080),
    650: (0.28350, 0.10700, 0.00000),
    700: (0.01136, 0.00410, 0.00000),
}


@pytest.mark.parametrize("wavelength", PUBLISHED)
def test_matching_functions_are_near_the_published_tables(wavelength: int) -> None:
    found = matching_functions([wavelength])[:, 0]
    np.testing.assert_allclose(found, PUBLISHED[wavelength], atol=0.02)


def test_daylight_has_the_white_of_d65() -> None:
    grid = np.arange(380.0, 781, 5)
    light = np.interp(grid, np.arange(380, 781, 10), _D65)
    x, y, z = (matching_functions(grid) * light).sum(axis=1)
    assert (x / y, z / y) == pytest.approx((0.95047, 1.08883), abs=0.012)


@pytest.mark.parametrize(
    "nm", [np.arange(380, 781, 5.0), np.linspace(400, 2500, 211), [450, 550, 650]]
)
def test_a_perfect_reflector_is_white_and_black_is_black(nm: np.ndarray) -> None:
    weights = rgb_weights(nm)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-9)


def test_narrow_lights_have_the_hues_of_the_rainbow() -> None:
    nm = np.arange(400.0, 701, 5)
    weights = rgb_weights(nm)
    at = {k: weights[:, int((nm == k).argmax())] for k in (450, 530, 580, 620)}
    assert at[450].argmax() == 2
    assert at[530].argmax() == 1
    assert at[580][0] > 0 < at[580][1]
    assert at[580][2] < 0.1 * at[580][1]
    assert at[620].argmax() == 0


def test_the_order_and_the_spacing_of_bands_do_not_matter() -> None:
    nm = np.arange(400.0, 701, 5)
    spectrum = np.exp(-(((nm - 560) / 45) ** 2))
    colour = rgb_weights(nm) @ spectrum
    order = np.random.default_rng(0).permutation(len(nm))
    np.testing.assert_allclose(rgb_weights(nm[order]) @ spectrum[order], colour)
    uneven = np.delete(np.arange(len(nm)), [5, 6, 21, 40])
    np.testing.assert_allclose(rgb_weights(nm[uneven]) @ spectrum[uneven], colour, atol=0.01)


def test_invisible_bands_have_no_share() -> None:
    nm = np.arange(300.0, 1500, 10)
    used = nm[rgb_weights(nm).any(axis=0)]
    assert used.min() >= 370
    assert used.max() <= 790


@pytest.mark.parametrize(
    ("nm", "part"), [([700, 800, 900], "blue"), ([450, 470, 650], "green"), ([450, 550], "red")]
)
def test_bands_that_leave_out_a_part_of_the_visible_are_refused(nm: list, part: str) -> None:
    with pytest.raises(ImageError, match=f"none in the {part}"):
        rgb_weights(nm)


def test_the_curve_of_srgb_is_that_of_the_standard() -> None:
    linear = np.array([0, 0.001, 0.0031308, 0.05, 0.214041, 0.5, 1], np.float32)
    expected = [0, 0.01292, 0.04045, 0.24780, 0.5, 0.73536, 1]
    np.testing.assert_allclose(srgb_encode(linear), expected, atol=2e-5)
