"""`anymask.measure` with values of pixels: expressions and arrays."""

from __future__ import annotations

import numpy as np
import pytest

import anymask
from anymask.errors import AnymaskError, ExpressionError
from anymask.images.named_values import named_values


@pytest.fixture
def labels() -> np.ndarray:
    labels = np.zeros((6, 8), np.uint16)
    labels[:2, :3], labels[3:, 5:] = 7, 3
    return labels


@pytest.fixture
def cube() -> anymask.Image:
    """Bands at 670 and 800 nm, with a hole in object 7."""
    values = np.random.default_rng(0).uniform(0.1, 0.9, (6, 8, 2))
    values[0, 0] = np.nan
    return anymask.Image(values, "YXC", wavelengths=np.array([670.0, 800.0]))


def test_values_are_measured_over_the_pixels_that_have_one(labels, cube):
    found = anymask.measure(labels, cube, properties=["area"], values={"ndvi": "ndvi"})
    red, nir = cube.array[..., 0], cube.array[..., 1]
    ndvi = (nir - red) / (nir + red)
    assert list(found) == ["id", "area", "ndvi_mean", "ndvi_median", "ndvi_std", "ndvi_pixels"]
    for row, id_ in enumerate(found["id"]):
        inside = ndvi[labels == id_]
        inside = inside[np.isfinite(inside)]
        assert found["ndvi_mean"][row] == pytest.approx(inside.mean(), rel=1e-6)
        assert found["ndvi_median"][row] == pytest.approx(np.median(inside), rel=1e-6)
        assert found["ndvi_std"][row] == pytest.approx(inside.std(), rel=1e-6)
        assert found["ndvi_pixels"][row] == inside.size
    assert found["ndvi_pixels"].tolist() == [9, 5]
    assert any("ndvi has no value" in note for note in found.notes)


def test_the_mean_of_a_comparison_is_the_share_of_the_pixels(labels):
    bright = np.zeros((6, 8))
    bright[:2, :1] = 1
    found = anymask.measure(labels, properties=[], values={"bright": bright > 0.5})
    assert found["bright_mean"].tolist() == [0, pytest.approx(1 / 3)]
    assert found["bright_pixels"].tolist() == [9, 6]


def test_colours_of_a_photograph_have_names(labels):
    photo = anymask.Image(np.full((6, 8, 3), (10, 200, 30), np.uint8), "YXS")
    found = anymask.measure(labels, photo, properties=[], values={"exg": "2*green - red - blue"})
    assert found["exg_mean"].tolist() == [360, 360]


@pytest.mark.parametrize(
    ("values", "image", "what"),
    [
        ({"v": "ndvi"}, None, "pass image="),
        ({"v": "ndvy"}, "cube", "did you mean 'ndvi'"),
        ({"v": np.ones((5, 5))}, "cube", "8×6 pixels and the values of 'v' 5×5"),
        ({"v": np.ones((6, 8), complex)}, "cube", "array \\(H, W\\) of numbers"),
        ({"intensity": "ch[0]"}, "grey", "two columns 'intensity_mean'"),
    ],
)
def test_values_that_cannot_be_measured_are_refused(labels, cube, values, image, what):
    with pytest.raises(AnymaskError, match=what):
        anymask.measure(labels, {"cube": cube, "grey": labels}.get(image), values=values)


@pytest.mark.parametrize(
    ("texts", "error", "what"),
    [
        (["ndvi("], ExpressionError, "no function 'ndvi'"),
        ([""], ExpressionError, "empty"),
        (["2 + 2"], ExpressionError, "names no band"),
        (["a.b=ndvi"], AnymaskError, "cannot be the name of a column"),
        (["ndvi", "ndvi=pri"], AnymaskError, "Two values are called 'ndvi'"),
    ],
)
def test_expressions_without_sense_or_name_are_refused(texts, error, what):
    with pytest.raises(error, match=what):
        named_values(texts)
