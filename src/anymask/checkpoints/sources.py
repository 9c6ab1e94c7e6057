"""Find the local file or folder for the source that `load` gets."""

from __future__ import annotations

import atexit
import os
from contextlib import ExitStack
from importlib.resources import as_file, files
from pathlib import Path

from anymask.checkpoints.download import fetch
from anymask.checkpoints.hub import fetch_from_hub, is_hub_id
from anymask.checkpoints.identify import WEIGHT_SUFFIXES, missing_file
from anymask.checkpoints.registry import (
    CHECKPOINTS,
    SHIPPED,
    SMALL_SHA256,
    UnknownModelError,
    known_names,
)
from anymask.errors import CheckpointError
from anymask.files import sha256

# Keeps weights unpacked from a zipped installation until the interpreter exits.
_unpacked = ExitStack()
atexit.register(_unpacked.close)


def resolve(source: str | os.PathLike[str] | None) -> Path:
    """Return the local file or folder of a source, downloading it if needed.

    Parameters
    ----------
    source : str, path or None
        None for the shipped model, a name of the registry, a path, or the id of a model on the
        Hugging Face hub, tried in this order.

    Raises
    ------
    CheckpointError
        If it is none of these, or cannot be downloaded.
    """
    if source is None:
        return shipped_weights()
    if not isinstance(source, str | os.PathLike):
        raise CheckpointError(
            f"A model is given as a path or a name, not as {type(source).__name__}; the names are "
            f"{known_names()}."
        )
    text = os.fspath(source)
    if text in CHECKPOINTS and isinstance(source, str):
        return shipped_weights() if text == SHIPPED else fetch(CHECKPOINTS[text])
    path = Path(text).expanduser()
    if path.exists():
        return path
    if isinstance(source, str) and is_hub_id(text):
        return fetch_from_hub(text)
    if isinstance(source, str) and not (path.name != text or text.endswith(WEIGHT_SUFFIXES)):
        raise UnknownModelError(
            f"There is no model and no file named {text!r}; the names are {known_names()}."
        )
    raise missing_file(path)


def shipped_weights() -> Path:
    """Return the file of the shipped model's weights, verified.

    Raises
    ------
    CheckpointError
        If it is missing from the installation, or is another file.
    """
    resource = files("anymask.checkpoints") / "weights" / CHECKPOINTS[SHIPPED].file_name
    if not resource.is_file():
        raise CheckpointError(
            "This installation of anymask lacks the weights of its shipped model; install it "
            "again, or load another model by name or path."
        )
    path = _unpacked.enter_context(as_file(resource))
    if SMALL_SHA256 is not None and not sha256(path).startswith(SMALL_SHA256):
        raise CheckpointError(
            f"{path} is not the model of this version of anymask; install anymask "
            f"again, or load the file by its path."
        )
    return path
