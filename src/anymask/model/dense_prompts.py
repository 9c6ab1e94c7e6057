"""Points and boxes drawn as maps, as in interactive segmentation networks before SAM.

They show a small model the position of a prompt earlier than Fourier codes alone (disk and distance
maps: RITM, arXiv 2102.06583, section 3). The maps have the resolution of the image
embedding and are added to it by a 1×1 convolution, as mask prompts are.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from anymask.model.layers import PointwiseConv2d
from anymask.model.products import linear_plus_shared

# Widths, in cells of the embedding, of the bumps drawn at the points.
_POINT_SIGMAS = (0.7, 3.0)


class DensePrompts(nn.Module):
    """Bumps at positive and at negative points, and the coverage of the box."""

    def __init__(self, dim: int, patch_size: int) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.proj = PointwiseConv2d(2 * len(_POINT_SIGMAS) + 1, dim, bias=False)

    def forward(
        self,
        points: tuple[Tensor, Tensor] | None,
        boxes: Tensor | None,
        onto: Tensor,
    ) -> Tensor:
        """Draw prompts given as to `PromptEncoder` onto a map.

        Parameters
        ----------
        points : tuple of (N, P, 2) and (N, P) tensors, or None
        boxes : (N, 4) tensor or None
        onto : (N, dim, h, w) tensor
            Not changed; has stride 0 over N if it is the same for all prompts.

        Returns
        -------
        (N, dim, h, w) tensor
            Channels last in memory, as image tokens are.
        """
        weight, size = self.proj.weight, (onto.shape[2], onto.shape[3])
        count = len(points[0]) if points is not None else len(boxes) if boxes is not None else 1
        maps = torch.zeros(count, weight.shape[1], *size, device=weight.device)
        if points is not None:
            coords = (points[0].float() + 0.5) / self.patch_size
            for i, label in enumerate((1, 0)):
                bumps = _bumps(coords, points[1] == label, size)
                maps[:, i * len(_POINT_SIGMAS) : (i + 1) * len(_POINT_SIGMAS)] = bumps
        if boxes is not None:
            maps[:, -1] = _coverage((boxes.float() + 0.5) / self.patch_size, size)
        return self._add(maps, onto)

    def draw(
        self, points: tuple[Tensor, Tensor], boxes: Tensor, has_box: Tensor, onto: Tensor
    ) -> Tensor:
        """Draw as `forward` does, with a box for every prompt and whether it counts, (N,) bool.

        The steps do not depend on which prompts there are, so that they can be exported.
        """
        size = (onto.shape[2], onto.shape[3])
        coords = (points[0].float() + 0.5) / self.patch_size
        bumps = [_bumps(coords, points[1] == label, size) for label in (1, 0)]
        cover = _coverage((boxes.float() + 0.5) / self.patch_size, size)
        covered = (cover * has_box[:, None, None])[:, None]
        return self._add(torch.cat([*bumps, covered], 1), onto)

    def _add(self, maps: Tensor, onto: Tensor) -> Tensor:
        weight, size = self.proj.weight, (onto.shape[2], onto.shape[3])
        rows = linear_plus_shared(
            maps.to(weight.dtype).flatten(2).transpose(1, 2),
            weight.flatten(1),
            None,
            (onto[:1] if onto.stride(0) == 0 else onto).flatten(2).transpose(1, 2),
        )
        return rows.transpose(1, 2).unflatten(2, size)


def _centres(n: int, like: Tensor) -> Tensor:
    return torch.arange(n, device=like.device, dtype=torch.float32) + 0.5


def _bumps(coords: Tensor, chosen: Tensor, size: tuple[int, int]) -> Tensor:
    """Gaussians of the distance to the nearest chosen point, (N, sigmas, h, w)."""
    dy = (coords[..., 1, None] - _centres(size[0], coords)) ** 2  # (N, P, h)
    dx = (coords[..., 0, None] - _centres(size[1], coords)) ** 2  # (N, P, w)
    distance = dy[..., :, None] + dx[..., None, :]  # squared
    distance = torch.where(chosen[..., None, None], distance, torch.inf)
    if distance.shape[1] == 0:
        return coords.new_zeros(len(coords), len(_POINT_SIGMAS), *size)
    nearest = distance.amin(1)
    return torch.stack([torch.exp(-nearest / (2 * s * s)) for s in _POINT_SIGMAS], 1)


def _coverage(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """The fraction of each cell that each box covers, (N, h, w)."""
    x0, y0, x1, y1 = boxes[:, :, None].unbind(1)

    def along(low: Tensor, high: Tensor, n: int) -> Tensor:
        centre = _centres(n, low)
        return (torch.minimum(high, centre + 0.5) - torch.maximum(low, centre - 0.5)).clamp(0, 1)

    return along(y0, y1, size[0])[:, :, None] * along(x0, x1, size[1])[:, None, :]
