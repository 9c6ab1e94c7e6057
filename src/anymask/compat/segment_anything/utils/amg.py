"""Boxes, points, crops and run lengths, as `SamAutomaticMaskGenerator` and its relatives use them.

Boxes are XYXY tensors unless a name says XYWH; a crop box is [x0, y0, x1, y1]. Run lengths are
dictionaries of `size` [H, W] and `counts`, which begin with background and go down the columns.
"""

from __future__ import annotations

import copy
from collections.abc import ItemsView, Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from anymask.masks import rle
from anymask.masks.nms import nms
from anymask.masks.regions import remove_small_regions as remove_small_regions_of
from anymask.predict.everything.grids import crops_of, point_grid, point_grids

__all__ = [
    "MaskData",
    "area_from_rle",
    "batch_iterator",
    "batched_mask_to_box",
    "box_xyxy_to_xywh",
    "build_all_layer_point_grids",
    "build_point_grid",
    "calculate_stability_score",
    "coco_encode_rle",
    "generate_crop_boxes",
    "is_box_near_crop_edge",
    "mask_to_rle_pytorch",
    "remove_small_regions",
    "rle_to_mask",
    "uncrop_boxes_xyxy",
    "uncrop_masks",
    "uncrop_points",
]

_KINDS = (list, np.ndarray, Tensor)


class MaskData:
    """Columns of equal length by name: lists, arrays and tensors with a row for each mask.

    Examples
    --------
    >>> data = MaskData(area=np.array([4, 9]), name=["a", "b"])
    >>> data.filter(torch.tensor([False, True]))
    >>> data["area"], data["name"]
    (array([9]), ['b'])
    """

    def __init__(self, **kwargs: Any) -> None:
        self._stats: dict[str, Any] = {}
        for key, column in kwargs.items():
            self[key] = column

    def __setitem__(self, key: str, item: Any) -> None:
        if not isinstance(item, _KINDS):
            raise TypeError(f"{key} is a {type(item).__name__}; give a list, an array or a tensor.")
        self._stats[key] = item

    def __delitem__(self, key: str) -> None:
        del self._stats[key]

    def __getitem__(self, key: str) -> Any:
        return self._stats[key]

    def items(self) -> ItemsView[str, Any]:
        """Names and columns."""
        return self._stats.items()

    def filter(self, keep: Tensor) -> None:
        """Keep the rows where a boolean tensor is true, or those at the indices of another."""
        chosen = torch.as_tensor(keep)
        rows = chosen.nonzero()[:, 0] if chosen.dtype == torch.bool else chosen
        for key, column in self.items():
            if isinstance(column, Tensor):
                self._stats[key] = column[rows.to(column.device)]
            elif isinstance(column, np.ndarray):
                self._stats[key] = column[rows.cpu().numpy()]
            elif column is not None:
                self._stats[key] = [column[row] for row in rows.tolist()]

    def cat(self, new_stats: MaskData) -> None:
        """Append the rows of another, of which nothing is shared; new columns are taken over."""
        for key, column in new_stats.items():
            own = self._stats.get(key)
            if own is None:
                self._stats[key] = copy.deepcopy(column)
            elif isinstance(column, Tensor):
                self._stats[key] = torch.cat([own, column])
            elif isinstance(column, np.ndarray):
                self._stats[key] = np.concatenate([own, column])
            else:
                self._stats[key] = own + copy.deepcopy(column)

    def to_numpy(self) -> None:
        """Make arrays of the tensors."""
        for key, column in self.items():
            if isinstance(column, Tensor):
                self._stats[key] = column.detach().cpu().numpy()


def is_box_near_crop_edge(
    boxes: Tensor, crop_box: Sequence[int], orig_box: Sequence[int], atol: float = 20.0
) -> Tensor:
    """Whether each box (N, 4) of a crop nearly touches an edge of it that is inside the image.

    Parameters
    ----------
    boxes : (N, 4) tensor
        In pixels of the crop.
    crop_box, orig_box : sequence of int
        The crop and the image.
    atol : float
        How near, in pixels.

    Returns
    -------
    (N,) bool tensor
    """
    placed = uncrop_boxes_xyxy(boxes, crop_box).float()
    crop, image = (torch.tensor(list(b), device=boxes.device).float() for b in (crop_box, orig_box))
    near_crop, near_image = ((placed - edges).abs() <= atol for edges in (crop, image))
    return (near_crop & ~near_image).any(1)


def box_xyxy_to_xywh(box_xyxy: Any) -> Any:
    """A box (4,) as [x, y, width, height], the width being x1 - x0; of the same type."""
    box = copy.deepcopy(box_xyxy)
    box[2], box[3] = box[2] - box[0], box[3] - box[1]
    return box


def batch_iterator(batch_size: int, *args: Any) -> Iterator[list[Any]]:
    """Slices of so many rows of each argument, the last of which may be shorter.

    >>> [[list(part) for part in parts] for parts in batch_iterator(2, [1, 2, 3], "abc")]
    [[[1, 2], ['a', 'b']], [[3], ['c']]]
    """
    lengths = {len(arg) for arg in args}
    if len(lengths) != 1:
        raise ValueError(f"Batches need arguments of one length, not of {sorted(lengths)}.")
    for start in range(0, lengths.pop(), batch_size):
        yield [arg[start : start + batch_size] for arg in args]


def mask_to_rle_pytorch(tensor: Tensor) -> list[dict[str, Any]]:
    """Run lengths of boolean masks (N, H, W)."""
    _, height, width = tensor.shape
    masks = tensor.detach().cpu().numpy().astype(bool, copy=False)
    return [{"size": [height, width], "counts": rle.counts_of(mask).tolist()} for mask in masks]


def rle_to_mask(rle: Mapping[str, Any]) -> NDArray[np.bool_]:
    """The boolean mask (H, W) of run lengths."""
    return _decode(rle)


def area_from_rle(rle: Mapping[str, Any]) -> int:
    """Number of pixels of the mask of run lengths."""
    return int(sum(rle["counts"][1::2]))


def calculate_stability_score(
    masks: Tensor, mask_threshold: float, threshold_offset: float
) -> Tensor:
    """IoU of logits (..., H, W) thresholded an offset higher and lower; NaN if both are empty.

    arXiv 2304.02643, appendix B, "Filtering".
    """
    inner, outer = (
        (masks > mask_threshold + sign * threshold_offset).sum((-2, -1)) for sign in (1, -1)
    )
    return inner / outer


def build_point_grid(n_per_side: int) -> NDArray[np.float64]:
    """Points (x, y) (n², 2) at the centres of equal cells of the unit square."""
    return point_grid(n_per_side)


def build_all_layer_point_grids(
    n_per_side: int, n_layers: int, scale_per_layer: float
) -> list[NDArray[np.float64]]:
    """Grids of points for the image and for each layer of crops, at least one point each."""
    return point_grids(n_per_side, n_layers, scale_per_layer)


def generate_crop_boxes(
    im_size: tuple[int, ...], n_layers: int, overlap_ratio: float
) -> tuple[list[list[int]], list[int]]:
    """Crop boxes of an image (height, width) and of its layers of crops, and the layer of each."""
    height, width = im_size
    crops = crops_of((height, width), n_layers, overlap_ratio)
    return [[c.x0, c.y0, c.x1, c.y1] for c in crops], [c.layer for c in crops]


def uncrop_boxes_xyxy(boxes: Tensor, crop_box: Sequence[int]) -> Tensor:
    """Boxes (..., 4) of a crop in pixels of the image."""
    x0, y0 = crop_box[:2]
    return boxes + torch.tensor([x0, y0, x0, y0], device=boxes.device)


def uncrop_points(points: Tensor, crop_box: Sequence[int]) -> Tensor:
    """Points (..., 2) of a crop in pixels of the image."""
    return points + torch.tensor([crop_box[0], crop_box[1]], device=points.device)


def uncrop_masks(masks: Tensor, crop_box: Sequence[int], orig_h: int, orig_w: int) -> Tensor:
    """Masks (..., h, w) of a crop as masks (..., orig_h, orig_w) of the image."""
    x0, y0, x1, y1 = crop_box
    if (x0, y0, x1, y1) == (0, 0, orig_w, orig_h):
        return masks
    return F.pad(masks, (x0, orig_w - x1, y0, orig_h - y1), value=0)


def remove_small_regions(
    mask: NDArray[np.bool_], area_thresh: float, mode: Literal["holes", "islands"]
) -> tuple[NDArray[np.bool_], bool]:
    """Fill holes or remove islands of fewer pixels; the mask, and whether it has changed."""
    return remove_small_regions_of(np.asarray(mask, bool), area_thresh, mode)


def coco_encode_rle(uncompressed_rle: Mapping[str, Any]) -> dict[str, Any]:
    """Run lengths in COCO's text form."""
    return dict(rle.to_coco(uncompressed_rle))


def batched_mask_to_box(masks: Tensor) -> Tensor:
    """Boxes (..., 4) of boolean masks (..., H, W), with inclusive corners; zeros if empty."""
    if not masks.numel():
        return torch.zeros(*masks.shape[:-2], 4, device=masks.device)
    rows, cols = masks.any(-1), masks.any(-2)
    (top, bottom), (left, right) = map(_first_and_last, (rows, cols))
    boxes = torch.stack([left, top, right, bottom], -1)
    return boxes * rows.any(-1, keepdim=True)


def keep_distinct(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Indices of the boxes (N, 4) that no better box overlaps by more than this IoU, best first."""
    on_cpu = [x.detach().float().cpu().numpy() for x in (boxes, scores)]
    kept = nms(on_cpu[0], on_cpu[1], iou_threshold)
    return torch.from_numpy(kept).to(boxes.device)


def _first_and_last(line: Tensor) -> tuple[Tensor, Tensor]:
    """Positions of the first and the last true value along the last axis."""
    number = line.to(torch.uint8)
    return number.argmax(-1), line.shape[-1] - 1 - number.flip(-1).argmax(-1)


# The parameter of `rle_to_mask` has the module's name.
_decode = rle.decode
