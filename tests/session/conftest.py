"""Sessions over small real files."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

import anymask
from anymask.images.geotiff_tags import geo_tags
from anymask.model.sam import Sam
from anymask.session import LayerKey, Session
from tests.conftest import remember_embeddings


def blobs(size: tuple[int, int], circles: list[tuple[int, int, int]], seed: int = 0) -> np.ndarray:
    """An image of bright discs (row, column, radius) on a dark background."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    noise = np.random.default_rng(seed).normal(0, 4, (*size, 3))
    picture = np.full((*size, 3), 50.0) + noise
    for index, (row, column, radius) in enumerate(circles):
        inside = np.hypot(rows - row, columns - column) < radius
        picture[inside] = [(210, 70, 60), (60, 200, 80), (80, 90, 220)][index % 3]
    return np.clip(picture, 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def shipped() -> Sam:
    """The shipped model in float32, which gives the same results everywhere."""
    return remember_embeddings(anymask.load(dtype="float32", device="cpu"))


@pytest.fixture
def discs() -> Callable[..., np.ndarray]:
    """`blobs`, for tests that draw their own images."""
    return blobs


@pytest.fixture(scope="session")
def write_pictures() -> Callable[[Path], Path]:
    """Write three photographs, and one file that is not an image, to a new folder."""
    return _write_pictures


@pytest.fixture
def pictures(tmp_path) -> Path:
    """A folder with three photographs and one file that is not an image."""
    return _write_pictures(tmp_path / "pictures")


def _write_pictures(folder: Path) -> Path:
    folder.mkdir()
    for name, seed in (("a", 1), ("b", 2), ("c", 3)):
        shift = 6 * seed
        picture = blobs((90, 120), [(30, 30 + shift, 16), (60, 90, 20)], seed)
        Image.fromarray(picture).save(folder / f"{name}.png")
    (folder / "broken.png").write_bytes(b"no picture")
    return folder


@pytest.fixture
def stack_file(tmp_path) -> Path:
    """A stack of five planes in which a disc moves and then disappears."""
    circles = [[(40, 40 + 3 * z, 18)] for z in range(4)] + [[]]
    planes = [blobs((90, 120), each, z)[..., 0] for z, each in enumerate(circles)]
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, np.stack(planes), imagej=True, metadata={"axes": "ZYX"})
    return path


@pytest.fixture
def session(tmp_path, pictures):
    """An open session with the three photographs."""
    with Session.create(tmp_path / "work") as opened:
        opened.images.add(pictures)
        yield opened


@pytest.fixture
def layer(session) -> LayerKey:
    """The layer of the first image."""
    return session.layers[0]


@pytest.fixture
def paint() -> Callable[..., object]:
    """Paint a rectangle into a layer as a window does: on a copy, which is then recorded."""

    def do(session: Session, layer: LayerKey, label: int, rows: slice, columns: slice, plane=None):
        copy = np.array(session.layers.labels(layer))
        copy = copy.astype(np.promote_types(copy.dtype, np.min_scalar_type(label)))
        (copy if plane is None else copy[plane])[rows, columns] = label
        return session.edits.paint(layer, copy)

    return do


@pytest.fixture
def child() -> Callable[..., subprocess.Popen[str]]:
    """Run code in a separate process."""

    def start(code: str, *arguments: object) -> subprocess.Popen[str]:
        source = str(Path(anymask.__file__).parents[1])
        return subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments)],
            env={"PYTHONPATH": source, "PATH": "", "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


@pytest.fixture
def field(tmp_path) -> Callable[[int], Path]:
    """Write a map, or a stack of several planes, with half a metre a pixel."""
    tags = geo_tags((5e5, 0.5, 0.0, 5e6, 0.0, -0.5), "EPSG:32632", "m")

    def write(planes: int = 1) -> Path:
        pixels = np.zeros((planes, 40, 50) if planes > 1 else (40, 50), np.uint8)
        path = tmp_path / "field.tif"
        tifffile.imwrite(path, pixels, extratags=tags, photometric="minisblack")
        return path

    return write
