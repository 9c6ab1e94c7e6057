"""The whole recipe of the shipped model in one call: data in, weights and figures out."""

from __future__ import annotations

import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

import torch

from anymask.checkpoints import load
from anymask.errors import AnymaskError
from anymask.evaluation.data import Examples, open_examples, spread
from anymask.evaluation.protocols import quick_figures
from anymask.model.sam import Sam
from anymask.training.pretrain.bank import draw_bank
from anymask.training.pretrain.cache import ImageCache, build_cache, find_sources, split
from anymask.training.pretrain.own_masks import add_own_masks, sparse_sets
from anymask.training.pretrain.recipe import Recipe, train

# Images of each set that are evaluated while training.
_VALIDATION_IMAGES = 8
_VALIDATION_MIN_AREA = 40


def pretrain(
    data: Iterable[Path],
    out: Path,
    *,
    recipe: Recipe = Recipe(),  # noqa: B008 - frozen
    minutes: float = 60.0,
    finish: bool = False,
    resume: bool = False,
    start_from: Path | None = None,
    own_masks: Path | None = None,
    drawn: int = 3000,
    drawn_share: float = 0.35,
    device: str = "cpu",
    threads: int = 1,
    evaluate_minutes: float = 15.0,
    report: Callable[[str], None] = print,
) -> Path:
    """Train a model of the shipped geometry from nothing.

    Parameters
    ----------
    data : iterable of Path
        Sets, or folders of sets, each with `images/`, `masks/` and `set.json`.
    out : Path
        Folder for caches, log, learning curves, the state to resume from and the weights.
    recipe : Recipe
    minutes : float
        How long to train in this call; caching and drawing come before.
    finish : bool
        Let the learning rate fall to nothing towards the end of the call.
    resume : bool
        Go on with the training in `out`; without it a folder with a training is refused.
    start_from : Path, optional
        Weights of an earlier training to begin with, instead of nothing.
    own_masks : Path, optional
        Weights of an earlier training whose confident masks are added to the labels of sets that
        are not labelled throughout; see `own_masks`.
    drawn, drawn_share : int, float
        Scenes to draw, and their share of the images.
    device : str
        As torch names it.
    threads : int
        CPU threads of the arithmetic.
    evaluate_minutes : float
        Between evaluations on validation images.
    report : callable
        Takes lines to read.

    Returns
    -------
    Path
        The weights: the moving average, in half precision.

    Raises
    ------
    AnymaskError
        If there is no data, or `out` holds a training that `resume` does not ask for, or none
        that it asks for.
    """
    data = [Path(d) for d in data]
    state = out / "state.pt"
    if state.exists() and not resume:
        raise AnymaskError(f"{out} holds a training already; go on with --resume or name another.")
    if resume and not state.exists():
        raise AnymaskError(f"{out} holds no training to resume; leave --resume out to start one.")
    sources, held_out = split(find_sources(data))
    if not sources:
        raise AnymaskError("All images given are for validation; there is nothing to train on.")
    report(f"{len(sources)} images to train on, {len(held_out)} for validation")
    real = build_cache(sources, out / "cache" / "real")
    if own_masks is not None:
        # By the weights' hash, so that other weights give other labels.
        digest = hashlib.sha256(own_masks.read_bytes()).hexdigest()[:12]
        grown = out / "cache" / f"own_{digest}"
        real = add_own_masks(
            real, load(own_masks, device=device), grown, sets=sparse_sets(sources), report=report
        )
    caches: list[tuple[ImageCache, float]] = [(real, 1 - drawn_share)]
    if drawn and drawn_share:
        report(f"drawing {drawn} scenes, unless they are there already")
        bank = draw_bank(
            out / "cache" / "drawn",
            drawn,
            out / "cache" / "real",
            seed=recipe.seed,
            processes=os.cpu_count() or 1,
        )
        caches.append((bank, drawn_share))
    names = {source.name for source in held_out}
    evaluate = _Evaluation(validation_examples(data, names), out) if names else None
    return train(
        caches,
        out,
        recipe=recipe,
        minutes=minutes,
        finish=finish,
        start_from=None if resume else start_from,
        device=device,
        threads=threads,
        evaluate=evaluate,
        evaluate_minutes=evaluate_minutes,
        report=report,
    )


def validation_examples(
    data: Iterable[Path], names: set[str], per_set: int | None = _VALIDATION_IMAGES
) -> Examples:
    """Return validation images, as many of each set, evenly spread by name.

    Parameters
    ----------
    data : iterable of Path
        As for `pretrain`.
    names : set of str
        Validation images as "set/stem".
    per_set : int, optional
        None takes all.
    """
    by_set = defaultdict(list)
    for source in open_examples(*data).sources:
        if f"{source.set_name}/{source.name}" in names:
            by_set[source.set_name].append(source)
    chosen = [
        by_set[name][i]
        for name in sorted(by_set)
        for i in spread(len(by_set[name]), per_set or len(by_set[name]))
    ]
    return Examples(chosen, min_area=_VALIDATION_MIN_AREA)


class _Evaluation:
    """Figures of a model on validation images, by set to a file, and the curves redrawn."""

    def __init__(self, examples: Examples, out: Path) -> None:
        self.examples, self.out = examples, out

    @torch.no_grad()
    def __call__(self, sam: Sam) -> dict[str, float]:
        # As in use: the decoder's answers suffer from rounding, the encoder's hardly.
        sam.image_encoder.to(torch.bfloat16)
        means, by_set = quick_figures(sam, self.examples)
        with (self.out / "figures_by_set.jsonl").open("a") as file:
            file.write(json.dumps(by_set) + "\n")
        return means
