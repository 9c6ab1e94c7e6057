"""One call from any checkpoint to a `Sam`."""

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
from anymask.model.memory import keep_freed_memory
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
    """Load a model from any SAM checkpoint.

    Read are safetensors and PyTorch files in Meta's layout or Hugging Face's, as published or
    fine-tuned: wrapped, prefixed, with further heads. The variant is found from the tensors'
    shapes. Nothing but tensors is unpickled.

    Parameters
    ----------
    source : str, path or None
        None for the shipped model; a name ("vit_b", "vit_l", "vit_h", "vit_t", "small"), which
        is downloaded once; a path to a .safetensors, .pth or .pt file; the folder of a
        fine-tuning or of a Hugging Face model; or an id of the Hugging Face hub such as
        "facebook/sam-vit-base".
    variant : str, SamConfig or None
        What the checkpoint must be: the name of a variant, or a geometry, for files of which
        shapes do not tell all. None takes what the file is.
    image_size : int, optional
        Side in pixels of the square that the encoder sees, if not the checkpoint's own; the
        position tables are interpolated.
    device : str or torch.device
        "auto" is a CUDA GPU, else Apple's, else the CPU.
    dtype : str or torch.dtype
        Of the image encoder's weights, whatever the file has: "float32", "bfloat16", "float16",
        or "auto", which is bfloat16 where the device computes in it and float32 elsewhere. Prompt
        encoder and mask decoder are float32 always.
    compile : bool
        Compile the network (`torch.compile`) when it first runs; on a CPU the mask decoder alone.
        That takes half a minute or more in every process and pays in long jobs only. Results
        differ by rounding.

    Returns
    -------
    Sam
        In evaluation mode.

    Raises
    ------
    CheckpointError
        If it cannot be had, is no SAM, unsafe, damaged, or not what was asked for.
    AnymaskError
        If `compile` is asked for where nothing can be compiled.

    Warns
    -----
    CheckpointNotice
        If the checkpoint holds tensors that are not used.

    Examples
    --------
    >>> from anymask.checkpoints import load
    >>> load("no_such_model.pth")
    Traceback (most recent call last):
    ...
    anymask.errors.CheckpointError: There is no file no_such_model.pth; check the path, or use \
one of the names small, vit_b, vit_l, vit_h or vit_t.
    """
    target = resolve_device(device)
    weights_dtype = resolve_dtype(dtype, target)
    fitted = _fitted(source, variant, image_size)
    if target.type == "cpu":
        keep_freed_memory()
    sam = fitted.model.to(target, torch.float32).eval()
    # The rest stays in float32: rounding the decoder costs the masks a hundredth of their IoU.
    sam.image_encoder.to(weights_dtype)
    stored = next(t for n, t in fitted.tensors.items() if n.startswith("image_encoder.")).dtype
    if torch.finfo(stored).eps < torch.finfo(weights_dtype).eps:
        sam.rounded_from = stored
    if compile:
        from anymask.checkpoints.compiling import compile_network

        compile_network(sam)
    return sam


def load_as_stored(source: str | os.PathLike[str] | None) -> Sam:
    """Load a model with each weight in the dtype its file has, to be saved again.

    Parameters, errors and warnings are those of `load`. A model of mixed dtypes cannot be asked.
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
    """Tensors of a checkpoint, checked, and the model with their values."""
    raw = read_checkpoint(resolve(source))
    state = find_sam(raw.content, str(raw.path))
    config = choose_config(raw, state, variant, image_size)
    fitted = fit(raw, state, config)
    _check_values(raw, fitted)
    _notify(raw, state, fitted)
    # Not strictly, for some tensors may be absent; `fit` has refused the lack of any other.
    fitted.model.load_state_dict(fitted.tensors, strict=False)
    return fitted


def _check_values(raw: RawCheckpoint, fitted: Fit) -> None:
    whole = {n: t for n, t in fitted.tensors.items() if not n.endswith(".num_batches_tracked")}
    foreign = {n: kind for n, t in whole.items() if (kind := _foreign_kind(t))}
    if foreign:
        raise CheckpointError(
            f"{raw.path} holds {next(iter(foreign.values()))} in {name_some(foreign, 'tensor')}, "
            f"perhaps quantised weights; give the file with floating-point weights."
        )
    # The least and greatest are NaN where anything is, and take one pass and no memory.
    extremes = {n: torch.stack(torch.aminmax(t)) for n, t in whole.items()}
    bad = [n for n, e in extremes.items() if not e.isfinite().all()]
    if bad:
        raise CheckpointError(
            f"{raw.path} holds NaN or infinite values in {name_some(bad, 'tensor')}; it is "
            f"damaged or its training diverged, so give another checkpoint."
        )


def _foreign_kind(tensor: Tensor) -> str:
    """What a tensor holds that no model can compute with; empty for 16- to 64-bit floats."""
    if tensor.is_meta:
        return "no values"
    if tensor.layout is not torch.strided:
        return "sparse values"
    return "" if tensor.dtype in _WEIGHTS else str(tensor.dtype).removeprefix("torch.")


def _notify(raw: RawCheckpoint, state: SamState, fitted: Fit) -> None:
    """Tell of tensors that go unused, from where the caller of `load` stands."""
    if state.extras:
        warnings.warn(
            f"{raw.path} also holds {name_some(state.extras, 'tensor')} of no SAM, which are "
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
