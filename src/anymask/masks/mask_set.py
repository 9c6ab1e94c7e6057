"""MaskSet: all masks of one picture with their scores, held as run lengths."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.errors import AnymaskError
from anymask.masks import coco, rle
from anymask.masks.boxes import extents, xyxy_to_xywh
from anymask.masks.labels import counts_by_label, paint_labels, stacking_ids

OutputMode = Literal["binary_mask", "uncompressed_rle", "coco_rle"]


@dataclass(frozen=True, eq=False, repr=False)
class MaskSet:
    """Masks of one picture.

    A thousand masks of a large picture take some megabytes. Everything but the pixels of a mask,
    which `masks[i]` unpacks, is computed from the run lengths.

    Parameters
    ----------
    image_size : tuple of int
        Height and width of the picture.
    counts : tuple of arrays
        Run lengths of each mask, column-major, background first.
    predicted_iou, stability_score : (N,) float64 arrays
        Scores; NaN where unknown.
    point_coords : (N, 2) float64 array
        The point (x, y) that each mask answers; NaN where unknown.
    crop_box : (N, 4) int64 array
        XYWH of the part of the picture in which each mask was found.

    Examples
    --------
    >>> masks = MaskSet.from_labels(np.array([[1, 1, 0], [1, 2, 2]]))
    >>> masks
    MaskSet(2 masks of a picture of 3×2 pixels)
    >>> masks.areas
    array([3, 2])
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
    ) -> MaskSet:
        """Build a set from run lengths; scores not given are NaN, the crop is the picture."""
        height, width = image_size
        n = len(counts)

        def column(values: ArrayLike | None, missing: float | Sequence[int], *item: int) -> NDArray:
            if values is None:
                return np.broadcast_to(np.asarray(missing), (n, *item))
            return np.asarray(values).reshape(n, *item)

        nan = float("nan")
        return cls(
            (int(height), int(width)),
            tuple(counts),
            column(predicted_iou, nan).astype(np.float64),
            column(stability_score, nan).astype(np.float64),
            column(point_coords, nan, 2).astype(np.float64),
            column(crop_box, (0, 0, width, height), 4).astype(np.int64),
        )

    @classmethod
    def from_records(
        cls, records: Sequence[Mapping[str, Any]], image_size: tuple[int, int] | None = None
    ) -> MaskSet:
        """Build a set from records of an automatic mask generator, of any output mode.

        Parameters
        ----------
        records : sequence of dict
            Each with `segmentation`: a boolean array, run lengths or compressed run lengths;
            and, where known, `predicted_iou`, `stability_score`, `point_coords`, `crop_box`.
        image_size : tuple of int, optional
            Height and width of the picture; needed only if there are no records.

        Raises
        ------
        AnymaskError
            If a segmentation cannot be read, or the masks are not all of one size.
        """
        if image_size is not None:
            image_size = (int(image_size[0]), int(image_size[1]))
        counts = []
        for index, record in enumerate(records):
            segmentation = record.get("segmentation")
            if isinstance(segmentation, np.ndarray):
                lengths = rle.counts_of(rle.check_mask(segmentation))
                size = (segmentation.shape[0], segmentation.shape[1])
            else:
                lengths, size = rle.read_rle(segmentation or {})
            if size != (image_size := image_size or size):
                raise AnymaskError(
                    f"Mask {index} is {size[1]}×{size[0]} pixels and the picture "
                    f"{image_size[1]}×{image_size[0]}; a MaskSet holds the masks of one picture."
                )
            counts.append(lengths)
        if image_size is None:
            raise AnymaskError(
                "A MaskSet without records does not know its picture's size; pass image_size "
                "as (height, width)."
            )
        height, width = image_size
        nan = float("nan")
        return cls.from_counts(
            image_size,
            counts,
            predicted_iou=[r.get("predicted_iou", nan) for r in records],
            stability_score=[r.get("stability_score", nan) for r in records],
            point_coords=[r.get("point_coords", [[nan, nan]])[0] for r in records],
            crop_box=[r.get("crop_box", (0, 0, width, height)) for r in records],
        )

    @classmethod
    def concatenate(cls, sets: Sequence[MaskSet], image_size: tuple[int, int]) -> MaskSet:
        """Join sets of one picture, in order."""
        every = [cls.from_counts(image_size, []), *sets]
        return cls(
            image_size,
            tuple(counts for each in every for counts in each.counts),
            np.concatenate([each.predicted_iou for each in every]),
            np.concatenate([each.stability_score for each in every]),
            np.concatenate([each.point_coords for each in every]),
            np.concatenate([each.crop_box for each in every]),
        )

    @classmethod
    def from_labels(cls, labels: NDArray) -> MaskSet:
        """Build a set from a label image: one mask for each id, in order of the ids.

        Parameters
        ----------
        labels : (H, W) array of integers
            0 for background.

        Raises
        ------
        AnymaskError
            If it is no label image.
        """
        _, counts = counts_by_label(labels)
        return cls.from_counts((labels.shape[0], labels.shape[1]), counts)

    @classmethod
    def from_coco(cls, dataset: Mapping[str, Any], image_id: int | None = None) -> MaskSet:
        """Build a set from the annotations of one picture in a COCO data set.

        Parameters
        ----------
        dataset : dict
            With `images` and `annotations`, as `to_coco` returns it. Segmentations may be run
            lengths or polygons.
        image_id : int, optional
            Which picture; the first one by default.

        Raises
        ------
        AnymaskError
            If there is no such picture, or an annotation cannot be read.
        """
        records, size = coco.records_of(dataset, image_id)
        return cls.from_records(records, size)

    def __repr__(self) -> str:
        height, width = self.image_size
        return f"MaskSet({len(self)} masks of a picture of {width}×{height} pixels)"

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
        """Pixels of each mask."""
        return np.array([rle.area_of(c) for c in self.counts], np.int64)

    @cached_property
    def boxes(self) -> NDArray[np.int64]:
        """Bounding boxes (N, 4) XYXY, inclusive; zeros for an empty mask."""
        boxes = [rle.box_of(c, self.image_size) for c in self.counts]
        return np.array(boxes, np.int64).reshape(-1, 4)

    @cached_property
    def ids(self) -> NDArray[np.int64]:
        """Id of each mask in `to_labels`, `to_table` and `to_coco`.

        1 … N in order of decreasing area; of masks with equal areas, the one with the higher
        predicted IoU has the larger id.
        """
        return stacking_ids(self.areas, self.predicted_iou)

    def select(self, indices: ArrayLike) -> MaskSet:
        """Return the set of some of the masks.

        Parameters
        ----------
        indices : (K,) int or (N,) bool array_like
            Which masks, in the order wanted; or for each whether it is.
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
        )

    def filter(
        self,
        *,
        min_area: float | None = None,
        max_area: float | None = None,
        min_predicted_iou: float | None = None,
        min_stability_score: float | None = None,
    ) -> MaskSet:
        """Return the set of the masks within all limits given, limits included.

        Parameters
        ----------
        min_area, max_area : float, optional
            In pixels.
        min_predicted_iou, min_stability_score : float, optional
            A mask whose score is NaN does not pass a limit on that score.
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

        Small masks lie on top of large ones, and of equally large ones the one with the higher
        predicted IoU is on top: a pixel holds the largest of the ids that cover it. A mask that
        others hide altogether keeps its id, so ids need not all be found in the image.

        Returns
        -------
        (H, W) array
            `ids`, 0 where there is no mask; of the smallest unsigned dtype that holds them.
        """
        return paint_labels(self.counts, self.ids, self.image_size)

    def to_records(self, output_mode: OutputMode = "binary_mask") -> list[dict[str, Any]]:
        """Return the records of Segment Anything's automatic mask generator, in order.

        Parameters
        ----------
        output_mode : {"binary_mask", "uncompressed_rle", "coco_rle"}
            What `segmentation` is.

        Returns
        -------
        list of dict
            `segmentation`; `area` in pixels; `bbox` XYWH, where the width is the last column
            minus the first; `predicted_iou`; `point_coords` [[x, y]]; `stability_score`;
            `crop_box` XYWH.
        """
        sides = xyxy_to_xywh(self.boxes)
        return [
            {
                "segmentation": self._segmentation(i, output_mode),
                "area": int(self.areas[i]),
                "bbox": sides[i].tolist(),
                "predicted_iou": float(self.predicted_iou[i]),
                "point_coords": [self.point_coords[i].tolist()],
                "stability_score": float(self.stability_score[i]),
                "crop_box": self.crop_box[i].tolist(),
            }
            for i in range(len(self))
        ]

    def to_table(self) -> list[dict[str, Any]]:
        """Return one row a mask, in order of `ids`.

        Returns
        -------
        list of dict
            `id`; `area` in pixels; `bbox` XYWH as in COCO, so that a mask of one pixel is one
            wide; `centroid` (x, y), the mean of the pixels; `predicted_iou`; `stability_score`.
        """
        sides = extents(self.boxes, self.areas)
        return [
            {
                "id": int(self.ids[i]),
                "area": int(self.areas[i]),
                "bbox": sides[i].tolist(),
                "centroid": rle.centroid_of(self.counts[i], self.image_size),
                "predicted_iou": float(self.predicted_iou[i]),
                "stability_score": float(self.stability_score[i]),
            }
            for i in np.argsort(self.ids)
        ]

    def to_coco(self, image_name: str, *, image_id: int = 1) -> dict[str, Any]:
        """Return a COCO data set of this picture, ready for JSON and for pycocotools.

        Parameters
        ----------
        image_name : str
            The picture's file name.
        image_id : int
            The picture's id.

        Returns
        -------
        dict
            `images`, `categories` (one, "object") and `annotations` in order of `ids`, each with
            compressed run lengths and, beside COCO's own fields, `predicted_iou`,
            `stability_score`, `point_coords` and `crop_box` (None where unknown).
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

    def _segmentation(self, index: int, mode: OutputMode) -> Any:
        if mode == "binary_mask":
            return self[index]
        if mode == "coco_rle":
            return rle.compress(self.counts[index], self.image_size)
        return {"size": list(self.image_size), "counts": self.counts[index].tolist()}
