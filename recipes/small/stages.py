"""A finishing run in two stages: many small views, then a few at the size used in prediction.

A model that is used at another size than in training sees objects at unfamiliar scales. A short
training at the size of use corrects this (arXiv 1906.06423) and costs much less than training at
that size throughout.
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
    """Train as `recipe.train` does, with the last part of a finishing run at `last_side`.

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
    """The same views per update and pixels per pass, with the learning rate falling to zero."""
    smaller = (recipe.side / recipe.last_side) ** 2
    batch_size = max(1, round(recipe.batch_size * smaller))
    return replace(
        recipe,
        side=recipe.last_side,
        batch_size=batch_size,
        accumulate=max(1, round(recipe.batch_size * recipe.accumulate / batch_size)),
        finish_share=min(1.0, recipe.finish_share / recipe.last_share),
    )
