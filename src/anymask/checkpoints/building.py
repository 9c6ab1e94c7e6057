"""Build a `Sam` in torch from any checkpoint."""

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


def build(
    source: str | os.PathLike[str] | None,
    variant: str | SamConfig | None,
    image_size: int | None,
    device: str | torch.device,
    dtype: str | torch.dtype,
    compile: bool,
) -> Sam:
    """Build the model; parameters, errors and warnings are those of `load`."""
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
            stacklevel=5,
        )
    if fitted.unused:
        warnings.warn(
            f"{raw.path} adds {name_some(fitted.unused, 'tensor')} to the SAM, such as adapters, "
            f"which are left out: its masks are not those of the fine-tuned model.",
            CheckpointNotice,
            stacklevel=5,
        )
