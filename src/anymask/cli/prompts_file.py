"""Segments what the prompts of a file show, in one image or in a folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from anymask.cli.console import note
from anymask.cli.data_set import DataSet
from anymask.cli.folder_command import Leaving, leave_out, segment
from anymask.io.view import View
from anymask.jobs.inputs import gather
from anymask.notices import merged, noticing

if TYPE_CHECKING:
    from anymask.model.sam import Sam


@dataclass(frozen=True)
class FromFile:
    """What is asked for.

    Attributes
    ----------
    path : Path
        The file, or a folder with one for each image.
    crs, class_name : str or None
        What takes the place of what the file says.
    keep_clicked : bool
        With points and no box, only regions that contain a point.
    tiles : mapping
        ``tile_size`` and ``tile_overlap``, if given.
    """

    path: Path
    crs: str | None
    class_name: str | None
    keep_clicked: bool
    tiles: Mapping[str, int]


def segment_from_file(
    images: Sequence[str],
    asked: FromFile,
    view: View,
    load: Callable[[], Sam],
    *,
    model: str,
    device: str,
    dtype: str,
    output: Path,
    data_set: DataSet | None,
    skip_existing: bool,
    skip_failed: bool,
    jobs: int | None,
    dask: str | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Segment the images that have prompts, report what became of them, and make a data set."""
    inputs = gather(images, view)

    # Imported late, so that help and mistakes in the command are answered at once.
    from anymask.io.prompt_files import read_prompts
    from anymask.jobs.executors import executor_for
    from anymask.jobs.folder_run import FolderRun
    from anymask.jobs.prompt_job import PromptJob, with_prompts

    executor = executor_for(jobs, dask)
    with noticing() as notices:
        prompts = read_prompts(asked.path, crs=asked.crs)
        if asked.class_name is not None:
            prompts = prompts.with_class_name(asked.class_name)
        inputs, own = with_prompts(inputs, prompts, asked.path.name, view)
    for notice in merged(notices):
        note(notice)
    job = PromptJob(
        output,
        model,
        asked.tiles,
        view=view,
        device=device,
        dtype=dtype,
        prompts=own,
        keep_clicked=asked.keep_clicked,
    )
    run = FolderRun(job, inputs)
    items = list(run.todo)
    leave_out(run, Leaving(skip_existing, skip_failed, overwrite))
    if data_set is not None:
        data_set.check_free(items)

    def write_data_set() -> None:
        if data_set is not None:
            data_set.write([item for item in items if job.has_results(item)], view)

    segment(
        run,
        load,
        executor,
        as_json=as_json,
        of_no_masks=", as the file names no object there",
        afterwards=write_data_set,
    )
