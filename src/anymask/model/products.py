"""Matrix products by the fastest of torch's libraries on this processor.

torch has two libraries for matrix products on a CPU. `torch.nn.functional.linear` in float32 always
uses MKL, which does not use the wide vector units of AMD processors; there oneDNN, the other one,
computes the same products up to 2.4 times faster. In bfloat16 both calls end in
oneDNN, but its own call also applies the activation or adds the shortcut before the result goes
to memory. The choice depends on the machine and the kind of call, never on a measurement, so the
same call gives the same bits every time. Training, tracing and compiling take torch's own calls.
"""

from __future__ import annotations

import platform
from functools import cache
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

Activation = Literal["none", "gelu"]

_TERMS_IN_A_CHAIN = 1024


def linear(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    activation: Activation = "none",
    plus: Tensor | None = None,
    same_bits: bool = False,
) -> Tensor:
    """Return activation(x·Wᵀ + bias) + plus.

    Parameters
    ----------
    x : (…, K) tensor
    weight : (R, K) tensor
    bias : (R,) tensor or None
    activation : {"none", "gelu"}
        GELU is the exact one, by the error function.
    plus : (…, R) tensor or None
        A shortcut to add.
    same_bits : bool
        Use oneDNN also in float32 where MKL is as fast: of few rows and many columns, MKL adds up
        parts, as many as there are threads, and the last bits depend on their number.

    Returns
    -------
    (…, R) tensor
    """
    if not in_onednn(x, weight, bias, plus, anywhere=same_bits):
        y = F.linear(x, weight, bias)
        if activation == "gelu":
            y = gelu(y, weight)
        return y if plus is None else y + plus
    onednn = torch.ops.mkldnn._linear_pointwise
    x = x.contiguous()  # with other strides, oneDNN is a hundred times slower or wrong
    if not (weight.is_contiguous() or weight.t().is_contiguous()):
        weight = weight.contiguous()
    if plus is not None and activation == "none":
        return onednn.binary(x, plus.contiguous(), weight, bias, "add")
    y = onednn(x, weight, bias, activation, [], "none" if activation == "gelu" else "")
    return y if plus is None else y + plus


def rows_by_rows(
    a: Tensor, b: Tensor, bias: Tensor | None = None, plus: Tensor | None = None
) -> Tensor:
    """Return a·bᵀ + bias + plus for each member of a batch.

    Parameters
    ----------
    a : (B, R, K) tensor
    b : (B, S, K) tensor
    bias : (S,) tensor or None
    plus : (B, R, S) tensor or None
        May have a smaller batch: then each of its P members serves B/P consecutive products.

    Returns
    -------
    (B, R, S) tensor
    """
    if plus is not None and _adds_in_product(a, b, bias, plus):
        return torch.baddbmm(plus if bias is None else plus + bias, a, b.transpose(1, 2))
    if len(a) == 1:
        return linear(a[0], b[0], bias, plus=None if plus is None else plus[0])[None]
    one_by_one = a.dtype == torch.float32 or plus is not None
    if not (one_by_one and in_onednn(a, b, bias, plus)):
        y = a @ b.transpose(1, 2)
        if bias is not None:
            y = y + bias
        return y if plus is None else add_shared(y, plus)
    out = a.new_empty(len(a), a.shape[1], b.shape[1])
    for i in range(len(a)):
        shortcut = None if plus is None else plus[i * len(plus) // len(a)]
        out[i] = linear(a[i], b[i], bias, plus=shortcut)
    return out


def rows_by_columns(a: Tensor, b: Tensor) -> Tensor:
    """Return a·b for each member of a batch of (B, R, K) and (B, K, S) tensors.

    In float32 a sum of thousands of terms is taken in parts, as most libraries do: oneDNN's one
    chain of additions loses a digit more.
    """
    b = b.transpose(1, 2)
    K = a.shape[2]
    if K <= _TERMS_IN_A_CHAIN or a.dtype != torch.float32 or not in_onednn(a, b):
        return rows_by_rows(a, b)
    parts = range(0, K, _TERMS_IN_A_CHAIN)
    first, *others = (slice(start, start + _TERMS_IN_A_CHAIN) for start in parts)
    total = rows_by_rows(a[:, :, first], b[:, :, first])
    for part in others:
        total += rows_by_rows(a[:, :, part], b[:, :, part])
    return total


def linear_plus_shared(x: Tensor, weight: Tensor, bias: Tensor | None, shared: Tensor) -> Tensor:
    """Return x·Wᵀ + bias + shared.

    Parameters
    ----------
    x : (N, S, K) tensor
    weight : (R, K) tensor
    bias : (R,) tensor or None
    shared : (M, S, R) tensor
        M divides N; each member serves N / M consecutive members of `x`.

    Returns
    -------
    (N, S, R) tensor
    """
    if _adds_in_product(x, weight, bias, shared):
        onto = shared if bias is None else shared + bias
        return torch.baddbmm(onto, x, weight.t().expand(len(x), -1, -1))
    return add_shared(linear(x, weight, bias), shared)


def gelu(x: Tensor, *others: Tensor) -> Tensor:
    """Exact GELU of a temporary result made from `others`, in place if possible.

    New memory, which is not in the caches, would cost as much as the work itself.
    """
    return torch.ops.aten.gelu_(x) if in_inference(x, *others) else F.gelu(x)


def add_shared(x: Tensor, shared: Tensor) -> Tensor:
    """Sum of (N, …) and (M, …), where N divides M or M divides N and the smaller is repeated."""
    if len(shared) in (1, len(x)) or len(x) == 1:
        return x + shared
    return (x.unflatten(0, (len(shared), -1)) + shared[:, None]).flatten(0, 1)


def wants_gradient(*tensors: Tensor | None) -> bool:
    """Whether the result of these tensors needs a gradient."""
    return torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors)


def in_inference(x: Tensor, *others: Tensor | None) -> bool:
    """Whether only the result is needed: no gradient, no tracing, no autocast."""
    return not (
        torch.compiler.is_compiling()
        or torch.jit.is_tracing()
        or torch.is_autocast_enabled(x.device.type)
        or wants_gradient(x, *others)
    )


def _adds_in_product(x: Tensor, weight: Tensor, bias: Tensor | None, plus: Tensor) -> bool:
    """Whether MKL should add its product to `plus`, which saves one pass over memory."""
    return (
        len(plus) in (1, len(x))
        and x.device.type == "cpu"
        and in_inference(x, weight, bias, plus)
        and not in_onednn(x, weight, bias, plus)
    )


def in_onednn(x: Tensor, weight: Tensor, *others: Tensor | None, anywhere: bool = False) -> bool:
    """Whether to compute x·Wᵀ with oneDNN's own call; `anywhere`: in float32 on any processor."""
    return (
        in_inference(x, weight, *others)
        and x.device.type == "cpu"
        and bool(torch.backends.mkldnn.enabled)
        and x.dtype == weight.dtype
        # Only now: what the processor can do must not be asked while a network is traced.
        and (
            x.dtype in _dtypes_for_onednn()
            or (anywhere and x.dtype == torch.float32 and _has_onednn())
        )
        and x.numel() > 0
    )


@cache
def _has_onednn() -> bool:
    return (
        torch.backends.mkldnn.is_available()
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        and platform.machine() in ("x86_64", "AMD64")
    )


@cache
def _dtypes_for_onednn() -> frozenset[torch.dtype]:
    if not _has_onednn():
        return frozenset()
    dtypes = set()
    if torch.ops.mkldnn._is_mkldnn_bf16_supported():
        dtypes.add(torch.bfloat16)
    # On other makers' processors MKL is as fast or faster.
    if torch.backends.mkl.is_available() and _made_by_amd():
        dtypes.add(torch.float32)
    return frozenset(dtypes)


def _made_by_amd() -> bool:
    if hasattr(torch.cpu, "get_capabilities"):
        return "AMD" in str(torch.cpu.get_capabilities().get("cpu_name", ""))
    return "AuthenticAMD" in platform.processor()
