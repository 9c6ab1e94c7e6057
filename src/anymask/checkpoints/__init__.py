"""Any checkpoint file or name to a `Sam`, and back to a file.

`load`, `save` and `sam_model_registry` are offered here and imported when first used, so that
the torch-free `registry` can be read in a moment.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anymask.checkpoints.loading import load
    from anymask.checkpoints.registry import sam_model_registry
    from anymask.checkpoints.saving import save

__all__ = ["load", "sam_model_registry", "save"]


_HOMES = {"load": "loading", "sam_model_registry": "registry", "save": "saving"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
