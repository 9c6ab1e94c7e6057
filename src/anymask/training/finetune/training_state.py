"""The state of a fine-tuning in one file, which is written whole or not at all.

The file is safetensors, with other data as JSON in its metadata, so no code in it can be
executed. Random states are not stored: generators are made from seed, epoch and step.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from anymask.files import whole_file
from anymask.training.finetune.average import MovingAverage
from anymask.training.finetune.settings import FineTuneError

_KEY = "anymask_finetune"


def write_tensors(path: Path, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Write tensors, with facts as JSON.

    Raises
    ------
    OutputError
        If the disk is full or the file cannot be written; an existing file is kept.
    """
    kept = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
    content = save(kept, {_KEY: json.dumps(facts)})
    with whole_file(path) as temporary:
        temporary.write_bytes(content)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `write_tensors` wrote.

    Raises
    ------
    FineTuneError
        If there is no such file or it is damaged.
    """
    try:
        with safe_open(path, "pt") as file:
            facts = json.loads((file.metadata() or {})[_KEY])
            return {name: file.get_tensor(name) for name in file.keys()}, facts  # noqa: SIM118
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise FineTuneError(
            f"{path} is missing or damaged, so there is nothing to resume; start again in another "
            f"folder."
        ) from error


def state_tensors(
    parameters: dict[str, nn.Parameter],
    average: MovingAverage,
    optimizer: torch.optim.Optimizer,
) -> dict[str, Tensor]:
    """Return weights, their averages and the moments of the optimiser, by name."""
    tensors: dict[str, Tensor] = {f"weight/{n}": p for n, p in parameters.items()}
    tensors |= {f"average/{n}": t for n, t in average.values.items()}
    for name, parameter in parameters.items():
        for key, value in optimizer.state[parameter].items():
            tensors[f"optimizer/{key}/{name}"] = value
    return tensors


@torch.no_grad()
def restore(
    tensors: dict[str, Tensor],
    parameters: dict[str, nn.Parameter],
    average: MovingAverage,
    optimizer: torch.optim.Optimizer,
) -> None:
    """Restore what `state_tensors` returned."""
    moments: dict[str, dict[str, Tensor]] = {}
    for full_name, tensor in tensors.items():
        kind, _, name = full_name.partition("/")
        if kind == "weight":
            parameters[name].copy_(tensor)
        elif kind == "average":
            average.values[name] = tensor.to(parameters[name].device)
        else:
            key, _, name = name.partition("/")
            device = "cpu" if key == "step" else parameters[name].device
            moments.setdefault(name, {})[key] = tensor.to(device)
    for name, state in moments.items():
        optimizer.state[parameters[name]] = state
