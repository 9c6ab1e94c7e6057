"""How long single steps of the window keep its thread, on an image of 8000×8000 pixels.

While the thread is at work, the window answers nothing. Of each step the longest time without an
answer is taken: the CPU time that the thread itself used, which other work on the machine hardly
disturbs, and the time on the clock. Drawing by napari and the graphics driver is included; with a
virtual screen, the CPU draws.

What napari takes for the same without anymask is measured in a viewer of its own, in another
process (`watch_napari_alone`), because the first layer and the first drawing of each kind take
longest:

    xvfb-run -a -s "-screen 0 1366x768x24" python -m benchmarks.ui_thread FOLDER SIDE
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

GOAL_MS = 100.0
_DISC, _GRID = 200, 800  # radius and distance of the discs in the images


def write_images(folder: Path, side: int) -> list[Path]:
    """Write two images of red discs on grey."""
    import tifffile

    reach = np.arange(-_DISC, _DISC + 1)
    disc = reach[:, None] ** 2 + reach**2 < _DISC**2
    paths = []
    for grey in (40, 90):
        pixels = np.full((side, side, 3), grey, np.uint8)
        for row in range(_GRID // 2, side - _DISC, _GRID):
            for column in range(_GRID // 2, side - _DISC, _GRID):
                rows, columns = (slice(at - _DISC, at + _DISC + 1) for at in (row, column))
                pixels[rows, columns][disc] = (220, 80, 60)
        paths.append(folder / f"discs{grey}.tif")
        tifffile.imwrite(paths[-1], pixels)
    return paths


class Watch:
    """Does steps in the thread of the window, and notes how long each keeps it."""

    def __init__(self) -> None:
        self.found: dict[str, dict[str, float]] = {}

    def step(
        self, name: str, act: Callable[[], Any], until: Callable[[], object], limit: float = 240
    ) -> None:
        """Do something, and let the window go on until something is so and all is drawn.

        Raises
        ------
        TimeoutError
            If it does not come to that.
        """
        from qtpy.QtCore import QTimer
        from qtpy.QtWidgets import QApplication

        begun: list[bool] = []

        def begin() -> None:
            begun.append(True)
            act()

        QTimer.singleShot(0, begin)
        end, longest, own, calm = time.monotonic() + limit, 0.0, 0.0, 0
        while calm < 5:
            clock, cpu = time.perf_counter(), time.thread_time()
            QApplication.processEvents()
            longest = max(longest, time.perf_counter() - clock)
            own = max(own, time.thread_time() - cpu)
            calm = calm + 1 if begun and until() else 0
            if time.monotonic() > end:
                raise TimeoutError(f"The window did not get there: {name}.")
            time.sleep(0.005)
        self.found[name] = {"own_ms": 1000 * own, "clock_ms": 1000 * longest}


def watched(panel: Any, folder: Path, side: int) -> dict[str, dict[str, float]]:
    """Work on two large images in the window; return the longest blocks of each step."""
    from anymask.napari.model_loading import Choice

    watch, control, canvas, clicks = Watch(), panel.control, panel.canvas, panel.clicks
    paths = write_images(folder, side)

    def is_shown() -> bool:
        return not control.tasks.is_busy and canvas.layer is not None

    def objects() -> int:
        return len(control.session.layers.objects(control.current))

    def stroke() -> None:
        _paint(canvas.layer, 30 + 80 * objects(), objects() + 1, side)

    def click(row: int, column: int) -> Callable[[], None]:
        place = (_GRID * (column + 0.5), _GRID * (row + 0.5))
        return lambda: clicks.add_points([place], 1)

    first = len(control.session.images) if control.session is not None else 0
    watch.step(
        "open two images",
        lambda: panel.images.add(paths),
        lambda: is_shown() and len(control.session.images) == first + 2,
    )
    watch.step("load the model", lambda: panel.models.load(Choice()), lambda: is_shown())
    watch.step("next image", lambda: control.step(1), is_shown)
    watch.step("image before", lambda: control.step(-1), is_shown)
    watch.step("first stroke", stroke, lambda: objects() == 1)
    watch.step("stroke", stroke, lambda: objects() == 2)
    watch.step("start clicking", clicks.start, lambda: clicks.is_ready)
    watch.step("click", click(1, 1), lambda: clicks.previews)
    watch.step("first commit", clicks.commit, lambda: objects() == 3)
    watch.step("click on another", click(0, 1), lambda: clicks.previews)
    watch.step("commit", clicks.commit, lambda: objects() == 4)
    watch.step("undo", control.undo, lambda: objects() == 3)
    watch.step("redo", control.redo, lambda: objects() == 4)
    watch.step("click on an object", click(0, 1), lambda: clicks.previews)
    watch.step("refine it", clicks.refine, lambda: clicks.previews and clicks.prompts.object_id)
    way = [(_GRID * 1.5 + at, _GRID * 0.5 + at) for at in range(0, 200, 10)]
    watch.step("brush", lambda: clicks._brush(way, False), lambda: clicks._turn.is_answered)
    watch.step("clear", clicks.clear, lambda: True)
    watch.step("stop clicking", clicks.stop, lambda: True)
    watch.step("start clicking again", clicks.start, lambda: clicks.is_ready)
    watch.step("stop clicking again", clicks.stop, lambda: True)
    watch.step("select an object", lambda: control.select([1]), lambda: True)
    watch.step("next to review", panel.objects.next_unreviewed, lambda: True)
    watch.step("erase it", panel.objects.erase, lambda: objects() == 3)
    ids = control.session.layers.objects(control.current).ids.tolist()
    control.select([ids[0], ids[-1]])
    watch.step("merge two objects", panel.objects._merge, lambda: objects() == 2)
    panel.clean_up.choice.setText("area > 130000")
    watch.step("keep what matches", panel.clean_up._keep, lambda: objects() == 1 and is_shown())
    panel.clean_up.choice.clear()
    watch.step("next image again", lambda: control.step(1), is_shown)
    return watch.found


def watched_many(panel: Any, folder: Path, count: int) -> dict[str, dict[str, float]]:
    """Work in a session of many images; return the longest blocks of each step."""
    from PIL import Image

    from anymask.session import Session

    watch, control, canvas = Watch(), panel.control, panel.canvas
    rng = np.random.default_rng(0)
    paths = []
    for number in range(count):
        pixels = rng.integers(0, 90, (512, 512, 3), np.uint8)
        pixels[100:300, 100:300] = 200
        paths.append(folder / f"many{number:04}.png")
        Image.fromarray(pixels).save(paths[-1])
    labels = np.arange(1, 1025).reshape(32, 32).repeat(16, 0).repeat(16, 1).astype(np.uint16)
    with Session.create(folder / "many") as session:
        session.images.add(paths)
        for key in session.layers[:20]:
            session.edits.paint(key, labels)  # 1,024 objects each

    def is_shown() -> bool:
        return not control.tasks.is_busy and canvas.layer is not None

    def is_open() -> bool:
        return is_shown() and len(control.session.images) == count

    watch.step("open the session", lambda: panel.images.open(folder / "many.anymask"), is_open)
    watch.step("next image of many", lambda: control.step(1), is_shown)
    watch.step("image 150", lambda: control.show(control.session.images.ids[149]), is_shown)
    watch.step("first image", lambda: control.show(control.session.images.ids[0]), is_shown)
    watch.step("select one of 1,024 objects", lambda: control.select([500]), lambda: True)
    watch.step("colours by state", lambda: panel.objects.colours.setCurrentIndex(2), is_shown)
    watch.step("mark it as reviewed", panel.objects.mark_ok, lambda: True)
    watch.step("own colours", lambda: panel.objects.colours.setCurrentIndex(0), is_shown)
    watch.step("zoom", lambda: setattr(panel.viewer.scene.camera, "zoom", 3.0), is_shown)
    return watch.found


def napari_alone(folder: Path, side: int) -> dict[str, dict[str, float]]:
    """Return what `watch_napari_alone` finds in a process of its own."""
    command = [sys.executable, "-m", __name__, str(folder), str(side)]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    result: dict[str, dict[str, float]] = json.loads(found.splitlines()[-1])
    return result


def watch_napari_alone(folder: Path, side: int) -> dict[str, dict[str, float]]:
    """Do in napari without anymask what steps of the window come down to."""
    import tifffile

    from napari import Viewer

    watch, viewer = Watch(), Viewer(show_welcome_screen=False)
    first, second = (tifffile.imread(path) for path in write_images(folder, side))
    masks = [np.zeros((side, side), np.uint16) for _ in range(3)]
    drawn = {"until": lambda: True}

    def show_first() -> None:
        viewer.add_image(first, rgb=True)
        viewer.add_labels(masks[0])
        viewer.reset_view()

    def show_second() -> None:
        viewer.layers[0].data, viewer.layers[1].data = second, masks[1]

    def add_layers() -> None:
        viewer.add_labels(np.zeros((1, 1), np.uint8))
        viewer.add_shapes(ndim=2)
        viewer.add_points(ndim=2)

    watch.step("open a window", lambda: None, **drawn)
    watch.step("add the first image and masks", show_first, **drawn)
    watch.step("other pixels in these layers", show_second, **drawn)
    watch.step("stroke", lambda: _paint(viewer.layers[1], 30, 1, side), **drawn)
    watch.step("add layers of labels, boxes and points", add_layers, **drawn)
    viewer.close()
    return watch.found


def _paint(layer: Any, row: int, label: int, side: int) -> None:
    """Draw a horizontal line with napari's brush."""
    layer.mode, layer.brush_size, layer.selected_label = "paint", 40, label
    with layer.block_history():
        for column in range(side // 4, side // 2, 10):
            layer.paint((row, column), label, refresh=False)
        layer.paint((row, side // 2), label)


if __name__ == "__main__":
    print(json.dumps(watch_napari_alone(Path(sys.argv[1]), int(sys.argv[2]))))
