"""Choose the device and the floating-point type of a model."""

from __future__ import annotations

import torch

from anymask.errors import CheckpointError

_DTYPES = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


def resolve_device(device: str | torch.device) -> torch.device:
    """Return the device with this name; "auto" is a CUDA GPU, else Apple's GPU, else the CPU.

    Raises
    ------
    CheckpointError
        If this machine has no such device.

    Examples
    --------
    >>> resolve_device("cpu")
    device(type='cpu')
    """
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        resolved = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise CheckpointError(
            f"There is no device {device!r}; use 'auto', 'cpu', 'cuda', 'cuda:1' or 'mps'."
        ) from error
    try:
        torch.empty(1, device=resolved)
    except Exception as error:  # each backend has its own
        raise CheckpointError(
            f"This PyTorch finds no device {str(resolved)!r} on this machine; use 'cpu' or 'auto'."
        ) from error
    return resolved


def resolve_dtype(dtype: str | torch.dtype, device: torch.device) -> torch.dtype:
    """Return the dtype with this name; "auto" is bfloat16 if `device` computes in it.

    CUDA GPUs and CPUs with AMX or AVX512-BF16 do; elsewhere "auto" is float32.

    Raises
    ------
    CheckpointError
        If a model cannot have this dtype.

    Examples
    --------
    >>> resolve_dtype("float16", torch.device("cpu"))
    torch.float16
    """
    if dtype == "auto":
        return torch.bfloat16 if _computes_bfloat16(device) else torch.float32
    resolved = _DTYPES.get(str(dtype).removeprefix("torch."))
    if resolved is None:
        raise CheckpointError(
            f"A model cannot have the dtype {str(dtype)!r}; use 'auto', 'float32', 'bfloat16' or "
            f"'float16'."
        )
    return resolved


def _computes_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return False
