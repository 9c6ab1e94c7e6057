"""Threads that each run whole passes of a network instead of sharing the steps of one pass.

A pass of the decoder has hundreds of steps of less than a millisecond. Threads that share a step
must wait for each other every time; threads with their own pass do not.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

# Each needs the memory of a pass, so their number is limited on large machines.
_MOST = 4
_starting = threading.Lock()


@contextmanager
def workers(passes: int) -> Iterator[ThreadPoolExecutor]:
    """A pool of threads that divide PyTorch's CPU threads among them, if it is in use.

    Parameters
    ----------
    passes : int
        At most this many passes at a time, at least 1.

    Yields
    ------
    ThreadPoolExecutor
        If an error leaves the block, waiting tasks are not started.
    """
    if "torch" not in sys.modules:
        # ONNX Runtime has threads of its own, which share the steps of a pass; a second pass is
        # there to be judged while the first is decoded.
        with ThreadPoolExecutor(min(passes, 2), "anymask-pass") as pool:
            try:
                yield pool
            finally:
                pool.shutdown(cancel_futures=True)
        return
    import torch

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
    """A pool whose threads have these numbers of PyTorch threads.

    `torch.set_num_threads` applies to the calling thread, and to all threads that use PyTorch for
    the first time afterwards. So the old number is restored at once, from a separate thread, and
    two pools are never started at the same time.
    """
    import torch

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
            # Started threads would wait for the others forever.
            ready.abort()
            pool.shutdown(cancel_futures=True)
            raise
        finally:
            new.submit(torch.set_num_threads, of_new_threads).result()
    return pool
