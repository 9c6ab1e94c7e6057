"""Windows killed in the middle of painting and of segmentation, and what their sessions have."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import anymask
from anymask.session import LayerKey, Session

KEY = LayerKey("i1", "rgb")

_PAINTS_UNTIL_KILLED = """
import sys, time
from pathlib import Path
from qtpy.QtWidgets import QApplication
from anymask.napari.window import open_window

folder, photo = sys.argv[1:]
viewer, panel = open_window()
from anymask.session import Session
panel.control.set_session(Session.create(folder))
panel.images.add([photo])
while panel.canvas.layer is None:
    QApplication.processEvents()
    time.sleep(0.01)
layer = panel.canvas.layer
layer.mode = "paint"
layer.brush_size = 5
layer.selected_label = 3
print("painting", flush=True)
with layer.block_history():  # the mouse is down and stays down
    for step in range(100_000):
        layer.paint((20, 10 + step % 100), 3)
        QApplication.processEvents()
        time.sleep(0.01)
"""

_SEGMENTS_UNTIL_KILLED = """
import sys, time
from qtpy.QtWidgets import QApplication
from anymask.napari.window import open_window

folder, *photos = sys.argv[1:]
viewer, panel = open_window()
from anymask.session import Session
session = Session.create(folder)
panel.control.set_session(session)

def wait(until):
    while not until():
        QApplication.processEvents()
        time.sleep(0.01)

panel.images.add(photos)
wait(lambda: panel.canvas.layer is not None)
panel.model.dtype.setCurrentIndex(panel.model.dtype.findData("float32"))
panel.model.load()
wait(lambda: panel.control.sam is not None and not panel.control.tasks.is_busy)
panel.segment.points.setValue(12)
panel.segment.run()
wait(lambda: session.images.state("i2") == "segmented")
print("two are finished", flush=True)
wait(lambda: False)
"""


def _start(code: str, *arguments: object) -> subprocess.Popen[bytes]:
    source = str(Path(anymask.__file__).parents[1])
    env = {**os.environ, "PYTHONPATH": source, "OMP_NUM_THREADS": "1"}
    script = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(script, stdout=subprocess.PIPE, env=env)


def _kill(process: subprocess.Popen[bytes]) -> None:
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.slow
def test_a_window_killed_while_painting_has_the_stroke_so_far(panel, photos, idle, tmp_path):
    folder = tmp_path / "killed.anymask"
    painter = _start(_PAINTS_UNTIL_KILLED, folder, photos[0])
    assert painter.stdout.readline() == b"painting\n"
    until, written = time.monotonic() + 120, False
    while not written and time.monotonic() < until:  # while the mouse is still down
        time.sleep(0.2)
        with Session.open(folder, read_only=True) as seen:
            written = bool(np.all(seen.layers.labels(KEY)[20, 10:100] == 3))
    _kill(painter)
    assert written
    panel.images.open(folder)
    idle()
    assert panel.control.session.layers.objects(KEY).ids.tolist() == [3]
    assert np.all(panel.canvas.layer.data[20, 10:100] == 3)
    assert panel.images.list.item(0).text().startswith("photo1\n✎ edited")


@pytest.mark.slow
def test_a_window_killed_while_segmenting_has_the_masks_of_all_images_that_were_finished(
    panel, shipped, photos, idle, tmp_path
):
    folder, third = tmp_path / "killed", tmp_path / "photo3.png"
    # The third takes long enough to be at work when the window is killed.
    Image.fromarray(np.tile(np.asarray(Image.open(photos[0])), (5, 5, 1))).save(third)
    process = _start(_SEGMENTS_UNTIL_KILLED, folder, *photos, third)
    assert process.stdout.readline() == b"two are finished\n"
    _kill(process)
    panel.images.open(folder.with_suffix(".anymask"))
    idle()
    session = panel.control.session
    assert [session.images.state(image) for image in ("i1", "i2", "i3")] == [
        "segmented", "segmented", "new",
    ]  # fmt: skip
    rows = [panel.images.list.item(at).text().splitlines()[1] for at in range(3)]
    assert [row.split(" · ")[0] for row in rows] == ["◐ segmented"] * 2 + ["○ no masks yet"]
    labels = panel.canvas.layer.data
    red = labels == labels[45, 40]
    square = np.zeros_like(red)
    square[20:70, 20:60] = True
    assert labels[45, 40]
    assert np.mean(red == square) > 0.95
    assert session.runs.options.points_per_side == 12
    # And it goes on from there: thresholds without the model, and the run where it broke off.
    panel.segment.area.number.setValue(float(np.count_nonzero(red)))
    panel.control.sam = shipped
    panel.control.show("i3")
    idle()
    panel.segment.points.setValue(8)
    panel.segment.scope.setCurrentIndex(2)
    panel.segment.run()
    idle()
    panel.segment.scope.setCurrentIndex(0)
    assert session.images.state("i3") == "segmented"
