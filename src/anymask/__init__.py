"""Segment Anything for any checkpoint and any picture.

The public names, each imported when first used: ``import anymask`` loads neither torch nor
anything else that is slow.

>>> import anymask
>>> "SamPredictor" in dir(anymask)
True
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anymask import errors, show
    from anymask.checkpoints import load, sam_model_registry, save
    from anymask.images.normalize import to_rgb
    from anymask.images.read import read_rgb
    from anymask.images.resize import ResizeLongestSide
    from anymask.masks.mask_set import MaskSet
    from anymask.model.sam import Sam
    from anymask.predict.automatic import SamAutomaticMaskGenerator
    from anymask.predict.predictor import SamPredictor
    from anymask.show import overlay

# By default OpenMP's threads spin while they wait for each other. Beside another busy process they
# then hold the cores that the one they wait for needs: on two cores with one in use, "everything"
# took over 100 s that way and takes 3 s this way. It has effect if torch is not loaded yet.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

__version__ = "0.1.0"

__all__ = [
    "MaskSet",
    "ResizeLongestSide",
    "Sam",
    "SamAutomaticMaskGenerator",
    "SamPredictor",
    "__version__",
    "errors",
    "load",
    "overlay",
    "read_rgb",
    "sam_model_registry",
    "save",
    "show",
    "to_rgb",
]

# Where each public name lives; a name mapped to its own module is that module.
_HOMES = {
    "MaskSet": "anymask.masks.mask_set",
    "ResizeLongestSide": "anymask.images.resize",
    "Sam": "anymask.model.sam",
    "SamAutomaticMaskGenerator": "anymask.predict.automatic",
    "SamPredictor": "anymask.predict.predictor",
    "errors": "anymask.errors",
    "load": "anymask.checkpoints",
    "overlay": "anymask.show",
    "read_rgb": "anymask.images.read",
    "sam_model_registry": "anymask.checkpoints",
    "save": "anymask.checkpoints",
    "show": "anymask.show",
    "to_rgb": "anymask.images.normalize",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = _HOMES[name]
    module = importlib.import_module(home)
    value = module if home == f"{__name__}.{name}" else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
