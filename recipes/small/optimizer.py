"""The optimisers for training the shipped model.

Muon (orthogonalised momentum; Jordan 2024, and arXiv 2502.16982) updates weight matrices and
convolutions. AdamW updates everything else: embeddings, norms, biases and depthwise filters.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from anymask.checkpoints.devices import resolve_dtype


class ConvMuon(torch.optim.Optimizer):
    """Muon for weights of any shape; each is seen as a matrix of its first axis by the others.

    An update has the direction of the momentum with all singular values brought to about one, and
    the size of AdamW's updates (arXiv 2502.16982, section 2.2). `torch.optim.Muon` takes only
    matrices and computes in bfloat16, which many processors only emulate.

    Parameters
    ----------
    weights : iterable of torch.nn.Parameter
    lr, weight_decay, momentum : float
    """

    def __init__(
        self,
        weights: Iterable[nn.Parameter],
        lr: float,
        weight_decay: float,
        momentum: float = 0.95,
    ) -> None:
        super().__init__(weights, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure=None):  # type: ignore[no-untyped-def]
        """Make one update from the gradients of the weights."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if not state:
                    state["momentum"] = torch.zeros_like(weight.grad)
                momentum = state["momentum"]
                momentum.lerp_(weight.grad, 1 - group["momentum"])
                ahead = weight.grad.lerp(momentum, group["momentum"])  # Nesterov momentum
                update = orthogonal(ahead.flatten(1))
                size = 0.2 * max(update.shape) ** 0.5
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.add_(update.view_as(weight), alpha=-group["lr"] * size)
        return loss


def orthogonal(matrix: Tensor) -> Tensor:
    """Bring the singular values of a matrix close to one: between about .7 and 1.2.

    Uses five steps of a Newton-Schulz iteration with a polynomial that is steep at zero
    (Jordan 2024).
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrix.to(resolve_dtype("auto", matrix.device))
    tall = x.shape[0] > x.shape[1]
    if tall:
        x = x.t()
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(5):
        gram = x @ x.t()
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.t() if tall else x).to(matrix.dtype)


def build_optimizers(
    modules: Iterable[nn.Module],
    learning_rate: float,
    matrix_rate: float,
    weight_decay: float,
    backbone: Iterable[nn.Parameter] = (),
    backbone_rate: float = 0.0,
) -> list[torch.optim.Optimizer]:
    """Divide the parameters of modules between Muon and AdamW.

    Parameters
    ----------
    modules : iterable of torch.nn.Module
    learning_rate, matrix_rate : float
        Learning rates of AdamW and of Muon.
    weight_decay : float
        For weights; norms, biases and embeddings have none.
    backbone : iterable of torch.nn.Parameter
        Pretrained ones among the parameters; a separate AdamW updates them. Muon would move all
        directions of a matrix equally, including those that are well learned.
    backbone_rate : float
        Learning rate of that AdamW.

    Returns
    -------
    list of torch.optim.Optimizer
        Muon, AdamW and, if there are backbone parameters, their AdamW.
    """
    pretrained = list(backbone)
    apart = {id(parameter) for parameter in pretrained}
    matrices: list[nn.Parameter] = []
    vectors: list[nn.Parameter] = []
    for module in modules:
        for part in module.modules():
            depthwise = isinstance(part, nn.Conv2d) and part.groups > 1
            for name, parameter in part.named_parameters(recurse=False):
                if id(parameter) in apart:
                    continue
                is_matrix = name == "weight" and isinstance(
                    part, nn.Linear | nn.Conv2d | nn.ConvTranspose2d
                )
                (matrices if is_matrix and not depthwise else vectors).append(parameter)
    optimizers: list[torch.optim.Optimizer] = [
        ConvMuon(matrices, matrix_rate, weight_decay),
        torch.optim.AdamW(vectors, lr=learning_rate, betas=(0.9, 0.98), weight_decay=0.0),
    ]
    if pretrained:
        optimizers.append(
            torch.optim.AdamW(pretrained, lr=backbone_rate, betas=(0.9, 0.98), weight_decay=0.0)
        )
    return optimizers
