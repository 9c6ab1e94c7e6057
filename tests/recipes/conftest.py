"""Images to train on, in memory files as the recipe makes them."""

from __future__ import annotations

import numpy as np
import pytest

from recipes.small.cache import CacheWriter, ImageCache


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> ImageCache:
    """Twelve images of 100×100 pixels, each with a bright disk."""
    rng = np.random.default_rng(0)
    writer = CacheWriter(tmp_path_factory.mktemp("disks") / "cache", 12)
    y, x = np.mgrid[:100, :100]
    for _ in range(12):
        cx, cy, r = *rng.uniform(30, 70, 2), rng.uniform(15, 28)
        disk = (x - cx) ** 2 + (y - cy) ** 2 < r * r
        image = np.where(disk[..., None], 220, 30).astype(np.uint8).repeat(3, 2)
        writer.append(image, disk.astype(np.uint16), np.zeros(2, np.int64), "disks")
    return writer.finish()
