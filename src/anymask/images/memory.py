"""How much memory an array may take: what would stop the machine is refused with its size."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from anymask.errors import ImageError

_UNKNOWN = 4 << 30
"""Free memory assumed where the system does not tell."""


def available_memory() -> int:
    """Bytes that a process can still take without swapping, as the system reports them."""
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
    """Refuse an array that would take more than half of the memory left.

    Half, because whatever is done with an array next takes about as much again.

    Parameters
    ----------
    shape, itemsize
        The array's shape and bytes a value.
    what
        What would be read, to begin the sentence.
    advice
        What to do instead, to end it.

    Raises
    ------
    ImageError
        With the size of the array and the memory left.

    Examples
    --------
    >>> check_fits((60_000, 60_000), 8 << 20, "a.tif", "read a part")
    Traceback (most recent call last):
    ...
    anymask.errors.ImageError: a.tif holds 60000×60000 values, 28,125,000.0 GB in memory while ...
    """
    needed = math.prod(shape) * itemsize
    free = available_memory()
    if needed > free / 2:
        raise ImageError(
            f"{what} holds {'×'.join(map(str, shape))} values, {needed / 2**30:,.1f} GB in memory "
            f"while {free / 2**30:,.1f} GB are free; {advice}."
        )
