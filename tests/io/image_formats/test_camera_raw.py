"""Camera RAW: a DNG of one colour, as a camera's sensor with its mosaic of filters would see it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from anymask.errors import ImageError
from anymask.io.read_images import read, read_rgb
from tests.io.refusals import sentence

WHITE = 16_383
# From XYZ to linear sRGB: a camera whose filters are those of the screen.
MATRIX = (3.2406, -1.5372, -0.4986, -0.9689, 1.8758, 0.0415, 0.0557, -0.2040, 1.0570)


def write_dng(path: Path, colour: tuple[float, float, float], orientation: int = 1) -> None:
    mosaic = np.empty((64, 96), np.uint16)
    red, green, blue = (round(part * WHITE) for part in colour)
    mosaic[0::2, 0::2], mosaic[1::2, 1::2] = red, blue
    mosaic[0::2, 1::2] = mosaic[1::2, 0::2] = green
    matrix = [number for part in MATRIX for number in (round(part * 10_000), 10_000)]
    tags: list[Any] = [
        (50706, "B", 4, bytes([1, 4, 0, 0]), True),  # DNGVersion
        (50708, "s", 0, "drawn", True),  # UniqueCameraModel
        (33421, "H", 2, (2, 2), True),  # CFARepeatPatternDim
        (33422, "B", 4, bytes([0, 1, 1, 2]), True),  # CFAPattern
        (50721, "2i", 9, tuple(matrix), True),  # ColorMatrix1
        (50728, "2I", 3, (1,) * 6, True),  # AsShotNeutral
        (50778, "H", 1, 21, True),  # CalibrationIlluminant1
        (50717, "I", 1, WHITE, True),  # WhiteLevel
        (274, "H", 1, orientation, True),
    ]
    tifffile.imwrite(path, mosaic, photometric="cfa", extratags=tags, metadata=None)


def test_an_image_is_developed_to_the_colours_of_the_scene(tmp_path: Path) -> None:
    linear = np.array([0.4, 0.2, 0.05])
    write_dng(tmp_path / "leaf größe.DNG", (0.4, 0.2, 0.05))
    image = read(tmp_path / "leaf größe.DNG")
    assert (image.axes, image.shape, image.dtype) == ("YXS", (64, 96, 3), np.uint16)
    assert image.name == "leaf größe"
    shown = 1.099 * linear ** (1 / 2.222) - 0.099  # the curve of BT.709
    np.testing.assert_allclose(image.array[32, 48] / 65535, shown, atol=0.03)
    assert image.metadata["camera_white_balance"][0] > 0


def test_brightness_is_not_stretched(tmp_path: Path) -> None:
    for name, level in (("dark.dng", 0.1), ("bright.dng", 0.4)):
        write_dng(tmp_path / name, (level, level, level))
    dark, bright = (read(tmp_path / n).array.mean() for n in ("dark.dng", "bright.dng"))
    assert 1.5 < bright / dark < 3


def test_a_camera_on_its_side_gives_an_upright_image(tmp_path: Path) -> None:
    write_dng(tmp_path / "a.dng", (0.3, 0.3, 0.3), orientation=6)
    assert read(tmp_path / "a.dng").shape == (96, 64, 3)
    assert read_rgb(tmp_path / "a.dng").shape == (96, 64, 3)


@pytest.mark.parametrize("kept", [1, 100, 0.3, 0.7])
def test_cut_off_files_are_refused_in_one_sentence(kept: float, tmp_path: Path) -> None:
    write_dng(tmp_path / "a.dng", (0.3, 0.3, 0.3))
    content = (tmp_path / "a.dng").read_bytes()
    (tmp_path / "a.dng").write_bytes(content[: int(kept if kept >= 1 else kept * len(content))])
    sentence(tmp_path / "a.dng")


@pytest.mark.parametrize("suffix", [".dng", ".nef", ".CR2", ".arw"])
def test_text_under_such_a_name_is_refused(suffix: str, tmp_path: Path) -> None:
    (tmp_path / f"a{suffix}").write_text("this is not a picture\n" * 50)
    assert "cannot be read as camera RAW" in sentence(tmp_path / f"a{suffix}")


def test_bytes_changed_are_read_or_refused_in_one_sentence(tmp_path: Path) -> None:
    write_dng(tmp_path / "a.dng", (0.3, 0.3, 0.3))
    content = (tmp_path / "a.dng").read_bytes()
    rng = np.random.default_rng(6)
    for _ in range(30):
        changed = bytearray(content)
        for place in rng.integers(0, 700, 3):
            changed[place] = rng.integers(256)
        (tmp_path / "a.dng").write_bytes(changed)
        try:
            assert read(tmp_path / "a.dng").dtype == np.uint16
        except ImageError as error:
            assert "\n" not in str(error)
