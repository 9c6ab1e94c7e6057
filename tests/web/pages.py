"""What tests of a page do in Chromium, whichever backend the page has."""

from __future__ import annotations

import shutil

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PATIENCE = 120_000  # milliseconds; plenty on a busy machine
CUP = (285, 165)
PHONE = {"width": 390, "height": 844}

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="there is no Chromium here; on Debian: apt-get install chromium"
)


def place_of(page, u: float, v: float) -> tuple[float, float]:
    """Where a place of the image is on the screen."""
    x, y = page.evaluate(
        "async ([u, v]) => { const view = await import(new URL('page/view.js', document.baseURI));"
        " const box = document.querySelector('#overlay').getBoundingClientRect();"
        " const [x, y] = view.toScreen(u, v); return [x + box.left, y + box.top]; }",
        [u, v],
    )
    return x, y


def wait_for_objects(page, count: int) -> None:
    """Wait until the list has so many objects."""
    page.wait_for_function(
        "count => document.querySelectorAll('#object-list button').length === count", arg=count
    )


def commit(page) -> None:
    """Commit the offered mask by its key."""
    page.wait_for_selector("#commit:not([disabled])")
    page.keyboard.press("c")
