"""How well edges agree with the boundaries of true masks: ODS, OIS and AP.

The protocol is that of the Berkeley segmentation benchmark (Arbelaez et al. 2011, section 3.1):
edges are cut off at many thresholds and thinned, and each edge pixel may be matched with one true
one that is near. With one annotation of each image, as here, a found pixel is right if it is
matched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import maximum_bipartite_matching
from scipy.spatial import cKDTree
from skimage.color import rgb2gray
from skimage.feature import canny
from skimage.morphology import skeletonize

from anymask.datasets.types import Example
from anymask.predict.edges import thinned

THRESHOLDS = np.linspace(0, 1, 33)[1:-1]
"""Strengths at which edges are cut off."""

# How far apart matched pixels may be, as a fraction of the image's diagonal.
_NEAR = 0.0075
Edges = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


def sobel_edges(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the thinned gradient of an image's brightness, from 0 to 1."""
    grey = ndimage.gaussian_filter(rgb2gray(image), 1.5)
    strength = np.hypot(ndimage.sobel(grey, 0), ndimage.sobel(grey, 1)).astype(np.float32)
    return thinned(strength / max(float(strength.max()), 1e-9))


def canny_edges(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the highest threshold, from 0 to 1, at which Canny's detector finds each pixel."""
    grey = rgb2gray(image)
    found = np.zeros(grey.shape, np.float32)
    for threshold in THRESHOLDS:
        # Of a gradient of 0 to 1; an edge goes on down to four tenths of the threshold.
        high = 0.4 * float(threshold)
        edges = canny(grey, 2.0, low_threshold=0.4 * high, high_threshold=high)
        found[edges] = threshold
    return found


EDGE_BASELINES: dict[str, Edges] = {"Canny": canny_edges, "Sobel": sobel_edges}
"""Ways to find edges without a network."""


@dataclass(frozen=True)
class EdgeFigures:
    """Agreement of edges with boundaries.

    Attributes
    ----------
    ods : float
        The best F at one threshold for all images.
    ois : float
        F with the best threshold of each image.
    ap : float
        Area under the curve of precision over recall.
    """

    ods: float
    ois: float
    ap: float


def boundaries_of(example: Example) -> NDArray[np.bool_]:
    """Return where the masks of an example end, one pixel wide, (H, W)."""
    size = example.image.shape[:2]
    found = np.zeros(size, bool)
    for mask in example.masks:
        padded = np.pad(np.asarray(mask, bool), 1, mode="edge")
        rows = padded[:-2, 1:-1] & padded[2:, 1:-1]
        found |= padded[1:-1, 1:-1] & ~(rows & padded[1:-1, :-2] & padded[1:-1, 2:])
    thin: NDArray[np.bool_] = skeletonize(found)
    return thin


def edge_figures(examples: Iterable[Example], edges: Edges) -> EdgeFigures:
    """Compare the edges that a function finds with the boundaries of the masks.

    Parameters
    ----------
    examples : iterable of Example
        Whose labels cover the image; edges of what is not labelled count as wrong.
    edges : callable
        Returns strengths from 0 to 1 for an (H, W, 3) uint8 image.
    """
    counts = [_counts(edges(example.image), boundaries_of(example)) for example in examples]
    if not counts:
        return EdgeFigures(*[float("nan")] * 3)
    each = np.stack(counts)  # (images, thresholds, 3)
    precision, recall = _rates(each.sum(0))
    best = np.array([_f(*_rates(image)).argmax() for image in each])
    chosen = each[np.arange(len(each)), best].sum(0)
    return EdgeFigures(
        float(_f(precision, recall).max()),
        float(_f(*_rates(chosen[None])).max()),
        _area(precision, recall),
    )


def matched(found: NDArray[np.bool_], true: NDArray[np.bool_]) -> int:
    """Return the largest number of pairs of a found and a true pixel that are near.

    Examples
    --------
    >>> true = np.zeros((60, 80), bool)
    >>> true[:, 40] = True
    >>> matched(np.roll(true, 0, 1), true), matched(np.roll(true, 5, 1), true)
    (60, 0)
    """
    places = [np.argwhere(pixels) for pixels in (found, true)]
    if not (len(places[0]) and len(places[1])):
        return 0
    reach = _NEAR * float(np.hypot(*found.shape))
    near = cKDTree(places[0]).sparse_distance_matrix(
        cKDTree(places[1]), reach, output_type="coo_matrix"
    )
    graph = csr_matrix((np.ones(near.nnz, np.int8), (near.row, near.col)), near.shape)
    return int((maximum_bipartite_matching(graph, perm_type="column") >= 0).sum())


def _counts(edges: NDArray[np.float32], true: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Matched, found and true pixels at each threshold, (thresholds, 3)."""
    rows = []
    for threshold in THRESHOLDS:
        found = skeletonize(edges >= threshold)
        rows.append((matched(found, true), int(found.sum()), int(true.sum())))
    return np.array(rows, np.int64)


def _rates(counts: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    right, found, true = np.moveaxis(counts.astype(np.float64), -1, 0)
    return right / np.maximum(found, 1), right / np.maximum(true, 1)


def _f(precision: NDArray[np.float64], recall: NDArray[np.float64]) -> NDArray[np.float64]:
    best: NDArray[np.float64] = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return best


def _area(precision: NDArray[np.float64], recall: NDArray[np.float64]) -> float:
    """Mean over 101 recalls of the precision there; 0 where no threshold reaches a recall."""
    order = np.argsort(recall, kind="stable")
    at = np.linspace(0, 1, 101)
    return float(np.interp(at, recall[order], precision[order], right=0.0).mean())
