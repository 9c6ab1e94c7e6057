"""A real napari window on a screen of its own, shared by all tests of the window."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest

from tests.conftest import remember_embeddings

_SCREEN = "1366x768x24"
# Seconds to wait for something before a test fails; plenty on a machine with ten times its load.
_PATIENCE = 600


def _start_screen() -> subprocess.Popen[bytes] | None:
    """Start a virtual screen, so that the tests need none and disturb none."""
    program = shutil.which("Xvfb")
    if program is None:
        if os.environ.get("DISPLAY") or sys.platform in ("win32", "darwin"):
            return None
        raise RuntimeError("The tests of the window need Xvfb; install the package xvfb.")
    reading, writing = os.pipe()
    screen = subprocess.Popen(
        [program, "-displayfd", str(writing), "-screen", "0", _SCREEN, "-nolisten", "tcp"],
        pass_fds=(writing,),
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    with os.fdopen(reading) as answer:
        number = answer.readline().strip()
    if not number:
        raise RuntimeError("Xvfb could not be started.")
    os.environ["DISPLAY"] = f":{number}"
    os.environ.setdefault("QT_QPA_PLATFORM", "xcb")
    os.environ.setdefault("LIBGL_ALWAYS_SOFTWARE", "1")
    return screen


@pytest.fixture(scope="session")
def screen() -> Iterator[None]:
    """A virtual screen for as long as the tests run."""
    started = _start_screen()
    yield
    if started is not None:
        started.terminate()
        started.wait()


@pytest.fixture(scope="session")
def qapp_cls(screen: None) -> type:
    """What pytest-qt makes the application of; here so that the screen comes first."""
    from qtpy.QtWidgets import QApplication

    return QApplication


@pytest.fixture(scope="session")
def window(qapp: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The panel in a napari window, as `anymask gui` opens it."""
    os.environ["ANYMASK_SESSIONS"] = str(tmp_path_factory.mktemp("sessions"))
    from anymask.napari.preferences import prefer
    from anymask.napari.window import open_window

    prefer(confirm_model=False)  # its own test turns it on

    viewer, panel = open_window()
    viewer.window._qt_window.resize(1366, 768)
    # Its own tests wait for it; in all others it would encode images for nobody.
    panel.clicks._ahead._look.setInterval(2**30)
    yield panel
    panel.shut()
    viewer.close()


@pytest.fixture
def panel(window: Any, qtbot: Any, tmp_path: Path) -> Iterator[Any]:
    """The panel with a new session and nothing left of the test before."""
    from anymask.session import Session

    window.control.set_session(Session.create(tmp_path / "work"))
    window.message.hide()
    window.message.kind = ""
    yield window
    window.control.tasks.cancel()
    qtbot.waitUntil(lambda: not window.control.tasks.is_busy, timeout=1000 * _PATIENCE)
    window.clicks.stop()
    window.objects.colours.setCurrentIndex(0)
    window.control.set_session(None)


@pytest.fixture(scope="session")
def shipped(window: Any) -> Any:
    """The shipped model, loaded once, in float32 as on any machine."""
    from anymask.checkpoints.loading import load
    from anymask.napari.model_loading import Choice

    window.control.sam = remember_embeddings(load("small", device="cpu", dtype="float32"))
    window.control.model_source = "small"
    window.models.loaded = Choice(dtype="float32")
    window.control.model_changed.emit()
    return window.control.sam


@pytest.fixture
def wait(qtbot: Any, window: Any) -> Callable[..., None]:
    """Wait until something is so, while the window goes on."""

    def until(condition: Callable[[], Any], seconds: float = _PATIENCE) -> None:
        qtbot.waitUntil(lambda: bool(condition()), timeout=round(seconds * 1000))

    return until


@pytest.fixture
def idle(wait: Callable[..., None], window: Any) -> Callable[[], None]:
    """Wait until the running task has ended and the current image is shown."""

    def until_idle() -> None:
        control = window.control
        wait(lambda: not control.tasks.is_busy)
        wait(lambda: control.current is None or window.canvas.layer is not None)

    return until_idle


@pytest.fixture
def answer(qtbot: Any) -> Callable[..., list[str]]:
    """Press a button of the next question; what was asked comes into the returned list."""
    from qtpy.QtCore import QTimer
    from qtpy.QtWidgets import QApplication, QMessageBox

    def press(text: str | None) -> list[str]:
        asked: list[str] = []
        until = time.monotonic() + _PATIENCE

        def look() -> None:
            box = QApplication.activeModalWidget()
            if not isinstance(box, QMessageBox):
                if time.monotonic() < until:
                    QTimer.singleShot(20, look)
                return
            asked.append(box.text())
            if text is None:
                box.reject()
                return
            next(button for button in box.buttons() if button.text() == text).click()

        QTimer.singleShot(0, look)
        return asked

    return press


class Mouse:
    """Presses, moves and releases on the canvas, at places (x, y) of the picture."""

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self.canvas = viewer.window._qt_viewer.canvas.native

    def at(self, x: float, y: float) -> QPoint:
        camera = self._viewer.scene.camera
        center, size = np.array(camera.center[-2:]), self.canvas.size()
        row, column = (np.array([y, x]) - center) * camera.zoom
        return QPoint(round(column + size.width() / 2), round(row + size.height() / 2))

    def click(
        self,
        x: float,
        y: float,
        button: Qt.MouseButton = Qt.MouseButton.LeftButton,
        keys: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier,
    ) -> None:
        QTest.mouseClick(self.canvas, button, keys, self.at(x, y))

    def drag(
        self, *path: tuple[float, float], button: Qt.MouseButton = Qt.MouseButton.LeftButton
    ) -> None:
        QTest.mousePress(self.canvas, button, Qt.KeyboardModifier.NoModifier, self.at(*path[0]))
        for place in path[1:]:
            QTest.mouseMove(self.canvas, self.at(*place))
            QTest.qWait(15)
        QTest.mouseRelease(self.canvas, button, Qt.KeyboardModifier.NoModifier, self.at(*path[-1]))

    def key(self, key: Qt.Key, keys: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
        QTest.keyClick(self.canvas, key, keys)


@pytest.fixture
def mouse(panel: Any) -> Mouse:
    """The mouse and the keys, over a picture that fills the canvas."""
    panel.viewer.reset_view()
    QTest.qWait(50)
    return Mouse(panel.viewer)


class Gate:
    """Holds a function back, in threads beside the window, after it has done its work."""

    def __init__(self, owner: Any, name: str, monkeypatch: pytest.MonkeyPatch, wait: Any) -> None:
        self._wait = wait
        self._reached, self._opened = threading.Event(), threading.Event()
        self._thread = 0
        self._answers: list[int] = []
        real = getattr(owner, name)

        def held(*arguments: Any, **options: Any) -> Any:
            result = real(*arguments, **options)
            if threading.current_thread() is not threading.main_thread():
                self._thread = threading.get_ident()
                self._reached.set()
                assert self._opened.wait(_PATIENCE)
            return result

        from anymask.napari import tasks

        answer = tasks._answer

        def noted(*arguments: Any) -> None:
            answer(*arguments)
            self._answers.append(threading.get_ident())

        monkeypatch.setattr(owner, name, held)
        monkeypatch.setattr(tasks, "_answer", noted)

    def wait_until_reached(self) -> None:
        """Wait until a thread stands at the gate, with its result in its hands."""
        self._wait(self._reached.is_set)

    def open(self) -> None:
        """Let it go on, and wait until the window has got what it had."""
        from qtpy.QtWidgets import QApplication

        before = self._answers.count(self._thread)
        self._opened.set()
        self._wait(lambda: self._answers.count(self._thread) > before)
        QApplication.processEvents()


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch, wait: Callable[..., None]) -> Callable[..., Gate]:
    """Make a `Gate` of a method of an object."""
    return lambda owner, name: Gate(owner, name, monkeypatch, wait)


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """Two photographs with a few plain shapes."""
    files = []
    for number, (h, w) in enumerate([(120, 160), (150, 100)]):
        pixels = np.full((h, w, 3), 40, np.uint8)
        pixels[20:70, 20:60] = (220, 60, 50)
        pixels[80:110, 50:90] = (60, 180, 230)
        pixels += np.random.default_rng(number).integers(0, 6, pixels.shape, np.uint8)
        files.append(tmp_path / f"photo{number + 1}.png")
        Image.fromarray(pixels).save(files[-1])
    return files


@pytest.fixture
def cube(tmp_path: Path) -> Path:
    """An ENVI cube of 40×50 pixels and 45 bands, with a leaf-like object; returns the data file."""
    wavelengths = np.arange(450, 900, 10)
    data = np.full((45, 40, 50), 300, np.uint16)
    leaf = np.zeros((40, 50), bool)
    leaf[10:30, 12:34] = True
    for band, nm in enumerate(wavelengths):
        data[band][leaf] = 4000 if nm > 700 else (900 if 520 < nm < 580 else 400)
    path = tmp_path / "leaf.img"
    data.tofile(path)
    (tmp_path / "headers").mkdir()
    (tmp_path / "headers" / "leaf.hdr").write_text(
        "ENVI\nsamples = 50\nlines = 40\nbands = 45\nheader offset = 0\ndata type = 12\n"
        "interleave = bsq\nbyte order = 0\nwavelength units = nm\n"
        f"wavelength = {{{', '.join(f'{w:.1f}' for w in wavelengths)}}}\n"
    )
    return path
