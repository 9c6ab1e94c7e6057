"""The array operations in which a model in torch and one in ONNX Runtime differ.

A predictor handles two kinds of arrays: torch tensors, on any device, and NumPy arrays, where torch
may not even be installed. All it needs of them beyond slicing is here. This module does not import
torch.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from typing import Any, Literal, ParamSpec, Protocol, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

DType = Literal["float32", "int64"]

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Arrays(Protocol):
    """Arrays of one kind."""

    def of(self, values: ArrayLike, dtype: DType | None = None) -> Any:
        """Return values as an array of this kind, where the model is."""

    def numpy(self, array: Any) -> NDArray[Any]:
        """Return an array as a NumPy array, without a copy where that is possible."""

    def joined(self, parts: Sequence[Any]) -> Any:
        """Join arrays along their first axis."""

    def empty_like(self, array: Any, count: int) -> Any:
        """Return an array of this length whose members have the shape of those of `array`."""


class NumpyArrays:
    """NumPy arrays, which models in ONNX Runtime take and return."""

    def of(self, values: ArrayLike, dtype: DType | None = None) -> NDArray[Any]:
        """See `Arrays`."""
        return np.asarray(values, dtype)

    def numpy(self, array: NDArray[Any]) -> NDArray[Any]:
        """See `Arrays`."""
        return array

    def joined(self, parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """See `Arrays`."""
        return np.concatenate(parts)

    def empty_like(self, array: NDArray[Any], count: int) -> NDArray[Any]:
        """See `Arrays`."""
        return np.empty((count, *array.shape[1:]), array.dtype)


def arrays_of(model: Any) -> Arrays:
    """Return the operations on a model's arrays: its attribute `arrays`, else those of torch."""
    own: Arrays | None = getattr(model, "arrays", None)
    if own is not None:
        return own
    from anymask.model.torch_arrays import TorchArrays

    return TorchArrays(model.device)


def without_gradients(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """Decorate a function like `torch.no_grad`, without importing torch."""

    @functools.wraps(function)
    def wrapped(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        torch = sys.modules.get("torch")
        if torch is None:  # then there is nothing that has a gradient
            return function(*args, **kwargs)
        with torch.no_grad():
            return function(*args, **kwargs)

    return wrapped
