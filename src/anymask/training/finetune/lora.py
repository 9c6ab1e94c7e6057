"""Low-rank updates of a frozen image encoder (LoRA, arXiv 2106.09685).

A weight W becomes W + up·down, and only the two thin factors train; `up` starts as zeros, so
training starts from the original model. The sum is computed before the layer is applied, as a
parametrisation of the weight. So it works for any layer, and the merged weights that are saved are
bit for bit those that were trained.

An encoder's configuration names the layers (`EncoderConfig.low_rank`). If attention computes
queries, keys and values with one matrix, the rows of queries and values are updated, as in SAMed
(arXiv 2304.13785). In encoders that are mostly convolutions, these are updated too, as matrices of
outputs by all other axes: attention at 1/32 alone could not change the finer features,
which go straight to the masks.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from anymask.model.sam import Sam
from anymask.training.finetune.prompt_batches import generator_of


class LowRankUpdate(nn.Module):
    """Add up·down to some rows of a weight.

    Parameters
    ----------
    weight : Tensor
        Of any shape, treated as a matrix of its first axis by all others.
    rank : int
    rows : list of (int, int)
        First row, and the row after the last, of each part with its own factors.
    generator : torch.Generator
        Draws `down`.
    """

    def __init__(
        self,
        weight: Tensor,
        rank: int,
        rows: list[tuple[int, int]],
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.rows = rows
        columns = weight[0].numel()
        drawn = torch.randn(len(rows), rank, columns, generator=generator) / columns**0.5
        self.down = nn.Parameter(drawn.to(weight))
        self.up = nn.ParameterList(
            nn.Parameter(torch.zeros(last - first, rank).to(weight)) for first, last in rows
        )

    def forward(self, weight: Tensor) -> Tensor:
        update = torch.zeros(len(weight), self.down.shape[2], device=weight.device)
        parts, at = [], 0
        for (first, last), up, down in zip(self.rows, self.up, self.down, strict=True):
            parts += [update[at:first], up @ down]
            at = last
        parts.append(update[at:])
        return weight + torch.cat(parts).view(weight.shape).to(weight.dtype)


def add_low_rank(sam: Sam, rank: int, seed: int = 0) -> int:
    """Add low-rank updates to the image encoder; only these will train in it.

    Parameters
    ----------
    sam : Sam
        Modified in place.
    rank : int
    seed : int

    Returns
    -------
    int
        Number of layers with updates.
    """
    generator = generator_of(seed, 7)
    layers = [
        (layer, rows)
        for name, layer in sam.image_encoder.named_modules()
        if (rows := _rows_to_update(sam, name, layer))
    ]
    for layer, rows in layers:
        assert isinstance(layer.weight, Tensor)
        layer.weight.requires_grad_(False)
        update = LowRankUpdate(layer.weight, rank, rows, generator)
        parametrize.register_parametrization(layer, "weight", update)
    return len(layers)


def merge_low_rank(sam: Sam) -> None:
    """Merge the updates into the weights, which then have their original names and shapes."""
    for layer in list(sam.image_encoder.modules()):
        if parametrize.is_parametrized(layer, "weight"):
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)


def _rows_to_update(sam: Sam, name: str, layer: nn.Module) -> list[tuple[int, int]]:
    rows = sam.config.image_encoder.low_rank.get(name.rpartition(".")[2])
    if rows is None or not isinstance(layer, nn.Linear | nn.Conv2d):
        return []
    count = len(layer.weight)
    return [(0, count)] if rows == "all" else [(0, count // 3), (2 * count // 3, count)]
