"""Take the screenshots of docs/napari.md from the real window.

    xvfb-run -a -s "-screen 0 1920x1080x24" python docs/make_screenshots.py [NAME...]
    xvfb-run -a -s "-screen 0 1920x1080x24" python docs/make_screenshots.py \\
        --size 1920x1080 --theme light --out wide/

Needs `anymask[napari]` and a screen, such as Xvfb's; NAMEs choose some of the pictures. Those of
docs/images are dark and 1366×768; with --out, other sizes and napari's light theme can be looked
at.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

OUT = Path(__file__).resolve().parent / "images"
SIZE, THEME = (1366, 768), "dark"


class Show:
    """A window with the panel, and what it takes to photograph it."""

    def __init__(
        self, folder: Path, size: tuple[int, int] = SIZE, theme: str = THEME, out: Path = OUT
    ) -> None:
        from anymask.napari.preferences import prefer
        from anymask.napari.window import open_window

        prefer(confirm_model=False)
        self.folder, self.out = folder, out
        self.viewer, self.panel = open_window()
        self.viewer.theme = theme
        self.viewer.window._qt_window.resize(*size)
        self.wait(lambda: False, 1)

    def wait(self, until: Callable[[], object], seconds: float = 600) -> None:
        """Let the window go on until something is so."""
        from qtpy.QtWidgets import QApplication

        end = time.monotonic() + seconds
        while time.monotonic() < end and not until():
            QApplication.processEvents()
            time.sleep(0.01)

    def idle(self) -> None:
        """Wait until nothing is running and everything is drawn."""
        control = self.panel.control
        self.wait(lambda: not control.tasks.is_busy)
        self.wait(lambda: self.panel.canvas.layer is not None)
        self.wait(lambda: False, 1)

    def add(self, paths: list[Path], header: Path | None = None) -> None:
        """Add images and show the first of them."""
        self.panel.images.add(paths, header)
        self.idle()
        self.viewer.reset_view()

    def page(self, name: str) -> None:
        """Open a page of the panel."""
        self.panel.open_page(name)
        self.wait(lambda: False, 0.5)

    def take(self, name: str) -> None:
        """Write a picture of the whole window."""
        self.wait(lambda: False, 0.5)
        pixels = self.viewer.screenshot(canvas_only=False, flash=False)[..., :3]
        picture = Image.fromarray(np.ascontiguousarray(pixels))
        picture.save(self.out / f"napari_{name}.png", optimize=True)


def pictures(folder: Path) -> list[Path]:
    """Photographs that come with scikit-image."""
    from skimage import data

    files = []
    for name in ("coins", "coffee"):
        files.append(folder / f"{name}.png")
        Image.fromarray(getattr(data, name)()).save(files[-1])
    return files


def beginning(show: Show) -> None:
    """The empty window."""
    show.take("beginning")


def images(show: Show) -> None:
    """The list of images."""
    show.add(pictures(show.folder))
    show.page("Images")
    show.panel.message.hide()
    show.take("images")


def error(show: Show) -> None:
    """A checkpoint of another type, and the button that resolves it."""
    from anymask.checkpoints.sources import shipped_weights

    page = show.panel.model
    show.page("Model")
    # Named without its folder, which is another one each time.
    os.chdir(show.folder)
    path = Path("our_nuclei.safetensors")
    shutil.copy(shipped_weights(), path)
    page.add_checkpoint(path)
    page.variant.setCurrentIndex(page.variant.findData("vit_b"))
    page.load()
    show.idle()
    show.take("error")
    page.checkpoint.setCurrentIndex(0)


def model(show: Show) -> None:
    """The model settings."""
    page = show.panel.model
    show.page("Model")
    page.variant.setCurrentIndex(page.variant.findData("small"))
    page.load()
    show.idle()
    show.take("model")


def running(show: Show) -> None:
    """A run in progress."""
    page, control = show.panel.segment, show.panel.control
    show.page("Segment")
    page.points.setValue(16)
    page.run()
    show.wait(lambda: show.panel.bar.value() > 350 or not control.tasks.is_busy)
    show.panel.message.hide()
    show.take("running")
    show.idle()


def masks(show: Show) -> None:
    """Masks over the image, the table of objects, and what is still to be reviewed."""
    panel = show.panel
    show.page("Objects")
    panel.objects.table.sortByColumn(2, panel.objects.model.sort.__defaults__[0])
    queue = panel.control.session.layers.review_queue(panel.control.current)
    panel.control.session.edits.review(panel.control.current, queue[6:])
    panel.objects.colours.setCurrentIndex(2)
    panel.objects.next_unreviewed()
    panel.message.hide()
    outlines = panel.canvas.outlines
    show.wait(lambda: outlines.lines is not None and len(outlines.seams.data), 60)
    show.take("masks")
    panel.objects.colours.setCurrentIndex(0)
    panel.control.select([])


def clicking(show: Show) -> None:
    """An object that was made with a click, and the preview of the next one."""
    panel = show.panel
    panel.control.session.edits.erase(
        panel.control.current, panel.control.session.layers.ids(panel.control.current)
    )
    show.page("Click")
    panel.clicks.start()
    show.wait(lambda: panel.clicks.is_ready)
    _click(show, ((335, 44), 1))
    panel.clicks.commit()
    show.wait(lambda: panel.clicks.status.startswith("Committed"))
    show.wait(lambda: panel.control.session.layers.ids(panel.control.current))
    _click(show, ((46, 260), 1))
    show.wait(lambda: len(panel.canvas.outlines.lines.data) > 0, 60)
    panel.message.hide()
    show.take("clicking")
    panel.clicks.stop()


def _click(show: Show, *points: tuple[tuple[float, float], int]) -> None:
    clicks = show.panel.clicks
    for point, label in points:
        clicks.add_points([point], label)
    show.wait(lambda: _is_answered(clicks))


def _is_answered(clicks: Any) -> bool:
    """Whether the masks that are shown are those of the prompts."""
    return bool(clicks.previews) and clicks.previews[0].prompts == clicks.prompts


def cube(show: Show) -> None:
    """A pseudo-RGB of a spectral cube, and a mistake in another one."""
    from anymask.samples import sample

    panel = show.panel
    panel.images.add([sample("leaf_cube", show.folder / "cube")])
    show.idle()
    page = panel.pseudo_rgb
    page.name.setText("cir")
    for field, text in zip(page.fields, ("nm(860)", "nm(680)", "nm(550)"), strict=True):
        field.setText(text)
    show.wait(page.add_button.isEnabled, 20)
    page.scope.setCurrentIndex(1)
    page.add()
    show.wait(lambda: panel.control.current.recipe == "cir")
    show.idle()
    show.viewer.reset_view()
    show.page("Pseudo-RGB")
    page.name.clear()
    page.fields[0].setText("(nm(860) - nm(680)) / (nm(860) + nn(680))")
    page.fields[1].clear()
    page.fields[2].clear()
    show.wait(lambda: "^" in page.problem.text(), 20)
    panel.message.hide()
    show.take("pseudo_rgb")


def spectra(show: Show) -> None:
    """Mean spectra of objects."""
    panel = show.panel
    panel.segment.points.setValue(32)
    panel.segment.scope.setCurrentIndex(2)
    panel.segment.run()
    show.idle()
    table = panel.control.session.layers.objects(panel.control.current)
    largest = table.ids[np.argsort(table.columns["area"])[::-1][1:4]]
    panel.control.select(largest.tolist())
    show.page("Spectra")
    panel.spectra.measure()
    height, width = panel.control.record.size
    panel.spectra.show_pixel(height // 2, width // 2)
    show.wait(lambda: len(panel.spectra.plot.lines) == len(largest) + 1, 60)
    panel.message.hide()
    show.take("spectra")


def save(show: Show) -> None:
    """Formats and folder."""
    show.page("Save")
    show.panel.save.folder.setText("masks")
    show.take("save")


STEPS = (beginning, images, error, model, running, masks, clicking, cube, spectra, save)
_NEEDED = ("images", "model", "pseudo_rgb")  # for what comes after them
NAMES = [step.__name__.replace("cube", "pseudo_rgb") for step in STEPS]


def main() -> None:
    """Take all pictures; those that were not asked for are not kept."""
    parser = argparse.ArgumentParser(description="Take the screenshots of docs/napari.md.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="pictures to take; all by default")
    parser.add_argument("--size", default="{}x{}".format(*SIZE), help="of the window, in pixels")
    parser.add_argument("--theme", default=THEME, choices=("dark", "light"))
    parser.add_argument("--out", type=Path, default=OUT, help="folder for the pictures")
    options = parser.parse_args()
    wanted, theme, out = options.names, options.theme, options.out.absolute()
    width, height = map(int, options.size.split("x"))
    size = width, height
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        os.environ["ANYMASK_SESSIONS"] = str(Path(place) / "sessions")
        show = Show(Path(place), size, theme, out)
        if wanted:
            keep = show.take
            show.take = lambda name: keep(name) if name in wanted else None  # type: ignore[method-assign]
        last = max((NAMES.index(name) for name in wanted), default=len(STEPS) - 1)
        needed = {*_NEEDED, *wanted, *(["running"] if "masks" in wanted else [])}
        for name, step in zip(NAMES[: last + 1], STEPS, strict=False):
            if not wanted or name in needed:
                step(show)
        show.panel.shut()
        show.viewer.close()


if __name__ == "__main__":
    main()
