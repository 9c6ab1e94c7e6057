"""The fine-tuning loop, from top to bottom.

    images  →  masks as run lengths                                    images.py
            →  embeddings on disk, once, while the encoder is frozen   cache.py
    epoch   →  batches of views  →  prompts                            prompt_batches.py
            →  predictions  →  loss                                    answers.py
            →  figures of the averaged weights on held-out images      validation.py
            →  the best weights, and the state to resume from          run.py, state.py
    end     →  model.safetensors, model.pth, card.json, curves.png     results.py

Several processes (``accelerate launch``) share the images of an update; gradients are averaged.
"""

from __future__ import annotations

import math
import os
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np
import torch

from anymask.model.sam import ImageEmbedding, Sam
from anymask.training.finetune.answers import answer, answer_loss
from anymask.training.finetune.finetune_results import FineTuned, finish
from anymask.training.finetune.progress import Progress
from anymask.training.finetune.prompt_batches import Batch, corrected, first_prompts, generator_of
from anymask.training.finetune.run import Run
from anymask.training.finetune.semantic_training import ask_for_classes, class_answers, class_loss
from anymask.training.finetune.settings import FineTuneError, Settings, settings_of
from anymask.training.finetune.setup import Data, prepare
from anymask.training.finetune.trained_parameters import rate_at
from anymask.training.finetune.training_images import TrainingImage

_CLIP = 1.0  # maximum norm of the gradient

View = tuple[TrainingImage, int]


def finetune(
    model: str | os.PathLike[str] | Sam | None,
    data: Data,
    out: str | os.PathLike[str],
    *,
    validation: Data | None = None,
    group: str | None = None,
    objects: str = "auto",
    resume: bool = False,
    device: str | torch.device = "auto",
    dtype: str | torch.dtype = "auto",
    cache_dir: str | os.PathLike[str] | None = None,
    hugging_face: bool = False,
    progress: Progress | None = None,
    epochs: int = 20,
    freeze: Sequence[str] = ("image_encoder", "prompt_encoder"),
    lora_rank: int | None = None,
    loss: str = "dice+focal",
    lr: float | None = None,
    optimizer: str = "adamw",
    weight_decay: float = 0.01,
    batch_size: int = 4,
    accumulate: int = 1,
    augment: int | None = None,
    prompts: Sequence[str] = ("box", "point"),
    objects_per_image: int = 2,
    corrections: int = 1,
    box_jitter: float = 0.05,
    box_jitter_pixels: float = 0.0,
    warmup: float = 0.05,
    average: float = 0.98,
    blend: float | None = None,
    semantic: bool = False,
    patience: int | None = None,
    validation_share: float = 0.2,
    seed: int = 0,
) -> FineTuned:
    """Fine-tune a model on images with masks.

    By default the image encoder is frozen; then every image is encoded once, to disk, and later
    runs reuse it. Each epoch is validated on held-out images; the best weights
    are kept. The weights before training count as epoch 0.

    Parameters
    ----------
    model : str, path, Sam or None
        See `anymask.load`; None is the shipped model. A `Sam` is copied.
    data : str, path, sequence of these, or sequence of Example
        Places for `open_dataset`, or its result.
    out : str or path
        Folder for all results; see `FineTuned`.
    validation : as data, optional
        Validation images. By default some of `data` are held out.
    group : str, optional
        Images to hold out together: "folder", or a regular expression with one
        group; see `Dataset.split`.
    objects : str
        What counts as an object in a label image; see `open_dataset`.
    resume : bool
        Continue the fine-tuning in `out`, if there is one. A resumed run gives the
        same weights as an uninterrupted one.
    device : str or torch.device
    dtype : str or torch.dtype
        Dtype of the computation; the weights are always float32.
    cache_dir : str or path, optional
        Folder for embeddings; by default in anymask's cache folder.
    hugging_face : bool
        Also save the model in the layout of Hugging Face's `SamModel` (ViT models only).
    progress : Progress, optional
    epochs, freeze, lora_rank, loss, lr, optimizer, weight_decay, batch_size, accumulate
        What trains, how long and how fast; see `Settings`.
    augment, prompts, objects_per_image, corrections, box_jitter, box_jitter_pixels, semantic
        Views and prompts; see `Settings`.
    warmup, average, blend, patience, validation_share, seed
        Learning rate schedule, saved weights, and random choices; see `Settings`.

    Returns
    -------
    FineTuned

    Raises
    ------
    FineTuneError
        If an option is wrong, there are too few images, `out` has a fine-tuning and `resume` is
        false or does not match it, or the loss is no longer finite; the best
        weights up to then are saved in any case.
    ImageError, CheckpointError, OutputError
        If images or model cannot be read, or results cannot be written.
    """
    arguments = locals()
    run = prepare(
        model,
        data,
        Path(out),
        validation=validation,
        settings=settings_of({each.name: arguments[each.name] for each in fields(Settings)}),
        group=group,
        objects=objects,
        resume=resume,
        device=device,
        dtype=dtype,
        cache_dir=None if cache_dir is None else Path(cache_dir),
        progress=progress or Progress(),
    )
    settings = run.settings
    if not run.history:
        run.note({"epoch": 0, **run.validate()})  # the model before training
    try:
        for epoch in range(len(run.history), settings.epochs + 1):
            if settings.patience and epoch - 1 - run.best >= settings.patience:
                break
            start = time.monotonic()
            figures = train_epoch(run, epoch)
            figures |= run.validate()
            run.note({"epoch": epoch, **figures, "seconds": time.monotonic() - start})
    except _NotFiniteError as error:
        tuned = finish(run, hugging_face)
        raise FineTuneError(
            f"The loss became {error} in epoch {len(run.history)}; the weights of epoch "
            f"{run.best} are kept in {tuned.folder}; start again with a lower learning rate "
            f"than {settings.rate:g}."
        ) from None
    return finish(run, hugging_face)


def train_epoch(run: Run, epoch: int) -> dict[str, float]:
    """Train on every image once; return means of loss and IoU."""
    settings, sums = run.settings, defaultdict[str, list[float]](list)
    groups = list(_groups(run, epoch))
    run.progress.begin(f"Epoch {epoch} of {settings.epochs}", len(groups))
    for number, group in enumerate(groups):
        update = (epoch - 1) * len(groups) + number
        rate = rate_at(update, settings.epochs * len(groups), settings)
        for parameters in run.optimizer.param_groups:
            parameters["lr"] = rate
        mine = group[run.processes.rank :: run.processes.count]
        for at in range(0, len(mine), settings.batch_size):
            views = mine[at : at + settings.batch_size]
            generator = generator_of(settings.seed, epoch, number, at, run.processes.rank)
            learn = learn_classes if settings.semantic else learn_objects
            for name, value in learn(run, views, generator, len(views) / len(mine)).items():
                sums[name].append(value)
        run.processes.average_gradients(run.parameters.values())
        norm = torch.nn.utils.clip_grad_norm_(run.parameters.values(), _CLIP)
        if not norm.isfinite():  # because the loss is not finite; the same in all processes
            raise _NotFiniteError("not a number" if norm.isnan() else "infinite")
        run.optimizer.step()
        run.optimizer.zero_grad(set_to_none=True)
        run.average.update()
        run.progress.advance(f"loss {np.mean(sums['loss'][-50:]):.3f}")
    run.progress.end()
    return {name: float(np.nanmean(values)) for name, values in sums.items()} | {"lr": rate}


def learn_objects(
    run: Run, views: list[View], generator: torch.Generator, share: float
) -> dict[str, float]:
    """Prompt objects of B views, round by round, and accumulate gradients."""
    settings, sums = run.settings, defaultdict[str, list[float]](list)
    embedded = run.embed(views)  # (B, C, h, w), …
    image = _cut_off(embedded)
    batch = _batch(run, views, image, generator)
    generator = generator_of(_integer(generator), device=run.sam.device)
    first = first_prompts(batch, settings, generator)
    rounds = len(first) * (1 + settings.corrections)
    for asked in first:
        for left in reversed(range(1 + settings.corrections)):
            low_res, iou = answer(run.sam, image, asked, run.dtype)  # (N, M, 4·h, 4·w), (N, M)
            loss, figures = answer_loss(low_res, iou, asked, settings.loss)
            (loss * share / rounds).backward()
            for name, value in {"loss": loss.item(), **figures}.items():
                sums[name].append(value)
            if left:
                asked = corrected(asked, low_res, iou, generator)
    _pass_on(embedded, image)
    return {name: float(np.mean(values)) for name, values in sums.items()}


def learn_classes(
    run: Run, views: list[View], generator: torch.Generator, share: float
) -> dict[str, float]:
    """Predict the classes of B views and accumulate gradients."""
    embedded = run.embed(views)  # (B, C, h, w), …
    image = _cut_off(embedded)
    asked = ask_for_classes(views, len(run.classes), run.sam.config, run.sam.device)
    low_res, iou = class_answers(run.sam, image, asked, run.dtype)  # (B, K, 4·h, 4·w), (B, K)
    loss, figures = class_loss(low_res, iou, asked, run.settings.loss)
    (loss * share).backward()
    _pass_on(embedded, image)
    return {"loss": loss.item(), **figures}


def _groups(run: Run, epoch: int) -> Iterator[list[View]]:
    """Yield the views of each update of an epoch, in random order and orientation."""
    settings, images, world = run.settings, run.train.images, run.processes.count
    generator = generator_of(settings.seed, epoch)
    order = torch.randperm(len(images), generator=generator).tolist()
    turns = torch.randint(settings.views, (len(images),), generator=generator).tolist()
    size = settings.batch_size * settings.accumulate * world
    for at in range(0, len(order), size):
        chosen = order[at : at + size]
        missing = math.ceil(len(chosen) / world) * world - len(chosen)
        chosen += (order * world)[:missing]  # every process gets the same number
        yield [(images[i], turns[i]) for i in chosen]


def _batch(run: Run, views: list[View], image: ImageEmbedding, generator: torch.Generator) -> Batch:
    """Draw objects of each view: some to prompt by box, others by point."""
    settings, side, device = run.settings, run.sam.config.image_size, run.sam.device
    masks = {
        kind: torch.stack(
            [
                torch.stack([im.mask(n, view, side) for n in _draw(im, settings, generator)])
                for im, view in views
            ]
        ).to(device)  # (B, P, S, S)
        for kind in settings.prompts
    }
    sizes = [im.input_size if view & 4 else im.input_size[::-1] for im, view in views]
    scales = torch.tensor([im.scales(view) for im, view in views], device=device)
    return Batch(image, masks, scales, torch.tensor(sizes, device=device))


def _draw(image: TrainingImage, settings: Settings, generator: torch.Generator) -> list[int]:
    """Draw indices of the objects to prompt; each object once before any repeats."""
    drawn: list[int] = []
    while len(drawn) < settings.objects_per_image:
        drawn += torch.randperm(len(image.masks), generator=generator).tolist()
    return drawn[: settings.objects_per_image]


def _integer(generator: torch.Generator) -> int:
    return int(torch.randint(2**31, (), generator=generator))


def _cut_off(image: ImageEmbedding) -> ImageEmbedding:
    """Detach the embedding, so that gradients of several rounds add up before passing them on."""
    needed = image.embedding.requires_grad
    cut = [t.detach().requires_grad_(needed) for t in (image.embedding, *image.skips)]
    return ImageEmbedding(cut[0], tuple(cut[1:]))


def _pass_on(embedded: ImageEmbedding, image: ImageEmbedding) -> None:
    """Pass the gradients of the embedding on to an encoder that trains."""
    pairs = zip((embedded.embedding, *embedded.skips), (image.embedding, *image.skips), strict=True)
    reached = [(e, i.grad) for e, i in pairs if i.grad is not None]
    if reached:
        tensors, grads = zip(*reached, strict=True)
        torch.autograd.backward(tensors, grads)


class _NotFiniteError(Exception):
    """The loss, and so the gradient, is infinite or not a number; the message says which."""
