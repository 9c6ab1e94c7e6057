"""The data engine: a model's own confident masks as further targets.

In most photographs only some objects are labelled, and what is not is never asked for. A model
that is already decent finds more: "everything" is run over the images of a cache, and masks that
it is sure of, that are stable and that lie where nothing is labelled are added to the label maps
(arXiv 2304.02643, section 4, the automatic stage).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from anymask.errors import ImageError
from anymask.masks.mask_set import MaskSet
from anymask.model.config import EverythingConfig
from anymask.model.sam import Sam
from anymask.predict.automatic import SamAutomaticMaskGenerator
from anymask.training.pretrain.cache import (
    LARGEST_ID,
    CacheWriter,
    ImageCache,
    Source,
    key_of,
    open_cache,
)

SURE = EverythingConfig(
    pred_iou_thresh=0.65,
    stability_score_thresh=0.75,
    stability_score_offset=0.6,
    box_nms_thresh=0.5,
    min_mask_region_area=100,
    nms_by="mask",
)
"""What makes a mask of the shipped model a target."""

# In sets of these kinds an unlabelled pixel may be part of an object.
_SPARSE_KINDS = frozenset({"instances", "parts", "semantic"})
_MOST_ON_LABELS = 0.1  # of a new mask's pixels
_LARGEST = 0.5  # of the image: larger masks are mostly background
_RIM = 3  # steps round a label that annotators often leave out: a mask of these is no object


def sparse_sets(sources: list[Source]) -> set[str]:
    """Names of the sets whose `set.json` says that they are not labelled throughout.

    Of several sets of one name all must say so.

    Raises
    ------
    ImageError
        If a `set.json` cannot be read.
    """
    kinds: dict[str, set[bool]] = {}
    for name, folder in {(source.set_name, source.folder) for source in sources}:
        kinds.setdefault(name, set()).add(_kind(folder / "set.json") in _SPARSE_KINDS)
    return {name for name, sparse in kinds.items() if sparse == {True}}


def _kind(path: Path) -> str:
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["kind"])
    except (KeyError, TypeError):
        return ""
    except (OSError, ValueError) as error:
        raise ImageError(
            f"{path} cannot be read ({error}); write into it what the set is, at least {{}}."
        ) from error


def add_own_masks(
    cache: ImageCache,
    sam: Sam,
    folder: Path,
    *,
    sets: set[str],
    thresholds: EverythingConfig = SURE,
    points_per_side: int = 16,
    report: Callable[[str], None] = print,
) -> ImageCache:
    """Copy a cache, with masks that a model finds in images of some sets added to the labels.

    Parameters
    ----------
    cache : ImageCache
    sam : Sam
    folder : Path
        Where the copy is written; one that is there already of the same cache, sets and
        thresholds is opened instead. Copies by other models belong into other folders.
    sets : set of str
        Sets whose unlabelled pixels may be objects.
    thresholds : EverythingConfig
        How sure of a mask the model must be.
    points_per_side : int
    report : callable
        Takes lines to read.

    Returns
    -------
    ImageCache
        The same images in the same order.
    """
    rules = (_RIM, _MOST_ON_LABELS, _LARGEST)
    key = key_of("own", cache.key, sorted(sets), asdict(thresholds), points_per_side, rules)
    grown = open_cache(folder, key)
    if grown is not None:
        return grown
    generator = SamAutomaticMaskGenerator(
        sam,
        points_per_side,
        pred_iou_thresh=thresholds.pred_iou_thresh,
        stability_score_thresh=thresholds.stability_score_thresh,
        stability_score_offset=thresholds.stability_score_offset,
        box_nms_thresh=thresholds.box_nms_thresh,
        nms_by=thresholds.nms_by,
        min_mask_region_area=thresholds.min_mask_region_area,
        max_mask_share=thresholds.max_mask_share,
    )
    writer = CacheWriter(folder, len(cache))
    images = added = 0
    for i, set_name in enumerate(cache.set_names):
        h, w = cache.sizes[i]
        image, labels = cache.images[i, :h, :w], np.array(cache.labels[i, :h, :w])
        parents = cache.parents[i]
        if set_name in sets:
            before = int(labels.max())
            labels = with_masks(labels, generator.generate_masks(np.ascontiguousarray(image)))
            # A new region belongs to no group.
            parents = np.append(parents, np.zeros(int(labels.max()) + 1 - len(parents), np.int64))
            images, added = images + 1, added + int(labels.max()) - before
            if images % 100 == 0:
                report(f"{images} images searched, {added / images:.2f} masks added an image")
        writer.append(image, labels, parents, set_name)
    report(f"{images} images searched, {added} masks added")
    return writer.finish(key)


def with_masks(labels: NDArray[np.uint16], found: MaskSet) -> NDArray[np.uint16]:
    """Add masks to a label map where nothing is labelled, the surest first.

    Parameters
    ----------
    labels : (H, W) uint16 array
    found : MaskSet
        A mask is left out if more than a tenth of it is labelled already, by the set or by a
        surer mask, if more than half of it lies on what the set labels or within three steps of
        it, or if it covers over half of the image.

    Returns
    -------
    (H, W) uint16 array
        New regions have the ids above the largest one.
    """
    near = binary_dilation(labels > 0, iterations=_RIM)
    labels = labels.copy()
    for index in np.argsort(-np.asarray(found.predicted_iou), kind="stable"):
        mask = found[int(index)]
        area = np.count_nonzero(mask)
        free = mask & (labels == 0)
        if (
            area > _LARGEST * mask.size
            or np.count_nonzero(free) < (1 - _MOST_ON_LABELS) * area
            or np.count_nonzero(mask & near) > area / 2
            or int(labels.max()) == LARGEST_ID
        ):
            continue
        labels[free] = int(labels.max()) + 1
    return labels
