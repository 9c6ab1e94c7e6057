"""Models exported to ONNX: recognise their folder, and open them without torch.

The folder has `encoder.onnx`, `decoder.onnx` and `model.json`, which holds the geometry, the hash
of the weights, and how far masks are from those of torch. This module does not import torch.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from anymask.checkpoints.registry import CHECKPOINTS
from anymask.errors import AnymaskError, CheckpointError
from anymask.model.config import SamConfig
from anymask.model.onnx_sam import OnnxSam

ENCODER, DECODER, FACTS = "encoder.onnx", "decoder.onnx", "model.json"
FORMAT = 1
"""Version of the files; `model.json` holds it as `anymask_onnx`."""


def exported_folder(source: object) -> Path | None:
    """Return the folder of an exported model that is named by itself or by one of its files.

    None if `source` is something else. A name of the registry is never a folder.

    Raises
    ------
    CheckpointError
        If it is an ONNX file without the other files of its export.
    """
    if not isinstance(source, str | os.PathLike) or source in CHECKPOINTS:
        return None
    path = Path(source).expanduser()
    if path.is_dir():
        return path if (path / FACTS).is_file() else None
    if path.suffix.lower() != ".onnx" or not path.is_file():
        return None
    if not (path.parent / FACTS).is_file():
        raise CheckpointError(
            f"{path} lies without the {FACTS} that tells what it is; give the folder that anymask "
            "export-onnx wrote."
        )
    return path.parent


def shipped_export() -> Path | None:
    """Return the folder of the shipped model where it was exported for installing without torch."""
    folder = Path(__file__).parent / "weights" / "small_onnx"
    return folder if (folder / FACTS).is_file() else None


def open_exported(folder: Path, device: object = "auto", threads: int = 0) -> OnnxSam:
    """Open an exported model in ONNX Runtime.

    Parameters
    ----------
    folder : Path
    device : str
        "auto", "cpu" or "cuda".
    threads : int
        Threads that share the work of a step; 0 is one for each core.

    Raises
    ------
    CheckpointError
        If a file is missing or damaged, or was made for other programs.
    AnymaskError
        If ONNX Runtime is not installed, or has no such device.
    """
    facts = read_facts(folder)
    if facts.get("contract") != "anymask":
        raise CheckpointError(
            f"{folder} was exported with Meta's inputs and outputs, for other programs; export the "
            "model without --meta to load it here."
        )
    try:
        config = SamConfig.from_dict(facts["config"])
        weights_hash = str(facts["model_sha256"])
    except (KeyError, TypeError, AttributeError, AnymaskError) as error:
        raise _damaged(folder) from error
    for name in (ENCODER, DECODER):
        if not (folder / name).is_file():
            raise CheckpointError(f"{folder} has no {name}; export the model again.")
    return OnnxSam(
        config,
        folder / ENCODER,
        folder / DECODER,
        weights_hash=weights_hash,
        device=str(device),
        threads=threads,
    )


def read_facts(folder: Path) -> dict[str, Any]:
    """Read what is known of an exported model.

    Raises
    ------
    CheckpointError
        If the file is damaged, or of a later version.
    """
    try:
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        version = int(facts["anymask_onnx"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(folder) from error
    if version > FORMAT:
        raise CheckpointError(f"{folder} was exported by a later anymask; update this one.")
    return dict(facts)


def _damaged(folder: Path) -> CheckpointError:
    return CheckpointError(
        f"{folder / FACTS} is damaged, or no export of anymask; export the model again."
    )
