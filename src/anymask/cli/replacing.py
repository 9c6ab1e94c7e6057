"""Results that are there already: replaced when that is asked for, never unawares."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import typer

from anymask.cli.console import err
from anymask.errors import OutputError
from anymask.io.results import SUFFIXES, result_path


def check_replacing(stems: Sequence[Path], overwrite: bool, otherwise: str) -> None:
    """Ask before results are replaced; where nobody can be asked, refuse.

    Results of which a file is missing were not finished and are no loss.

    Parameters
    ----------
    stems : sequence of Path
        Folder and NAME of the results about to be written.
    overwrite : bool
        Whether that was agreed to beforehand.
    otherwise : str
        What else the user could do, to complete "or …".

    Raises
    ------
    OutputError
        If some exist and nobody agrees.
    """
    if overwrite:
        return
    there = [s for s in stems if all(result_path(s, suffix).exists() for suffix in SUFFIXES)]
    if not there:
        return
    named = f"results called {there[0].name}"
    if len(there) > 1:
        named += f", and of {len(there) - 1} more"
    folder = there[0].parent
    if sys.stdin.isatty() and err.is_terminal:
        if typer.confirm(f"{folder} holds {named}. Replace them?", err=True):
            return
        raise OutputError(f"Nothing was replaced in {folder}.")
    raise OutputError(
        f"{folder} holds {named}; replace them with --overwrite, {otherwise}or name another folder."
    )
