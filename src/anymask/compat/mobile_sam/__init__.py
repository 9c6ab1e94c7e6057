"""`mobile_sam` over anymask: `segment_anything` with MobileSAM's encoder."""

from __future__ import annotations

import importlib
import sys

from anymask.compat.installing import shared_modules
from anymask.compat.mobile_sam.build_sam import (
    build_sam,
    build_sam_vit_b,
    build_sam_vit_h,
    build_sam_vit_l,
    build_sam_vit_t,
    sam_model_registry,
)
from anymask.compat.segment_anything import SamAutomaticMaskGenerator, SamPredictor

__all__ = [
    "SamAutomaticMaskGenerator",
    "SamPredictor",
    "build_sam",
    "build_sam_vit_b",
    "build_sam_vit_h",
    "build_sam_vit_l",
    "build_sam_vit_t",
    "sam_model_registry",
]

# The other modules are those of `segment_anything`, where Python would have put files of theirs.
for _short, _module in shared_modules().items():
    _parent, _, _name = f"{__name__}.{_short}".rpartition(".")
    sys.modules[f"{_parent}.{_name}"] = _module
    setattr(importlib.import_module(_parent), _name, _module)
