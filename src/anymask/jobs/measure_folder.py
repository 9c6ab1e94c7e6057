"""Measure the objects of many images into one table, in one call."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from anymask.io.references import references
from anymask.io.view import View
from anymask.jobs.executors import executor_for
from anymask.jobs.inputs import gather
from anymask.jobs.measure_job import MeasureJob
from anymask.jobs.measure_run import MeasureRun
from anymask.jobs.report import FolderReport
from anymask.jobs.segment_folder import Paths
from anymask.jobs.work_through import OnProgress


def measure_folder(
    images: Paths,
    masks: str | os.PathLike[str],
    table: str | os.PathLike[str],
    *,
    properties: Iterable[str] | None = None,
    values: Mapping[str, str] | None = None,
    where: str | None = None,
    by: Literal["object", "image"] = "object",
    long: bool = False,
    pixel_size: float | tuple[float, float] | None = None,
    unit: str | None = None,
    z: int | str | None = None,
    t: int | str | None = None,
    header: str | os.PathLike[str] | None = None,
    wavelengths: Sequence[float] = (),
    reading: Mapping[str, Any] | None = None,
    white: str | os.PathLike[str] | None = None,
    dark: str | os.PathLike[str] | None = None,
    panel: tuple[int, int, int, int] | None = None,
    ignore_view: bool = False,
    resume: bool = False,
    overwrite: bool = False,
    jobs: int | None = None,
    dask: Any = None,
    progress: OnProgress | None = None,
    cancel: Callable[[], bool] | None = None,
) -> FolderReport:
    """Measure the objects of many images into one table, as ``anymask measure`` does.

    Images and masks are matched by name: the masks of ``a.tif`` are ``a.masks.json``,
    ``a.labels.tif``, ``a.ndvi.labels.tif``, ``a_masks.png`` and so on, or those of ``a.tif`` in a
    COCO file. To continue a stopped run, repeat the call with ``resume=True``.

    Parameters
    ----------
    images : str, path, or sequence of these
        Files, folders, or patterns such as ``"scans/**/*.tif"``.
    masks : str or path
        A folder, a pattern, or a file with the masks.
    table : str or path
        The file to write, ``.csv`` or ``.parquet``. Until it is complete, the rows of finished
        images are in ``TABLE.unfinished``.
    properties, values
        As in `anymask.measure`. Values are expressions. If neither is given, those that the masks
        were found in are measured too.
    where : str, optional
        Keep only objects that match, such as ``"area > 200 and ndvi_mean > .4"``.
    by : {"object", "image"}
        One row an object, or one an image: number, sums and means.
    long : bool
        The spectrum of each object in place of measurements, one row a band.
    pixel_size, unit
        As in `anymask.measure`, in place of what files say. `unit` alone is the one that lengths
        and areas are converted to; by default that of the first image.
    z, t, header, reading, white, dark, panel
        As in `anymask.segment_folder`; by default as recorded beside the masks.
    wavelengths : sequence of float
        Centre of each band in nanometres, for files that do not state them.
    ignore_view : bool
        Whether to leave what is recorded beside the masks unused.
    resume : bool
        Go on with an unfinished table. Images whose files changed are measured again.
    overwrite : bool
        Replace a table that exists, or begin an unfinished one again.
    jobs : int, optional
        Work in this many processes of this machine, which share its cores. The results are the
        same.
    dask : str, Client or Cluster, optional
        Work on a Dask cluster: the address of its scheduler, "local" for one on this machine, or
        a client or cluster of `dask.distributed`. The results are the same.
    progress : callable, optional
        Called with a `FolderProgress` when an image is begun and when it is finished.
    cancel : callable, optional
        Returns whether to stop. Finished images stay, and the report has `cancelled` set.

    Returns
    -------
    FolderReport
        Which images were done, kept and failed, and why. An image that cannot be read, or has no
        masks, fails and the run continues.

    Raises
    ------
    ImageError
        If there is no image with masks at all.
    OutputError
        If the table exists and may not be replaced, or cannot be written.
    AnymaskError
        If a setting is wrong.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from anymask.io import save_masks
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name, side in (("a", 2), ("b", 3)):
    ...     np.save(folder / f"{name}.npy", np.ones((side, side)))
    ...     _ = save_masks(np.ones((side, side), int), folder / "masks" / f"{name}.tif")
    >>> report = measure_folder(folder, folder / "masks", folder / "t.csv", properties=["area"])
    >>> print((folder / "t.csv").read_text())
    image,id,class_name,area
    a.npy,1,,4.0
    b.npy,1,,9.0
    <BLANKLINE>
    """
    executor = executor_for(jobs, dask)
    places = [images] if isinstance(images, str | os.PathLike) else images
    sides = (pixel_size, pixel_size) if isinstance(pixel_size, int | float) else pixel_size
    planes = {name: value for name, value in (("z", z), ("t", t)) if value is not None}
    job = MeasureJob(
        None if properties is None else tuple(properties),
        values,
        where,
        by,
        long,
        sides,
        unit,
        View(
            planes=planes,
            header=None if header is None else Path(header),
            wavelengths=tuple(wavelengths),
            reading=dict(reading or {}),
            references=references(white, dark, panel),
        ),
        ignore_view,
    )
    run = MeasureRun(
        job,
        Path(table),
        gather([os.fspath(place) for place in places]),
        Path(masks),
        resume=resume,
        overwrite=overwrite,
    )
    run.measure(progress, cancel, executor)
    return run.report
