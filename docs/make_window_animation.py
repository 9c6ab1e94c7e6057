"""Make the animation of README.md from the real window: click, correct, commit, save.

    xvfb-run -a -s "-screen 0 1366x768x24" python docs/make_window_animation.py

The mouse and the keys are real events; only the pointer is drawn into the frames. Needs
`anymask[napari]`, scikit-image and a screen, such as Xvfb's.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
from make_screenshots import OUT, Show
from PIL import Image, ImageDraw
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest

SIZE = (1120, 680)
SHOWN = (1120, 680)
MOST_BYTES = 600_000
_POINTER = [(0, 0), (0, 17), (4, 13), (7, 20), (10, 19), (7, 12), (12, 12)]


class Film(Show):
    """A window, and the frames that were taken of it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, SIZE, "dark")
        self.frames: list[Image.Image] = []
        self.times: list[int] = []
        self.pointer = QPoint(SIZE[0] // 2, SIZE[1] // 2)

    def frame(self, milliseconds: int) -> None:
        """Take a frame with the pointer, to be shown for a time."""
        self.wait(lambda: False, 0.2)
        pixels = self.viewer.screenshot(canvas_only=False, flash=False)[..., :3]
        picture = Image.fromarray(np.ascontiguousarray(pixels))
        at = self.pointer.x(), self.pointer.y()
        corners = [(at[0] + x, at[1] + y) for x, y in _POINTER]
        ImageDraw.Draw(picture).polygon(corners, fill="white", outline="black")
        self.frames.append(picture.resize(SHOWN, Image.Resampling.LANCZOS))
        self.times.append(milliseconds)

    def press(self, button) -> None:
        """Move to a button and press it."""
        window = self.viewer.window._qt_window
        self.pointer = button.mapTo(window, button.rect().center())
        self.frame(500)
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)

    def click(self, x: float, y: float, right: bool = False) -> None:
        """Move to a place of the image and click there."""
        canvas, camera = self.viewer.window._qt_viewer.canvas.native, self.viewer.scene.camera
        size, center = canvas.size(), camera.center[-2:]
        place = QPoint(
            round((x - center[1]) * camera.zoom + size.width() / 2),
            round((y - center[0]) * camera.zoom + size.height() / 2),
        )
        self.pointer = canvas.mapTo(self.viewer.window._qt_window, place)
        self.frame(600)
        button = Qt.MouseButton.RightButton if right else Qt.MouseButton.LeftButton
        QTest.mouseClick(canvas, button, Qt.KeyboardModifier.NoModifier, place)
        clicks = self.panel.clicks
        self.wait(lambda: clicks.previews and clicks.previews[0].prompts == clicks.prompts, 30)
        self.frame(1100)

    def key(self, key: Qt.Key) -> None:
        """Press a key over the canvas."""
        QTest.keyClick(self.viewer.window._qt_viewer.canvas.native, key)


def play(film: Film) -> None:
    """Click, correct, commit and save."""
    from skimage import data

    from anymask.napari.model_loading import Choice

    panel = film.panel
    path = film.folder / "coins.png"
    Image.fromarray(data.coins()).save(path)
    film.add([path])
    panel.models.load(Choice())
    film.idle()
    panel.message.hide()
    film.page("Click")
    panel.clicks.start()
    film.wait(lambda: panel.clicks.is_ready, 60)
    film.wait(lambda: False, 1)
    film.frame(900)
    film.click(335, 44)
    film.click(300, 20, right=True)
    film.key(Qt.Key.Key_C)
    film.wait(lambda: panel.clicks.status.startswith("Committed"), 30)
    film.frame(1400)
    film.click(46, 260)
    film.key(Qt.Key.Key_C)
    film.wait(lambda: "object 2" in panel.clicks.status, 30)
    film.frame(1200)
    film.press(panel.tabs["Save"])
    panel.save.folder.setText(str(film.folder / "masks"))
    film.wait(lambda: False, 0.3)
    panel.save.folder.setText("masks")
    film.frame(500)
    panel.save.folder.setText(str(film.folder / "masks"))
    QTest.mouseClick(panel.save.button, Qt.MouseButton.LeftButton)
    film.idle()
    panel.save.folder.setText("masks")
    film.frame(2600)


def main() -> None:
    """Take the frames, and write the animation with the best quality that fits."""
    with tempfile.TemporaryDirectory() as place:
        os.environ["ANYMASK_SESSIONS"] = str(Path(place) / "sessions")
        film = Film(Path(place))
        play(film)
        film.panel.shut()
        film.viewer.close()
    for quality in (80, 70, 60, 50, 40, 30):
        path = OUT / "window.webp"
        film.frames[0].save(
            path, save_all=True, append_images=film.frames[1:], duration=film.times, loop=0,
            quality=quality, method=6,
        )  # fmt: skip
        if path.stat().st_size <= MOST_BYTES:
            return
    raise SystemExit(f"{path} is larger than {MOST_BYTES:,} bytes.")


if __name__ == "__main__":
    main()
