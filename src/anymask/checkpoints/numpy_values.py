"""NumPy's numbers in PyTorch files, such as the best score of a training.

Training scripts save them beside the tensors. No function of NumPy is called on what a file says:
stand-ins keep type and bytes, and a number is made only of plain types of the right size.
"""

from __future__ import annotations

from typing import Any

import numpy as np

_PLAIN = "biufcSU"
_LONGEST = 8  # characters of a type's code


class Dtype:
    """Stands for ``numpy.dtype``: the code of a type, such as "f8", and its byte order."""

    def __init__(self, code: Any, *_: Any) -> None:
        self.code, self.order = str(code), "="

    def __setstate__(self, state: Any) -> None:
        order = str(state[1]) if isinstance(state, tuple) and len(state) > 1 else "="
        self.order = order if order in ("<", ">") else "="

    def plain(self) -> np.dtype[Any] | None:
        """The type if it is of numbers or text; None for any other, such as Python objects."""
        kind, size = self.code[:1], self.code[1:]
        if kind not in _PLAIN or not size.isdecimal() or len(size) >= _LONGEST:
            return None
        return np.dtype(f"{self.order}{self.code}")


class Array:
    """Stands for an array beside the tensors, which nothing needs."""

    def __init__(self, *_: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


class ArrayType:
    """Stands for ``numpy.ndarray``."""


def scalar(dtype: Any, data: Any = None) -> Any:
    """Stand for NumPy's function that makes a number of its bytes; None if it is no number.

    Examples
    --------
    >>> scalar(Dtype("f4"), b"\\0\\0\\0?")
    0.5
    """
    plain = dtype.plain() if isinstance(dtype, Dtype) else None
    if plain is None or not isinstance(data, bytes) or len(data) != plain.itemsize:
        return None
    return np.frombuffer(data, plain)[0].item()


STAND_INS: list[Any] = [
    (Dtype, "numpy.dtype"),
    (ArrayType, "numpy.ndarray"),
    *((scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
    *((Array, f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")),
]
"""What a file may name, and what is called instead, for `torch.serialization.safe_globals`."""
