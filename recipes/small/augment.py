"""Random views of cached images, as batched tensor operations on any device.

A view is a random affine map of the canvas, with objects of other views pasted in, followed by
photometric changes. Each operation draws its strength separately for each image of the batch.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from recipes.small.pasting import paste_across

# Fraction of views that show the whole image at the top left, padded at the right and bottom, as
# the model sees images in prediction.
_WHOLE_VIEW = 0.4


def random_views(
    images: Tensor,
    labels: Tensor,
    sizes: Tensor,
    side: int,
    pad_colour: Tensor,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Draw one view of each image.

    Parameters
    ----------
    images : (B, C, C, 3) uint8 tensor
        Canvases, with each image in the top left corner.
    labels : (B, C, C) int32 tensor
    sizes : (B, 2) tensor
        Height and width of the images.
    side : int
        Side of the views in pixels.
    pad_colour : (3, 1, 1) tensor
        Colour outside the image.
    generator : torch.Generator

    Returns
    -------
    images : (B, 3, side, side) float32 tensor
        0 to 255.
    labels : (B, side, side) int64 tensor
        -1 outside the image; pasted objects have higher numbers than the given labels.
    """
    B, canvas = len(images), images.shape[1]
    sizes = sizes.to(images.device, torch.float32)
    affine, zoom = _random_affine(sizes, side, generator)
    steps = torch.arange(side, device=images.device, dtype=torch.float32)
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    grid = torch.stack([x, y, torch.ones_like(x)], -1).view(-1, 3)
    at = (grid @ affine.transpose(1, 2)).view(B, side, side, 2)  # source pixels (x, y)

    last = (sizes - 1).flip(1)[:, None, None]  # the largest x and y
    inside = ((at > -0.5) & (at < last + 0.5)).all(-1)
    nearest = torch.minimum(at.round().clamp(min=0), last).long()
    flat = (nearest[..., 1] * canvas + nearest[..., 0]).view(B, -1)
    seen = labels.view(B, -1).gather(1, flat).view(B, side, side).long()
    seen = torch.where(inside, seen, -1)

    pixels = torch.empty(B, 3, side, side, device=images.device)
    reduced = zoom > 1.5  # several source pixels per view pixel: average first against aliasing
    for chosen, factor in ((~reduced, 1), (reduced, 2)):
        if not chosen.any():
            continue
        source = images[chosen].permute(0, 3, 1, 2).float()
        if factor == 2:
            source = F.avg_pool2d(source, 2)
        place = (2 * torch.minimum(at[chosen].clamp(min=0), last[chosen]) + 1) / canvas - 1
        pixels[chosen] = F.grid_sample(source, place, align_corners=False, padding_mode="border")
    pixels, seen = paste_across(pixels, seen, int(labels.max()) + 1, generator)
    pixels = _photometric(pixels, generator)
    return torch.where(inside[:, None], pixels, pad_colour), seen


def _uniform(n: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(n, generator=generator, device=generator.device)


def _chance(n: int, probability: float, generator: torch.Generator) -> Tensor:
    return torch.rand(n, generator=generator, device=generator.device) < probability


def _random_affine(sizes: Tensor, side: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Maps from view pixels to source pixels, (B, 2, 3), and source pixels per view pixel, (B,)."""
    B = len(sizes)
    whole = _chance(B, _WHOLE_VIEW, generator)
    fit = sizes.amax(1) / side
    zoom = fit * torch.exp(_uniform(B, math.log(0.25), math.log(1.1), generator))
    # Enlarging more than twice adds no information.
    zoom = torch.maximum(zoom, torch.minimum(fit, torch.full_like(fit, 0.4)))
    stretch = torch.exp(_uniform(B, -0.25, 0.25, generator))
    angle = torch.where(
        _chance(B, 0.2, generator),
        _uniform(B, -math.pi, math.pi, generator),
        _uniform(B, -0.15, 0.15, generator),
    )
    zoom = torch.where(whole, fit, zoom)
    stretch = torch.where(whole, 1.0, stretch)
    angle = torch.where(whole, 0.0, angle)

    flip = torch.where(_chance(B, 0.5, generator), -1.0, 1.0)
    cos, sin = angle.cos() * zoom, angle.sin() * zoom
    linear = torch.stack(
        [cos * stretch * flip, -sin / stretch, sin * stretch * flip, cos / stretch], 1
    ).view(B, 2, 2)

    # Centre the view so that it stays inside the image where possible.
    extent = sizes.flip(1)  # (width, height)
    reach = linear.abs().sum(2) * (side - 1) / 2
    low, high = torch.minimum(reach, extent / 2), torch.maximum(extent - reach, extent / 2)
    share = torch.rand(B, 2, generator=generator, device=sizes.device)
    centre = low + share * (high - low)
    anchored = (side / 2 * zoom)[:, None].expand(B, 2)
    mirrored = torch.stack([extent[:, 0] - anchored[:, 0], anchored[:, 1]], 1)
    top_left = torch.where((flip < 0)[:, None], mirrored, anchored)
    centre = torch.where(whole[:, None], top_left, centre) - 0.5
    middle = torch.full((2, 1), (side - 1) / 2, device=sizes.device)
    offset = centre[:, :, None] - linear @ middle
    return torch.cat([linear, offset], 2), zoom


def _photometric(x: Tensor, generator: torch.Generator) -> Tensor:
    B = len(x)

    def draw(low: float, high: float, chance: float, neutral: float) -> Tensor:
        value = _uniform(B, low, high, generator)
        return torch.where(_chance(B, chance, generator), value, neutral).view(B, 1, 1, 1)

    grey = x.mean(1, keepdim=True)
    saturation = draw(0.0, 1.6, 0.4, 1.0)
    saturation = torch.where(_chance(B, 0.12, generator).view(B, 1, 1, 1), 0.0, saturation)
    x = grey + (x - grey) * saturation
    tint = 1 + 0.15 * torch.randn(B, 3, 1, 1, generator=generator, device=x.device)
    x = torch.where(_chance(B, 0.3, generator).view(B, 1, 1, 1), x * tint, x)
    order = torch.rand(B, 3, generator=generator, device=x.device).argsort(1)
    shuffled = x.gather(1, order.view(B, 3, 1, 1).expand_as(x))
    x = torch.where(_chance(B, 0.1, generator).view(B, 1, 1, 1), shuffled, x)
    mean = x.mean((1, 2, 3), keepdim=True)
    x = (x - mean) * draw(0.5, 1.5, 0.5, 1.0) + mean + draw(-40.0, 40.0, 0.5, 0.0)
    gamma = torch.exp(draw(-0.5, 0.5, 0.3, 0.0))
    x = 255 * (x.clamp(0, 255) / 255) ** gamma
    x = torch.where(_chance(B, 0.06, generator).view(B, 1, 1, 1), 255 - x, x)

    blurred = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)
    x = x + (blurred - x) * draw(-0.6, 1.0, 0.35, 0.0)  # negative values sharpen
    noise = torch.randn(x.shape, generator=generator, device=x.device)
    x = x + noise * draw(0.0, 14.0, 0.3, 0.0)
    return x.clamp(0, 255)
