"""The processes that train together: one, or as many as ``accelerate launch`` started."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from anymask.checkpoints.devices import resolve_device
from anymask.training.finetune.settings import FineTuneError


class Processes:
    """This process among those that train together.

    Parameters
    ----------
    device : str or torch.device
        Where a lone process computes; of several, each has the device that Accelerate gives it.

    Attributes
    ----------
    device : torch.device
    count, rank : int
        How many there are, and which this is.
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
        """Wait until all are here."""
        self._state.wait_for_everyone()

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Give every process the mean of all processes' gradients."""
        if self.count == 1:
            return
        from accelerate.utils import reduce

        for parameter in parameters:
            grad = parameter.grad
            # All take part for every parameter, or the exchange would never end.
            mine = torch.zeros_like(parameter) if grad is None else grad
            parameter.grad = reduce(mine, reduction="mean")
