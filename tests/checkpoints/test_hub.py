"""Models of the Hugging Face hub, from its cache and from a server that speaks as it does."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import anymask
from anymask.checkpoints.hub import is_hub_id
from anymask.model.sam import Sam

COMMIT = "0123456789abcdef0123456789abcdef01234567"

# Hugging Face's library reads its settings when it is imported, so the loads are done in a
# process of their own: one for all that have the same settings.
LOADS = """
import json, os, sys
from anymask.checkpoints import load
from anymask.errors import CheckpointError

answers = []
for source, offline in json.loads(sys.argv[1]):
    os.environ["ANYMASK_OFFLINE"] = offline
    try:
        weight = load(source, device="cpu", dtype="float32").mask_decoder.iou_token.weight
        answers.append(float(weight.detach().double().sum()))
    except CheckpointError as error:
        answers.append(str(error))
print(json.dumps(answers))
"""


def load_all(loads: list[tuple[str, str]], home: Path, endpoint: str) -> list[str | float]:
    """Load each (source, ANYMASK_OFFLINE) and return a sum of weights, or the refusal."""
    inherited = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith(("HF_", "ANYMASK_")) and not k.lower().endswith("_proxy")
    }
    settings = {
        "PYTHONPATH": str(Path(anymask.__file__).parents[1]),
        "HF_HOME": str(home),
        "HF_ENDPOINT": endpoint,
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "OMP_NUM_THREADS": "1",
    }
    ran = subprocess.run(
        [sys.executable, "-c", LOADS, json.dumps(loads)],
        env=inherited | settings,
        cwd=home,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    return json.loads(ran.stdout)


@dataclass
class Hub:
    """A server with the models lab/sam-tiny and lab/sam-old, and the files it was asked for."""

    folders: dict[str, Path]
    address: str = ""
    asked: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def hub(tiny_sam: Sam, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    state = dict(tiny_sam.state_dict())
    folders = {name: tmp_path_factory.mktemp(name) for name in ("sam-tiny", "sam-old")}
    for folder in folders.values():
        (folder / "config.json").write_text(json.dumps({"model_type": "sam"}))
        (folder / "tf_model.h5").write_bytes(b"not to be downloaded")
    save_file(state, folders["sam-tiny"] / "model.safetensors")
    torch.save(state, folders["sam-old"] / "pytorch_model.bin")
    served = Hub(folders)

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            path = self.path.split("?")[0]
            for name, folder in served.folders.items():
                if path == f"/api/models/lab/{name}/revision/main":
                    files = [{"rfilename": p.name} for p in sorted(folder.iterdir())]
                    model = {"id": f"lab/{name}", "sha": COMMIT, "siblings": files}
                    return self.answer(200, json.dumps(model).encode())
                if path.startswith(f"/lab/{name}/resolve/{COMMIT}/"):
                    file = folder / path.rpartition("/")[2]
                    served.asked.append(f"{name}/{file.name}")
                    return self.answer(200, file.read_bytes())
            return self.answer(404, b"{}", {"X-Error-Code": "RepoNotFound"})

        def answer(self, status: int, content: bytes, more: dict[str, str] | None = None) -> None:
            headers = {
                "Content-Length": str(len(content)),
                "ETag": f'"{hashlib.sha1(content).hexdigest()}"',
                "X-Repo-Commit": COMMIT,
            }
            self.send_response(status)
            for key, value in (headers | (more or {})).items():
                self.send_header(key, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    served.address = f"http://127.0.0.1:{http.server_port}"
    yield served
    http.shutdown()
    http.server_close()
    thread.join()


@pytest.fixture(scope="module")
def answers(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str | float]:
    """What came of loads in this order, in a folder that has a model under lab/sam-here."""
    home = tmp_path_factory.mktemp("home")
    shutil.copytree(hub.folders["sam-tiny"], home / "lab" / "sam-here")
    loads = {
        "downloaded": ("lab/sam-tiny", ""),
        "again, offline": ("lab/sam-tiny", "1"),
        "a pickle": ("lab/sam-old", ""),
        "unknown": ("lab/sam-huge", ""),
        "not cached, offline": ("facebook/sam-vit-base", "1"),
        "a folder, offline": ("lab/sam-here", "1"),
    }
    return dict(zip(loads, load_all(list(loads.values()), home, hub.address), strict=True))


def test_an_id_downloads_once_what_is_needed_and_then_loads_offline(
    hub: Hub, answers: dict[str, str | float], tiny_sam: Sam
):
    expected = float(tiny_sam.mask_decoder.iou_token.weight.detach().double().sum())
    assert answers["downloaded"] == expected
    assert answers["again, offline"] == expected
    gets = Counter(hub.asked)
    assert {name for name in gets if name.startswith("sam-tiny/")} == {
        "sam-tiny/config.json",
        "sam-tiny/model.safetensors",
    }


def test_a_repository_with_a_pickle_alone_loads_from_it(hub: Hub, answers: dict[str, str | float]):
    assert answers["a pickle"] == answers["downloaded"]
    assert "sam-old/tf_model.h5" not in hub.asked


def test_a_folder_of_that_name_comes_before_the_hub(answers: dict[str, str | float]):
    assert answers["a folder, offline"] == answers["downloaded"]


def test_an_unknown_id_is_told(answers: dict[str, str | float]):
    assert answers["unknown"] == (
        "There is no file lab/sam-huge and no model of that id on the Hugging Face hub that is "
        "open to you; check the spelling, such as facebook/sam-vit-base."
    )


def test_an_id_that_is_not_cached_is_refused_offline(answers: dict[str, str | float]):
    assert answers["not cached, offline"] == (
        "There is no file facebook/sam-vit-base, and the model of that id on the Hugging Face hub "
        "is not in its cache and ANYMASK_OFFLINE forbids downloading it; check the path, or the "
        "network."
    )


def test_an_id_without_a_network_is_refused(tmp_path: Path):
    (answer,) = load_all([("facebook/sam-vit-base", "")], tmp_path, "http://127.0.0.1:9")
    assert answer == (
        "There is no file facebook/sam-vit-base, and the model of that id on the Hugging Face hub "
        "is not in its cache and cannot be reached; check the path, or the network."
    )


@pytest.mark.parametrize(
    ("source", "answer"),
    [
        ("facebook/sam-vit-base", True),
        ("lab/model.v2", True),
        ("models/sam.pth", False),
        ("models/sam.safetensors", False),
        ("./models", False),
        ("../models", False),
        ("a/b/c", False),
        ("/abs/path", False),
        ("~/sam", False),
        ("vit_b", False),
    ],
)
def test_ids_are_told_from_paths(source: str, answer: bool):
    assert is_hub_id(source) is answer
