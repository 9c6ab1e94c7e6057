"""The whole recipe of the shipped model in one call, from data to weights and figures."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import torch

from anymask.checkpoints.devices import resolve_device, resolve_dtype
from anymask.datasets import types
from anymask.datasets.dataset import Dataset
from anymask.datasets.label_files import truth_of
from anymask.datasets.opening import in_sets
from anymask.errors import AnymaskError
from anymask.evaluation.protocols import quick_figures
from anymask.files import check_writable
from anymask.model.config import SamConfig
from anymask.model.sam import Sam
from recipes.small.bank import draw_bank
from recipes.small.cache import ImageCache, Source, build_cache, find_sources, split
from recipes.small.checks import check_beginning, check_figures
from recipes.small.imagenet import config_of
from recipes.small.recipe import Recipe
from recipes.small.stages import train_in_stages
from recipes.small.warm_start import begin

# Images per set that are evaluated during training.
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
    teacher: Path | None = None,
    teacher_views: int = 12000,
    backbone: str | None = "lite2",
    config: SamConfig | None = None,
    drawn: int = 3000,
    drawn_share: float = 0.35,
    device: str = "cpu",
    threads: int = 1,
    processes: int = 1,
    evaluate_minutes: float = 15.0,
    report: Callable[[str], None] = print,
) -> Path:
    """Train a model with the architecture of the shipped one, from an ImageNet backbone.

    Parameters
    ----------
    data : iterable of Path
        Sets, or folders of sets, each with `images/`, `masks/` and `set.json`. `cache.split`
        decides which images are held out for evaluation.
    out : Path
        Folder for caches, log, learning curves, the state for `resume` and the weights.
    recipe : Recipe
    minutes : float
        Training time of this call, after caching and drawing.
    finish : bool
        Reduce the learning rate to zero towards the end of the call, and train on views of
        `recipe.last_side` at its end.
    resume : bool
        Continue the training in `out`; if False, a folder with a training raises an error.
    start_from : Path, optional
        Weights of an earlier training to start with.
    teacher : Path, optional
        Weights of a model with another encoder. The new encoder first learns to imitate its
        features, and the decoder is copied; see `warm_start`.
    teacher_views : int
        Number of views for this imitation.
    backbone : str, optional
        A key of `imagenet.LITE`; None starts with a random encoder.
    config : SamConfig, optional
        A different architecture; the default is that of the shipped model with this backbone.
    drawn, drawn_share : int, float
        Number of synthetic scenes, and their fraction of the images.
    device : str
        A torch device, or "auto".
    threads : int
        CPU threads per process.
    processes : int
        Number of processes that train together, on a CPU. Scenes are drawn by `threads` times as
        many processes.
    evaluate_minutes : float
        Minutes between evaluations on validation images.
    report : callable
        Receives lines of text.

    Returns
    -------
    Path
        The exported weights: the moving average, in half precision.

    Raises
    ------
    AnymaskError
        If there is no data, or a file cannot be used for training; if `out` contains a training
        but `resume` is False, or none but `resume` is True; if the device does not exist, the time
        is 0, or the weights to start with are of another architecture.
    """
    data = [Path(d) for d in data]
    device = str(resolve_device(device))
    check_figures(recipe, minutes, processes, device)
    config = config or config_of(backbone or "lite2")
    check_beginning(out, resume, start_from, teacher, config)
    sources, held_out = split(find_sources(data))
    if not sources:
        raise AnymaskError("All given images are for validation; none is left for training.")
    check_writable(out)
    out.mkdir(parents=True, exist_ok=True)
    report(f"{len(sources)} images for training, {len(held_out)} for validation")
    examples = _examples(held_out, _VALIDATION_IMAGES)
    # Each is read once now, so that a damaged file is found before the first hour of training.
    if not any([len(example.masks) > 0 for example in examples]):
        report("no validation image has an object, so there is no evaluation during training")
        examples = examples[:0]
    real = build_cache(sources, out / "cache" / "real")
    drawn_share = drawn_share if drawn else 0.0
    caches: list[tuple[ImageCache, float]] = [(real, 1 - drawn_share)]
    if drawn_share:
        report(f"drawing {drawn} scenes, unless they exist already")
        bank = draw_bank(
            out / "cache" / "drawn",
            drawn,
            out / "cache" / "real",
            seed=recipe.seed,
            processes=min(threads * processes, os.cpu_count() or 1),
        )
        caches.append((bank, drawn_share))
    if not resume and start_from is None and (backbone or teacher):
        start_from = out / "beginning.safetensors"
        begin(
            config,
            backbone,
            teacher,
            real,
            start_from,
            views=teacher_views,
            side=recipe.side,
            device=device,
            threads=threads,
            report=report,
        )
    return train_in_stages(
        caches,
        out,
        recipe=recipe,
        config=config,
        minutes=minutes,
        finish=finish,
        start_from=start_from,
        device=device,
        threads=threads,
        processes=processes,
        evaluate=_Evaluation(examples, out) if examples else None,
        evaluate_minutes=evaluate_minutes,
        report=report,
    )


def validation_examples(
    data: Iterable[Path], names: set[str], per_set: int | None = _VALIDATION_IMAGES
) -> Dataset:
    """Return images by name, at most `per_set` of each set, evenly spread by name.

    Parameters
    ----------
    data : iterable of Path
        As for `pretrain`.
    names : set of str
        Images as "set/stem", as in `Source.name`.
    per_set : int, optional
        None for all.
    """
    sources = [source for source in find_sources(data) if source.name in names]
    return _examples(sources, per_set)


def _examples(sources: Iterable[Source], per_set: int | None) -> Dataset:
    """Examples of each set; if two sets have the same name, the second becomes "name (2)"."""
    by_folder: dict[Path, list[types.Source]] = {}
    for source in sources:
        read = partial(truth_of, [source.labels], "auto")
        by_folder.setdefault(source.folder, []).append(
            types.Source(source.set_name, source.image.stem, source.image, read)
        )
    sets = sorted(by_folder.values(), key=lambda members: members[0].set_name)
    return Dataset(in_sets(sets, per_set or None), min_area=_VALIDATION_MIN_AREA)


class _Evaluation:
    """Evaluates a model on validation images, writes the figures by set to a file, plots curves."""

    def __init__(self, examples: Dataset, out: Path) -> None:
        self.examples, self.out = examples, out

    @torch.no_grad()
    def __call__(self, sam: Sam) -> dict[str, float]:
        # In the precision of prediction: the decoder suffers from rounding, the encoder hardly.
        sam.image_encoder.to(resolve_dtype("auto", sam.device))
        means, by_set = quick_figures(sam, self.examples)
        with (self.out / "figures_by_set.jsonl").open("a") as file:
            file.write(json.dumps(by_set) + "\n")
        return means
