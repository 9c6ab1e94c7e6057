"""Weights stored in fewer bits than they are computed with.

A weight becomes a smaller constant and the steps that restore it: a cast, and for 8 bits a product
with one factor for each group of values. A runtime takes these steps once, when it loads the file,
and then computes in float32. So a file half or a quarter as large runs as fast, on any processor
and in any runtime, and no value can overflow on the way.
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
# With int8, weights of fewer values than this become float16: they weigh little, and those of the
# layers that see fine detail, and give masks their edges, are among them.
_LEAST_VALUES_IN_8_BITS = 150_000
_LARGEST_INT8 = 127
# A step for a whole channel would be set by its one largest weight; a step for 32 weights is finer,
# and its factors take a sixteenth more. Channels that cannot be grouped, such as those of depthwise
# filters, stay in 16 bits.
_LARGEST_GROUP, _LEAST_GROUP = 32, 8


def store(model: ModelProto, stored: Stored) -> None:
    """Store the large float32 weights of a graph in fewer bits, in place.

    Parameters
    ----------
    model : onnx.ModelProto
    stored : {"float32", "float16", "int8"}
        "float32" changes nothing. With "int8" each group of 32 values of a large matrix or filter
        is rounded to 255 steps; other weights become float16.
    """
    from onnx import TensorProto, numpy_helper

    if stored == "float32":
        return
    graph = model.graph
    axes = _channel_axes(model)
    kept: list[TensorProto] = []
    added: list[TensorProto] = []
    nodes: list[NodeProto] = []
    for weight in graph.initializer:
        if weight.data_type != TensorProto.FLOAT or np.prod(weight.dims) < _LEAST_VALUES:
            kept.append(weight)
            continue
        values, axis = numpy_helper.to_array(weight), axes.get(weight.name)
        group = None if axis is None or stored != "int8" else _group_of(values, axis)
        if axis is None or group is None:
            parts, steps = _in_16_bits(weight.name, values)
        else:
            parts, steps = _in_8_bits(weight.name, values, axis, group)
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
    name: str, values: NDArray[np.float32], axis: int, group: int
) -> tuple[list[TensorProto], list[NodeProto]]:
    """Constants and steps of a weight in groups of so many values of an output channel."""
    from onnx import TensorProto, helper, numpy_helper

    channels_first = np.moveaxis(values, axis, 0)
    groups = channels_first.reshape(len(channels_first), -1, group)
    step = (np.abs(groups).max(2, keepdims=True) / _LARGEST_INT8).astype(np.float16)
    step[step == 0] = 1
    steps = np.rint(groups / step.astype(np.float32)).clip(-_LARGEST_INT8, _LARGEST_INT8)
    small, size, shape = f"{name}.int8", f"{name}.step", f"{name}.shape"
    constants = [
        numpy_helper.from_array(steps.astype(np.int8), small),
        numpy_helper.from_array(step, size),
        numpy_helper.from_array(np.array(channels_first.shape, np.int64), shape),
    ]
    turned = axis % values.ndim != 0
    whole = f"{name}.channels_first" if turned else name
    nodes = [
        helper.make_node("Cast", [small], [f"{small}.float32"], to=TensorProto.FLOAT),
        helper.make_node("Cast", [size], [f"{size}.float32"], to=TensorProto.FLOAT),
        helper.make_node("Mul", [f"{small}.float32", f"{size}.float32"], [f"{name}.groups"]),
        helper.make_node("Reshape", [f"{name}.groups", shape], [whole]),
    ]
    if turned:
        nodes.append(helper.make_node("Transpose", [whole], [name], perm=[1, 0]))
    return constants, nodes


def _group_of(values: NDArray[np.float32], axis: int) -> int | None:
    """How many values of a channel share a step; None if the weight is for 16 bits."""
    if values.size < _LEAST_VALUES_IN_8_BITS:
        return None
    each = values.size // values.shape[axis]
    most = max(n for n in range(1, _LARGEST_GROUP + 1) if each % n == 0)
    return most if most >= _LEAST_GROUP else None
