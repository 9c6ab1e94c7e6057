"""Small layers that several parts of the network share."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from anymask.model.as_built import is_own
from anymask.model.products import Activation, linear


def apply_linear(
    layer: nn.Module,
    x: Tensor,
    *,
    activation: Activation = "none",
    plus: Tensor | None = None,
) -> Tensor:
    """Return activation(layer(x)) + plus, by the fastest product if the layer is `nn.Linear`.

    Any other module in its place, and one with hooks, is called.

    Parameters
    ----------
    layer : torch.nn.Module
        Maps (…, K) to (…, R).
    x : (…, K) tensor
    activation, plus
        As in `anymask.model.products.linear`.
    """
    if is_own(layer, nn.Linear):
        assert isinstance(layer, nn.Linear)
        return linear(x, layer.weight, layer.bias, activation=activation, plus=plus)
    y = layer(x)
    if activation == "gelu":
        y = F.gelu(y)
    return y if plus is None else y + plus


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
    """Two linear layers with an activation between them.

    Parameters
    ----------
    embedding_dim, mlp_dim : int
        Channels outside and between the layers.
    act : type of torch.nn.Module
    """

    def __init__(
        self, embedding_dim: int, mlp_dim: int, act: Callable[[], nn.Module] = nn.GELU
    ) -> None:
        super().__init__()
        self.lin1 = nn.Linear(embedding_dim, mlp_dim)
        self.lin2 = nn.Linear(mlp_dim, embedding_dim)
        self.act = act()

    def forward(self, x: Tensor, plus: Tensor | None = None) -> Tensor:
        """Map (…, embedding_dim) to the same shape; `plus` is a shortcut to add."""
        if is_own(self.act, nn.GELU) and getattr(self.act, "approximate", "") == "none":
            x = apply_linear(self.lin1, x, activation="gelu")
        else:
            x = self.act(apply_linear(self.lin1, x))
        return apply_linear(self.lin2, x, plus=plus)


class MLP(nn.Module):
    """`num_layers` linear layers with ReLU between them, and a sigmoid at the end if wanted."""

    def __init__(
        self,
        input_dim: int,
        hidden_dim: int,
        output_dim: int,
        num_layers: int,
        sigmoid_output: bool = False,
    ) -> None:
        super().__init__()
        self.num_layers = num_layers
        self.sigmoid_output = sigmoid_output
        dims = [input_dim] + [hidden_dim] * (num_layers - 1) + [output_dim]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(dims))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers[:-1]:
            x = F.relu(apply_linear(layer, x))
        x = apply_linear(self.layers[-1], x)
        return torch.sigmoid(x) if self.sigmoid_output else x


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
