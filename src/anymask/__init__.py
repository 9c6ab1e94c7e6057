"""Segment Anything for any checkpoint and any image.

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
    from anymask.datasets import check_dataset, contact_sheet, open_dataset
    from anymask.errors import AnymaskError
    from anymask.evaluation.speed import benchmark
    from anymask.images.band_math import band_math
    from anymask.images.image import Image
    from anymask.images.normalize import to_rgb
    from anymask.images.object_spectra import object_spectra
    from anymask.images.pseudo_rgb import pseudo_rgb, pseudo_rgbs, recipe
    from anymask.images.resize import ResizeLongestSide
    from anymask.images.spectral import reflectance
    from anymask.io.prompt_files import read_prompts
    from anymask.io.read_images import read, read_rgb
    from anymask.io.read_masks import load_masks
    from anymask.io.write_masks import save_masks
    from anymask.jobs.measure_folder import measure_folder
    from anymask.jobs.segment_folder import segment_folder
    from anymask.masks.mask_set import MaskSet
    from anymask.measuring import measure
    from anymask.model.sam import Sam
    from anymask.onnx_export.export import export_onnx
    from anymask.painting import overlay
    from anymask.predict.alike.finding import AlikeFinder, find_alike
    from anymask.predict.class_map import class_map
    from anymask.predict.edges import edge_map
    from anymask.predict.everything.generator import SamAutomaticMaskGenerator
    from anymask.predict.predict_text import predict_text
    from anymask.predict.predictor import SamPredictor
    from anymask.predict.words.naming import name_masks
    from anymask.prompts.prompts import Prompts
    from anymask.samples import sample
    from anymask.tracking.tracker import SamTracker
    from anymask.training.finetune.loop import finetune

# By default OpenMP's threads spin while they wait for each other. Beside another busy process they
# then hold the cores that the one they wait for needs: on two cores with one in use, "everything"
# took over 100 s that way and takes 3 s this way. It has effect if torch is not loaded yet.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

__version__ = "0.1.0"

__all__ = [
    "AlikeFinder",
    "AnymaskError",
    "Image",
    "MaskSet",
    "Prompts",
    "ResizeLongestSide",
    "Sam",
    "SamAutomaticMaskGenerator",
    "SamPredictor",
    "SamTracker",
    "__version__",
    "band_math",
    "benchmark",
    "check_dataset",
    "class_map",
    "contact_sheet",
    "edge_map",
    "errors",
    "export_onnx",
    "find_alike",
    "finetune",
    "load",
    "load_masks",
    "measure",
    "measure_folder",
    "name_masks",
    "object_spectra",
    "open_dataset",
    "overlay",
    "predict_text",
    "pseudo_rgb",
    "pseudo_rgbs",
    "read",
    "read_prompts",
    "read_rgb",
    "recipe",
    "reflectance",
    "sam_model_registry",
    "sample",
    "save",
    "save_masks",
    "segment_folder",
    "show",
    "to_rgb",
]

# Where each public name lives; a name mapped to its own module is that module.
_HOMES = {
    "AlikeFinder": "anymask.predict.alike.finding",
    "AnymaskError": "anymask.errors",
    "Image": "anymask.images.image",
    "MaskSet": "anymask.masks.mask_set",
    "Prompts": "anymask.prompts.prompts",
    "ResizeLongestSide": "anymask.images.resize",
    "Sam": "anymask.model.sam",
    "SamAutomaticMaskGenerator": "anymask.predict.everything.generator",
    "SamPredictor": "anymask.predict.predictor",
    "SamTracker": "anymask.tracking.tracker",
    "band_math": "anymask.images.band_math",
    "benchmark": "anymask.evaluation.speed",
    "check_dataset": "anymask.datasets",
    "class_map": "anymask.predict.class_map",
    "contact_sheet": "anymask.datasets",
    "errors": "anymask.errors",
    "export_onnx": "anymask.onnx_export.export",
    "find_alike": "anymask.predict.alike.finding",
    "finetune": "anymask.training.finetune.loop",
    "load": "anymask.checkpoints",
    "load_masks": "anymask.io.read_masks",
    "measure": "anymask.measuring",
    "measure_folder": "anymask.jobs.measure_folder",
    "object_spectra": "anymask.images.object_spectra",
    "open_dataset": "anymask.datasets",
    "overlay": "anymask.painting",
    "edge_map": "anymask.predict.edges",
    "name_masks": "anymask.predict.words.naming",
    "predict_text": "anymask.predict.predict_text",
    "pseudo_rgb": "anymask.images.pseudo_rgb",
    "pseudo_rgbs": "anymask.images.pseudo_rgb",
    "read": "anymask.io.read_images",
    "read_prompts": "anymask.io.prompt_files",
    "read_rgb": "anymask.io.read_images",
    "recipe": "anymask.images.pseudo_rgb",
    "reflectance": "anymask.images.spectral",
    "sam_model_registry": "anymask.checkpoints",
    "sample": "anymask.samples",
    "save": "anymask.checkpoints",
    "save_masks": "anymask.io.write_masks",
    "segment_folder": "anymask.jobs.segment_folder",
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
