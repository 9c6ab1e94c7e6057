"""Facts about a measured model, enough to tell whether two results are for the same weights."""

from __future__ import annotations

import os
from typing import Any

from anymask.checkpoints.info import info
from anymask.checkpoints.registry import SHIPPED
from anymask.checkpoints.sources import resolve
from anymask.model.sam import Sam


def model_facts(sam: Sam, source: str | os.PathLike[str] | None) -> dict[str, Any]:
    """Describe a loaded model.

    Parameters
    ----------
    sam : Sam
    source : str, path or None
        The argument of `anymask.load`.

    Returns
    -------
    dict
        "model", the name given; "known_as", its name if it is a published file; "weights_sha256"
        in hex, None if the weights are in several files; "input_size" in pixels; "dtype".
    """
    # As a path, so that a file with the name of a model is not mistaken for the model.
    what = info(resolve(source))
    return {
        "model": SHIPPED if source is None else os.fspath(source),
        "known_as": what.known_as,
        "weights_sha256": what.sha256,
        "input_size": sam.config.image_size,
        "dtype": str(sam.dtype).removeprefix("torch."),
    }
