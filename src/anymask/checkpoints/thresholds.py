"""Other thresholds of "everything" for a model that is otherwise as its file has it."""

from __future__ import annotations

import os
import warnings
from dataclasses import replace
from pathlib import Path

from anymask.checkpoints.formats import CheckpointNotice
from anymask.checkpoints.loading import load_as_stored
from anymask.checkpoints.saving import save
from anymask.model.config import EverythingConfig


def save_thresholds(
    source: str | os.PathLike[str] | None, thresholds: EverythingConfig, path: Path
) -> None:
    """Save a model with other thresholds, which are used by default when it is loaded.

    Parameters
    ----------
    source : str, path or None
        As to `load`. The weights are saved in the dtype that they have there.
    thresholds : EverythingConfig
    path : Path
        `.safetensors`, the one format that can hold thresholds; may be the file itself.

    Raises
    ------
    CheckpointError, OutputError
        If the model cannot be read or the file not be written.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CheckpointNotice)  # what loading warns of has been told
        sam = load_as_stored(source)
    sam.config = replace(sam.config, everything=thresholds)
    save(sam, path)
