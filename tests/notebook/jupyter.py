"""A JupyterLab of its own, with a notebook of given cells."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import nbformat

TOKEN = "only-on-this-machine"


@contextmanager
def jupyterlab(folder: Path, cells: Sequence[str]) -> Iterator[str]:
    """Start JupyterLab in an empty folder; yield the address of a notebook."""
    work = folder / "work"
    work.mkdir()
    code = [nbformat.v4.new_code_cell(cell) for cell in cells]
    kernel = {"name": "python3", "display_name": "Python", "language": "python"}
    made = nbformat.v4.new_notebook(cells=code, metadata={"kernelspec": kernel})
    nbformat.write(made, work / "notebook.ipynb")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    places = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root"),
            *(f"--port={port}", f"--ServerApp.token={TOKEN}", f"--ServerApp.root_dir={work}"),
            # It would ask other hosts for news and updates.
            "--LabApp.news_url=",
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        ],
        env={**os.environ, **{name: str(folder / name.lower()) for name in places}},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(f"http://127.0.0.1:{port}/api?token={TOKEN}", server)
        yield f"http://127.0.0.1:{port}/lab/tree/notebook.ipynb?token={TOKEN}"
    finally:
        server.terminate()
        server.wait()


def _wait(address: str, server: subprocess.Popen) -> None:
    until = time.monotonic() + 120
    while server.poll() is None and time.monotonic() < until:
        try:
            urllib.request.urlopen(address).close()
            return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.2)
    raise AssertionError("JupyterLab did not start.")


def run_cell(page, number: int) -> None:
    """Run a cell, counted from 0, and wait for its end."""
    page.locator(".jp-CodeCell").nth(number).locator(".cm-content").click()
    page.keyboard.press("Shift+Enter")
    page.wait_for_function(
        "number => /\\[\\d+\\]/.test("
        "document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')[number].textContent)",
        arg=number,
    )


def place_in(frame, u: float, v: float) -> dict[str, float]:
    """Where a place of the image is on the picture in the frame of a widget."""
    x, y = frame.evaluate(
        "async ([u, v]) => (await import('anymask/web/page/view.js')).toScreen(u, v)", [u, v]
    )
    return {"x": x, "y": y}


def frame_of(page):
    """The frame of the only widget, as soon as its image is there."""
    page.frame_locator("iframe[title^=anymask]").locator("#image-name:not(:empty)").wait_for()
    handle = page.query_selector("iframe[title^=anymask]")
    return handle.content_frame()
