"""Batches for training: views of real and drawn images with masks to ask for."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from anymask.training.pretrain.augment import random_views
from anymask.training.pretrain.cache import ImageCache

# How often a set is drawn from grows with this power of its size, times its weight here.
_SIZE_POWER = 0.6
_SET_WEIGHTS = {
    "aerial_roads": 0.3,
    "drive_vessels": 0.3,
    "em_membrane": 0.7,
    "digital_rock": 0.6,
    "magnetic_tile": 0.6,
    "voc2012_sbd": 1.6,
    "coco128": 2.0,
    "voc2007_inst": 1.5,
}
# Regions smaller than this share of the view are not asked for.
_MIN_AREA = 1 / 1500
_MAX_AREA = 0.9
_AREA_POWER = 0.3


@dataclass
class Batch:
    """Views and the masks to ask for.

    Attributes
    ----------
    images : (B, 3, S, S) float32 tensor
        0 to 255.
    labels : (B, S, S) int64 tensor
        Finest regions; 0 where nothing is labelled, -1 beyond the image.
    masks : (B, P, S, S) bool tensor
        None of them empty; a view with few regions has some of them twice.
    """

    images: Tensor
    labels: Tensor
    masks: Tensor


class BatchMaker:
    """Draw batches from caches.

    Parameters
    ----------
    caches : list of (ImageCache, float)
        Each with its share of the images.
    side : int
        Side of the views.
    batch_size, prompts : int
        Images a batch, masks an image.
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

    def batch(self) -> Batch:
        """Draw the next batch."""
        images, labels, sizes, parents = [], [], [], []
        for choice in self._rng.choice(len(self._choices), self.batch_size, p=self._odds):
            c, i = self._choices[choice]
            cache = self._caches[c]
            images.append(torch.from_numpy(np.array(cache.images[i])))
            labels.append(torch.from_numpy(cache.labels[i].astype(np.int32)))
            sizes.append(cache.sizes[i])
            parents.append(cache.parents[i])
        views, seen = random_views(
            torch.stack(images).to(self._device),
            torch.stack(labels).to(self._device),
            torch.from_numpy(np.stack(sizes)),
            self.side,
            self._pad_colour,
            self._generator,
        )
        masks, kept = [], []
        for b, ids in enumerate(seen):
            chosen = self._choose_masks(ids, parents[b])
            if chosen is not None:
                masks.append(chosen)
                kept.append(b)
        if not kept:
            return self.batch()
        # Views that show no region lend their place to the others, so that sizes stay fixed.
        fill = [kept[i % len(kept)] for i in range(self.batch_size)]
        order = torch.tensor(fill, device=views.device)
        position = {b: i for i, b in enumerate(kept)}
        return Batch(views[order], seen[order], torch.stack([masks[position[b]] for b in fill]))

    def _choose_masks(self, ids: Tensor, parents: np.ndarray) -> Tensor | None:
        areas = torch.bincount(ids.clamp(min=0).flatten()).cpu().numpy()
        low, high = _MIN_AREA * ids.numel(), _MAX_AREA * ids.numel()
        regions = [(k, False) for k in np.flatnonzero(areas) if k and low <= areas[k] <= high]
        groups = np.zeros(int(parents.max()) + 1)
        members = np.zeros_like(groups)
        np.add.at(groups, parents[: len(areas)], areas[: len(parents)])
        np.add.at(members, parents[: len(areas)], areas[: len(parents)] > 0)
        wholes = [
            (g, True)
            for g in np.flatnonzero(groups)
            if g and members[g] > 1 and low <= groups[g] <= high
        ]
        found = regions + wholes
        if not found:
            return None
        # Wholes are few beside their parts: each is as likely as all that a region set offers.
        odds = np.array([1.0] * len(regions) + [max(1.0, len(regions) / 3)] * len(wholes))
        # Small regions are many, and at a view's border mostly slivers of cut objects.
        odds *= [(groups if is_group else areas)[k] ** _AREA_POWER for k, is_group in found]
        picks = self._rng.choice(
            len(found), self.prompts, replace=len(found) < self.prompts, p=odds / odds.sum()
        )
        table = torch.from_numpy(parents).to(ids.device)
        grouped = table[ids.clamp(0, len(table) - 1)] if wholes else ids
        return torch.stack(
            [(grouped if is_group else ids) == int(k) for k, is_group in (found[i] for i in picks)]
        )

    def stream(self) -> Iterator[Batch]:
        """Yield batches for ever, the next one being made while the last is used."""
        with ThreadPoolExecutor(1) as pool:
            coming = [pool.submit(self.batch) for _ in range(2)]
            while True:
                yield coming.pop(0).result()
                coming.append(pool.submit(self.batch))


def _odds(cache: ImageCache) -> np.ndarray:
    names, inverse, counts = np.unique(
        np.array(cache.set_names), return_inverse=True, return_counts=True
    )
    weights = np.array([_SET_WEIGHTS.get(str(n), 1.0) for n in names]) * counts**_SIZE_POWER
    odds = (weights / counts)[inverse]
    return odds / odds.sum()
