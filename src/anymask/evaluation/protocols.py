"""The interactive protocol: a simulated user gives clicks and boxes, and a model answers.

As in "Segment Anything" (arXiv 2304.02643, section 7.1 and appendix D.1), the first click is at the
centre of the object; the model predicts three masks, and the one with the highest predicted IoU is
kept. Each further click is at the centre of the largest error; the model gets all clicks and the
logits of its last prediction, and predicts one mask. The box is the bounding box of the true mask;
the model predicts one mask.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from anymask.datasets.types import Example
from anymask.evaluation.metrics import Reliability, mask_iou, reliability
from anymask.evaluation.records import (
    SCORE_SIZE,
    ObjectRecord,
    Target,
    mean_over_sets,
    means_by_set,
    record_of,
    score,
    scored_size,
    set_weights,
    targets_of,
)
from anymask.evaluation.simulated_clicks import next_click
from anymask.images.resize import resize_for
from anymask.model.onnx_sam import refuse_exported
from anymask.model.sam import Sam

# Objects decoded at a time; limits the memory for images with hundreds of objects.
_BATCH = 32


class Answer(NamedTuple):
    """A model's predictions for N prompts, with M masks each.

    Attributes
    ----------
    masks : (N, M, h, w) bool array
        In the scoring frame.
    low_res : (N, M, 4·h, 4·w) float tensor
        Logits.
    predicted_iou : (N, M) float array
    """

    masks: NDArray[np.bool_]
    low_res: Tensor
    predicted_iou: NDArray[np.float64]


class PromptedImage:
    """An image that is encoded once and then prompted, in the scoring frame.

    Parameters
    ----------
    sam : Sam
    image : (H, W, 3) uint8 array
    score_size : int
        Longest side of the frame of prompts and masks.
    """

    def __init__(self, sam: Sam, image: NDArray[np.uint8], score_size: int = SCORE_SIZE) -> None:
        refuse_exported(sam, "evaluated")
        self.sam = sam
        self.size = scored_size(image, score_size)
        resized = resize_for(sam.config.image_size, sam.config.stretches).apply_image(image)
        self.input_size = resized.shape[:2]
        pixels = torch.from_numpy(resized).permute(2, 0, 1)
        with torch.inference_mode():
            self.embedding = sam.encode_image(sam.preprocess(pixels)[None])
        # From (x, y) of the scoring frame to pixels of the encoder's input.
        self._scale = np.array(self.input_size[::-1]) / np.array(self.size[::-1])

    @torch.inference_mode()
    def ask(
        self,
        *,
        points: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        boxes: ArrayLike | None = None,
        low_res: Tensor | None = None,
        multimask_output: bool = False,
    ) -> Answer:
        """Predict masks for N prompts.

        Parameters
        ----------
        points, labels : (N, P, 2) and (N, P) array_like, optional
            (x, y) in the scoring frame, and 1 for object or 0 for background.
        boxes : (N, 4) array_like, optional
            XYXY in the scoring frame.
        low_res : (N, 1, 4·h, 4·w) tensor, optional
            Logits of earlier predictions.
        multimask_output : bool
            Three masks per prompt instead of one.
        """
        masks, ious = self.sam.decode(
            self.embedding,
            point_coords=None if points is None else self._tensor(points),
            point_labels=None if labels is None else torch.as_tensor(np.asarray(labels)),
            boxes=None if boxes is None else self._tensor(boxes),
            masks=low_res,
            multimask_output=multimask_output,
        )
        full = self.sam.postprocess_masks(masks, self.input_size, self.size)
        return Answer(
            (full > self.sam.mask_threshold).cpu().numpy(), masks, ious.cpu().double().numpy()
        )

    def _tensor(self, coordinates: ArrayLike) -> Tensor:
        array = np.asarray(coordinates, np.float64)
        scaled = array.reshape(*array.shape[:-1], -1, 2) * self._scale
        return torch.from_numpy(scaled.reshape(array.shape)).float()


def evaluate_interactive(
    sam: Sam,
    examples: Iterable[Example],
    *,
    clicks: int = 5,
    box: bool = True,
    max_objects: int | None = 3,
    score_size: int = SCORE_SIZE,
    boundary: Sequence[str] | None = None,
    keep_masks: Sequence[str] = (),
) -> list[ObjectRecord]:
    """Prompt a model for the objects of images with clicks and boxes, and score its masks.

    Parameters
    ----------
    sam : Sam
        Set to evaluation mode during this call.
    examples : iterable of Example
    clicks : int
        Rounds of clicks; 0 for none.
    box : bool
        Also prompt with the box.
    max_objects : int or None
        At most this many objects per image, evenly spread by area; None for all.
    score_size : int
        Masks of larger images are compared at this longest side.
    boundary : sequence of str, optional
        Scores for which the boundary F-score is computed; all by default.
    keep_masks : sequence of str
        Scores for which the masks are kept in the records.

    Returns
    -------
    list of ObjectRecord
        In the order of the examples; objects of one example from large to small. Names of scores:
        "click1_single" (the single mask of one click), "click1_predicted" (of its three masks, the
        one with the highest predicted IoU), "click1_oracle" (of the three, the best in truth),
        "click2" … "click5", "box".
    """
    records: list[ObjectRecord] = []
    with _evaluation_mode(sam):
        for example in examples:
            targets = targets_of(example, max_objects, score_size)
            if not targets:
                continue
            prompted = PromptedImage(sam, example.image, score_size)
            for start in range(0, len(targets), _BATCH):
                batch = targets[start : start + _BATCH]
                answers: list[dict[str, tuple[NDArray[np.bool_], float]]] = [{} for _ in batch]
                if clicks > 0:
                    _answer_clicks(prompted, batch, clicks, answers)
                if box:
                    given = prompted.ask(boxes=[target.box for target in batch])
                    _note(answers, "box", given)
                for target, answered in zip(batch, answers, strict=True):
                    record = record_of(example, target)
                    for name, (mask, predicted) in answered.items():
                        record.scores[name] = score(
                            mask,
                            target.mask,
                            predicted,
                            boundary=boundary is None or name in boundary,
                            keep=name in keep_masks,
                        )
                    records.append(record)
    return records


def quick_figures(
    sam: Sam, examples: Iterable[Example], *, max_objects: int | None = 3
) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """A few figures for monitoring a training.

    Parameters
    ----------
    sam : Sam
    examples : iterable of Example
    max_objects : int or None
        As in `evaluate_interactive`.

    Returns
    -------
    means : dict
        Mean over sets of "click1_single", "click1_predicted", "click1_oracle", "click3",
        "click5" and "box" (IoU), of "boundary_f_box", "iou_calibration_error" (expected
        calibration error of predicted IoU within each set, so that errors of opposite sign in
        different sets do not cancel) and "iou_bias" (mean of predicted minus true IoU).
    by_set : dict
        The same for each set.
    """
    records = evaluate_interactive(
        sam, examples, clicks=5, max_objects=max_objects, boundary=("box",)
    )
    by_set = means_by_set(records)
    for set_name, figures in means_by_set(records, "boundary_f").items():
        by_set[set_name]["boundary_f_box"] = figures["box"]
    for figures in by_set.values():
        del figures["click2"], figures["click4"]
    for set_name, table in calibration_by_set(records).items():
        by_set[set_name]["iou_calibration_error"] = table.expected_error
        by_set[set_name]["iou_bias"] = table.bias
    return mean_over_sets(by_set), by_set


def calibration(records: Sequence[ObjectRecord], bins: int = 10) -> Reliability:
    """Compare predicted and true IoU over all predictions except the oracle's; sets weigh the same.

    The oracle's choice is left out, because it uses the truth, which no user has.
    """
    predicted, true, weights = [], [], []
    for record, weight in zip(records, set_weights(records), strict=True):
        answers = [
            s
            for name, s in record.scores.items()
            if name != "click1_oracle" and not np.isnan(s.predicted_iou)
        ]
        for answer in answers:
            predicted.append(answer.predicted_iou)
            true.append(answer.iou)
            weights.append(weight / len(answers))
    return reliability(predicted, true, weights, bins)


def calibration_by_set(records: Sequence[ObjectRecord], bins: int = 10) -> dict[str, Reliability]:
    """Compare predicted and true IoU within each set, again without the oracle's predictions."""
    of_sets: dict[str, list[ObjectRecord]] = {}
    for record in records:
        of_sets.setdefault(record.set_name, []).append(record)
    tables = {name: calibration(of_set, bins) for name, of_set in of_sets.items()}
    return {name: table for name, table in tables.items() if not np.isnan(table.expected_error)}


def _answer_clicks(
    prompted: PromptedImage,
    targets: Sequence[Target],
    clicks: int,
    answers: list[dict[str, tuple[NDArray[np.bool_], float]]],
) -> None:
    """Click on all targets round by round, and record the predictions of each round."""
    points = np.array([[target.click[:2]] for target in targets])  # (N, 1, 2)
    labels = np.ones((len(targets), 1), np.int64)
    _note(answers, "click1_single", prompted.ask(points=points, labels=labels))
    three = prompted.ask(points=points, labels=labels, multimask_output=True)
    everyone = np.arange(len(targets))
    chosen = three.predicted_iou.argmax(1)
    _note(answers, "click1_predicted", three, chosen)
    ious = [
        [mask_iou(m, target.mask) for m in masks]
        for masks, target in zip(three.masks, targets, strict=True)
    ]
    _note(answers, "click1_oracle", three, np.argmax(ious, 1))

    low_res = three.low_res[torch.from_numpy(everyone), torch.from_numpy(chosen)][:, None]
    masks, predicted = three.masks[everyone, chosen], three.predicted_iou[everyone, chosen]
    for number in range(2, clicks + 1):
        found = [next_click(m, t.mask) for m, t in zip(masks, targets, strict=True)]
        # An object without errors keeps its mask; its last click is repeated to fill the batch.
        new = [click or (*points[i, -1].tolist(), labels[i, -1]) for i, click in enumerate(found)]
        points = np.concatenate([points, [[[x, y]] for x, y, _ in new]], 1)
        labels = np.concatenate([labels, [[label] for _, _, label in new]], 1)
        given = prompted.ask(points=points, labels=labels, low_res=low_res)
        wrong = np.array([click is not None for click in found])
        masks = np.where(wrong[:, None, None], given.masks[:, 0], masks)
        predicted = np.where(wrong, given.predicted_iou[:, 0], predicted)
        low_res = given.low_res
        for answer, mask, iou in zip(answers, masks, predicted, strict=True):
            answer[f"click{number}"] = mask, float(iou)


def _note(
    answers: list[dict[str, tuple[NDArray[np.bool_], float]]],
    name: str,
    given: Answer,
    chosen: NDArray[np.int64] | None = None,
) -> None:
    """Record one mask per prompt: the chosen candidate, or the only one."""
    for i, answer in enumerate(answers):
        j = 0 if chosen is None else int(chosen[i])
        answer[name] = given.masks[i, j], float(given.predicted_iou[i, j])


@contextmanager
def _evaluation_mode(sam: Sam) -> Iterator[None]:
    refuse_exported(sam, "evaluated")
    was_training = sam.training
    sam.eval()
    try:
        yield
    finally:
        sam.train(was_training)
