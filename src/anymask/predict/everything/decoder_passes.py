"""Prompt a grid of points in passes of the decoder.

On a CPU, several threads decode and filter, each with its own points. On other devices, passes are
decoded one after another and, if more points are in flight than fit into one pass, filtered at the
same time. The result does not depend on the threads, the number of points in flight, or other
points: a matrix product rounds differently at different sizes, so every pass has the same number of
points, and the last one is padded.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anymask.masks.rle import Counts
from anymask.model.sam import ImageEmbedding, Sam
from anymask.predict.everything.filtering import Criteria, Frame, judge_masks
from anymask.predict.everything.workers import workers

# Points decoded in one pass. On a CPU, small passes stay in the caches.
_POINTS_PER_PASS = {"cpu": 8}
_POINTS_PER_PASS_ELSEWHERE = 64


class Found(NamedTuple):
    """A mask to keep: the index of its point, its scores, and its run lengths in the image."""

    point: int
    predicted_iou: float
    stability_score: float
    counts: Counts


def points_per_pass(device: torch.device) -> int:
    """Number of points decoded in one pass on a device."""
    return _POINTS_PER_PASS.get(device.type, _POINTS_PER_PASS_ELSEWHERE)


def ask(
    model: Sam,
    features: ImageEmbedding,
    points: NDArray[np.float64],
    frame: Frame,
    criteria: Criteria,
    *,
    pred_iou_thresh: float,
    points_in_flight: int,
    advance: Callable[[int], None],
) -> Iterator[Found]:
    """Prompt the model with points of a crop, and keep the good masks.

    Parameters
    ----------
    model : Sam
    features : ImageEmbedding
        The crop, encoded.
    points : (N, 2) float64 array
        (x, y) in the frame of the encoder's input.
    frame : Frame
    criteria : Criteria
    pred_iou_thresh : float
        Masks whose predicted IoU is not above this are dropped; 0 keeps all.
    points_in_flight : int
        At most this many points at a time, rounded up to whole passes.
    advance : callable
        Called with the number of points that have been done.

    Yields
    ------
    Found
        In the order of the points.
    """

    coords = torch.from_numpy(points).float()
    per_pass = points_per_pass(model.device)
    starts = range(0, len(coords), per_pass)
    in_flight = min(-(-points_in_flight // per_pass), len(starts))
    if not starts:
        return

    def decode(start: int) -> _LowRes:
        part = coords[start : start + per_pass]
        with torch.no_grad():
            return _decode(model, features, part, start, per_pass, pred_iou_thresh)

    def judge(masks: _LowRes) -> list[Found]:
        return [
            Found(
                int(masks.points[survivor.index]),
                float(masks.iou[survivor.index]),
                survivor.stability_score,
                survivor.counts,
            )
            for survivor in judge_masks(masks.logits, frame, criteria)
        ]

    on_cpu = model.device.type == "cpu"
    waiting: deque[tuple[int, Future[list[Found]]]] = deque()
    with workers(in_flight) as pool:
        for start in starts:
            if on_cpu:
                future = pool.submit(lambda start: judge(decode(start)), start)
            else:
                future = pool.submit(judge, decode(start))
            waiting.append((len(coords[start : start + per_pass]), future))
            # The first pass runs alone, because it triggers the compilation of a compiled decoder.
            while waiting and (start == 0 or len(waiting) >= in_flight):
                yield from _finished(waiting, advance)
        while waiting:
            yield from _finished(waiting, advance)


class _LowRes(NamedTuple):
    """Logits (N, h, w) float32 with sufficient predicted IoU (N,), and their points (N,)."""

    logits: NDArray[np.float32]
    iou: NDArray[np.float32]
    points: NDArray[np.int64]


def _decode(
    model: Sam,
    features: ImageEmbedding,
    coords: Tensor,
    first: int,
    per_pass: int,
    pred_iou_thresh: float,
) -> _LowRes:
    """One pass of the decoder over at most `per_pass` points, the first of them number `first`."""
    count = len(coords)
    filled_up = torch.cat([coords, coords[-1:].expand(per_pass - count, 2)])[:, None]
    low_res, iou = model.decode(
        features,
        point_coords=filled_up,  # (points, 1, 2)
        point_labels=torch.ones(filled_up.shape[:2], dtype=torch.int64),
        multimask_output=True,
    )
    low_res, iou = low_res[:count], iou[:count]
    good = iou > pred_iou_thresh if pred_iou_thresh > 0 else torch.ones_like(iou, dtype=torch.bool)
    points = torch.arange(first, first + count, device=iou.device)[:, None].expand_as(iou)
    logits, scores, indices = (values[good].cpu().numpy() for values in (low_res, iou, points))
    return _LowRes(logits, scores, indices)


def _finished(
    waiting: deque[tuple[int, Future[list[Found]]]], advance: Callable[[int], None]
) -> Iterator[Found]:
    """The masks of the pass that has waited longest."""
    count, judged = waiting.popleft()
    yield from judged.result()
    advance(count)
