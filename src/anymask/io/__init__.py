"""Read images and masks, write masks and tables; each format has one module.

`registry.py` lists the formats and what each can hold; `image_formats/` and `mask_formats/` have
one module per format. `read` reads images, `load_masks` reads masks and `save_masks` writes them.
Files are written whole or not at all.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anymask.io.limits import losses
    from anymask.io.listing import list_images
    from anymask.io.mask_file import MaskFile
    from anymask.io.prompt_files import read_prompts
    from anymask.io.read_images import read, read_rgb
    from anymask.io.read_masks import load_dataset, load_masks
    from anymask.io.registry import ImageFormat, MaskFormat
    from anymask.io.tables import measure_in_image
    from anymask.io.write_context import WriteContext
    from anymask.io.write_masks import save_dataset, save_masks

    FORMATS: Mapping[str, MaskFormat]

__all__ = [
    "FORMATS",
    "ImageFormat",
    "MaskFile",
    "MaskFormat",
    "WriteContext",
    "list_images",
    "load_dataset",
    "load_masks",
    "losses",
    "measure_in_image",
    "read",
    "read_prompts",
    "read_rgb",
    "save_dataset",
    "save_masks",
]

# The module of each name, imported on first use.
_HOMES = {
    "ImageFormat": "registry",
    "MaskFile": "mask_file",
    "MaskFormat": "registry",
    "WriteContext": "write_context",
    "list_images": "listing",
    "load_dataset": "read_masks",
    "load_masks": "read_masks",
    "losses": "limits",
    "measure_in_image": "tables",
    "read": "read_images",
    "read_prompts": "prompt_files",
    "read_rgb": "read_images",
    "save_dataset": "write_masks",
    "save_masks": "write_masks",
}


def __getattr__(name: str) -> Any:
    if name == "FORMATS":  # formats that can be written, by name
        from anymask.io.registry import written_formats

        return written_formats()
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
