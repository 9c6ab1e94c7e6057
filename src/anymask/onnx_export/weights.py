"""Weights stored in fewer bits than they are computed with.

A weight becomes a smaller constant and the steps that restore it: a cast, and for 8 bits a product
with one factor a channel. A runtime takes these steps once, when it loads the file, and then
computes in float32. So a file half or a quarter as large runs as fast, on any processor and in any
runtime, and no value can overflow on the way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

Stored = Literal["float32", "float16", "int8"]

# Smaller constants, such as biases and norms, stay as they are: they weigh nothing.
_LEAST_VALUES = 1024
_LARGEST_INT8 = 127


def store(model: ModelProto, stored: Stored) -> None:
    """Store the large float32 weights of a graph in fewer bits, in place.

    Parameters
    ----------
    model : onnx.ModelProto
    stored : {"float32", "float16", "int8"}
        "float32" changes nothing. With "int8" a matrix or filter is rounded to 255 steps for each
        of its output channels; other weights become float16.
    """
    from onnx import TensorProto, numpy_helper

    if stored == "float32":
        return
    graph = model.graph
    axes = _channel_axes(model)
    kept, added, nodes = [], [], []
    for weight in graph.initializer:
        values = None
        if weight.data_type == TensorProto.FLOAT and np.prod(weight.dims) >= _LEAST_VALUES:
            values = numpy_helper.to_array(weight)
        if values is None:
            kept.append(weight)
        elif stored == "int8" and weight.name in axes:
            parts, steps = _in_8_bits(weight.name, values, axes[weight.name])
            added += parts
            nodes += steps
        else:
            parts, steps = _in_16_bits(weight.name, values)
            added += parts
            nodes += steps
    del graph.initializer[:]
    graph.initializer.extend(kept + added)
    steps = [*nodes, *graph.node]
    del graph.node[:]
    graph.node.extend(steps)


def _channel_axes(model: ModelProto) -> dict[str, int]:
    """The axis of the output channels of each weight of a product or a convolution."""
    axes: dict[str, int] = {}
    for node in model.graph.node:
        if node.op_type == "Conv":
            axes[node.input[1]] = 0
        elif node.op_type == "ConvTranspose":
            axes[node.input[1]] = 1
        elif node.op_type == "MatMul":
            axes[node.input[1]] = -1
        elif node.op_type == "Gemm":
            turned = any(a.name == "transB" and a.i for a in node.attribute)
            axes[node.input[1]] = 0 if turned else -1
    return axes


def _in_16_bits(
    name: str, values: NDArray[np.float32]
) -> tuple[list[TensorProto], list[NodeProto]]:
    from onnx import TensorProto, helper, numpy_helper

    small = f"{name}.float16"
    cast = helper.make_node("Cast", [small], [name], to=TensorProto.FLOAT)
    return [numpy_helper.from_array(values.astype(np.float16), small)], [cast]


def _in_8_bits(
    name: str, values: NDArray[np.float32], axis: int
) -> tuple[list[TensorProto], list[NodeProto]]:
    from onnx import TensorProto, helper, numpy_helper

    others = tuple(i for i in range(values.ndim) if i != axis % values.ndim)
    largest = np.abs(values).max(others, keepdims=True)
    step = np.where(largest > 0, largest / _LARGEST_INT8, 1).astype(np.float32)
    small, scale, whole = f"{name}.int8", f"{name}.step", f"{name}.rounded"
    constants = [
        numpy_helper.from_array(np.rint(values / step).astype(np.int8), small),
        numpy_helper.from_array(step, scale),
    ]
    nodes = [
        helper.make_node("Cast", [small], [whole], to=TensorProto.FLOAT),
        helper.make_node("Mul", [whole, scale], [name]),
    ]
    return constants, nodes
