"""PCA and MNF against NumPy on whole arrays, and what they are for."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import eigh

from anymask.errors import ImageError
from anymask.images import blocks
from anymask.images.blocks import read_bands
from anymask.images.components import Projection, minimum_noise_fraction, principal_components
from anymask.images.image import Image
from tests.images.cubes import LAYOUTS, cube


def scene(noise: float = 0.01) -> np.ndarray:
    """Three materials in smooth mixtures, with noise that is strong in some bands."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:60, :50] / 50
    shares = np.stack([x, y * (1 - x), np.sin(5 * x * y)], axis=-1)
    materials = np.cumsum(rng.normal(0, 0.2, (3, 30)), axis=1) + 3
    deviation = noise * (1 + 30 * (np.arange(30) % 7 == 0))
    return (shares @ materials + rng.normal(0, 1, (60, 50, 30)) * deviation).astype(np.float32)


def applied(projection: Projection, image: Image) -> np.ndarray:
    return projection.apply(read_bands(image, projection.bands, slice(0, image.height)))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_principal_components_are_those_of_the_covariance(layout: str) -> None:
    values = scene()
    image = cube(values, layout, wavelengths=None)
    found = applied(principal_components(image), image).astype(float)
    flat = values.reshape(-1, 30).astype(float)
    centred = flat - flat.mean(axis=0)
    _, _, vectors = np.linalg.svd(centred, full_matrices=False)
    expected = (centred @ vectors[:3].T).T
    signs = np.sign((found * expected).sum(axis=1))
    np.testing.assert_allclose(found, expected * signs[:, None], atol=2e-3)


def test_noise_fractions_put_noisy_bands_last() -> None:
    values = scene()
    image = Image(values, "YXC")
    found = minimum_noise_fraction(image)
    steps = (values[:, 1:] - values[:, :-1]).reshape(-1, 30).astype(float)
    noise = steps.T @ steps / (2 * len(steps))
    covariance = np.cov(values.reshape(-1, 30).astype(float).T, bias=True)
    ratios, _ = eigh(covariance, noise)
    weights = found.weights
    own = np.array([(w @ covariance @ w) / (w @ noise @ w) for w in weights])
    np.testing.assert_allclose(own, ratios[::-1][:3], rtol=1e-3)
    share = np.abs(weights) * values.reshape(-1, 30).std(axis=0)
    noisy = np.arange(30) % 7 == 0
    assert share[:, noisy].mean() < 0.1 * share[:, ~noisy].mean()


def test_bright_pixels_are_bright_in_the_first_component() -> None:
    values = scene()
    image = Image(values, "YXC")
    for find in (principal_components, minimum_noise_fraction):
        assert (find(image).weights.sum(axis=1) > 0).all()


def test_pixels_without_values_and_bad_bands_do_not_count() -> None:
    values = scene()
    holed = values.copy()
    holed[10, 10, 4] = np.nan
    holed[20:25, 5] = np.inf
    holed[..., 9] = 1e9
    bad = np.arange(30) == 9
    image = Image(holed, "YXC", bad_bands=bad)
    projection = principal_components(image)
    clean = principal_components(Image(values, "YXC", bad_bands=bad))
    np.testing.assert_allclose(np.abs(projection.weights), np.abs(clean.weights), atol=0.02)
    found = applied(projection, image).reshape(3, 60, 50)
    lost = ~np.isfinite(found).all(axis=0)
    expected = np.zeros((60, 50), bool)
    expected[10, 10] = expected[20:25, 5] = True
    np.testing.assert_array_equal(lost, expected)


def test_a_sample_of_the_rows_finds_the_same_components(monkeypatch: pytest.MonkeyPatch) -> None:
    image = Image(scene(), "YXC")
    whole = principal_components(image).weights
    monkeypatch.setattr(blocks, "SAMPLE", 600)
    part = principal_components(image).weights
    assert (part != whole).any()
    assert np.abs((whole * part).sum(axis=1))[:2].min() > 0.98


def test_large_values_lose_no_digits() -> None:
    values = scene().astype(np.float64)
    plain = principal_components(Image(values, "YXC")).weights
    lifted = principal_components(Image(values + 1e7, "YXC")).weights
    np.testing.assert_allclose(lifted, plain, atol=1e-4)


def test_a_constant_cube_has_components_without_contrast() -> None:
    image = Image(np.ones((5, 5, 4)), "YXC")
    for find in (principal_components, minimum_noise_fraction):
        assert np.ptp(applied(find(image), image), axis=1).max() < 1e-9


def test_too_few_bands_or_pixels_are_refused() -> None:
    with pytest.raises(ImageError, match="at least three"):
        principal_components(Image(np.ones((9, 9, 2)), "YXC"))
    with pytest.raises(ImageError, match="almost no pixels"):
        principal_components(Image(np.full((9, 9, 5), np.nan), "YXC"))
