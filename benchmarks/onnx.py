"""Models in ONNX Runtime and in torch: time, size of files, differences.

    python -m benchmarks.onnx                      # the shipped model and a ViT-B of random weights
    python -m benchmarks.onnx --model small --weights int8
    python -m benchmarks.onnx --model my_model/ --image photo.jpg

Exports each model with each kind of weights, then times the image encoder and a click (one point,
three masks at the size of the image) in torch and in ONNX Runtime, in turn and in the same run, the
best of several. Masks are compared over 48 prompts; use --image, as the drawn image is easy. Prints
a table, and writes nothing. Needs the extra `[onnx]`.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from anymask import SamPredictor, load
from anymask.checkpoints.exported import open_exported
from anymask.io.read_images import read_rgb
from anymask.model.config import VARIANTS
from anymask.model.sam import Sam
from anymask.onnx_export.export import export_onnx
from anymask.onnx_export.parity import drawn_image
from benchmarks.side_by_side.random_weights import random_state

_HEADS = (
    "model", "weights", "encoder", "decoder", "torch", "ONNX", "click torch", "click ONNX",
    "embedding", "IoU mean", "least",
)  # fmt: skip


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", action="append", help="name, file or folder; may be repeated")
    parser.add_argument("--weights", action="append", help="float32, float16 or int8")
    parser.add_argument("--image", type=Path, help="an image to ask about")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeat", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    image = drawn_image() if args.image is None else read_rgb(args.image)
    print(f"{args.threads} threads; encoder in seconds, click in milliseconds, files in MB")
    print(" | ".join(_HEADS))
    for name in args.model or ["small", "random vit_b"]:
        sam = _random(name.split()[1]) if name.startswith("random ") else _load(name)
        for weights in args.weights or ["float32", "float16", "int8"]:
            with tempfile.TemporaryDirectory() as folder:
                print(" | ".join(_row(name, sam, weights, Path(folder), image, args)), flush=True)


def _load(name: str) -> Sam:
    return load(name, device="cpu", dtype="float32")


def _random(variant: str) -> Sam:
    sam = Sam(VARIANTS[variant])
    sam.load_state_dict(random_state(VARIANTS[variant]))
    return sam.eval()


def _row(
    name: str, sam: Sam, weights: Any, folder: Path, image: np.ndarray, args: argparse.Namespace
) -> list[str]:
    found = export_onnx(sam, folder / "model", weights=weights, image=image)
    models = sam, open_exported(found.folder, "cpu", args.threads)
    predictors = [SamPredictor(model) for model in models]  # type: ignore[arg-type]
    seconds = _best([lambda p=p: p.set_image(image) for p in predictors], args.repeat)
    height, width = image.shape[:2]
    point = np.array([[width / 2, height / 2]]), np.array([1])
    clicks = _best([lambda p=p: p.predict(*point) for p in predictors], 4 * args.repeat)
    parity = found.parity
    return [
        name,
        weights,
        *(
            f"{sum(n for file, n in found.sizes.items() if file.startswith(part)) / 1e6:.1f}"
            for part in ("encoder", "decoder")
        ),
        *(f"{each:.3f}" for each in seconds),
        *(f"{1000 * each:.1f}" for each in clicks),
        f"{parity.embedding:.1e}",
        f"{parity.mask_iou:.4f}",
        f"{parity.least_mask_iou:.4f}",
    ]


def _best(calls: list[Callable[[], Any]], repeat: int) -> list[float]:
    """The shortest time of each call, made in turn."""
    best = [float("inf")] * len(calls)
    for _ in range(repeat + 1):  # the first one warms up
        for i, call in enumerate(calls):
            began = time.perf_counter()
            call()
            best[i] = min(best[i], time.perf_counter() - began)
    return best


if __name__ == "__main__":
    main()
