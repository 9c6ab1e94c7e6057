"""Weights of a shallower model as the beginning of a deeper one.

The blocks that are new pass on what they are given (zero in place of their last product, as in
Net2Net, arXiv 1511.05641, and SkipInit, arXiv 2002.10444), so that the deeper model first computes
exactly what the shallower one did.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from anymask.model.sam import Sam
from anymask.model.small_encoder import AttentionBlock, ResidualBlock


def fits(state: Mapping[str, Tensor], sam: Sam) -> bool:
    """Whether tensors are those of a model, or of one that lacks whole blocks of its encoder."""
    own = sam.state_dict()
    known = all(name in own and own[name].shape == tensor.shape for name, tensor in state.items())
    return known and own.keys() - state.keys() == set(_tensors_of(_added(state, sam)))


def grow_from(state: Mapping[str, Tensor], sam: Sam) -> None:
    """Load tensors that fit; blocks that they lack become ones that pass on what they get."""
    added = _added(state, sam)
    for block in added.values():
        block.pass_on()
    sam.load_state_dict({**_tensors_of(added), **state})


def _added(state: Mapping[str, Tensor], sam: Sam) -> dict[str, AttentionBlock | ResidualBlock]:
    blocks = {
        f"{name}.": block
        for name, block in sam.named_modules()
        if isinstance(block, AttentionBlock | ResidualBlock)
    }
    return {
        prefix: block
        for prefix, block in blocks.items()
        if not any(name.startswith(prefix) for name in state)
    }


def _tensors_of(blocks: Mapping[str, torch.nn.Module]) -> dict[str, Tensor]:
    return {
        prefix + name: tensor
        for prefix, block in blocks.items()
        for name, tensor in block.state_dict().items()
    }
