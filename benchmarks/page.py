"""How long the page without a server takes for a picture and a click, and its memory.

    python -m benchmarks.page [--repeats 8] [--isolated]

Writes the page with `anymask page`, serves it, and opens it in headless Chromium. Encoding is from
the picture's pixels to its embedding, a click from the point to the outlines of three masks. Other
programs on the machine make single figures longer, never shorter, so the shortest of several is
printed beside the median, and so is the processor time of each. `--isolated` sends the two headers
that allow threads. Memory is the largest resident size of the page's process (Linux).
"""

from __future__ import annotations

import argparse
import functools
import http.server
import re
import shutil
import statistics
import tempfile
import threading
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import skimage.data
from PIL import Image
from playwright.sync_api import sync_playwright

from anymask.web.static_page import write_page
from benchmarks.measure import print_table

_ISOLATED = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
}
_READY = """async () => {
    const { backend } = await import(new URL("alone/start.js", document.baseURI));
    await backend.model.ready;
    return performance.now();
}"""
_ADD = """async (name) => {
    const { backend } = await import(new URL("alone/start.js", document.baseURI));
    const file = await (await fetch(new URL(`measured/${name}`, document.baseURI))).blob();
    return (await backend.ask("POST", `images?name=${name}`, file)).id;
}"""
_ENCODE = """async ([id, again]) => {
    const { backend } = await import(new URL("alone/start.js", document.baseURI));
    const picture = backend.pictures.get(id);
    const copy = Object.assign(Object.create(picture), { id: `${id}-${again}` });
    const start = performance.now();
    await backend.model.prepare(copy);
    return performance.now() - start;
}"""
_CLICK = """async ([id, u, v]) => {
    const { backend } = await import(new URL("alone/start.js", document.baseURI));
    await backend.model.prepare(backend.pictures.get(id));
    const start = performance.now();
    await backend.predict(backend.pictures.get(id), { points: [[u, v]], labels: [1] });
    return performance.now() - start;
}"""
_EVERYTHING = """async ([id, side]) => {
    const { backend } = await import(new URL("alone/start.js", document.baseURI));
    const { on } = await import(new URL("page/state.js", document.baseURI));
    const start = performance.now();
    await new Promise((done) => {
        on("news-job", (job) => job.state === "done" && done());
        backend.runs.start({ images: [id], points_per_side: side, replace: true });
    });
    return performance.now() - start;
}"""


def pictures(folder: Path) -> dict[str, tuple[int, int]]:
    """Write pictures to be measured; return their widths and heights."""
    coffee = Image.fromarray(skimage.data.coffee())
    sizes = {"small.png": coffee.size, "large.jpg": (4000, 3000)}
    for name, size in sizes.items():
        coffee.resize(size, Image.Resampling.BICUBIC).save(folder / name)
    return sizes


def serve(folder: Path, headers: dict[str, str]) -> http.server.ThreadingHTTPServer:
    """Hand out the files of a folder."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def end_headers(self) -> None:
            for name, value in headers.items():
                self.send_header(name, value)
            super().end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Handler, directory=folder)
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def renderers() -> list[psutil.Process]:
    """Processes of pages, below this one."""
    all_ = psutil.Process().children(recursive=True)
    return [process for process in all_ if "--type=renderer" in process.cmdline()]


def memory() -> float:
    """The largest resident size, so far, of a page's process, in MB."""
    texts = [Path(f"/proc/{each.pid}/status").read_text(encoding="ascii") for each in renderers()]
    sizes = [int(found[1]) for text in texts for found in re.finditer(r"VmHWM:\s+(\d+) kB", text)]
    return max(sizes) / 1000


def processor() -> float:
    """Milliseconds of processor time of all pages, so far."""
    return 1000 * sum(sum(each.cpu_times()[:2]) for each in renderers())


def measure(page: Any, sizes: dict[str, tuple[int, int]], repeats: int, side: int) -> list[list]:
    """Return rows of a table: what, the shortest, the median, processor time of each."""
    draw, rows = np.random.default_rng(0), []

    def row(what: str, script: str, *asked: Any) -> None:
        start = processor()
        times = [page.evaluate(script, each) for each in asked]
        figures = min(times), statistics.median(times), (processor() - start) / len(times)
        rows.append([what, *(f"{figure:,.0f} ms" for figure in figures)])

    row("from opening the page to a model that is ready", _READY, None)
    for name, (width, height) in sizes.items():
        made = page.evaluate(_ADD, name)
        what = f"{width}×{height} pixels"
        page.evaluate(_CLICK, [made, width / 2, height / 2])
        row(f"encode {what}", _ENCODE, *([made, number] for number in range(repeats)))
        page.evaluate(_CLICK, [made, width / 2, height / 2])
        places = draw.uniform(0.1, 0.9, (4 * repeats, 2)) * (width, height)
        row(f"a click in {what}", _CLICK, *([made, *place] for place in places.tolist()))
        if name == "small.png":
            rows.append(["memory so far", f"{memory():,.0f} MB", "", ""])
            points = f"everything with {side}×{side} points in {what}"
            row(points, _EVERYTHING, [made, side])
    rows.append(["memory at the end", f"{memory():,.0f} MB", "", ""])
    return rows


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repeats", type=int, default=8)
    parser.add_argument("--points-per-side", type=int, default=16)
    parser.add_argument("--isolated", action="store_true")
    parser.add_argument("--weights", default="int8")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        written = write_page(Path(name) / "page", weights=args.weights)
        (written.folder / "measured").mkdir()
        sizes = pictures(written.folder / "measured")
        server = serve(written.folder, _ISOLATED if args.isolated else {})
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page()
        page.set_default_timeout(600_000)
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        rows = measure(page, sizes, args.repeats, args.points_per_side)
        browser.close()
        server.shutdown()
    model = sum(written.model.values()) / 1e6
    print_table(
        f"The page: {model:.1f} MB of model and {written.other / 1e6:.1f} MB besides",
        ["", "shortest", "median", "processor"],
        rows,
    )


if __name__ == "__main__":
    main()
