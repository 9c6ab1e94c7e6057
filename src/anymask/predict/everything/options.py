"""All options of "everything": the only place for their names, defaults, ranges and help texts.

`SamAutomaticMaskGenerator`, the command line, folder runs, sessions and the window use
`EverythingOptions`. To add an option, add a field here (or to `EverythingConfig`, if its best value
depends on the model), a parameter to the generator, and the code that uses it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.errors import AnymaskError
from anymask.model.config import EverythingConfig
from anymask.option_fields import check_names, option

GROUPS = {
    "grid": "Grid of points",
    "filter": "Which masks to keep",
    "crops": "Crops, for small objects in large images",
    "tiles": "Tiles, for very large images",
}
"""Titles of the groups of options, in display order."""

_OF_THE_MODEL = frozenset(field.name for field in fields(EverythingConfig))


@dataclass(frozen=True)
class EverythingOptions(EverythingConfig):
    """How `SamAutomaticMaskGenerator` looks for objects, and which it keeps.

    Names and defaults are Meta's if Meta has the option. `SamAutomaticMaskGenerator` describes
    each; those inherited from `EverythingConfig` have the model's own values by default
    (`for_model`).

    Raises
    ------
    AnymaskError
        If a value is out of range, or tiles cannot overlap that much.

    Examples
    --------
    >>> EverythingOptions(points_per_side=64).crop_n_layers
    0
    >>> EverythingOptions(points_per_side=0)
    Traceback (most recent call last):
    ...
    anymask.errors.AnymaskError: points_per_side is 0; it must be a whole number of at least 1.
    """

    points_per_side: int | None = option(
        32,
        "Ask at this many points along each side. More points find smaller objects and take "
        "longer.",
        low=1,
        group="grid",
        slider=(4, 128, 4),
    )
    points_per_batch: int = option(
        64,
        "Points decoded at once. Fewer take less memory; the masks are the same.",
        low=1,
        group="grid",
    )
    crop_n_layers: int = option(
        0,
        "Also look at crops: 1 adds 4 of them, 2 adds 4 + 16, and so on.",
        low=0,
        group="crops",
        slider=(0, 2, 1),
    )
    crop_nms_thresh: float = option(
        0.7,
        "Of two masks from different crops or tiles that overlap more than this (IoU), keep one.",
        low=0,
        high=1,
        unit="IOU",
        group="crops",
    )
    crop_overlap_ratio: float = option(
        512 / 1500,
        "How much the crops of the first layer overlap, as a share of the shorter side.",
        low=0,
        high=1,
        unit="SHARE",
        group="crops",
    )
    crop_n_points_downscale_factor: float = option(
        1,
        "Divide the points per side by this in each further layer.",
        low=1,
        group="crops",
    )
    tile_size: int | None = option(
        None,
        "Segment images larger than this in square tiles with sides of this many pixels, each "
        "with its own grid of points, and join objects that the edges of tiles cut.",
        low=2,
        unit="PIXELS",
        group="tiles",
        slider=(256, 8192, 256),
    )
    tile_overlap: int | None = option(
        None,
        "By how much neighbouring tiles overlap at least; objects smaller than this are seen "
        "whole by one of them. An eighth of the tile's side if not given.",
        low=1,
        unit="PIXELS",
        group="tiles",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.tile_overlap is None:
            return
        if self.tile_size is None:
            raise AnymaskError(
                f"tile_overlap is {self.tile_overlap}, but there are no tiles; give tile_size as "
                "well."
            )
        if self.tile_overlap >= self.tile_size:
            raise AnymaskError(
                f"tile_overlap is {self.tile_overlap}, but tile_size is {self.tile_size}; tiles "
                "must overlap by less than their size."
            )

    @property
    def overlap_of_tiles(self) -> int:
        """By how many pixels neighbouring tiles overlap at least."""
        return self.tile_overlap or max(1, (self.tile_size or 0) // 8)

    @classmethod
    def for_model(cls, own: EverythingConfig, given: Mapping[str, Any]) -> EverythingOptions:
        """Complete the given options with a model's own values.

        Parameters
        ----------
        own : EverythingConfig
            ``model.config.everything``.
        given : mapping
            Options by name. None means the model's own value, if it has one.

        Raises
        ------
        AnymaskError
            If an option is unknown or has an invalid value.

        Examples
        --------
        >>> own = EverythingConfig(pred_iou_thresh=0.5)
        >>> options = EverythingOptions.for_model(own, {"pred_iou_thresh": None, "tile_size": 800})
        >>> options.pred_iou_thresh, options.tile_size
        (0.5, 800)
        """
        check_names(cls, given, "SamAutomaticMaskGenerator")
        chosen = {n: v for n, v in given.items() if v is not None or n not in _OF_THE_MODEL}
        return cls(**{**asdict(own), **chosen})


def check_point_grids(
    grids: Sequence[ArrayLike], crop_n_layers: int
) -> tuple[NDArray[np.float64], ...]:
    """Check a user's grids of points.

    Parameters
    ----------
    grids : sequence of (N, 2) arrays
        (x, y) in 0 … 1, for the image and for each layer of crops.
    crop_n_layers : int

    Raises
    ------
    AnymaskError
        If there are too few, or one is not an array of such points.
    """
    if len(grids) <= crop_n_layers:
        raise AnymaskError(
            f"point_grids has {len(grids)} grids, but crop_n_layers is {crop_n_layers}; give one "
            f"grid for the image and one for each layer, {crop_n_layers + 1} in all."
        )
    checked = []
    for layer, grid in enumerate(grids):
        try:
            points = np.asarray(grid, np.float64)
        except (TypeError, ValueError):
            points = np.empty(0)
        if points.ndim != 2 or points.shape[1] != 2 or not ((points >= 0) & (points <= 1)).all():
            raise AnymaskError(
                f"point_grids[{layer}] must be an array (N, 2) of points (x, y) as fractions of "
                "the image's width and height, from 0 to 1."
            )
        checked.append(points)
    return tuple(checked)
