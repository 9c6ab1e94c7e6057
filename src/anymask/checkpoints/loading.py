"""Load a `Sam` from any checkpoint in one call."""

from __future__ import annotations

import os
import warnings

import torch
from torch import Tensor

from anymask.checkpoints.devices import resolve_device, resolve_dtype
from anymask.checkpoints.fitting import Fit, choose_config, fit
from anymask.checkpoints.formats import CheckpointNotice, SamState, find_sam, name_some
from anymask.checkpoints.reading import RawCheckpoint, read_checkpoint
from anymask.checkpoints.sources import resolve
from anymask.errors import CheckpointError
from anymask.model.config import SamConfig
from anymask.model.freed_memory import keep_freed_memory
from anymask.model.sam import Sam

_WEIGHTS = (torch.float64, torch.float32, torch.float16, torch.bfloat16)


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
        "facebook/sam-vit-base" or "facebook/sam2.1-hiera-tiny".
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
        In evaluation mode.

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
    target = resolve_device(device)
    weights_dtype = resolve_dtype(dtype, target)
    fitted = _fitted(source, variant, image_size)
    if target.type == "cpu":
        keep_freed_memory()
    sam = fitted.model.to(target, torch.float32).eval()
    # The rest stays in float32: a rounded decoder lowers the IoU of masks by a hundredth.
    sam.image_encoder.to(weights_dtype)
    stored = next(t for n, t in fitted.tensors.items() if n.startswith("image_encoder.")).dtype
    if torch.finfo(stored).eps < torch.finfo(weights_dtype).eps:
        sam.rounded_from = stored
    if compile:
        from anymask.checkpoints.compiling import compile_network

        compile_network(sam)
    return sam


def load_as_stored(source: str | os.PathLike[str] | None) -> Sam:
    """Load a model with each weight in the dtype of its file, for saving it again.

    Parameters, errors and warnings are those of `load`. A model with mixed dtypes cannot be run.
    """
    fitted = _fitted(source, None, None)
    for name, parameter in fitted.model.named_parameters():
        if name in fitted.tensors:
            parameter.data = parameter.data.to(fitted.tensors[name].dtype)
    return fitted.model.eval()


def _fitted(
    source: str | os.PathLike[str] | None,
    variant: str | SamConfig | None,
    image_size: int | None,
) -> Fit:
    """Check the tensors of a checkpoint, and build the model with their values."""
    raw = read_checkpoint(resolve(source))
    state = find_sam(raw.content, str(raw.path))
    config = choose_config(raw, state, variant, image_size)
    fitted = fit(raw, state, config)
    _check_values(raw, fitted)
    _notify(raw, state, fitted)
    # strict=False, because optional tensors may be absent; `fit` has checked all others.
    fitted.model.load_state_dict(fitted.tensors, strict=False)
    return fitted


def _check_values(raw: RawCheckpoint, fitted: Fit) -> None:
    whole = {n: t for n, t in fitted.tensors.items() if not n.endswith(".num_batches_tracked")}
    foreign = {n: kind for n, t in whole.items() if (kind := _foreign_kind(t))}
    if foreign:
        raise CheckpointError(
            f"{raw.path} has {next(iter(foreign.values()))} in {name_some(foreign, 'tensor')}, "
            f"perhaps quantised weights; give the file with floating-point weights."
        )
    # Minimum and maximum are NaN if any value is, and take one pass and no memory.
    extremes = {n: torch.stack(torch.aminmax(t)) for n, t in whole.items()}
    bad = [n for n, e in extremes.items() if not e.isfinite().all()]
    if bad:
        raise CheckpointError(
            f"{raw.path} has NaN or infinite values in {name_some(bad, 'tensor')}; it is "
            f"damaged or its training diverged, so give another checkpoint."
        )


def _foreign_kind(tensor: Tensor) -> str:
    """Describe values that a model cannot compute with; empty for 16- to 64-bit floats."""
    if tensor.is_meta:
        return "no values"
    if tensor.layout is not torch.strided:
        return "sparse values"
    return "" if tensor.dtype in _WEIGHTS else str(tensor.dtype).removeprefix("torch.")


def _notify(raw: RawCheckpoint, state: SamState, fitted: Fit) -> None:
    """Warn of unused tensors, at the line that called `load`."""
    if state.extras:
        warnings.warn(
            f"{raw.path} also has {name_some(state.extras, 'tensor')} outside the SAM, which are "
            f"left out.",
            CheckpointNotice,
            stacklevel=4,
        )
    if fitted.unused:
        warnings.warn(
            f"{raw.path} adds {name_some(fitted.unused, 'tensor')} to the SAM, such as adapters, "
            f"which are left out: its masks are not those of the fine-tuned model.",
            CheckpointNotice,
            stacklevel=4,
        )
