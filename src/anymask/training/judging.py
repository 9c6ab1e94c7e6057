"""What follows a fine-tuning: thresholds for its "everything", and the verdict."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from anymask.checkpoints.loading import load
from anymask.checkpoints.thresholds import save_thresholds
from anymask.datasets.dataset import Dataset
from anymask.datasets.grouping import group_labels
from anymask.datasets.sampling import spread
from anymask.datasets.types import Example
from anymask.errors import AnymaskError
from anymask.evaluation.compare import GroupOf
from anymask.evaluation.tuning import Tuning, tune_everything
from anymask.model.sam import Sam
from anymask.training.class_maps import class_numbers
from anymask.training.class_verdict import ClassVerdict, judge_class_maps
from anymask.training.class_verdict_page import write_class_verdict
from anymask.training.finetune.progress import Progress
from anymask.training.finetune.results import CARD, MODEL, FineTuned
from anymask.training.verdict import MOST_IMAGES, Verdict, judge
from anymask.training.verdict_page import Find, add_to_card, write_verdict

Model = str | os.PathLike[str] | Sam | None

MOST_TO_TUNE = 10
"""Training images on which thresholds are tuned; few are enough, and each takes a while."""


def judge_fine_tuning(
    tuned: FineTuned,
    model: Model,
    examples: Sequence[Example] | None = None,
    *,
    group: str | None = None,
    everything: int = MOST_IMAGES,
    device: str | torch.device = "auto",
    dtype: str | torch.dtype = "auto",
    progress: Progress | None = None,
    **options: Any,
) -> Verdict:
    """Compare a fine-tuned model, as it was saved, with the one that it started from.

    Writes `report.html` to its folder, and the figures to its `card.json`.

    Parameters
    ----------
    tuned : FineTuned
    model : str, path, Sam or None
        What it started from, as to `finetune`.
    examples : sequence of Example, optional
        Images that it has not seen. By default those that were held out, by which the epoch was
        chosen too: that flatters a little.
    group : str, optional
        What belongs together, as to `finetune`.
    everything, **options
        As to `anymask.training.verdict.judge`.
    device, dtype
        As to `anymask.load`.
    progress : Progress, optional

    Raises
    ------
    AnymaskError
        If the model is one of classes of pixels, which has no objects to be asked for.
    """
    card = json.loads((tuned.folder / CARD).read_text(encoding="utf-8"))
    if card["mode"] == "semantic":
        raise AnymaskError(
            f"{tuned.folder} holds a model of classes of pixels, and this verdict is about "
            "objects; judge_class_fine_tuning gives the one about classes."
        )
    judged = tuned.held_out if examples is None else examples
    before = model if isinstance(model, Sam) else load(model, device=device, dtype=dtype)
    after = load(tuned.folder, device=before.device, dtype=before.dtype)
    verdict = judge(
        before,
        after,
        judged,
        prompts=card["settings"]["prompts"],
        everything=everything,
        group=group_of(judged, group),
        progress=progress,
        **options,
    )
    facts = facts_of(card, other_images=examples is not None)
    write_verdict(verdict, tuned.folder, finder(judged), facts)
    return verdict


def judge_class_fine_tuning(
    tuned: FineTuned,
    model: Model,
    examples: Sequence[Example] | None = None,
    *,
    group: str | None = None,
    device: str | torch.device = "auto",
    dtype: str | torch.dtype = "auto",
    progress: Progress | None = None,
) -> ClassVerdict:
    """Judge a model that was fine-tuned for classes of pixels, as it was saved.

    It is compared with the model that it started from if that was trained for the same classes,
    which the card beside it tells; else with calling every pixel by the class that is most of the
    images. Writes `report.html` to its folder, and the figures to its `card.json`.

    Parameters
    ----------
    tuned, model, examples, group, device, dtype, progress
        As to `judge_fine_tuning`; the classes of `examples` may come in another order.

    Raises
    ------
    AnymaskError
        If the images have other classes than the model, or none of its classes.
    """
    card = json.loads((tuned.folder / CARD).read_text(encoding="utf-8"))
    judged = tuned.held_out if examples is None else examples
    before = None
    if not isinstance(model, Sam) and _knows(model, tuned.classes):
        before = load(model, device=device, dtype=dtype)
    verdict = judge_class_maps(
        load(tuned.folder, device=device, dtype=dtype),
        judged,
        tuned.classes,
        before=before,
        group=group_of(judged, group),
        progress=progress,
    )
    facts = facts_of(card, other_images=examples is not None)
    numbers = class_numbers(judged, tuned.classes)
    write_class_verdict(verdict, tuned.folder, finder(judged), facts, numbers)
    return verdict


def _knows(model: str | os.PathLike[str] | None, classes: tuple[str, ...]) -> bool:
    """Whether a model is a fine-tuned one of these classes, by the card beside it."""
    if model is None:
        return False
    place = Path(model).expanduser()
    try:
        card = json.loads(((place if place.is_dir() else place.parent) / CARD).read_text("utf-8"))
        return card["mode"] == "semantic" and tuple(card["classes"]) == classes
    except (OSError, ValueError, KeyError, TypeError):
        return False


def facts_of(card: Mapping[str, Any], *, other_images: bool) -> dict[str, Any]:
    """What a report tells of a fine-tuning besides its figures."""
    return {
        "model": card["model"],
        "trained": card["trained"],
        "training_images": card["images"]["train"],
        "epochs": card["epochs"],
        "best_epoch": card["best_epoch"],
        "learning_rate": f"{card['settings']['lr']:g}",
        "loss": card["settings"]["loss"],
        "the_epoch_was_chosen_by": "other images" if other_images else "these images",
    }


def tune_fine_tuned(
    tuned: FineTuned,
    *,
    images: int = MOST_TO_TUNE,
    device: str | torch.device = "auto",
    dtype: str | torch.dtype = "auto",
    progress: Progress | None = None,
    **options: Any,
) -> Tuning:
    """Fit the thresholds of "everything" to training images, and save them with the model.

    Parameters
    ----------
    tuned : FineTuned
        Its `model.safetensors`, `card.json` and `sam` get the thresholds.
    images : int
        At most so many training images, evenly spread. The held-out ones are left for the verdict.
    device, dtype
        As to `anymask.load`.
    progress : Progress, optional
    **options
        As to `tune_everything`.
    """
    path = tuned.folder / MODEL
    progress = progress or Progress()
    chosen = [tuned.train[i] for i in spread(len(tuned.train), images)]

    def seen() -> Iterator[Example]:
        progress.begin("Tuning thresholds", len(chosen))
        for example in chosen:
            yield example
            progress.advance()
        progress.end()

    tuning = tune_everything(load(path, device=device, dtype=dtype), seen(), **options)
    tuning.apply_to(tuned.sam)
    save_thresholds(path, tuning.chosen, path)
    note_thresholds(tuned.folder, tuning)
    return tuning


def note_thresholds(folder: Path, tuning: Tuning) -> None:
    """Write into a fine-tuning's card which thresholds its model has."""
    noted = {"verdict": tuning.verdict, "images": len(tuning.images), **asdict(tuning.chosen)}
    add_to_card(folder, everything=noted)


def group_of(examples: Sequence[Example], group: str | None) -> GroupOf | None:
    """From the names of an image's set and its own to its group; None if each is on its own."""
    if group is None or not isinstance(examples, Dataset):
        return None
    labels = group_labels(examples.sources, group)
    by_name = {
        (source.set_name, source.name): str(label)
        for source, label in zip(examples.sources, labels, strict=True)
    }
    return lambda set_name, name: by_name[set_name, name]


def finder(examples: Sequence[Example]) -> Find:
    """From the names of an image's set and its own to the example."""
    if isinstance(examples, Dataset):
        return examples.find
    by_name = {(example.set_name, example.name): example for example in examples}
    return lambda set_name, name: by_name[set_name, name]
