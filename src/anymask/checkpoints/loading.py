"""Load a model from any checkpoint in one call.

This module does not import torch: exported models do without.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, cast

from anymask.checkpoints.exported import exported_folder, open_exported, shipped_export
from anymask.checkpoints.registry import SHIPPED
from anymask.errors import AnymaskError, CheckpointError

if TYPE_CHECKING:
    import torch

    from anymask.model.config import SamConfig
    from anymask.model.sam import Sam


def load(
    source: str | os.PathLike[str] | None = None,
    *,
    variant: str | SamConfig | None = None,
    image_size: int | None = None,
    device: str | torch.device = "auto",
    dtype: str | torch.dtype = "auto",
    compile: bool = False,
) -> Sam:
    """Load a model from any checkpoint of SAM or SAM 2.

    Reads safetensors and PyTorch files in Meta's or Hugging Face's layout, as published or
    fine-tuned: wrapped, prefixed, with additional heads. The variant is found from the shapes of
    the tensors. Only tensors are unpickled.

    Parameters
    ----------
    source : str, path or None
        None for the shipped model; a name ("vit_b", "sam2.1_hiera_tiny" and others, see
        `anymask models`), which is downloaded once; a path to a .safetensors, .pth or .pt file; the
        folder of a fine-tuned or Hugging Face model; or an id of the Hugging Face hub, such as
        "facebook/sam-vit-base" or "facebook/sam2.1-hiera-tiny". Or
        the folder of a model exported by `anymask.export_onnx`, or one of its .onnx files.
    variant : str, SamConfig or None
        The required variant by name, or a geometry, for files whose shapes do not show everything.
        None takes that of the file.
    image_size : int, optional
        Side in pixels of the square that the encoder sees, if different from the checkpoint's; the
        position tables are then interpolated.
    device : str or torch.device
        "auto" is a CUDA GPU, else Apple's GPU, else the CPU.
    dtype : str or torch.dtype
        The dtype of the image encoder, whatever the file has: "float32", "bfloat16", "float16", or
        "auto", which is bfloat16 if the device computes in it, otherwise float32. Prompt encoder
        and mask decoder are always float32.
    compile : bool
        Compile the network (`torch.compile`) on its first run; on a CPU only the mask decoder. This
        takes half a minute or more in every process, so it only pays in long jobs. Results differ
        by rounding.

    Returns
    -------
    Sam
        In evaluation mode. For an exported model an `OnnxSam`, which computes in ONNX Runtime and
        has of a `Sam` what predicting needs; `dtype` then has no effect.

    Raises
    ------
    CheckpointError
        If the file cannot be found or downloaded, is not a SAM checkpoint, is unsafe or damaged, or
        is not the required variant.
    AnymaskError
        If `compile` is true but compiling is not possible.

    Warns
    -----
    CheckpointNotice
        If the checkpoint has tensors that are not used.

    Examples
    --------
    >>> from anymask.checkpoints import load
    >>> load("no_such_model.pth")
    Traceback (most recent call last):
    ...
    anymask.errors.CheckpointError: There is no file no_such_model.pth; check the path, or use \
one of the names small, vit_b, vit_l, vit_h, vit_t, sam2.1_hiera_tiny, sam2.1_hiera_small, \
sam2.1_hiera_base_plus or sam2.1_hiera_large.
    """
    # Only an installation without torch comes with an exported model.
    folder = shipped_export() if source in (None, SHIPPED) else exported_folder(source)
    if folder is not None:
        _refuse_for_exported(folder, variant, image_size, compile)
        # It has what predicting needs of a `Sam`, and not what training needs.
        return cast("Sam", open_exported(folder, device))
    try:
        from anymask.checkpoints.building import build
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise AnymaskError(
            "This installation has no torch, so it can only load models that were exported to "
            "ONNX; give the folder of one, or install torch with pip install torch."
        ) from error
    return build(source, variant, image_size, device, dtype, compile)


def _refuse_for_exported(folder: Path, variant: object, image_size: object, compile: bool) -> None:
    """Refuse options that were settled when the model was exported."""
    given = {"variant": variant is not None, "image_size": image_size is not None}
    for name, is_given in {**given, "compile": compile}.items():
        if is_given:
            raise CheckpointError(
                f"{folder} is an exported model, of which {name} cannot be chosen any more; "
                "choose it when you export the model, or leave it out."
            )
