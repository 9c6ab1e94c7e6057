"""The results of a fine-tuning: the model, its card and its curves."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from anymask.checkpoints.hugging_face import save_hugging_face
from anymask.checkpoints.saving import save
from anymask.datasets.types import Example
from anymask.files import whole_file
from anymask.model.sam import Sam
from anymask.training.finetune.lora import merge_low_rank
from anymask.training.finetune.run import Run

MODEL, META_MODEL, CARD = "model.safetensors", "model.pth", "card.json"
HUGGING_FACE = "hugging_face"


@dataclass(frozen=True, eq=False)
class FineTuned:
    """A fine-tuned model.

    Attributes
    ----------
    folder : Path
        Contains `model.safetensors`, `model.pth`, `card.json`, `metrics.csv`, `curves.png`,
        `split.json`, and `last.safetensors` and `best-*.safetensors` to resume from.
    sam : Sam
        The model with the best weights, in evaluation mode.
    history : list of dict
        Figures of every epoch; the first entry is the model before training.
    best : int
        The epoch whose weights are kept; 0 if no epoch was better than the original model.
    classes : tuple of str
        Names of the classes, in semantic mode.
    train, held_out : sequence of Example
        The training images, and the images by which epochs were compared.
    """

    folder: Path
    sam: Sam
    history: list[dict[str, float]]
    best: int
    classes: tuple[str, ...] = ()
    train: Sequence[Example] = ()
    held_out: Sequence[Example] = ()

    @property
    def before(self) -> dict[str, float]:
        """Figures of the model before training."""
        return self.history[0]

    @property
    def after(self) -> dict[str, float]:
        """Figures of the kept weights."""
        return self.history[self.best]


def finish(run: Run, hugging_face: bool = False) -> FineTuned:
    """Load the best weights into the model and write all results, each whole or not at all.

    Parameters
    ----------
    run : Run
        Must not be trained further afterwards.
    hugging_face : bool
        Also save the model in the layout of Hugging Face's `SamModel`.
    """
    run.processes.wait()
    run.take_best()
    merge_low_rank(run.sam)
    run.sam.requires_grad_(True).eval()
    halves = (run.train.data, run.held_out.data)
    tuned = FineTuned(run.out, run.sam, run.history, run.best, run.classes, *halves)
    if run.processes.is_main:
        run.draw()
        save(run.sam, run.out / MODEL)
        save(run.sam, run.out / META_MODEL)
        if hugging_face:
            save_hugging_face(run.sam, run.out / HUGGING_FACE)
        with whole_file(run.out / CARD) as temporary:
            text = json.dumps(card_of(run, tuned), indent=1, ensure_ascii=False)
            temporary.write_text(text, encoding="utf-8")
    run.processes.wait()
    return tuned


def card_of(run: Run, tuned: FineTuned) -> dict[str, Any]:
    """Return the facts about the model as JSON-ready data."""
    return {
        "model": run.sam.config.name,
        "mode": "semantic" if run.settings.semantic else "instance",
        "classes": list(run.classes),
        "trained": run.settings.trains,
        "settings": run.settings.to_dict(),
        "dtype": run.facts["dtype"],
        "hashes": {name: value for name, value in run.facts.items() if name != "dtype"},
        "images": {"train": len(run.train.images), "validation": len(run.held_out.images)},
        "epochs": len(run.history) - 1,
        "best_epoch": run.best,
        "before": tuned.before,
        "after": tuned.after,
        "versions": {
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in ("anymask", "torch", "numpy")},
        },
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }
