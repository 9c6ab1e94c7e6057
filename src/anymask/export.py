"""The names that 0.1.0 had here; they live in `anymask.io`."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

_HOMES = {
    "FORMATS": "anymask.io",
    "load_dataset": "anymask.io",
    "load_masks": "anymask.io",
    "losses": "anymask.io",
    "measure_in_image": "anymask.io",
    "save_dataset": "anymask.io",
    "save_masks": "anymask.io",
    "write_csv": "anymask.io.mask_formats.csv_table",
    "write_parquet": "anymask.io.mask_formats.parquet_table",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warnings.warn(
        f"anymask.export.{name} has moved; import it from {_HOMES[name]}.",
        DeprecationWarning,
        stacklevel=2,
    )
    return getattr(importlib.import_module(_HOMES[name]), name)
