"""Records of prompts and scores, one per object, and means over records.

Figures are averaged over the objects of each set, then over sets, so that a large set does not
dominate a small one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from anymask.datasets.packed_masks import PackedMasks
from anymask.datasets.sampling import choose_objects
from anymask.datasets.types import Example
from anymask.evaluation.metrics import boundary_f_score, dice_of_iou, mask_iou
from anymask.evaluation.simulated_clicks import Click, first_click
from anymask.images.resize import ResizeLongestSide
from anymask.masks.boxes import boxes_of_masks
from anymask.masks.rle import Counts, counts_of, mask_of


class _OfASet(Protocol):
    @property
    def set_name(self) -> str: ...


Record = TypeVar("Record", bound=_OfASet)
Pixel = TypeVar("Pixel", bound=np.generic)

SCORE_SIZE = 512
"""Longest side at which masks are compared; larger images are reduced to it for scoring."""


@dataclass(frozen=True)
class Target:
    """An object to find, in the scoring frame.

    Attributes
    ----------
    index : int
        Position among the masks of its example.
    mask : (h, w) bool array
    box : (4,) int array
        XYXY, inclusive.
    click : Click
        At its centre.
    """

    index: int
    mask: NDArray[np.bool_]
    box: NDArray[np.int64]
    click: Click


@dataclass(frozen=True)
class Score:
    """The quality of one prediction.

    Attributes
    ----------
    iou : float
    boundary_f : float
        NaN if it was not computed.
    predicted_iou : float
        The method's own estimate; NaN if it has none.
    counts : array or None
        Run lengths of the mask, if it was kept.
    """

    iou: float
    boundary_f: float = float("nan")
    predicted_iou: float = float("nan")
    counts: Counts | None = None

    @property
    def dice(self) -> float:
        """Dice coefficient."""
        return dice_of_iou(self.iou)


@dataclass(frozen=True)
class ObjectRecord:
    """All measurements of one object.

    Attributes
    ----------
    set_name, image : str
        The example.
    index : int
        Position among the masks of its example.
    size : tuple of int
        (h, w) of the frame of `box`, `click` and the masks.
    box : tuple of int
        XYXY, inclusive.
    click : Click
        The first click.
    area : int
        Pixels of the true mask.
    scores : dict
        A `Score` for each prompt or baseline, by name.
    """

    set_name: str
    image: str
    index: int
    size: tuple[int, int]
    box: tuple[int, int, int, int]
    click: Click
    area: int
    scores: dict[str, Score] = field(default_factory=dict)

    def mask(self, name: str) -> NDArray[np.bool_] | None:
        """The predicted mask (h, w), if it was kept."""
        counts = self.scores[name].counts
        return None if counts is None else mask_of(counts, self.size)


def scored_size(image: NDArray[np.uint8], score_size: int = SCORE_SIZE) -> tuple[int, int]:
    """(h, w) of the frame in which the masks of an image are scored."""
    height, width = image.shape[:2]
    if max(height, width) <= score_size:
        return height, width
    return ResizeLongestSide.get_preprocess_shape(height, width, score_size)


def shrink_mask(mask: NDArray[Pixel], size: tuple[int, int]) -> NDArray[Pixel]:
    """For each pixel of another frame (h, w), take the pixel nearest to its centre."""
    if mask.shape == size:
        return mask
    rows, cols = (
        ((np.arange(new) + 0.5) * old / new).astype(np.int64)
        for new, old in zip(size, mask.shape, strict=True)
    )
    return mask[rows[:, None], cols[None]]


def targets_of(
    example: Example, max_objects: int | None = None, score_size: int = SCORE_SIZE
) -> list[Target]:
    """Choose the objects of an example and their prompts.

    Parameters
    ----------
    example : Example
    max_objects : int, optional
        At most this many, evenly spread over the objects sorted by area.
    score_size : int
        Longest side of the scoring frame.
    """
    size = scored_size(example.image, score_size)
    targets = []
    for index in choose_objects(PackedMasks.of(example.masks).areas.tolist(), max_objects):
        mask = shrink_mask(example.masks[index], size)
        if mask.any():  # a tiny object may vanish when reduced
            targets.append(Target(index, mask, boxes_of_masks(mask[None])[0], first_click(mask)))
    return targets


def record_of(example: Example, target: Target) -> ObjectRecord:
    """Start the record of an object, without scores."""
    x0, y0, x1, y1 = target.box.tolist()
    size = target.mask.shape[0], target.mask.shape[1]
    area = int(np.count_nonzero(target.mask))
    return ObjectRecord(
        example.set_name, example.name, target.index, size, (x0, y0, x1, y1), target.click, area
    )


def score(
    mask: NDArray[np.bool_],
    target: NDArray[np.bool_],
    predicted_iou: float = float("nan"),
    *,
    boundary: bool = True,
    keep: bool = False,
) -> Score:
    """Score one prediction against the truth.

    Parameters
    ----------
    mask, target : (h, w) bool arrays
    predicted_iou : float
    boundary : bool
        Compute the boundary F-score.
    keep : bool
        Keep the mask.
    """
    return Score(
        mask_iou(mask, target),
        boundary_f_score(mask, target) if boundary else float("nan"),
        float(predicted_iou),
        counts_of(mask) if keep else None,
    )


def merged(first: Sequence[ObjectRecord], second: Sequence[ObjectRecord]) -> list[ObjectRecord]:
    """Merge two lists of records of the same objects in the same order, with all scores of both.

    Raises
    ------
    ValueError
        If they are not of the same objects.
    """
    joined = []
    for a, b in zip(first, second, strict=True):
        if (a.set_name, a.image, a.index) != (b.set_name, b.image, b.index):
            raise ValueError(f"object {a.index} of {a.image} is not object {b.index} of {b.image}")
        joined.append(replace(a, scores={**a.scores, **b.scores}))
    return joined


def spread_over_sets(ranked: Iterable[Record], count: int, most_of_a_set: int = 2) -> list[Record]:
    """Take the first records of a ranking, but only a few of each set.

    Parameters
    ----------
    ranked : iterable of records
        With a `set_name`, in order.
    count : int
    most_of_a_set : int
        At most this many of one set; otherwise one hard set would fill the page.
    """
    taken: dict[str, int] = {}
    chosen: list[Record] = []
    for record in ranked:
        if len(chosen) < count and taken.get(record.set_name, 0) < most_of_a_set:
            taken[record.set_name] = taken.get(record.set_name, 0) + 1
            chosen.append(record)
    return chosen


def means_by_set(
    records: Sequence[ObjectRecord], figure: str = "iou"
) -> dict[str, dict[str, float]]:
    """Mean of a figure over the objects of each set.

    Parameters
    ----------
    records : sequence of ObjectRecord
    figure : {"iou", "dice", "boundary_f", "predicted_iou"}

    Returns
    -------
    dict
        By set, then by name of the score; scores without the figure are left out.
    """
    values: dict[str, dict[str, list[float]]] = {}
    for record in records:
        of_set = values.setdefault(record.set_name, {})
        for name, given in record.scores.items():
            value = getattr(given, figure)
            if not np.isnan(value):
                of_set.setdefault(name, []).append(value)
    return {
        set_name: {name: float(np.mean(v)) for name, v in of_set.items()}
        for set_name, of_set in values.items()
    }


def mean_over_sets(by_set: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Mean of each figure over the sets that have it.

    Examples
    --------
    >>> mean_over_sets({"a": {"box": 0.5}, "b": {"box": 0.7, "click1": 0.25}})
    {'box': 0.6, 'click1': 0.25}
    """
    names = dict.fromkeys(name for of_set in by_set.values() for name in of_set)
    return {
        name: float(np.mean([of_set[name] for of_set in by_set.values() if name in of_set]))
        for name in names
    }


def set_weights(records: Sequence[ObjectRecord]) -> Iterator[float]:
    """Weights of records that give every set the same total."""
    counts: dict[str, int] = {}
    for record in records:
        counts[record.set_name] = counts.get(record.set_name, 0) + 1
    return (1 / counts[record.set_name] for record in records)
