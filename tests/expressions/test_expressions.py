"""Expressions as users type them: what they mean, and what is refused in one sentence."""

from __future__ import annotations

import math
import pickle
import warnings

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from anymask.errors import AnymaskError, ExpressionError
from anymask.expressions import Call, Indexed, parse

X = np.array([0.0, 1.0, 2.0, 4.0])
VALUES = {"x": X, "y": np.array([5.0, 3.0, 2.0, 1.0]), "odd name": np.full(4, 7.0)}


def value(text: str) -> np.ndarray:
    return parse(text, names=VALUES).evaluate(VALUES)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("2 ** 3 ** 2", 512),
        ("-2 ** 2", -4),
        ("2 ** -1", 0.5),
        ("8 / 4 / 2", 1),
        ("8 - 4 - 2", 2),
        ("- - 3", 3),
        (".5 + 1. + 1e-3 + 2E2", 201.501),
        ("min(3, 1, 2) + max(3, 1, 2) + mean(1, 2, 6)", 7),
        ("abs(-3) + sqrt(16) + exp(0) + log(1) + log10(100)", 10),
        ("clip(5, 0, 1) + clip(-5, 0, 1)", 1),
        ("where(2 > 1, 10, 20)", 10),
        ("1 < 2 < 3", True),
        ("1 < 3 < 2", False),
        ("(1 < 2 < 3)", True),
        ("where(3, 1, 2) + where(0, 10, 20)", 21),
        ("3 and 4", True),
        ("not 1 > 2 and 2 >= 2 or 1 != 1", True),
        ("not (1 > 2 or 2 == 2)", False),
    ],
)
def test_operators_bind_as_in_python(text: str, expected: float) -> None:
    assert parse(text).evaluate({}) == pytest.approx(expected)


def test_names_stand_for_arrays() -> None:
    np.testing.assert_array_equal(value("x * y - 1"), X * VALUES["y"] - 1)
    np.testing.assert_array_equal(value("'odd name' + x"), 7 + X)
    np.testing.assert_array_equal(value("where(x > y, x, -y)"), [-5, -3, -2, 4])
    assert parse("x + y * x + z").names() == {"x", "y", "z"}


def test_upper_and_lower_case_are_the_same_unless_both_are_there() -> None:
    np.testing.assert_array_equal(value("X + Y"), X + VALUES["y"])
    both = parse("a + A", names={"a", "A"})
    assert both.names() == {"a", "A"}
    np.testing.assert_array_equal(value("ABS(x)"), X)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 / x", [math.nan, 1, 0.5, 0.25]),
        ("x / x", [math.nan, 1, 1, 1]),
        ("x ** -1", [math.nan, 1, 0.5, 0.25]),
        ("log(x)", [math.nan, 0, math.log(2), math.log(4)]),
        ("log10(x - 1)", [math.nan, math.nan, 0, math.log10(3)]),
        ("sqrt(x - 1)", [math.nan, 0, 1, math.sqrt(3)]),
        ("(x - 2) ** 0.5", [math.nan, math.nan, 0, math.sqrt(2)]),
        ("exp(x * 300)", [1, math.exp(300), math.exp(600), math.nan]),
        ("max(1 / x, 0)", [math.nan, 1, 0.5, 0.25]),
    ],
)
def test_what_has_no_finite_answer_is_nan_without_a_warning(text: str, expected: list) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = value(text)
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize("sign", ["<", "<=", ">", ">=", "==", "!="])
def test_comparisons_with_nan_are_false(sign: str) -> None:
    assert not value(f"1 / x {sign} 1")[0]
    assert not value(f"1 {sign} 1 / x")[0]


def test_a_condition_chooses_around_a_division_by_zero() -> None:
    np.testing.assert_array_equal(value("where(x > 0, 1 / x, -1)"), [-1, 1, 0.5, 0.25])


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (np.uint8, np.float32),
        (np.int16, np.float32),
        (np.float16, np.float32),
        (np.float32, np.float32),
        (np.int32, np.float64),
        (np.uint64, np.float64),
        (np.float64, np.float64),
    ],
)
def test_integers_never_wrap_and_narrow_values_stay_narrow(dtype: type, expected: type) -> None:
    x = np.array([3, 120], dtype)
    result = parse("(x - 100) * 2.5").evaluate({"x": x})
    assert result.dtype == expected
    np.testing.assert_array_equal(result, [-242.5, 50])


def test_truth_counts_as_0_and_1_in_sums() -> None:
    np.testing.assert_array_equal(value("(x > 0) + (x > 1)"), [0, 1, 2, 2])
    np.testing.assert_array_equal(value("(x > 1) - 1"), [-1, -1, 0, 0])
    np.testing.assert_array_equal(value("mean(x > 0, x > 1)"), [0, 0.5, 1, 1])
    assert value("x > 0 and x < 4").dtype == bool
    np.testing.assert_array_equal(value("where(0 / x, 1, 2)"), [2, 2, 2, 2])  # NaN is not true
    np.testing.assert_array_equal(value("x and y"), [False, True, True, True])


def test_the_arrays_given_are_never_changed() -> None:
    kept = X.copy()
    for text in ("+x", "1 / x", "x", "x ** -1", "max(x, 1 / x)"):
        value(text)
        np.testing.assert_array_equal(X, kept)


def test_indices_and_own_functions_are_asked_of_the_caller() -> None:
    expression = parse(
        "ch[3] + 'ch'[10:20] + ch[:4] + ch[5:] + nm(680) + nm(670:690, 2)",
        functions=["nm"],
        indexed=["ch"],
    )
    assert [
        (n.start, n.stop, n.ranged) for n in expression.references() if isinstance(n, Indexed)
    ] == [(3, 4, False), (10, 20, True), (0, 4, True), (5, None, True)]
    assert [n.arguments for n in expression.references() if isinstance(n, Call)] == [
        (680.0,),
        ((670.0, 690.0), 2.0),
    ]
    found = expression.evaluate({}, index=lambda node: node.start, call=lambda node: 100.0)
    assert found == 3 + 10 + 0 + 5 + 200


def test_a_table_of_measurements_is_asked_as_in_the_documentation() -> None:
    table = {"area": np.array([100, 300, 300]), "circularity": np.array([0.9, 0.9, 0.5])}
    chosen = parse("area > 200 and circularity > .8", names=table).evaluate(table)
    assert chosen.tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("text", "position", "part"),
    [
        ("", 0, "empty"),
        ("   ", 3, "empty"),
        ("x +", 3, "ends where a value is expected"),
        ("x + * y", 4, "missing before '*'"),
        ("x y", 2, "operator is missing before 'y'"),
        ("(x", 0, "never closed"),
        ("x)", 1, "has no matching"),
        ("log(x", 0, "after 'log' is never closed"),
        ("zebra + 1", 0, "no name 'zebra'"),
        ("od", 0, "no name 'od'"),
        ("max(x)", 0, "at least 2 values"),
        ("where(x, 1)", 0, "takes 3 values"),
        ("sine(x)", 0, "no function 'sine'"),
        ("sqr(x)", 0, "did you mean 'sqrt'?"),
        ("log", 0, "is a function"),
        ("ch", 0, "write ch[0]"),
        ("ch(3)", 0, "write ch[0]"),
        ("nm[3]", 0, "write nm(…)"),
        ("ch[]", 3, "whole number"),
        ("ch[1.5]", 3, "not a whole number"),
        ("ch[-1]", 3, "whole number"),
        ("ch[5:3]", 3, "empty"),
        ("ch[5", 4, "never closed"),
        ("nm(x)", 3, "only constant numbers"),
        ("x, y", 1, "outside"),
        ("x ^ 2", 2, "a power is written **"),
        ("x & y", 2, "write 'and'"),
        ("x = 2", 2, "compared with =="),
        ("x; y", 1, "means nothing"),
        ("x.real", 1, "stands alone"),
        ("1 / 0", 2, "not give a finite number"),
        ("log(0)", 0, "not give a finite number"),
        ("1e999", 0, "too large"),
        ("1 + not x", 4, "parentheses"),
        ("'x", 0, "never closed"),
    ],
)
def test_errors_point_at_the_character(text: str, position: int, part: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text, names=VALUES, functions=["nm"], indexed=["ch"])
    error = caught.value
    assert (error.expression, error.position) == (text, position)
    assert part in str(error)
    assert f"at character {position + 1}:" in str(error)


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("__import__('os').system('true')", None),
        ("__import__", 0),
        ("x.__class__.__bases__[0]", 1),
        ("().__class__", None),
        ("[x for x in (1, 2)]", 0),
        ("lambda: 0", None),
        ("exec('1')", 0),
        ("f'{x}'", None),
        ("(" * 1_000_000, 10_000),
        ("(" * 5_000 + "x" + ")" * 5_000, None),
        ("-" * 5_000 + "x", 100),
        ("x" + " ** x" * 1_500, None),
        ("9**9**9**9", None),
        ("9" * 9_000, 0),
        ("ch[" + "9" * 9_000 + "]", 3),
        ("x" * 9_000, 0),
        ("x+" * 2_000_000, 10_000),
        ("1 + \u0661\u0662", 4),  # Arabic-Indic digits
        ("x\u00b2", 0),
        ("\uff11 + 1", 0),  # a full-width 1
        ("x \u2212 1", 2),  # a minus sign of typesetting
        ("x\x00", 1),
        ("\U0001f346", 0),
        ("'" * 9_999, None),
    ],
)
def test_attacks_end_in_one_short_sentence(text: str, position: int | None) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text, names=VALUES, functions=["nm"], indexed=["ch"])
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
    if position is not None:
        assert caught.value.position == position


def test_long_and_deep_expressions_within_the_limits_are_computed() -> None:
    long = "+".join(["x"] * 4_000)
    np.testing.assert_array_equal(value(long), 4_000 * X)
    deep = "(1+" * 100 + "x" + ")" * 100
    np.testing.assert_array_equal(value(deep), X + 100)
    with pytest.raises(ExpressionError, match="100 deep"):
        value("(" + deep + ")")


@given(st.text(max_size=40))
@example("nm(680:")
@example("ch[:]")
@example("a<b<c")
def test_any_text_is_computed_or_refused(text: str) -> None:
    try:
        expression = parse(text, functions=["nm"], indexed=["ch"])
        expression.evaluate(lambda name: X, index=lambda node: X, call=lambda node: X)
    except ExpressionError as error:
        assert 0 <= error.position <= len(text)


NUMBERS = st.floats(-1e3, 1e3, allow_nan=False).map(lambda number: round(number, 3))
TREES = st.recursive(
    st.one_of(NUMBERS.map(abs).map(str), st.just("x")),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda t: f"({t[0]}{t[1]}{t[2]})"),
        st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda t: f"{t[0]} {t[1]} {t[2]}"),
        inner.map(lambda t: f"-{t}"),
        inner.map(lambda t: f"abs({t})"),
    ),
    max_leaves=12,
)


@given(TREES)
def test_sums_and_products_are_those_of_python(text: str) -> None:
    found = parse(text, names={"x"}).evaluate({"x": 1.5})
    assert found == pytest.approx(eval(text, {"x": 1.5, "abs": abs}), rel=1e-9, abs=1e-9)


def test_the_error_survives_a_trip_to_another_process() -> None:
    with pytest.raises(ExpressionError) as caught:
        parse("1 +")
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (str(copy), copy.position) == (str(caught.value), 3)
    assert isinstance(copy, AnymaskError)
