"""Matrix products are the same by whichever library they are taken."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from anymask.model import products
from tests.conftest import relative_l2

TOLERANCE = {torch.float32: 1e-6, torch.bfloat16: 6e-3}
BOTH = pytest.mark.parametrize("dtype", TOLERANCE)


@pytest.fixture(params=["onednn", "plain"])
def library(request, monkeypatch):
    """Products by oneDNN's own call for every dtype it has here, or by none of its own calls."""
    dtypes = {torch.float32} if request.param == "onednn" else set()
    if request.param == "onednn" and torch.ops.mkldnn._is_mkldnn_bf16_supported():
        dtypes.add(torch.bfloat16)
    monkeypatch.setattr(products, "_dtypes_for_onednn", lambda: frozenset(dtypes))


def draw(*shape, dtype=torch.float32):
    return torch.randn(*shape).to(dtype)


@BOTH
@pytest.mark.parametrize("activation", ["none", "gelu"])
@pytest.mark.parametrize("shortcut", [False, True])
@pytest.mark.parametrize("biased", [False, True])
def test_a_linear_layer_with_activation_and_shortcut_is_their_sum(
    library, dtype, activation, shortcut, biased
):
    torch.manual_seed(0)
    x, weight = draw(2, 5, 7, 48, dtype=dtype), draw(33, 48, dtype=dtype)
    bias = draw(33, dtype=dtype) if biased else None
    plus = draw(2, 5, 7, 33, dtype=dtype) if shortcut else None
    expected = x.double() @ weight.double().t()
    expected = expected + (bias.double() if biased else 0)
    expected = F.gelu(expected) if activation == "gelu" else expected
    expected = expected + (plus.double() if shortcut else 0)
    actual = products.linear(x, weight, bias, activation=activation, plus=plus)
    assert actual.dtype == dtype
    assert relative_l2(actual, expected) < TOLERANCE[dtype]


@BOTH
def test_strides_do_not_matter(library, dtype):
    torch.manual_seed(0)
    x = draw(48, 6, dtype=dtype).t()
    weight = draw(66, 96, dtype=dtype)[::2, ::2]
    plus = draw(33, 6, dtype=dtype).t()
    actual = products.linear(x, weight, plus=plus)
    expected = x.double() @ weight.double().t() + plus.double()
    assert relative_l2(actual, expected) < TOLERANCE[dtype]
    transposed = draw(48, 33, dtype=dtype).t()
    expected = x.double() @ transposed.double().t()
    assert relative_l2(products.linear(x, transposed), expected) < TOLERANCE[dtype]


@BOTH
@pytest.mark.parametrize("shared", [1, 2, 4])
def test_products_of_a_batch_are_those_of_its_members(library, dtype, shared):
    torch.manual_seed(0)
    a, b, bias = draw(4, 6, 40, dtype=dtype), draw(4, 9, 40, dtype=dtype), draw(9, dtype=dtype)
    plus = draw(shared, 6, 9, dtype=dtype)
    actual = products.rows_by_rows(a, b, bias, plus)
    for i in range(4):
        expected = a[i].double() @ b[i].double().t() + bias.double()
        expected += plus[i * shared // 4].double()
        assert relative_l2(actual[i], expected) < TOLERANCE[dtype]


@BOTH
def test_long_sums_are_as_exact_as_short_ones(library, dtype):
    torch.manual_seed(0)
    shares = torch.softmax(torch.randn(3, 5, 4096), -1).to(dtype)
    values = draw(3, 4096, 16, dtype=dtype) + 1
    actual = products.rows_by_columns(shares, values)
    assert relative_l2(actual, shares.double() @ values.double()) < TOLERANCE[dtype]


def test_a_gradient_reaches_everything_that_wants_one(library):
    torch.manual_seed(0)
    tensors = {
        "x": draw(6, 48),
        "weight": draw(33, 48),
        "bias": draw(33),
        "plus": draw(6, 33),
    }
    for wanted in tensors:
        for tensor in tensors.values():
            tensor.requires_grad_(False).grad = None
        tensors[wanted].requires_grad_(True)
        products.linear(**tensors, activation="gelu").square().sum().backward()
        actual = tensors[wanted].grad
        product = tensors["x"] @ tensors["weight"].t() + tensors["bias"]
        loss = (F.gelu(product) + tensors["plus"]).square().sum()
        expected = torch.autograd.grad(loss, tensors[wanted])[0]
        assert relative_l2(actual, expected) < 1e-5, wanted


def test_autocast_decides_the_dtype_of_a_product(library):
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        assert products.linear(draw(6, 48), draw(33, 48)).dtype == torch.bfloat16


def test_a_product_of_no_rows_has_no_rows(library):
    assert products.linear(draw(0, 48), draw(33, 48)).shape == (0, 33)


@BOTH
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("shared", [1, 3, 6])
def test_a_linear_layer_onto_what_several_share_is_their_sum(library, dtype, biased, shared):
    torch.manual_seed(0)
    x, weight = draw(6, 7, 48, dtype=dtype), draw(33, 48, dtype=dtype)
    bias = draw(33, dtype=dtype) if biased else None
    onto = draw(shared, 33, 7, dtype=dtype).transpose(1, 2)
    kept = onto.clone()
    expected = x.double() @ weight.double().t() + (bias.double() if biased else 0)
    expected = expected + onto.double().repeat_interleave(6 // shared, 0)
    actual = products.linear_plus_shared(x, weight, bias, onto)
    assert actual.dtype == dtype
    assert relative_l2(actual, expected) < TOLERANCE[dtype]
    assert torch.equal(onto, kept)


def test_a_linear_layer_onto_what_several_share_has_gradients():
    torch.manual_seed(0)
    x, weight, bias, onto = (
        draw(*shape).double().requires_grad_() for shape in ((4, 5, 3), (2, 3), (2,), (2, 5, 2))
    )
    assert torch.autograd.gradcheck(products.linear_plus_shared, (x, weight, bias, onto))
