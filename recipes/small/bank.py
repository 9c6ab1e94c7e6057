"""A cache of drawn scenes.

Drawing a scene takes longer than training on it, but augmentation makes many views of one scene.
Therefore separate processes draw scenes into a cache, which is then read like real images.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from recipes.small.cache import CacheWriter, ImageCache, key_of, open_cache
from recipes.small.synthetic import Scene, draw_scene

SCENE_SIDE = 384
_CHUNK = 16


def draw_bank(
    folder: Path, count: int, photos: Path | None, *, seed: int = 0, processes: int = 1
) -> ImageCache:
    """Draw scenes into a cache in `folder`, or open an existing one.

    Scenes are drawn again if the number, the seed or the photos differ.

    Parameters
    ----------
    folder : Path
    count : int
        Number of scenes, each `SCENE_SIDE` pixels a side.
    photos : Path, optional
        An `ImageCache` that supplies textures, backgrounds and objects.
    seed, processes : int
        A seed gives the same scenes with any number of processes.
    """
    taken_from = None if photos is None else ImageCache(photos).key
    key = key_of("drawn", SCENE_SIDE, count, seed, taken_from)
    cache = open_cache(folder, key)
    if cache is not None:
        return cache
    writer = CacheWriter(folder, count)
    seeds = [(seed, i) for i in range(count)]
    chunks = [seeds[i : i + _CHUNK] for i in range(0, count, _CHUNK)]
    with ProcessPoolExecutor(processes) as pool:
        for scenes in pool.map(_draw_chunk, chunks, [photos] * len(chunks)):
            for scene in scenes:
                writer.append(scene.image, scene.labels, scene.parents, "drawn")
    return writer.finish(key)


def _draw_chunk(seeds: list[tuple[int, int]], photos: Path | None) -> list[Scene]:
    source = None if photos is None else ImageCache(photos)
    return [draw_scene(np.random.default_rng(s), SCENE_SIDE, source) for s in seeds]
