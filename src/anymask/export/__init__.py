"""Masks as files, whole or not at all, and back: `save_masks`, `load_masks`, `FORMATS`."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anymask.export.formats import FORMATS, losses
    from anymask.export.loading import load_dataset, load_masks
    from anymask.export.saving import save_dataset, save_masks
    from anymask.export.tables import measure_in_image, write_csv, write_parquet

__all__ = [
    "FORMATS",
    "load_dataset",
    "load_masks",
    "losses",
    "measure_in_image",
    "save_dataset",
    "save_masks",
    "write_csv",
    "write_parquet",
]

# Where each name lives, imported when it is first used: one format needs no other's packages.
_HOMES = {
    "FORMATS": "formats",
    "losses": "formats",
    "load_dataset": "loading",
    "load_masks": "loading",
    "save_dataset": "saving",
    "save_masks": "saving",
    "measure_in_image": "tables",
    "write_csv": "tables",
    "write_parquet": "tables",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
