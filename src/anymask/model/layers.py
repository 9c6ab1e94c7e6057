"""Small layers that several parts of the network share."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from anymask.model.products import Activation, linear


class Linear(nn.Linear):
    """`torch.nn.Linear` by the fastest product, with what mostly follows it in the same pass."""

    def forward(
        self, x: Tensor, *, activation: Activation = "none", plus: Tensor | None = None
    ) -> Tensor:
        """Return activation(x·Wᵀ + b) + plus, see `anymask.model.products.linear`."""
        return linear(x, self.weight, self.bias, activation=activation, plus=plus)


class PointwiseConv2d(nn.Conv2d):
    """A 1×1 convolution as a matrix product over the pixels of a map.

    It is meant for maps that are channels-last in memory, which need no copy, and its sums do not
    depend on the number of threads, as those of torch's own 1×1 convolution may.
    """

    def __init__(self, in_chans: int, out_chans: int, bias: bool = True) -> None:
        super().__init__(in_chans, out_chans, 1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_chans, H, W) to (B, out_chans, H, W), channels-last in memory."""
        y = linear(x.permute(0, 2, 3, 1), self.weight.flatten(1), self.bias)
        return y.permute(0, 3, 1, 2)


class LayerNorm2d(nn.Module):
    """Layer normalisation over the channels of a (B, C, H, W) map."""

    def __init__(self, num_channels: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(num_channels))
        self.bias = nn.Parameter(torch.zeros(num_channels))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        channels_last = x.permute(0, 2, 3, 1)
        y = F.layer_norm(channels_last, self.weight.shape, self.weight, self.bias, self.eps)
        return y.permute(0, 3, 1, 2)


class MLPBlock(nn.Module):
    """Two linear layers with a GELU between them, and a shortcut around them."""

    def __init__(self, dim: int, mlp_dim: int) -> None:
        super().__init__()
        self.lin1 = Linear(dim, mlp_dim)
        self.lin2 = Linear(mlp_dim, dim)

    def forward(self, x: Tensor, plus: Tensor) -> Tensor:
        return self.lin2(self.lin1(x, activation="gelu"), plus=plus)


class MLP(nn.Module):
    """`depth` linear layers with ReLU between them."""

    def __init__(self, in_dim: int, hidden_dim: int, out_dim: int, depth: int) -> None:
        super().__init__()
        dims = [in_dim] + [hidden_dim] * (depth - 1) + [out_dim]
        self.layers = nn.ModuleList(Linear(a, b) for a, b in pairwise(dims))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers[:-1]:
            x = F.relu(layer(x))
        return self.layers[-1](x)


def missing(length: int, step: int) -> int:
    """Return how much a length lacks to the next multiple of `step`.

    Of positive numbers throughout: exported to ONNX, a quotient is rounded towards zero, not down.

    Examples
    --------
    >>> missing(64, 14), missing(70, 14)
    (6, 0)
    """
    return (step - length % step) % step


class Float32Buffers(nn.Module):
    """A module whose own buffers stay float32 when it is cast to half precision.

    Coordinates need more than bfloat16's eight bits: at 1024 pixels its step is four pixels.
    """

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        kept = {name: b for name, b in self._buffers.items() if b is not None}
        super()._apply(fn, recurse)
        for name, before in kept.items():
            after = self._buffers[name]
            if after is not None and after.dtype != before.dtype and not after.is_meta:
                self._buffers[name] = before.to(after.device)
        return self
