"""``anymask text``: segment what words name, in one image or in many."""

from __future__ import annotations

from typing import Annotated

import typer

from anymask.cli.console import errors_as_sentences
from anymask.cli.folder_command import Leaving, leave_out, segment
from anymask.cli.options import (
    DaskOption,
    DeviceOption,
    DtypeOption,
    ImagesArgument,
    JobsOption,
    JsonOption,
    ModelOption,
    OutputOption,
    OverwriteOption,
    SkipFailedOption,
    load_model,
)
from anymask.cli.view import with_view
from anymask.io.view import View
from anymask.jobs.inputs import gather

_OF_NO_MASKS = "; lower --min-score, or use other words"


@errors_as_sentences
@with_view
def text(
    images: ImagesArgument,
    words: Annotated[
        str,
        typer.Argument(
            metavar="WORDS",
            help="What to find, in quotes, with full stops between: 'coin. tea cup.'",
            show_default=False,
        ),
    ],
    output: OutputOption,
    detector: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|DIR",
            help="Finds the words: grounding-dino (the default), grounding-dino-base, "
            "mm-grounding-dino, llmdet, owlv2, that of an installed package, or a folder with one "
            "of these.",
        ),
    ] = None,
    min_score: Annotated[
        float | None,
        typer.Option(
            metavar="SCORE",
            min=0,
            max=1,
            help="Leave out what the detector is less sure of; by default its own limit, .3 or .2.",
        ),
    ] = None,
    tile_size: Annotated[
        int | None,
        typer.Option(
            metavar="PIXELS",
            min=64,
            help="Look at parts of this side too, for small objects in large images.",
        ),
    ] = None,
    model: ModelOption = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    skip_existing: Annotated[
        bool,
        typer.Option(
            "--skip-existing",
            help="Skip images that already have complete results of the same words, models and "
            "options. Use it to resume a stopped run.",
        ),
    ] = False,
    skip_failed: SkipFailedOption = False,
    overwrite: OverwriteOption = False,
    jobs: JobsOption = None,
    dask: DaskOption = None,
    as_json: JsonOption = False,
    *,
    view: View,
) -> None:
    """Segment what words name.

    A detector finds a box for each object that a word names, and the model segments what is in it.
    Each object has its word as its class. The files in OUT are those of 'anymask everything'.

    The detector is a published one that runs through transformers: pip install 'anymask[text]'. It
    is downloaded when it is first used (Grounding DINO: 690 MB, Apache-2.0).

    Coins and cups in a folder; another detector; small things in large images:

    ```
    anymask text photos/ 'coin. tea cup.' -o masks/
    anymask text photos/ 'coin' -o masks/ --detector owlv2 --min-score 0.15
    anymask text field.tif 'sheep' -o masks/ --tile-size 1000
    ```
    """
    inputs = gather(images, view)

    # Imported late, so that help and mistakes in the command are answered at once.
    from anymask.jobs.executors import executor_for
    from anymask.jobs.folder_run import FolderRun
    from anymask.jobs.text_job import TextJob
    from anymask.predict.predict_text import words_of
    from anymask.predict.prompters import the_prompter

    the_prompter(detector)  # a wrong name is told before anything is loaded
    job = TextJob(
        output,
        model or "small",
        {} if tile_size is None else {"tile_size": tile_size},
        view,
        device,
        dtype,
        words=tuple(words_of(words)),
        prompter=detector,
        min_score=min_score,
    )
    run = FolderRun(job, inputs)
    leave_out(run, Leaving(skip_existing, skip_failed, overwrite))
    segment(
        run,
        lambda: load_model(model, device, dtype),
        executor_for(jobs, dask),
        as_json=as_json,
        of_no_masks=_OF_NO_MASKS,
    )
