"""The measured parts, each in its own process: ``python -m benchmarks.side_by_side.tasks``.

Every task takes a configuration and returns numbers, as plain JSON. Seconds are wall-clock; CPU
seconds are those of all threads together. Slow imports happen inside the tasks, because the cold
start is measured here.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from anymask.errors import AnymaskError
from benchmarks.side_by_side.machine import clocks, peak_mb, reset_peak, resident_mb

Config = dict[str, Any]


def inputs(config: Config) -> dict[str, Any]:
    """Write the images and, if needed, random weights; return the model's name and "auto" dtype."""
    import torch
    from PIL import Image
    from skimage.data import coffee

    from anymask.checkpoints import load
    from anymask.checkpoints.devices import resolve_device, resolve_dtype
    from anymask.model.config import SamConfig
    from benchmarks.side_by_side.peers import has_peers
    from benchmarks.side_by_side.random_weights import write_random_weights

    # A 3:2 photograph that comes with scikit-image, enlarged.
    photograph = Image.fromarray(coffee())
    size = tuple(config["picture_size"])
    photograph.resize(size, Image.Resampling.BICUBIC).save(config["picture"])
    if config.get("large_picture"):
        _write_large_picture(Path(config["large_picture"]), config["large_side"], photograph)
    if config["random"] is None:
        geometry = load(config["model"], device="cpu").config
    else:
        geometry = SamConfig.from_dict(config["random"])
        write_random_weights(Path(config["model"]), geometry)
    device = resolve_device(config["device"])
    fast, on_cpu = (
        str(resolve_dtype("auto", where)).removeprefix("torch.")
        for where in (device, torch.device("cpu"))
    )
    return {
        "device": str(device),
        "device_name": torch.cuda.get_device_name(device) if device.type == "cuda" else "",
        "fast_dtype": fast,
        "cpu_dtype": on_cpu,
        "config": geometry.to_dict(),
        "has_peers": has_peers(geometry),
        "threads": torch.get_num_threads(),
    }


def _write_large_picture(path: Path, side: int, photograph: Any) -> None:
    """Write a square image as NumPy file: the photograph repeated, rotated and mirrored."""
    from PIL import Image

    large = np.lib.format.open_memmap(path, "w+", np.uint8, (side, side, 3))
    step = max(1, side // 8)
    cells = [(top, left) for top in range(0, side, step) for left in range(0, side, step)]
    for number, (top, left) in enumerate(cells):
        turned = photograph.transpose(list(Image.Transpose)[number % len(Image.Transpose)])
        window = large[top : top + step, left : left + step]
        window[:] = np.asarray(turned.resize(window.shape[1::-1], Image.Resampling.BICUBIC))
    large.flush()


def start(config: Config) -> dict[str, Any]:
    """From the start of Python, at time `started`, to the first mask of an image file."""
    from anymask.checkpoints import load
    from anymask.io.read_images import read_rgb
    from anymask.predict.predictor import SamPredictor

    image = read_rgb(config["picture"])
    imported = time.monotonic()
    predictor = SamPredictor(load(config["model"], device=config["device"]))
    loaded = time.monotonic()
    predictor.set_image(image)
    encoded = time.monotonic()
    centre = np.array([[image.shape[1] / 2, image.shape[0] / 2]])
    masks, _, _ = predictor.predict(point_coords=centre, point_labels=np.array([1]))
    done = time.monotonic()
    return {
        "seconds": done - config["started"],
        "cpu_seconds": time.process_time(),
        "import_and_read_seconds": imported - config["started"],
        "load_seconds": loaded - imported,
        "encode_seconds": encoded - loaded,
        "predict_seconds": done - encoded,
        "masks": len(masks),
    }


def package(config: Config) -> dict[str, Any]:
    """Import only the package, in another process."""
    import subprocess

    program = (
        "import sys, time; t = time.perf_counter(); import anymask;"
        "print(time.perf_counter() - t, 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=True
    )
    seconds, imports_torch = done.stdout.split()
    return {"seconds": float(seconds), "imports_torch": imports_torch == "True"}


def cold(config: Config) -> dict[str, Any]:
    """Everything in an image file, from the start of Python."""
    from anymask.checkpoints import load
    from anymask.io.read_images import read_rgb
    from anymask.predict.everything.generator import SamAutomaticMaskGenerator

    image = read_rgb(config["picture"])
    sam = load(config["model"], device=config["device"])
    generator = SamAutomaticMaskGenerator(sam, **config["settings"])
    loaded = time.monotonic()
    masks = generator.generate_masks(image)
    return {
        "seconds": time.monotonic() - config["started"],
        "cpu_seconds": time.process_time(),
        "until_loaded_seconds": loaded - config["started"],
        "masks": len(masks),
        "peak_mb": peak_mb(),
    }


def everything(config: Config) -> dict[str, Any]:
    """Segment everything in an image; write the masks; report time and memory."""
    import torch
    from PIL import Image

    from benchmarks.side_by_side.network import settle

    image = np.asarray(Image.open(config["picture"]))
    generator = _GENERATORS[config["implementation"]](config)

    encoder_clocks: list[np.ndarray] = []
    encoder = generator.predictor.model.image_encoder
    encoder.register_forward_pre_hook(lambda *_: encoder_clocks.append(-clocks()))
    encoder.register_forward_hook(lambda *_: encoder_clocks.append(clocks()))

    runs, encoder_runs = [], []
    on_cuda = config["device"].startswith("cuda")
    loaded_mb = torch.cuda.memory_allocated() / 1e6 if on_cuda else resident_mb()
    if on_cuda:
        torch.cuda.reset_peak_memory_stats()
    else:
        reset_peak()
    for _ in range(config["repeats"]):
        encoder_clocks.clear()
        settle(config["device"])
        began = clocks()
        records = generator.generate(image)
        settle(config["device"])
        runs.append(clocks() - began)
        encoder_runs.append(np.sum(encoder_clocks, axis=0))
    held_mb = torch.cuda.max_memory_allocated() / 1e6 if on_cuda else peak_mb()
    np.savez(
        config["masks"],
        points=np.array([record["point_coords"][0] for record in records]).reshape(-1, 2),
        lengths=np.array([len(record["segmentation"]["counts"]) for record in records], int),
        counts=np.concatenate(
            [np.zeros(0, int), *(record["segmentation"]["counts"] for record in records)]
        ),
    )
    (seconds, cpu_seconds), (encoder_seconds, _) = np.median([runs, encoder_runs], axis=1).tolist()
    return {
        "masks": len(records),
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "encoder_seconds": encoder_seconds,
        "loaded_mb": loaded_mb,
        "peak_above_loaded_mb": None
        if held_mb is None or loaded_mb is None
        else held_mb - loaded_mb,
        "threads": torch.get_num_threads(),
    }


def large(config: Config) -> dict[str, Any]:
    """Segment everything in a very large image file; report the peak memory of the process."""
    from anymask.checkpoints import load
    from anymask.predict.everything.generator import SamAutomaticMaskGenerator

    image = np.load(config["large_picture"], mmap_mode="r")
    sam = load(config["model"], device=config["device"])
    generator = SamAutomaticMaskGenerator(sam, **config["settings"])
    began = clocks()
    masks = generator.generate_masks(image)
    seconds, cpu_seconds = (clocks() - began).tolist()
    return {
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "peak_mb": peak_mb(),
        "masks": len(masks),
        "run_lengths_mb": sum(counts.nbytes for counts in masks.counts) / 1e6,
    }


def _our_generator(config: Config) -> Any:
    from anymask.checkpoints import load
    from anymask.predict.everything.generator import SamAutomaticMaskGenerator

    sam = load(config["model"], device=config["device"], dtype=config["dtype"])
    return SamAutomaticMaskGenerator(sam, **config["settings"])


def _metas_generator(config: Config) -> Any:
    from anymask.checkpoints import load
    from anymask.model.config import SamConfig
    from benchmarks.side_by_side.peers import metas_generator, metas_sam

    weights = load(config["model"], device="cpu", dtype="float32").state_dict()
    sam = metas_sam(SamConfig.from_dict(config["config"]), weights).to(config["device"])
    return metas_generator(sam, config["settings"])


_GENERATORS = {"anymask": _our_generator, "segment-anything": _metas_generator}
_TASKS = (inputs, package, start, cold, everything, large)


def main() -> None:
    """Run the task given on the command line and print its report."""
    name, config = sys.argv[1], json.loads(sys.argv[2])
    tasks: dict[str, Callable[[Config], dict[str, Any]]] = {f.__name__: f for f in _TASKS}
    if name not in tasks:
        from benchmarks.side_by_side import network, replay

        for each in (network.encoder, network.decoder, network.click, replay.after):
            tasks[each.__name__] = each
    try:
        result = tasks[name](config)
    except AnymaskError as error:
        result = {"error": str(error)}
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
