"""A server over real photographs, asked without a network."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import numpy as np
import pytest
import skimage.data
import skimage.io
import uvicorn
from fastapi.testclient import TestClient

import anymask
from anymask.model.sam import Sam
from anymask.web.access import Access
from anymask.web.app import create_app
from anymask.web.places import open_place
from anymask.web.server import bound
from anymask.web.workplace import Workplace
from tests.conftest import remember_embeddings
from tests.web.pages import CHROMIUM

TOKEN = "a-token-that-nobody-guesses"
HOST = "http://127.0.0.1:8321"


@pytest.fixture(scope="session")
def sam() -> Sam:
    """The shipped model in float32."""
    return remember_embeddings(anymask.load(dtype="float32", device="cpu"))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with two photographs."""
    folder = tmp_path / "photos"
    folder.mkdir()
    shutil.copy(Path(skimage.__file__).parent / "data" / "coffee.png", folder)
    skimage.io.imsave(folder / "coins.png", skimage.data.coins()[:150, :200], check_contrast=False)
    return folder


@pytest.fixture
def work(photos: Path, sam: Sam) -> Iterator[Workplace]:
    """What is served: the session of the folder."""
    place = open_place(photos)
    place.session.images.add(photos)
    made = Workplace(place, sam)
    yield made
    made.close()


@pytest.fixture
def stranger(work: Workplace) -> Iterator[TestClient]:
    """A client without a token."""
    app = create_app(work, Access(TOKEN, port=8321), most_upload=200_000)
    with TestClient(app, base_url=HOST) as client:
        yield client


@pytest.fixture
def client(stranger: TestClient) -> TestClient:
    """A client with the token."""
    stranger.headers["authorization"] = f"Bearer {TOKEN}"
    return stranger


@pytest.fixture
def finished(client: TestClient) -> Callable[[httpx.Response], dict[str, Any]]:
    """Wait until a job has ended."""

    def wait(started: httpx.Response) -> dict[str, Any]:
        assert started.status_code == 202, started.text
        until = time.monotonic() + 300
        while time.monotonic() < until:
            job: dict[str, Any] = client.get(f"/v1/jobs/{started.json()['id']}").json()
            if job["state"] in ("done", "failed", "cancelled"):
                return job
            time.sleep(0.02)
        raise AssertionError("The job did not end.")

    return wait


@pytest.fixture
def address(work: Workplace) -> Iterator[str]:
    """The address of a server that listens."""
    listening = bound("127.0.0.1", 0)
    port = listening.getsockname()[1]
    app = create_app(work, Access(TOKEN, port=port))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    yield f"http://127.0.0.1:{port}/?token={TOKEN}"
    server.should_exit = True
    work.hub.close()
    thread.join()


@pytest.fixture
def browser() -> Iterator:
    """Debian's Chromium without a screen."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield opened
        opened.close()


def pixels_of(rle: dict[str, Any]) -> np.ndarray:
    """The mask of COCO's run lengths, as pycocotools reads them."""
    from pycocotools import mask

    return mask.decode(rle).astype(bool)


def envi_cube(folder: Path, name: str = "cube") -> tuple[Path, Path]:
    """An ENVI cube of 4×5 pixels in 6 bands: its header and its data."""
    header, data = folder / f"{name}.hdr", folder / f"{name}.dat"
    np.arange(120, dtype="<u2").tofile(data)
    header.write_text(
        "ENVI\nsamples = 5\nlines = 4\nbands = 6\ndata type = 12\ninterleave = bsq\n"
        "byte order = 0\nheader offset = 0\n"
    )
    return header, data
