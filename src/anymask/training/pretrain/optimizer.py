"""The optimisers of the shipped model's training.

Weight matrices, convolutions among them, are updated by Muon (orthogonalised momentum; Jordan
2024, and arXiv 2502.16982 for the scale of its updates); everything else, embeddings, norms,
biases and depthwise filters, by AdamW.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn


class ConvMuon(torch.optim.Muon):
    """Muon for weights of any shape, each seen as a matrix of its first axis by the others."""

    def __init__(self, weights: Iterable[nn.Parameter], lr: float, weight_decay: float) -> None:
        self._weights = list(weights)
        # The flat parameters share the memory of the weights, so updating one updates the other.
        self._flat = [nn.Parameter(w.detach().view(len(w), -1)) for w in self._weights]
        super().__init__(
            self._flat, lr=lr, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"
        )

    @torch.no_grad()
    def step(self, closure=None):  # type: ignore[no-untyped-def]
        """Make one update from the weights' gradients."""
        for flat, weight in zip(self._flat, self._weights, strict=True):
            grad = weight.grad
            flat.grad = None if grad is None else grad.reshape(flat.shape)
        return super().step(closure)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the weights' gradients, not only their flat copies."""
        super().zero_grad(set_to_none)
        for weight in self._weights:
            if set_to_none:
                weight.grad = None
            elif weight.grad is not None:
                weight.grad.zero_()


def build_optimizers(
    modules: Iterable[nn.Module], learning_rate: float, matrix_rate: float, weight_decay: float
) -> list[torch.optim.Optimizer]:
    """Divide the parameters of modules between Muon and AdamW.

    Parameters
    ----------
    modules : iterable of torch.nn.Module
    learning_rate, matrix_rate : float
        Of AdamW and of Muon.
    weight_decay : float
        Of weights; norms, biases and embeddings have none.
    """
    matrices: list[nn.Parameter] = []
    vectors: list[nn.Parameter] = []
    for module in modules:
        for part in module.modules():
            depthwise = isinstance(part, nn.Conv2d) and part.groups > 1
            for name, parameter in part.named_parameters(recurse=False):
                is_matrix = name == "weight" and isinstance(
                    part, nn.Linear | nn.Conv2d | nn.ConvTranspose2d
                )
                (matrices if is_matrix and not depthwise else vectors).append(parameter)
    return [
        ConvMuon(matrices, matrix_rate, weight_decay),
        torch.optim.AdamW(vectors, lr=learning_rate, betas=(0.9, 0.98), weight_decay=0.0),
    ]
