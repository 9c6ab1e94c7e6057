"""Prompts simulated from masks, as a user might give them (arXiv 2304.02643, appendix A).

All functions take batches of masks as tensors and work on their device.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

# The centrality of a pixel is the mean, over squares with these sides, of the fraction of the
# square that the mask fills: a cheap replacement for the distance transform.
_DENSITY_SIDES = (4, 8, 16, 32)


def boxes_of(masks: Tensor, jitter: float | Tensor, generator: torch.Generator) -> Tensor:
    """Return the bounding boxes of masks, with random jitter on each side.

    Parameters
    ----------
    masks : (N, H, W) bool tensor
        None may be empty.
    jitter : float or (N, 1) tensor
        Standard deviation of the jitter, as a fraction of the box's width or height. Jitter is
        limited to two standard deviations.
    generator : torch.Generator

    Returns
    -------
    (N, 4) float tensor
        XYXY in pixels, pixel centres at integers.
    """
    rows, cols = masks.any(2).float(), masks.any(1).float()
    x0, x1 = cols.argmax(1), cols.shape[1] - 1 - cols.flip(1).argmax(1)
    y0, y1 = rows.argmax(1), rows.shape[1] - 1 - rows.flip(1).argmax(1)
    boxes = torch.stack([x0, y0, x1, y1], 1).float()
    sides = torch.stack([x1 - x0, y1 - y0], 1).float().repeat(1, 2)
    noise = torch.randn(boxes.shape, generator=generator, device=boxes.device)
    boxes = boxes + noise.clamp(-2, 2) * jitter * sides
    limit = torch.tensor(masks.shape[:0:-1], device=boxes.device).repeat(2) - 1
    return torch.minimum(boxes.clamp(min=0), limit)


def points_in(regions: Tensor, central: Tensor, generator: torch.Generator) -> Tensor:
    """Draw one point in each region.

    Parameters
    ----------
    regions : (N, H, W) bool tensor
        An empty region gives the point (0, 0).
    central : (N,) bool tensor
        True: the point is in the middle of a thick part of the region. False: it is uniformly
        random in the region.
    generator : torch.Generator

    Returns
    -------
    (N, 2) float tensor
        (x, y) in pixels.
    """
    N, H, W = regions.shape
    score = torch.rand(N, H, W, generator=generator, device=regions.device)
    if central.any():
        score[central] = 0.2 * score[central] + _density(regions[central])
    score.masked_fill_(~regions, -1.0)
    flat = score.view(N, -1).argmax(1)
    return torch.stack([flat % W, flat // W], 1).float()


def corrective_clicks(
    predicted: Tensor, masks: Tensor, clicks: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Draw clicks where a prediction is wrong: on missed object or on added background.

    The chance of each kind of error is proportional to its area, and most clicks are in its thick
    parts.

    Parameters
    ----------
    predicted, masks : (N, H, W) bool tensors
    clicks : int
        Clicks per object, all for the same prediction.
    generator : torch.Generator

    Returns
    -------
    coords : (N, clicks, 2) float tensor
        (x, y) in pixels.
    labels : (N, clicks) int64 tensor
        1 on missed object, 0 on added background, -1 (no point) where the prediction is
        perfect.
    """
    missed, extra = masks & ~predicted, predicted & ~masks
    missed_area, extra_area = missed.sum((1, 2)), extra.sum((1, 2))
    total = missed_area + extra_area
    coords, labels = [], []
    for _ in range(clicks):
        draw = torch.rand(len(masks), generator=generator, device=masks.device)
        positive = draw * total < missed_area
        central = torch.rand(len(masks), generator=generator, device=masks.device) < 0.7
        region = torch.where(positive[:, None, None], missed, extra)
        coords.append(points_in(region, central, generator))
        labels.append(torch.where(total > 0, positive.long(), -1))
    return torch.stack(coords, 1), torch.stack(labels, 1)


def _density(regions: Tensor) -> Tensor:
    x = regions[:, None].float()
    total = torch.zeros_like(x)
    for side in _DENSITY_SIDES:
        pooled = F.avg_pool2d(x, side, stride=side // 2, padding=side // 2, count_include_pad=True)
        total += F.interpolate(pooled, x.shape[-2:], mode="bilinear", align_corners=True)
    return total[:, 0]
