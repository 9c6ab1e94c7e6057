"""What an image encoder says of its memory covers what training really keeps."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from anymask.model.config import EfficientNetLiteConfig, SmallEncoderConfig
from anymask.model.encoders import EncoderConfig

SIDE = 256


def _kept(encoder: nn.Module, side: int) -> int:
    """Bytes that autograd keeps of one image, weights aside."""
    sizes = {p.untyped_storage().data_ptr(): 0 for p in encoder.parameters()}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        sizes.setdefault(storage.data_ptr(), storage.nbytes())
        kept.append(tensor)  # so that no other tensor gets its place
        return tensor

    kept: list[Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        encoder(torch.zeros(1, 3, side, side))
    return sum(sizes.values())


@pytest.mark.parametrize("config", [SmallEncoderConfig(), EfficientNetLiteConfig()])
def test_the_estimate_covers_what_training_keeps_and_is_not_far_above(
    config: EncoderConfig,
) -> None:
    kept = _kept(config.build(SIDE, 128), SIDE)
    assert kept < config.activation_bytes(SIDE, training=True) < 2.5 * kept
