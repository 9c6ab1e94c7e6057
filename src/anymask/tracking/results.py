"""Files of a tracking: label images of all frames, a table, and a film."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from anymask.files import check_free, whole_file
from anymask.masks.labels import label_dtype
from anymask.painting import overlay
from anymask.tracking.frames import frame_of
from anymask.tracking.tracked_frame import TrackedFrame
from anymask.tracking.tracker import SamTracker

LABELS, TABLE, FILM = "labels.tif", "objects.csv", "overlay.mp4"
"""Names of the files."""

_COLUMNS = (
    "frame",
    "id",
    "area",
    "x",
    "y",
    "width",
    "height",
    "centroid_x",
    "centroid_y",
    "predicted_iou",
    "presence",
)
_RATE = Fraction(10)  # of films of sources that have none


def save_tracked(
    tracker: SamTracker,
    folder: Path,
    *,
    with_film: bool = True,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Write what a tracker knows of all frames.

    Parameters
    ----------
    tracker
        Frames that were not followed are written without objects.
    folder
        Created if missing. ``labels.tif`` has a label image of each frame (T×H×W, the ids of
        objects, 0 elsewhere); ``objects.csv`` a row for each object in each frame that shows it:
        area in pixels, box (x, y, width, height), centroid, predicted IoU, and the logit of its
        presence; ``overlay.mp4`` the frames with the objects painted on them.
    with_film
        Whether to write the film, which needs the extra ``video``.
    overwrite
        Replace existing files.
    progress
        Called with the number of frames written, and of all, for each file in turn.

    Returns
    -------
    list of Path
        The files. Each appears whole or not at all.

    Raises
    ------
    OutputError
        If a file exists or cannot be written.
    """
    paths = [folder / name for name in (LABELS, TABLE, FILM)[: 3 if with_film else 2]]
    for path in paths:
        check_free(path, overwrite)

    def frames() -> Iterator[TrackedFrame]:
        assert tracker.frames is not None
        count = len(tracker.frames)
        for frame in range(count):
            yield tracker.known(frame)
            if progress is not None:
                progress(frame + 1, count)

    rows: list[list[Any]] = []
    _write_labels(paths[0], tracker, frames(), rows)
    with whole_file(paths[1]) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        writer.writerows(rows)
    if with_film:
        _write_film(paths[2], tracker, frames())
    return paths


def _write_labels(
    path: Path, tracker: SamTracker, frames: Iterator[TrackedFrame], rows: list[list[Any]]
) -> None:
    assert tracker.frames is not None
    dtype = label_dtype(max(tracker.ids, default=1))
    first = tracker.known(0)

    def pages() -> Iterator[NDArray[Any]]:
        for each in frames:
            rows.extend(_rows(each))
            yield each.labels.astype(dtype)

    with whole_file(path) as temporary:
        tifffile.imwrite(
            temporary,
            pages(),
            shape=(len(tracker.frames), *first.image_size),
            dtype=dtype,
            compression="zlib",
            photometric="minisblack",
            metadata={"axes": "TYX"},
        )


def _rows(found: TrackedFrame) -> Iterator[list[Any]]:
    for number, object_id in enumerate(found.ids):
        y, x = np.nonzero(found.masks[number])
        if not len(x):
            continue
        box = [x.min(), y.min(), np.ptp(x) + 1, np.ptp(y) + 1]
        centre = [f"{x.mean():.2f}", f"{y.mean():.2f}"]
        scores = [f"{found.predicted_iou[number]:.4f}", f"{found.presence[number]:.3f}"]
        yield [found.frame, object_id, len(x), *box, *centre, *scores]


def _write_film(path: Path, tracker: SamTracker, frames: Iterator[TrackedFrame]) -> None:
    from anymask.tracking.video import film

    assert tracker.frames is not None
    with film(path, getattr(tracker.frames, "rate", _RATE)) as add:
        for each in frames:
            add(overlay(frame_of(tracker.frames, each.frame), each.labels))
