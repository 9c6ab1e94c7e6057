"""The measured parts of `engine.py`, each run in a process of its own: ``engine_tasks.py TASK``.

A fresh process for each measurement means that imports are paid for, and that no other
measurement's memory is in the account.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from measure import peak_mb, report, reset_peak, resident_mb


def first_mask(config: dict[str, Any]) -> dict[str, Any]:
    """From the start of the process to the first mask of a picture file with the shipped model.

    `started` in the configuration is the parent's monotonic clock at the start of the process:
    starting Python counts too.
    """
    from anymask import SamPredictor, load, read_rgb

    image = read_rgb(config["picture"])
    imported = time.monotonic()
    predictor = SamPredictor(load(config["model"], device="cpu"))
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
        "model": predictor.model.config.name,
        "dtype": str(predictor.model.dtype).removeprefix("torch."),
        "masks": len(masks),
    }


def write_inputs(config: dict[str, Any]) -> dict[str, Any]:
    """Write the picture and the checkpoint; say which dtype the package chooses by itself."""
    import torch
    from PIL import Image
    from random_weights import write_random_vit_b
    from skimage.data import coffee

    from anymask.checkpoints.devices import resolve_dtype

    # A 3:2 photograph that comes with scikit-image, enlarged.
    size = tuple(config["picture_size"])
    Image.fromarray(coffee()).resize(size, Image.Resampling.BICUBIC).save(config["picture"])
    write_random_vit_b(Path(config["checkpoint"]))
    auto = resolve_dtype("auto", torch.device("cpu"))
    return {"auto_dtype": str(auto).removeprefix("torch.")}


def everything(config: dict[str, Any]) -> dict[str, Any]:
    """Segment everything in a picture; write the masks; report time and memory."""
    import torch
    from PIL import Image

    if config["threads"]:
        torch.set_num_threads(config["threads"])
    image = np.asarray(Image.open(config["picture"]))
    start = time.perf_counter()
    generator = _GENERATORS[config["implementation"]](config)
    load_seconds = time.perf_counter() - start

    encoder_clocks: list[np.ndarray] = []
    encoder = generator.predictor.model.image_encoder
    encoder.register_forward_pre_hook(lambda *_: encoder_clocks.append(-_clocks()))
    encoder.register_forward_hook(lambda *_: encoder_clocks.append(_clocks()))

    loaded_mb = resident_mb()
    reset_peak()
    clocks = -_clocks()
    records = generator.generate(image)
    clocks += _clocks()
    working_mb = peak_mb() - loaded_mb
    encoder_seconds, encoder_cpu_seconds = np.sum(encoder_clocks, axis=0)

    np.savez(
        config["masks"],
        points=np.array([record["point_coords"][0] for record in records]).reshape(-1, 2),
        lengths=np.array([len(record["segmentation"]["counts"]) for record in records], int),
        counts=np.concatenate(
            [np.zeros(0, int), *(record["segmentation"]["counts"] for record in records)]
        ),
    )
    return {
        "masks": len(records),
        "load_seconds": load_seconds,
        "seconds": clocks[0],
        "cpu_seconds": clocks[1],
        "encoder_seconds": encoder_seconds,
        "encoder_cpu_seconds": encoder_cpu_seconds,
        "loaded_mb": loaded_mb,
        "peak_above_loaded_mb": working_mb,
        "threads": torch.get_num_threads(),
    }


def _clocks() -> np.ndarray:
    """Seconds now, on the wall and of all the process's threads together."""
    return np.array([time.perf_counter(), time.process_time()])


def _anymask_generator(config: dict[str, Any]) -> Any:
    from anymask import SamAutomaticMaskGenerator, load

    sam = load(config["checkpoint"], device="cpu", dtype=config["dtype"])
    return SamAutomaticMaskGenerator(sam, **config["settings"])


def _segment_anything_generator(config: dict[str, Any]) -> Any:
    from peers import install_torchvision_stand_in

    install_torchvision_stand_in()
    from segment_anything import SamAutomaticMaskGenerator, sam_model_registry

    sam = sam_model_registry["vit_b"](checkpoint=config["checkpoint"])
    return SamAutomaticMaskGenerator(sam, **config["settings"])


_GENERATORS = {"anymask": _anymask_generator, "segment-anything": _segment_anything_generator}
_TASKS = {f.__name__: f for f in (first_mask, write_inputs, everything)}

if __name__ == "__main__":
    report(_TASKS[sys.argv[1]](json.loads(sys.argv[2])))
