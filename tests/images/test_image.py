"""The image as read: named axes, planes, regions and channels, in memory and lazily."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from anymask.errors import ImageError
from anymask.images import memory
from anymask.images.image import Image
from anymask.images.lazy import Box, LazyArray


class Table:
    """An array behind boxes, that notes how much was asked of it."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array
        self.read_values = 0

    def __call__(self, box: Box) -> np.ndarray:
        assert all(s.start is not None and s.stop is not None and s.step > 0 for s in box)
        assert all(s.start >= 0 and s.stop <= n for s, n in zip(box, self.array.shape, strict=True))
        self.read_values += self.array[box].size
        return self.array[box]


def lazy(array: np.ndarray) -> LazyArray:
    return LazyArray(Table(array), array.shape, array.dtype, "table.x")


def numbered(*shape: int, dtype: Any = np.int32) -> np.ndarray:
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


basic = st.data()


@given(basic, hnp.array_shapes(min_dims=1, max_dims=4, max_side=6))
def test_lazy_arrays_are_indexed_as_arrays_are(data: st.DataObject, shape: tuple[int, ...]) -> None:
    array = numbered(*shape)
    index = data.draw(hnp.basic_indices(shape, allow_newaxis=False, allow_ellipsis=True))
    np.testing.assert_array_equal(lazy(array)[index], array[index])
    picks = index if isinstance(index, tuple) else (index,)
    view = lazy(array).select(picks)
    np.testing.assert_array_equal(np.asarray(view), array[picks])
    again = data.draw(hnp.basic_indices(view.shape, allow_newaxis=False, allow_ellipsis=True))
    np.testing.assert_array_equal(view[again], array[picks][again])


@given(basic, hnp.array_shapes(min_dims=2, max_dims=4, max_side=5))
def test_lazy_arrays_are_transposed_as_arrays_are(
    data: st.DataObject, shape: tuple[int, ...]
) -> None:
    array = numbered(*shape)
    order = data.draw(st.permutations(range(len(shape))))
    turned = lazy(array).transpose(order)
    index = data.draw(hnp.basic_indices(turned.shape, allow_newaxis=False, allow_ellipsis=True))
    np.testing.assert_array_equal(turned[index], array.transpose(order)[index])


def test_a_lazy_array_reads_what_is_asked_for_and_no_more() -> None:
    table = Table(numbered(10, 20, 30))
    array = LazyArray(table, (10, 20, 30), np.int32, "t")
    view = array.select((slice(None), slice(4, 8), slice(None, None, 3))).transpose([1, 2, 0])
    assert table.read_values == 0
    view[1]
    assert table.read_values == 10 * 10
    array[..., 10:10]
    assert table.read_values == 10 * 10


@pytest.mark.parametrize("index", [[1, 2], np.array([True, False]), None, 1.5, "a"])
def test_a_lazy_array_says_what_it_can_be_indexed_with(index: Any) -> None:
    with pytest.raises(IndexError, match="integers and slices"):
        lazy(numbered(2, 3))[index]


@pytest.mark.parametrize("index", [(0, 0, 0), 5, -3, (Ellipsis, Ellipsis)])
def test_indices_beyond_the_array_are_index_errors(index: Any) -> None:
    with pytest.raises(IndexError):
        lazy(numbered(2, 3))[index]


def test_what_a_decoder_raises_becomes_one_sentence_with_the_file() -> None:
    def broken(box: Box) -> np.ndarray:
        raise KeyError("no such tile\nin line two")

    with pytest.raises(ImageError, match=r"^a b\.tif cannot be read .*no such tile") as error:
        LazyArray(broken, (3, 3), np.uint8, "a b.tif")[0]
    assert "\n" not in str(error.value)


def test_values_come_in_the_native_byte_order() -> None:
    array = numbered(4, 5, dtype=">u2")
    assert lazy(array)[1:].dtype.isnative
    for held in (array, lazy(array)):
        image = Image(held, "YX")
        assert image.dtype == np.uint16
        assert image.dtype.isnative
        assert image.numpy().dtype.isnative
        assert image.channel(0).dtype.isnative
        np.testing.assert_array_equal(image.numpy(), array)


@pytest.mark.parametrize("hold", [lambda a: a, lazy])
def test_channels_are_the_same_whichever_way_the_axes_lie(hold: Any) -> None:
    cube = numbered(3, 4, 5)  # C, Y, X
    for axes in ("CYX", "YCX", "YXC", "XYC", "CXY"):
        order = ["CYX".index(axis) for axis in axes]
        image = Image(hold(cube.transpose(order)), axes)
        assert (image.height, image.width, image.n_channels) == (4, 5, 3)
        for index, channel in enumerate(image.channels()):
            np.testing.assert_array_equal(channel, cube[index])
        np.testing.assert_array_equal(image.channel(-1), cube[2])


def test_colour_samples_are_channels_too() -> None:
    picture = numbered(2, 4, 5, 3)
    image = Image(picture, "CYXS")
    assert image.n_channels == 6
    np.testing.assert_array_equal(image.channel(4), picture[1, :, :, 1])


def test_channels_are_found_by_name() -> None:
    image = Image(numbered(2, 4, 5), "CYX", channel_names=("DAPI", "GFP"))
    np.testing.assert_array_equal(image.channel("GFP"), image.array[1])
    with pytest.raises(ImageError, match="DAPI, GFP"):
        image.channel("gfp")
    with pytest.raises(ImageError, match="no channel 2"):
        image.channel(2)


@pytest.mark.parametrize("hold", [lambda a: a, lazy])
def test_a_plane_is_one_time_and_one_depth(hold: Any) -> None:
    stack = numbered(2, 5, 3, 4, 6)
    image = Image(hold(stack), "TZCYX", z_step=2.0, unit="µm", pixel_size=(1.0, 1.0))
    plane = image.plane(t=1, z=3)
    assert plane.axes == "CYX"
    assert plane.z_step is None
    assert plane.pixel_size == (1.0, 1.0)
    np.testing.assert_array_equal(plane.numpy(), stack[1, 3])
    np.testing.assert_array_equal(image.plane(t=-1, z="middle").numpy(), stack[1, 2])
    np.testing.assert_array_equal(image.plane(t=0, z="max").numpy(), stack[0].max(axis=0))
    mean = image.plane(t="mean", z="mean")
    np.testing.assert_allclose(mean.numpy(), stack.mean(axis=(0, 1)), rtol=1e-6)
    assert mean.dtype == np.float32


def test_projections_leave_out_nan() -> None:
    stack = np.ones((3, 2, 2), np.float32)
    stack[0, 0, 0], stack[:, 1, 1] = np.nan, np.nan
    stack[2] *= 4
    image = Image(stack, "ZYX")
    np.testing.assert_array_equal(image.plane(z="max").array, [[4, 4], [4, np.nan]])
    np.testing.assert_array_equal(image.plane(z="mean").array, [[2.5, 2], [2, np.nan]])


def test_a_projection_holds_one_plane_at_a_time() -> None:
    table = Table(numbered(50, 8, 8))
    largest = []

    def read(box: Box) -> np.ndarray:
        values = table(box)
        largest.append(values.size)
        return values

    Image(LazyArray(read, (50, 8, 8), np.int32, "t"), "ZYX").plane(z="mean")
    assert len(largest) == 50
    assert max(largest) == 64


def test_several_planes_want_a_choice() -> None:
    image = Image(numbered(2, 5, 4, 6), "TZYX", path=Path("s.tif"))
    with pytest.raises(ImageError, match=r"s\.tif has 2 time points; choose one with t=0 to t=1"):
        image.plane()
    with pytest.raises(ImageError, match="has 5 z planes"):
        image.plane(t=0)
    for wrong in (5, -6, "first", 1.0):
        with pytest.raises(ImageError, match="has 5 z planes"):
            image.plane(t=0, z=wrong)
    with pytest.raises(ImageError, match="one plane"):
        Image(numbered(4, 6), "YX").plane(z=3)
    assert Image(numbered(1, 4, 6), "ZYX").plane().axes == "YX"


@pytest.mark.parametrize("hold", [lambda a: a, lazy])
def test_a_region_is_cut_out_with_its_place_on_the_ground(hold: Any) -> None:
    cube = numbered(20, 30, 4)
    geo = {"transform": (1000.0, 0.5, 0.0, 2000.0, 0.0, -0.25), "crs": "EPSG:32632"}
    image = Image(hold(cube), "YXC", geo=geo, wavelengths=np.arange(4.0) + 500)
    part = image.region(top=4, left=10, height=6, width=8)
    np.testing.assert_array_equal(part.numpy(), cube[4:10, 10:18])
    assert part.geo is not None
    assert part.geo["transform"] == (1005.0, 0.5, 0.0, 1999.0, 0.0, -0.25)
    assert part.geo["crs"] == "EPSG:32632"
    assert image.geo == geo
    assert part.wavelengths is not None


def test_a_region_of_a_lazy_image_reads_only_that() -> None:
    table = Table(numbered(3, 1000, 1000))
    image = Image(LazyArray(table, (3, 1000, 1000), np.int32, "t"), "CYX")
    part = image.region(500, 500, 10, 20)
    assert table.read_values == 0
    part.channel(1)
    assert table.read_values == 200


@pytest.mark.parametrize("box", [(-1, 0, 5, 5), (0, 0, 0, 5), (16, 0, 5, 5), (0, 26, 5, 5)])
def test_a_region_beyond_the_image_is_refused(box: tuple[int, int, int, int]) -> None:
    with pytest.raises(ImageError, match=r"30×20 pixels.*not within"):
        Image(numbered(20, 30), "YX").region(*box)


@pytest.mark.parametrize(
    ("shape", "axes"),
    [((4, 5), "YXC"), ((4, 5, 3), "YX"), ((4, 5, 3), "YXX"), ((4, 5, 3), "CZT"), ((4, 5), "yx")],
)
def test_axes_that_do_not_fit_are_refused(shape: tuple[int, ...], axes: str) -> None:
    with pytest.raises(ImageError, match="axes"):
        Image(np.zeros(shape), axes)


def test_an_image_without_pixels_is_refused() -> None:
    with pytest.raises(ImageError, match="empty"):
        Image(np.zeros((0, 5)), "YX", name="none")


@pytest.mark.parametrize(
    "lists",
    [
        {"channel_names": ("a",)},
        {"wavelengths": np.arange(3.0)},
        {"bad_bands": np.zeros(1, bool)},
    ],
)
def test_lists_of_channels_have_the_length_of_the_channels(lists: dict[str, Any]) -> None:
    with pytest.raises(ImageError, match="for 2 channels"):
        Image(np.zeros((4, 5, 2)), "YXC", **lists)


def test_another_array_drops_what_no_longer_fits() -> None:
    image = Image(np.zeros((4, 5, 2)), "YXC", channel_names=("a", "b"), pixel_size=(2.0, 2.0))
    assert image.with_array(np.ones((4, 5, 2))).channel_names == ("a", "b")
    gray = image.with_array(np.ones((4, 5)), "YX")
    assert (gray.channel_names, gray.pixel_size) == (None, (2.0, 2.0))
    named = image.with_array(np.ones((4, 5, 3)), channel_names=("x", "y", "z"))
    assert named.channel_names == ("x", "y", "z")


def test_the_whole_of_what_does_not_fit_is_refused_with_its_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "available_memory", lambda: 8 << 30)
    table = LazyArray(Table(numbered(2, 2)), (60_000, 60_000), np.uint16, "vast.zarr")
    image = Image(table, "YX", path=Path("vast.zarr"))
    for read in (image.numpy, lambda: np.asarray(image), lambda: image.channel(0)):
        with pytest.raises(
            ImageError, match=r"vast\.zarr has 60000×60000 values, which take 6\.7 GB"
        ):
            read()


def test_a_mapped_channel_that_does_not_fit_is_refused_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "vast").open("wb") as file:
        file.truncate(40_000 * 40_000)  # no blocks on disk for what is not written
    image = Image(np.memmap(tmp_path / "vast", np.uint8, "r", shape=(40_000, 40_000)), "YX")
    monkeypatch.setattr(memory, "available_memory", lambda: 1 << 30)
    with pytest.raises(ImageError, match=r"40000×40000 values, which take 1\.5 GB"):
        image.channel(0)
    assert image.region(0, 0, 10, 10).channel(0).shape == (10, 10)


def test_the_machine_has_memory() -> None:
    assert 1 << 26 < memory.available_memory() < 1 << 46


def test_an_image_becomes_an_array_where_one_is_wanted() -> None:
    array = numbered(4, 5)
    image = Image(array, "YX")
    np.testing.assert_array_equal(np.asarray(image), array)
    assert np.asarray(image, np.float64).dtype == np.float64
    copied = np.array(image)
    copied[0, 0] = 99
    assert array[0, 0] == 0


def test_an_image_says_what_it_is_without_its_values() -> None:
    image = Image(
        np.zeros((4, 5, 2), np.uint8),
        "YXC",
        wavelengths=np.array([400.0, 1000.0]),
        pixel_size=(0.5, 0.5),
        unit="µm",
        name="leaf",
    )
    assert repr(image) == "<Image leaf: YXC 4×5×2 uint8, 400–1000 nm, pixels of 0.5×0.5 µm>"


def test_lazy_images_can_be_sent_to_other_processes() -> None:
    cube = numbered(3, 4, 5)
    image = Image(lazy(cube), "CYX").region(1, 1, 2, 2)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(image)).numpy(), cube[:, 1:3, 1:3])
