"""What a run does, and which of the masks found are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

from anymask.model.config import EverythingConfig
from anymask.option_fields import Option, options_of
from anymask.predict.everything.options import EverythingOptions
from anymask.session.errors import SessionError

# What the options of "everything" are called here, where that is something else.
_EVERYTHING = {
    "pred_iou": "pred_iou_thresh",
    "stability": "stability_score_thresh",
    "nms": "box_nms_thresh",
    "clean_area": "min_mask_region_area",
}


@dataclass(frozen=True)
class Thresholds:
    """Which of the masks found by "everything" are kept.

    Attributes
    ----------
    pred_iou, stability : float
        The least scores.
    nms : float
        Of two masks that overlap by more (IoU), the better one stays.
    min_area, max_area : float or None
        Limits of an object's pixels.
    clean_area : float
        Holes and islands of fewer pixels are filled or removed.
    nms_by : {"box", "mask"}
        Whether masks overlap as their boxes do or as themselves.
    order_by : {"predicted_iou", "iou_times_stability"}
        Which of two masks that overlap is the better one.
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
        """Return what a model brings."""
        own = asdict(sam.config.everything)
        names = {field.name: _EVERYTHING.get(field.name, field.name) for field in fields(cls)}
        return cls(**{name: own[theirs] for name, theirs in names.items() if theirs in own})

    def config(self, offset: float) -> EverythingConfig:
        """Return the same as options of "everything", with a stability offset."""
        known = {field.name for field in fields(EverythingConfig)}
        values = {_EVERYTHING.get(name, name): value for name, value in asdict(self).items()}
        chosen = {name: value for name, value in values.items() if name in known}
        return EverythingConfig(**chosen, stability_score_offset=offset)


Mode = Literal["everything", "semantic"]


@dataclass(frozen=True)
class Options:
    """What a run does.

    Attributes
    ----------
    mode : {"everything", "semantic"}
        All objects, or one mask of all pixels of a kind (for models trained to that).
    points_per_side, crop_n_layers, tile_size
        Of `SamAutomaticMaskGenerator`.
    thresholds : Thresholds or None
        The model's own if None.
    semantic_threshold : float
        A logit; 0 is where the model is undecided.
    semantic_points, semantic_labels : tuples
        A prompt (x, y) for semantic mode; the whole picture is the box in any case.
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
        """The same with other values.

        Raises
        ------
        SessionError
            If there is no such option, or it cannot be what it is given as.
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
        """As the journal has it."""
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
"""Lowest and highest value, step and default of the options that are numbers."""
