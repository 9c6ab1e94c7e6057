"""The weights to validate and save: a moving average, blended with the original weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class MovingAverage:
    """Exponential moving averages of named parameters.

    The validated weights are a blend of the original parameters and the average. A partial blend is
    often better than the average alone: it forgets less of what the model knew, and it limits
    over-fitting to a few dozen images (arXiv 2109.01903).

    Parameters
    ----------
    parameters : dict of str to torch.nn.Parameter
        The parameters before training.
    decay : float
        Decay per update; lower at first, so that early weights are soon forgotten. 0 turns
        averaging off.
    blend : float
        Weight of the average; 1 uses the average alone.
    """

    def __init__(
        self, parameters: dict[str, nn.Parameter], decay: float, blend: float = 1.0
    ) -> None:
        self.parameters, self.decay, self.blend, self.updates = parameters, decay, blend, 0
        self.start = {name: p.detach().clone() for name, p in parameters.items()}
        self.values = {name: tensor.clone() for name, tensor in self.start.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Add the current parameters to the average."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates)) if self.decay else 0.0
        self.updates += 1
        for name, parameter in self.parameters.items():
            self.values[name].lerp_(parameter.detach(), 1 - decay)

    def judged(self) -> dict[str, Tensor]:
        """Return the blended weights to validate and save."""
        return {n: torch.lerp(self.start[n], value, self.blend) for n, value in self.values.items()}

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Put the blended weights into the model within a `with` block."""
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
