"""Low-rank updates of a frozen image encoder (LoRA, arXiv 2106.09685).

A weight W becomes W + up·down, of which only the two thin factors train; `up` begins as zeros, so
training begins at the model as it was. The sum is formed before the layer is applied, as a
parametrisation of the weight: it works for any layer, whatever computes with its weight, and what
is merged for saving is to the last bit what was trained.

An encoder's configuration names the layers (`EncoderConfig.low_rank`). Where attention computes
queries, keys and values by one matrix, the rows of queries and values are updated, as in SAMed
(arXiv 2304.13785). In encoders that are mostly convolutions these are updated too, seen as
matrices of their outputs by the rest: attention at 1/32 alone could not change the finer features,
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
        Of any shape, seen as a matrix of its first axis by the others.
    rank : int
    rows : list of (int, int)
        First row, and the one after the last, of each part that gets factors of its own.
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
    """Give the image encoder low-rank updates, which alone of it will train.

    Parameters
    ----------
    sam : Sam
        Changed in place.
    rank : int
    seed : int

    Returns
    -------
    int
        How many layers have them.
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
    """Make the updates part of the weights, which then have their own names and shapes again."""
    for layer in list(sam.image_encoder.modules()):
        if parametrize.is_parametrized(layer, "weight"):
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)


def _rows_to_update(sam: Sam, name: str, layer: nn.Module) -> list[tuple[int, int]]:
    rows = sam.config.image_encoder.low_rank.get(name.rpartition(".")[2])
    if rows is None or not isinstance(layer, nn.Linear | nn.Conv2d):
        return []
    count = len(layer.weight)
    return [(0, count)] if rows == "all" else [(0, count // 3), (2 * count // 3, count)]
