"""``anymask job``: look at a run over a folder, and go on with it."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from anymask.cli.console import EXIT_SOME_FAILED, err, errors_as_sentences, note, out
from anymask.cli.options import DaskOption, JobsOption, JsonOption
from anymask.errors import AnymaskError
from anymask.wording import counted

if TYPE_CHECKING:
    from anymask.jobs.job_journal import JobState

app = typer.Typer(
    name="job",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)

JobArgument = Annotated[
    Path,
    typer.Argument(
        metavar="JOB",
        help="The folder that 'anymask everything' or 'anymask segment --prompts' writes to, or "
        "the table of 'anymask measure'.",
        show_default=False,
    ),
]
# Longer tables end here.
_MOST_ROWS = 40


@app.callback()
def job() -> None:
    """Look at a run over many images, and go on with it.

    Each run over several images keeps a journal in its folder, OUT/job.jsonl: what is done, what
    failed and why, the settings, and hashes of the model and of the images. A table of many images
    has one until it is complete, TABLE.unfinished.
    """


@app.command()
@errors_as_sentences
def status(folder: JobArgument, as_json: JsonOption = False) -> None:
    """Show how many images of a job are done, what failed and why, and what is left.

    The exit code is 1 if images failed.

    ```
    anymask job status masks/
    ```
    """
    from anymask.jobs.job_journal import is_running, read_job
    from anymask.jobs.table_journal import read_table_job, table_is_running

    state = read_table_job(folder)
    if state is not None:
        running = table_is_running(state.folder)
    else:
        _check_unfinished(folder)
        state = read_job(folder)
        running = is_running(state.folder)
    if as_json:
        typer.echo(json.dumps(_as_json(state, running), indent=1, ensure_ascii=False))
    else:
        _print(state, running)
    if state.failed:
        raise typer.Exit(EXIT_SOME_FAILED)


@app.command()
@errors_as_sentences
def resume(
    context: typer.Context, folder: JobArgument, jobs: JobsOption = None, dask: DaskOption = None
) -> None:
    """Do the images of a job that are left, with the same settings.

    Images that failed are left out unless their files have changed; see 'anymask job
    retry-failed'. Nothing that is finished is done again. A table tries failed images again.

    ```
    anymask job resume masks/
    anymask job resume all.csv
    anymask job resume masks/ --jobs 4
    ```
    """
    _again(context, folder, ["--skip-existing", "--skip-failed"], jobs, dask)


@app.command("retry-failed")
@errors_as_sentences
def retry_failed(
    context: typer.Context, folder: JobArgument, jobs: JobsOption = None, dask: DaskOption = None
) -> None:
    """Try the failed images of a job again, and do those that are left.

    ```
    anymask job retry-failed masks/
    ```
    """
    _again(context, folder, ["--skip-existing"], jobs, dask)


def _again(
    context: typer.Context,
    folder: Path,
    options: Sequence[str],
    jobs: int | None,
    dask: str | None,
) -> None:
    """Run the command of a job again."""
    from anymask.jobs.job_journal import read_job
    from anymask.jobs.table_journal import read_table_job

    state = read_table_job(folder)
    option = "--skip-existing"
    if state is not None:
        option, options = "--resume", ["--resume"]
    else:
        _check_unfinished(folder)
        state = read_job(folder)
    if state.command is None:
        python = f"{option.removeprefix('--').replace('-', '_')}=True"
        raise AnymaskError(
            f"The job in {folder} was begun in Python; repeat that call with {python}."
        )
    if not state.began_in.is_dir():
        raise AnymaskError(
            f"The job in {folder} was begun in {state.began_in}, which is missing; repeat its "
            f"command with {option}."
        )
    words = state.command
    if jobs is not None or dask is not None:
        words = _without(words, ("--jobs", "--dask"))
        options = [*options, *([] if jobs is None else ["--jobs", str(jobs)])]
        options = [*options, *([] if dask is None else ["--dask", dask])]
    words = [*words, *(option for option in options if option not in words)]
    note(f"In {state.began_in}: anymask {' '.join(words)}")
    before = Path.cwd()
    os.chdir(state.began_in)
    try:
        context.find_root().command.main(words, prog_name="anymask")
    finally:
        os.chdir(before)


def _check_unfinished(place: Path) -> None:
    """Refuse a table that is complete."""
    if place.is_file() and place.suffix.lower() in (".csv", ".parquet"):
        raise AnymaskError(f"{place} is complete: no image is left to measure.")


def _without(words: Sequence[str], options: Sequence[str]) -> list[str]:
    """Leave out options that take a value.

    >>> _without(["everything", "a", "--jobs", "2", "--dask=x", "-o", "b"], ["--jobs", "--dask"])
    ['everything', 'a', '-o', 'b']
    """
    left: list[str] = []
    rest = iter(words)
    for word in rest:
        if word in options:
            next(rest, None)
        elif word.partition("=")[0] not in options:
            left.append(word)
    return left


def _as_json(state: JobState, running: bool) -> dict[str, object]:
    return {
        "folder": str(state.folder),
        "running": running,
        "images": state.images,
        "done": state.done,
        "failed": len(state.failed),
        "left": state.left,
        "began": state.began,
        "anymask": state.anymask,
        "command": state.command,
        "settings": state.settings,
        "failures": [
            {key: step.get(key) for key in ("image", "path", "reason")}
            for step in state.failed.values()
        ],
    }


def _print(state: JobState, running: bool) -> None:
    parts = [f"{state.done} of {counted(state.images, 'image')} done"]
    if state.failed:
        parts.append(f"{len(state.failed)} failed")
    if state.left:
        parts.append(f"{state.left} left")
    going = "running" if running else "stopped" if state.left else "complete"
    out.print(Text(f"{state.folder}: {going}; {', '.join(parts)}."), soft_wrap=True)
    if not state.failed:
        return
    table = Table()
    table.add_column("Failed", overflow="fold")
    table.add_column("Why", overflow="fold")
    for name, step in list(state.failed.items())[:_MOST_ROWS]:
        table.add_row(Text(name), Text(step["reason"]))
    out.print(table)
    if len(state.failed) > _MOST_ROWS:
        err.print(Text(f"And {len(state.failed) - _MOST_ROWS} more; --json lists all."))
