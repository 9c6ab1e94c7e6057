"""A served session from Python, without torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import skimage.data
import skimage.io
import tifffile

import anymask
import anymask.client
from anymask.client import ServerError
from tests.web.conftest import TOKEN, envi_cube


def test_the_client_does_what_the_local_calls_do(address, photos, sam, tmp_path):
    server = anymask.client.connect(address)
    assert [image.name for image in server] == ["coffee", "coins"]
    coffee = server["coffee"]
    predictor = anymask.SamPredictor(sam, keep_clicked=True)
    predictor.set_image(skimage.io.imread(photos / "coffee.png"))
    masks, scores, _ = predictor.predict([[285, 165]], [1])
    ours, theirs = coffee.predict([[285, 165]], [1])
    assert np.array_equal(ours, masks)
    assert np.allclose(theirs, scores, atol=1e-4)
    assert np.array_equal(coffee.pixels(), skimage.io.imread(photos / "coffee.png"))

    label = coffee.commit([[285, 165]], [1], class_name="cup", candidate=2)
    found = coffee.masks()
    assert (found.ids.tolist(), found.class_names) == ([label], ("cup",))
    assert np.array_equal(found[0], masks[2])
    assert np.array_equal(coffee.labels() > 0, masks[2])
    coffee.undo()
    assert len(coffee.masks()) == 0
    coffee.redo()
    file = server.export(tmp_path / "cup.tif")
    assert np.array_equal(tifffile.imread(file) > 0, masks[2])

    shares: list[float] = []
    server.everything(["coins"], points_per_side=4, progress=shares.append)
    assert len(server["coins"].masks()) > 0
    assert shares == sorted(shares)
    Path(tmp_path / "new.png").write_bytes((photos / "coins.png").read_bytes())
    assert server.add(tmp_path / "new.png").size == (150, 200)
    header, _ = envi_cube(tmp_path)
    assert server.add(header).size == (4, 5)
    header.with_suffix(".raw").touch()
    with pytest.raises(ServerError, match="2 files of its name"):
        server.add(header)


def test_what_the_server_refuses_is_one_sentence(address):
    server = anymask.client.connect(address)
    with pytest.raises(ServerError, match="no image 'tea'"):
        server["tea"]
    with pytest.raises(ServerError, match="outside") as refused:
        server["coffee"].predict([[5000, 1]], [1])
    assert refused.value.status == 400
    with pytest.raises(ServerError, match="token is needed"):
        anymask.client.connect(address.replace(TOKEN, "wrong"))
    with pytest.raises(ServerError, match="no address of a server"):
        anymask.client.connect("localhost")
    with pytest.raises(ServerError, match="does not answer"):
        anymask.client.connect("http://127.0.0.1:9/?token=x")


def test_pages_hear_of_changes(address):
    headers = {"Authorization": f"Bearer {TOKEN}"}
    events = urllib.request.Request(f"http://{urlsplit(address).netloc}/v1/events", headers=headers)
    with urllib.request.urlopen(events, timeout=60) as stream:
        assert stream.readline() == b"event: hello\n"
        anymask.client.connect(address)["coffee"].commit(box=[150, 60, 430, 330])
        while stream.readline() != b"event: layer\n":
            pass
        news = json.loads(stream.readline().removeprefix(b"data: "))
    assert (news["image"], news["rgb"], news["state"]) == ("i1", "rgb", "edited")


def test_the_client_needs_no_torch():
    code = "import anymask.client, sys; print('torch' in sys.modules, 'fastapi' in sys.modules)"
    env = {**os.environ, "PYTHONPATH": str(Path(anymask.__file__).parents[1])}
    told = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert told.stdout.split() == ["False", "False"]
