"""Every function and its derivative against mpmath at 50 digits, over the domain it declares.

Held to 4 ulp: in NumPy (the reference), in PyTorch and in JAX as the printer writes them, and the
derivative once as the table has it and once as each framework differentiates the function.

Where 4 ulp of the value cannot be, SIZES says of what: of the terms that cancel in it, or of the
value that half an ulp of the argument makes, and why. A denormal argument may count as 0, as XLA
has it, and so may a denormal that the result is a multiple of.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import mpmath
import numpy as np
import printed
import pytest
from printed import BACKENDS

from wellposed.backends.jax_dialect import JAX
from wellposed.backends.torch_dialect import TORCH
from wellposed.compiler.ir.elementary import BY_DEFINITION, DERIVATIVES, FUNCTIONS, PUBLIC
from wellposed.compiler.ir.expr import Expr, constant, variable
from wellposed.compiler.ir.operations import ELEMENTWISE_FUNCTIONS
from wellposed.compiler.ir.types import columns
from wellposed.compiler.language.elaborate import elaborate
from wellposed.compiler.passes import derive
from wellposed.compiler.promises.checked import value_checked
from wellposed.compiler.semantics.evaluate import evaluate
from wellposed.compiler.semantics.meaning import MEANING

Exact = Any
"""A number of mpmath."""
Array = np.ndarray
DIGITS = 50
ULPS = 4
EPSILON = 2.0**-52
TINY = 2.0**-1022
LARGEST = float(np.finfo(float).max)


def _phi(x: Exact) -> Exact:
    """The normal distribution function Φ; beyond 60 it is 0 or 1 to any digit."""
    if abs(x) > 60:
        return mpmath.mpf(x > 0)
    return mpmath.erfc(-x / mpmath.sqrt(2)) / 2


def _density(x: Exact) -> Exact:
    """Φ'."""
    return mpmath.exp(-(x**2) / 2) / mpmath.sqrt(2 * mpmath.pi) if abs(x) < 60 else mpmath.mpf(0)


def _sigmoid(x: Exact) -> Exact:
    return 1 / (1 + mpmath.exp(-x)) if x > -1000 else mpmath.mpf(0)


def _step(x: Exact) -> Exact:
    return mpmath.mpf(x > 0)


def _zero(x: Exact) -> Exact:
    return mpmath.mpf(0)


ORACLE: dict[str, tuple[Callable[[Exact], Exact], Callable[[Exact], Exact]]] = {
    "tanh": (mpmath.tanh, lambda x: mpmath.sech(x) ** 2),
    "relu": (lambda x: x * _step(x), _step),
    "sigmoid": (_sigmoid, lambda x: _sigmoid(x) * _sigmoid(-x)),
    "softplus": (lambda x: mpmath.log1p(mpmath.exp(x)) if x < 1000 else x, _sigmoid),
    "gelu": (lambda x: x * _phi(x), lambda x: _phi(x) + x * _density(x)),
    "ndtr": (_phi, _density),
    "sin": (mpmath.sin, mpmath.cos),
    "cos": (mpmath.cos, lambda x: -mpmath.sin(x)),
    "exp": (mpmath.exp, mpmath.exp),
    "log": (mpmath.log, lambda x: 1 / x),
    "sqrt": (mpmath.sqrt, lambda x: 1 / (2 * mpmath.sqrt(x))),
    "sinh": (mpmath.sinh, mpmath.cosh),
    "cosh": (mpmath.cosh, mpmath.sinh),
    "abs": (abs, mpmath.sign),
    "sign": (mpmath.sign, _zero),
    "heaviside": (_step, _zero),
    "identity": (lambda x: x, lambda x: mpmath.mpf(1)),
    "cubic": (lambda x: x**3, lambda x: 3 * x**2),
}
"""Function and derivative in closed form; a test holds the second to the first."""

VALUE, ROW, OWN = "value", "derivative", "own derivative"
Size = Callable[[Exact], Exact]


def _tail(f: Size) -> Size:
    """f where e^{−x²/2} is part of it: half an ulp of x² moves it by x² half ulps."""
    return lambda x: f(x) * (1 + x**2)


def _exponent(f: Size) -> Size:
    """f where XLA takes e^{x + log ½}: half an ulp of the sum moves it by x half ulps."""
    return lambda x: f(x) * (1 + abs(x))


_GELU_SLOPE = _tail(lambda x: _phi(x) + abs(x) * _density(x))
_TANH_SLOPE: Size = lambda x: 1 + 2 * mpmath.tanh(x) ** 2  # noqa: E731
SIZES: dict[tuple[str, str, str], Size] = {
    # 1 − tanh², its terms being 1 and tanh² with twice the relative error of tanh
    **{("tanh", what, backend): _TANH_SLOPE for what in (ROW, OWN) for backend in BACKENDS},
    ("tanh", ROW, "numpy"): _TANH_SLOPE,
    # σ (1 − σ), as the frameworks have it themselves
    **{
        ("sigmoid", what, b): lambda x: _sigmoid(x) * (1 + _sigmoid(x))
        for what in (ROW, OWN)
        for b in ("numpy", *BACKENDS)
    },
    # JAX's own e^{x − softplus(x)}
    ("softplus", OWN, "jax"): _exponent(_sigmoid),
    **{
        ("sinh", VALUE, "jax"): _exponent(mpmath.cosh),
        ("cosh", VALUE, "jax"): _exponent(mpmath.cosh),
    },
    **{(f, what, "jax"): _exponent(mpmath.cosh) for f in ("sinh", "cosh") for what in (ROW, OWN)},
    # Φ falls like e^{−x²/2}, in SciPy and in XLA; torch takes it for (1 + erf) / 2
    **{("ndtr", VALUE, b): _tail(_phi) for b in ("numpy", "jax")},
    **{("gelu", VALUE, b): _tail(lambda x: abs(x) * _phi(x)) for b in ("numpy", "jax")},
    ("ndtr", VALUE, "torch"): lambda x: mpmath.mpf(1),
    ("gelu", VALUE, "torch"): abs,
    **{("ndtr", what, b): _tail(_density) for what in (ROW, OWN) for b in ("numpy", *BACKENDS)},
    **{("gelu", what, b): _GELU_SLOPE for what in (ROW, OWN) for b in ("numpy", "jax")},
    **{("gelu", what, "torch"): lambda x: 1 + _GELU_SLOPE(x) for what in (ROW, OWN)},
}
"""What 4 ulp are relative to where not to the value, by function, quantity and backend."""


def test_every_function_has_an_oracle_and_a_domain():
    assert set(ORACLE) == set(FUNCTIONS)
    assert set(DERIVATIVES) == set(ELEMENTWISE_FUNCTIONS)
    assert {*PUBLIC} - {"sum"} <= set(FUNCTIONS)
    for name, function in FUNCTIONS.items():
        low, high = function.domain
        assert low < high, f"{name} declares no domain"


@cache
def points(name: str) -> Array:
    """0, denormals, tiny and large numbers, the ends of the domain, and 150 in between."""
    rng = np.random.default_rng(len(name))
    low, high = (float(np.clip(end, -LARGEST, LARGEST)) for end in FUNCTIONS[name].domain)
    special = [5e-324, 1e-310, TINY, 1e-300, 1e-160, 1e-30, 1e-8, 1e16, 1e22, 1e154, 1e300, LARGEST]
    sizes = np.concatenate([special, 10 ** rng.uniform(-20, 1.6, 60), rng.uniform(0, 40, 90)])
    ends = [np.nextafter(low, np.inf), np.nextafter(high, -np.inf)]
    between = np.array([e for e in ends if abs(e) < 1e5] + [e / 2 for e in ends if abs(e) < 1e5])
    found = np.concatenate([[0.0], sizes, -sizes, between])
    return np.unique(found[(found > low) & (found < high)])


@cache
def exact(name: str, what: str) -> list[Exact]:
    function = ORACLE[name][what != VALUE]
    with mpmath.workdps(DIGITS):
        return [function(mpmath.mpf(x)) for x in points(name)]


def misses(name: str, what: str, backend: str, found: Array) -> list[str]:
    """Where a result is more than 4 ulp off."""
    size = SIZES.get((name, what, backend))
    at_zero = {True: exact_at(name, what, 0.0)} if 0 in points(name) else {}
    failures: list[str] = []
    with mpmath.workdps(DIGITS):
        for x, y, right in zip(points(name), found, exact(name, what), strict=True):
            scale = abs(right) if size is None else size(mpmath.mpf(x))
            allowed = [right, *at_zero.values()] if abs(x) < TINY else [right]
            error = min(abs(mpmath.mpf(float(y)) - value) for value in allowed)
            if not (np.isfinite(y) and error <= ULPS * EPSILON * scale + TINY * (1 + abs(x))):
                failures.append(f"{name} {what} at {x!r}: {y!r}, not {mpmath.nstr(right, 17)}")
    return failures


def exact_at(name: str, what: str, x: float) -> Exact:
    with mpmath.workdps(DIGITS):
        return ORACLE[name][what != VALUE](mpmath.mpf(x))


# --- the three programs -----------------------------------------------------------------------

ARGUMENT = variable("x", columns())


def expression(name: str, what: str) -> Expr:
    value = elaborate(f"{name}(x)", {"x": ARGUMENT}, catalogue=True)
    if what == VALUE:
        return value
    (slope,) = derive.gradient(value, [ARGUMENT], constant(1))
    assert slope is not None
    return slope


def run(backend: str, name: str, what: str) -> Array:
    """The row of results at the points."""
    x = points(name)[None]
    e = expression(name, ROW if what == ROW else VALUE)
    with np.errstate(all="ignore"):
        if backend == "numpy":
            found = evaluate(e, {ARGUMENT: x})
        elif what == OWN:
            found = printed.vjp(backend, e, ARGUMENT, x, np.ones_like(x))
        else:
            found = printed.value(backend, e, ARGUMENT, x)
    return np.broadcast_to(found, x.shape)[0]


CASES = [("numpy", VALUE), ("numpy", ROW)] + [
    (backend, what) for backend in BACKENDS for what in (VALUE, ROW, OWN)
]


@pytest.mark.covers("value", "gradient", "torch", "jax", "float64", by="name", of="function")
@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize(("backend", "what"), CASES)
def test_to_four_ulp(backend: str, what: str, name: str):
    assert misses(name, what, backend, run(backend, name, what)) == []


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_oracle_is_a_function_and_its_derivative(name: str):
    function, derivative = ORACLE[name]
    low, high = FUNCTIONS[name].domain
    with mpmath.workdps(DIGITS):
        for x in (-3.7, -0.75, -0.1, 0.2, 1.3, 5.0):
            if low < x < high:
                slope = mpmath.diff(function, mpmath.mpf(x), h=mpmath.mpf(10) ** -20)
                assert abs(slope - derivative(mpmath.mpf(x))) < 1e-25, (name, x)


@pytest.mark.parametrize("name", [n for n, f in FUNCTIONS.items() if f.kink is not None])
@pytest.mark.parametrize("backend", ["numpy", *BACKENDS])
def test_the_derivative_at_a_kink_is_the_stated_one(backend: str, name: str):
    at = list(points(name)).index(FUNCTIONS[name].kink)
    for what in (ROW, OWN) if backend != "numpy" else (ROW,):
        assert run(backend, name, what)[at] == FUNCTIONS[name].at_kink


@pytest.mark.covers("planted bug", "wrong meaning", by="name", of="function")
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_wrong_value_is_caught(name: str, monkeypatch: pytest.MonkeyPatch):
    """By 16 ulp of 1."""
    if name in MEANING:
        right = MEANING[name]
        monkeypatch.setitem(MEANING, name, lambda node, x: right(node, x) + 3.6e-15)
    else:
        monkeypatch.setitem(BY_DEFINITION, name, f"{BY_DEFINITION[name]} + 3.6e-15")
    assert misses(name, VALUE, "numpy", run("numpy", name, VALUE))


@pytest.mark.covers("wrong derivative", by="name", of="function")
@pytest.mark.parametrize("name", DERIVATIVES)
def test_a_wrong_row_is_caught(name: str, monkeypatch: pytest.MonkeyPatch):
    """By 16 ulp of 1."""
    monkeypatch.setitem(DERIVATIVES, name, f"{DERIVATIVES[name]} + 3.6e-15")
    with value_checked(None):
        assert misses(name, ROW, "numpy", run("numpy", name, ROW))


DIALECTS = {"torch": TORCH, "jax": JAX}


@pytest.mark.covers("wrong text in torch", "wrong text in jax", by="name", of="function")
@pytest.mark.parametrize("name", ELEMENTWISE_FUNCTIONS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_wrong_text_of_a_framework_is_caught(
    backend: str, name: str, monkeypatch: pytest.MonkeyPatch
):
    """By 16 ulp of 1."""
    row = DIALECTS[backend].rows[name]
    wrong = replace(row, text=f"({row.text} + 3.6e-15)")
    monkeypatch.setitem(DIALECTS[backend].rows, name, wrong)  # pyright: ignore[reportArgumentType]
    assert misses(name, VALUE, backend, run(backend, name, VALUE))
