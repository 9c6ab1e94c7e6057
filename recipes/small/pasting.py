"""Pasting objects of one view into another.

The sets are small: after a hundred epochs a model may have memorised a photograph and its labels.
It can find an object pasted into another image only by its appearance (arXiv 2012.07177), and an
object pasted next to its copy only by the position of the prompt. Batched tensor operations, on any
device.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

# Fraction of views per round that receive an object. Many receive none, because the other view
# shows no complete object.
_SHARE = 0.3
_ROUNDS = 3
# Fraction of these that receive a copy of their own object: two look alike, and one is the target.
_ALIKE = 0.4
# Area of an object as a fraction of the view: smaller ones teach little, larger ones hide the view.
_SMALLEST, _LARGEST = 1 / 600, 0.25
_AREA_POWER = 0.3
# Edges are softened; this fraction of an object must remain, which excludes thin ones.
_LEAST_LEFT = 0.6


def paste_across(
    pixels: Tensor, labels: Tensor, new_id: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Paste regions of some views of a batch into others, at new positions and mirrored.

    Only regions that touch neither the view's border nor the end of the image are used.

    Parameters
    ----------
    pixels : (B, 3, S, S) float32 tensor
    labels : (B, S, S) int64 tensor
        -1 outside the image, where nothing is pasted.
    new_id : int
        Pasted objects get this number and those above it.
    generator : torch.Generator

    Returns
    -------
    pixels, labels : tensors
        The input with the objects pasted. A batch of one view is unchanged.
    """
    B, device = len(pixels), pixels.device
    if B < 2:
        return pixels, labels
    given, given_labels = pixels, labels
    pixels, labels = pixels.clone(), labels.clone()
    for number in range(new_id, new_id + _ROUNDS):
        chances = torch.rand(2, B, generator=generator, device=device)
        rows = (chances[0] < _SHARE).nonzero()[:, 0]
        if not len(rows):
            continue
        by = 1 + int(torch.randint(B - 1, (), generator=generator, device=device))
        alike = torch.rand(len(rows), generator=generator, device=device) < _ALIKE
        source = torch.where(alike, rows, (rows + by) % B)
        opacity = _soft(_one_object(given_labels[source], generator))
        layer = torch.cat([given[source], opacity[:, None]], 1)
        mirrored = (chances[1, rows] < 0.5)[:, None, None, None]
        layer = _moved(torch.where(mirrored, layer.flip(3), layer), generator)
        opacity = layer[:, 3] * (labels[rows] >= 0)
        pixels[rows] += (layer[:, :3] - pixels[rows]) * opacity[:, None]
        labels[rows] = torch.where(opacity >= 0.5, number, labels[rows])
    return pixels, labels


def _one_object(labels: Tensor, generator: torch.Generator) -> Tensor:
    """One complete region of each view, (B, S, S) float; empty if there is none."""
    B, S = labels.shape[:2]
    size = max(int(labels.max()), 0) + 1
    own = labels.clamp(min=0)
    offset = size * torch.arange(B, device=labels.device)[:, None, None]
    areas = torch.bincount((own + offset).flatten(), minlength=B * size).view(B, size)
    beyond = F.pad((labels < 0).float(), (1, 1, 1, 1), value=1.0)
    near_border = F.max_pool2d(beyond[:, None], 3, 1)[:, 0] > 0
    cut = torch.zeros(B, size, dtype=torch.bool, device=labels.device)
    cut.scatter_(1, torch.where(near_border, own, 0).flatten(1), True)
    fits = (areas >= _SMALLEST * S * S) & (areas <= _LARGEST * S * S) & ~cut
    fits[:, 0] = False
    found = fits.any(1)
    odds = torch.where(fits, areas.float() ** _AREA_POWER, 0.0)
    odds[:, 0] = (~found).float()  # the draw needs at least one positive number
    chosen = torch.multinomial(odds, 1, generator=generator)
    return ((labels == chosen[..., None]) & found[:, None, None]).float()


def _soft(masks: Tensor) -> Tensor:
    """Opacity (B, S, S) that rises from the mask's rim, where colours of the old image mix in."""
    inner = -F.max_pool2d(-masks[:, None], 3, 1, 1)
    opacity = F.avg_pool2d(inner, 3, 1, 1)[:, 0]
    left = (opacity >= 0.5).sum((1, 2)) > _LEAST_LEFT * masks.sum((1, 2))
    return opacity * left[:, None, None]


def _moved(layer: Tensor, generator: torch.Generator) -> Tensor:
    """Move layers (B, 4, S, S; the last channel is opacity) to random positions within the view."""
    B, _, S, _ = layer.shape
    device = layer.device
    visible = layer[:, 3] > 0
    steps = torch.arange(S, device=device)
    places = []
    for axis in (2, 1):  # rows, columns
        occupied = visible.any(axis).int()
        first, last = occupied.argmax(1), S - 1 - occupied.flip(1).argmax(1)
        free = S - (last - first)
        by = (torch.rand(B, generator=generator, device=device) * free).long() - first
        places.append((steps - by[:, None]) % S)
    rows, columns = places
    each = torch.arange(B, device=device)[:, None, None]
    return layer.permute(0, 2, 3, 1)[each, rows[:, :, None], columns[:, None]].permute(0, 3, 1, 2)
