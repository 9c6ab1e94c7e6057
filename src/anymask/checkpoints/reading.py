"""Read tensors from a checkpoint file or folder without unpickling anything else.

Only safetensors and `torch.load(weights_only=True)` are used. A file that needs any other Python
object is refused, the message names that object, and no code runs. NumPy's numbers, which training
scripts save beside the tensors, are read by `numpy_values.py`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from anymask.checkpoints.identify import (
    WEIGHT_SUFFIXES,
    Container,
    identify,
    missing_file,
    read_safetensors_header,
)
from anymask.checkpoints.numpy_values import STAND_INS
from anymask.errors import CheckpointError

_FOLDER_FILES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
_STATE = "last.safetensors"  # the state from which a fine-tuning resumes
_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


@dataclass(frozen=True)
class RawCheckpoint:
    """The content of a checkpoint file or folder, with the file's own names.

    Attributes
    ----------
    path : Path
        The requested path.
    files : tuple of Path
        The files with the tensors.
    container : Container
    content : dict
        Tensors and other values, possibly nested. If only shapes were requested, tensors of
        safetensors files are on the "meta" device.
    metadata : dict
        Metadata of a safetensors file.
    hf_config : dict
        Hugging Face's config.json beside the file.
    """

    path: Path
    files: tuple[Path, ...]
    container: Container
    content: dict[str, Any]
    metadata: dict[str, str] = field(default_factory=dict)
    hf_config: dict[str, Any] = field(default_factory=dict)


def read_checkpoint(path: Path, shapes_only: bool = False) -> RawCheckpoint:
    """Read a checkpoint file, a Hugging Face folder, or an index of parts.

    Parameters
    ----------
    path : Path
    shapes_only : bool
        Only read names, shapes and dtypes.

    Raises
    ------
    CheckpointError
        If it does not exist, has no tensors, is damaged, or contains code.
    """
    path_in_folder = _weights_of_folder(path) if path.is_dir() else path
    files = _parts(path_in_folder)
    content: dict[str, Any] = {}
    metadata: dict[str, str] = {}
    for file in files:
        container = identify(file)
        if container is Container.SAFETENSORS:
            tensors, metadata = _read_safetensors(file, shapes_only)
        else:
            tensors = _read_torch(file, container)
        content.update(tensors)
    return RawCheckpoint(
        path, files, container, content, metadata, _read_json(path_in_folder.parent / "config.json")
    )


def _weights_of_folder(folder: Path) -> Path:
    for name in _FOLDER_FILES:
        if (folder / name).is_file():
            return folder / name
    if (folder / _STATE).is_file():
        raise CheckpointError(
            f"{folder} has an unfinished fine-tuning and no model yet; finish it with "
            f"'anymask finetune --resume'."
        )
    others = sorted(p.name for p in folder.iterdir() if p.suffix in WEIGHT_SUFFIXES)
    hint = f"give the path of a file in it, such as {others[0]}" if others else "check the path"
    raise CheckpointError(f"{folder} is a folder without a {_FOLDER_FILES[0]}; {hint}.")


def _parts(path: Path) -> tuple[Path, ...]:
    """The parts listed in an index, or the file itself."""
    if not path.name.endswith(".index.json"):
        return (path,)
    if not path.is_file():
        raise missing_file(path)
    weight_map = _read_json(path).get("weight_map")
    names = sorted({str(n) for n in weight_map.values()}) if isinstance(weight_map, dict) else []
    # A valid index does not name parts outside its folder.
    if not names or any(Path(name).name != name for name in names):
        raise CheckpointError(f"{path} does not list the parts of a checkpoint; download it again.")
    missing = [name for name in names if not (path.parent / name).is_file()]
    if missing:
        raise CheckpointError(
            f"{path.parent} lacks {len(missing)} of the {len(names)} parts of its checkpoint, "
            f"the first being {missing[0]}; download them too."
        )
    return tuple(path.parent / name for name in names)


def _read_safetensors(path: Path, shapes_only: bool) -> tuple[dict[str, Any], dict[str, str]]:
    header = read_safetensors_header(path)
    metadata = header.pop("__metadata__", None) or {}
    try:
        if shapes_only:
            tensors = {
                name: torch.empty(spec["shape"], dtype=_DTYPES[spec["dtype"]], device="meta")
                for name, spec in header.items()
            }
        else:
            tensors = load_file(path)
    except (SafetensorError, LookupError, TypeError, RuntimeError, ValueError, OSError) as error:
        raise _damaged(path, error) from error
    return tensors, metadata


def _read_torch(path: Path, container: Container) -> dict[str, Any]:
    # Mapped files are read when the model copies them, so they are not in memory twice. torch.load
    # gets a file object, because it would read any name in .safetensors as safetensors.
    mapped = container is Container.ZIP and path.suffix != ".safetensors"
    try:
        with path.open("rb") as file, torch.serialization.safe_globals(STAND_INS):
            content = torch.load(
                path if mapped else file, map_location="cpu", weights_only=True, mmap=mapped
            )
    except Exception as error:  # untrusted bytes can raise anything
        foreign = re.search(r"GLOBAL (\S+)", str(error))
        if foreign is None:
            raise _damaged(path, error) from error
        raise CheckpointError(
            f"{path} needs the Python object {foreign[1]}, so it is refused, because only tensors "
            f"are safe to load; ask its author for the state_dict alone."
        ) from error
    if not isinstance(content, dict):
        kind = type(content).__name__
        raise CheckpointError(
            f"{path} has a single {kind}, not the named tensors of a model; "
            f"save model.state_dict() instead."
        )
    return content


def _damaged(path: Path, error: Exception) -> CheckpointError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0].split(". ")[0][:120]
    return CheckpointError(
        f"{path} is cut short or damaged ({reason.rstrip('.')}); download or copy it again."
    )


def _read_json(path: Path) -> dict[str, Any]:
    """The object in an optional JSON file; empty if missing or invalid."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}
