"""Masks of thousands of prompts in one image, as run lengths and in bounded memory.

Prompts go through the decoder and through the judging of masks as the points of "everything" do
(`predict/everything/decoder_passes.py`): no mask is ever painted, and memory holds a few passes and
the run lengths that are kept. Prompts of one shape, such as boxes, or two points each, share
passes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anymask.errors import PromptError
from anymask.masks.clicked import keep_clicked_counts
from anymask.masks.mask_set import MaskSet
from anymask.model.arrays import Arrays, arrays_of
from anymask.model.embedding import ImageEmbedding
from anymask.predict.everything.decoder_passes import FoundMask, ask
from anymask.predict.everything.filtering import Criteria, Frame
from anymask.prompts.edges import boxes_seen, cut_at_edges, points_inside
from anymask.prompts.prompts import PADDING, Prompts

if TYPE_CHECKING:
    from anymask.model.sam import Sam

OnPrompts = Callable[[int, int], None]
"""Called with the number of prompts done and the number in all."""


def masks_of_prompts(
    model: Sam,
    features: ImageEmbedding,
    frame: Frame,
    prompts: Prompts,
    *,
    keep_clicked: bool,
    prompts_per_batch: int,
    progress: OnPrompts | None = None,
) -> MaskSet:
    """Predict one mask for each of many prompts.

    Parameters
    ----------
    model : Sam
    features : ImageEmbedding
        The image, or a crop of it, encoded.
    frame : Frame
        How the crop lies in the image.
    prompts : Prompts
        In pixels of the image.
    keep_clicked : bool
        Drop regions of a mask without a positive point, if there are points and no box.
    prompts_per_batch : int
        At most this many prompts at a time, rounded up to whole passes of the decoder.
    progress : callable, optional

    Returns
    -------
    MaskSet
        In the order of the prompts, with their ids and classes.

    Raises
    ------
    PromptError
        If one lies outside the image.
    """
    size = frame.image_size
    _check_inside(prompts, size)
    criteria = Criteria(model.mask_threshold, model.config.everything.stability_score_offset, 0)
    found: list[FoundMask | None] = [None] * len(prompts)
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        if progress is not None:
            progress(done, len(prompts))

    advance(0)
    for rows, inputs in _alike(prompts, frame, arrays_of(model)):
        answers = ask(
            model,
            features,
            inputs,
            frame,
            criteria,
            multimask_output=False,
            pred_iou_thresh=0,
            prompts_in_flight=prompts_per_batch,
            advance=advance,
        )
        for answer in answers:
            found[rows[answer.prompt]] = answer
    answered = [each for each in found if each is not None]
    assert len(answered) == len(prompts)  # with these criteria, none is dropped
    on_object = [
        coords[labels == 1]
        for coords, labels in zip(prompts.point_coords, prompts.point_labels, strict=True)
    ]
    counts = [each.counts for each in answered]
    if keep_clicked:
        for row in np.flatnonzero(~prompts.has_box):
            counts[row] = keep_clicked_counts(counts[row], on_object[row], size)
    return MaskSet.from_counts(
        size,
        counts,
        predicted_iou=[each.predicted_iou for each in answered],
        stability_score=[each.stability_score for each in answered],
        point_coords=[points[0] if len(points) else (np.nan, np.nan) for points in on_object],
        object_ids=prompts.ids,
        class_names=prompts.class_names if any(prompts.class_names) else None,
    )


def _check_inside(prompts: Prompts, size: tuple[int, int]) -> None:
    """Refuse prompts that are not in the pixels of the image."""
    stated = set(prompts.image_sizes.values()) - {None, size}
    if prompts.crs is not None or stated or len(prompts.image_sizes) > 1:
        raise PromptError(
            f"{prompts} are not in the pixels of this image yet; place them with "
            "prompts.for_image(image)."
        )
    real = prompts.point_labels != PADDING
    with np.errstate(invalid="ignore"):
        outside = (real & ~points_inside(prompts.point_coords, size)).any(1)
        outside |= prompts.has_box & ~boxes_seen(prompts.boxes, size)
    if outside.any():
        row = int(np.flatnonzero(outside)[0])
        raise PromptError(
            f"The prompt number {row + 1} (id {prompts.ids[row]}) lies outside the image, which is "
            f"{size[1]} wide and {size[0]} high; prompts.for_image(image) leaves such out."
        )


def _alike(
    prompts: Prompts, frame: Frame, arrays: Arrays
) -> Iterator[tuple[NDArray[np.int64], dict[str, Any]]]:
    """Groups of prompts that fit into one array: their indices, and what `Sam.decode` takes."""
    x0, y0, x1, y1 = frame.crop_box
    scale = np.array([frame.input_size[1] / (x1 - x0), frame.input_size[0] / (y1 - y0)])
    numbers = (prompts.point_labels != PADDING).sum(1)
    shapes = np.stack([prompts.has_box, numbers], 1)
    for has_box, count in np.unique(shapes, axis=0):
        rows = np.flatnonzero((shapes == (has_box, count)).all(1))
        inputs: dict[str, Any] = {}
        if has_box:
            corners = cut_at_edges(prompts.boxes[rows].reshape(-1, 2, 2), frame.image_size)
            boxes = ((corners - (x0, y0)) * scale).reshape(-1, 4)
            inputs["boxes"] = arrays.of(boxes, "float32")
        if count:
            real = prompts.point_labels[rows] != PADDING
            points = cut_at_edges(prompts.point_coords[rows][real], frame.image_size) - (x0, y0)
            coords = (points * scale).reshape(len(rows), count, 2)
            labels = prompts.point_labels[rows][real].reshape(len(rows), count)
            inputs["point_coords"] = arrays.of(coords, "float32")
            inputs["point_labels"] = arrays.of(labels)
        yield rows, inputs
