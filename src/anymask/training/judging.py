"""After a fine-tuning: thresholds of "everything", the verdict, its report and its card."""

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
from anymask.errors import AnymaskError, OutputError
from anymask.evaluation.compare import GroupOf
from anymask.evaluation.tuning import Tuning, tune_everything
from anymask.files import write_together
from anymask.model.sam import Sam
from anymask.reports.page_images import Find
from anymask.reports.pages import verdict_page
from anymask.reports.verdict import ClassVerdict, ObjectVerdict, Verdict
from anymask.training.finetune.curves import CURVES
from anymask.training.finetune.finetune_results import CARD, MODEL, FineTuned
from anymask.training.finetune.progress import Progress
from anymask.training.held_out import MOST_IMAGES, compare_on_classes, compare_on_objects

Model = str | os.PathLike[str] | Sam | None

REPORT = "report.html"

MOST_TO_TUNE = 10
"""At most this many training images are used to tune thresholds, because each is slow."""


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
) -> ObjectVerdict:
    """Compare a fine-tuned model, as saved, with the model it started from.

    Writes `report.html` into its folder, and the figures into its `card.json`.

    Parameters
    ----------
    tuned : FineTuned
    model : str, path, Sam or None
        The model it started from, as for `finetune`.
    examples : sequence of Example, optional
        Images that it has not seen. The default is the held-out images; these also chose the
        epoch, so the verdict is slightly optimistic.
    group : str, optional
        How images are grouped, as for `finetune`.
    everything, **options
        See `anymask.training.held_out.compare_on_objects`.
    device, dtype
        As for `anymask.load`.
    progress : Progress, optional

    Raises
    ------
    AnymaskError
        If the model predicts classes of pixels, not objects.
    OutputError
        If the card is damaged, or a file cannot be written; then neither file changes.
    """
    card = json.loads((tuned.folder / CARD).read_text(encoding="utf-8"))
    if card["mode"] == "semantic":
        raise AnymaskError(
            f"{tuned.folder} contains a model of classes of pixels, not of objects; call "
            "judge_class_fine_tuning instead."
        )
    judged = tuned.held_out if examples is None else examples
    before = model if isinstance(model, Sam) else load(model, device=device, dtype=dtype)
    after = load(tuned.folder, device=before.device, dtype=before.dtype)
    verdict = compare_on_objects(
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
    write_verdict(verdict, tuned.folder, _finder(judged), facts)
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
    """Judge a model that was fine-tuned for classes of pixels, as saved.

    The baseline is the model it started from, if the card beside that model lists the same classes;
    otherwise it is the map that gives every pixel the most common class. Writes `report.html` into
    its folder, and the figures into its `card.json`.

    Parameters
    ----------
    tuned, model, examples, group, device, dtype, progress
        See `judge_fine_tuning`; the classes of `examples` may be in another order.

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
    verdict = compare_on_classes(
        load(tuned.folder, device=device, dtype=dtype),
        judged,
        tuned.classes,
        before=before,
        group=group_of(judged, group),
        progress=progress,
    )
    facts = facts_of(card, other_images=examples is not None)
    write_verdict(verdict, tuned.folder, _finder(judged), facts)
    return verdict


def _knows(model: str | os.PathLike[str] | None, classes: tuple[str, ...]) -> bool:
    """Whether the card beside a model lists these classes."""
    if model is None:
        return False
    place = Path(model).expanduser()
    try:
        card = json.loads(((place if place.is_dir() else place.parent) / CARD).read_text("utf-8"))
        return card["mode"] == "semantic" and tuple(card["classes"]) == classes
    except (OSError, ValueError, KeyError, TypeError):
        return False


def write_verdict(
    verdict: Verdict, folder: Path, find: Find | None = None, facts: Mapping[str, Any] | None = None
) -> Path:
    """Write `report.html`, and the figures into `card.json` as "verdict": both files or neither.

    Parameters
    ----------
    verdict : Verdict
    folder : Path
        Folder of the fine-tuning.
    find, facts : optional
        As for `anymask.reports.pages.verdict_page`.

    Raises
    ------
    OutputError
        If a file cannot be written, or the card is damaged.
    """
    html = verdict_page(verdict, find, facts, curves=folder / CURVES)
    card = _card_with(folder / CARD, verdict=verdict.to_dict())
    write_together({folder / REPORT: html.encode("utf-8"), folder / CARD: card})
    return folder / REPORT


def _card_with(path: Path, **entries: Any) -> bytes:
    """Return the card of a fine-tuning with added entries; a missing card counts as empty."""
    try:
        card = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        card.update(entries)
    except (OSError, ValueError, AttributeError) as error:
        raise OutputError(
            f"{path} is not the card of a fine-tuned model, so nothing can be added to it; move it "
            "to another place."
        ) from error
    return json.dumps(card, indent=1, ensure_ascii=False).encode("utf-8")


def facts_of(card: Mapping[str, Any], *, other_images: bool) -> dict[str, Any]:
    """Return what a report states about a fine-tuning besides its figures."""
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
    """Tune the thresholds of "everything" on training images, and save them with the model.

    Parameters
    ----------
    tuned : FineTuned
        Its `model.safetensors`, `card.json` and `sam` are updated.
    images : int
        At most this many training images, evenly spread. The held-out images are kept for the
        verdict.
    device, dtype
        As for `anymask.load`.
    progress : Progress, optional
    **options
        As for `tune_everything`.
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
    """Write the thresholds of a fine-tuned model into its card.

    Raises
    ------
    OutputError
        If the card is damaged, or cannot be written.
    """
    noted = {"verdict": tuning.verdict, "images": len(tuning.images), **asdict(tuning.chosen)}
    write_together({folder / CARD: _card_with(folder / CARD, everything=noted)})


def group_of(examples: Sequence[Example], group: str | None) -> GroupOf | None:
    """Return a function from the names of set and image to the group; None without groups."""
    if group is None or not isinstance(examples, Dataset):
        return None
    labels = group_labels(examples.sources, group)
    by_name = {
        (source.set_name, source.name): str(label)
        for source, label in zip(examples.sources, labels, strict=True)
    }
    return lambda set_name, name: by_name[set_name, name]


def _finder(examples: Sequence[Example]) -> Find:
    """Return a function from the names of set and image to the example."""
    if isinstance(examples, Dataset):
        return examples.find
    by_name = {(example.set_name, example.name): example for example in examples}
    return lambda set_name, name: by_name[set_name, name]
