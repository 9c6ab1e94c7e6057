"""Memory that one pass of a network leaves to the next."""

from __future__ import annotations

import torch

_BLOCK = 31 << 20  # bytes


def keep_freed_memory() -> None:
    """Have the C library keep what is freed, up to some 60 MB, for what comes next.

    glibc gives large blocks back to the system at once, and each pass of a network on a CPU then
    takes thousands of pages anew, which can cost more than the arithmetic. What counts as large
    grows with the blocks that are freed, up to 32 MiB (mallopt(3), `M_MMAP_THRESHOLD`). So one
    such block is taken and freed; as nobody writes to it, it costs nothing. Other C libraries do
    not mind.
    """
    torch.empty(_BLOCK, dtype=torch.uint8)
