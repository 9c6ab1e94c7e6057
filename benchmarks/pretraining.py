"""How fast the recipe of the shipped model makes batches, and how fast it trains.

Usage: python -m benchmarks.pretraining [--data FOLDER_OF_SETS] [--side PIXELS ...]
       [--batch-size N] [--threads N] [--device NAME] [--seconds N] [--output FILE]
       python -m benchmarks.pretraining --processes N [--data ...] [--side ...] [--batch-size N]

Feeding means making batches: views of cached images with their masks, on the training device.
Training means whole steps, including prompts, corrections and the optimiser, fed as in
`python -m recipes.small`. The images are synthetic scenes and, with `--data`, also the training
images of those sets. The weights are random and are not kept. Images per second are for the median
batch.

`--processes N` instead compares, for whole trainings with the same views per update, one process
with N threads and N processes with one thread. Images per second are for the time of additional
updates, and for the better of two runs.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from anymask.model.config import VARIANTS
from anymask.model.sam import Sam
from benchmarks.measure import machine, print_table, versions, write_results
from recipes.small.auxiliary import AuxiliaryHead
from recipes.small.bank import draw_bank
from recipes.small.batches import BatchMaker
from recipes.small.cache import ImageCache, build_cache, find_sources, split
from recipes.small.optimizer import build_optimizers
from recipes.small.recipe import Recipe, train
from recipes.small.step import training_step

RESULTS = Path(__file__).parent / "results" / "pretraining.json"
_SCENES = 256
_FEW, _MORE = 2, 10  # updates
_TURNS = 2


def images_per_second(
    work: Callable[[], object], images: int, seconds: float, device: torch.device
) -> float:
    """Rate of the median call within some seconds, after two warm-up calls."""

    def once() -> float:
        start = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter() - start

    once()
    once()
    end = time.perf_counter() + seconds
    taken = [once()]
    while time.perf_counter() < end:
        taken.append(once())
    return images / statistics.median(taken)


def training_work(maker: BatchMaker, side: int, device: torch.device) -> Callable[[], None]:
    """Make a function that performs one update with the next batch."""
    recipe, config = Recipe(), VARIANTS["small"]
    sam = Sam(replace(config, image_size=side)).to(device)
    auxiliary = AuxiliaryHead(config.prompt_dim).to(device)
    optimizers = build_optimizers(
        [sam, auxiliary], recipe.learning_rate, recipe.matrix_rate, recipe.weight_decay
    )
    generator = torch.Generator(device).manual_seed(0)
    batches = maker.stream()

    def work() -> None:
        loss, _ = training_step(sam, auxiliary, next(batches), generator, recipe.auxiliary_weight)
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()

    return work


def rate_of_training(
    caches: list[tuple[ImageCache, float]], recipe: Recipe, processes: int, threads: int
) -> float:
    """Images per second of whole trainings, without the time to start them."""

    def seconds(updates: int) -> float:
        with tempfile.TemporaryDirectory() as out:
            start = time.perf_counter()
            train(
                caches,
                Path(out),
                recipe=recipe,
                updates=updates,
                processes=processes,
                threads=threads,
                report=lambda _: None,
            )
            return time.perf_counter() - start

    images = (_MORE - _FEW) * recipe.batch_size * recipe.accumulate
    return images / (seconds(_MORE) - seconds(_FEW))


def compare_processes(
    caches: list[tuple[ImageCache, float]], sides: list[int], count: int, processes: int
) -> None:
    """Print the rates of one process with several threads and of as many processes, in turn."""
    rows = []
    for side in sides:
        recipe = Recipe(side=side, batch_size=count, accumulate=processes)
        ways = {"threads": (1, processes), "processes": (processes, 1)}
        best = dict.fromkeys(ways, 0.0)
        for _ in range(_TURNS):
            for name, (together, threads) in ways.items():
                rate = rate_of_training(caches, recipe, together, threads)
                best[name] = max(best[name], rate)
        rows.append([str(side), f"{best['threads']:.1f}", f"{best['processes']:.1f}"])
    head = ["side", f"one process, {processes} threads", f"{processes} processes, one thread each"]
    print_table("Images trained on per second", head, rows)


def main() -> None:
    """Measure each size, print a table and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, nargs="*", default=[])
    parser.add_argument("--side", type=int, nargs="+", default=[256, 320, 384])
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--processes", type=int, help="compare with as many threads")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device, count = torch.device(options.device), options.batch_size
    prompts, rows, rates = Recipe().prompts, [], {}
    with tempfile.TemporaryDirectory() as folder:
        caches: list[tuple[ImageCache, float]] = []
        if options.data:
            sources, _ = split(find_sources(options.data))
            caches.append((build_cache(sources, Path(folder) / "real"), 0.65))
        photos = Path(folder) / "real" if options.data else None
        caches.append((draw_bank(Path(folder) / "drawn", _SCENES, photos), 0.35))
        if options.processes:
            compare_processes(caches, options.side, count, options.processes)
            return
        for side in options.side:
            grey = torch.full((3, 1, 1), 128.0, device=device)
            maker = BatchMaker(caches, side, count, prompts, grey, 0, device)
            fed = images_per_second(maker.batch, count, options.seconds, device)
            work = training_work(maker, side, device)
            trained = images_per_second(work, count, options.seconds, device)
            rates[side] = {"feeding": fed, "training": trained}
            rows.append([str(side), f"{fed:.0f}", f"{trained:.1f}"])
    print_table("Images per second", ["side", "feeding", "training"], rows)
    results: dict[str, Any] = {"machine": machine(), "versions": versions("torch", "numpy")}
    results |= {"device": str(device), "threads": options.threads, "batch_size": count}
    write_results(options.output, results | {"images_per_second": rates})


if __name__ == "__main__":
    main()
