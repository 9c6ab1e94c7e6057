"""Take the screenshots of docs/serve.md and docs/page.md from the real pages.

    python docs/make_page_screenshots.py [--out DIR] [--all]

Needs `anymask[web,onnx]`, playwright and Debian's Chromium. `--all` also takes the page at every
size that it is made for, dark and light.
"""

from __future__ import annotations

import argparse
import functools
import http.server
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import skimage
from playwright.sync_api import Page, sync_playwright

from anymask.web.static_page import write_page

OUT = Path(__file__).resolve().parent / "images"
PHOTOGRAPHS = ("coffee.png", "coins.png", "chelsea.png", "rocket.jpg", "astronaut.png")
# Places of coins in the photograph of that name.
LARGE = ((42, 255), (330, 175), (157, 248))
SMALL = ((36, 128), (90, 128), (132, 130), (182, 125), (290, 128), (36, 192))
SIZES = {"desk": (1440, 900), "tablet": (1024, 768), "phone": (390, 844)}
_TO_SCREEN = """async ([u, v]) => {
    const view = await import(new URL("page/view.js", document.baseURI));
    const box = document.querySelector("#overlay").getBoundingClientRect();
    const [x, y] = view.toScreen(u, v);
    return [x + box.left, y + box.top];
}"""
_OPEN = """async (name) => {
    const { state, tell } = await import("/page/state.js");
    tell("open", state.images.find((image) => image.name === name));
}"""


def start(folder: Path) -> tuple[str, subprocess.Popen[str]]:
    """Start a server over a folder; return its address and its process."""
    process = subprocess.Popen(
        [sys.executable, "-m", "anymask", "serve", str(folder)],
        env={**os.environ, "ANYMASK_HOME": str(folder.parent / "home")},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process.stdout.readline().strip(), process


def click(page: Page, u: float, v: float, modifiers: Sequence[str] = ()) -> None:
    """Click on a place of the image."""
    for key in modifiers:
        page.keyboard.down(key)
    page.mouse.click(*page.evaluate(_TO_SCREEN, [u, v]))
    for key in modifiers:
        page.keyboard.up(key)


def settle(page: Page) -> None:
    """Wait until the picture is there and nothing is said."""
    page.wait_for_function("() => document.querySelector('#encoding').hidden")
    page.wait_for_function("() => !document.querySelector('#said').children.length")
    page.wait_for_timeout(400)


def work(page: Page) -> None:
    """Find the coins, put some into classes, and offer a mask in another photograph."""
    show(page, "coins")
    page.keyboard.press("a")
    page.click("#everything-dialog button.main")
    page.wait_for_selector("#sliders:not([hidden])")
    for slider in ("#iou", "#stability"):
        page.fill(slider, "0.88")
        page.dispatch_event(slider, "change")
        page.wait_for_timeout(1000)
    for name in ("large coin", "small coin"):
        page.fill("#class-name", name)
        page.press("#class-name", "Enter")
        page.wait_for_function(
            "name => document.querySelector('#class-list').innerText.includes(name)", arg=name
        )
    page.locator("#overlay").focus()
    page.keyboard.press("v")
    for key, places in {"1": LARGE, "2": SMALL}.items():
        for place in places:
            click(page, *place, modifiers=["Shift"])
        page.keyboard.press(key)
        page.wait_for_timeout(300)
        page.keyboard.press("Escape")
    page.keyboard.press("p")


def show(page: Page, name: str) -> None:
    """Open an image by its name."""
    page.evaluate(_OPEN, name)
    page.wait_for_function(
        "name => document.querySelector('#image-name').textContent === name", arg=name
    )
    settle(page)


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--all", action="store_true")
    args = parser.parse_args()
    chromium = shutil.which("chromium")
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name) / "photos"
        folder.mkdir()
        for photograph in PHOTOGRAPHS:
            shutil.copy(Path(skimage.__file__).parent / "data" / photograph, folder)
        address, process = start(folder)
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        try:
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            page.set_default_timeout(300_000)
            page.goto(address)
            page.wait_for_selector("#image-list button")
            work(page)
            click(page, 270, 125)
            page.wait_for_selector("#commit:not([disabled])")
            page.mouse.move(5, 5)
            settle(page)
            page.screenshot(path=args.out / "serve.png")
            page.close()
            without_server(browser, folder.parent / "page", args.out)
            if args.all:
                for scheme in ("light", "dark"):
                    for size in SIZES:
                        _one_size(browser, address, size, scheme, args.out)
        finally:
            browser.close()
            process.terminate()
            process.wait()


def without_server(browser: Any, folder: Path, out: Path) -> None:
    """Take the page that `anymask page` writes, with its sample."""
    write_page(folder)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    page = browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme="dark")
    page.set_default_timeout(300_000)
    page.goto(f"http://127.0.0.1:{server.server_port}/")
    page.click("#open-sample")
    page.wait_for_selector("#image-list button")
    page.keyboard.press("a")
    page.check("input[name=points][value='16']")
    page.click("#everything-dialog button.main")
    page.wait_for_selector("#sliders:not([hidden])")
    page.keyboard.press("v")
    click(page, *LARGE[0])
    page.keyboard.press("Delete")
    page.keyboard.press("p")
    click(page, *LARGE[0])
    page.wait_for_selector("#commit:not([disabled])")
    page.mouse.move(5, 5)
    settle(page)
    page.screenshot(path=out / "page.png")
    page.close()
    server.shutdown()


def _one_size(browser: Any, address: str, size: str, scheme: str, out: Path) -> None:
    width, height = SIZES[size]
    phone = size == "phone"
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,
        has_touch=phone,
        is_mobile=phone,
        device_scale_factor=2 if phone else 1,
    )
    page = context.new_page()
    page.set_default_timeout(300_000)
    page.goto(address)
    page.wait_for_function("() => document.querySelector('#image-name').textContent")

    def shot(name: str) -> None:
        page.wait_for_timeout(350)
        page.screenshot(path=out / f"{size}-{scheme}-{name}.png")

    show(page, "coffee")
    click(page, 285, 165)
    page.wait_for_selector("#commit:not([disabled])")
    shot("offer")
    page.keyboard.press("Escape")
    show(page, "coins")
    page.wait_for_selector("#object-list button", state="attached")
    page.keyboard.press("v")
    page.wait_for_timeout(100)
    page.evaluate(
        "import('/page/state.js').then(m => m.select([...m.state.objects.keys()].slice(0, 2)))"
    )
    shot("chosen")
    if size != "desk":
        page.click("#show-objects")
        shot("objects")
        page.click("#side .close")
    if phone:
        page.click("#show-images")
        shot("images")
        page.click("#images .close")
        page.click("[data-tool=brush]")
        shot("brush")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    shot("help")
    page.keyboard.press("Escape")
    page.click("#export")
    shot("export")
    page.keyboard.press("Escape")
    page.click("#everything")
    shot("everything")
    context.close()


if __name__ == "__main__":
    main()
