"""Processes that train one model together, each with its own views.

Training steps are many and short, and threads within a step wait for each other at its end. On two
cores, two processes with one thread each train faster than one process with two threads. Gradients
are averaged in shared memory; since the averages are the same in all processes, so are the weights.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import connection, parent_process
from multiprocessing.process import BaseProcess
from typing import Any

import torch
from torch import Tensor
from torch import multiprocessing as mp

from anymask.errors import AnymaskError


class Team:
    """One process of a training, as seen by itself.

    Parameters
    ----------
    rank : int
        0 for the process that was called.
    size : int
        Number of processes.
    rows : (size, N) float32 tensor
        In shared memory; each process writes its own row.
    agreed : (1,) float64 tensor
        In shared memory.
    meet : callable
        Returns when all processes have called it; raises `threading.BrokenBarrierError` if one
        has ended.
    """

    def __init__(
        self, rank: int, size: int, rows: Tensor, agreed: Tensor, meet: Callable[[], object]
    ) -> None:
        self.rank, self.size = rank, size
        self._rows, self._agreed, self._meet = rows, agreed, meet

    def agree(self, value: float) -> float:
        """Return the value of the first process."""
        if self.size == 1:
            return value
        if self.rank == 0:
            self._agreed[0] = value
        self._meet()
        return float(self._agreed[0])

    def average(self, parameters: Sequence[Tensor]) -> None:
        """Replace the gradients of each process with the mean over all processes.

        Parameters
        ----------
        parameters : sequence of tensors
            With N numbers in total. A parameter without a gradient here has none in any process.
        """
        if self.size == 1:
            return
        sizes = [p.numel() for p in parameters]
        own = self._rows[self.rank].split(sizes)
        for row, parameter in zip(own, parameters, strict=True):
            if parameter.grad is not None:
                row.copy_(parameter.grad.flatten())
        self._meet()
        means = self._rows.mean(0).split(sizes)
        for mean, parameter in zip(means, parameters, strict=True):
            if parameter.grad is not None:
                parameter.grad.copy_(mean.view_as(parameter))
        self._meet()  # before any process writes to a row that another still reads


@contextmanager
def team_of(size: int, count: int, assist: Callable[..., None], *arguments: Any) -> Iterator[Team]:
    """Start the other processes of a team, and end them with the block.

    Parameters
    ----------
    size : int
        Number of processes, including this one.
    count : int
        Number of values in all gradients.
    assist : callable
        Function that each of the others calls with its `Team` and `arguments`. A new process must
        be able to import it.
    *arguments

    Yields
    ------
    Team
        The team as seen by this process.

    Raises
    ------
    AnymaskError
        If another process ends before the block does.
    """
    rows = torch.zeros(size, count if size > 1 else 0).share_memory_()
    agreed = torch.zeros(1, dtype=torch.float64).share_memory_()
    context = mp.get_context("spawn")
    barrier = context.Barrier(size)
    others = [
        context.Process(
            target=_assist, args=(rank, size, rows, agreed, barrier, assist, arguments), daemon=True
        )
        for rank in range(1, size)
    ]
    for other in others:
        other.start()
    if others:
        threading.Thread(target=_watch, args=(others, barrier), daemon=True).start()
    try:
        yield Team(0, size, rows, agreed, barrier.wait)
    except threading.BrokenBarrierError as error:
        raise AnymaskError(
            "One of the training processes has ended, perhaps because memory ran out; continue "
            "with --resume and fewer --processes."
        ) from error
    finally:
        for other in others:
            other.kill()
            other.join()


def _watch(others: Sequence[BaseProcess], barrier: Any) -> None:
    """Release processes that would wait for one that has ended."""
    connection.wait([other.sentinel for other in others])
    barrier.abort()


def _assist(
    rank: int,
    size: int,
    rows: Tensor,
    agreed: Tensor,
    barrier: Any,
    assist: Callable[..., None],
    arguments: tuple[Any, ...],
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process handles Ctrl-C
    threading.Thread(target=_end_with_parent, daemon=True).start()
    assist(Team(rank, size, rows, agreed, barrier.wait), *arguments)


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)
