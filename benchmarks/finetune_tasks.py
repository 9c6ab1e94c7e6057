"""The measured parts of `finetune.py`, each run in its own process."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.measure import peak_mb, report, reset_peak, resident_mb

SIZE = (384, 512)  # of the images, rows and columns


def write_inputs(config: dict[str, Any]) -> dict[str, Any]:
    """Write synthetic images with label images, and a random ViT-B."""
    from PIL import Image

    from random_weights import write_random_vit_b

    folder = Path(config["folder"])
    for kind in ("images", "masks"):
        (folder / "data" / kind).mkdir(parents=True)
    for number in range(config["images"]):
        image, labels = draw(number)
        Image.fromarray(image).save(folder / "data" / "images" / f"{number:03}.png")
        Image.fromarray(labels).save(folder / "data" / "masks" / f"{number:03}.png")
    write_random_vit_b(folder / "random_vit_b.pth")
    return {}


def draw(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Three bright ellipses on speckle, and their labels."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    image = rng.gamma(2.0, 30.0, SIZE)
    labels = np.zeros(SIZE, np.uint8)
    for number in range(3):
        cx, cy = 90 + 165 * number + rng.integers(-20, 21), rng.integers(120, 260)
        a, b = rng.integers(30, 60, 2)
        inside = ((x - cx) / a) ** 2 + ((y - cy) / b) ** 2 <= 1
        image[inside] += 90
        labels[inside] = number + 1
    return np.repeat(image.clip(0, 255).astype(np.uint8)[..., None], 3, 2), labels


def notebook_steps(config: dict[str, Any]) -> dict[str, Any]:
    """The usual notebook loop: each step runs the whole model and trains the mask decoder."""
    import torch
    from PIL import Image
    from torch.utils.data import DataLoader, Dataset
    from transformers import SamConfig, SamImageProcessor, SamModel, SamProcessor

    _set_threads(config)
    folder = Path(config["folder"]) / "data"
    processor = SamProcessor(SamImageProcessor())
    names = sorted(p.name for p in (folder / "images").iterdir())

    class Boxes(Dataset):
        """Each image with a jittered box around its first object."""

        def __len__(self) -> int:
            return len(names)

        def __getitem__(self, index: int) -> dict[str, Any]:
            image = Image.open(folder / "images" / names[index])
            mask = np.asarray(Image.open(folder / "masks" / names[index])) == 1
            rows, cols = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
            jitter = np.random.default_rng(index).integers(0, 20, 4)
            box = [
                max(0, cols[0] - jitter[0]),
                max(0, rows[0] - jitter[1]),
                min(SIZE[1], cols[-1] + jitter[2]),
                min(SIZE[0], rows[-1] + jitter[3]),
            ]
            inputs = processor(image, input_boxes=[[[float(v) for v in box]]], return_tensors="pt")
            prepared = {k: v.squeeze(0) for k, v in inputs.items()}
            small = Image.fromarray(mask).resize((256, 192), Image.Resampling.NEAREST)
            target = np.zeros((256, 256), np.float32)
            target[:192] = np.asarray(small)
            return {**prepared, "target": target}

    torch.manual_seed(0)
    held = resident_mb()
    reset_peak()
    model = SamModel(SamConfig())
    for name, parameter in model.named_parameters():
        if name.startswith(("vision_encoder", "prompt_encoder")):
            parameter.requires_grad_(False)
    model.train()
    optimizer = torch.optim.Adam(model.mask_decoder.parameters(), lr=1e-5, weight_decay=0)
    loader = DataLoader(Boxes(), batch_size=config["batch_size"], shuffle=True)
    batches, clocks = iter(loader), [_clocks()]
    for _ in range(config["steps"]):
        batch = next(batches, None)
        if batch is None:
            batches = iter(loader)
            batch = next(batches)
        outputs = model(
            pixel_values=batch["pixel_values"],
            input_boxes=batch["input_boxes"],
            multimask_output=False,
        )
        probability = outputs.pred_masks[:, 0, 0].sigmoid()
        target = batch["target"]
        overlap = (probability * target).sum((1, 2))
        loss = (1 - 2 * overlap / (probability + target).sum((1, 2))).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        clocks.append(_clocks())
    return {"implementation": "notebook loop", "dtype": "float32", **_steps(config, clocks, held)}


def anymask_steps(config: dict[str, Any]) -> dict[str, Any]:
    """Our loop with the same prompts, loss and optimiser, and with embeddings on disk."""
    import torch

    from anymask.training.finetune.loop import train_epoch
    from anymask.training.finetune.progress import Progress
    from anymask.training.finetune.settings import Settings
    from anymask.training.finetune.setup import prepare

    _set_threads(config)
    clocks: list[np.ndarray] = []

    class Clock(Progress):
        def begin(self, what: str, total: int) -> None:
            clocks.append(_clocks())

        def advance(self, note: str = "") -> None:
            clocks.append(_clocks())

    folder = Path(config["folder"])
    count = config["steps"] * config["batch_size"]
    from anymask.datasets.opening import open_dataset

    data = open_dataset(folder / "data")
    chosen = [i % len(data) for i in range(count)]
    torch.manual_seed(0)
    held = resident_mb()
    reset_peak()
    run = prepare(
        folder / "random_vit_b.pth",
        data.subset(range(min(count, len(data)))),
        folder / f"run-{config['dtype']}",
        validation=data.subset([0]),
        settings=Settings(
            epochs=1,
            batch_size=config["batch_size"],
            prompts=("box",),
            objects_per_image=1,
            corrections=0,
            loss="dice",
            optimizer="adam",
            lr=1e-5,
            average=0.0,
            box_jitter=0.0,
            box_jitter_pixels=20,
        ),
        group=None,
        objects="auto",
        resume=False,
        device="cpu",
        dtype=config["dtype"],
        cache_dir=folder / "cache",
        progress=Clock(),
    )
    encode_seconds = np.median(np.diff([c[0] for c in clocks[-len(set(chosen)) :]]))
    clocks.clear()
    train_epoch(run, 1)
    return {
        "implementation": "anymask",
        "dtype": str(run.dtype).removeprefix("torch."),
        "encode_seconds": float(encode_seconds),
        **_steps(config, clocks, held),
    }


def whole_run(config: dict[str, Any]) -> dict[str, Any]:
    """A whole fine-tuning of the shipped model, from files to files."""
    started = _clocks()
    from anymask.training.finetune.loop import finetune

    _set_threads(config)
    folder = Path(config["folder"])
    tuned = finetune(
        None,
        folder / "data",
        folder / "whole",
        device="cpu",
        cache_dir=folder / "whole_cache",
        epochs=config["epochs"],
    )
    spent = _clocks() - started
    return {
        "images": config["images"],
        "epochs": config["epochs"],
        "seconds": spent[0],
        "cpu_seconds": spent[1],
        "before": tuned.before,
        "after": tuned.after,
        "peak_mb": peak_mb(),
    }


def _steps(config: dict[str, Any], clocks: list[np.ndarray], held: float) -> dict[str, Any]:
    """Medians over the steps after the first, which is a warm-up."""
    seconds = np.diff(np.stack(clocks), axis=0)[1:]
    return {
        "batch_size": config["batch_size"],
        "steps": config["steps"],
        "seconds": median(seconds[:, 0].tolist()),
        "cpu_seconds": median(seconds[:, 1].tolist()),
        "peak_mb": peak_mb() - held,
    }


def _set_threads(config: dict[str, Any]) -> None:
    import torch

    if config["threads"]:
        torch.set_num_threads(config["threads"])


def _clocks() -> np.ndarray:
    """Current wall-clock seconds, and CPU seconds of all threads of the process."""
    return np.array([time.perf_counter(), time.process_time()])


_TASKS = {f.__name__: f for f in (write_inputs, notebook_steps, anymask_steps, whole_run)}

if __name__ == "__main__":
    report(_TASKS[sys.argv[1]](json.loads(sys.argv[2])))
