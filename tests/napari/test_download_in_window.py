"""The first use of a model that is downloaded: the bar, Cancel, and a server that fails."""

from __future__ import annotations

import hashlib
import os
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch

from anymask.checkpoints.registry import CHECKPOINTS
from anymask.model.config import VARIANTS
from anymask.model.sam import Sam


class Server:
    """Serves one file, and waits in its middle until it is told to go on."""

    def __init__(self, content: bytes) -> None:
        state = self
        self.go_on, self.is_broken = threading.Event(), False

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if state.is_broken:
                    self.send_error(503)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                middle = len(content) // 2
                self.wfile.write(content[:middle])
                assert state.go_on.wait(120)
                self.wfile.write(content[middle:])

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.go_on.set()
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    """A MobileSAM checkpoint whose weights mean nothing."""
    path = tmp_path_factory.mktemp("weights") / "mobile_sam.pt"
    torch.manual_seed(0)
    torch.save(Sam(VARIANTS["vit_t"]).state_dict(), path)
    return path.read_bytes()


@pytest.fixture
def server(content, monkeypatch, tmp_path):
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name in ("ANYMASK_OFFLINE", "ANYMASK_MIRROR"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("ANYMASK_HOME", str(tmp_path / "cache"))
    served = Server(content)
    entry = replace(
        CHECKPOINTS["vit_t"],
        url=f"{served.address}/mobile_sam.pt",
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
    )
    monkeypatch.setitem(CHECKPOINTS, "vit_t", entry)
    yield served
    served.close()


@pytest.fixture
def asked(panel):
    """The Model page with MobileSAM chosen; the model before is put back."""
    before = panel.control.sam, panel.control.model_source, panel.models.loaded
    panel.model.checkpoint.setCurrentIndex(0)
    panel.model.variant.setCurrentIndex(panel.model.variant.findData("vit_t"))
    yield panel
    panel.control.sam, panel.control.model_source, panel.models.loaded = before
    panel.control.model_changed.emit()
    panel.model.variant.setCurrentIndex(panel.model.variant.findData("small"))


def test_the_bar_says_how_much_of_a_download_is_there(asked, server, idle, wait, tmp_path):
    asked.model.load()
    wait(lambda: asked.bar.value() >= 400)
    assert abs(asked.bar.value() - 500) < 60
    assert asked._task.isVisibleTo(asked)
    assert "mobile_sam.pt, 2" in asked.task_text.text()
    assert asked.task_text.text().endswith(" MB")
    server.go_on.set()
    idle()
    assert asked.message.kind == "good"
    assert asked.message.text.text().startswith("The model is ready: MobileSAM ViT-T, 10 million")
    assert (tmp_path / "cache" / "mobile_sam.pt").exists()


def test_cancel_gives_the_window_back_and_what_came_is_kept(asked, server, idle, wait, tmp_path):
    before = asked.control.sam
    asked.model.load()
    wait(lambda: asked.bar.value() >= 400)
    asked.cancel.click()
    idle()
    assert "was not waited for" in asked.message.text.text()
    assert asked.control.sam is before
    assert (tmp_path / "cache" / "mobile_sam.pt.part").stat().st_size > 10_000_000
    server.go_on.set()
    wait(lambda: (tmp_path / "cache" / "mobile_sam.pt").exists())


def test_a_server_that_fails_ends_in_a_sentence(asked, server, idle):
    server.is_broken = True
    asked.model.load()
    idle()
    assert asked.message.kind == "error"
    assert "the server answers 503" in asked.message.text.text()
