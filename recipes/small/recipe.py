"""The training loop of the shipped model.

The learning rate has a short warm-up, then stays constant, then, when a run is told to finish,
falls linearly to zero. A run can therefore be killed, resumed and prolonged without a planned
length. The exponential moving average of the weights is evaluated and exported. Everything that the
next step depends on is in `state.pt`, which is replaced as a whole every few minutes.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from anymask.checkpoints import load
from anymask.model.config import VARIANTS, SamConfig
from anymask.model.efficientnet_encoder import EfficientNetLiteEncoder
from anymask.model.sam import Sam
from recipes.small.auxiliary import AuxiliaryHead
from recipes.small.averaging import export_weights, moving_average
from recipes.small.batches import Batch, BatchMaker
from recipes.small.cache import ImageCache
from recipes.small.curves import draw_curves
from recipes.small.optimizer import build_optimizers
from recipes.small.processes import Team, team_of
from recipes.small.step import Weights, training_step

_APART = 1_000_003  # between the seeds of two processes; larger than the updates of any run


@dataclass(frozen=True)
class Recipe:
    """Settings of a run.

    Attributes
    ----------
    side : int
        Side of the training views in pixels; the model works at any size.
    batch_size, accumulate : int
        Images per pass, and passes per update, which processes that train together share.
    prompts : int
        Target masks per image; half are prompted by box, half by point.
    learning_rate, matrix_rate, weight_decay : float
        Learning rate of AdamW, learning rate of Muon, and weight decay of Muon.
    backbone_rate : float
        Learning rate of the AdamW that updates a pretrained backbone.
    frozen_stages : int
        How many stages of a pretrained backbone, besides its stem, do not learn. What they detect
        serves every task, and without the gradients of two a step takes a tenth less time.
    warmup_images : int
        Number of images over which the learning rates rise.
    ema : float
        Decay of the moving average per update. A longer memory is better just after the learning
        rate has fallen, and far worse while it is high.
    auxiliary_weight, auxiliary_images : float, int
        Weight of the dense losses at the start, and the number of images over which it falls
        to a fifth.
    finish_share : float
        Fraction of a finishing run's time in which the learning rate falls to zero.
    last_side, last_share : int, float
        Side of the views in the last fraction of a finishing run's time, if trained by
        `stages.train_in_stages`; at most `side` for one size throughout.
    weights : step.Weights
        Weights of the parts of the loss.
    log_images : int
        Images between two lines of the log.
    """

    side: int = 256
    batch_size: int = 16
    accumulate: int = 1
    prompts: int = 6
    learning_rate: float = 1e-3
    matrix_rate: float = 2e-3
    backbone_rate: float = 1.5e-4
    frozen_stages: int = 0
    weight_decay: float = 0.05
    warmup_images: int = 6400
    ema: float = 0.99
    auxiliary_weight: float = 1.0
    auxiliary_images: int = 300_000
    finish_share: float = 0.5
    last_side: int = 0
    last_share: float = 0.15
    weights: Weights = field(default_factory=Weights)
    log_images: int = 800
    seed: int = 0


@dataclass
class TrainingProgress:
    """Progress of a run, including all earlier calls."""

    updates: int = 0
    images: int = 0
    seconds: float = 0.0
    # Factor on the learning rate; below one during the final decay, which a resumed run continues.
    factor: float = 1.0


def train(
    caches: list[tuple[ImageCache, float]],
    out: Path,
    *,
    recipe: Recipe = Recipe(),
    config: SamConfig = VARIANTS["small"],
    minutes: float = math.inf,
    updates: int | None = None,
    finish: bool = False,
    stop_share: float = 1.0,
    start_from: Path | None = None,
    device: str = "cpu",
    threads: int = 1,
    processes: int = 1,
    evaluate: Callable[[Sam], dict[str, float]] | None = None,
    evaluate_minutes: float = 15.0,
    save_minutes: float = 4.0,
    report: Callable[[str], None] = print,
) -> Path:
    """Train for some minutes, continuing from the state in `out` if there is one.

    Parameters
    ----------
    caches : list of (ImageCache, float)
        Images to draw views from, each cache with its fraction.
    out : Path
        Folder of `state.pt`, `log.jsonl`, `curves.png` and the exported `weights.safetensors`.
    recipe : Recipe
    config : SamConfig
    minutes : float
        Training time of this call.
    updates : int, optional
        Stop after this many updates even if there is time left.
    finish : bool
        Reduce the learning rate to zero over the last `recipe.finish_share` of the call, from its
        current value if an earlier decay was interrupted.
    stop_share : float
        Stop after this fraction of the time or of the updates; the rest of the decay is for a
        later call.
    start_from : Path, optional
        Exported weights of `config` to start with, if `out` contains no training yet.
    device : str
    threads : int
        CPU threads per process.
    processes : int
        Number of processes that train together, see `processes`; CPU only. The log has the figures
        of the first process.
    evaluate : callable, optional
        Takes the exported model at its own input size and returns figures to log.
    evaluate_minutes, save_minutes : float
    report : callable
        Receives each log line.

    Returns
    -------
    Path
        The exported weights.

    Raises
    ------
    AnymaskError
        If one of several processes ends.
    """
    torch.set_num_threads(threads)
    out.mkdir(parents=True, exist_ok=True)
    run = _Run(recipe, config, torch.device(device), out)
    if start_from is not None:
        run.start_from(start_from)
    run.resume()
    run.trim_log()
    folders = [(cache.folder, share) for cache, share in caches]
    beginning = (folders, out, recipe, config, start_from, threads)
    with team_of(processes, sum(p.numel() for p in run.parameters), _assist, *beginning) as team:
        start = evaluated = time.monotonic()
        saved = -math.inf  # save at once, so that there is always a state to resume
        before = run.progress.seconds
        first = run.progress.updates
        began = run.progress.factor if finish else 1.0
        try:
            for batches in run.batches(caches, team):
                now = time.monotonic()
                share = (now - start) / (60 * minutes)
                if updates is not None:
                    share = max(share, (run.progress.updates - first) / updates)
                if share >= stop_share:
                    break
                fall = began * min(1.0, (1 - share) / recipe.finish_share) if finish else 1.0
                line = run.update(batches, fall, team)
                run.progress.seconds = before + time.monotonic() - start
                if line:
                    report(line)
                if now - saved > 60 * save_minutes:
                    run.save()
                    saved = now
                if evaluate and now - evaluated > 60 * evaluate_minutes:
                    report(run.evaluate(evaluate))
                    evaluated = time.monotonic()
        except KeyboardInterrupt:
            run.save()
            raise
    if stop_share == 1 or not finish:
        # A completed decay is over: a later call starts at the full learning rate.
        run.progress.factor = 1.0
    run.save()
    if evaluate:
        report(run.evaluate(evaluate))
    run.draw_curves()
    return run.weights


def _assist(
    team: Team,
    folders: list[tuple[Path, float]],
    out: Path,
    recipe: Recipe,
    config: SamConfig,
    start_from: Path | None,
    threads: int,
) -> None:
    """Make the same updates as `train`, from the same start, until it ends."""
    torch.set_num_threads(threads)
    run = _Run(recipe, config, torch.device("cpu"), out)
    if start_from is not None:
        run.start_from(start_from)
    run.resume()
    run.generator.manual_seed(run.seed_of(team))
    caches = [(ImageCache(folder), share) for folder, share in folders]
    for batches in run.batches(caches, team):
        run.update(batches, 1.0, team)


class _Run:
    """Model, optimisers and everything else that a resumed run needs."""

    def __init__(self, recipe: Recipe, config: SamConfig, device: torch.device, out: Path) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.config, self.device, self.out = recipe, config, device, out
        self.weights, self._log = out / "weights.safetensors", out / "log.jsonl"
        self.sam = Sam(replace(config, image_size=recipe.side)).to(device)
        if recipe.frozen_stages and isinstance(self.sam.image_encoder, EfficientNetLiteEncoder):
            encoder = self.sam.image_encoder
            for part in (encoder.stem, *encoder.stages[: recipe.frozen_stages]):
                part.requires_grad_(False)
        self.auxiliary = AuxiliaryHead(config.prompt_dim).to(device)
        self.ema = AveragedModel(self.sam, multi_avg_fn=moving_average(recipe.ema))
        self.optimizers = build_optimizers(
            [self.sam, self.auxiliary],
            recipe.learning_rate,
            recipe.matrix_rate,
            recipe.weight_decay,
            backbone_of(self.sam),
            recipe.backbone_rate,
        )
        self._rates = [recipe.matrix_rate, recipe.learning_rate, recipe.backbone_rate]
        self.generator = torch.Generator(device).manual_seed(recipe.seed)
        self.progress = TrainingProgress()
        self._sums: dict[str, Tensor] = {}
        self._summed = 0
        self._since = time.monotonic()

    @property
    def parameters(self) -> list[Tensor]:
        """All trained parameters."""
        return [*self.sam.parameters(), *self.auxiliary.parameters()]

    def seed_of(self, team: Team) -> int:
        """A seed that differs between processes and between calls."""
        return self.recipe.seed + self.progress.updates + team.rank * _APART

    def batches(self, caches: list[tuple[ImageCache, float]], team: Team) -> Iterator[list[Batch]]:
        """Yield this process's batches for each update, forever."""
        recipe = self.recipe
        maker = BatchMaker(
            caches,
            recipe.side,
            recipe.batch_size,
            recipe.prompts,
            self.sam.pixel_mean,
            self.seed_of(team),
            self.device,
        )
        stream = maker.stream()
        passes = -(-recipe.accumulate // team.size)
        while True:
            yield [next(stream) for _ in range(passes)]

    def update(self, batches: list[Batch], fall: float, team: Team) -> str | None:
        """Make one update; sometimes the first process logs and returns a line."""
        recipe, progress = self.recipe, self.progress
        fall = team.agree(fall)
        progress.factor = fall
        views = recipe.batch_size * len(batches) * team.size
        factor = min(1.0, (progress.images + views) / max(1, recipe.warmup_images)) * fall
        for optimizer, rate in zip(self.optimizers, self._rates, strict=False):
            for group in optimizer.param_groups:
                group["lr"] = rate * factor
        weight = recipe.auxiliary_weight * max(
            0.2, 1 - 0.8 * progress.images / recipe.auxiliary_images
        )
        self.sam.zero_grad(set_to_none=True)
        self.auxiliary.zero_grad(set_to_none=True)
        for batch in batches:
            loss, figures = training_step(
                self.sam, self.auxiliary, batch, self.generator, weight, recipe.weights
            )
            (loss / len(batches)).backward()
            for name, value in {"loss": loss.detach(), **figures}.items():
                self._add(name, value / len(batches))
            progress.images += len(batch.images) * team.size
        team.average(self.parameters)
        norm = torch.nn.utils.clip_grad_norm_(self.sam.parameters(), 3.0)
        if torch.isfinite(norm):
            for optimizer in self.optimizers:
                optimizer.step()
            self.ema.update_parameters(self.sam)
        self._add("gradient", norm)
        progress.updates += 1
        self._summed += 1
        if progress.updates % max(1, round(recipe.log_images / views)) or team.rank:
            return None
        means = {k: float(v) / self._summed for k, v in self._sums.items()}
        means["images_per_second"] = self._summed * views / (time.monotonic() - self._since)
        means["learning_rate"] = recipe.learning_rate * factor
        self._sums, self._summed, self._since = {}, 0, time.monotonic()
        return self.log(means, kind="train")

    def _add(self, name: str, value: Tensor) -> None:
        # Kept as tensors, because reading a number from a GPU would wait for it.
        self._sums[name] = self._sums[name] + value if name in self._sums else value

    def evaluate(self, evaluate: Callable[[Sam], dict[str, float]]) -> str:
        """Log figures of the exported model, redraw the curves, and return the log line."""
        began = time.monotonic()
        self.save()
        exported = load(self.weights, device=str(self.device), dtype="float32")
        line = self.log(evaluate(exported), kind="evaluation")
        self.draw_curves()
        self._since += time.monotonic() - began
        return line

    def draw_curves(self) -> None:
        """Draw the learning curves from the log."""
        if self._log.exists():
            draw_curves(self._log, self.out / "curves.png")

    def log(self, figures: dict[str, float], kind: str) -> str:
        """Append figures to `log.jsonl` and return them as a line of text."""
        record = {"kind": kind, **asdict(self.progress), **figures}
        with self._log.open("a") as file:
            file.write(json.dumps(record) + "\n")
        shown = " ".join(f"{k} {v:.3g}" for k, v in figures.items() if isinstance(v, float | int))
        progress = self.progress
        return (
            f"{kind} {progress.images / 1000:.1f}k images {progress.seconds / 60:.1f} min: {shown}"
        )

    def averaged(self) -> Sam:
        """Return the averaged model at its own input size."""
        sam = Sam(self.config)
        sam.load_state_dict(self.ema.module.state_dict())
        return sam.eval()

    def save(self) -> None:
        """Write the state and the exported weights; each file is replaced as a whole."""
        state = {
            "sam": self.sam.state_dict(),
            "auxiliary": self.auxiliary.state_dict(),
            "ema": self.ema.state_dict(),
            "optimizers": [o.state_dict() for o in self.optimizers],
            "generator": self.generator.get_state(),
            "progress": asdict(self.progress),
        }
        torch.save(state, self.out / "state.pt.part")
        os.replace(self.out / "state.pt.part", self.out / "state.pt")
        export_weights(self.averaged(), self.weights, asdict(self.progress))

    def start_from(self, weights: Path) -> None:
        """Start with exported weights instead of random ones."""
        self.sam.load_state_dict(load(weights, dtype="float32").state_dict())
        self.ema.module.load_state_dict(self.sam.state_dict())

    def resume(self) -> None:
        """Continue from `state.pt` if there is one."""
        path = self.out / "state.pt"
        if not path.exists():
            return
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.sam.load_state_dict(state["sam"])
        self.auxiliary.load_state_dict(state["auxiliary"])
        self.ema.load_state_dict(state["ema"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.generator.set_state(state["generator"].cpu())
        self.progress = TrainingProgress(**state["progress"])

    def trim_log(self) -> None:
        """Drop log lines newer than the loaded state; they will be logged again."""
        if not (self.out / "state.pt").exists():
            self._log.unlink(missing_ok=True)
        if self._log.exists():
            lines = self._log.read_text().splitlines(keepends=True)
            kept = [line for line in lines if _updates_of(line) <= self.progress.updates]
            self._log.write_text("".join(kept))


def backbone_of(sam: Sam) -> list[torch.nn.Parameter]:
    """The parameters that started with ImageNet weights."""
    encoder = sam.image_encoder
    if isinstance(encoder, EfficientNetLiteEncoder):
        return encoder.backbone_parameters()
    return []


def _updates_of(line: str) -> float:
    try:
        return float(json.loads(line)["updates"])
    except (ValueError, KeyError, TypeError):
        return math.inf
