"""A fine-tuning in progress: its shared state, figures and files."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from anymask.datasets.types import Example
from anymask.model.config import SamConfig
from anymask.model.sam import ImageEmbedding, Sam
from anymask.training.finetune.average import MovingAverage
from anymask.training.finetune.cache import EmbeddingCache, encode
from anymask.training.finetune.curves import CURVES, draw_curves, write_metrics
from anymask.training.finetune.progress import Progress
from anymask.training.finetune.settings import FineTuneError, Settings
from anymask.training.finetune.trained_parameters import build_optimizer, trained_parameters
from anymask.training.finetune.training_images import TrainingImage, resized, turned
from anymask.training.finetune.training_processes import TrainingProcesses
from anymask.training.finetune.training_state import (
    read_tensors,
    restore,
    state_tensors,
    write_tensors,
)
from anymask.training.finetune.validation import ClassValidation, Validation

LAST = "last.safetensors"
_DRAW_SECONDS = 30.0  # between plots of the curves
# Settings in which a resumed run may differ.
_FREE = ("epochs", "patience")


@dataclass(frozen=True, eq=False)
class Material:
    """The images of one part of the data: training or held-out images."""

    data: Sequence[Example]
    images: list[TrainingImage]

    def pixels_of(self, image: TrainingImage, config: SamConfig) -> NDArray[np.uint8]:
        """Read an image and resize it for the encoder."""
        return resized(self.data[image.index], config.image_size, config.stretches)


class Run:
    """Model, optimiser, figures and files of a fine-tuning.

    Parameters
    ----------
    settings : Settings
    out : Path
    sam : Sam
        In float32, on the training device; modified in place.
    train, held_out : Material
    classes : tuple of str
        Names of the classes, in semantic mode.
    facts : dict
        What must be the same in a resumed run besides the settings: hashes of data and model.
    dtype : torch.dtype
        Dtype of the computation.
    cache_dir : Path or None
        Folder for embeddings; None if the encoder trains.
    """

    def __init__(
        self,
        settings: Settings,
        out: Path,
        sam: Sam,
        train: Material,
        held_out: Material,
        *,
        classes: tuple[str, ...],
        facts: dict[str, Any],
        dtype: torch.dtype,
        cache_dir: Path | None,
        processes: TrainingProcesses,
        progress: Progress,
    ) -> None:
        self.settings, self.out, self.sam = settings, out, sam
        self.train, self.held_out, self.classes = train, held_out, classes
        self.facts, self.dtype = facts, dtype
        self.processes, self.progress = processes, progress
        self.cache = None
        if cache_dir is not None:
            self.cache = EmbeddingCache(cache_dir, sam, dtype, self.pixels_of)
        self.parameters = trained_parameters(sam, settings)
        self.optimizer = build_optimizer(self.parameters, settings)
        self.average = MovingAverage(self.parameters, settings.average, settings.part)
        self.validation: Validation | ClassValidation = (
            ClassValidation(held_out.images, len(classes))
            if settings.semantic
            else Validation(held_out.images, settings.prompts)
        )
        self.history: list[dict[str, float]] = []
        self.best = 0  # epoch
        self._drawn = time.monotonic()

    def pixels_of(self, image: TrainingImage) -> NDArray[np.uint8]:
        """Return the resized pixels of an image of either part."""
        half = self.train if image in self.train.images else self.held_out
        return half.pixels_of(image, self.sam.config)

    def embed(self, views: Sequence[tuple[TrainingImage, int]]) -> ImageEmbedding:
        """Return embeddings of B views, from the cache or, if the encoder trains, computed now."""
        if self.cache is not None:
            return self.cache.read(views)
        pixels = [turned(self.pixels_of(image), view) for image, view in views]
        return encode(pixels, self.sam, self.dtype)

    def validate(self) -> dict[str, float]:
        """Compute the figures of the averaged weights on held-out images."""
        with self.average.in_place(), torch.no_grad():
            return self.validation(self.sam, lambda image: self.embed([(image, 0)]), self.dtype)

    def note(self, figures: dict[str, float]) -> None:
        """Record the figures of an epoch and write files: best weights first, state last."""
        self.history.append(figures)
        self.progress.say(_line(figures))
        is_best = figures["val_score"] > self.history[self.best]["val_score"]
        if is_best:
            self.best = int(figures["epoch"])
        if not self.processes.is_main:
            return
        facts = {"settings": self.settings.to_dict(), **self.facts}
        if is_best or len(self.history) == 1:
            write_tensors(self.best_file, self.average.judged(), {"epoch": self.best})
        write_metrics(self.history, self.out / "metrics.csv")
        if time.monotonic() - self._drawn > _DRAW_SECONDS:
            self.draw()
        tensors = state_tensors(self.parameters, self.average, self.optimizer)
        progress = {"history": self.history, "best": self.best, "averaged": self.average.updates}
        write_tensors(self.out / LAST, tensors, {**facts, **progress})
        # Removed last, so that a killed run still has the best weights that its state refers to.
        for path in self.out.glob("best-*.safetensors"):
            if path != self.best_file:
                path.unlink()

    @property
    def best_file(self) -> Path:
        """The file of the best weights so far."""
        return self.out / f"best-{self.best:04}.safetensors"

    def draw(self) -> None:
        """Write the plot of the curves."""
        draw_curves(self.history, self.best, self.out / CURVES)
        self._drawn = time.monotonic()

    def resume(self) -> None:
        """Continue from the state in the folder.

        Raises
        ------
        FineTuneError
            If it has different images, model or settings, or is damaged.
        """
        tensors, facts = read_tensors(self.out / LAST)
        mine = {"settings": self.settings.to_dict(), **self.facts}
        for name, value in self.facts.items():
            if facts.get(name) != value:
                raise FineTuneError(
                    f"The {name} differs from that of the fine-tuning in {self.out}; use the same "
                    f"one, or start again in another folder."
                )
        for name, value in mine["settings"].items():
            before = facts["settings"].get(name)
            if name not in _FREE and before != value:
                raise FineTuneError(
                    f"The fine-tuning in {self.out} has {name} {before}, not {value}; use "
                    f"the same value, or start again in another folder."
                )
        restore(tensors, self.parameters, self.average, self.optimizer)
        self.history, self.best = facts["history"], facts["best"]
        self.average.updates = facts["averaged"]

    def take_best(self) -> None:
        """Load the best weights so far into the model."""
        tensors, _ = read_tensors(self.best_file)
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(tensors[name])


def _line(figures: dict[str, float]) -> str:
    """Format the figures of an epoch as one line."""
    shown = {
        "loss": "loss",
        "val_box_iou": "IoU from boxes",
        "val_click_iou": "from clicks",
        "val_iou": "IoU of classes",
    }
    said = [f"{label} {figures[name]:.3f}" for name, label in shown.items() if name in figures]
    epoch = int(figures["epoch"])
    return f"{f'Epoch {epoch}' if epoch else 'Before training'}: {', '.join(said)}"
