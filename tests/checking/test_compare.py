"""The comparator can fail: every way in which two arrays may differ is tried on it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from wellposed.checking.compare import (
    Comparison,
    Element,
    Standard,
    Verdict,
    compare_bytes,
    compare_leaves,
    errors,
)

TOLERANCE = 1e-10
AGREES, DIFFERS, ILL_POSED = Verdict.AGREES, Verdict.DIFFERS, Verdict.ILL_POSED

numbers = st.floats(-1e6, 1e6, allow_subnormal=False)
shapes = hnp.array_shapes(min_dims=0, max_dims=3, max_side=4)
arrays = hnp.arrays(np.float64, shapes, elements=numbers)


def compare(found: np.ndarray, standard: Standard, dtype: str) -> Comparison:
    """One array against its standard."""
    return compare_leaves({"": found}, {"": standard}, dtype)


def standard(value: np.ndarray, tolerance: float = TOLERANCE) -> Standard:
    scale = np.max(np.abs(value)) or 1.0
    return Standard(value, np.asarray(scale), np.asarray(tolerance))


def verdict(found: np.ndarray, expected: np.ndarray) -> Comparison:
    return compare(found, standard(expected), "float64")


@st.composite
def array_and_index(draw: st.DrawFn) -> tuple[np.ndarray, tuple[int, ...]]:
    array = draw(arrays)
    return array, tuple(draw(st.integers(0, n - 1)) for n in array.shape)


@given(arrays)
def test_an_array_agrees_with_itself(array: np.ndarray):
    found = verdict(array.copy(), array)
    assert (found.verdict, found.worst, found.ratio) == (AGREES, 0.0, 0.0)


@given(array_and_index(), st.floats(1.01, 1e6))
def test_one_element_beyond_the_tolerance_is_found_and_named(case, factor: float):
    expected, index = case
    found = expected.copy()
    found[index] += factor * TOLERANCE * float(standard(expected).scale)
    result = verdict(found, expected)
    assert result.verdict is DIFFERS
    assert result.element is not None
    assert result.element.index == index
    assert result.first == (index[0] if index else None)


@given(array_and_index(), st.floats(0, 0.9))
def test_one_element_within_the_tolerance_agrees(case, factor: float):
    expected, index = case
    found = expected.copy()
    found[index] += factor * TOLERANCE * float(standard(expected).scale)
    assert verdict(found, expected).verdict is AGREES


@given(array_and_index(), st.sampled_from([np.nan, np.inf, -np.inf]))
def test_what_is_not_finite_differs_from_a_number(case, bad: float):
    expected, index = case
    found = expected.copy()
    found[index] = bad
    result = verdict(found, expected)
    assert result.verdict is DIFFERS
    assert result.element is not None
    assert result.element.index == index


@given(array_and_index(), st.sampled_from([np.nan, np.inf, -np.inf]))
def test_an_expectation_that_is_not_finite_never_agrees(case, bad: float):
    clean, index = case
    expected = clean.copy()
    expected[index] = bad
    held = Standard(expected, standard(clean).scale, np.asarray(TOLERANCE))
    assert compare(expected.copy(), held, "float64").verdict is ILL_POSED


@given(array_and_index())
def test_a_flipped_sign_differs(case):
    expected, index = case
    expected[index] = np.max(np.abs(expected)) or 1.0
    found = expected.copy()
    found[index] *= -1
    assert verdict(found, expected).verdict is DIFFERS


def test_zeros_are_held_to_zero():
    expected = np.zeros((2, 3))
    assert verdict(np.zeros((2, 3)), expected).verdict is AGREES
    assert verdict(np.full((2, 3), 1e-9), expected).verdict is DIFFERS
    assert verdict(np.zeros((2, 3)), np.eye(3)[:2]).verdict is DIFFERS


@given(arrays, arrays)
def test_another_shape_differs_even_where_it_would_broadcast(a: np.ndarray, b: np.ndarray):
    if a.shape == b.shape:
        b = b[None]
    result = verdict(b, a)
    assert result.verdict is DIFFERS
    assert "shape" in result.reason


@pytest.mark.parametrize("dtype", ["float32", "float16", "int64", "bool"])
def test_another_dtype_differs_even_with_equal_values(dtype: str):
    result = compare_leaves({"b": np.ones(3, dtype)}, {"b": standard(np.ones(3))}, "float64")
    assert result == Comparison(DIFFERS, reason=f"b has dtype {dtype}, not float64")


@pytest.mark.parametrize("shape", [(0,), (3, 0)])
def test_an_empty_array_differs(shape: tuple[int, ...]):
    empty = np.zeros(shape)
    held = Standard(empty, np.asarray(1.0), np.asarray(TOLERANCE))
    result = compare_leaves({"b": empty}, {"b": held}, "float64")
    assert result == Comparison(DIFFERS, reason="b is empty: nothing to compare")


def test_no_leaves_at_all_differ():
    assert compare_leaves({}, {}, "float64").verdict is DIFFERS
    assert compare_bytes({}, {}).verdict is DIFFERS


LEAVES = {"K": np.arange(4.0).reshape(2, 2), "b": np.arange(1.0, 3.0), "c": np.arange(3.0, 5.0)}
STANDARDS = {name: standard(array) for name, array in LEAVES.items()}


@pytest.mark.parametrize("name", LEAVES)
def test_a_missing_and_an_extra_leaf_differ(name: str):
    fewer = {n: a for n, a in LEAVES.items() if n != name}
    result = compare_leaves(fewer, STANDARDS, "float64")
    assert (result.verdict, result.reason) == (DIFFERS, f"missing: {name}")
    result = compare_leaves({**LEAVES, "extra": LEAVES[name]}, STANDARDS, "float64")
    assert (result.verdict, result.reason) == (DIFFERS, "not part of the spec: extra")


def test_swapped_leaves_differ():
    swapped = LEAVES | {"b": LEAVES["c"], "c": LEAVES["b"]}
    result = compare_leaves(swapped, STANDARDS, "float64")
    assert result.verdict is DIFFERS
    assert result.element is not None
    assert result.element.leaf in "bc"


def test_a_small_leaf_is_not_hidden_behind_a_large_one():
    expected = {"large": np.full(3, 1e9), "small": np.full(3, 1e-9)}
    found = expected | {"small": np.full(3, 1.001e-9)}
    held = {name: standard(array) for name, array in expected.items()}
    assert compare_leaves(found, held, "float64").verdict is DIFFERS


@given(arrays, st.integers(-20, 20))
@settings(max_examples=50)
def test_the_verdict_does_not_depend_on_the_unit(array: np.ndarray, power: int):
    rng = np.random.default_rng(0)
    found = array + rng.normal(size=array.shape) * TOLERANCE * float(standard(array).scale)
    unit, held = 2.0**power, standard(array)
    scaled = Standard(array * unit, held.scale * unit, held.tolerance)
    one, other = compare(found, held, "float64"), compare(found * unit, scaled, "float64")
    assert one.verdict is other.verdict


def test_tolerances_by_time_step_are_held_step_by_step():
    expected, found = np.ones((3, 2)), np.ones((3, 2))
    found[1:] += 1e-8
    tolerance = np.array([[1e-12], [1e-6], [1e-12]])
    result = compare(found, Standard(expected, np.asarray(1.0), tolerance), "float64")
    assert (result.verdict, result.first) == (DIFFERS, 2)


def test_where_the_tolerance_is_infinite_nothing_is_judged_but_the_rest_is():
    expected, found = np.ones((3, 2)), np.ones((3, 2))
    found[2] = 7
    held = Standard(expected, np.asarray(1.0), np.array([[1e-12], [1e-12], [np.inf]]))
    result = compare(found, held, "float64")
    assert (result.verdict, result.horizon) == (ILL_POSED, 2)
    found[1] = 2
    assert compare(found, held, "float64").verdict is DIFFERS


@pytest.mark.parametrize("scale", [0.0, np.inf, np.nan, -1.0])
def test_a_scale_that_would_hide_errors_is_refused(scale: float):
    with pytest.raises(ValueError, match="finite and positive"):
        Standard(np.ones(2), np.asarray(scale), np.asarray(1e-3))


def test_errors_of_infinities_and_nan():
    a = np.array([np.inf, np.inf, np.nan, 1.0, np.inf])
    b = np.array([np.inf, -np.inf, np.nan, np.nan, 1.0])
    assert errors(a, b, np.asarray(1.0)).tolist() == [0, np.inf, np.inf, np.inf, np.inf]


@given(array_and_index())
def test_bytes_differ_by_one_ulp(case):
    expected, index = case
    assert compare_bytes({"w": expected.copy()}, {"w": expected}).verdict is AGREES
    found = expected.copy()
    found[index] = np.nextafter(found[index], np.inf)
    result = compare_bytes({"w": found}, {"w": expected})
    assert result.verdict is DIFFERS
    assert result.element is not None
    assert result.element.index == index


def test_bytes_differ_by_the_sign_of_a_zero_and_by_nan():
    zero = np.zeros(2)
    assert compare_bytes({"w": -zero}, {"w": zero}).verdict is DIFFERS
    nan = np.full(2, np.nan)
    assert compare_bytes({"w": nan}, {"w": nan}).verdict is DIFFERS
    assert compare_bytes({"w": zero.astype("float32")}, {"w": zero}).verdict is DIFFERS
    assert compare_bytes({"w": zero[None]}, {"w": zero}).verdict is DIFFERS
    assert compare_bytes({"v": zero}, {"w": zero}).verdict is DIFFERS


@given(array_and_index())
def test_a_zero_has_no_sign_but_in_bytes(case):
    expected, index = case
    expected[index] = 0.0
    found = expected.copy()
    found[index] = -0.0
    assert verdict(found, expected).verdict is AGREES
    assert compare_bytes({"w": found}, {"w": expected}).verdict is DIFFERS


@given(st.integers(2, 5), st.integers(1, 3))
def test_rows_in_another_order_differ(rows: int, columns: int):
    expected = np.arange(1.0, rows * columns + 1).reshape(rows, columns)
    result = verdict(np.roll(expected, 1, axis=0), expected)
    assert (result.verdict, result.first) == (DIFFERS, 0)


@given(st.integers(1, 4))
def test_the_transposed_matrix_differs(n: int):
    expected = np.arange(float(n * (n + 1))).reshape(n, n + 1)
    assert verdict(expected.T.copy(), expected).verdict is DIFFERS
    square = np.arange(float((n + 1) ** 2)).reshape(n + 1, n + 1)
    assert verdict(square.T.copy(), square).verdict is DIFFERS


@given(array_and_index(), st.floats(1.5, 1e3))
def test_the_worst_entry_is_reported_with_its_numbers(case, factor: float):
    expected, index = case
    found = np.array(expected + 0.5 * TOLERANCE * float(standard(expected).scale))
    found[index] = expected[index] + factor * TOLERANCE * float(standard(expected).scale)
    result = verdict(found, expected)
    assert result.element is not None
    assert (result.element.index, result.element.found) == (index, found[index])
    assert result.element.expected == expected[index]
    assert result.worst == pytest.approx(factor * TOLERANCE, rel=1e-4)
    assert result.tolerance == TOLERANCE
    assert result.ratio == pytest.approx(factor, rel=1e-4)


def test_an_error_at_its_tolerance_agrees_and_one_beyond_it_does_not():
    held = Standard(np.asarray(1.0), np.asarray(1.0), np.asarray(0.25))
    assert compare(np.asarray(1.25), held, "float64").verdict is AGREES
    assert compare(np.asarray(np.nextafter(1.25, 2)), held, "float64").verdict is DIFFERS
    assert compare(np.asarray(0.75), held, "float64").verdict is AGREES
    assert compare(np.asarray(np.nextafter(0.75, 0)), held, "float64").verdict is DIFFERS


def test_the_first_index_that_differs_is_beyond_its_tolerance():
    held = Standard(np.ones(3), np.asarray(1.0), np.asarray(0.25))
    assert compare(np.array([1.25, 1.5, 2.0]), held, "float64").first == 1


def test_the_worst_entry_is_one_that_can_be_judged():
    held = Standard(np.ones(3), np.asarray(1.0), np.array([0.25, np.inf, np.inf]))
    result = compare(np.array([1.125, 7.0, 9.0]), held, "float64")
    assert (result.verdict, result.horizon, result.first) == (ILL_POSED, 1, None)
    assert (result.worst, result.element) == (0.125, Element("", (0,), 1.125, 1.0))


def test_a_tolerance_of_zero_asks_for_equality():
    held = Standard(np.ones(2), np.asarray(1.0), np.asarray(0.0))
    assert compare(np.ones(2), held, "float64") == Comparison(
        AGREES, 0.0, 0.0, Element("", (0,), 1.0, 1.0)
    )
    result = compare(np.array([1.0, np.nextafter(1.0, 2)]), held, "float64")
    assert (result.verdict, result.first, result.ratio) == (DIFFERS, 1, np.inf)
    bad = compare(np.array([1.0, np.nan]), held, "float64")
    assert (bad.verdict, bad.ratio) == (DIFFERS, np.inf)


def test_scales_by_row_are_held_row_by_row():
    expected = np.array([[1.0], [1e6]])
    scale = np.array([[1.0], [1e6]])
    held = Standard(expected, scale, np.asarray(1e-9))
    assert compare(expected + np.array([[0.0], [1e-4]]), held, "float64").verdict is AGREES
    result = compare(expected + np.array([[1e-4], [0.0]]), held, "float64")
    assert (result.verdict, result.first) == (DIFFERS, 0)


def test_a_difference_counts_more_than_what_cannot_be_judged_and_that_more_than_agreement():
    one = np.ones(2)
    sound, hopeless = standard(one), Standard(one, np.asarray(1.0), np.asarray(np.inf))
    held = {"a": sound, "b": hopeless, "c": sound}
    result = compare_leaves({"a": one, "b": one, "c": one}, held, "float64")
    assert (result.verdict, result.horizon, result.ratio) == (ILL_POSED, 0, 0.0)
    result = compare_leaves({"a": one, "b": one, "c": 2 * one}, held, "float64")
    assert result.verdict is DIFFERS
    assert result.element is not None
    assert result.element.leaf == "c"


def test_of_several_leaves_the_one_farthest_beyond_its_tolerance_is_reported():
    one = np.ones(2)
    held = {name: standard(one) for name in "abc"}
    found = {"a": one * (1 + 1e-9), "b": one * (1 + 1e-6), "c": one}
    result = compare_leaves(found, held, "float64")
    assert result.element is not None
    assert result.element.leaf == "b"


def test_nan_is_not_hidden_by_an_entry_that_cannot_be_judged():
    expected = np.array([1.0, np.inf])
    held = Standard(expected, np.asarray(1.0), np.asarray(TOLERANCE))
    assert compare(np.array([1.0, np.inf]), held, "float64").verdict is ILL_POSED
    assert compare(np.array([np.nan, np.inf]), held, "float64").verdict is DIFFERS


def test_a_number_has_no_first_index_and_nothing_measured_has_no_error():
    far = compare(np.asarray(2.0), standard(np.asarray(1.0)), "float64")
    assert (far.verdict, far.first, far.horizon) == (DIFFERS, None, None)
    hopeless = Standard(np.ones(3), np.asarray(1.0), np.asarray(np.inf))
    result = compare(np.ones(3), hopeless, "float64")
    assert (result.verdict, result.worst, result.element) == (ILL_POSED, None, None)
    assert (result.horizon, result.first, result.ratio) == (0, None, 0.0)
    assert compare_leaves({}, {"a": hopeless}, "float64").ratio == np.inf


def test_missing_leaves_are_told_before_extra_ones_and_all_by_name():
    result = compare_leaves({"z": LEAVES["b"], "x": LEAVES["b"]}, STANDARDS, "float64")
    assert result.reason == "missing: K, b, c"
    both = {**LEAVES, "z": LEAVES["b"], "x": LEAVES["b"]}
    assert compare_leaves(both, STANDARDS, "float64").reason == "not part of the spec: x, z"


@given(shapes, shapes)
def test_bytes_of_another_shape_differ(a: tuple[int, ...], b: tuple[int, ...]):
    agrees = compare_bytes({"w": np.ones(b)}, {"w": np.ones(a)}).verdict is AGREES
    assert agrees is (a == b)


def test_bytes_report_the_first_leaf_and_entry_that_differ_on_the_scale_of_the_leaf():
    expected = {"a": np.ones(2), "b": np.array([4.0, -8.0]), "c": np.ones(2)}
    found = expected | {"b": np.array([4.0, -6.0]), "c": np.zeros(2)}
    result = compare_bytes(found, expected)
    assert result == Comparison(DIFFERS, 0.25, 0.0, Element("b", (1,), -6.0, -8.0))
    same = compare_bytes(expected, expected)
    assert same == Comparison(AGREES, 0.0, 0.0, Element("a", (0,), 1.0, 1.0))


def test_bytes_of_zeros_and_of_several_dtypes():
    zero = {"w": np.zeros(2)}
    result = compare_bytes({"w": np.array([0.0, 1e-300])}, zero)
    assert (result.verdict, result.worst) == (DIFFERS, 1e-300)
    mixed = {"a": np.ones(2), "b": np.ones(2, np.float32)}
    assert compare_bytes(mixed, mixed).verdict is DIFFERS


@given(arrays, st.sampled_from(["float16", "float32", "int64", "complex128", "bool"]))
def test_bytes_of_another_dtype_differ(array: np.ndarray, dtype: str):
    other = np.zeros(array.shape).astype(dtype)
    assert compare_bytes({"w": other}, {"w": np.zeros(array.shape)}).verdict is DIFFERS


@pytest.mark.parametrize("tolerance", [0.0, 1e-10])
def test_every_array_of_one_leaf_alone_is_compared(tolerance: float):
    held = Standard(np.zeros((2, 1)), np.asarray(1.0), np.asarray(tolerance))
    assert compare(np.zeros((2, 1)), held, "float64").verdict is AGREES
    assert compare(np.zeros((1, 2)), held, "float64").reason == " has shape (1, 2), not (2, 1)"
