"""Segment many images in one call: every object, or those that prompts show."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from anymask.errors import AnymaskError, OutputError
from anymask.images.recipes import Recipe, check_names, recipe
from anymask.io.prompt_files import read_prompts
from anymask.io.references import references
from anymask.io.view import View
from anymask.jobs.executors import executor_for
from anymask.jobs.folder_job import FolderJob
from anymask.jobs.folder_run import FolderRun
from anymask.jobs.in_blocks.plan import TILE_SIZE
from anymask.jobs.inputs import gather
from anymask.jobs.matching import masks_by_image
from anymask.jobs.prompt_job import PromptJob, with_prompts
from anymask.jobs.report import FolderReport
from anymask.jobs.work_through import OnProgress
from anymask.prompts.prompts import Prompts

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


def segment_folder(
    images: Paths,
    output: str | os.PathLike[str],
    model: str | os.PathLike[str] | None = None,
    *,
    prompts: str | os.PathLike[str] | Prompts | None = None,
    class_name: str | None = None,
    crs: str | None = None,
    add_to: str | os.PathLike[str] | None = None,
    skip_existing: bool = False,
    skip_failed: bool = False,
    overwrite: bool = False,
    rgb: Sequence[str | Recipe] = (),
    z: int | str | None = None,
    t: int | str | None = None,
    header: str | os.PathLike[str] | None = None,
    reading: Mapping[str, Any] | None = None,
    to_rgb: Mapping[str, Any] | None = None,
    white: str | os.PathLike[str] | None = None,
    dark: str | os.PathLike[str] | None = None,
    panel: tuple[int, int, int, int] | None = None,
    device: str = "auto",
    dtype: str = "auto",
    compile: bool = False,
    blocks: bool = False,
    jobs: int | None = None,
    dask: Any = None,
    progress: OnProgress | None = None,
    cancel: Callable[[], bool] | None = None,
    **options: Any,
) -> FolderReport:
    """Segment every object in many images, or those that prompts show, and write four files each.

    For NAME.png these are NAME.overlay.png, NAME.labels.tif, NAME.masks.csv and NAME.masks.json,
    as written by the commands ``anymask everything`` and ``anymask segment``. Each image's files
    appear together when they are complete. To continue a stopped run, repeat the call with
    ``skip_existing=True``.

    Parameters
    ----------
    images : str, path, or sequence of these
        Files, folders, or patterns such as ``"scans/**/*.tif"``.
    output : str or path
        Folder for the results; created if missing. Images from subfolders keep their subfolder.
    model : str or path, optional
        As in `anymask.load`; the shipped model if None.
    prompts : str, path or Prompts, optional
        Boxes and points of the wanted objects, as `anymask.read_prompts` reads them. By default
        every object is segmented.
    class_name : str, optional
        With `prompts`: the class of all objects, in place of those in the file.
    crs : str, optional
        With `prompts`: as in `anymask.read_prompts`.
    add_to : str or path, optional
        Masks to keep, such as corrected ones: a folder, a pattern or a file, matched by name. They
        keep their pixels, ids and classes; what they do not cover is added.
    skip_existing : bool
        Skip images whose results are complete and were made from the same file with the same model
        and options.
    skip_failed : bool
        Skip images that failed in the last run, unless their files have changed.
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
    white, dark, panel
        Files of a white and a dark reference, or a white panel (top, left, height, width) in each
        image: images are turned into reflectance first, as by `anymask.reflectance`.
    device, dtype, compile
        As in `anymask.load`.
    blocks : bool
        Share out images that have several tiles too: each tile is a task, and labels are written
        as OME-Zarr. `tile_size` is 1024 then, if it is not given. Images of more than 178,956,970
        pixels are always done so.
    jobs : int, optional
        Work in this many processes of this machine, which share its cores. The results are the
        same.
    dask : str, Client or Cluster, optional
        Work on a Dask cluster: the address of its scheduler, "local" for one on this machine, or
        a client or cluster of `dask.distributed`. The results are the same.
    progress : callable, optional
        Called with a `FolderProgress` while an image is segmented and when it is finished.
    cancel : callable, optional
        Returns whether to stop. Finished results stay, and the report has `cancelled` set.
    **options
        Any option of `SamAutomaticMaskGenerator` except `point_grids` and `output_mode`, such as
        ``points_per_side=64``. By default the model's own values are used. With `prompts`, only
        `tile_size` and `tile_overlap`.

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
        If the model cannot be loaded, an option is wrong, or no image has prompts.

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
    light = references(white, dark, panel)
    view = View(recipes, dict(to_rgb or {}), planes, where, (), dict(reading or {}), light)
    name = "small" if model is None else os.fspath(model)
    executor = executor_for(jobs, dask)
    places = [images] if isinstance(images, str | os.PathLike) else images
    inputs = gather([os.fspath(place) for place in places], view)
    given = {key: value for key, value in options.items() if value is not None}
    earlier = {} if add_to is None else masks_by_image(inputs, Path(add_to))
    if prompts is None:
        if class_name is not None or crs is not None:
            raise AnymaskError("class_name= and crs= are about prompts; give prompts= too.")
        if blocks:
            given.setdefault("tile_size", TILE_SIZE)
        job = FolderJob(Path(output), name, given, view, device, dtype, compile, earlier, blocks)
    else:
        if blocks:
            raise AnymaskError(
                "blocks= is for every object of an image; leave it out with prompts=."
            )
        called = "The prompts" if isinstance(prompts, Prompts) else Path(prompts).name
        if not isinstance(prompts, Prompts):
            prompts = read_prompts(prompts, crs=crs)
        if class_name is not None:
            prompts = prompts.with_class_name(class_name)
        inputs, own = with_prompts(inputs, prompts, called, view)
        job = PromptJob(
            Path(output), name, given, view, device, dtype, compile, earlier, prompts=own
        )
    run = FolderRun(job, inputs)
    if skip_existing:
        run.skip_finished()
    if skip_failed:
        run.skip_failed()
    existing = run.would_replace()
    if existing and not overwrite:
        more = f", and of {len(existing) - 1} more" if len(existing) > 1 else ""
        raise OutputError(
            f"{job.stem(existing[0]).parent} has results called {existing[0].name.name}{more}; "
            "replace them with overwrite=True, keep those made the same way with "
            "skip_existing=True, or name another folder."
        )
    run.segment(progress=progress, cancel=cancel, executor=executor)
    return run.report
