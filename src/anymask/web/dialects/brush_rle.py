"""Run lengths as Label Studio's brush stores them: bits, packed into bytes.

The stream begins with the number of values (32 bits), the bits of a value less one (5 bits) and
four widths less one (4 bits each). Then runs follow: a bit that says whether one value is repeated,
two bits that choose a width, the length less one in so many bits, and the value. The values are
those of an RGBA image, row by row.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_WIDTHS = (3, 4, 8, 16)
_CHANNELS = 4
_LONGEST = 1 << _WIDTHS[-1]


def brush_rle(mask: NDArray[np.bool_]) -> list[int]:
    """Encode a mask (H, W) as a list of bytes.

    >>> brush_rle(np.array([[True, False]]))
    [0, 0, 0, 8, 57, 27, 252, 127, 241, 128, 0]
    """
    flat = mask.ravel()
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    starts = np.concatenate([[0], changes])
    lengths = np.diff(np.concatenate([starts, [flat.size]])) * _CHANNELS
    bits = [f"{flat.size * _CHANNELS:032b}", f"{8 - 1:05b}"]
    bits += [f"{width - 1:04b}" for width in _WIDTHS]
    for value, length in zip(flat[starts].tolist(), lengths.tolist(), strict=True):
        shade = "11111111" if value else "00000000"
        while length:
            run = min(length, _LONGEST)
            index = next(i for i, width in enumerate(_WIDTHS) if run <= 1 << width)
            bits += ["1", f"{index:02b}", f"{run - 1:0{_WIDTHS[index]}b}", shade]
            length -= run
    ones = np.frombuffer("".join(bits).encode(), np.uint8) - ord("0")
    packed: list[int] = np.packbits(ones).tolist()
    return packed
