"""Answers drawn over their images, for reports: the worst, the best and what was asked."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from anymask.datasets.types import Example
from anymask.evaluation.baselines import BOX_BASELINES
from anymask.evaluation.metrics import boundary_of
from anymask.evaluation.records import ObjectRecord, shrink_mask, spread_over_sets
from anymask.masks.mask_set import MaskSet
from anymask.painting import overlay

PICTURE_SIZE = 320
WHOLE_SIZE = 480
_ANSWER = np.array([30, 144, 255])
_TRUTH = (255, 220, 0)
_PROMPT = (255, 40, 40)


def extremes(
    records: Sequence[ObjectRecord], name: str, count: int, *, worst: bool, most_of_a_set: int = 2
) -> list[ObjectRecord]:
    """Choose the records with the lowest or highest IoU of a score, from several sets.

    Parameters
    ----------
    records : sequence of ObjectRecord
    name : str
        Which score; records without it are passed over.
    count : int
    worst : bool
        The lowest rather than the highest.
    most_of_a_set : int
        No more than so many of one set, else one hard set would fill the page.
    """
    known = [record for record in records if name in record.scores]
    sign = 1 if worst else -1
    known.sort(
        key=lambda r: (sign * r.scores[name].iou, r.set_name, r.image, r.index)  # ties by name
    )
    return spread_over_sets(known, count, most_of_a_set)


def draw_answer(example: Example, record: ObjectRecord, name: str) -> NDArray[np.uint8]:
    """Draw an answer over its image: the mask blue, the true outline yellow, the prompt red.

    Parameters
    ----------
    example : Example
    record : ObjectRecord
        Of one of its objects, with the mask of the score kept.
    name : str
        Which score.

    Returns
    -------
    (h, w, 3) uint8 array
        Cut to the surroundings of a small object, its longest side about `PICTURE_SIZE`.
    """
    left, top, right, bottom = _surroundings(record)
    scale = PICTURE_SIZE / max(right - left, bottom - top)
    size = max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale))
    truth = shrink_mask(example.masks[record.index], record.size)
    answer = record.mask(name)
    assert answer is not None
    found, true = (
        np.asarray(
            Image.fromarray(mask[top:bottom, left:right]).resize(size, Image.Resampling.NEAREST)
        )
        for mask in (answer, truth)
    )
    # From the image's own pixels, of which there may be more than in the frame of scoring.
    own = example.image.shape[1] / record.size[1], example.image.shape[0] / record.size[0]
    window = (left * own[0], top * own[1], right * own[0], bottom * own[1])
    picture = Image.fromarray(example.image).resize(size, Image.Resampling.BILINEAR, box=window)
    pixels = np.asarray(picture).astype(np.float64)
    pixels[found] = 0.5 * pixels[found] + 0.5 * _ANSWER
    for mask, colour in ((found, _ANSWER), (true, _TRUTH)):
        rows, cols = boundary_of(mask).T
        pixels[rows, cols] = colour
    drawn = Image.fromarray(pixels.astype(np.uint8))
    pen = ImageDraw.Draw(drawn)
    if name == "box" or name in BOX_BASELINES:
        x0, y0, x1, y1 = record.box
        corners = [(x0 - left) * scale, (y0 - top) * scale]
        corners += [(x1 + 1 - left) * scale, (y1 + 1 - top) * scale]
        pen.rectangle(corners, outline=_PROMPT)
    else:
        x, y = (record.click.x + 0.5 - left) * scale, (record.click.y + 0.5 - top) * scale
        pen.ellipse((x - 4, y - 4, x + 4, y + 4), fill=_PROMPT, outline=(255, 255, 255))
    return np.asarray(drawn)


def draw_everything(example: Example, masks: MaskSet) -> NDArray[np.uint8]:
    """Draw all masks found in an image, each in a colour of its own, true outlines yellow.

    Parameters
    ----------
    example : Example
    masks : MaskSet
        What was found in it.

    Returns
    -------
    (h, w, 3) uint8 array
        The whole image, its longest side `WHOLE_SIZE`.
    """
    height, width = example.image.shape[:2]
    scale = WHOLE_SIZE / max(height, width)
    size = max(1, round(height * scale)), max(1, round(width * scale))
    picture = Image.fromarray(example.image).resize(size[::-1], Image.Resampling.BILINEAR)
    drawn = overlay(np.asarray(picture), shrink_mask(masks.to_labels(), size))
    for mask in example.masks:
        rows, cols = boundary_of(shrink_mask(mask, size)).T
        drawn[rows, cols] = _TRUTH
    return drawn


def _surroundings(record: ObjectRecord) -> tuple[int, int, int, int]:
    """What is shown, as first and one past last column and row: thrice the object, or more."""
    height, width = record.size
    x0, y0, x1, y1 = record.box
    side = max(3 * (x1 - x0 + 1), 3 * (y1 - y0 + 1), round(0.4 * max(height, width)))
    columns, rows = min(width, side), min(height, side)
    left = min(max((x0 + x1 + 1 - columns) // 2, 0), width - columns)
    top = min(max((y0 + y1 + 1 - rows) // 2, 0), height - rows)
    return left, top, left + columns, top + rows


def as_data_url(picture: NDArray[np.uint8]) -> str:
    """A picture as text that a page can hold, so that a report is a single file."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
