"""Let one pass of a network reuse the memory of the last."""

from __future__ import annotations

import torch

_BLOCK = 31 << 20  # bytes


def keep_freed_memory() -> None:
    """Make the C library keep up to about 60 MB of freed memory for reuse.

    glibc returns large blocks to the system at once, so each pass of a network on a CPU needs
    thousands of new pages, which can cost more than the arithmetic. The limit for "large" grows
    with the size of freed blocks, up to 32 MiB (mallopt(3), `M_MMAP_THRESHOLD`). So one such block
    is allocated and freed; it costs nothing, because it is never written to. Other C libraries are
    not affected.
    """
    torch.empty(_BLOCK, dtype=torch.uint8)
