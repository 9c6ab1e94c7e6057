"""Asks before existing results are replaced."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import typer

from anymask.cli.console import err
from anymask.errors import OutputError
from anymask.io.results import has_results


def check_replacing(stems: Sequence[Path], overwrite: bool, otherwise: str) -> None:
    """Ask before results are replaced; refuse if there is no terminal to ask on.

    Results with a missing file were never finished and are replaced without asking.

    Parameters
    ----------
    stems : sequence of Path
        Folder and NAME of the results about to be written.
    overwrite : bool
        Whether the user agreed with ``--overwrite``.
    otherwise : str
        What else the user can do, inserted before "or name another folder".

    Raises
    ------
    OutputError
        If some exist and the user did not agree.
    """
    if overwrite:
        return
    there = [stem for stem in stems if has_results(stem)]
    if not there:
        return
    named = f"results for {there[0].name}"
    if len(there) > 1:
        named += f" and {len(there) - 1} more"
    folder = there[0].parent
    if sys.stdin.isatty() and err.is_terminal:
        if typer.confirm(f"{folder} already has {named}. Replace them?", err=True):
            return
        raise OutputError(f"Nothing was replaced in {folder}.")
    raise OutputError(
        f"{folder} already has {named}; replace them with --overwrite, {otherwise}or name another "
        "folder."
    )
