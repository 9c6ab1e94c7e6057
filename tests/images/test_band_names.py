"""Bands known by their names: what light they are of, how they are shown, and indices of them."""

from __future__ import annotations

import numpy as np
import pytest

from anymask.errors import ExpressionError
from anymask.images.band_math import band_math
from anymask.images.band_names import band_centres, colour_bands
from anymask.images.image import Image
from anymask.images.normalize import to_rgb
from anymask.images.pseudo_rgb import pseudo_rgb
from anymask.notices import noticing

MAP = {"transform": (500_000.0, 3.0, 0.0, 5_000_000.0, 0.0, -3.0), "crs": "EPSG:32632"}


def field(*names: str, number: int = 4, geo: bool = True) -> Image:
    """An image of 16-bit bands whose values are 100, 200, 300, …, with a brighter corner."""
    bands = np.zeros((8, 9, len(names) or number), np.uint16)
    bands[:] = np.arange(1, bands.shape[2] + 1) * 100
    bands[:2, :2] *= 3
    return Image(bands, "YXC", channel_names=names or None, geo=MAP if geo else None, name="field")


@pytest.mark.parametrize(
    ("names", "centres", "colours"),
    [
        (["Blue", "Green", "Red", "NIR"], [475, 560, 660, 840], [2, 1, 0]),
        (["Band 1 (Red)", "Band 2 - Red Edge", "near-infrared"], [660, 717, 840], None),
        (["R", "G", "B", "N"], [660, 560, 475, 840], [0, 1, 2]),
        (["B2", "B3", "B4", "B8"], [492, 560, 665, 833], [2, 1, 0]),  # Sentinel-2
        (["T32_B05", "T32_B8A", "SCL"], [704, 865, None], None),
        (["SR_B2", "SR_B3", "SR_B4", "SR_B5"], [482, 561, 655, 865], [2, 1, 0]),  # Landsat
        (["B02", "B03", "B04", "B05", "B06"], [482, 561, 655, 865, 1609], [2, 1, 0]),
        (["Red (665 nm)", "NIR 0.842 um"], [665, 842], None),
        (["488 nm", "561 nm", "640 nm"], [488, 561, 640], None),  # lasers
        (["DAPI", "Texas Red", "Far Red"], None, None),
        (["band 1", "band 2"], None, None),
        (["B1", "B2", "B3", "B4"], None, None),  # of Planet, Landsat or anything
        (["r"], None, None),
    ],
)
def test_names_of_bands_say_their_wavelengths(names, centres, colours):
    found = band_centres(names)
    if centres is None:
        assert found is None
    else:
        np.testing.assert_array_equal(found, np.array(centres, np.float64))
    assert colour_bands(names) == colours


def test_four_unnamed_bands_of_a_map_are_shown_as_three_and_it_is_said():
    with noticing() as notices:
        shown = to_rgb(field(), low=0, high=900)
    assert shown[5, 5].tolist() == [28, 57, 85]  # 100, 200 and 300 of 900
    assert notices == [
        "field: bands 0, 1 and 2 of 4 are shown as red, green and blue, because the file does not "
        "name them; choose others, in this order, with --channels 2,1,0 (Python: channels=[2, 1, "
        "0])."
    ]
    with noticing() as notices:
        to_rgb(field(), channels=[2, 1, 0])
        to_rgb(field(geo=False))  # as fluorescence
        to_rgb(field(number=2))
    assert notices == []


def test_bands_named_by_a_satellite_are_shown_in_true_order_and_it_is_said():
    with noticing() as notices:
        shown = to_rgb(field("B02", "B03", "B04", "B08"), low=0, high=900)
    assert shown[5, 5].tolist() == [85, 57, 28]
    assert notices == ["field: B04, B03 and B02 are shown as red, green and blue."]


@pytest.mark.parametrize(
    "names",
    [
        ("Blue", "Green", "Red", "NIR"),
        ("B02", "B03", "B04", "B08"),
        ("SR_B2", "SR_B3", "SR_B4", "SR_B5"),
    ],
)
def test_broadband_indices_and_true_colour_take_bands_by_their_names(names):
    image = field(*names)
    np.testing.assert_allclose(band_math(image, "ndvi"), np.float32(1 / 7))  # 400 and 300
    np.testing.assert_allclose(band_math(image, "gndvi"), np.float32(1 / 3))  # 400 and 200
    np.testing.assert_allclose(band_math(image, "ndwi_open"), np.float32(-1 / 3))
    evi = 2.5 * 100 / (400 + 6 * 300 - 7.5 * 100 + 1)
    np.testing.assert_allclose(band_math(image, "evi")[5, 5], evi, rtol=1e-6)
    np.testing.assert_array_equal(band_math(image, "nm(650)"), image.channel(2))
    assert {0, 1, 2} <= set(pseudo_rgb(image, "truecolor").bands)


@pytest.mark.parametrize("index", ["pri", "mcari", "ari", "ndre", "ndwi"])
def test_indices_of_bands_that_are_missing_or_too_broad_are_refused(index):
    with pytest.raises(ExpressionError, match="no band within"):
        band_math(field("Blue", "Green", "Red", "NIR"), index)


def test_stated_wavelengths_come_before_names():
    image = field("Blue", "Green", "Red", "NIR")
    image = image.with_array(image.array, wavelengths=np.array([900.0, 700, 600, 500]))
    with pytest.raises(ExpressionError, match="no band within"):
        band_math(image, "ndvi")
