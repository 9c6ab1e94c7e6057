"""Take the screenshot of docs/notebook.md from a real JupyterLab.

    python -m docs.make_notebook_screenshot

Run from the root of the repository. Needs `anymask[dev]` and Debian's Chromium.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.notebook.jupyter import frame_of, jupyterlab, place_in, run_cell
from tests.web.pages import CHROMIUM

OUT = Path(__file__).resolve().parent / "images" / "notebook.png"
CELLS = (
    "import anymask, numpy as np, skimage.data\n"
    "coins = np.stack([skimage.data.coins()] * 3, -1)\n"
    "widget = anymask.annotate(coins, classes=['coin'], height=520)\n"
    "widget",
    "widget.masks",
)
COINS = ((42, 255), (330, 175), (157, 248), (36, 192), (206, 123))


def main() -> None:
    """Take the picture."""
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        with jupyterlab(Path(name), CELLS) as address:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1280, "height": 860})
            page.set_default_timeout(300_000)
            page.goto(address)
            run_cell(page, 0)
            frame = frame_of(page)
            frame.wait_for_function("() => document.querySelector('#encoding').hidden")
            page.keyboard.press("Control+b")  # JupyterLab's files need no room
            frame.locator("#overlay").focus()
            page.keyboard.press("1")
            for index, coin in enumerate(COINS):
                frame.click("#overlay", position=place_in(frame, *coin))
                frame.wait_for_selector("#commit:not([disabled])")
                if index < len(COINS) - 1:
                    page.keyboard.press("c")
                    frame.wait_for_selector("#offer", state="hidden")
            page.get_by_role("button", name="No", exact=True).click()  # asks about news
            run_cell(page, 1)
            frame.wait_for_function("() => !document.querySelector('#said').children.length")
            page.locator(".jp-CodeCell").first.scroll_into_view_if_needed()
            page.screenshot(path=OUT)
            browser.close()


if __name__ == "__main__":
    main()
