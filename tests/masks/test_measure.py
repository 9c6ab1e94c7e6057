"""Measurements: scikit-image's numbers, in physical units, object by object."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.measure import regionprops_table

from anymask.errors import AnymaskError
from anymask.masks.mask_set import MaskSet
from anymask.masks.measure import PROPERTIES, measure

SAME_AS_SKIMAGE = (
    "num_pixels",
    "area",
    "perimeter",
    "perimeter_crofton",
    "axis_major_length",
    "axis_minor_length",
    "eccentricity",
    "area_convex",
    "solidity",
    "extent",
    "equivalent_diameter_area",
    "feret_diameter_max",
)
ONLY_SQUARE = ("perimeter", "perimeter_crofton")  # that scikit-image computes

objects = hnp.arrays(np.bool_, st.tuples(*[st.integers(1, 12)] * 2)).filter(np.any)


def disc(radius: float, high: float = 1, wide: float = 1) -> np.ndarray:
    rows, columns = int(radius / high) + 2, int(radius / wide) + 2
    y, x = np.mgrid[-rows : rows + 1, -columns : columns + 1]
    return ((y * high) ** 2 + (x * wide) ** 2 <= radius**2).astype(np.uint8)


@given(objects, st.sampled_from([(1, 1), (0.5, 0.5), (0.5, 2)]))
def test_shapes_are_those_of_scikit_image(pixels, size):
    labels = np.zeros((20, 22), np.uint8)
    labels[3 : 3 + pixels.shape[0], 5 : 5 + pixels.shape[1]][pixels] = 9
    names = [n for n in SAME_AS_SKIMAGE if size[0] == size[1] or n not in ONLY_SQUARE]
    expected = regionprops_table(
        labels, properties=[*names, "orientation", "centroid", "bbox"], spacing=size
    )
    found = measure(labels, pixel_size=size, unit="µm")
    for name in names:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-9, atol=1e-6, err_msg=name)
    # Half a turn, and any turn of what is round, is no difference.
    if found["eccentricity"][0] > 1e-3:
        apart = found["orientation"][0] - expected["orientation"][0]
        assert abs(math.remainder(apart, math.pi)) < 1e-6
    np.testing.assert_allclose(found["centroid_y"], expected["centroid-0"] / size[0])
    np.testing.assert_allclose(found["centroid_x"], expected["centroid-1"] / size[1])
    box = [found[f"bbox_{side}"][0] for side in ("y", "x", "height", "width")]
    top, left, bottom, right = (expected[f"bbox-{i}"][0] for i in range(4))
    assert box == [top, left, bottom - top, right - left]


@given(
    hnp.arrays(np.uint8, (7, 8), elements=st.integers(0, 3)).filter(np.any),
    hnp.arrays(np.float32, (7, 8, 2), elements=st.floats(-1e3, 1e3, width=32)),
)
def test_intensities_are_those_of_scikit_image(labels, image):
    kinds = ["intensity_mean", "intensity_std", "intensity_min", "intensity_max"]
    expected = regionprops_table(labels, image, properties=kinds)
    found = measure(labels, image, channel_names=["a", "b"])
    for kind in kinds:
        for name, index in (("a", 0), ("b", 1)):
            np.testing.assert_allclose(
                found[f"{kind}_{name}"], expected[f"{kind}-{index}"], rtol=1e-4, atol=1e-2
            )


def test_a_drawn_rectangle_measures_what_was_drawn():
    labels = np.zeros((30, 40), np.uint16)
    labels[4:10, 7:27] = 300
    found = measure(labels, pixel_size=(0.5, 0.25), unit="µm")
    assert found["id"].tolist() == [300]
    assert found["num_pixels"].tolist() == [120]
    assert found["area"][0] == pytest.approx(120 * 0.125)
    assert (found["centroid_x"][0], found["centroid_y"][0]) == (16.5, 6.5)
    assert [found[f"bbox_{k}"][0] for k in ("x", "y", "width", "height")] == [7, 4, 20, 6]
    assert found["feret_diameter_min"][0] == pytest.approx(3)
    assert found["solidity"][0] == found["extent"][0] == 1
    assert found["orientation"][0] == pytest.approx(math.pi / 2)  # along the columns


def test_a_line_that_falls_to_the_right_is_turned_clockwise():
    assert measure(np.eye(9, dtype=int))["orientation"][0] == pytest.approx(math.pi / 4)
    assert measure(np.eye(9, dtype=int)[::-1])["orientation"][0] == pytest.approx(-math.pi / 4)


@pytest.mark.parametrize("size", [(1, 1), (1, 3), (2, 1)])
def test_a_disc_has_the_measures_of_a_circle_for_any_pixel_shape(size):
    found = measure(disc(60, *size), pixel_size=size, unit="mm")
    assert found["area"][0] == pytest.approx(math.pi * 60**2, rel=0.01)
    assert found["perimeter_crofton"][0] == pytest.approx(2 * math.pi * 60, rel=0.02)
    assert found["circularity"][0] == pytest.approx(1, abs=0.04)
    assert found["axis_major_length"][0] == pytest.approx(120, rel=0.01)
    assert found["feret_diameter_max"][0] == pytest.approx(120, abs=2 * max(size) + 1)
    assert found["feret_diameter_min"][0] == pytest.approx(120, abs=2 * max(size) + 1)


def test_circularity_falls_from_disc_to_square_to_bar():
    square, bar = np.pad(np.ones((40, 40), int), 1), np.pad(np.ones((8, 80), int), 1)
    disc_, square_, bar_ = (measure(m)["circularity"][0] for m in (disc(20), square, bar))
    assert 1 >= disc_ > 0.95 > square_ > 0.85 > 0.4 > bar_


def test_masks_that_overlap_are_each_measured_whole():
    stack = np.zeros((2, 9, 9), bool)
    stack[0, 1:8, 1:8] = True
    stack[1, 3:6, 3:6] = True
    found = measure(MaskSet.from_masks(stack, class_names=["cell", "nucleus"]))
    assert found["area"].tolist() == [49, 9]
    assert found["class_name"].tolist() == ["cell", "nucleus"]


def test_an_empty_mask_has_no_shape():
    masks = MaskSet.from_masks(np.zeros((1, 4, 5), bool), predicted_iou=[0.5])
    found = measure(masks, np.ones((4, 5)))
    assert found["area"].tolist() == [0]
    assert found["predicted_iou"].tolist() == [0.5]
    for name in ("perimeter", "centroid_x", "solidity", "feret_diameter_max", "intensity_mean"):
        assert np.isnan(found[name]).all()


def test_no_masks_give_empty_columns():
    found = measure(np.zeros((4, 5), int), np.ones((4, 5)))
    assert {len(column) for column in found.values()} == {0}


@pytest.mark.parametrize("no_value", [np.nan, np.inf, -np.inf])
def test_pixels_without_value_are_left_out(no_value):
    image = np.array([[1.0, 2.0, no_value, 5.0]])
    found = measure(np.array([[1, 1, 1, 0]]), image)
    assert [found[f"intensity_{k}"][0] for k in ("mean", "std", "min", "max")] == [1.5, 0.5, 1, 2]
    assert np.isnan(measure(np.array([[0, 0, 1, 0]]), image)["intensity_max"][0])


def test_large_sums_do_not_overflow():
    image = np.full((200, 200), 65_535, np.uint16)
    found = measure(np.ones((200, 200), int), image)
    assert found["intensity_mean"][0] == 65_535
    assert found["intensity_std"][0] == 0


def test_units_stand_beside_the_columns_and_in_their_names():
    labels = np.pad(np.ones((3, 3), int), 1)
    found = measure(labels, pixel_size=0.5, unit="µm")
    assert found.units["area"] == "µm²"
    assert found.units["perimeter"] == "µm"
    assert found.units["centroid_x"] == "pixels"
    assert found.units["orientation"] == "rad"
    named = found.with_units_in_names()
    assert named["area_um2"][0] == found["area"][0] == 2.25
    assert {"perimeter_um", "centroid_x", "solidity", "num_pixels"} <= named.keys()
    assert list(measure(labels).with_units_in_names()) == list(measure(labels))
    assert measure(labels).units["area"] == "pixels"


def test_only_requested_properties_are_measured_in_the_usual_order():
    labels = np.ones((3, 3), int)
    found = measure(labels, np.ones((3, 3)), properties=["intensity_mean", "area", "bbox"])
    assert list(found) == [
        *("id", "area", "bbox_x", "bbox_y", "bbox_width", "bbox_height"),
        "intensity_mean",
    ]


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"properties": ["aera"]}, "'aera' cannot be measured"),
        ({"properties": ["intensity_mean"]}, "needs the image's values"),
        ({"pixel_size": 0.5}, "needs a unit"),
        ({"unit": "µm"}, "needs a pixel size"),
        ({"pixel_size": -1, "unit": "µm"}, "above 0"),
        ({"image": np.ones((2, 2))}, "3×3 pixels and the image is 2×2"),
        ({"image": np.ones((3, 3, 2)), "channel_names": ["a"]}, "2 channels and 1 channel names"),
        ({"image": np.ones((3, 3), complex)}, "of numbers"),
    ],
)
def test_unknown_properties_are_refused_in_one_sentence(options, what):
    with pytest.raises(AnymaskError, match=what) as caught:
        measure(np.ones((3, 3), int), **options)
    assert str(caught.value).endswith(".")


def test_more_objects_than_a_byte_can_count_are_all_measured():
    labels = np.zeros((800, 800), np.uint16)
    spot = disc(9)
    for number in range(400):
        y, x = divmod(number, 20)
        labels[y * 40 : y * 40 + 23, x * 40 : x * 40 + 23] = spot * np.uint16(number + 1)
    found = measure(labels, np.ones((800, 800), np.float32))
    assert len(found["id"]) == 400
    assert set(PROPERTIES) - {"centroid", "bbox", "area_px", "intensity_pixels"} <= found.keys()
