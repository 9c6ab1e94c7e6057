"""Sessions: images, their masks and all steps in between, kept in a folder.

The window shows a session. Names are imported on first use, and torch only when a model runs.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anymask.session.brush import BrushStroke
    from anymask.session.bug_reports import bug_report
    from anymask.session.click_prompts import ClickPrompts, points_along
    from anymask.session.errors import EditedError, RevisionError, SessionError
    from anymask.session.export import Saved
    from anymask.session.image_files import Added, Failure
    from anymask.session.mask_fit import MaskFit
    from anymask.session.object_table import ObjectTable
    from anymask.session.previews import Prepared, Preview
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
        RecipeAdded,
    )
    from anymask.session.rendering import Problem, check_expressions
    from anymask.session.replaying import Replay, replay
    from anymask.session.run_options import OPTION_RANGES, Options, Thresholds
    from anymask.session.run_result import RunProgress, RunResult
    from anymask.session.session import Session
    from anymask.session.stacks import Propagated
    from anymask.session.training_data import session_dataset, session_examples
    from anymask.session.visible_region import Region, region_for

_RECORDS = (
    "CancelToken", "Change", "ClassRecord", "DEFAULT_RECIPE", "Event", "ImageRecord", "LayerKey",
    "ModelRecord", "ObjectInfo", "RecipeAdded",
)  # fmt: skip
_HOMES = dict.fromkeys(_RECORDS, "records") | {
    "Added": "image_files",
    "BrushStroke": "brush",
    "ClickPrompts": "click_prompts",
    "EditedError": "errors",
    "Failure": "image_files",
    "MaskFit": "mask_fit",
    "OPTION_RANGES": "run_options",
    "ObjectTable": "object_table",
    "Options": "run_options",
    "Prepared": "previews",
    "Preview": "previews",
    "Problem": "rendering",
    "Propagated": "stacks",
    "Region": "visible_region",
    "Replay": "replaying",
    "RevisionError": "errors",
    "RunProgress": "run_result",
    "RunResult": "run_result",
    "Saved": "export",
    "Session": "session",
    "SessionError": "errors",
    "Thresholds": "run_options",
    "bug_report": "bug_reports",
    "check_expressions": "rendering",
    "points_along": "click_prompts",
    "region_for": "visible_region",
    "replay": "replaying",
    "session_dataset": "training_data",
    "session_examples": "training_data",
}

__all__ = [
    "DEFAULT_RECIPE", "OPTION_RANGES", "Added", "BrushStroke", "CancelToken", "Change",
    "ClassRecord",
    "ClickPrompts", "EditedError", "Event", "Failure", "ImageRecord", "LayerKey", "MaskFit",
    "ModelRecord", "ObjectInfo", "ObjectTable", "Options", "Prepared", "Preview", "Problem",
    "Propagated", "RecipeAdded", "Region", "Replay", "RevisionError", "RunProgress", "RunResult",
    "Saved", "Session", "SessionError", "Thresholds", "bug_report", "check_expressions",
    "points_along", "region_for", "replay", "session_dataset", "session_examples",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in ("Clicker", "Progress", "Prompts", "Run"):
        from anymask.session.renamed import renamed_class

        return renamed_class(name)
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
