"""The other end of `anymask.jobs.processes`: one process that does the items it is sent.

It is sent a job, then items with their indices, and answers with pairs of a word and what belongs
to it: "ready" when the job is started, "advance" while an item is done, "result" when it is. When
the process at the other end is gone, in whatever way, it ends too, in the middle of an item.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import sys
import threading
import warnings
from functools import partial
from typing import IO, Any

from anymask.errors import AnymaskError
from anymask.jobs.work_through import Job, Work
from anymask.notices import noticing


def main() -> None:
    """Serve the process that started this one, until that ends this one."""
    try:
        _serve()
    finally:
        # Without what Python does at its end, which would wait for the thread that reads.
        os._exit(1)


def _serve() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # removes what is being written
    # What libraries print must not get between the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    received: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(sys.stdin.buffer, received), daemon=True).start()

    def advance(index: int, points: int, in_all: int) -> None:
        answer("advance", (index, points, in_all))

    def answer(word: str, what: Any) -> None:
        pickle.dump((word, what), answers)
        answers.flush()

    work, said = started(received.get())
    answer(*(("failed", said) if work is None else ("ready", said)))
    while work is not None:
        index, item = received.get()
        answer("result", (index, work(item, partial(advance, index))))
    received.get()  # never comes: waits for the end


def started(job: Job) -> tuple[Work, list[str]] | tuple[None, str]:
    """Start a job, and return its warnings; or None and why it cannot be started."""
    try:
        with warnings.catch_warnings(record=True) as warned, noticing() as notices:
            warnings.simplefilter("default")
            work = job.start()
        return work, [*notices, *(str(each.message) for each in warned)]
    except AnymaskError as error:
        return None, str(error)
    except Exception as error:
        return None, f"{type(error).__name__}: {error}"


def _receive(stream: IO[bytes], received: queue.SimpleQueue[Any]) -> None:
    try:
        while True:
            received.put(pickle.load(stream))
    except Exception:
        os._exit(1)  # the other end is gone; what is being written stays hidden
