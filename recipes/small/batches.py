"""Training batches: views of real and synthetic images, with target masks."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anymask.errors import ImageError
from recipes.small.augment import random_views
from recipes.small.cache import ImageCache

# A set is drawn in proportion to this power of its size, times its weight here. Photographs have
# higher weights, because most users segment photographs.
_SIZE_POWER = 0.35
_SET_WEIGHTS = {"voc2012_sbd": 1.8, "coco128": 1.5}
# Sets in which everything without a label is background, so a point there has no object.
_LABELLED_THROUGHOUT = frozenset(
    {
        "camvid",
        "digital_rock",
        "drawn",
        "dsb2018_nuclei",
        "em_membrane",
        "kvasir_polyp",
        "magnetic_tile",
    }
)
# Smaller regions, as a fraction of the view, are no targets.
_MIN_AREA = 1 / 3000
_MAX_AREA = 0.9
_AREA_POWER = 0.3
# After this many views in a row without a target, the data are assumed to have none.
_MOST_IN_VAIN = 5000


@dataclass
class Batch:
    """Views and their target masks.

    Attributes
    ----------
    images : (B, 3, S, S) float32 tensor
        0 to 255.
    labels : (B, S, S) int64 tensor
        Finest regions; 0 where nothing is labelled, -1 outside the image.
    masks : (B, P, S, S) bool tensor
        Never empty; a view with few regions has some of them twice.
    throughout : (B,) bool tensor
        Whether all objects of the view are labelled, so that a point elsewhere has no object.
    """

    images: Tensor
    labels: Tensor
    masks: Tensor
    throughout: Tensor


class BatchMaker:
    """Draws batches from caches.

    On a GPU the caches are copied into its memory once, and everything except the choice of masks
    happens there.

    Parameters
    ----------
    caches : list of (ImageCache, float)
        Each with its fraction of the images.
    side : int
        Side of the views in pixels.
    batch_size, prompts : int
        Images per batch, masks per image.
    pad_colour : (3, 1, 1) tensor
    seed : int
    device : torch.device
    """

    def __init__(
        self,
        caches: list[tuple[ImageCache, float]],
        side: int,
        batch_size: int,
        prompts: int,
        pad_colour: Tensor,
        seed: int,
        device: torch.device,
    ) -> None:
        self.side, self.batch_size, self.prompts = side, batch_size, prompts
        self._pad_colour = pad_colour
        self._caches = [cache for cache, _ in caches]
        self._rng = np.random.default_rng(seed)
        self._generator = torch.Generator(device).manual_seed(seed)
        self._device = device
        self._choices = [(c, i) for c, cache in enumerate(self._caches) for i in range(len(cache))]
        self._odds = np.concatenate([share * _odds(cache) for cache, share in caches])
        self._odds /= self._odds.sum()
        self._on_device: list[tuple[Tensor, Tensor]] | None = None
        if device.type != "cpu":
            self._on_device = [
                (torch.from_numpy(np.array(c.images)).to(device), _labels(c.labels).to(device))
                for c in self._caches
            ]

    def batch(self) -> Batch:
        """Draw the next batch.

        Raises
        ------
        ImageError
            If no view shows a region that can be a target.
        """
        for _ in range(-(-_MOST_IN_VAIN // self.batch_size)):
            drawn = self._draw()
            if drawn is not None:
                return drawn
        raise ImageError(
            f"None of {_MOST_IN_VAIN} views shows a labelled region of suitable size, "
            f"1/{round(1 / _MIN_AREA)} to {_MAX_AREA:.0%} of the view; check that the masks label "
            "objects and that 0 is background."
        )

    def _draw(self) -> Batch | None:
        """Return a batch, or None if none of its views has a target."""
        picks = self._rng.choice(len(self._choices), self.batch_size, p=self._odds)
        rows = sorted(self._choices[pick] for pick in picks)
        chosen = [self._canvases(c, [i for k, i in rows if k == c]) for c in {c for c, _ in rows}]
        images, labels = (torch.cat(parts) for parts in zip(*chosen, strict=True))
        views, ids = random_views(
            images,
            labels.int(),
            torch.from_numpy(np.stack([self._caches[c].sizes[i] for c, i in rows])),
            self.side,
            self._pad_colour,
            self._generator,
        )
        masks, kept = self._choose_masks(ids, [self._caches[c].parents[i] for c, i in rows])
        if not kept:
            return None
        # Views without a target are replaced by copies of others, so that sizes stay fixed.
        order = torch.tensor([kept[i % len(kept)] for i in range(len(rows))], device=views.device)
        throughout = torch.tensor(
            [self._caches[c].set_names[i] in _LABELLED_THROUGHOUT for c, i in rows],
            device=views.device,
        )
        return Batch(views[order], ids[order], masks[order], throughout[order])

    def _canvases(self, c: int, rows: list[int]) -> tuple[Tensor, Tensor]:
        """Images and label maps of some rows of a cache, on the device."""
        if self._on_device is not None:
            images, labels = self._on_device[c]
            index = torch.tensor(rows, device=self._device)
            return images[index], labels[index]
        cache = self._caches[c]
        return torch.from_numpy(cache.images[rows]), _labels(cache.labels[rows])

    def _choose_masks(
        self, ids: Tensor, parents: list[NDArray[np.int64]]
    ) -> tuple[Tensor, list[int]]:
        """Target masks (B, P, S, S), and the views that have any."""
        B, S, _ = ids.shape
        size = max(int(ids.max()) + 1, *(len(p) for p in parents))
        offset = size * torch.arange(B, device=ids.device).view(B, 1, 1)
        areas = torch.bincount((ids.clamp(min=0) + offset).flatten(), minlength=B * size)
        table = np.zeros((B, size), np.int64)  # the group of each region
        for row, own in zip(table, parents, strict=True):
            row[: len(own)] = own
        picks = np.full((B, self.prompts), -1)
        is_group = np.zeros((B, self.prompts), bool)
        kept = []
        for b, own in enumerate(areas.view(B, size).cpu().numpy()):
            found = _what_to_ask_for(own, table[b], S * S)
            if found is None:
                continue
            names, groups, odds = found
            few = len(names) < self.prompts
            chosen = self._rng.choice(len(names), self.prompts, replace=few, p=odds)
            picks[b], is_group[b] = names[chosen], groups[chosen]
            kept.append(b)
        wanted = torch.from_numpy(picks).to(ids.device)[..., None, None]
        by_group = torch.from_numpy(is_group).to(ids.device)[..., None, None]
        group_ids = torch.from_numpy(table).to(ids.device).gather(1, ids.clamp(min=0).flatten(1))
        group_ids = group_ids.view(B, 1, S, S)
        return torch.where(by_group, group_ids == wanted, ids[:, None] == wanted), kept

    def stream(self) -> Iterator[Batch]:
        """Yield batches forever; the next one is made while the last is used."""
        with ThreadPoolExecutor(1) as pool:
            coming = [pool.submit(self.batch) for _ in range(2)]
            while True:
                yield coming.pop(0).result()
                coming.append(pool.submit(self.batch))


def _labels(labels: NDArray[np.uint16]) -> Tensor:
    # int16 is enough, because no set has more than 32767 regions per image, and torch supports few
    # operations in uint16.
    return torch.from_numpy(labels.astype(np.int16))


def _what_to_ask_for(
    areas: NDArray[np.int64], parents: NDArray[np.int64], pixels: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.float64]] | None:
    """Ids of regions and groups of suitable size, which of them are groups, and their odds."""
    low, high = _MIN_AREA * pixels, _MAX_AREA * pixels
    fits = (areas >= low) & (areas <= high)
    fits[0] = False
    regions = np.flatnonzero(fits)
    group_areas = np.bincount(parents, areas, minlength=1)
    members = np.bincount(parents, areas > 0, minlength=1)
    fits = (members > 1) & (group_areas >= low) & (group_areas <= high)
    fits[0] = False
    groups = np.flatnonzero(fits)
    names = np.concatenate([regions, groups])
    if len(names) == 0:
        return None
    is_group = np.arange(len(names)) >= len(regions)
    # There are few whole objects but many parts: each whole counts as a third of all regions.
    odds = np.where(is_group, max(1.0, len(regions) / 3), 1.0)
    # Small regions are numerous, and at a view's border most are slivers of cut objects.
    odds *= np.concatenate([areas[regions], group_areas[groups]]) ** _AREA_POWER
    return names, is_group, odds / odds.sum()


def _odds(cache: ImageCache) -> NDArray[np.float64]:
    names, inverse, counts = np.unique(
        np.array(cache.set_names), return_inverse=True, return_counts=True
    )
    weights = np.array([_SET_WEIGHTS.get(str(n), 1.0) for n in names]) * counts**_SIZE_POWER
    odds = (weights / counts)[inverse]
    return odds / odds.sum()
