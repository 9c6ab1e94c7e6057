"""The canvas: an image and its label map, painted together.

Everything is painted through a `Patch`, the coverage of a shape inside its bounding box. Colours
are blended by coverage, and labels are set where coverage is above one half. The edge of a label is
therefore the visible edge, however soft it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from recipes.small.drawing.scene import PhotoSource, Scene

Colours = Callable[[int, int], NDArray[np.float32]] | NDArray[np.floating] | float
"""A surface, the colours of a patch h×w×3, or one colour (RGB or grey)."""

KEEP_LABELS = -1
NO_REGION = 0
MIN_REGION_PIXELS = 12
"""Regions with fewer visible pixels become background."""

_MAX_PHOTOS = 3


class Patch(NamedTuple):
    """Coverage of a shape: ``alpha`` (``uint8`` h×w, 255 = inside), its corner on the canvas."""

    top: int
    left: int
    alpha: NDArray[np.uint8]

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the canvas under the patch."""
        h, w = self.alpha.shape
        return slice(self.top, self.top + h), slice(self.left, self.left + w)


def merge(patches: list[Patch]) -> Patch:
    """Return the union of patches (at least one)."""
    top, left = min(p.top for p in patches), min(p.left for p in patches)
    bottom = max(p.top + p.alpha.shape[0] for p in patches)
    right = max(p.left + p.alpha.shape[1] for p in patches)
    alpha = np.zeros((bottom - top, right - left), np.uint8)
    for p in patches:
        h, w = p.alpha.shape
        y, x = p.top - top, p.left - left
        view = alpha[y : y + h, x : x + w]
        np.maximum(view, p.alpha, out=view)
    return Patch(top, left, alpha)


def intersect(part: Patch, whole: Patch) -> Patch | None:
    """Return the part of a patch that lies inside another, or None if they do not overlap."""
    top, left = max(part.top, whole.top), max(part.left, whole.left)
    bottom = min(part.top + part.alpha.shape[0], whole.top + whole.alpha.shape[0])
    right = min(part.left + part.alpha.shape[1], whole.left + whole.alpha.shape[1])
    if bottom - top < 2 or right - left < 2:
        return None
    a = part.alpha[top - part.top : bottom - part.top, left - part.left : right - part.left]
    b = whole.alpha[top - whole.top : bottom - whole.top, left - whole.left : right - whole.left]
    alpha = np.minimum(a, b)
    return Patch(top, left, alpha) if alpha.max() > 127 else None


def soften(patch: Patch, sigma: float, size: int) -> Patch:
    """Blur the edge of a patch by ``sigma`` pixels, and enlarge its box to contain the blur."""
    if sigma < 0.2:
        return patch
    grow = int(2 * sigma) + 1
    h, w = patch.alpha.shape
    top, left = max(0, patch.top - grow), max(0, patch.left - grow)
    bottom, right = min(size, patch.top + h + grow), min(size, patch.left + w + grow)
    alpha = cv2.copyMakeBorder(
        patch.alpha,
        patch.top - top,
        bottom - patch.top - h,
        patch.left - left,
        right - patch.left - w,
        cv2.BORDER_CONSTANT,
        value=0,
    )
    # A shape cut by the canvas continues outside it, so that side must not fade.
    return Patch(top, left, cv2.GaussianBlur(alpha, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE))


class Canvas:
    """An image being drawn, its regions, and the groups they belong to.

    Parameters
    ----------
    size
        Side S of the square image in pixels.
    rng
        The only source of randomness.
    photos
        Real images for textures and cut-outs, or None.

    Attributes
    ----------
    image
        ``float32`` array S×S×3, RGB, 0–255 (may overshoot until the scene is made).
    labels
        ``uint16`` array S×S.
    min_contrast
        Smallest difference, in grey levels, between the mean colour of a new region and of what it
        covers; closer colours are pushed apart.
    """

    def __init__(self, size: int, rng: np.random.Generator, photos: PhotoSource | None) -> None:
        self.size = size
        self.rng = rng
        self.photos = photos
        self.image = np.zeros((size, size, 3), np.float32)
        self.labels = np.zeros((size, size), np.uint16)
        self.min_contrast = float(rng.choice([12.0, 22.0, 35.0]))
        self._parents = [0]
        self._groups = 0
        self._photo_pool: list[NDArray[np.uint8]] = []

    def photo(self) -> NDArray[np.uint8] | None:
        """Return a real image (``uint8`` h×w×3), one of a few chosen for this scene, or None."""
        if self.photos is None:
            return None
        pick = int(self.rng.integers(_MAX_PHOTOS))
        if pick >= len(self._photo_pool):
            self._photo_pool.append(self.photos.photo(self.rng)[0])
            pick = -1
        return self._photo_pool[pick]

    def new_group(self) -> int:
        """Open a group and return its number."""
        self._groups += 1
        return self._groups

    def new_region(self, group: int = 0) -> int:
        """Open a region, in a group or in none (0), and return its label."""
        self._parents.append(group)
        return len(self._parents) - 1

    def paint(
        self,
        patch: Patch | None,
        colours: Colours,
        *,
        region: int | None = None,
        group: int = 0,
        soft: float = 0.0,
        opacity: float = 1.0,
        contrast: float | None = None,
    ) -> int:
        """Paint a patch and label it.

        Parameters
        ----------
        patch
            Where to paint; None (a shape outside the canvas) paints nothing.
        colours
            A function ``colours(h, w)`` returning the ``float32`` h×w×3 colours of the patch's
            box, those colours themselves (then ``soft`` must be 0), or one RGB or grey colour.
        region
            Label to set; None opens a new region, `NO_REGION` sets background, and `KEEP_LABELS`
            leaves the labels as they are.
        group
            Group of the new region.
        soft
            Blur of the edge in pixels.
        opacity
            Maximum weight of the new colours, 0–1.
        contrast
            Replaces the canvas's ``min_contrast``; 0 uses the colours unchanged.

        Returns
        -------
        int
            The label; 0 if nothing new was labelled.
        """
        if patch is None:
            return 0
        patch = soften(patch, soft, self.size)
        h, w = patch.alpha.shape
        window = patch.window
        below = self.image[window]
        fill: NDArray[np.float32]
        if callable(colours):
            fill = colours(h, w)
        else:
            fill = np.broadcast_to(colours, (h, w, 3)).astype(np.float32)
        alpha = cv2.multiply(patch.alpha, opacity / 255.0, dtype=cv2.CV_32F)[..., None]
        contrast = self.min_contrast if contrast is None else contrast
        if contrast and region is None:
            fill = self._push_apart(fill, below, alpha, contrast)
        fill -= below
        fill *= alpha
        below += fill
        if region == KEEP_LABELS:
            return 0
        if region is None:
            region = self.new_region(group)
        self.labels[window][patch.alpha > 127] = region
        return region

    def shadow(
        self, patch: Patch | None, offset: tuple[float, float], blur: float, dark: float
    ) -> None:
        """Darken the image under a patch moved by ``offset`` (x, y) and blurred; keep labels."""
        if patch is None:
            return
        grow = int(2 * blur) + 1
        top, left = patch.top + int(offset[1]) - grow, patch.left + int(offset[0]) - grow
        alpha = cv2.copyMakeBorder(
            patch.alpha, grow, grow, grow, grow, cv2.BORDER_CONSTANT, value=0
        )
        y, x = max(0, -top), max(0, -left)
        alpha = alpha[y : max(y, self.size - top), x : max(x, self.size - left)]
        if alpha.size == 0:
            return
        alpha = cv2.blur(cv2.blur(alpha, (grow, grow)), (grow, grow))
        below = self.image[Patch(top + y, left + x, alpha).window]
        below *= 1 - cv2.multiply(alpha, dark / 255.0, dtype=cv2.CV_32F)[..., None]

    def outline(self, patch: Patch | None, colour: NDArray[np.float32], width: float) -> None:
        """Draw the outline of a patch on its inner side, so that the region's edge is unchanged."""
        if patch is None:
            return
        k = 2 * round(width) + 1
        inner = cv2.erode(patch.alpha, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (k, k)))
        rim = patch.alpha - inner
        self.paint(
            Patch(patch.top, patch.left, rim),
            colour,
            region=KEEP_LABELS,
        )

    def scene(self) -> Scene:
        """Return the finished scene: colours clipped to 0–255, ids renumbered, specks removed."""
        counts = np.bincount(self.labels.ravel(), minlength=len(self._parents))
        counts[0] = 0
        kept = np.flatnonzero(counts >= MIN_REGION_PIXELS)
        renumber = np.zeros(len(counts), np.uint16)
        renumber[kept] = np.arange(1, len(kept) + 1)
        parents = np.array(self._parents)[kept]
        members = np.bincount(parents, minlength=self._groups + 1)
        members[0] = 0
        wholes = np.flatnonzero(members >= 2)
        regroup = np.zeros(self._groups + 1, np.uint16)
        regroup[wholes] = np.arange(1, len(wholes) + 1)
        return Scene(
            np.clip(self.image, 0, 255).astype(np.uint8),
            renumber[self.labels],
            np.concatenate([np.zeros(1, np.uint16), regroup[parents]]),
        )

    def _push_apart(
        self,
        fill: NDArray[np.float32],
        below: NDArray[np.float32],
        alpha: NDArray[np.float32],
        contrast: float,
    ) -> NDArray[np.float32]:
        # A coarse grid of samples is enough for the mean colour.
        step = max(1, min(alpha.shape[:2]) // 8)
        weight = alpha[::step, ::step] + 1e-6
        total = float(weight.sum())
        new = (fill[::step, ::step] * weight).sum((0, 1)) / total
        old = (below[::step, ::step] * weight).sum((0, 1)) / total
        gap = new - old
        distance = float(np.sqrt((gap * gap).sum() / 3))
        if distance >= contrast:
            return fill
        wanted = old + gap * (contrast / max(distance, 1e-3))
        if distance < 3 or wanted.min() < 0 or wanted.max() > 255:
            # If nearly equal, or at the limit on that side, move towards the side with room.
            wanted = old + (contrast if old.mean() < 128 else -contrast)
        fill += (wanted - new).astype(np.float32)
        return fill
