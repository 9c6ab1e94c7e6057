"""A finishing run in two stages: many small views, then a few of the size that is used.

A model that is used at a size it was not trained at sees objects of other sizes than it knows; a
short training at that size mends this (arXiv 1906.06423) for a fraction of what training at that
size throughout would take.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from recipes.small.cache import ImageCache
from recipes.small.recipe import Recipe, train


def train_in_stages(
    caches: list[tuple[ImageCache, float]],
    out: Path,
    *,
    recipe: Recipe,
    minutes: float = math.inf,
    updates: int | None = None,
    finish: bool = False,
    start_from: Path | None = None,
    report: Callable[[str], None] = print,
    **options: Any,
) -> Path:
    """Train as `recipe.train` does, the last share of a finishing run at the recipe's last side.

    Parameters
    ----------
    caches, out, recipe, minutes, updates, finish, start_from, report, **options
        As for `recipe.train`.

    Returns
    -------
    Path
        The exported weights.
    """
    share = recipe.last_share if finish and recipe.last_side > recipe.side else 0.0
    weights = train(
        caches,
        out,
        recipe=recipe,
        minutes=minutes,
        updates=updates,
        finish=finish,
        stop_share=1 - share,
        start_from=start_from,
        report=report,
        **options,
    )
    if not share:
        return weights
    report(f"views of {recipe.last_side} pixels from here on")
    return train(
        caches,
        out,
        recipe=_of_last_views(recipe),
        minutes=minutes * share,
        updates=None if updates is None else round(updates * share),
        finish=True,
        report=report,
        **options,
    )


def _of_last_views(recipe: Recipe) -> Recipe:
    """The same views an update and pixels a pass, the rate falling from where it is to nothing."""
    smaller = (recipe.side / recipe.last_side) ** 2
    batch_size = max(1, round(recipe.batch_size * smaller))
    return replace(
        recipe,
        side=recipe.last_side,
        batch_size=batch_size,
        accumulate=max(1, round(recipe.batch_size * recipe.accumulate / batch_size)),
        finish_share=min(1.0, recipe.finish_share / recipe.last_share),
    )
