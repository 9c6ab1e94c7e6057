"""Torch tensors, as `anymask.model.arrays` describes arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

if TYPE_CHECKING:
    from anymask.model.arrays import DType

_DTYPES = {"float32": torch.float32, "int64": torch.int64}


class TorchArrays:
    """Tensors on a device."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def of(self, values: ArrayLike, dtype: DType | None = None) -> Tensor:
        """See `anymask.model.arrays.Arrays`."""
        wanted = None if dtype is None else _DTYPES[dtype]
        return torch.as_tensor(values, dtype=wanted, device=self.device)

    def numpy(self, array: Tensor) -> NDArray[Any]:
        """See `anymask.model.arrays.Arrays`."""
        return array.cpu().numpy()

    def joined(self, parts: Sequence[Tensor]) -> Tensor:
        """See `anymask.model.arrays.Arrays`."""
        return torch.cat(list(parts))

    def empty_like(self, array: Tensor, count: int) -> Tensor:
        """See `anymask.model.arrays.Arrays`."""
        return array.new_empty((count, *array.shape[1:]))
