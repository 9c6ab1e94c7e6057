"""Segment every object in many images, in one call."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from anymask.errors import OutputError
from anymask.images.recipes import Recipe, check_names, recipe
from anymask.io.view import View
from anymask.jobs.folder_job import FolderJob
from anymask.jobs.folder_run import FolderRun, OnProgress
from anymask.jobs.inputs import gather
from anymask.jobs.report import FolderReport

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


def segment_folder(
    images: Paths,
    output: str | os.PathLike[str],
    model: str | os.PathLike[str] | None = None,
    *,
    skip_existing: bool = False,
    overwrite: bool = False,
    rgb: Sequence[str | Recipe] = (),
    z: int | str | None = None,
    t: int | str | None = None,
    header: str | os.PathLike[str] | None = None,
    reading: Mapping[str, Any] | None = None,
    to_rgb: Mapping[str, Any] | None = None,
    device: str = "auto",
    dtype: str = "auto",
    compile: bool = False,
    progress: OnProgress | None = None,
    cancel: Callable[[], bool] | None = None,
    **options: Any,
) -> FolderReport:
    """Segment every object in many images and write four files for each.

    For NAME.png these are NAME.overlay.png, NAME.labels.tif, NAME.masks.csv and NAME.masks.json,
    as written by the command ``anymask everything``. Each image's files appear together when they
    are complete. To continue a stopped run, repeat the call with ``skip_existing=True``.

    Parameters
    ----------
    images : str, path, or sequence of these
        Files, folders, or patterns such as ``"scans/**/*.tif"``.
    output : str or path
        Folder for the results; created if missing. Images from subfolders keep their subfolder.
    model : str or path, optional
        As in `anymask.load`; the shipped model if None.
    skip_existing : bool
        Skip images whose results are complete and were made from the same file with the same model
        and options.
    overwrite : bool
        Replace other existing results; otherwise they cause an error before the run starts.
    rgb : sequence of str or Recipe
        Pseudo-RGBs to make from each image, as in `anymask.recipe`; each is segmented separately.
    z, t : int or str, optional
        For stacks and time series: an index from 0, "middle", "max" or "mean".
    header : str or path, optional
        The ENVI header of a single data file, if it is not beside it.
    reading : mapping, optional
        Other options of `anymask.read`, such as ``{"page": 0}`` or ``{"dataset": "image"}``.
    to_rgb : mapping, optional
        Options of `anymask.to_rgb`, such as ``{"gamma": 0.8}``.
    device, dtype, compile
        As in `anymask.load`.
    progress : callable, optional
        Called with a `FolderProgress` while an image is segmented and when it is finished.
    cancel : callable, optional
        Returns whether to stop. Finished results stay, and the report has `cancelled` set.
    **options
        Any option of `SamAutomaticMaskGenerator` except `point_grids` and `output_mode`, such as
        ``points_per_side=64``. By default the model's own values are used.

    Returns
    -------
    FolderReport
        Which images were done, kept and failed, and why. If an image cannot be read, it fails and
        the run continues.

    Raises
    ------
    ImageError
        If there is no image at all.
    OutputError
        If there are results that may not be replaced, or the output folder cannot be written to.
    AnymaskError
        If the model cannot be loaded, or an option is wrong.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import skimage.io
    >>> folder = Path(tempfile.mkdtemp())
    >>> skimage.io.imsave(folder / "coins.png", skimage.data.coins()[:120, :160])
    >>> report = segment_folder(folder, folder / "masks", points_per_side=4)
    >>> [(each.name, each.status) for each in report.outcomes]
    [('coins', 'done')]
    >>> again = segment_folder(folder, folder / "masks", points_per_side=4, skip_existing=True)
    >>> len(again.kept)
    1
    """
    recipes = tuple(each if isinstance(each, Recipe) else recipe(each) for each in rgb)
    check_names(recipes)
    planes = {name: value for name, value in (("z", z), ("t", t)) if value is not None}
    where = None if header is None else Path(header)
    job = FolderJob(
        Path(output),
        "small" if model is None else os.fspath(model),
        {name: value for name, value in options.items() if value is not None},
        View(recipes, dict(to_rgb or {}), planes, where, reading=dict(reading or {})),
        device,
        dtype,
        compile,
    )
    places = [images] if isinstance(images, str | os.PathLike) else images
    run = FolderRun(job, gather([os.fspath(place) for place in places], job.view))
    if skip_existing:
        run.skip_finished()
    existing = run.would_replace()
    if existing and not overwrite:
        more = f", and of {len(existing) - 1} more" if len(existing) > 1 else ""
        raise OutputError(
            f"{job.stem(existing[0]).parent} has results called {existing[0].name.name}{more}; "
            "replace them with overwrite=True, keep those made the same way with "
            "skip_existing=True, or name another folder."
        )
    run.segment(progress=progress, cancel=cancel)
    return run.report
