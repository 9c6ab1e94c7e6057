"""`anymask gui` as a shell runs it: a process with a window of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import anymask
from anymask.cli.app import app
from anymask.session import LayerKey, Session

# Says what the window shows as soon as it shows an image, and closes it as a user does.
_WATCHED = """
import sys
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication

application = QApplication([])

def look():
    import napari
    from anymask.napari.internal_layers import NAMES
    from anymask.napari.panel import Panel
    viewer = napari.current_viewer()
    panels = [w for w in application.allWidgets() if isinstance(w, Panel)]
    # The panel may be there before the command has handed it the files.
    if not panels or panels[0].control.tasks.is_busy or panels[0].canvas.layer is None:
        return
    panel = panels[0]
    timer.stop()
    print("title:", viewer.title)
    print("layers:", ", ".join(x.name for x in viewer.layers if x.name not in NAMES))
    print("listed:", ", ".join(r.name for r in panel.control.session.images))
    viewer.close()

timer = QTimer()
timer.timeout.connect(look)
timer.start(50)
from anymask.cli.app import main
main()
"""


def _run(code: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    source = str(Path(anymask.__file__).parents[1])
    env = {**os.environ, "PYTHONPATH": source, "OMP_NUM_THREADS": "1", **environment}
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=env,
        timeout=600,  # it ends by itself; this is for one that hangs
    )


@pytest.fixture
def home(tmp_path, screen):
    """A folder for sessions that nobody named."""
    return tmp_path / "sessions"


def test_files_on_the_command_line_are_shown_and_begin_a_session(home, photos):
    done = _run(_WATCHED, "gui", *photos, ANYMASK_SESSIONS=str(home))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "title: anymask",
        "layers: photo1 · rgb, photo1 · rgb · masks",
        "listed: photo1, photo2",
    ]
    (folder,) = home.glob("*.anymask")
    with Session.open(folder) as session:  # closed with the window, and not locked any more
        assert [record.path for record in session.images] == photos


@pytest.mark.slow
def test_a_session_on_the_command_line_opens_as_it_was_left(home, photos, tmp_path):
    with Session.create(tmp_path / "work") as session:
        session.images.add(photos)
        labels = np.zeros((150, 100), np.uint16)
        labels[5:9, 5:9] = 3
        session.edits.paint(LayerKey("i2", "rgb"), labels)
        session.remember(image="i2")
    done = _run(_WATCHED, "gui", session.folder, ANYMASK_SESSIONS=str(home))
    assert done.returncode == 0, done.stderr
    assert "layers: photo2 · rgb, photo2 · rgb · masks" in done.stdout
    assert not list(home.glob("*.anymask"))


def _sentence(*arguments: object) -> str:
    """What the command says before there is any window, in this process."""
    result = CliRunner().invoke(app, ["gui", *map(str, arguments)])
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.splitlines()
    return line


def test_a_file_that_is_not_there_ends_in_one_sentence(home, photos):
    assert "none.png" in _sentence(photos[0], photos[0].with_name("none.png"))


def test_a_session_that_is_not_there_ends_in_one_sentence(home, tmp_path):
    line = _sentence(tmp_path / "none.anymask")
    assert "There is no session" in line
    assert "none.anymask" in line


def test_a_session_beside_other_files_ends_in_one_sentence(home, photos, tmp_path):
    Session.create(tmp_path / "work").close()
    line = _sentence(tmp_path / "work.anymask", photos[0])
    assert "cannot be opened together with other files" in line


_WITHOUT_NAPARI = """
import sys
sys.modules["napari"] = None
from anymask.cli.app import main
main()
"""


def test_without_the_extra_one_sentence_says_what_to_install(home, photos):
    done = _run(_WITHOUT_NAPARI, "gui", photos[0])
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert 'pip install "anymask[napari]"' in line


def test_without_qt_the_same_sentence_says_so(home, photos, monkeypatch):
    monkeypatch.setitem(sys.modules, "qtpy.QtWidgets", None)
    assert 'pip install "anymask[napari]"' in _sentence(photos[0])


def test_without_a_screen_one_sentence_says_what_to_use(photos, monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    assert "There is no screen" in _sentence(photos[0])
