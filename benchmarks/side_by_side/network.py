"""Encoder, decoder and a click, timed together with other implementations in one process.

Implementations take turns, so that other work on the machine disturbs all of them equally.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from anymask.checkpoints import load
from anymask.model.config import SamConfig
from anymask.model.sam import ImageEmbedding, Sam
from anymask.predict.everything.decoder_passes import prompts_per_pass
from anymask.predict.everything.grids import point_grid
from anymask.predict.predictor import SamPredictor
from benchmarks.side_by_side import peers
from benchmarks.side_by_side.machine import clocks
from benchmarks.side_by_side.peers import SEGMENT_ANYTHING, TRANSFORMERS

Config = dict[str, Any]
Timed = dict[str, dict[str, float]]


@torch.inference_mode()
def encoder(config: Config) -> dict[str, Any]:
    """Time the image encoder, and compare the embeddings."""
    ours = _our_models(config)
    theirs = _their_models(config, ours["float32"])
    pixels, _ = _pixels(config, ours["float32"])
    calls: dict[str, Callable[[], Any]] = {
        dtype: partial(_our_embedding, sam, pixels) for dtype, sam in ours.items()
    }
    for name, sam in theirs.items():
        calls[name] = partial(_their_embedding, name, sam, pixels)
    times, images = take_turns(calls, config["repeats"], config["device"])
    agreement = _agreement(images, config["fast_dtype"], _relative_l2)
    return {"times": times, "agreement": agreement, "threads": torch.get_num_threads()}


@torch.inference_mode()
def decoder(config: Config) -> dict[str, Any]:
    """Time the mask decoder for single points of one image, and compare the masks."""
    ours = _our_models(config)
    theirs = _their_models(config, ours["float32"])
    pixels, size = _pixels(config, ours["float32"])
    image = ours["float32"].encode_image(pixels)
    points = _points(config["prompts"], size).to(config["device"])
    labels = torch.ones(points.shape[:2], dtype=torch.int64, device=points.device)
    calls: dict[str, Callable[[], Any]] = {
        dtype: partial(_our_masks, sam, image, points, labels) for dtype, sam in ours.items()
    }
    for name, sam in theirs.items():
        calls[name] = partial(_their_masks, name, sam, image.embedding, points, labels)
    times, masks = take_turns(calls, config["repeats"], config["device"])
    agreement = _agreement(masks, config["fast_dtype"], _mean_iou)
    return {"times": times, "agreement": agreement, "threads": torch.get_num_threads()}


def click(config: Config) -> dict[str, Any]:
    """Time one click on an encoded image: three masks of the image's size."""
    predictor = SamPredictor(load(config["model"], device=config["device"]))
    picture = np.asarray(Image.open(config["picture"]))
    predictor.set_image(picture)
    centre = np.array([[picture.shape[1] / 2, picture.shape[0] / 2]])
    calls: dict[str, Callable[[], Any]] = {
        "anymask": partial(predictor.predict, centre, np.array([1]))
    }
    times, _ = take_turns(calls, max(5, 5 * config["repeats"]), config["device"])
    return {"times": times, "dtype": str(predictor.model.dtype).removeprefix("torch.")}


def take_turns(
    calls: dict[str, Callable[[], Any]], repeats: int, device: str = "cpu"
) -> tuple[Timed, dict[str, Any]]:
    """Median seconds of each call, in turn after one warm-up call; and the results."""
    results = {name: call() for name, call in calls.items()}
    spent: dict[str, list[NDArray[np.float64]]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            settle(device)
            began = clocks()
            call()
            settle(device)
            spent[name].append(clocks() - began)
    medians = {name: np.median(each, axis=0).tolist() for name, each in spent.items()}
    times = {name: {"seconds": s, "cpu_seconds": c} for name, (s, c) in medians.items()}
    return times, results


def settle(device: str) -> None:
    """Wait until a device has finished all its work."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    elif device == "mps":
        torch.mps.synchronize()


def decoded(
    sam: Sam, image: ImageEmbedding, points: Tensor, labels: Tensor
) -> tuple[Tensor, Tensor]:
    """Low-resolution masks and their scores, in the batches of "everything"."""
    step = prompts_per_pass(sam.device)
    parts = [
        sam.decode(
            image,
            point_coords=points[start : start + step],
            point_labels=labels[start : start + step],
            multimask_output=True,
        )
        for start in range(0, len(points), step)
    ]
    masks, scores = (torch.cat(each) for each in zip(*parts, strict=True))
    return masks, scores


def _our_models(config: Config) -> dict[str, Sam]:
    """The model in float32 and in the dtype of "auto"."""
    dtypes = dict.fromkeys(("float32", config["fast_dtype"]))
    return {d: load(config["model"], device=config["device"], dtype=d) for d in dtypes}


def _their_models(config: Config, sam: Sam) -> dict[str, Any]:
    geometry = SamConfig.from_dict(config["config"])
    found = {}
    if SEGMENT_ANYTHING in config["peers"]:
        found[SEGMENT_ANYTHING] = peers.metas_sam(geometry, sam.state_dict()).to(sam.device)
    if TRANSFORMERS in config["peers"]:
        found[TRANSFORMERS] = peers.transformers_sam(geometry).to(sam.device)
    return found


def _pixels(config: Config, sam: Sam) -> tuple[Tensor, tuple[int, int]]:
    """The image as input of the encoder, and its height and width in that frame."""
    resized = SamPredictor(sam).transform.apply_image(np.asarray(Image.open(config["picture"])))
    pixels = sam.preprocess(torch.from_numpy(resized).permute(2, 0, 1)[None])
    return pixels, (resized.shape[0], resized.shape[1])


def _points(count: int, size: tuple[int, int]) -> Tensor:
    """Points (count, 1, 2) spread over an area of that height and width."""
    grid = point_grid(int(np.ceil(count**0.5)))[:count] * size[::-1]
    return torch.from_numpy(grid).float()[:, None]


def _our_embedding(sam: Sam, pixels: Tensor) -> Tensor:
    return sam.encode_image(pixels).embedding


def _their_embedding(name: str, sam: Any, pixels: Tensor) -> Tensor:
    return sam.get_image_embeddings(pixels) if name == TRANSFORMERS else sam.image_encoder(pixels)


def _our_masks(sam: Sam, image: ImageEmbedding, points: Tensor, labels: Tensor) -> Tensor:
    cast = ImageEmbedding(
        image.embedding.to(sam.dtype), tuple(skip.to(sam.dtype) for skip in image.skips)
    )
    return decoded(sam, cast, points, labels)[0]


def _their_masks(name: str, sam: Any, embedding: Tensor, points: Tensor, labels: Tensor) -> Tensor:
    if name == TRANSFORMERS:
        found = sam(
            image_embeddings=embedding,
            input_points=points[None],
            input_labels=labels[None],
            multimask_output=True,
        )
        return found.pred_masks[0]
    sparse, dense = sam.prompt_encoder(points=(points, labels), boxes=None, masks=None)
    masks, _ = sam.mask_decoder(
        image_embeddings=embedding,
        image_pe=sam.prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        multimask_output=True,
    )
    return masks


def _agreement(
    results: dict[str, Tensor], fast_dtype: str, judge_fast: Callable[[Tensor, Tensor], float]
) -> dict[str, float | None]:
    """Agreement of our results with Meta's or, if these are missing, with those of float32."""
    reference = results.get(SEGMENT_ANYTHING)
    ours = results["float32"]
    found = {"float32": None if reference is None else _relative_l2(ours, reference)}
    if fast_dtype != "float32":
        found[fast_dtype] = judge_fast(
            results[fast_dtype], ours if reference is None else reference
        )
    return found


def _relative_l2(actual: Tensor, expected: Tensor) -> float:
    difference = actual.cpu().double() - expected.cpu().double()
    return float(difference.norm() / expected.cpu().double().norm())


def _mean_iou(logits: Tensor, expected: Tensor) -> float:
    """Mean intersection over union of masks, without pairs in which both are empty."""
    one, other = logits > 0, expected > 0
    shared, either = ((f(one, other)).sum((2, 3)) for f in (torch.logical_and, torch.logical_or))
    return (shared / either.clamp(min=1))[either > 0].mean().item()
