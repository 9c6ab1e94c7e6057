"""Memory limits: an array that would exhaust memory is refused, with its size."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from anymask.errors import ImageError

_UNKNOWN = 4 << 30
"""Free memory assumed if the system does not report it."""


def available_memory() -> int:
    """Bytes that a process can still use without swapping, as the system reports them."""
    free = _UNKNOWN
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                free = int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
            free = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    with suppress(OSError, ValueError):  # a container's own limit, where there is one
        free = min(free, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return free


def check_fits(shape: Sequence[int], itemsize: int, what: str, advice: str) -> None:
    """Refuse an array that would take more than half of the free memory.

    Half, because the next step usually needs about as much again.

    Parameters
    ----------
    shape, itemsize
        The array's shape and bytes per value.
    what
        What would be read; begins the sentence.
    advice
        What to do instead; ends the sentence.

    Raises
    ------
    ImageError
        With the size of the array and the free memory.

    Examples
    --------
    >>> check_fits((60_000, 60_000), 8 << 20, "a.tif", "read a part")
    Traceback (most recent call last):
    ...
    anymask.errors.ImageError: a.tif has 60000×60000 values, which take 28,125,000.0 GB of ...
    """
    needed = math.prod(shape) * itemsize
    free = available_memory()
    if needed > free / 2:
        raise ImageError(
            f"{what} has {'×'.join(map(str, shape))} values, which take "
            f"{needed / 2**30:,.1f} GB of memory while {free / 2**30:,.1f} GB are free; {advice}."
        )


def is_mapped(array: np.ndarray) -> bool:
    """Whether an array is memory-mapped, or a view of a memory-mapped array."""
    base: Any = array
    while isinstance(base, np.ndarray):
        if isinstance(base, np.memmap):
            return True
        base = base.base
    return False
