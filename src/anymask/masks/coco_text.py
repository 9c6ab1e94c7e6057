"""COCO's compressed run lengths, which are text.

Each number is written in groups of five bits, lowest first, as characters from "0". 32 is added if
another group follows, and the highest bit of the last group is the sign. From the fourth number on,
the difference to the number two places before is written.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# pycocotools allocates six characters per number and nothing for the final zero byte. If all
# numbers need six, as differences of longer runs may, it writes past its memory.
_LONGEST_RUN_OF_PYCOCOTOOLS = 2**24 - 1


def write(counts: NDArray[np.uint32], size: tuple[int, int]) -> str:
    """Compress the run lengths of a mask of `size` (H, W) to text."""
    from pycocotools import mask as coco_mask

    if len(counts) and int(np.max(counts)) > _LONGEST_RUN_OF_PYCOCOTOOLS:
        return text_of(np.asarray(counts, np.int64))
    packed = coco_mask.frPyObjects({"size": list(size), "counts": counts}, *size)
    return str(packed["counts"].decode("ascii"))


def text_of(counts: NDArray[np.int64]) -> str:
    """Compress run lengths of any length to text."""
    differences = counts.copy()
    differences[3:] -= counts[1:-2]
    text = []
    for value in differences.tolist():
        while True:
            group, value = value & 31, value >> 5
            # Done if the rest is only the sign, which this group already has.
            done = value == (-1 if group & 16 else 0)
            text.append(chr(48 + group + (0 if done else 32)))
            if done:
                break
    return "".join(text)


def read(text: str | bytes) -> NDArray[np.int64]:
    """Decompress text to run lengths; a single -1 if the text is invalid.

    pycocotools could read it too, but it writes past its memory if the text is damaged.
    """
    data = text.encode("utf-8") if isinstance(text, str) else text
    groups = np.frombuffer(data, np.uint8).astype(np.int64) - ord("0")
    ends = np.flatnonzero(groups < 32)
    if len(groups) == 0 or groups.min() < 0 or groups.max() > 63 or groups[-1] >= 32:
        return np.full(1, -1)
    starts = np.concatenate([[0], ends[:-1] + 1])
    sizes = ends - starts + 1
    if sizes.max() > 7:  # more than 32 bits
        return np.full(1, -1)
    shifts = 5 * (np.arange(len(groups)) - np.repeat(starts, sizes))
    numbers = np.add.reduceat((groups & 31) << shifts, starts)
    numbers -= np.where(groups[ends] & 16, np.int64(1) << (5 * sizes), 0)
    numbers[1::2] = np.cumsum(numbers[1::2])
    numbers[2::2] = np.cumsum(numbers[2::2])
    return numbers
