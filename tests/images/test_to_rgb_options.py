"""The choices of `to_rgb`: channels, colours, limits, gamma, stacks, windows, background."""

from __future__ import annotations

import numpy as np
import pytest

from anymask.errors import ImageError
from anymask.images.image import Image
from anymask.images.normalize import to_rgb

RAMP = np.arange(0, 4096, dtype=np.uint16).reshape(64, 64)


def gray(image: object, **options: object) -> np.ndarray:
    rgb = to_rgb(image, **options)
    assert rgb.dtype == np.uint8
    np.testing.assert_array_equal(rgb[..., 0], rgb[..., 1])
    np.testing.assert_array_equal(rgb[..., 0], rgb[..., 2])
    return rgb[..., 0]


def test_values_given_become_black_and_white() -> None:
    expected = np.clip((RAMP.astype(float) - 1000) / 2000, 0, 1) * 255
    assert np.abs(gray(RAMP, low=1000, high=3000) - expected).max() <= 0.5001


def test_a_window_is_a_level_with_half_its_width_on_either_side() -> None:
    np.testing.assert_array_equal(gray(RAMP, window=(2000, 2000)), gray(RAMP, low=1000, high=3000))


def test_percentiles_may_be_written_in_three_ways() -> None:
    short = gray(RAMP, percentiles=(2, 90))
    np.testing.assert_array_equal(short, gray(RAMP, low="2%", high="90%"))
    low, high = np.percentile(RAMP, (2, 90))
    np.testing.assert_array_equal(short, gray(RAMP, low=low, high=high))


def test_0_and_100_percent_are_the_least_and_the_greatest_value() -> None:
    image = np.full((50, 50), 100.0)
    image[0, 0], image[9, 9] = -900, 2100
    shown = gray(image, low="0%", high="100%")
    assert (shown[0, 0], shown[9, 9], shown[1, 1]) == (0, 255, 85)


def test_gamma_below_1_lifts_the_shadows() -> None:
    expected = (RAMP / 4095) ** 0.5 * 255
    assert np.abs(gray(RAMP, low=0, high=4095, gamma=0.5) - expected).max() <= 0.5001


def test_8_bit_pictures_are_stretched_where_that_is_asked_for(scene: np.ndarray) -> None:
    assert to_rgb(scene) is scene
    stretched = to_rgb(scene, low=50, high=100).astype(int)
    expected = np.clip((scene.astype(float) - 50) / 50, 0, 1) * 255
    assert np.abs(stretched - expected).max() <= 0.5001
    assert (to_rgb(scene, percentiles=(10, 90)) != scene).any()


def test_colour_samples_share_a_stretch_and_may_have_one_each() -> None:
    image = np.stack([RAMP, RAMP // 2, RAMP // 4], axis=-1)
    together = to_rgb(image, percentiles=(0, 100)).astype(float)
    assert np.abs(together[..., 0] / 2 - together[..., 1]).max() <= 1
    apart = to_rgb(image, percentiles=(0, 100), joint=False)
    assert [int(apart[..., i].max()) for i in range(3)] == [255, 255, 255]


def test_limits_may_differ_by_channel() -> None:
    image = np.stack([RAMP, RAMP, RAMP], axis=-1)
    rgb = to_rgb(image, low=(0, 1000, "0%"), high=(4095, 3000, "100%"))
    np.testing.assert_array_equal(rgb[..., 0], gray(RAMP, low=0, high=4095))
    np.testing.assert_array_equal(rgb[..., 1], gray(RAMP, low=1000, high=3000))
    np.testing.assert_array_equal(rgb[..., 2], rgb[..., 0])


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16])
def test_many_short_integers_are_shown_as_few_are(dtype: type) -> None:
    """Large pictures go through a table of all values; small ones are computed."""
    span = np.iinfo(dtype)
    rng = np.random.default_rng(0)
    image = rng.integers(span.min, span.max, (300, 300), dtype, endpoint=True)
    options = {"low": float(span.min) / 2 - 3, "high": float(span.max) * 0.8, "gamma": 0.7}
    whole = gray(image, **options)
    for row in (0, 150, 299):
        np.testing.assert_array_equal(whole[row : row + 1], gray(image[row : row + 1], **options))


def test_big_endian_values_are_the_same_picture() -> None:
    np.testing.assert_array_equal(gray(RAMP.astype(">u2")), gray(RAMP))
    big = np.tile(RAMP, (5, 5))
    np.testing.assert_array_equal(gray(big.astype(">u2")), gray(big))


def test_channels_are_chosen_by_index_and_by_name() -> None:
    stack = np.stack([RAMP, RAMP[::-1], RAMP.T, RAMP * 2])
    image = Image(stack, "CYX", channel_names=("a", "b", "c", "d"))
    np.testing.assert_array_equal(gray(image, channels=1), gray(RAMP[::-1]))
    np.testing.assert_array_equal(gray(image, channels="c"), gray(RAMP.T))
    rgb = to_rgb(image, channels=["c", 0, "1"])
    np.testing.assert_array_equal(rgb[..., 0], gray(RAMP.T))
    np.testing.assert_array_equal(rgb[..., 1], gray(RAMP))
    np.testing.assert_array_equal(rgb[..., 2], gray(RAMP[::-1]))


def test_channels_of_plain_arrays_lie_last() -> None:
    cube = np.stack([RAMP * k for k in (1, 2, 3, 4, 5)], axis=-1)
    np.testing.assert_array_equal(gray(cube, channels=4, joint=False), gray(RAMP * 5))


def test_channels_in_colours_are_added_up_and_clipped() -> None:
    first, second = np.zeros((2, 4, 4), np.uint8)
    first[0], second[:, 0] = 255, 128
    image = Image(np.stack([first, second]), "CYX")
    rgb = to_rgb(image, colors=["#ff8000", "yellow"])
    assert rgb[0, 1].tolist() == [255, 128, 0]
    assert rgb[1, 0].tolist() == [128, 128, 0]
    assert rgb[0, 0].tolist() == [255, 255, 0]
    assert rgb[2, 2].tolist() == [0, 0, 0]


def test_two_channels_become_green_and_magenta_unasked() -> None:
    image = Image(np.eye(2, dtype=np.uint8).reshape(2, 1, 2) * 200, "CYX")
    assert to_rgb(image).tolist() == [[[0, 200, 0], [200, 0, 200]]]


def test_dyes_in_the_names_of_channels_choose_their_colours() -> None:
    image = Image(
        np.eye(3, dtype=np.uint8).reshape(3, 1, 3) * 255,
        "CYX",
        channel_names=("DAPI", "mCherry", "EGFP"),
    )
    assert to_rgb(image).tolist() == [[[0, 0, 255], [255, 0, 0], [0, 255, 0]]]


def test_channels_of_fluorescence_have_a_stretch_each() -> None:
    image = Image(np.stack([RAMP, RAMP // 100]), "CYX")
    rgb = to_rgb(image)
    np.testing.assert_array_equal(rgb[..., 1], gray(RAMP))
    np.testing.assert_array_equal(rgb[..., 0], gray(RAMP // 100))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_near_infrared_beside_red_green_and_blue_is_left_out(dtype: type) -> None:
    values = np.random.default_rng(5).integers(0, 250, (30, 40, 4)).astype(dtype)
    names = ("Blue", "Green", "Red", "band 4")
    aerial = Image(values, "YXC", channel_names=names)
    np.testing.assert_array_equal(to_rgb(aerial), to_rgb(values[..., [2, 1, 0]]))
    assert not np.array_equal(to_rgb(aerial), to_rgb(aerial, channels=[2, 1, 3]))


def test_a_stack_is_seen_as_a_plane_or_a_projection() -> None:
    planes = np.stack([RAMP, RAMP[::-1], RAMP.T])
    image = Image(planes, "ZYX", name="stack")
    np.testing.assert_array_equal(gray(image, z=2), gray(RAMP.T))
    np.testing.assert_array_equal(gray(image, z="middle"), gray(RAMP[::-1]))
    np.testing.assert_array_equal(gray(image, z="max"), gray(planes.max(axis=0)))
    np.testing.assert_array_equal(gray(image, z="mean"), gray(planes.mean(axis=0)))
    with pytest.raises(ImageError, match="z="):
        to_rgb(image)


def test_dicom_is_seen_through_its_window_unless_told_otherwise() -> None:
    image = Image(RAMP.astype(np.int16), "YX", metadata={"window": (2000.0, 2000.0)})
    np.testing.assert_array_equal(gray(image), gray(RAMP, low=1000, high=3000))
    np.testing.assert_array_equal(gray(image, window=(40, 80)), gray(RAMP, low=0, high=80))
    np.testing.assert_array_equal(gray(image, low="0%", high="100%"), gray(RAMP, low=0, high=4095))


def test_values_that_stand_for_no_data_are_black_and_do_not_count() -> None:
    values = RAMP.astype(np.int16)
    holed = values.copy()
    holed[5, 5] = -9999
    shown = gray(Image(holed, "YX", metadata={"nodata": -9999.0}), percentiles=(0, 100))
    assert shown[5, 5] == 0
    values[5, 5] = 0
    np.testing.assert_array_equal(shown, gray(values, percentiles=(0, 100)))


def test_a_spectral_cube_is_shown_in_true_colour() -> None:
    nm = np.arange(400.0, 701, 10)
    cube = np.zeros((1, 3, len(nm)))
    for pixel, (low, high) in enumerate([(600, 700), (500, 570), (400, 480)]):
        cube[0, pixel, (nm >= low) & (nm <= high)] = 0.8
    rgb = to_rgb(Image(cube, "YXC", wavelengths=nm))[0]
    assert rgb.argmax(axis=1).tolist() == [0, 1, 2]


def test_uneven_ground_is_taken_away_below_bright_objects() -> None:
    y, x = np.mgrid[:200, :200]
    ground = 1000 + 4.0 * x + 3.0 * y
    spots = ((x % 40 - 20) ** 2 + (y % 40 - 20) ** 2 < 36) * 500.0
    shown = gray((ground + spots).astype(np.uint16), background=25)
    inside, outside = spots > 0, spots == 0
    margin = np.zeros_like(inside)
    margin[20:-20, 20:-20] = True
    assert shown[inside & margin].min() > 180
    assert np.percentile(shown[outside & margin], 95) < 60


def test_local_equalisation_raises_contrast_where_there_is_little() -> None:
    rng = np.random.default_rng(0)
    image = np.full((128, 128), 0.5)
    image[:, :64] += rng.normal(0, 0.01, (128, 64))
    image[:, 64:] += rng.normal(0, 0.2, (128, 64))
    plain = gray(image).astype(float)
    equal = gray(image, clahe=0.03).astype(float)
    assert equal[:, :60].std() > 3 * plain[:, :60].std()
    colour = to_rgb(np.dstack([image, image / 2, image / 4]), clahe=True)
    assert colour.shape == (128, 128, 3)
    assert (colour[..., 0].astype(int) >= colour[..., 1]).mean() > 0.95
    np.testing.assert_array_equal(gray(np.full((9, 9), 3.0), clahe=True), 0)


def test_no_value_at_all_between_black_and_white_is_still_a_picture() -> None:
    assert gray(RAMP, low=10_000, high=20_000).max() == 0
    assert gray(RAMP, low="99.5%", high=10, joint=True).max() == 255


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"low": 5, "high": 5}, "not below"),
        ({"low": "60%", "high": "40%"}, "not below"),
        ({"low": "-1%"}, "0% to 100%"),
        ({"low": "many"}, "neither a number"),
        ({"high": float("nan")}, "neither a number"),
        ({"low": (1, 2)}, "2 limits for 1 channels"),
        ({"gamma": 0}, "gamma"),
        ({"gamma": float("nan")}, "gamma"),
        ({"clahe": 3}, "clahe"),
        ({"background": -3}, "radius"),
        ({"window": (5, 0)}, "width above 0"),
        ({"window": (5, 10), "low": 3}, "give only one"),
        ({"percentiles": (1, 2), "window": (5, 10)}, "give only one"),
        ({"channels": 7}, "no channel 7"),
        ({"channels": "DAPI"}, "no channel 'DAPI'"),
        ({"channels": []}, "empty"),
        ({"channels": 1.5}, "neither an index"),
        ({"colors": ["teal", "red"]}, "colour"),
        ({"colors": ["geen"]}, "did you mean green"),
        ({"colors": [(2, 0, 0)]}, "from 0 to 1"),
    ],
)
def test_options_that_cannot_be_are_refused_in_one_sentence(options: dict, part: str) -> None:
    with pytest.raises(ImageError) as caught:
        to_rgb(Image(RAMP, "YX"), **options)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_many_channels_without_wavelengths_must_be_chosen_from() -> None:
    with pytest.raises(ImageError, match=r"12 channels.*channels="):
        to_rgb(Image(np.zeros((12, 5, 5)), "CYX"))
