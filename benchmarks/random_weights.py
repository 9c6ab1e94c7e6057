"""A ViT-B checkpoint in Meta's format, with the random weights of `anymask benchmark`."""

from __future__ import annotations

from pathlib import Path

import torch

from anymask.model.config import VARIANTS
from benchmarks.side_by_side.random_weights import random_state


def write_random_vit_b(path: Path) -> None:
    """Write the checkpoint with ``torch.save``; the weights are the same in every call."""
    torch.save(random_state(VARIANTS["vit_b"]), path)
