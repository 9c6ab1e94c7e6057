"""``anymask track``: follow objects through a video, a series or a stack."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.progress import Progress
from rich.text import Text

from anymask.cli.console import err, errors_as_sentences, note, out
from anymask.cli.options import (
    BoxesOption,
    DeviceOption,
    DtypeOption,
    OutputOption,
    OverwriteOption,
    load_model,
)
from anymask.cli.prompts import (
    TypedObject,
    check_together,
    parse_box,
    parse_object,
    parse_point,
    read_mask,
)
from anymask.errors import PromptError
from anymask.files import check_free, check_writable

if TYPE_CHECKING:
    from anymask.tracking.tracker import SamTracker

_MODEL = "sam2.1_hiera_tiny"


@errors_as_sentences
def track(
    frames: Annotated[
        str,
        typer.Argument(
            metavar="VIDEO",
            help="A video file, a folder of images in the order of their numbers, or a file with "
            "time points or planes such as a TIFF stack or an OME-Zarr.",
            show_default=False,
        ),
    ],
    output: OutputOption,
    point: Annotated[
        list[str] | None,
        typer.Option(
            "--point",
            "-p",
            metavar="X,Y[,LABEL]",
            help="A point in the prompted frame, in pixels from the left and top. Label 1 (the "
            "default) is on the object, 0 is off it. May be repeated; all points describe one "
            "object.",
        ),
    ] = None,
    box: BoxesOption = None,
    objects: Annotated[
        list[str] | None,
        typer.Option(
            "--object",
            metavar="X,Y[,LABEL]...",
            help="One of several objects: its points and at most one box, separated by spaces. May "
            "be repeated.",
        ),
    ] = None,
    mask: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A mask of the object: an image of the size of a frame, with the object bright "
            "and the rest black.",
        ),
    ] = None,
    frame: Annotated[
        int, typer.Option(metavar="N", min=0, help="The frame with the prompts, from 0.")
    ] = 0,
    t: Annotated[
        int | None,
        typer.Option(
            "--t",
            metavar="N",
            min=0,
            help="Of a file with time points and planes: go through the planes of this time "
            "point, from 0.",
            show_default=False,
        ),
    ] = None,
    z: Annotated[
        int | None,
        typer.Option(
            "--z",
            metavar="N",
            min=0,
            help="Of a file with time points and planes: follow this plane through time, from 0.",
            show_default=False,
        ),
    ] = None,
    direction: Annotated[
        Literal["forward", "backward", "both"],
        typer.Option(help="Which way to follow from there."),
    ] = "both",
    video: Annotated[
        bool,
        typer.Option("--video/--no-video", help="Write a film with the objects painted on it."),
    ] = True,
    model: Annotated[
        str,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME|FILE|ID",
            help="A SAM 2 or SAM 2.1: a name (see `anymask models`), checkpoint or folder, or "
            "Hugging Face id.",
        ),
    ] = _MODEL,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    overwrite: OverwriteOption = False,
) -> None:
    """Follow objects through a video, a series or a stack.

    Writes labels.tif with a label image of each frame, objects.csv with area, box and centroid of
    each object in each frame, and overlay.mp4. Reading and writing video files needs
    `pip install 'anymask[video]'`.

    One object from its box; two by a click each; a nucleus through the planes of a stack, both
    ways from plane 20:

    ```
    anymask track walk.mp4 --box 310,120,420,380 -o walk/
    anymask track plates/ --object 120,80 --object 300,90 -o plates_tracked/
    anymask track nuclei.tif --point 256,190 --frame 20 -o nucleus/
    ```
    """
    asked = _asked(point, box, objects, mask)
    check_writable(output)
    from anymask.tracking.frames import open_frames
    from anymask.tracking.results import FILM, LABELS, TABLE, save_tracked
    from anymask.tracking.tracker import SamTracker

    for name in (LABELS, TABLE, FILM)[: 3 if video else 2]:
        check_free(output / name, overwrite)
    video = video and _can_write_films()
    opened = open_frames(frames, t=t, z=z)
    tracker = SamTracker(load_model(model, device, dtype))
    tracker.start(opened)
    _add(tracker, frame, asked, mask)
    shown = Progress(console=err, transient=True)
    with shown:
        steps = shown.add_task("Following", total=len(opened))
        for _ in tracker.propagate(direction):
            shown.advance(steps)
    with shown:
        paths = save_tracked(
            tracker, output, with_film=video, overwrite=overwrite, progress=_telling(shown)
        )
    for path in paths:
        out.print(Text(str(path)), soft_wrap=True)


def _asked(
    point: list[str] | None, box: list[str] | None, objects: list[str] | None, mask: Path | None
) -> list[TypedObject]:
    if not (point or box or objects or mask):
        raise PromptError(
            "No prompt is given: show the object with --point x,y, --box x0,y0,x1,y1 or --mask "
            "FILE, or each of several objects with --object."
        )
    points = [parse_point(text) for text in point or []]
    boxes = [parse_box(text) for text in box or []]
    typed = [parse_object(text) for text in objects or []]
    check_together(points, boxes, mask, typed)
    if typed:
        return typed
    if points:
        return [TypedObject(points, boxes[0] if boxes else None)]
    return [TypedObject([], each) for each in boxes] or [TypedObject()]


def _add(tracker: SamTracker, frame: int, asked: list[TypedObject], mask: Path | None) -> None:
    for number, each in enumerate(asked, start=1):
        if mask is not None:
            size = tracker.known(frame).image_size
            tracker.add(frame, number, mask=read_mask(mask, size))
            continue
        tracker.add(
            frame,
            number,
            point_coords=[(x, y) for x, y, _ in each.points] or None,
            point_labels=[label for _, _, label in each.points] or None,
            box=each.box,
        )


def _can_write_films() -> bool:
    from anymask.tracking.errors import TrackingError
    from anymask.tracking.video import import_av

    try:
        import_av()
    except TrackingError:
        note("No film is written, because that needs pip install 'anymask[video]'.")
        return False
    return True


def _telling(shown: Progress) -> Callable[[int, int], None]:
    task = shown.add_task("Writing", total=None)

    def tell(done: int, count: int) -> None:
        shown.update(task, completed=done, total=count)

    return tell
