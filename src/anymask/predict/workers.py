"""Threads that take whole passes of a network each, instead of sharing the steps of one.

A pass of the decoder has hundreds of steps of less than a millisecond. Threads that share each of
them wait for each other as often as that; threads with a pass of their own do not.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch

# Each holds what one pass needs, so there are not as many as a large machine has processors.
_MOST = 4


@contextmanager
def workers(device: torch.device, passes: int) -> Iterator[ThreadPoolExecutor]:
    """Threads among which those that PyTorch has on a CPU are divided.

    Parameters
    ----------
    device : torch.device
    passes : int
        The most passes to be under way at a time, at least 1.

    Yields
    ------
    ThreadPoolExecutor
        What waits in it when the block is left by an error is not begun any more.
    """
    threads = torch.get_num_threads()
    count = min(passes, _MOST, threads if device.type == "cpu" else _MOST)
    started = threading.Barrier(count + 1)

    def start() -> None:
        torch.set_num_threads(max(1, threads // count))
        # A thread takes over what was set last, by any thread, when it asks for the first time.
        torch.get_num_threads()
        started.wait()

    with ThreadPoolExecutor(count, "anymask-pass", start) as pool:
        try:
            for _ in range(count):
                pool.submit(int)
            started.wait()
            torch.set_num_threads(threads)  # for threads that begin later in this process
            yield pool
        finally:
            pool.shutdown(cancel_futures=True)
