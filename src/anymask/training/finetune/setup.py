"""Prepares a `Run` for training from model, data and settings."""

from __future__ import annotations

import copy
import json
import os
import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from anymask.checkpoints.devices import resolve_dtype
from anymask.checkpoints.download import cache_dir as anymask_cache
from anymask.checkpoints.loading import load
from anymask.datasets.dataset import Dataset
from anymask.datasets.opening import open_dataset
from anymask.datasets.types import Example
from anymask.files import check_writable, whole_file
from anymask.model.config import SamConfig
from anymask.model.onnx_sam import refuse_exported
from anymask.model.sam import Sam
from anymask.predict.embeddings import model_hash
from anymask.training.finetune.memory_need import need_of
from anymask.training.finetune.progress import Progress
from anymask.training.finetune.run import LAST, Material, Run
from anymask.training.finetune.semantic_training import class_names, widen
from anymask.training.finetune.settings import FineTuneError, Settings
from anymask.training.finetune.training_images import TrainingImage, describe, fingerprint
from anymask.training.finetune.training_processes import TrainingProcesses

Places = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
Data = Places | Sequence[Example]


def prepare(
    model: str | os.PathLike[str] | Sam | None,
    data: Data,
    out: Path,
    *,
    validation: Data | None,
    settings: Settings,
    group: str | None,
    objects: str,
    resume: bool,
    device: str | torch.device,
    dtype: str | torch.dtype,
    cache_dir: Path | None,
    progress: Progress,
) -> Run:
    """Open images and model, encode images if the encoder is frozen, and load an earlier state.

    Parameters are those of `finetune`.
    """
    check_writable(out)
    begun = (out / LAST).exists()
    if begun and not resume:
        raise FineTuneError(
            f"{out} already has a fine-tuning; continue it (--resume, or resume=True in "
            "Python), or give another folder."
        )
    processes = TrainingProcesses(device)
    arithmetic = _arithmetic(dtype, processes.device)
    sam = _load(model, processes.device)
    settings = settings.chosen_for(sam.config)
    start = model_hash(sam)
    train, held_out, drawn = _open(data, validation, settings, group, objects)
    if validation is None and not drawn:
        progress.say("The images are split as split.json or their folders declare.")
    semantic = settings.semantic
    halves = [
        Material(half, _describe(half, sam.config, semantic, name, progress))
        for half, name in ((train, "training"), (held_out, "validation"))
    ]
    images = [image for half in halves for image in half.images]
    classes = class_names(train, images) if semantic else ()
    if semantic:
        widen(sam, len(classes))
    facts = {
        "starting model": start,
        "training data": fingerprint(halves[0].images),
        "validation data": fingerprint(halves[1].images),
        "dtype": str(arithmetic).removeprefix("torch."),
    }
    cached = settings.trains == "decoder"
    run = Run(
        settings,
        out,
        sam,
        *halves,
        classes=classes,
        facts=facts,
        dtype=arithmetic,
        cache_dir=(cache_dir or anymask_cache() / "embeddings") if cached else None,
        processes=processes,
        progress=progress,
    )
    _tell(run, copied=isinstance(model, Sam))
    _encode(run)
    if processes.is_main:
        _write_split(run, None if validation is not None else group, drawn)
    if begun:
        run.resume()
    return run


def _arithmetic(dtype: str | torch.dtype, device: torch.device) -> torch.dtype:
    chosen = resolve_dtype(dtype, device)
    if chosen == torch.float16:
        raise FineTuneError(
            "Gradients vanish or overflow in float16; train in bfloat16 or float32."
        )
    return chosen


def _load(model: str | os.PathLike[str] | Sam | None, device: torch.device) -> Sam:
    if not isinstance(model, Sam):
        loaded = load(model, device=device, dtype="float32")
        refuse_exported(loaded, "trained")
        return loaded
    sam = copy.deepcopy(model).to(device, torch.float32).eval()
    sam.rounded_from = None  # save the weights as exactly as they were trained
    return sam.requires_grad_(True)


def _open(
    data: Data, validation: Data | None, settings: Settings, group: str | None, objects: str
) -> tuple[Sequence[Example], Sequence[Example], bool]:
    """Return the two parts of the data, and whether they were drawn here."""
    objects = "classes" if settings.semantic and objects == "auto" else objects
    opened = _examples(data, objects)
    if validation is not None:
        declared = getattr(opened, "classes", None) if settings.semantic else None
        return opened, _examples(validation, objects, declared or None), False
    if len(opened) < 2:
        raise FineTuneError(
            f"Fine-tuning needs at least two images with objects, one of them for validation, but "
            f"{len(opened)} was given; label more, or give separate validation images."
        )
    if isinstance(opened, Dataset):
        halves = opened.declared_halves() if group is None else None
        if halves is not None:
            return *halves, False
        return *opened.split(settings.validation_share, settings.seed, group), True
    order = list(range(len(opened)))
    random.Random(settings.seed).shuffle(order)
    count = min(len(order) - 1, max(1, round(settings.validation_share * len(order))))
    chosen = set(order[:count])
    return (
        [opened[i] for i in range(len(opened)) if i not in chosen],
        [opened[i] for i in sorted(chosen)],
        True,
    )


def _examples(data: Data, objects: str, classes: Sequence[str] | None = None) -> Sequence[Example]:
    """Open data that is not open yet; `classes` are those of the training images, in order."""
    if isinstance(data, str | os.PathLike):
        data = [data]
    if data and all(isinstance(d, str | os.PathLike) for d in cast(Iterable[Any], data)):
        places = map(Path, cast(Any, data))
        return open_dataset(*places, objects=cast(Any, objects), classes=classes)
    own = tuple(getattr(data, "classes", ()) or ())
    if classes and own and own != tuple(classes):
        raise FineTuneError(
            f"The validation images have the classes {', '.join(own)}, but the training "
            f"images have {', '.join(classes)}; open both with the same classes."
        )
    return cast(Sequence[Example], data)


def _describe(
    data: Sequence[Example], config: SamConfig, semantic: bool, half: str, progress: Progress
) -> list[TrainingImage]:
    """Describe each image; images without objects are left out, except in semantic mode."""
    progress.begin(f"Reading {half} images", len(data))
    images = []
    for index in range(len(data)):
        image, _ = describe(data[index], index, config.image_size, config.stretches)
        images += [image] if image.masks or semantic else []
        progress.advance()
    progress.end()
    if not any(image.masks for image in images):
        raise FineTuneError(f"None of the {len(data)} {half} images has an object; label some.")
    left_out = len(data) - len(images)
    if left_out:
        progress.say(f"{left_out} of {len(data)} {half} images have no object and are left out.")
    return images


def _tell(run: Run, copied: bool) -> None:
    """Show what will train and what it needs."""
    settings = run.settings
    trained = sum(p.numel() for p in run.parameters.values())
    total = sum(p.numel() for p in run.sam.parameters())
    what = {
        "decoder": "the image encoder is frozen",
        "lora": f"low-rank updates of the image encoder, rank {settings.lora_rank}",
        "all": "including the image encoder",
    }[settings.trains]
    run.progress.say(
        f"{len(run.train.images)} images to train on, {len(run.held_out.images)} held out; "
        f"{trained / 1e6:.1f} of {total / 1e6:.1f} million weights train ({what})."
    )
    views = sum(len(missing) for _, missing in _to_encode(run))
    folder = run.cache.folder if run.cache is not None else None
    need = need_of(run.sam, settings, run.dtype, views, folder, copied=copied)
    for sentence in need.sentences():
        run.progress.say(sentence)


def _to_encode(run: Run) -> list[tuple[TrainingImage, list[int]]]:
    """Return this process's share of the images with views that are not encoded yet."""
    if run.cache is None:
        return []
    wanted = [(image, run.settings.views) for image in run.train.images]
    wanted += [(image, 1) for image in run.held_out.images]
    found = [(image, run.cache.missing(image, views)) for image, views in wanted]
    found = [(image, views) for image, views in found if views]
    return found[run.processes.rank :: run.processes.count]


def _encode(run: Run) -> None:
    todo = _to_encode(run)
    if run.cache is not None and todo:
        run.progress.begin("Encoding images, once", sum(len(views) for _, views in todo))
        for image, views in todo:
            pixels: NDArray[np.uint8] = run.pixels_of(image)
            for view in views:
                run.cache.encode(image, pixels, view)
                run.progress.advance()
        run.progress.end()
    run.processes.wait()


def _write_split(run: Run, group: str | None, drawn: bool) -> None:
    """Write which images train and which are held out, in the order of the data."""
    settings = run.settings
    names = [
        [f"{i.set_name}/{i.name}" if i.set_name else i.name for i in half.images]
        for half in (run.train, run.held_out)
    ]
    split = {
        "seed": settings.seed if drawn else None,
        "group": group,
        "fraction": settings.validation_share if drawn else None,
        "train": names[0],
        "validation": names[1],
    }
    with whole_file(run.out / "split.json") as temporary:
        temporary.write_text(json.dumps(split, indent=1, ensure_ascii=False), encoding="utf-8")
