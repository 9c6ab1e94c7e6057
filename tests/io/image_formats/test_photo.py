"""PNG, JPEG, BMP and WebP: depth and colours kept, damage and bombs refused."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from PIL import Image as PillowImage

from anymask.errors import ImageError
from anymask.io.read_images import read, read_rgb
from tests.io.refusals import sentence


def noise(shape: tuple[int, ...], dtype: type) -> np.ndarray:
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape).astype(dtype)


@pytest.mark.parametrize(
    ("mode", "axes", "dtype"),
    [
        ("1", "YX", np.bool_),
        ("L", "YX", np.uint8),
        ("RGB", "YXS", np.uint8),
        ("RGBA", "YXS", np.uint8),
        ("I;16", "YX", np.uint16),
    ],
)
def test_values_are_those_of_the_file(mode: str, axes: str, dtype: type, tmp_path: Path) -> None:
    if mode == "I;16":
        picture = PillowImage.fromarray(noise((9, 11), np.uint16))
    else:
        picture = PillowImage.fromarray(noise((9, 11, 4), np.uint8)).convert(mode)
    picture.save(tmp_path / "a.png")
    image = read(tmp_path / "a.png")
    assert (image.axes, image.dtype, image.name) == (axes, dtype, "a")
    assert image.metadata["format"] == "PNG"
    np.testing.assert_array_equal(image.array, np.asarray(picture))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bit_png_keeps_its_depth(channels: int, tmp_path: Path) -> None:
    deep = noise((9, 11, channels), np.uint16)
    (tmp_path / "deep.png").write_bytes(imagecodecs.png_encode(deep.squeeze()))
    image = read(tmp_path / "deep.png")
    assert image.dtype == np.uint16
    expected = deep[..., [0, 0, 0, 1]] if channels == 2 else deep.squeeze()
    np.testing.assert_array_equal(image.array, expected)


def test_a_deep_png_is_turned_upright_too(tmp_path: Path) -> None:
    deep = noise((4, 6, 3), np.uint16)
    content = imagecodecs.png_encode(deep)
    exif = PillowImage.Exif()
    exif[0x0112] = 6
    body = exif.tobytes().removeprefix(b"Exif\0\0")
    chunk = struct.pack(">I", len(body)) + b"eXIf" + body
    chunk += struct.pack(">I", zlib.crc32(chunk[4:]))
    (tmp_path / "deep.png").write_bytes(content[:33] + chunk + content[33:])
    np.testing.assert_array_equal(read(tmp_path / "deep.png").array, np.rot90(deep, -1))


@pytest.mark.parametrize("mode", ["LA", "P"])
def test_transparency_is_kept_as_a_fourth_sample(mode: str, tmp_path: Path) -> None:
    clear = PillowImage.fromarray(noise((9, 11, 4), np.uint8)).convert(mode)
    if mode == "P":
        clear.save(tmp_path / "a.png", transparency=3)
    else:
        clear.save(tmp_path / "a.png")
    with PillowImage.open(tmp_path / "a.png") as saved:
        expected = np.asarray(saved.convert("RGBA"))
    assert (expected[..., 3] < 255).any()
    np.testing.assert_array_equal(read(tmp_path / "a.png").array, expected)


def test_dpi_is_kept_but_is_not_a_pixel_size(tmp_path: Path) -> None:
    PillowImage.new("L", (4, 3)).save(tmp_path / "a.png", dpi=(600, 300))
    image = read(tmp_path / "a.png")
    np.testing.assert_allclose(image.metadata["dpi"], (600, 300), atol=0.1)
    assert image.pixel_size is None


def test_a_frame_of_an_animation_is_chosen_by_page(tmp_path: Path) -> None:
    frames = [PillowImage.fromarray(np.full((5, 6, 3), level, np.uint8)) for level in (10, 90, 200)]
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:], lossless=True)
    assert "has 3 images; choose one with page=0 to page=2" in sentence(tmp_path / "a.webp")
    assert read(tmp_path / "a.webp", page=2).array[0, 0, 0] == 200
    assert read(tmp_path / "a.webp", page=-3).array[0, 0, 0] == 10
    assert "no page=3" in sentence(tmp_path / "a.webp", page=3)


def test_options_of_other_formats_are_refused_by_name(tmp_path: Path) -> None:
    PillowImage.new("L", (4, 3)).save(tmp_path / "a.png")
    assert "level= does not apply" in sentence(tmp_path / "a.png", level=1)
    assert "no page=1; there is only page=0" in sentence(tmp_path / "a.png", page=1)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9])
def test_cut_off_16_bit_png_is_refused(channels: int, kept: float, tmp_path: Path) -> None:
    content = imagecodecs.png_encode(noise((50, 60, channels), np.uint16).squeeze())
    (tmp_path / "a.png").write_bytes(content[: int(kept * len(content))])
    sentence(tmp_path / "a.png")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp"])
def test_files_with_bytes_changed_are_read_or_refused_in_one_sentence(
    suffix: str, tmp_path: Path
) -> None:
    path = tmp_path / f"a{suffix}"
    PillowImage.fromarray(noise((40, 50, 3), np.uint8)).save(path)
    content = path.read_bytes()
    rng = np.random.default_rng(1)
    for _ in range(60):
        changed = bytearray(content)
        for place in rng.integers(0, min(len(content), 400), 4):
            changed[place] = rng.integers(256)
        path.write_bytes(changed)
        try:
            image = read(path)
        except ImageError as error:
            assert "\n" not in str(error)
            assert str(path) in str(error)
        else:
            assert image.array.dtype == np.uint8


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


@pytest.mark.parametrize(("depth", "colour"), [(8, 2), (16, 2), (16, 6), (1, 0)])
def test_a_png_of_60000_pixels_square_is_refused_with_its_size(
    depth: int, colour: int, tmp_path: Path
) -> None:
    header = struct.pack(">IIBBBBB", 60_000, 60_000, depth, colour, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    content += chunk(b"IDAT", zlib.compress(bytes(100_000))) + chunk(b"IEND", b"")
    (tmp_path / "bomb.png").write_bytes(content)
    assert "3,600,000,000 pixels" in sentence(tmp_path / "bomb.png")


def test_a_text_chunk_that_inflates_without_end_is_refused(tmp_path: Path) -> None:
    PillowImage.new("L", (4, 3)).save(tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    text = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(50_000_000), 9))
    (tmp_path / "a.png").write_bytes(content[:33] + text + content[33:])
    sentence(tmp_path / "a.png")


@pytest.mark.parametrize("name", ["mit leer zeichen.png", "größe-µ-田.png"])
def test_paths_with_spaces_and_other_letters_are_read(name: str, tmp_path: Path) -> None:
    PillowImage.new("RGB", (4, 3), (1, 2, 3)).save(tmp_path / name)
    assert read_rgb(tmp_path / name).shape == (3, 4, 3)
    assert read(str(tmp_path / name)).name == Path(name).stem
