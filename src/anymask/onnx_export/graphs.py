"""From a network in torch to a file in ONNX.

Networks are exported by tracing (`torch.onnx.export` with `dynamo=False`). Its successor, which
goes by `torch.export`, gave the same numbers at the same speed, took several times as long, and
fixed the length of an axis that may have any length, or failed, for encoders that were tried with
one. What tracing needs is that no step depends on the number of prompts, and that quotients of
shapes are of positive numbers, as ONNX rounds them towards zero (`anymask.model.layers.missing`).
"""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from anymask.errors import AnymaskError

if TYPE_CHECKING:
    from onnx import ModelProto

OPSET = 17
# A file in Protocol Buffers can have 2 GiB; larger weights go into a file beside it.
_MOST_BYTES_IN_ONE_FILE = 3 << 29


class Network(Protocol):
    """A network to export."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def examples(self) -> tuple[Tensor, ...]:
        """Inputs to trace with."""


def onnx() -> Any:
    """Return the package `onnx`.

    Raises
    ------
    AnymaskError
        If it is not installed.
    """
    try:
        import onnx as package
    except ImportError as error:
        raise AnymaskError(
            "Exporting needs the package onnx; install it with pip install 'anymask[onnx]'."
        ) from error
    return package


@torch.no_grad()
def graph_of(network: Any) -> ModelProto:
    """Trace a network in evaluation mode on the CPU.

    Parameters
    ----------
    network : torch.nn.Module
        With the attributes of `Network`, and `dynamic_axes` where an axis may have any length.

    Returns
    -------
    onnx.ModelProto
    """
    package = onnx()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # Tracing warns of every number that it takes for constant; that they may be is tested.
        warnings.simplefilter("ignore")
        path = Path(folder) / "network.onnx"
        torch.onnx.export(
            network,
            network.examples(),
            str(path),
            dynamo=False,
            opset_version=OPSET,
            input_names=list(network.inputs),
            output_names=list(network.outputs),
            dynamic_axes=getattr(network, "dynamic_axes", None),
        )
        model: ModelProto = package.load(str(path))
    # Shapes between the steps are those of the traced inputs; a runtime finds the true ones.
    del model.graph.value_info[:]
    return model


def save_graph(graph: ModelProto, path: Path, most_bytes: int = _MOST_BYTES_IN_ONE_FILE) -> None:
    """Write a graph; weights of more than `most_bytes` go to a file beside it."""
    package = onnx()
    graph.producer_name = "anymask"
    size = sum(len(weight.raw_data) for weight in graph.graph.initializer)
    if size <= most_bytes:
        package.save(graph, str(path))
        return
    package.save(graph, str(path), save_as_external_data=True, location=f"{path.name}.data")
