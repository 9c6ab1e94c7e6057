"""Picture files to arrays, and what users name to lists of files."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from anymask.errors import ImageError
from anymask.images.normalize import to_rgb
from anymask.io.image_formats import photo
from anymask.io.listing import list_images
from anymask.io.read_images import read_rgb


def one_sentence(error: pytest.ExceptionInfo[ImageError], path: Path) -> str:
    message = str(error.value)
    assert "\n" not in message
    assert str(path) in message
    return message


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.png", {}),
        ("a.PNG", {}),
        ("a.bmp", {}),
        ("a.webp", {"lossless": True}),
        ("a.tif", {}),
        ("a.tiff", {"compression": "tiff_lzw"}),
        ("a.tif", {"compression": "tiff_adobe_deflate"}),
    ],
)
def test_lossless_files_give_back_their_pixels(
    name: str, options: dict[str, Any], scene: np.ndarray, tmp_path: Path
) -> None:
    Image.fromarray(scene).save(tmp_path / name, **options)
    np.testing.assert_array_equal(read_rgb(tmp_path / name), scene)


@pytest.mark.parametrize("name", ["a.jpg", "a.JPEG"])
def test_jpeg_comes_close(name: str, scene: np.ndarray, tmp_path: Path) -> None:
    Image.fromarray(scene).save(tmp_path / name, quality=97)
    assert np.abs(read_rgb(tmp_path / name).astype(int) - scene).mean() < 8


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "1"])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_gray_palette_alpha_and_bilevel_files_become_what_they_show(
    mode: str, suffix: str, scene: np.ndarray, tmp_path: Path
) -> None:
    image = Image.fromarray(scene).convert(mode)
    image.save(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(read_rgb(tmp_path / f"a{suffix}"), image.convert("RGB"))


def test_cmyk_becomes_rgb(scene: np.ndarray, tmp_path: Path) -> None:
    image = Image.fromarray(scene).convert("CMYK")
    image.save(tmp_path / "a.tif")
    np.testing.assert_array_equal(read_rgb(tmp_path / "a.tif"), image.convert("RGB"))


@pytest.mark.parametrize("suffix", [".png", ".tif", ".npy"])
def test_16_bit_gray_is_stretched_as_to_rgb_does(suffix: str, tmp_path: Path) -> None:
    deep = np.random.default_rng(0).integers(0, 5000, (30, 40)).astype(np.uint16)
    path = tmp_path / f"deep{suffix}"
    if suffix == ".npy":
        np.save(path, deep)
    else:
        Image.fromarray(deep).save(path)
    np.testing.assert_array_equal(read_rgb(path), to_rgb(deep))


def test_16_bit_gray_in_a_compression_that_needs_pillow_is_read(tmp_path: Path) -> None:
    deep = np.random.default_rng(0).integers(0, 5000, (30, 40)).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.tif", compression="tiff_lzw")
    np.testing.assert_array_equal(read_rgb(tmp_path / "deep.tif"), to_rgb(deep))


@pytest.mark.parametrize("planar", [False, True])
def test_16_bit_rgb_tiff_keeps_its_channels(planar: bool, tmp_path: Path) -> None:
    deep = np.random.default_rng(1).integers(0, 60_000, (20, 24, 3)).astype(np.uint16)
    if planar:
        stored, config = np.moveaxis(deep, -1, 0), "separate"
    else:
        stored, config = deep, "contig"
    path = tmp_path / "deep.tif"
    tifffile.imwrite(path, stored, photometric="rgb", planarconfig=config)
    np.testing.assert_array_equal(read_rgb(path), to_rgb(deep))


def test_float_tiff_with_nan_is_read(tmp_path: Path) -> None:
    values = np.linspace(-1, 1, 600, dtype=np.float32).reshape(20, 30)
    values[4, 5] = np.nan
    tifffile.imwrite(tmp_path / "f.tif", values)
    rgb = read_rgb(tmp_path / "f.tif")
    np.testing.assert_array_equal(rgb, to_rgb(values))
    assert not rgb[4, 5].any()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_tiff_whose_zero_is_white_is_shown_as_meant(dtype: type, tmp_path: Path) -> None:
    ramp = np.tile(np.arange(0, 256, 4), (8, 1)).astype(dtype)
    tifffile.imwrite(tmp_path / "w.tif", ramp, photometric="miniswhite")
    shown = read_rgb(tmp_path / "w.tif")[0, :, 0].astype(int)
    assert np.all(np.diff(shown) <= 0)
    assert shown[0] >= 252
    assert shown[-1] <= 3


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_a_picture_taken_with_the_camera_on_its_side_is_turned_upright(
    suffix: str, scene: np.ndarray, tmp_path: Path
) -> None:
    stored = Image.fromarray(np.rot90(scene))
    exif = stored.getexif()
    exif[0x0112] = 6  # "turn by 90° clockwise to see it upright"
    stored.save(tmp_path / f"turned{suffix}", exif=exif)
    upright = read_rgb(tmp_path / f"turned{suffix}")
    assert upright.shape == scene.shape
    assert np.abs(upright.astype(int) - scene).mean() < 10


@pytest.mark.parametrize("orientation", range(1, 9))
def test_deep_and_8_bit_tiffs_are_turned_alike(orientation: int, tmp_path: Path) -> None:
    stored = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
    tag = [(274, "H", 1, orientation, True)]
    tifffile.imwrite(tmp_path / "8.tif", stored, extratags=tag, photometric="minisblack")
    tifffile.imwrite(tmp_path / "16.tif", stored * np.uint16(100), extratags=tag)
    deep = read_rgb(tmp_path / "16.tif").astype(int)
    shallow = read_rgb(tmp_path / "8.tif").astype(int)
    assert deep.shape == shallow.shape
    np.testing.assert_array_equal(np.argsort(deep[..., 0], None), np.argsort(shallow[..., 0], None))


def test_a_planar_multichannel_tiff_of_three_channels_is_colour(tmp_path: Path) -> None:
    channels = np.zeros((3, 10, 12), np.uint8)
    channels[1] = 200
    path = tmp_path / "c.ome.tif"
    tifffile.imwrite(path, channels, photometric="minisblack", metadata={"axes": "CYX"})
    np.testing.assert_array_equal(read_rgb(path)[0, 0], [0, 200, 0])


def test_the_thumbnail_in_a_tiff_does_not_hide_its_picture(
    scene: np.ndarray, tmp_path: Path
) -> None:
    with tifffile.TiffWriter(tmp_path / "t.tif") as writer:
        writer.write(scene, photometric="rgb")
        writer.write(scene[::8, ::8], photometric="rgb")
    np.testing.assert_array_equal(read_rgb(tmp_path / "t.tif"), scene)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_stack_is_refused_with_its_number_of_pictures(dtype: type, tmp_path: Path) -> None:
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, np.zeros((5, 20, 30), dtype), photometric="minisblack")
    with pytest.raises(ImageError, match="has 5 images") as error:
        read_rgb(path)
    one_sentence(error, path)


def test_a_cube_without_wavelengths_is_refused_with_its_number_of_channels(tmp_path: Path) -> None:
    path = tmp_path / "cube.npy"
    np.save(path, np.zeros((60, 70, 50)))
    with pytest.raises(ImageError, match="50 channels") as error:
        read_rgb(path)
    one_sentence(error, path)


def test_the_array_can_be_written_to(tmp_path: Path, scene: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", scene)
    Image.fromarray(scene).save(tmp_path / "a.png")
    for name in ("a.npy", "a.png"):
        rgb = read_rgb(tmp_path / name)
        rgb[0, 0] = 9
        assert (rgb[0, 0] == 9).all()


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp", ".tif", ".npy"])
@pytest.mark.parametrize("kept", [0, 3, 0.5])
def test_cut_off_files_are_refused_in_one_sentence(
    suffix: str, kept: float, scene: np.ndarray, tmp_path: Path
) -> None:
    path = tmp_path / f"cut{suffix}"
    if suffix == ".npy":
        np.save(path, scene)
    else:
        Image.fromarray(scene).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: kept if kept != 0.5 else len(content) // 2])
    with pytest.raises(ImageError) as error:
        read_rgb(path)
    one_sentence(error, path)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp", ".tif", ".npy"])
def test_text_under_a_picture_name_is_refused(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"text{suffix}"
    path.write_text("this is not a picture\n" * 20)
    with pytest.raises(ImageError) as error:
        read_rgb(path)
    assert "pickle" not in one_sentence(error, path)


def test_numpy_files_are_never_unpickled(tmp_path: Path) -> None:
    class Armed:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "fired",)

    np.save(tmp_path / "armed.npy", np.array([Armed()], dtype=object), allow_pickle=True)
    with pytest.raises(ImageError, match="no array of numbers") as error:
        read_rgb(tmp_path / "armed.npy")
    one_sentence(error, tmp_path / "armed.npy")
    assert not (tmp_path / "fired").exists()


def test_an_archive_named_npy_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", np.zeros((3, 3)))
    assert zipfile.is_zipfile(tmp_path / "a.npz")
    (tmp_path / "a.npz").rename(tmp_path / "a.npy")
    with pytest.raises(ImageError, match="no array of numbers"):
        read_rgb(tmp_path / "a.npy")


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_a_decompression_bomb_is_refused_unread(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"bomb{suffix}"
    side = int(photo.MAX_PIXELS**0.5) + 100
    options = {"compression": "group4"} if suffix == ".tif" else {}
    Image.new("1", (side, side)).save(path, **options)
    assert path.stat().st_size < 1e6
    with pytest.raises(ImageError, match="178,956,970 pixels") as error:
        read_rgb(path)
    one_sentence(error, path)


def test_a_false_shape_in_a_numpy_file_claims_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "vast.npy"
    header = {"descr": "<f8", "fortran_order": False, "shape": (99_999_999, 9_999, 3)}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        file.write(bytes(2400))
    with pytest.raises(ImageError, match="damaged") as error:
        read_rgb(path)
    one_sentence(error, path)


def test_missing_files_folders_and_unknown_suffixes_are_named(tmp_path: Path) -> None:
    cases = {"none.png": "There is no file", "sub": "is a folder", "a.gif": "suffix .gif"}
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.gif").write_bytes(b"GIF89a")
    for name, part in cases.items():
        with pytest.raises(ImageError, match=part) as error:
            read_rgb(tmp_path / name)
        one_sentence(error, tmp_path / name)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for name in ("b.png", "a.JPG", "c.tif", "notes.txt", ".hidden.png", "deep/d.npy", "deep/e.md"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return tmp_path


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def test_a_folder_stands_for_its_pictures_sorted_by_name(pictures: Path) -> None:
    assert names(list_images(pictures)) == ["a.JPG", "b.png", "c.tif"]


def test_patterns_expand_to_the_pictures_they_match(pictures: Path) -> None:
    assert names(list_images(str(pictures / "[ab].*"))) == ["a.JPG", "b.png"]
    assert names(list_images(str(pictures / "**" / "*.npy"))) == ["d.npy"]


def test_the_order_given_is_kept_and_no_file_comes_twice(pictures: Path) -> None:
    given = [pictures / "c.tif", pictures / "deep", str(pictures)]
    assert names(list_images(given)) == ["c.tif", "d.npy", "a.JPG", "b.png"]


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(tmp_path: Path) -> None:
    (tmp_path / "scan[1].png").touch()
    (tmp_path / "scan1.png").touch()
    assert names(list_images(tmp_path / "scan[1].png")) == ["scan[1].png"]


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("notes.txt", "suffix .txt"),
        ("gone.png", "no file or folder"),
        ("*.bmp", "no image in what"),
        ("empty", "no image in the folder"),
    ],
)
def test_inputs_that_mean_no_picture_are_named(name: str, part: str, pictures: Path) -> None:
    (pictures / "empty").mkdir()
    with pytest.raises(ImageError, match=part) as error:
        list_images([pictures / "b.png", pictures / name])
    one_sentence(error, pictures / name)
