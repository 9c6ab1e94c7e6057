"""Pseudo-RGB pictures: recipes and their names, masks, limits, batches, memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anymask.errors import ExpressionError, ImageError
from anymask.images import blocks
from anymask.images.image import Image
from anymask.images.pseudo_rgb import PseudoRgb, pseudo_rgb, pseudo_rgbs, recipe
from anymask.images.recipes import check_names, default_recipe
from anymask.images.true_colour import rgb_weights, srgb_encode
from tests.images.cubes import LAYOUTS, NM, cube, numbers


def at(nm: float) -> int:
    return int(np.abs(NM - nm).argmin())


def stretched(values: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.clip((values.astype(float) - low) / (high - low), 0, 1) * 255


@pytest.mark.parametrize("layout", LAYOUTS)
def test_three_expressions_are_red_green_and_blue(layout: str) -> None:
    made = pseudo_rgb(cube(layout=layout), "nm(860)", "nm(680)", "nm(550)")
    assert made.rgb.dtype == np.uint8
    v = numbers()
    for sample, nm in enumerate((860, 680, 550)):
        band = v[..., at(nm)]
        low, high = np.percentile(band, (0.5, 99.5))
        assert made.limits[sample] == pytest.approx((low, high))
        assert np.abs(made.rgb[..., sample] - stretched(band, low, high)).max() <= 0.51
    assert made.bands == (at(550), at(680), at(860))
    assert not made.masked.any()
    assert made.notes == ()


def test_one_expression_is_gray() -> None:
    made = pseudo_rgb(cube(), "ndvi", low=-1, high=1)
    v = numbers()
    r, n = v[..., at(670)], v[..., at(800)]
    assert np.abs(made.rgb[..., 0] - stretched((n - r) / (n + r), -1, 1)).max() <= 0.51
    np.testing.assert_array_equal(made.rgb[..., 0], made.rgb[..., 1])
    np.testing.assert_array_equal(made.rgb[..., 0], made.rgb[..., 2])
    assert made.limits == ((-1, 1),)


def test_pixels_without_a_value_are_black_returned_and_told() -> None:
    values = numbers()
    values[3, 4] = 0
    values[5, 6, at(550)] = np.nan
    values[7, 8, at(680)] = np.inf
    made = pseudo_rgb(cube(values), "nm(860) / nm(680)", "nm(550)", "1")
    expected = np.zeros(values.shape[:2], bool)
    expected[3, 4] = expected[5, 6] = True
    np.testing.assert_array_equal(made.masked, expected)
    assert not made.rgb[expected].any()
    assert made.rgb[~expected].any(axis=1).all()
    assert made.notes == ("2 of 851 pixels have no finite value (such as 0/0) and are black.",)


def test_an_unknown_value_in_the_file_is_masked_however_it_is_stored() -> None:
    values = np.full((4, 5, 3), 100, np.uint16)
    values[1, 1, 0] = 65_535
    made = pseudo_rgb(Image(values, "YXC", metadata={"nodata": 65_535.0}), "ch[0]", low=0, high=200)
    assert np.argwhere(made.masked).tolist() == [[1, 1]]
    assert set(made.rgb[~made.masked].ravel()) == {128}


def test_a_picture_without_any_value_is_refused() -> None:
    with pytest.raises(ImageError, match="contains only NaN"):
        pseudo_rgb(np.zeros((4, 4, 2)), "ch[0] / ch[1]")
    with pytest.raises(ImageError, match="no pixel with a finite value of ratio"):
        pseudo_rgb(np.zeros((4, 4, 2)), "ratio=ch[0] / ch[1]", low=0, high=1)


def test_truth_is_black_and_white_and_constants_are_from_0_to_1() -> None:
    made = pseudo_rgb(cube(), "nm(860) > 0.5", "0.2", "1")
    np.testing.assert_array_equal(made.rgb[..., 0], (numbers()[..., at(860)] > 0.5) * 255)
    assert set(made.rgb[..., 1].ravel()) == {51}
    assert set(made.rgb[..., 2].ravel()) == {255}


def test_joint_limits_keep_the_proportions_of_channels() -> None:
    made = pseudo_rgb(cube(), "ch[5]", "ch[5] / 2", "ch[5] / 4", joint=True, low=0)
    r, g, b = np.moveaxis(made.rgb.astype(float), -1, 0)
    inside = r < 255
    assert np.abs(r / 2 - g)[inside].max() <= 1
    assert np.abs(r / 4 - b)[inside].max() <= 1


def test_0_and_100_percent_are_exact_in_pictures_of_which_a_part_is_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values = numbers()
    values[1, 1, 0], values[30, 7, 0] = -5, 9
    monkeypatch.setattr(blocks, "SAMPLE", 60)
    monkeypatch.setattr(blocks, "_BLOCK", 50)
    made = pseudo_rgb(cube(values), "ch[0]", low="0%", high="100%")
    assert made.limits == ((-5, 9),)
    assert (made.rgb[1, 1, 0], made.rgb[30, 7, 0]) == (0, 255)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_limits_of_a_sample_of_rows_are_near_those_of_all(
    layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = pseudo_rgb(cube(layout=layout), "ch[3]").limits[0]
    monkeypatch.setattr(blocks, "SAMPLE", 300)
    part = pseudo_rgb(cube(layout=layout), "ch[3]").limits[0]
    assert part != whole
    assert part == pytest.approx(whole, abs=0.02)


def test_gamma_is_applied_between_the_limits() -> None:
    made = pseudo_rgb(cube(), "ch[3]", low=0, high=1, gamma=0.5)
    assert np.abs(made.rgb[..., 0] - numbers()[..., 3] ** 0.5 * 255).max() <= 0.51


def test_true_colour_is_the_sum_over_the_visible() -> None:
    made = pseudo_rgb(cube(), "truecolor", low=0, high=1)
    linear = np.clip(numbers() @ rgb_weights(NM).T, 0, 1)
    assert np.abs(made.rgb - srgb_encode(linear.astype(np.float32)) * 255).max() <= 0.52
    assert max(made.bands) <= at(790)


def test_bad_bands_have_no_part_in_methods() -> None:
    values = numbers()
    values[..., 15] = np.nan
    values[..., 16] = 1e7
    bad = np.isin(np.arange(61), [15, 16])
    for method in ("truecolor", "pca", "mnf"):
        made = pseudo_rgb(cube(values, bad_bands=bad), method)
        assert not made.masked.any()
        assert made.rgb.std() > 10
        assert not {15, 16} & set(made.bands)


def test_what_a_cube_is_shown_by_depends_on_the_light_it_covers() -> None:
    assert default_recipe(cube()).method == "truecolor"
    infrared = Image(numbers(), "YXC", wavelengths=np.linspace(900, 1700, 61))
    assert default_recipe(infrared).method == "pca"


def test_the_same_picture_comes_out_whatever_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    recipes = [("nm(860)", "nm(680) / nm(550)", "ndvi"), ("truecolor",), ("pca",), ("mnf",)]
    whole = [pseudo_rgb(cube(), *source).rgb for source in recipes]
    monkeypatch.setattr(blocks, "_BLOCK", 100)
    for source, expected in zip(recipes, whole, strict=True):
        found = pseudo_rgb(cube(), *source).rgb
        assert np.abs(found.astype(int) - expected).max() <= 1
        assert (found == expected).mean() > 0.999


def test_indices_with_constants_warn_of_counts() -> None:
    made = pseudo_rgb(cube((numbers() * 4000).astype(np.uint16)), "evi")
    assert len(made.notes) == 1
    assert "EVI needs reflectance" in made.notes[0]
    assert pseudo_rgb(cube(), "evi").notes == ()
    assert pseudo_rgb(cube((numbers() * 4000).astype(np.uint16)), "ndvi").notes == ()


def test_little_memory_is_taken_beyond_the_cube() -> None:
    rng = np.random.default_rng(0)
    values = rng.random((800, 700, 24), dtype=np.float32)
    image = Image(values, "YXC", wavelengths=np.linspace(400, 1000, 24))
    band = values[..., 0].nbytes
    formula = "(nm(860) - nm(680)) / (nm(860) + nm(680))"
    pseudo_rgb(image, formula, "nm(550)", "nm(720) - nm(450)")  # imports count once
    tracemalloc.start()
    pseudo_rgb(image, formula, "nm(550)", "nm(720) - nm(450)")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * band


@pytest.mark.parametrize(
    ("texts", "name", "source"),
    [
        (("ndvi",), "ndvi", ("ndvi",)),
        (("NDVI",), "NDVI", ("NDVI",)),
        (("TrueColour",), "truecolor", ("truecolor",)),
        (("nm(860)", "nm(680)", "nm(550)"), "nm860_nm680_nm550", None),
        (("ch[3];ch[2];ch[1]",), "ch3_ch2_ch1", ("ch[3]", "ch[2]", "ch[1]")),
        (("cir = nm(860);nm(680); nm(550);",), "cir", ("nm(860)", "nm(680)", "nm(550)")),
        (("a.b-1=ndvi",), "a.b-1", ("ndvi",)),
        (("(ch[1]-ch[2])/(ch[1]+ch[2])",), "ch1-ch2-ch1-ch2", None),
        (("ch[1] == 3",), "ch1-3", ("ch[1] == 3",)),
    ],
)
def test_recipes_are_read_as_they_are_typed(
    texts: tuple[str, ...], name: str, source: tuple[str, ...] | None
) -> None:
    made = recipe(*texts)
    assert made.name == name
    assert made.source == (texts if source is None else source)


@given(st.lists(st.text(min_size=1, max_size=90), min_size=3, max_size=3))
def test_names_made_from_expressions_are_file_names(texts: list[str]) -> None:
    try:
        name = recipe(*texts).name
    except ImageError:
        return
    assert 0 < len(name) <= 48
    assert not set(name) & set('/\\:*?"<>| \n\0')
    assert not name.startswith((".", "-"))


def test_long_expressions_that_begin_alike_have_different_names() -> None:
    long = "nm(860) + " * 30
    assert recipe(long + "1").name != recipe(long + "2").name
    assert len(recipe(long + "1").name) <= 48


@pytest.mark.parametrize(
    "texts", [(), ("ch[0]", "ch[1]"), ("a;b",), ("1", "2", "3", "4"), ("a;b;c;d",)]
)
def test_two_or_four_expressions_are_no_picture(texts: tuple[str, ...]) -> None:
    with pytest.raises(ImageError, match=r"one expression \(for gray\) or three"):
        recipe(*texts)


def test_names_that_are_no_file_names_are_refused() -> None:
    for name in ("../x", "", "a b", "x" * 60, "-a"):
        with pytest.raises(ImageError, match="cannot be the name"):
            recipe("ndvi", name=name)
    with pytest.raises(ImageError, match="Two pseudo-RGBs are called 'NDVI'"):
        check_names([recipe("ndvi"), recipe("NDVI")])


def test_a_batch_keeps_its_order_whatever_fails() -> None:
    blind = Image(numbers(), "YXC", name="no wavelengths")
    images = [cube(), blind, cube(numbers(1))]
    recipes = ["ndvi", "a=ch[0]", "b=ch[99]", "pca"]
    found = list(pseudo_rgbs(images, recipes))
    assert [(index, how.name) for index, how, _ in found] == [
        (index, name) for index in range(3) for name in ("ndvi", "a", "b", "pca")
    ]
    kinds = [type(result) for _, _, result in found]
    good, bad = PseudoRgb, ExpressionError
    assert kinds == [good, good, bad, good, bad, good, bad, good, good, good, bad, good]
    alone = pseudo_rgb(images[2], "ndvi")
    np.testing.assert_array_equal(found[8][2].rgb, alone.rgb)
    assert all(how.name == result.name for _, how, result in found if isinstance(result, good))
