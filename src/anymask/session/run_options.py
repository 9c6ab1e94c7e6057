"""Options of a run, and the thresholds that select masks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

from anymask.model.config import EverythingConfig
from anymask.option_fields import Option, options_of
from anymask.predict.everything.options import EverythingOptions
from anymask.session.errors import SessionError

# Session names of options of "everything", where they differ.
_EVERYTHING = {
    "pred_iou": "pred_iou_thresh",
    "stability": "stability_score_thresh",
    "nms": "box_nms_thresh",
    "clean_area": "min_mask_region_area",
}


@dataclass(frozen=True)
class Thresholds:
    """Which masks of "everything" are kept.

    Attributes
    ----------
    pred_iou, stability : float
        Minimum scores.
    nms : float
        If two masks overlap by more than this IoU, only the better one is kept.
    min_area, max_area : float or None
        Minimum and maximum number of pixels of an object.
    clean_area : float
        Holes with fewer pixels are filled, islands with fewer pixels removed.
    nms_by : {"box", "mask"}
        Whether the overlap is that of the boxes or of the masks.
    order_by : {"predicted_iou", "iou_times_stability"}
        Score that decides which of two overlapping masks is better.
    """

    pred_iou: float = 0.88
    stability: float = 0.95
    nms: float = 0.7
    min_area: float = 0.0
    max_area: float | None = None
    clean_area: float = 0.0
    nms_by: Literal["box", "mask"] = "box"
    order_by: Literal["predicted_iou", "iou_times_stability"] = "predicted_iou"

    @classmethod
    def of(cls, sam: Any) -> Thresholds:
        """Return the thresholds of a model."""
        own = asdict(sam.config.everything)
        names = {field.name: _EVERYTHING.get(field.name, field.name) for field in fields(cls)}
        return cls(**{name: own[theirs] for name, theirs in names.items() if theirs in own})

    def config(self, offset: float) -> EverythingConfig:
        """Return the thresholds as options of "everything", with a stability offset."""
        known = {field.name for field in fields(EverythingConfig)}
        values = {_EVERYTHING.get(name, name): value for name, value in asdict(self).items()}
        chosen = {name: value for name, value in values.items() if name in known}
        return EverythingConfig(**chosen, stability_score_offset=offset)


Mode = Literal["everything", "semantic"]


@dataclass(frozen=True)
class Options:
    """Options of a run.

    Attributes
    ----------
    mode : {"everything", "semantic"}
        All objects, or one mask of all pixels of a class (for models trained for that).
    points_per_side, crop_n_layers, tile_size
        As in `SamAutomaticMaskGenerator`.
    thresholds : Thresholds or None
        None uses the model's own.
    semantic_threshold : float
        A logit; at 0 the model is undecided.
    semantic_points, semantic_labels : tuples
        Points (x, y) and labels of the prompt in semantic mode; its box is always the whole image.
    """

    mode: Mode = "everything"
    points_per_side: int = 32
    crop_n_layers: int = 0
    tile_size: int | None = None
    thresholds: Thresholds | None = None
    semantic_threshold: float = 0.0
    semantic_points: tuple[tuple[float, float], ...] = ()
    semantic_labels: tuple[int, ...] = ()

    def changed(self, **changes: Any) -> Options:
        """Return a copy with other values.

        Raises
        ------
        SessionError
            If there is no such option, or its value is out of range.
        """
        known = {field.name for field in fields(self)}
        for name, value in changes.items():
            if name not in known:
                raise SessionError(f"There is no option {name!r}; there are {', '.join(known)}.")
            low, high = OPTION_RANGES[name][:2] if name in OPTION_RANGES else (None, None)
            if low is not None and value is not None and not low <= value <= high:
                raise SessionError(f"{name} is {value}; give a number from {low} to {high}.")
        if changes.get("mode", "everything") not in get_args(Mode):
            raise SessionError(f"mode is {changes['mode']!r}; it can be everything or semantic.")
        return replace(self, **changes)

    def to_json(self) -> dict[str, Any]:
        """Return the options as JSON data for the journal."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Options:
        """Read what `to_json` wrote."""
        known = {field.name for field in fields(cls)}
        values = {name: value for name, value in data.items() if name in known}
        if values.get("thresholds") is not None:
            values["thresholds"] = Thresholds(**values["thresholds"])
        values["semantic_points"] = tuple(map(tuple, values.get("semantic_points", ())))
        values["semantic_labels"] = tuple(values.get("semantic_labels", ()))
        return cls(**values)


def _slider(option: Option) -> tuple[float, float, float, float]:
    assert option.slider is not None
    low, high, step = option.slider
    return low, high, step, 1024 if option.name == "tile_size" else option.default


OPTION_RANGES: dict[str, tuple[float, float, float, float]] = {
    **{
        name: _slider(options_of(EverythingOptions)[_EVERYTHING.get(name, name)])
        for name in ("points_per_side", "crop_n_layers", "tile_size", *_EVERYTHING)
    },
    "semantic_threshold": (-20.0, 20.0, 0.1, 0.0),
    "min_area": (0, 1e9, 10, 0),
    "max_area": (0, 1e9, 10, 1e9),
}
"""Minimum, maximum, step and default of numeric options."""
