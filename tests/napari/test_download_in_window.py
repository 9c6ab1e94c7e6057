"""The first use of a model that is downloaded: the bar, Cancel, and a server that fails."""

from __future__ import annotations

import hashlib
import os
import threading
import time
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
        self.content = content
        self.go_on, self.is_broken = threading.Event(), False
        # Bytes at a time in the second half, all at once if 0; where requests began; whether the
        # connection was left before all was sent.
        self.pace, self.is_left = 0, False
        self.starts: list[int] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if state.is_broken:
                    self.send_error(503)
                    return
                wanted = self.headers.get("Range", "bytes=0-")
                start = int(wanted.removeprefix("bytes=").removesuffix("-"))
                state.starts.append(start)
                self.send_response(206 if start else 200)
                if start:
                    whole = f"bytes {start}-{len(content) - 1}/{len(content)}"
                    self.send_header("Content-Range", whole)
                self.send_header("Content-Length", str(len(content) - start))
                self.end_headers()
                middle = max(start, len(content) // 2)
                self.wfile.write(content[start:middle])
                assert state.go_on.wait(120)
                try:
                    self._send(content[middle:])
                except ConnectionError:
                    state.is_left = True

            def _send(self, rest: bytes) -> None:
                step = state.pace or len(rest)
                for at in range(0, len(rest), step):
                    self.wfile.write(rest[at : at + step])
                    time.sleep(0.02 if state.pace else 0)

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
    wait(lambda: asked.bar.value() >= 490)
    assert asked.bar.value() <= 510
    assert asked._task.isVisibleTo(asked)
    assert "mobile_sam.pt, 2" in asked.task_text.text()
    assert asked.task_text.text().endswith(" MB")
    server.go_on.set()
    idle()
    assert asked.message.kind == "good"
    assert asked.message.text.text().startswith("The model is ready: MobileSAM ViT-T, 10 million")
    assert (tmp_path / "cache" / "mobile_sam.pt").exists()


def test_cancel_ends_the_transfer_and_loading_again_goes_on_from_there(
    asked, server, idle, wait, tmp_path, qtbot
):
    before = asked.control.sam
    part = tmp_path / "cache" / "mobile_sam.pt.part"
    server.pace = 2**16  # the second half comes in drops
    asked.model.load()
    wait(lambda: asked.bar.value() >= 400)
    server.go_on.set()
    asked.cancel.click()
    idle()
    assert "was stopped" in asked.message.text.text()
    assert asked.message.kind == "info"
    assert asked.control.sam is before
    wait(lambda: server.is_left)
    size = part.stat().st_size
    assert 10_000_000 < size < len(server.content)
    assert f"the {size / 1e6:,.0f} MB received are kept" in asked.message.text.text()
    qtbot.wait(400)
    assert part.stat().st_size == size
    assert not (tmp_path / "cache" / "mobile_sam.pt").exists()
    server.pace = 0
    asked.model.load()
    idle()
    assert asked.message.text.text().startswith("The model is ready: MobileSAM ViT-T")
    assert server.starts == [0, size]
    assert (tmp_path / "cache" / "mobile_sam.pt").read_bytes() == server.content


def test_cancel_gives_the_window_back_where_the_server_sends_nothing(asked, server, idle, wait):
    asked.model.load()
    wait(lambda: asked.bar.value() >= 400)
    asked.cancel.click()
    start = time.monotonic()
    idle()
    assert time.monotonic() - start < 25  # the server would be waited for longer
    assert "was stopped" in asked.message.text.text()
    server.go_on.set()
    wait(lambda: server.is_left)


def test_a_model_that_was_cancelled_while_it_was_read_is_not_taken(asked, idle, monkeypatch):
    from anymask.checkpoints import loading

    before, real = asked.control.sam, loading.load

    def cancelled(*arguments, **options):
        asked.control.tasks.cancel()
        return real(*arguments, **options)

    monkeypatch.setattr(loading, "load", cancelled)
    asked.model.variant.setCurrentIndex(asked.model.variant.findData("small"))
    asked.model.load()
    idle()
    assert "was not loaded, because you cancelled it" in asked.message.text.text()
    assert asked.control.sam is before


def test_a_server_that_fails_ends_in_a_sentence(asked, server, idle):
    server.is_broken = True
    asked.model.load()
    idle()
    assert asked.message.kind == "error"
    assert "the server answers 503" in asked.message.text.text()
