"""Images for pages: which answers are shown, and how they are drawn over their images."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from anymask.datasets.types import Example
from anymask.evaluation.baselines import BOX_BASELINES
from anymask.evaluation.class_maps import ClassMapRecord, true_masks
from anymask.evaluation.metrics import boundary_of
from anymask.evaluation.records import ObjectRecord, shrink_mask, spread_over_sets
from anymask.masks.mask_set import MaskSet
from anymask.painting import overlay

Find = Callable[[str, str], Example]
"""From the names of a set and of an image to the example."""
Pair = tuple[ObjectRecord, ObjectRecord]
"""The answers of two models to the same prompts."""

PICTURED = ("click1_predicted", "box")
"""Scores whose answers are shown, if their masks were kept."""

PICTURE_SIZE = 320
WHOLE_SIZE = 480
_GAP = 6  # white pixels between two images side by side
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
        Which score; records without it are ignored.
    count : int
    worst : bool
        The lowest rather than the highest.
    most_of_a_set : int
        At most this many of one set, or one hard set would fill the page.
    """
    known = [record for record in records if name in record.scores]
    sign = 1 if worst else -1
    known.sort(
        key=lambda r: (sign * r.scores[name].iou, r.set_name, r.image, r.index)  # ties by name
    )
    return spread_over_sets(known, count, most_of_a_set)


def most_changed(pairs: Sequence[Pair], name: str, count: int) -> list[Pair]:
    """Choose the objects whose IoU changed most, for better or worse."""
    changed = [p for p in pairs if p[0].scores[name].iou != p[1].scores[name].iou]
    changed.sort(
        key=lambda p: (
            -abs(p[1].scores[name].iou - p[0].scores[name].iou),
            (p[1].set_name, p[1].image, p[1].index),
        )
    )
    return changed[:count]


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


def draw_pair(example: Example, pair: Pair, name: str) -> NDArray[np.uint8]:
    """Draw the answers of two models to one prompt side by side, (h, 2·w + gap, 3) uint8."""
    return _side_by_side([draw_answer(example, record, name) for record in pair])


def draw_maps(
    example: Example, records: Sequence[ClassMapRecord], numbers: Mapping[int, int], classes: int
) -> NDArray[np.uint8]:
    """Draw an image, its true classes and maps of them side by side.

    Parameters
    ----------
    example : Example
    records : sequence of ClassMapRecord
        Maps of it.
    numbers : mapping
        From the class ids of the example to those of the maps; see `class_numbers`.
    classes : int

    Returns
    -------
    (h, w, 3) uint8 array
    """
    masks = true_masks(example, numbers, classes)
    truth = np.zeros(masks.shape[1:], records[0].labels.dtype)
    for number, mask in enumerate(masks, start=1):
        truth[mask] = number
    height, width = records[0].labels.shape
    image = Image.fromarray(example.image).resize((width, height), Image.Resampling.BILINEAR)
    small = Image.fromarray(truth).resize((width, height), Image.Resampling.NEAREST)
    plain = np.asarray(image)
    maps = (np.asarray(small), *(record.labels for record in records))
    return _side_by_side([plain, *(overlay(plain, labels) for labels in maps)])


def _side_by_side(images: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    gap = np.full((len(images[0]), _GAP, 3), 255, np.uint8)
    row = [part for image in images for part in (gap, image)]
    return np.concatenate(row[1:], 1)


def _surroundings(record: ObjectRecord) -> tuple[int, int, int, int]:
    """Return the shown window, XYXY with the ends excluded: three times the object, or more."""
    height, width = record.size
    x0, y0, x1, y1 = record.box
    side = max(3 * (x1 - x0 + 1), 3 * (y1 - y0 + 1), round(0.4 * max(height, width)))
    columns, rows = min(width, side), min(height, side)
    left = min(max((x0 + x1 + 1 - columns) // 2, 0), width - columns)
    top = min(max((y0 + y1 + 1 - rows) // 2, 0), height - rows)
    return left, top, left + columns, top + rows


def as_data_url(image: NDArray[np.uint8]) -> str:
    """Return an image as text that a page can hold, so that the page is a single file."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=85)
    return data_url(buffer.getvalue(), "jpeg")


def data_url(content: bytes, kind: str) -> str:
    """Return the content of an image file of a kind, such as "png", as a data URL."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"
