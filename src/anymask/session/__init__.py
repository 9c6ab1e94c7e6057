"""Sessions: images, masks and every step between, kept in a folder; what the window shows.

Names are imported when first used; none of them needs torch until a model runs.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anymask.session.clicking import Clicker, Prepared, Preview
    from anymask.session.errors import EditedError, SessionError
    from anymask.session.images import Added
    from anymask.session.objects import ObjectTable
    from anymask.session.options import OPTION_RANGES, Options, Thresholds
    from anymask.session.prompts import Prompts, points_along
    from anymask.session.records import (
        DEFAULT_RECIPE,
        CancelToken,
        Change,
        ClassRecord,
        Event,
        ImageRecord,
        LayerKey,
        ModelRecord,
        ObjectInfo,
    )
    from anymask.session.regions import Region, region_for
    from anymask.session.rendering import Problem, check_expressions
    from anymask.session.replaying import Replay, replay
    from anymask.session.running import Progress, Run
    from anymask.session.saving import Saved
    from anymask.session.session import Session
    from anymask.session.sources import Failure
    from anymask.session.stacks import Propagated
    from anymask.session.training_data import session_dataset, session_examples

_RECORDS = (
    "CancelToken", "Change", "ClassRecord", "DEFAULT_RECIPE", "Event", "ImageRecord", "LayerKey",
    "ModelRecord", "ObjectInfo",
)  # fmt: skip
_HOMES = dict.fromkeys(_RECORDS, "records") | {
    "Added": "images",
    "Clicker": "clicking",
    "EditedError": "errors",
    "Failure": "sources",
    "OPTION_RANGES": "options",
    "ObjectTable": "objects",
    "Options": "options",
    "Prepared": "clicking",
    "Preview": "clicking",
    "Problem": "rendering",
    "Progress": "running",
    "Prompts": "prompts",
    "Propagated": "stacks",
    "Region": "regions",
    "Replay": "replaying",
    "Run": "running",
    "Saved": "saving",
    "Session": "session",
    "SessionError": "errors",
    "Thresholds": "options",
    "check_expressions": "rendering",
    "points_along": "prompts",
    "region_for": "regions",
    "replay": "replaying",
    "session_dataset": "training_data",
    "session_examples": "training_data",
}

__all__ = [
    "DEFAULT_RECIPE", "OPTION_RANGES", "Added", "CancelToken", "Change", "ClassRecord", "Clicker",
    "EditedError", "Event", "Failure", "ImageRecord", "LayerKey", "ModelRecord", "ObjectInfo",
    "ObjectTable", "Options", "Prepared", "Preview", "Problem", "Progress", "Prompts",
    "Propagated", "Region", "Replay", "Run", "Saved", "Session", "SessionError", "Thresholds",
    "check_expressions", "points_along", "region_for", "replay", "session_dataset",
    "session_examples",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
