"""The RGB of an image part by part is that of the whole."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

import anymask
from anymask import Image, pseudo_rgb, recipe, to_rgb
from anymask.errors import ImageError
from anymask.images import contrast, windows
from anymask.images.windows import RgbWindows

RNG = np.random.default_rng(0)
HEIGHT, WIDTH = 90, 70
GRAY = RNG.integers(0, 60_000, (HEIGHT, WIDTH)).astype(np.uint16)
HOLES = np.where(GRAY < 9000, 7, GRAY).astype(np.uint16)
IMAGES = {
    "photograph": Image(RNG.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8), "YXS"),
    "alpha": Image(RNG.integers(0, 256, (HEIGHT, WIDTH, 4), np.uint8), "YXS", valid=GRAY > 20_000),
    "16-bit": Image(GRAY, "YX"),
    "nodata": Image(HOLES, "YX", metadata={"nodata": 7.0}),
    "8-bit with nodata": Image((HOLES // 256).astype(np.uint8), "YX", metadata={"nodata": 0.0}),
    "floats": Image(np.where(GRAY < 9000, np.nan, GRAY / 7).astype(np.float32), "YX"),
    "channels": Image(RNG.integers(0, 4000, (3, HEIGHT, WIDTH)).astype(np.uint16), "CYX"),
    "flat": Image(np.full((HEIGHT, WIDTH), 5, np.uint16), "YX"),
}


def shown_in_parts(shown: RgbWindows) -> np.ndarray:
    whole = np.zeros(shown.shape, shown.dtype)
    for top in range(0, HEIGHT, 32):
        for left in range(0, WIDTH, 40):
            box = slice(top, min(top + 32, HEIGHT)), slice(left, min(left + 40, WIDTH))
            whole[box] = shown[box]
    return whole


@pytest.mark.parametrize("most", [1 << 24, 1000], ids=["all rows", "sampled rows"])
@pytest.mark.parametrize("options", [{}, {"low": "2%", "high": "97%", "gamma": 0.7}], ids=str)
@pytest.mark.parametrize("name", IMAGES)
def test_parts_are_those_of_the_whole(name, options, most, monkeypatch) -> None:
    for module in (windows, contrast):
        monkeypatch.setattr(module, "MOST_VALUES", most)
    image = IMAGES[name]
    assert np.array_equal(shown_in_parts(RgbWindows(image, options)), to_rgb(image, **options))


@pytest.mark.parametrize("source", [("ndvi",), ("nm(860)", "nm(680)", "nm(550)")], ids=str)
def test_parts_of_a_spectral_cube_are_those_of_its_pseudo_rgb(source) -> None:
    cube = RNG.random((HEIGHT, WIDTH, 5)).astype(np.float32)
    cube[:40, :50] = 0  # a part in which no pixel has an NDVI
    image = Image(cube, "YXC", wavelengths=np.array([450.0, 550, 680, 720, 860]))
    how = recipe(*source)
    whole = pseudo_rgb(image, how).rgb
    assert np.array_equal(shown_in_parts(RgbWindows(image, {}, how)), whole)
    assert np.array_equal(shown_in_parts(RgbWindows(image)), to_rgb(image))


def test_a_file_is_read_where_it_is_looked_at(tmp_path) -> None:
    path = tmp_path / "tiled.tif"
    tifffile.imwrite(path, GRAY, tile=(16, 16))
    assert np.array_equal(
        shown_in_parts(RgbWindows(anymask.read(path))), to_rgb(anymask.read(path))
    )


def test_what_needs_the_whole_image_is_refused() -> None:
    with pytest.raises(ImageError, match="clahe needs the whole image at once"):
        RgbWindows(IMAGES["16-bit"], {"clahe": True})
    cube = Image(RNG.random((9, 9, 5)), "YXC", wavelengths=np.arange(500.0, 1000, 100))
    with pytest.raises(ImageError, match="pca needs the whole image at once"):
        RgbWindows(cube, {}, recipe("pca"))
