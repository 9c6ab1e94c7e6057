"""Baselines: the same prompts answered without a network.

Each baseline takes the image and the prompt in the scoring frame and returns a mask. The first two
ignore the pixels. The constants are common practice and were not tuned on any data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from anymask.datasets.types import Example
from anymask.errors import AnymaskError
from anymask.evaluation.records import (
    SCORE_SIZE,
    ObjectRecord,
    Target,
    record_of,
    score,
    scored_size,
    targets_of,
)
from anymask.evaluation.simulated_clicks import Click
from anymask.masks.rle import check_mask

Rgb = NDArray[np.uint8]
Mask = NDArray[np.bool_]

# Radius of the click, and of the area around it that is probably object, as fractions of the
# diagonal.
_CLICK_RADIUS = 0.01
_NEAR_RADIUS = 0.12
_GRABCUT_ROUNDS = 5
# Largest difference in CIELAB from the clicked colour that looks like the same colour.
_FLOOD_TOLERANCE = 12.0
# Larger images are reduced for these two methods, which would take seconds otherwise.
_GRABCUT_CLICK_SIZE = 256
_WALKER_SIZE = 192
_WALKER_BETA = 130


def filled_box(image: Rgb, target: Target) -> Mask:
    """The whole box."""
    x0, y0, x1, y1 = target.box.tolist()
    mask = np.zeros(image.shape[:2], bool)
    mask[y0 : y1 + 1, x0 : x1 + 1] = True
    return mask


def ellipse(image: Rgb, target: Target) -> Mask:
    """The ellipse inscribed in the box."""
    x0, y0, x1, y1 = target.box.tolist()
    y, x = np.ogrid[: image.shape[0], : image.shape[1]]
    # The sides of the box are the outer edges of its pixels.
    inside: Mask = (
        ((x - (x0 + x1) / 2) / ((x1 - x0 + 1) / 2)) ** 2
        + ((y - (y0 + y1) / 2) / ((y1 - y0 + 1) / 2)) ** 2
    ) <= 1
    return inside


def grabcut_box(image: Rgb, target: Target) -> Mask:
    """GrabCut (Rother et al., SIGGRAPH 2004) from the box: everything outside is background."""
    return _grabcut(image, np.where(filled_box(image, target), 3, 0).astype(np.uint8))


def grabcut_click(image: Rgb, target: Target) -> Mask:
    """GrabCut from the click and a disc of probable object around it; the clicked component."""
    small, x, y = _shrink(image, target.click, _GRABCUT_CLICK_SIZE)
    distance = _distance_to((x, y), small.shape[:2])
    diagonal = np.hypot(*small.shape[:2])
    hint = np.full(small.shape[:2], 2, np.uint8)
    hint[distance <= _NEAR_RADIUS * diagonal] = 3
    hint[distance <= max(1.0, _CLICK_RADIUS * diagonal)] = 1
    return _component_at(_enlarge(_grabcut(small, hint), image.shape[:2]), target.click)


def flood_fill(image: Rgb, target: Target) -> Mask:
    """All pixels close to the clicked colour that are connected with the click."""
    from skimage.color import rgb2lab

    lab = rgb2lab(image)
    spot = _distance_to(target.click, image.shape[:2]) <= 2
    colour = np.median(lab[spot], axis=0)
    return _component_at(
        (np.linalg.norm(lab - colour, axis=2) <= _FLOOD_TOLERANCE) | spot, target.click
    )


def random_walker(image: Rgb, target: Target) -> Mask:
    """Random walker (Grady, TPAMI 2006) between the click and the border of the image."""
    from skimage.segmentation import random_walker as walk

    small, x, y = _shrink(image, target.click, _WALKER_SIZE)
    size = small.shape[:2]
    seeds = np.zeros(size, np.int32)
    seeds[[0, -1]] = seeds[:, [0, -1]] = 2
    spot = _distance_to((x, y), size) <= max(1.0, _CLICK_RADIUS * np.hypot(*size))
    if small.std() == 0:  # no contrast, and the walker's steps are relative to it
        return _enlarge(spot, image.shape[:2])
    seeds[spot] = 1
    likely = walk(
        small.astype(np.float64) / 255,
        seeds,
        beta=_WALKER_BETA,
        mode="cg_j",
        prob_tol=1.0,  # the solver's small overshoot beyond 0 … 1 is harmless at a threshold of .5
        channel_axis=-1,
        return_full_prob=True,
    )[0]
    return _enlarge(likely, image.shape[:2])


BASELINES: dict[str, Callable[[Rgb, Target], Mask]] = {
    "filled_box": filled_box,
    "ellipse": ellipse,
    "grabcut_box": grabcut_box,
    "grabcut_click": grabcut_click,
    "flood_fill": flood_fill,
    "random_walker": random_walker,
}
"""Every baseline by its name in tables; the first three use the box, the others a click."""

BOX_BASELINES = ("filled_box", "ellipse", "grabcut_box")


def available_baselines() -> list[str]:
    """Names of the baselines whose packages are installed."""
    try:
        _opencv()
    except AnymaskError:
        return [name for name in BASELINES if not name.startswith("grabcut")]
    return list(BASELINES)


def check_baselines(names: Sequence[str]) -> None:
    """Check that baselines exist and can run.

    Raises
    ------
    AnymaskError
        If a name is unknown, or OpenCV is missing for one of them.
    """
    unknown = [name for name in names if name not in BASELINES]
    if unknown:
        raise AnymaskError(
            f"There is no baseline {unknown[0]!r}; choose from {', '.join(BASELINES)}."
        )
    if any(name.startswith("grabcut") for name in names):
        _opencv()


def evaluate_baselines(
    examples: Iterable[Example],
    names: Sequence[str] = tuple(BASELINES),
    *,
    max_objects: int | None = 3,
    score_size: int = SCORE_SIZE,
) -> list[ObjectRecord]:
    """Answer the prompts of `protocols.evaluate_interactive` with baselines.

    Parameters
    ----------
    examples : iterable of Example
    names : sequence of str
        Keys of `BASELINES`.
    max_objects, score_size
        As in `evaluate_interactive`; the same values give records of the same objects in the same
        order.

    Returns
    -------
    list of ObjectRecord
        With one score per baseline.

    Raises
    ------
    AnymaskError
        If a name is unknown, or OpenCV is missing for one of them.
    """
    check_baselines(names)
    records = []
    for example in examples:
        height, width = scored_size(example.image, score_size)
        image = example.image
        if image.shape[:2] != (height, width):
            resample = Image.Resampling.BILINEAR
            image = np.asarray(Image.fromarray(image).resize((width, height), resample))
        for target in targets_of(example, max_objects, score_size):
            record = record_of(example, target)
            for name in names:
                mask = check_mask(BASELINES[name](image, target))
                record.scores[name] = score(mask, target.mask)
            records.append(record)
    return records


def _grabcut(image: Rgb, hint: NDArray[np.uint8]) -> Mask:
    """GrabCut from a map of 0 background, 1 object, 2 probable background, 3 probable object."""
    cv2 = _opencv()
    if not (hint % 2 == 1).any() or not (hint % 2 == 0).any():
        return hint % 2 == 1  # one of the two colour models would have no pixels
    cv2.setRNGSeed(0)  # GrabCut starts with a random clustering of colours
    labels = hint.copy()
    models = np.zeros((1, 65)), np.zeros((1, 65))
    bgr = np.ascontiguousarray(image[..., ::-1])
    try:
        cv2.grabCut(bgr, labels, None, *models, _GRABCUT_ROUNDS, cv2.GC_INIT_WITH_MASK)
    except cv2.error:  # fewer pixels than GrabCut's five colours
        return hint % 2 == 1
    return labels % 2 == 1


def _opencv() -> ModuleType:
    try:
        import cv2
    except ImportError:
        raise AnymaskError(
            "The GrabCut baselines need OpenCV: install it with 'pip install anymask[train]', or "
            "choose other baselines."
        ) from None
    module: ModuleType = cv2
    return module


def _shrink(image: Rgb, click: Click, longest: int) -> tuple[Rgb, float, float]:
    """The image, reduced to at most `longest` and at least 3 pixels a side, and the click in it."""
    height, width = image.shape[:2]
    factor = min(1.0, longest / max(height, width))
    size = max(3, round(width * factor)), max(3, round(height * factor))
    small = Image.fromarray(image).resize(size, Image.Resampling.BILINEAR)
    x, y = (
        (position + 0.5) * new / old - 0.5
        for position, new, old in zip(click[:2], size, (width, height), strict=True)
    )
    return np.asarray(small), x, y


def _enlarge(likely: NDArray[Any], size: tuple[int, ...]) -> Mask:
    """The mask (H, W) of pixels where an enlarged probability map is above 0.5."""
    back = Image.fromarray(likely.astype(np.float32)).resize(
        (size[1], size[0]), Image.Resampling.BILINEAR
    )
    return np.asarray(back) > 0.5


def _distance_to(point: Click | tuple[float, float], size: Sequence[int]) -> NDArray[np.float64]:
    y, x = np.ogrid[: size[0], : size[1]]
    return np.hypot(x - point[0], y - point[1])


def _component_at(mask: Mask, click: Click) -> Mask:
    """The connected component of a mask that contains the click; empty if there is none."""
    labels, _ = ndimage.label(mask)
    here = labels[click.y, click.x]
    return (labels == here) & (here > 0)
