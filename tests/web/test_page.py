"""The page in a real browser: mouse, keyboard and touch, and a server that is killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import skimage
import tifffile
from axe_playwright_python.sync_playwright import Axe

import anymask
from anymask.session import ClickPrompts, Session
from tests.web.pages import CUP, PATIENCE, PHONE, commit, needs_chromium, place_of, wait_for_objects

pytestmark = [pytest.mark.slow, needs_chromium]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one photograph."""
    made = tmp_path / "kitchen"
    made.mkdir()
    shutil.copy(Path(skimage.__file__).parent / "data" / "coffee.png", made)
    return made


@pytest.fixture
def serve(folder: Path, tmp_path: Path) -> Iterator[Callable[[int], tuple[str, subprocess.Popen]]]:
    """Start `anymask serve` and return its address and its process."""
    started: list[subprocess.Popen] = []

    def start(port: int = 0) -> tuple[str, subprocess.Popen]:
        command = [sys.executable, "-m", "anymask", "serve", str(folder), "--device", "cpu"]
        process = subprocess.Popen(
            [*command, *(["--port", str(port)] if port else [])],
            env={
                **os.environ,
                "PYTHONPATH": str(Path(anymask.__file__).parents[1]),
                "ANYMASK_HOME": str(tmp_path / "home"),
            },
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        return process.stdout.readline().strip(), process

    yield start
    for process in started:
        process.kill()
        process.wait()


def by_touch(browser, address: str) -> None:
    """On a phone: a finger clicks and commits, two fingers zoom and click nothing."""
    context = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(address)
    wait_for_objects(page, 3)
    page.touchscreen.tap(*place_of(page, 560, 350))
    page.wait_for_selector("#commit:not([disabled])")
    page.tap("#commit")
    wait_for_objects(page, 4)
    scale = "import('/page/view.js').then(module => module.view.scale)"
    before, touch = page.evaluate(scale), context.new_cdp_session(page)
    for kind, half in (("touchStart", 40), ("touchMove", 80), ("touchMove", 120)):
        points = [{"x": 195 + side * half, "y": 400, "id": side + 1} for side in (-1, 1)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert page.evaluate(scale) > 2 * before
    assert page.locator("#offer").is_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    context.close()


def test_work_by_mouse_keyboard_and_touch_survives_a_server_that_is_killed(
    browser, serve, folder, tmp_path
):
    address, process = serve(0)
    context = browser.new_context(viewport={"width": 1440, "height": 900}, accept_downloads=True)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    hosts, errors = set(), []
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(address)
    page.wait_for_selector("#image-list button")
    assert "token" not in page.url

    # A click, its candidates, and a class by its key.
    page.mouse.click(*place_of(page, *CUP))
    page.wait_for_selector("#candidates button:nth-child(3)")
    page.keyboard.press("n")
    page.wait_for_selector("#candidates button:nth-child(2)[aria-pressed=true]")
    page.fill("#class-name", "cup")
    page.press("#class-name", "Enter")
    page.wait_for_selector("#class-list button[aria-pressed=true]")
    page.locator("#overlay").focus()
    commit(page)
    wait_for_objects(page, 1)
    assert "cup" in page.inner_text("#object-list")

    # A box around the spoon, and a stroke; the stroke is undone and redone.
    page.keyboard.press("b")
    page.mouse.move(*place_of(page, 400, 240))
    page.mouse.down()
    page.mouse.move(*place_of(page, 560, 380), steps=4)
    page.mouse.up()
    commit(page)
    wait_for_objects(page, 2)
    page.keyboard.press("d")
    page.mouse.move(*place_of(page, 30, 30))
    page.mouse.down()
    page.mouse.move(*place_of(page, 80, 40), steps=4)
    page.mouse.up()
    wait_for_objects(page, 3)
    page.keyboard.press("Control+z")
    wait_for_objects(page, 2)
    page.keyboard.press("Control+y")
    wait_for_objects(page, 3)

    # Another page hears of it, and programs that read pages aloud find everything named.
    other = context.new_page()
    other.set_default_timeout(PATIENCE)
    other.goto(address)
    wait_for_objects(other, 3)
    page.keyboard.press("Control+z")
    wait_for_objects(other, 2)
    other.keyboard.press("Control+y")
    wait_for_objects(page, 3)
    other.close()
    problems = Axe().run(page).response["violations"]
    assert [each["id"] for each in problems] == []

    # What was committed is there after kill -9, and the page goes on by itself.
    process.send_signal(signal.SIGKILL)
    process.wait()
    page.wait_for_selector("#banner:not([hidden])")
    port = urlsplit(address).port
    again, process = serve(port)
    assert again == address
    page.wait_for_selector("#banner", state="hidden")
    wait_for_objects(page, 3)
    page.keyboard.press("v")
    page.mouse.click(*place_of(page, *CUP))
    page.wait_for_selector("#chosen:not([hidden])")
    page.keyboard.press("Delete")
    wait_for_objects(page, 2)
    page.keyboard.press("Control+z")
    wait_for_objects(page, 3)

    page.click("#export")
    with page.expect_download() as download:
        page.click("#export-dialog button.main")
    download.value.save_as(tmp_path / "labels.tif")
    labels = tifffile.imread(tmp_path / "labels.tif")
    assert len(set(labels[labels > 0].tolist())) == 3
    assert labels[CUP[1], CUP[0]] == 1
    assert (hosts, errors) == ({urlsplit(address).netloc}, [])

    by_touch(browser, address)
    wait_for_objects(page, 4)
    process.send_signal(signal.SIGINT)
    assert process.wait() == 0
    with Session.open(folder / "kitchen.anymask", read_only=True) as session:
        assert len(session.layers.ids(session.layers[0])) == 4


def test_a_session_of_the_window_goes_on_in_the_page_which_is_reloaded_while_painting(
    browser, serve, folder
):
    # As the window does it: a click that is committed, and a stroke on a copy of the labels.
    sam = anymask.load(device="cpu", dtype="float32")
    with Session.create(folder / "kitchen.anymask") as session:
        session.images.add(folder)
        layer = session.layers[0]
        ready = session.clicks.prepare(sam, layer)
        preview = session.clicks.predict(ready, ClickPrompts().with_point(*CUP))
        session.clicks.commit(preview, class_name="cup")
        painted = np.array(session.layers.labels(layer))
        painted[20:40, 20:60] = 2
        session.edits.paint(layer, painted, (slice(20, 40), slice(20, 60)))
        revision = session.layers.revision(layer)

    address, process = serve(0)
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(address)
    wait_for_objects(page, 2)
    assert "cup" in page.inner_text("#object-list")

    # A stroke that is not finished is not there after a reload; nothing else is lost.
    page.keyboard.press("d")
    page.mouse.move(*place_of(page, 500, 40))
    page.mouse.down()
    page.mouse.move(*place_of(page, 560, 60), steps=4)
    page.reload()
    wait_for_objects(page, 2)
    page.mouse.up()
    page.keyboard.press("d")
    page.mouse.move(*place_of(page, 500, 40))
    page.mouse.down()
    page.mouse.move(*place_of(page, 560, 60), steps=4)
    page.mouse.up()
    wait_for_objects(page, 3)
    # The steps of the window are undone here too: this stroke, that stroke, the click.
    for count in (2, 1, 0):
        page.keyboard.press("Control+z")
        wait_for_objects(page, count)
    for count in (1, 2):
        page.keyboard.press("Control+y")
        wait_for_objects(page, count)

    # A scribble over the wood, with the right button over the spoon, which is not it.
    page.keyboard.press("w")
    for button, ends in (("left", ((30, 320), (140, 380))), ("right", ((400, 300), (430, 320)))):
        page.mouse.move(*place_of(page, *ends[0]))
        page.mouse.down(button=button)
        page.mouse.move(*place_of(page, *ends[1]), steps=5)
        page.mouse.up(button=button)
    commit(page)
    wait_for_objects(page, 3)

    # Who comes later is told that someone works here, until that page goes.
    other = context.new_page()
    other.set_default_timeout(PATIENCE)
    other.goto(address)
    other.wait_for_selector("#holder:not([hidden])")
    assert other.inner_text("#holder") == "Someone is working on this image"
    page.click("#people")
    page.fill("#person", "Ann")
    page.click("#person-dialog button.main")
    other.wait_for_function("() => document.querySelector('#holder').textContent.includes('Ann')")
    page.close()
    other.wait_for_selector("#holder", state="hidden")

    process.send_signal(signal.SIGINT)
    assert process.wait() == 0
    with Session.open(folder / "kitchen.anymask") as session:
        layer = session.layers[0]
        assert session.layers.revision(layer) > revision
        assert session.layers.info(layer, 1).class_name == "cup"
        labels = session.layers.labels(layer)
        assert (labels[20:40, 20:60] == 2).all()
        assert labels[350, 80] == 3
        assert session.edits.undo(layer) is not None  # the page's step, in the window
        assert len(session.layers.ids(layer)) == 2
