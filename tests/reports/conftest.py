"""Real answers of two models to the same prompts, and records made by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from anymask.datasets.types import Example
from anymask.evaluation.class_maps import ClassMapRecord, called, compare_classes
from anymask.evaluation.compare import Difference
from anymask.evaluation.records import ObjectRecord, Score
from anymask.evaluation.simulated_clicks import Click
from anymask.masks.rle import counts_of
from anymask.model.sam import Sam
from anymask.reports.verdict import PROMPTED, ClassVerdict, ObjectVerdict
from anymask.training.held_out import compare_on_objects
from tests.training.finetune.conftest import tiny_sam

CLASSES = ("leaf", "soil")


@pytest.fixture(scope="session")
def pieces(scene) -> list[Example]:
    """The reference scene in four pieces, two sets of two, with two discs each."""
    y, x = np.ogrid[:90, :120]
    discs = [(x - 40) ** 2 + (y - 45) ** 2 < 25**2, (x - 90) ** 2 + (y - 30) ** 2 < 15**2]
    parts = [scene[t : t + 90, le : le + 120] for t in (0, 90) for le in (0, 120)]
    return [Example(f"piece{i}", part, discs, "ab"[i // 2]) for i, part in enumerate(parts)]


@pytest.fixture(scope="session")
def find(pieces) -> Callable[[str, str], Example]:
    """From the names of a set and an image to the piece."""
    by_name = {(piece.set_name, piece.name): piece for piece in pieces}
    return lambda set_name, name: by_name[set_name, name]


@pytest.fixture(scope="session")
def models() -> tuple[Sam, Sam]:
    """A tiny model, and one that answers differently: its upscaling is disturbed."""
    first, second = tiny_sam(), tiny_sam()
    for parameter in second.mask_decoder.output_upscaling.parameters():
        parameter.data += 2 * parameter.data.flip(0)
    return first, second


@pytest.fixture(scope="session")
def object_verdict(models, pieces) -> ObjectVerdict:
    """Of both models on the pieces."""
    return compare_on_objects(*models, pieces, everything=4, points_per_side=3)


def record(iou: float, set_name: str = "a", index: int = 0, image: str = "x") -> ObjectRecord:
    """An object that was found with an IoU by any prompt, and a predicted IoU of .9."""
    mask = counts_of(np.eye(4, dtype=bool))
    scores = {name: Score(iou, 0.5, 0.9, mask) for name in PROMPTED}
    return ObjectRecord(set_name, image, index, (4, 4), (0, 0, 1, 1), Click(0, 0), 4, scores)


def verdict_of(before: list[float], after: list[float], low: float, high: float) -> ObjectVerdict:
    """A verdict on one object per image with these IoUs, by all prompts alike."""
    first, second = (
        [record(iou, image=f"image{i}") for i, iou in enumerate(ious)] for ious in (before, after)
    )
    change = Difference(float(np.mean(before)), float(np.mean(after)), low, high, len(before))
    return ObjectVerdict(
        figures=dict.fromkeys(PROMPTED, change),
        overall=change,
        trained=PROMPTED,
        before=first,
        after=second,
    )


def class_record(image: str, right: float, size: tuple[int, int] = (90, 120)) -> ClassMapRecord:
    """Half leaf, half soil, of which a share was predicted right, and the rest as no class."""
    labels = np.repeat(np.arange(1, 3, dtype=np.uint8), size[1] // 2)[None].repeat(size[0], 0)
    share = np.full(2, 0.5)
    return ClassMapRecord("a", image, share * right, share * right, share, np.full(2, 0.8), labels)


def class_verdict_of(before: list[float] | None, after: list[float]) -> ClassVerdict:
    """A verdict on images of which these shares are right; without `before`, beside a constant."""
    second = [class_record(f"piece{i}", right) for i, right in enumerate(after)]
    first = (
        [called(given, 0) for given in second]
        if before is None
        else [class_record(f"piece{i}", right) for i, right in enumerate(before)]
    )
    figures = {
        f"{figure}, {name}": compare_classes(first, second, which, figure)
        for figure in ("IoU", "Dice")
        for name, which in (("mean", [0, 1]), ("leaf", [0]), ("soil", [1]))
    }
    return ClassVerdict(
        figures=figures,
        overall=figures["IoU, mean"],
        classes=CLASSES,
        constant="leaf" if before is None else None,
        before=first,
        after=second,
        numbers={-1: -1, 0: 0, 1: 1},
    )
