"""Frames come from any source a user has, in the right order and with steady brightness."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image as PillowImage

from anymask.images.image import Image
from anymask.tracking import open_frames
from anymask.tracking.errors import TrackingError
from anymask.tracking.video import VideoFrames, film


@pytest.fixture
def drawn() -> NDArray[np.uint8]:
    """Smooth frames of odd sides, each of another brightness, T×H×W×3."""
    y, x = np.mgrid[:47, :63]
    shade = np.stack([y + x // 2, 2 * y, x], 2) // 2
    return np.stack([shade + 5 * t for t in range(24)]).astype(np.uint8)


def test_a_folder_is_read_in_the_order_of_its_numbers(tmp_path: Path, drawn: NDArray[np.uint8]):
    for number in (1, 2, 9, 10, 11):
        PillowImage.fromarray(drawn[number]).save(tmp_path / f"frame{number}.png")
    frames = open_frames(tmp_path)
    assert len(frames) == 5
    assert all(np.array_equal(frames[i], drawn[n]) for i, n in enumerate((1, 2, 9, 10, 11)))


def test_a_tiff_stack_keeps_8_bit_values(tmp_path: Path, drawn: NDArray[np.uint8]):
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, drawn[..., 0], imagej=True, metadata={"axes": "ZYX"})
    frames = open_frames(path)
    assert len(frames) == 24
    assert np.array_equal(frames[7], np.repeat(drawn[7, ..., :1], 3, 2))


def test_16_bit_planes_share_one_contrast(drawn: NDArray[np.uint8]):
    stack = drawn[..., 0].astype(np.uint16) * 100
    frames = open_frames(stack)
    means = [frames[i].mean() for i in range(24)]
    assert np.all(np.diff(means) > 0)  # each is brighter than the last, as in the file


def test_16_bit_files_and_arrays_share_one_contrast(tmp_path: Path, drawn: NDArray[np.uint8]):
    dim = [(drawn[0, :, :, 0].astype(np.uint16) + 1) * factor for factor in (10, 5, 20)]
    for number, frame in enumerate(dim):
        tifffile.imwrite(tmp_path / f"{number}.tif", frame)
    for frames in (open_frames(tmp_path), open_frames(dim)):
        means = [float(frame.mean()) for frame in frames]
        assert means[1] < 0.7 * means[0] < 0.7 * means[2]


def test_of_time_points_and_planes_one_must_be_chosen():
    image = Image(np.zeros((4, 5, 30, 40), np.uint8), "TZYX")
    with pytest.raises(TrackingError, match="has 4 time points of 5 planes; choose"):
        open_frames(image)
    assert len(open_frames(image, z=2)) == 4
    assert len(open_frames(image, t=0)) == 5
    with pytest.raises(TrackingError, match="has no plane 5"):
        open_frames(image, z=5)


def test_a_folder_has_no_planes_to_choose_from(tmp_path: Path):
    with pytest.raises(TrackingError, match="is a folder, and t and z choose from a file"):
        open_frames(tmp_path, z=0)


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (np.zeros((30, 40), np.uint8), "shape 30×40; give T×H×W"),
        (Image(np.zeros((30, 40), np.uint8), "YX"), "is a single image"),
        ([], "has no frames"),
        (7, "cannot be read from a int"),
    ],
)
def test_what_has_no_frames_is_refused(source: object, sentence: str):
    with pytest.raises(TrackingError, match=sentence):
        open_frames(source)


def test_a_film_is_read_again_frame_by_frame_in_any_order(tmp_path: Path, drawn: NDArray[np.uint8]):
    path = tmp_path / "film.mp4"
    with film(path, VideoFrames.default_rate) as add:
        for frame in drawn:
            add(frame)
    frames = VideoFrames(path)
    assert len(frames) == len(drawn)
    assert frames[0].shape == (48, 64, 3)  # sides of a film are even
    for index in (0, 1, 2, 20, 19, 18, 3, 23):
        assert abs(frames[index].mean() - drawn[index].mean()) < 1.5


def test_a_file_that_is_no_video_is_told_in_a_sentence(tmp_path: Path):
    path = tmp_path / "broken.mp4"
    path.write_bytes(b"no video" * 100)
    with pytest.raises(TrackingError, match=r"broken\.mp4 cannot be read as a video"):
        open_frames(path)
