"""Change the default thresholds of "everything" stored with a model."""

from __future__ import annotations

import os
import warnings
from dataclasses import replace
from pathlib import Path

from anymask.checkpoints.building import load_as_stored
from anymask.checkpoints.formats import CheckpointNotice
from anymask.checkpoints.saving import save
from anymask.model.config import EverythingConfig


def save_thresholds(
    source: str | os.PathLike[str] | None, thresholds: EverythingConfig, path: Path
) -> None:
    """Save a model with other thresholds, which become its defaults.

    Parameters
    ----------
    source : str, path or None
        As in `load`. The weights keep their dtype.
    thresholds : EverythingConfig
    path : Path
        `.safetensors`, the only format that can store thresholds; may be the same file.

    Raises
    ------
    CheckpointError, OutputError
        If the model cannot be read or the file cannot be written.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CheckpointNotice)  # already shown on loading
        sam = load_as_stored(source)
    sam.config = replace(sam.config, everything=thresholds)
    save(sam, path)
