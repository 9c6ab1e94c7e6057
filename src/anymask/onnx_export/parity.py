"""How far an exported model is from the one in torch that it was made from."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from anymask.model.onnx_sam import OnnxSam
from anymask.model.sam import Sam
from anymask.predict.predictor import SamPredictor

_POINTS_PER_SIDE = 4
_BOX = 0.2  # side of the boxes around the points, of the image's sides


@dataclass(frozen=True)
class Parity:
    """Differences over points, boxes, and boxes with the mask of the point.

    Attributes
    ----------
    prompts : int
    embedding : float
        The largest difference of the image embedding, relative to its largest value.
    logits : float
        The same of low-resolution logits, over all prompts.
    predicted_iou : float
        The largest difference of a predicted IoU.
    mask_iou, least_mask_iou : float
        IoU of the masks of both, their mean and their minimum.
    """

    prompts: int
    embedding: float
    logits: float
    predicted_iou: float
    mask_iou: float
    least_mask_iou: float

    def to_dict(self) -> dict[str, float]:
        """Return all fields, rounded, as JSON-ready data."""
        return {name: float(f"{value:.4g}") for name, value in asdict(self).items()}


def parity(sam: Sam, exported: OnnxSam, image: NDArray[np.uint8]) -> Parity:
    """Ask both models the same of an image.

    Parameters
    ----------
    sam : Sam
    exported : OnnxSam
    image : (H, W, 3) uint8 array
        RGB.
    """
    ours, theirs = (_answers(model, image) for model in (sam, exported))
    overlaps = [
        _iou(a, b)
        for one, two in zip(ours.masks, theirs.masks, strict=True)
        for a, b in zip(one, two, strict=True)
    ]
    return Parity(
        prompts=sum(len(masks) for masks in ours.masks),
        embedding=_relative([ours.embedding], [theirs.embedding]),
        logits=_relative(ours.logits, theirs.logits),
        predicted_iou=max(
            float(np.abs(a - b).max()) for a, b in zip(ours.scores, theirs.scores, strict=True)
        ),
        mask_iou=float(np.mean(overlaps)),
        least_mask_iou=float(np.min(overlaps)),
    )


def drawn_image(size: int = 256) -> NDArray[np.uint8]:
    """Return a drawn image (size, size, 3) of coloured discs on a shaded ground."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:size, :size] / size
    image = np.stack([90 + 60 * x, 80 + 50 * y, 70 + 40 * (1 - x)], 2)
    for row in range(_POINTS_PER_SIDE):
        for column in range(_POINTS_PER_SIDE):
            centre_y, centre_x = (np.array([row, column]) + 0.5) / _POINTS_PER_SIDE
            radius = rng.uniform(0.05, 0.1)
            image[(y - centre_y) ** 2 + (x - centre_x) ** 2 < radius**2] = rng.uniform(0, 255, 3)
    return np.clip(image + rng.normal(0, 4, image.shape), 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class _Answers:
    """What a model says of an image; of each kind of prompt an array."""

    embedding: NDArray[np.float32]
    masks: list[NDArray[np.bool_]]
    scores: list[NDArray[np.float32]]
    logits: list[NDArray[np.float32]]


def _answers(model: Sam | OnnxSam, image: NDArray[np.uint8]) -> _Answers:
    predictor = SamPredictor(model, keep_clicked=False)  # type: ignore[arg-type]
    predictor.set_image(image)
    height, width = image.shape[:2]
    steps = (np.arange(_POINTS_PER_SIDE) + 0.5) / _POINTS_PER_SIDE
    points = np.stack(np.meshgrid(steps * width, steps * height), -1).reshape(-1, 1, 2)
    half = np.array([width, height]) * (_BOX / 2)
    boxes = np.concatenate([points - half, points + half], 1).reshape(-1, 4)
    labels = np.ones((len(points), 1), np.int64)
    found = [
        predictor.predict(points, labels, multimask_output=False),
        predictor.predict(box=boxes, multimask_output=False),
    ]
    # The same mask for both models, whatever they answered.
    disc = np.tile(_disc(model.config.low_res_size), (len(boxes), 1, 1, 1))
    found.append(predictor.predict(box=boxes, mask_input=disc, multimask_output=False))
    masks, scores, logits = (list(column) for column in zip(*found, strict=True))
    embedding = np.asarray(predictor.get_image_embedding())
    return _Answers(embedding, [m[:, 0].astype(bool) for m in masks], scores, logits)


def _disc(side: int) -> NDArray[np.float32]:
    """Logits (1, side, side) of a disc in the middle."""
    y, x = np.mgrid[:side, :side] / side - 0.5
    return np.where(x**2 + y**2 < 0.04, 4, -4).astype(np.float32)[None]


def _relative(ours: list[NDArray[np.float32]], theirs: list[NDArray[np.float32]]) -> float:
    difference = max(float(np.abs(a - b).max()) for a, b in zip(ours, theirs, strict=True))
    return difference / max(float(np.abs(a).max()) for a in ours)


def _iou(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    union = np.count_nonzero(a | b)
    return np.count_nonzero(a & b) / union if union else 1.0
