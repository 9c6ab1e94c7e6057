"""MaskSet: all masks of one image with their scores, stored as run lengths."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.errors import AnymaskError
from anymask.masks import coco, rle
from anymask.masks.boxes import extents
from anymask.masks.columns import (
    check_length,
    checked_ids,
    filled,
    joined_class_names,
    joined_ids,
    joined_likeness,
)
from anymask.masks.generator_records import (
    OutputMode,
    read_records,
    records_of_masks,
    table_of_masks,
)
from anymask.masks.labels import counts_by_label, paint_labels, stacking_ids
from anymask.wording import counted


@dataclass(frozen=True, eq=False, repr=False)
class MaskSet:
    """Masks of one image.

    A thousand masks of a large image take a few megabytes. `masks[i]` unpacks the pixels of a mask;
    everything else is computed from the run lengths.

    Parameters
    ----------
    image_size : tuple of int
        Height and width of the image.
    counts : tuple of arrays
        Run lengths of each mask, column-major, background first.
    predicted_iou, stability_score : (N,) float64 arrays
        Scores; NaN where unknown.
    point_coords : (N, 2) float64 array
        The point prompt (x, y) of each mask; NaN where unknown.
    crop_box : (N, 4) int64 array
        XYWH of the part of the image in which each mask was found.
    object_ids : (N,) int64 array, optional
        The masks' own ids: unique, at least 1. They stay the same through selections and in files.
    class_names : tuple of N str, optional
        The class of each object; "" for no class.
    likeness : (N,) float64 array, optional
        How likely each object is of the kind that examples show, from 0 to 1 (`find_alike`).

    Raises
    ------
    AnymaskError
        If two ids are equal, an id is below 1, or the length of a column differs from `counts`.

    Examples
    --------
    >>> masks = MaskSet.from_labels(np.array([[1, 1, 0], [1, 7, 7]]))
    >>> masks
    MaskSet(2 masks of an image of 3×2 pixels)
    >>> masks.areas, masks.ids
    (array([3, 2]), array([1, 7]))
    >>> masks[1].astype(int)
    array([[0, 0, 0],
           [0, 1, 1]])
    >>> len(masks.filter(min_area=3))
    1
    """

    image_size: tuple[int, int]
    counts: tuple[rle.Counts, ...]
    predicted_iou: NDArray[np.float64]
    stability_score: NDArray[np.float64]
    point_coords: NDArray[np.float64]
    crop_box: NDArray[np.int64]
    object_ids: NDArray[np.int64] | None = None
    class_names: tuple[str, ...] | None = None
    likeness: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        for name in ("predicted_iou", "stability_score", "point_coords", "crop_box"):
            check_length(name, getattr(self, name), len(self.counts))
        if self.object_ids is not None:
            object.__setattr__(self, "object_ids", checked_ids(self.object_ids, len(self.counts)))
        if self.class_names is not None:
            check_length("class_names", self.class_names, len(self.counts))
            object.__setattr__(self, "class_names", tuple(map(str, self.class_names)))
        if self.likeness is not None:
            check_length("likeness", self.likeness, len(self.counts))

    @classmethod
    def from_counts(
        cls,
        image_size: tuple[int, int],
        counts: Sequence[rle.Counts],
        *,
        predicted_iou: ArrayLike | None = None,
        stability_score: ArrayLike | None = None,
        point_coords: ArrayLike | None = None,
        crop_box: ArrayLike | None = None,
        object_ids: ArrayLike | None = None,
        class_names: Sequence[str] | None = None,
        likeness: ArrayLike | None = None,
    ) -> MaskSet:
        """Build a set from run lengths; missing scores are NaN, and the crop is the whole image."""
        height, width = image_size
        n, nan = len(counts), float("nan")
        return cls(
            (int(height), int(width)),
            tuple(counts),
            filled(predicted_iou, nan, (n,)).astype(np.float64),
            filled(stability_score, nan, (n,)).astype(np.float64),
            filled(point_coords, nan, (n, 2)).astype(np.float64),
            filled(crop_box, (0, 0, width, height), (n, 4)).astype(np.int64),
            None if object_ids is None else np.asarray(object_ids),
            None if class_names is None else tuple(class_names),
            None if likeness is None else np.asarray(likeness, np.float64),
        )

    @classmethod
    def from_masks(cls, masks: ArrayLike, **columns: Any) -> MaskSet:
        """Build a set from boolean masks.

        Parameters
        ----------
        masks : (N, H, W) bool array_like
        **columns
            Any of `predicted_iou`, `stability_score`, `point_coords`, `crop_box`, `object_ids`,
            `class_names` and `likeness`, one item per mask.

        Raises
        ------
        AnymaskError
            If the array is not a stack of boolean masks.

        Examples
        --------
        >>> stack = np.eye(3, dtype=bool)[None]
        >>> MaskSet.from_masks(stack, class_names=["diagonal"]).areas
        array([3])
        """
        stack = np.asarray(masks)
        if stack.ndim != 3 or stack.dtype != np.bool_:
            raise AnymaskError(
                f"Masks must be a boolean array (N, H, W), but this is {stack.dtype} of shape "
                f"{stack.shape}; threshold logits with '> 0' first."
            )
        size = (stack.shape[1], stack.shape[2])
        return cls.from_counts(size, [rle.counts_of(mask) for mask in stack], **columns)

    @classmethod
    def from_records(
        cls, records: Sequence[Mapping[str, Any]], image_size: tuple[int, int] | None = None
    ) -> MaskSet:
        """Build a set from records of an automatic mask generator, in any output mode.

        Parameters
        ----------
        records : sequence of dict
            Each with `segmentation`: a boolean array, run lengths or compressed run lengths;
            and, if known, `predicted_iou`, `stability_score`, `point_coords`, `crop_box`,
            `id`, `class_name`.
        image_size : tuple of int, optional
            Height and width of the image; only needed if there are no records.

        Raises
        ------
        AnymaskError
            If a segmentation cannot be read, the masks differ in size, or only some have an id.
        """
        size, counts, columns = read_records(records, image_size)
        return cls.from_counts(size, counts, **columns)

    @classmethod
    def concatenate(cls, sets: Sequence[MaskSet], image_size: tuple[int, int]) -> MaskSet:
        """Join sets of one image, in order.

        If only some of the sets have `object_ids`, the masks of the others are numbered after the
        largest id. If only some have `class_names`, the masks of the others have the class "".

        Raises
        ------
        AnymaskError
            If two sets share an id.
        """
        every = [cls.from_counts(image_size, []), *sets]
        return cls(
            image_size,
            tuple(counts for each in every for counts in each.counts),
            np.concatenate([each.predicted_iou for each in every]),
            np.concatenate([each.stability_score for each in every]),
            np.concatenate([each.point_coords for each in every]),
            np.concatenate([each.crop_box for each in every]),
            joined_ids(sets),
            joined_class_names(sets),
            joined_likeness(sets),
        )

    @classmethod
    def from_labels(cls, labels: NDArray) -> MaskSet:
        """Build a set from a label image: one mask per id, in the order of the ids.

        Parameters
        ----------
        labels : (H, W) array
            0 for background. The other values become `object_ids`: whole numbers from 1, which may
            be stored as floats.

        Raises
        ------
        AnymaskError
            If the array is not a label image.
        """
        ids, counts = counts_by_label(labels)
        return cls.from_counts((labels.shape[0], labels.shape[1]), counts, object_ids=ids)

    @classmethod
    def from_coco(cls, dataset: Mapping[str, Any], image_id: int | None = None) -> MaskSet:
        """Build a set from the annotations of one image in a COCO data set.

        Parameters
        ----------
        dataset : dict
            With `images`, `annotations` and `categories`, as `to_coco` returns it. Segmentations
            may be run lengths or polygons. The annotations' ids are kept if they are unique
            whole numbers of at least 1; otherwise masks are numbered in order.
        image_id : int, optional
            Id of the image; the first one by default.

        Raises
        ------
        AnymaskError
            If there is no such image, or an annotation cannot be read.
        """
        records, size = coco.records_of(dataset, image_id)
        return cls.from_records(records, size)

    def __repr__(self) -> str:
        height, width = self.image_size
        return f"MaskSet({counted(len(self), 'mask')} of an image of {width}×{height} pixels)"

    def __len__(self) -> int:
        return len(self.counts)

    def __getitem__(self, index: int) -> NDArray[np.bool_]:
        return rle.mask_of(self.counts[index], self.image_size)

    def __iter__(self) -> Iterator[NDArray[np.bool_]]:
        return (rle.mask_of(counts, self.image_size) for counts in self.counts)

    @property
    def rles(self) -> list[rle.Rle]:
        """Uncompressed run lengths of each mask, ready for JSON."""
        return [{"size": list(self.image_size), "counts": c.tolist()} for c in self.counts]

    @cached_property
    def areas(self) -> NDArray[np.int64]:
        """Number of pixels of each mask."""
        return np.array([rle.area_of(c) for c in self.counts], np.int64)

    @cached_property
    def boxes(self) -> NDArray[np.int64]:
        """Bounding boxes (N, 4) XYXY, inclusive; zeros for an empty mask."""
        boxes = [rle.box_of(c, self.image_size) for c in self.counts]
        return np.array(boxes, np.int64).reshape(-1, 4)

    @cached_property
    def ids(self) -> NDArray[np.int64]:
        """Id of each mask in `to_labels`, `to_table`, `to_coco` and in files.

        `object_ids` if the masks have their own. Otherwise 1 … N in order of decreasing area; among
        equal areas, the mask with the higher predicted IoU has the larger id.
        """
        if self.object_ids is not None:
            return self.object_ids
        return stacking_ids(self.areas, self.predicted_iou)

    def select(self, indices: ArrayLike) -> MaskSet:
        """Return a set with some of the masks.

        Parameters
        ----------
        indices : (K,) int or (N,) bool array_like
            Indices of the masks, in order; or for each mask whether to select it.
        """
        wanted = np.asarray(indices)
        chosen = np.arange(len(self))[wanted if wanted.size else slice(0)].reshape(-1)
        return MaskSet(
            self.image_size,
            tuple(self.counts[i] for i in chosen),
            self.predicted_iou[chosen],
            self.stability_score[chosen],
            self.point_coords[chosen],
            self.crop_box[chosen],
            None if self.object_ids is None else self.object_ids[chosen],
            None if self.class_names is None else tuple(self.class_names[i] for i in chosen),
            None if self.likeness is None else self.likeness[chosen],
        )

    def with_counts(self, counts: Sequence[rle.Counts]) -> MaskSet:
        """Return the set with other pixels but the same ids, classes and scores.

        Parameters
        ----------
        counts : sequence of N arrays
            Run lengths for the same image, one per mask.

        Raises
        ------
        AnymaskError
            If there is not one per mask.
        """
        return replace(self, counts=tuple(counts), object_ids=self.ids)

    def with_ids(self, object_ids: ArrayLike) -> MaskSet:
        """Return the same masks with these ids, which must be unique and at least 1."""
        return replace(self, object_ids=np.asarray(object_ids))

    def with_class_names(self, class_names: Sequence[str]) -> MaskSet:
        """Return the same masks with these classes, one per mask; "" for none."""
        return replace(self, class_names=tuple(class_names))

    def filter(
        self,
        *,
        min_area: float | None = None,
        max_area: float | None = None,
        min_predicted_iou: float | None = None,
        min_stability_score: float | None = None,
    ) -> MaskSet:
        """Return the masks within all given limits, limits included.

        Areas are in pixels. A mask whose score is NaN does not pass a limit on that score.
        """
        keep = np.ones(len(self), np.bool_)
        for values, low in (
            (self.areas, min_area),
            (self.predicted_iou, min_predicted_iou),
            (self.stability_score, min_stability_score),
        ):
            if low is not None:
                keep &= values >= low
        if max_area is not None:
            keep &= self.areas <= max_area
        return self.select(keep)

    def to_labels(self) -> NDArray[np.unsignedinteger]:
        """Paint all masks into one label image.

        Small masks are on top of large ones; among equally large ones, the one with the higher
        predicted IoU. A mask completely hidden by others keeps its id, so some ids may not appear
        in the image.

        Returns
        -------
        (H, W) array
            `ids`, 0 where there is no mask, in the smallest unsigned dtype that holds them.
        """
        order = np.argsort(stacking_ids(self.areas, self.predicted_iou))
        return paint_labels(self.counts, self.ids, self.image_size, order)

    def to_records(self, output_mode: OutputMode = "binary_mask") -> list[dict[str, Any]]:
        """Return the records of Segment Anything's automatic mask generator, in order.

        Parameters
        ----------
        output_mode : {"binary_mask", "uncompressed_rle", "coco_rle"}
            The type of `segmentation`.

        Each has `segmentation`; `area` in pixels; `bbox` XYWH, where the width is the last column
        minus the first; `predicted_iou`; `point_coords` [[x, y]]; `stability_score`; `crop_box`
        XYWH; and `id` and `class_name` and `likeness` if the masks have them.
        """
        return records_of_masks(self, output_mode)

    def to_table(self) -> list[dict[str, Any]]:
        """Return one row per mask, in the order of `ids`, as a list of dict.

        Each has `id`; `area` in pixels; `bbox` XYWH as in COCO, so that a mask of one pixel is one
        wide; `centroid` (x, y), the mean of the pixels; `predicted_iou`; `stability_score`; and
        `class_name` and `likeness` if the masks have them.
        """
        return table_of_masks(self)

    def to_coco(self, image_name: str, *, image_id: int = 1) -> dict[str, Any]:
        """Return a COCO data set of this image, ready for JSON and pycocotools.

        Parameters
        ----------
        image_name : str
            File name of the image.
        image_id : int
            Id of the image.

        Returns
        -------
        dict
            `images`, `categories` (the classes in alphabetical order, "object" for none) and
            `annotations` in the order of `ids`, each with compressed run lengths and, in addition
            to COCO's own fields, `predicted_iou`, `stability_score`, `point_coords` and `crop_box`
            (None where unknown).
        """
        order = np.argsort(self.ids)
        chosen = self.select(order)
        return coco.dataset_of(
            chosen.to_records("coco_rle"),
            self.ids[order].tolist(),
            extents(chosen.boxes, chosen.areas),
            self.image_size,
            image_name,
            image_id,
        )
