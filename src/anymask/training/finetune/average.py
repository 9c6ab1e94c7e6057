"""The weights that are judged and saved: a moving average, brought nearer to those before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class MovingAverage:
    """Exponential moving averages of named parameters.

    What is judged lies between the parameters as they were and the average. Part of the way is
    often better than all of it: it forgets less of what the model knew, and a few dozen images say
    less than the model believes by then (arXiv 2109.01903).

    Parameters
    ----------
    parameters : dict of str to torch.nn.Parameter
        As they are before training.
    decay : float
        Of an update; less at first, so that the beginning is soon forgotten. 0 is no averaging.
    blend : float
        The part of the way.
    """

    def __init__(
        self, parameters: dict[str, nn.Parameter], decay: float, blend: float = 1.0
    ) -> None:
        self.parameters, self.decay, self.blend, self.updates = parameters, decay, blend, 0
        self.start = {name: p.detach().clone() for name, p in parameters.items()}
        self.values = {name: tensor.clone() for name, tensor in self.start.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Take in the parameters as they are now."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates)) if self.decay else 0.0
        self.updates += 1
        for name, parameter in self.parameters.items():
            self.values[name].lerp_(parameter.detach(), 1 - decay)

    def judged(self) -> dict[str, Tensor]:
        """The weights to judge and save."""
        return {n: torch.lerp(self.start[n], value, self.blend) for n, value in self.values.items()}

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Let the model have the weights to judge for as long as this lasts."""
        kept = {name: p.detach().clone() for name, p in self.parameters.items()}
        self._give(self.judged())
        try:
            yield
        finally:
            self._give(kept)

    @torch.no_grad()
    def _give(self, tensors: dict[str, Tensor]) -> None:
        for name, parameter in self.parameters.items():
            parameter.copy_(tensors[name])
