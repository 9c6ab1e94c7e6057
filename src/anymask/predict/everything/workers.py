"""Threads that take whole passes of a network each, instead of sharing the steps of one.

A pass of the decoder has hundreds of steps of less than a millisecond. Threads that share each of
them wait for each other as often as that; threads with a pass of their own do not.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import torch

# Each holds what one pass needs, so there are not as many as a large machine has processors.
_MOST = 4
_starting = threading.Lock()


@contextmanager
def workers(passes: int) -> Iterator[ThreadPoolExecutor]:
    """Threads among which those that PyTorch has on a CPU are divided.

    Parameters
    ----------
    passes : int
        The most passes to be under way at a time, at least 1.

    Yields
    ------
    ThreadPoolExecutor
        What waits in it when the block is left by an error is not begun any more.
    """
    with _starting:  # while the number is that of new threads, as this one may be
        threads = torch.get_num_threads()
    count = min(passes, _MOST, threads)
    shares = [threads // count + (i < threads % count) for i in range(count)]
    pool = _started(shares)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _started(shares: list[int]) -> ThreadPoolExecutor:
    """A pool whose threads have these numbers of PyTorch's.

    `torch.set_num_threads` is for the thread that calls it, and for all that use PyTorch for the
    first time afterwards. So these get their number back at once, from a thread of its own, and
    two pools are not started together.
    """
    waiting, ready = list(shares), threading.Barrier(len(shares) + 1)

    def start() -> None:
        torch.get_num_threads()  # the first use
        torch.set_num_threads(waiting.pop())
        with suppress(threading.BrokenBarrierError):
            ready.wait()

    with _starting, ThreadPoolExecutor(1) as new:
        of_new_threads = new.submit(torch.get_num_threads).result()
        pool = ThreadPoolExecutor(len(shares), "anymask-pass", start)
        try:
            for _ in shares:
                pool.submit(int)
            ready.wait()
        except BaseException:
            # Those that were started would wait for the others for ever.
            ready.abort()
            pool.shutdown(cancel_futures=True)
            raise
        finally:
            new.submit(torch.set_num_threads, of_new_threads).result()
    return pool
