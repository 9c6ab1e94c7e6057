"""Prompt with many points or boxes in passes of the decoder.

On a CPU, several threads decode and filter, each with its own prompts. On other devices, passes are
decoded one after another and, if more prompts are in flight than fit into one pass, filtered at the
same time. The result does not depend on the threads, the number of prompts in flight, or other
prompts: a matrix product rounds differently at different sizes, so every pass has the same number
of prompts, and the last one is padded.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from anymask.masks.rle import Counts
from anymask.model.arrays import Arrays, arrays_of, without_gradients
from anymask.model.embedding import ImageEmbedding
from anymask.predict.everything.filtering import Criteria, Frame, judge_masks
from anymask.predict.everything.workers import workers

if TYPE_CHECKING:
    import torch

    from anymask.model.sam import Sam

# Prompts decoded in one pass. On a CPU, small passes stay in the caches.
_PROMPTS_PER_PASS = {"cpu": 8}
_PROMPTS_PER_PASS_ELSEWHERE = 64


class FoundMask(NamedTuple):
    """A mask to keep: the index of its prompt, its scores, and its run lengths in the image."""

    prompt: int
    predicted_iou: float
    stability_score: float
    counts: Counts


def prompts_per_pass(device: torch.device) -> int:
    """Number of prompts decoded in one pass on a device."""
    return _PROMPTS_PER_PASS.get(device.type, _PROMPTS_PER_PASS_ELSEWHERE)


def ask(
    model: Sam,
    features: ImageEmbedding,
    prompts: Mapping[str, Any],
    frame: Frame,
    criteria: Criteria,
    *,
    multimask_output: bool = True,
    pred_iou_thresh: float,
    prompts_in_flight: int,
    advance: Callable[[int], None],
) -> Iterator[FoundMask]:
    """Prompt the model with points or boxes in a crop, and keep the good masks.

    Parameters
    ----------
    model : Sam
    features : ImageEmbedding
        The crop, encoded.
    prompts : mapping of str to (N, …) array
        As the model's `decode` takes them, in the frame of the encoder's input.
    frame : Frame
    criteria : Criteria
    multimask_output : bool
        Whether a prompt has three masks or one.
    pred_iou_thresh : float
        Masks whose predicted IoU is not above this are dropped; 0 keeps all.
    prompts_in_flight : int
        At most this many prompts at a time, rounded up to whole passes.
    advance : callable
        Called with the number of prompts that have been done.

    Yields
    ------
    FoundMask
        In the order of the prompts.
    """
    total = len(next(iter(prompts.values())))
    arrays, per_pass = arrays_of(model), prompts_per_pass(model.device)
    starts = range(0, total, per_pass)
    in_flight = min(-(-prompts_in_flight // per_pass), len(starts))
    if not starts:
        return

    @without_gradients
    def decode(start: int) -> _LowRes:
        part = {name: values[start : start + per_pass] for name, values in prompts.items()}
        count = min(per_pass, total - start)
        low_res, iou = model.decode(
            features,
            **{name: _filled_up(values, per_pass, arrays) for name, values in part.items()},
            multimask_output=multimask_output,
        )
        return _good(low_res[:count], iou[:count], start, pred_iou_thresh, arrays)

    def judge(masks: _LowRes) -> list[FoundMask]:
        return [
            FoundMask(
                int(masks.prompts[survivor.index]),
                float(masks.iou[survivor.index]),
                survivor.stability_score,
                survivor.counts,
            )
            for survivor in judge_masks(masks.logits, frame, criteria)
        ]

    on_cpu = model.device.type == "cpu"
    waiting: deque[tuple[int, Future[list[FoundMask]]]] = deque()
    with workers(in_flight) as pool:
        for start in starts:
            if on_cpu:
                future = pool.submit(lambda start: judge(decode(start)), start)
            else:
                future = pool.submit(judge, decode(start))
            waiting.append((min(per_pass, total - start), future))
            # The first pass runs alone, because it triggers the compilation of a compiled decoder.
            while waiting and (start == 0 or len(waiting) >= in_flight):
                yield from _finished(waiting, advance)
        while waiting:
            yield from _finished(waiting, advance)


class _LowRes(NamedTuple):
    """Logits (N, h, w) float32 with sufficient predicted IoU (N,), and their prompts (N,)."""

    logits: NDArray[np.float32]
    iou: NDArray[np.float32]
    prompts: NDArray[np.int64]


def _filled_up(values: Any, count: int, arrays: Arrays) -> Any:
    """Repeat the last row until there are so many."""
    return arrays.joined([values, *[values[-1:]] * (count - len(values))])


def _good(low_res: Any, iou: Any, first: int, pred_iou_thresh: float, arrays: Arrays) -> _LowRes:
    """The masks of one pass with sufficient predicted IoU; its first prompt is number `first`."""
    scores = arrays.numpy(iou)
    keep_all = pred_iou_thresh <= 0
    good = np.ones(scores.shape, np.bool_) if keep_all else scores > np.float32(pred_iou_thresh)
    prompt = first + np.nonzero(good)[0]
    return _LowRes(arrays.numpy(low_res[arrays.of(good)]), scores[good], prompt)


def _finished(
    waiting: deque[tuple[int, Future[list[FoundMask]]]], advance: Callable[[int], None]
) -> Iterator[FoundMask]:
    """The masks of the pass that has waited longest."""
    count, judged = waiting.popleft()
    yield from judged.result()
    advance(count)
