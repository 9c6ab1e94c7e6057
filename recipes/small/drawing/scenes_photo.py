"""Real objects cut from photographs and pasted onto others, with the labels of both."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from recipes.small.drawing.canvas import Canvas, Patch

_MIN_OBJECT_PIXELS = 200


def draw_pasted(canvas: Canvas) -> None:
    """Draw cut-outs on a photograph, matched in colour, with soft edges and shadows.

    The visible part of the background keeps its own labels. Needs photographs.
    """
    photos = canvas.photos
    assert photos is not None  # `draw_scene` draws this family with photographs only.
    rng, size = canvas.rng, canvas.size
    picture, labels = _view(rng, *photos.photo(rng), size)
    canvas.image[:] = picture
    _keep_labels(canvas, labels)
    light = rng.uniform(0, 2 * np.pi)
    shadow = float(rng.uniform(0.2, 0.6)) if rng.random() < 0.5 else 0.0
    wanted = int(rng.integers(1, 7))
    # Several cut-outs per photograph, because decoding photographs is slow.
    while wanted > 0:
        source, regions = photos.photo(rng)
        found = _objects(rng, regions)
        if not found and rng.random() < 0.5:
            break
        for label in found[:wanted]:
            wanted -= 1
            for _ in range(1 if rng.random() < 0.8 else int(rng.integers(2, 5))):
                cut = _cut(rng, source, regions == label, size)
                if cut is None:
                    continue
                colours, patch = cut
                blend = _matched(rng, colours, canvas.image[patch.window])
                if shadow:
                    reach = 0.08 * max(patch.alpha.shape)
                    offset = (reach * np.cos(light), reach * np.sin(light))
                    canvas.shadow(patch, offset, 0.7 * reach, shadow)
                canvas.paint(patch, blend, contrast=0.0)
        if wanted and rng.random() < 0.4:
            break


def _view(
    rng: np.random.Generator,
    picture: NDArray[np.uint8],
    labels: NDArray[np.uint16],
    size: int,
) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
    """Crop a photograph to about a square, mirror it sometimes, and fit it to the canvas."""
    h, w = labels.shape
    side = min(h, w) * rng.uniform(0.6, 1.0)
    ch = int(np.clip(side * np.exp(rng.normal(0, 0.1)), 8, h))
    cw = int(np.clip(side, 8, w))
    y, x = int(rng.integers(0, h - ch + 1)), int(rng.integers(0, w - cw + 1))
    step = -1 if rng.random() < 0.5 else 1
    picture, labels = picture[y : y + ch, x : x + cw], labels[y : y + ch, x : x + cw]
    picture = np.ascontiguousarray(picture[:, ::step])
    labels = np.ascontiguousarray(labels[:, ::step])
    way = cv2.INTER_AREA if size < min(ch, cw) else cv2.INTER_LINEAR
    return (
        cv2.resize(picture, (size, size), interpolation=way),
        cv2.resize(labels, (size, size), interpolation=cv2.INTER_NEAREST),
    )


def _keep_labels(canvas: Canvas, labels: NDArray[np.uint16]) -> None:
    counts = np.bincount(labels.ravel())
    counts[0] = 0
    renumber = np.zeros(len(counts), np.uint16)
    for label in np.flatnonzero(counts):
        renumber[label] = canvas.new_region()
    canvas.labels[:] = renumber[labels]


def _objects(rng: np.random.Generator, labels: NDArray[np.uint16]) -> list[int]:
    """Return labels suitable for cutting out, in random order: large, but not the whole image."""
    counts = np.bincount(labels.ravel())
    counts[0] = 0
    fitting = np.flatnonzero((counts > _MIN_OBJECT_PIXELS) & (counts < 0.6 * labels.size))
    return [int(v) for v in rng.permutation(fitting)]


def _cut(
    rng: np.random.Generator, picture: NDArray[np.uint8], mask: NDArray[np.bool_], size: int
) -> tuple[NDArray[np.float32], Patch] | None:
    """Cut an object, scale, rotate and mirror it; return its colours and its patch."""
    x, y, w, h = cv2.boundingRect(mask.astype(np.uint8))
    target = size * np.exp(rng.uniform(np.log(0.1), np.log(0.85)))
    scale = min(target / max(w, h), 2.5)
    angle = rng.normal(0, 12) if rng.random() < 0.5 else 0.0
    flip = -1.0 if rng.random() < 0.5 else 1.0
    crop, alpha = picture[y : y + h, x : x + w], mask[y : y + h, x : x + w].astype(np.uint8) * 255
    if scale < 0.5:
        small = (max(2, int(w * scale * 1.5)), max(2, int(h * scale * 1.5)))
        crop = cv2.resize(crop, small, interpolation=cv2.INTER_AREA)
        alpha = cv2.resize(alpha, small, interpolation=cv2.INTER_AREA)
        scale *= w / small[0]
        w, h = small
    c, s = scale * np.cos(np.radians(angle)), scale * np.sin(np.radians(angle))
    centre = rng.uniform(0.05, 0.95, 2) * size
    m = np.array([[c * flip, -s, 0.0], [s * flip, c, 0.0]])
    m[:, 2] = centre - m[:, :2] @ (w / 2, h / 2)
    corners = np.array([[0, 0], [w, 0], [0, h], [w, h]]) @ m[:, :2].T + m[:, 2]
    x0, y0 = np.maximum(np.floor(corners.min(0)) - 1, 0).astype(int)
    x1, y1 = np.minimum(np.ceil(corners.max(0)) + 2, size).astype(int)
    if x1 - x0 < 6 or y1 - y0 < 6:
        return None
    m[:, 2] -= (x0, y0)
    box = (int(x1 - x0), int(y1 - y0))
    # Pixels next to the object show through its soft edge, so keep the photograph around it.
    colours = cv2.warpAffine(crop, m, box, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    cover = cv2.warpAffine(alpha, m, box, flags=cv2.INTER_LINEAR)
    cover = cv2.GaussianBlur(cover, (0, 0), float(rng.uniform(0.4, 1.2)))
    if np.count_nonzero(cover > 127) < 20:
        return None
    return colours.astype(np.float32), Patch(int(y0), int(x0), cover)


def _matched(
    rng: np.random.Generator, colours: NDArray[np.float32], below: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Shift an object's colours part of the way towards those of its new surroundings."""
    share = np.float32(rng.uniform(0, 0.5))
    mine, theirs = colours.mean((0, 1)), below.mean((0, 1))
    return (colours - mine) * np.float32(rng.uniform(0.8, 1.15)) + mine + share * (theirs - mine)
