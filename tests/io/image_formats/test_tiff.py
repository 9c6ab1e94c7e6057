"""TIFF: all depths and layouts, lazily where large; names, sizes and units kept."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image as PillowImage

from anymask.errors import ImageError
from anymask.images import memory
from anymask.images.lazy import LazyArray
from anymask.io.image_formats.tiff import series
from anymask.io.read_images import read, read_rgb
from tests.io.refusals import sentence


def noise(shape: tuple[int, ...], dtype: Any = np.uint16) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, shape).astype(dtype)


@pytest.fixture
def never_eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small files are treated as large ones are."""
    monkeypatch.setattr(series, "EAGER_BYTES", 0)


@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("dtype", ["u1", "u2", "u4", "i1", "i2", "i4", "f2", "f4", "f8", "c8", "?"])
def test_all_depths_come_back_as_written(
    dtype: str, byteorder: Any, bigtiff: bool, tmp_path: Path
) -> None:
    array = noise((20, 30), dtype)
    tifffile.imwrite(
        tmp_path / "a.tif", array, byteorder=byteorder, bigtiff=bigtiff, photometric="minisblack"
    )
    image = read(tmp_path / "a.tif")
    assert (image.axes, image.dtype) == ("YX", array.dtype)
    assert image.array.dtype.isnative
    assert image.metadata["format"] == ("BigTIFF" if bigtiff else "TIFF")
    np.testing.assert_array_equal(image.array, array)


LAYOUTS: dict[str, dict[str, Any]] = {
    "strips": {"rowsperstrip": 7},
    "deflate": {"compression": "zlib", "predictor": True, "rowsperstrip": 7},
    "lzw": {"compression": "lzw", "rowsperstrip": 7},
    "zstd": {"compression": "zstd", "rowsperstrip": 7},
    "one strip": {"compression": "zlib"},
    "tiles": {"tile": (16, 32)},
    "deflated tiles": {"tile": (16, 32), "compression": "zlib", "predictor": True},
}
SHAPES: dict[str, tuple[tuple[int, ...], dict[str, Any], str]] = {
    "gray": ((45, 70), {"photometric": "minisblack"}, "YX"),
    "rgb": ((45, 70, 3), {"photometric": "rgb"}, "YXS"),
    "planar rgb": ((3, 45, 70), {"photometric": "rgb", "planarconfig": "separate"}, "YXS"),
    "bands": ((45, 70, 6), {"photometric": "minisblack", "planarconfig": "contig"}, "YXC"),
    "planar": ((6, 45, 70), {"photometric": "minisblack", "planarconfig": "separate"}, "CYX"),
    "pages": ((4, 45, 70), {"photometric": "minisblack"}, "ZYX"),
    "rgb pages": ((4, 45, 70, 3), {"photometric": "rgb"}, "ZYXS"),
    "two levels": ((2, 4, 45, 70), {"photometric": "minisblack"}, "TZYX"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_any_layout_is_read_lazily_and_at_once_alike(
    kind: str,
    layout: str,
    byteorder: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shape, options, axes = SHAPES[kind]
    stored = noise(shape)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, stored, byteorder=byteorder, **options, **LAYOUTS[layout])
    expected = np.moveaxis(stored, 0, -1) if kind == "planar rgb" else stored
    eager = read(path)
    assert eager.axes == axes
    np.testing.assert_array_equal(eager.numpy(), expected)
    monkeypatch.setattr(series, "EAGER_BYTES", 0)
    image = read(path)
    assert image.axes == axes
    part = image.region(top=13, left=25, height=20, width=30)
    picks = tuple({"Y": slice(13, 33), "X": slice(25, 55)}.get(axis, slice(None)) for axis in axes)
    np.testing.assert_array_equal(part.numpy(), expected[picks])
    np.testing.assert_array_equal(image.numpy(), expected)
    assert image.dtype == np.uint16


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    tile=st.sampled_from([None, (16, 16), (32, 16)]),
    shape=st.tuples(st.integers(1, 3), st.integers(2, 50), st.integers(2, 50)),
    data=st.data(),
)
def test_any_slices_of_any_tiles_are_those_of_the_array(
    tile: tuple[int, int] | None,
    shape: tuple[int, int, int],
    data: st.DataObject,
    never_eager: None,
    tmp_path: Path,
) -> None:
    array = noise(shape)
    path = tmp_path / "a.tif"
    options: dict[str, Any] = {"tile": tile} if tile else {"rowsperstrip": 5}
    tifffile.imwrite(path, array, photometric="minisblack", compression="zlib", **options)
    image = read(path)
    held = array if image.ndim == 3 else array[0]
    index = tuple(data.draw(st.slices(n)) for n in image.shape)
    np.testing.assert_array_equal(image.array[index], held[index])


def test_uncompressed_files_are_mapped(never_eager: None, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", noise((5, 20, 30)), photometric="minisblack")
    image = read(tmp_path / "a.tif")
    assert isinstance(image.array, np.memmap)
    assert image.array.flags.writeable is False


def test_only_the_tiles_of_a_region_are_decoded(
    never_eager: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, noise((256, 256)), tile=(32, 32), compression="zlib")
    image = read(path)
    assert isinstance(image.array, LazyArray)
    read_bytes = []
    real = tifffile.FileHandle.read

    def counting(self: Any, size: int = -1, /) -> bytes:
        read_bytes.append(size)
        return real(self, size)

    image.array[0, 0]  # the file is open now
    monkeypatch.setattr(tifffile.FileHandle, "read", counting)
    image.region(40, 40, 40, 20).numpy()
    assert len(read_bytes) == 2
    assert sum(read_bytes) < path.stat().st_size / 20


def test_a_file_of_60000_pixels_square_is_read_by_region(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "vast.tif"
    side = 60_000
    bright = np.full((1024, 1024), 200, np.uint8)

    def tiles() -> Any:
        for row in range(59):
            for column in range(59):
                # The writer wants an array first; what is None takes no room in the file.
                blank = bright * 0 if (row, column) == (0, 0) else None
                yield bright if (row, column) == (30, 40) else blank

    tifffile.imwrite(
        path, tiles(), shape=(side, side), dtype=np.uint8, tile=(1024, 1024), compression="zlib"
    )
    assert path.stat().st_size < 1e6
    image = read(path)
    part = image.region(30 * 1024 - 2, 40 * 1024 - 3, 4, 6).numpy()
    np.testing.assert_array_equal(part[2:, 3:], 200)
    assert not part[:2].any()
    with pytest.raises(ImageError, match="60000×60000 pixels"):
        read_rgb(path)
    monkeypatch.setattr(memory, "available_memory", lambda: 4 << 30)
    with pytest.raises(ImageError, match=r"60000×60000 values, which take 3\.4 GB.*region"):
        image.numpy()


def test_a_single_strip_larger_than_the_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "strip.tif"
    tifffile.imwrite(path, np.zeros((9000, 9000), np.uint8), compression="zlib", rowsperstrip=9000)
    monkeypatch.setattr(memory, "available_memory", lambda: 100 << 20)
    assert "A strip of" in sentence(path)


def test_lazy_files_can_be_sent_to_other_processes(never_eager: None, tmp_path: Path) -> None:
    array = noise((45, 70))
    tifffile.imwrite(tmp_path / "a.tif", array, compression="zlib")
    image = pickle.loads(pickle.dumps(read(tmp_path / "a.tif")))
    np.testing.assert_array_equal(image.numpy(), array)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_large_files_are_turned_and_inverted_as_small_ones_are(
    orientation: int,
    compression: str | None,
    photometric: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tifffile.imwrite(
        tmp_path / "a.tif",
        noise((20, 30)),
        extratags=[(274, "H", 1, orientation, True)],
        compression=compression,
        photometric=photometric,
    )
    small = read(tmp_path / "a.tif")
    monkeypatch.setattr(series, "EAGER_BYTES", 0)
    large = read(tmp_path / "a.tif")
    assert large.shape == ((30, 20) if orientation > 4 else (20, 30))
    np.testing.assert_array_equal(large.numpy(), small.numpy())
    np.testing.assert_array_equal(large.array[3:9, 5], small.array[3:9, 5])


def test_pages_are_chosen_one_by_one(tmp_path: Path) -> None:
    stack = noise((4, 20, 30))
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric="minisblack")
    image = read(tmp_path / "a.tif", page=2)
    assert image.axes == "YX"
    np.testing.assert_array_equal(image.array, stack[2])
    assert "no page=4; there is page=0 to page=3" in sentence(tmp_path / "a.tif", page=4)
    with pytest.raises(ImageError, match="not both"):
        read(tmp_path / "a.tif", page=1, series=0)


def test_pages_may_be_called_channels(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", noise((4, 20, 30)), photometric="minisblack")
    assert read(tmp_path / "a.tif", axes="CYX").n_channels == 4
    assert "does not fit" in sentence(tmp_path / "a.tif", axes="YX")


def test_one_of_several_series_is_chosen(tmp_path: Path) -> None:
    first, second = noise((20, 30)), noise((40, 50), np.uint8)
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(first)
        writer.write(second)
    assert "has 2 images; choose one with series=" in sentence(tmp_path / "a.tif")
    np.testing.assert_array_equal(read(tmp_path / "a.tif", series=1).array, second)
    np.testing.assert_array_equal(read(tmp_path / "a.tif", page=1).array, second)
    assert "no series=2" in sentence(tmp_path / "a.tif", series=2)


PHOTO = noise((40, 60, 3), np.uint8)


@pytest.mark.parametrize(
    "other", [noise((40, 60)), noise((40, 60), np.uint8), noise((20, 50, 3), np.uint8)]
)
def test_pages_that_differ_in_kind_are_named_whatever_their_order(
    tmp_path: Path, other: np.ndarray
) -> None:
    for pages in ((PHOTO, other), (other, PHOTO), (PHOTO, PHOTO, other), (other, other, PHOTO)):
        with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
            for page in pages:
                writer.write(page, metadata=None)
        said = sentence(tmp_path / "a.tif")
        assert "has 2 images; choose one with series=" in said
        assert f"{other.dtype} (" in said
        assert "uint8 (" in said


def test_a_small_copy_of_an_image_is_its_thumbnail(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(PHOTO, metadata=None)
        writer.write(PHOTO[::7, ::7], metadata=None)
    np.testing.assert_array_equal(read(tmp_path / "a.tif").array, PHOTO)


def test_overviews_and_masks_are_not_separate_images(tmp_path: Path) -> None:
    full = noise((64, 96))
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(full, tile=(16, 16))
        writer.write(np.ones((64, 96), bool), subfiletype=4, photometric=4)
        writer.write(full[::2, ::2], subfiletype=1, tile=(16, 16))
    np.testing.assert_array_equal(read(tmp_path / "a.tif").array, full)
    np.testing.assert_array_equal(read(tmp_path / "a.tif", level=1).array, full[::2, ::2])


@pytest.mark.parametrize("suffix", [".tif", ".TIFF", ".btf", ".tf8", ".ome.tf8"])
def test_big_tiff_is_read_under_its_names(suffix: str, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / f"a{suffix}", noise((20, 30)), bigtiff=True)
    image = read(tmp_path / f"a{suffix}")
    assert image.name == "a"
    assert image.metadata["format"] == "BigTIFF"


@pytest.mark.parametrize("large", [False, True])
def test_a_level_of_a_pyramid_has_larger_pixels(
    large: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(series, "EAGER_BYTES", 0 if large else 1 << 20)
    full = noise((64, 96))
    ome = {"axes": "YX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.25}
    with tifffile.TiffWriter(tmp_path / "a.ome.tif") as writer:
        options: dict[str, Any] = {"tile": (16, 16), "compression": "zlib"}
        writer.write(full, subifds=2, metadata=ome, **options)
        writer.write(full[::2, ::2], subfiletype=1, **options)
        writer.write(full[::4, ::4], subfiletype=1, **options)
    image = read(tmp_path / "a.ome.tif")
    assert image.name == "a"
    assert image.metadata["levels"] == 3
    assert image.pixel_size == (0.25, 0.5)
    coarse = read(tmp_path / "a.ome.tif", level=2)
    assert coarse.pixel_size == (1.0, 2.0)
    np.testing.assert_array_equal(coarse.numpy(), full[::4, ::4])
    assert "no level=3; there is level=0 to level=2" in sentence(tmp_path / "a.ome.tif", level=3)


def test_jpeg_compressed_tiff_looks_as_pillow_shows_it(scene: np.ndarray, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", scene, compression="jpeg", photometric="rgb")
    with PillowImage.open(tmp_path / "a.tif") as picture:
        shown = np.asarray(picture.convert("RGB")).astype(int)
    assert np.abs(read_rgb(tmp_path / "a.tif").astype(int) - shown).max() <= 2
    assert np.abs(shown - scene).mean() < 8


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_shallow_gray_is_scaled_to_what_it_shows(bits: int, tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    picture = PillowImage.fromarray(noise((9, 16), np.uint8))
    if bits == 1:
        picture.convert("1").save(path)
        assert read(path).dtype == np.bool_
        return
    levels = noise((9, 16), np.uint8) % 2**bits
    tifffile.imwrite(path, levels, bitspersample=bits, photometric="minisblack")
    np.testing.assert_array_equal(read(path).array, levels * (255 // (2**bits - 1)))


@pytest.mark.parametrize("compression", ["group3", "group4", "packbits", "tiff_ccitt"])
def test_scans_of_fax_machines_are_read(compression: str, tmp_path: Path) -> None:
    page = PillowImage.fromarray(noise((40, 64), np.uint8)).convert("1")
    page.save(tmp_path / "a.tif", compression=compression)
    np.testing.assert_array_equal(read(tmp_path / "a.tif").array, np.asarray(page))


@pytest.mark.parametrize("kept", [4, 9, 100, 0.3, 0.6, 0.99])
@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "jpeg", "zstd"])
@pytest.mark.parametrize("large", [False, True])
def test_cut_off_files_are_refused_in_one_sentence(
    large: bool,
    compression: str | None,
    kept: float,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(series, "EAGER_BYTES", 0 if large else 1 << 30)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, noise((64, 64), np.uint8), compression=compression, tile=(16, 16))
    content = path.read_bytes()
    path.write_bytes(content[: int(kept if kept > 1 else kept * len(content))])
    with pytest.raises(ImageError) as error:
        read(path).numpy()
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("compression", [None, "zlib", "lzw"])
@pytest.mark.parametrize("large", [False, True])
def test_files_with_bytes_changed_are_read_or_refused_in_one_sentence(
    large: bool, compression: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(series, "EAGER_BYTES", 0 if large else 1 << 22)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, noise((3, 30, 40)), compression=compression, photometric="minisblack")
    content = path.read_bytes()
    rng = np.random.default_rng(2)
    for _ in range(150):
        changed = bytearray(content)
        for place in rng.integers(0, 500, 3):
            changed[place] = rng.integers(256)
        path.write_bytes(changed)
        try:
            image = read(path)
            image.region(0, 0, 1, 1).numpy()
        except ImageError as error:
            assert "\n" not in str(error)
            assert str(path) in str(error)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (1, 1, 1), (1, 1, 3)])
def test_images_one_pixel_wide_are_read(shape: tuple[int, ...], tmp_path: Path) -> None:
    array = noise(shape)
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="minisblack")
    np.testing.assert_array_equal(read(tmp_path / "a.tif").numpy().ravel(), array.ravel())


def test_an_image_without_pixels_is_refused(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="zero-size|writing"):
        tifffile.imwrite(tmp_path / "a.tif", np.zeros((0, 5), np.uint8))
    sentence(tmp_path / "a.tif")


def test_paths_with_spaces_and_other_letters_are_read(never_eager: None, tmp_path: Path) -> None:
    array = noise((20, 30))
    for compression in (None, "zlib"):
        path = tmp_path / "größe µ 田.ome.TIFF"
        tifffile.imwrite(path, array, compression=compression)
        image = read(path)
        assert image.name == "größe µ 田"
        np.testing.assert_array_equal(image.numpy(), array)


def test_a_stack_that_is_cut_off_is_not_read_as_its_first_pages(tmp_path) -> None:
    planes = np.random.default_rng(0).integers(0, 60_000, (12, 64, 96)).astype(np.uint16)
    whole = tmp_path / "whole.ome.tif"
    tifffile.imwrite(whole, planes, metadata={"axes": "ZYX"})
    data = whole.read_bytes()
    path = tmp_path / "cut.ome.tif"
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ImageError, match="pages beyond its end"):
        read(path)
    np.testing.assert_array_equal(read(path, page=0).numpy(), planes[0])
