"""The processes that train together: one, or several started by ``accelerate launch``."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from anymask.checkpoints.devices import resolve_device
from anymask.training.finetune.settings import FineTuneError


class TrainingProcesses:
    """The processes that train together, as seen from this one.

    Parameters
    ----------
    device : str or torch.device
        Device of a single process; several processes use the devices that Accelerate assigns.

    Attributes
    ----------
    device : torch.device
    count, rank : int
        Number of processes, and index of this one.
    """

    def __init__(self, device: str | torch.device) -> None:
        try:
            from accelerate.state import PartialState
        except ImportError as error:
            raise FineTuneError(
                "Fine-tuning needs accelerate: install it with pip install 'anymask[train]'."
            ) from error
        self._state = PartialState(cpu=str(device) == "cpu")
        self.count: int = self._state.num_processes
        self.rank: int = self._state.process_index
        self.device = resolve_device(device) if self.count == 1 else self._state.device

    @property
    def is_main(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0

    def wait(self) -> None:
        """Wait for all processes."""
        self._state.wait_for_everyone()

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace gradients by their mean over all processes."""
        if self.count == 1:
            return
        from accelerate.utils import reduce

        for parameter in parameters:
            grad = parameter.grad
            # All processes must take part for every parameter, or the exchange would hang.
            mine = torch.zeros_like(parameter) if grad is None else grad
            parameter.grad = reduce(mine, reduction="mean")
