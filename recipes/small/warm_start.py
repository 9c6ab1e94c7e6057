"""Warm start: a new encoder that first imitates an old one.

The mask decoder of earlier weights works only with the features of their encoder. Behind an
untrained neck it would get noise, and would lose what it has learned before the neck is good.
Therefore the new encoder first learns to reproduce the old one's features: for a third of the
views the neck alone, which needs no gradients of the backbone, then the whole encoder. Such a view
needs no prompts, costs less than half of one with them, and teaches more: 12,000 of them come to
where 30,000 views with prompts do.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch.nn import functional as F

from anymask.checkpoints import load
from anymask.model.config import SamConfig
from anymask.model.efficientnet_encoder import EfficientNetLiteEncoder
from anymask.model.sam import Sam
from recipes.small.averaging import export_weights
from recipes.small.batches import BatchMaker
from recipes.small.cache import ImageCache
from recipes.small.imagenet import imagenet_file, load_imagenet
from recipes.small.optimizer import build_optimizers
from recipes.small.step import precision_of

_BATCH = 16
# The rate of AdamW, that of the backbone, and the share of the views, of each phase. Muon's rate is
# twice AdamW's.
_PHASES = ((2e-3, 0.0, 1 / 3), (1e-3, 3e-4, 2 / 3))


def begin(
    config: SamConfig,
    backbone: str | None,
    teacher: Path | None,
    cache: ImageCache,
    target: Path,
    *,
    views: int,
    side: int,
    device: str = "cpu",
    threads: int = 1,
    report: Callable[[str], None] = print,
) -> None:
    """Write the weights that a training starts with: ImageNet's backbone and a teacher's decoder.

    Parameters
    ----------
    config : SamConfig
        Its encoder must be an EfficientNet-Lite.
    backbone : str or None
        A key of `imagenet.LITE`; None for a random backbone.
    teacher : Path or None
        Weights to imitate; without them, neck and decoder start with random weights.
    cache : ImageCache
        Images for the imitation.
    target : Path
        File to write.
    views, side : int
        Number of views for the imitation, and their side in pixels.
    device : str
    threads : int
    report : callable
    """
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    sam = Sam(replace(config, image_size=side)).to(device)
    assert isinstance(sam.image_encoder, EfficientNetLiteEncoder)
    if backbone is not None:
        load_imagenet(sam.image_encoder, imagenet_file(backbone), sam.pixel_mean, sam.pixel_std)
    if teacher is not None:
        known = load(teacher, device=device, dtype="float32", image_size=side)
        maker = BatchMaker([(cache, 1.0)], side, _BATCH, 2, sam.pixel_mean, 0, sam.device)
        imitate(sam, known, maker, views, report)
    whole = Sam(config)
    whole.load_state_dict(sam.state_dict())
    export_weights(whole, target, {})


def imitate(
    sam: Sam,
    teacher: Sam,
    maker: BatchMaker,
    views: int,
    report: Callable[[str], None] = print,
) -> None:
    """Train a model's encoder to reproduce another model's features, and copy its other parts.

    Parameters
    ----------
    sam : Sam
        Its encoder has a pretrained backbone.
    teacher : Sam
        Has a decoder and a prompt encoder of the same architecture.
    maker : BatchMaker
        Source of views; their masks are not used.
    views : int
    report : callable
    """
    sam.prompt_encoder.load_state_dict(teacher.prompt_encoder.state_dict())
    sam.mask_decoder.load_state_dict(teacher.mask_decoder.state_dict())
    for rate, backbone_rate, share in _PHASES:
        _imitate(sam, teacher, maker, round(views * share), rate, backbone_rate, report)


def _imitate(
    sam: Sam,
    teacher: Sam,
    maker: BatchMaker,
    views: int,
    rate: float,
    backbone_rate: float,
    report: Callable[[str], None],
) -> None:
    """One phase, in which the rates rise, stay and fall to zero; without a rate nothing learns."""
    encoder = sam.image_encoder
    assert isinstance(encoder, EfficientNetLiteEncoder)
    backbone = encoder.backbone_parameters()
    for parameter in backbone:
        parameter.requires_grad_(backbone_rate > 0)
    optimizers = build_optimizers([encoder], rate, 2 * rate, 0.0, backbone, backbone_rate)
    rates = (2 * rate, rate, backbone_rate)
    device = sam.device.type
    updates = max(1, round(views / maker.batch_size))
    since = time.monotonic()
    for update, batch in zip(range(updates), maker.stream(), strict=False):
        share = update / updates
        fall = min(1.0, (update + 1) / 20) * min(1.0, 2 * (1 - share))
        for optimizer, own_rate in zip(optimizers, rates, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = own_rate * fall
        pixels = sam.preprocess(batch.images)
        with torch.autocast(device, **precision_of(device)):
            with torch.no_grad():
                wanted = teacher.encode_image(pixels)
            given = sam.encode_image(pixels)
        losses = [
            F.mse_loss(own.float(), other.float()) / other.float().var()
            for own, other in zip(
                (given.embedding, *given.skips), (wanted.embedding, *wanted.skips), strict=True
            )
        ]
        sam.zero_grad(set_to_none=True)
        sum(losses).backward()  # type: ignore[union-attr]
        torch.nn.utils.clip_grad_norm_(encoder.parameters(), 3.0)
        for optimizer in optimizers:
            optimizer.step()
        if update % 10 == 0:
            speed = maker.batch_size * (update + 1) / (time.monotonic() - since)
            shown = " ".join(f"{float(loss.detach()):.3f}" for loss in losses)
            report(f"imitating: {update * maker.batch_size} views, {speed:.1f}/s: {shown}")
    for parameter in backbone:
        parameter.requires_grad_(True)
