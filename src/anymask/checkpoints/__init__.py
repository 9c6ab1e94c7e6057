"""Load a `Sam` from any checkpoint file or name, and save it to a file.

`load`, `save` and `sam_model_registry` are imported on first use, so that `registry`, which does
not need torch, is imported quickly.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anymask.checkpoints.build_sam import sam_model_registry
    from anymask.checkpoints.loading import load
    from anymask.checkpoints.saving import save

__all__ = ["load", "sam_model_registry", "save"]


_HOMES = {"load": "loading", "sam_model_registry": "build_sam", "save": "saving"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
