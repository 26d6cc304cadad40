"""Random vector fields of kind `custom`: typed expressions of the closed grammar, well scaled.

A vector is known by its size, so an expression fits by construction. Whatever grows without bound
stands inside a bounded function or is multiplied by a small number, lest states overflow.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, get_args

from hypothesis import strategies as st

from wellposed.compiler.front.names import refusal
from wellposed.compiler.ir.elementary import PUBLIC
from wellposed.spec.parametrizations import HamiltonianBlock, Parametrization
from wellposed.spec.vector_fields import InTime

from .values import Plain, member, rarely

Shape = tuple[int, int]
Dimensions = tuple[int, ...]

SIZES = (2, 3, 1, 4)
DEPTH = 3
TAMED = {
    "exp": "exp(-{x} ** 2)",
    "log": "log(1 + {x} ** 2)",
    "sqrt": "sqrt(1 + {x} ** 2)",
    "cosh": "cosh(sin({bare}))",
    "sinh": "sinh(tanh({bare}))",
    "cubic": "cubic(sin({bare}))",
}
"""How a function is called that grows fast or is not defined everywhere."""
UNARY = (
    *(TAMED.get(name, f"{name}({{bare}})") for name in PUBLIC if name != "sum"),
    "-{x}",
    "{x} / 2",
    "{x} ** 2",
    "0.5 * {x}",
    "{x} ** 3",
    "1 / (2 + sin({bare}))",
    "(2 + cos({bare})) ** 0.5",
    "2 ** sin({bare})",
    "log(cosh({bare}))",
    "{x} + 1",
    "{x} * t",
    "{x} - 0.25",
    "(1 + {x} ** 2) ** -1",
    "{x} ** 1",
    "{x} ** 0",
    "0 * {x}",
    "-(-{x})",
    "{x} / 3 + {x} / 6",
    "2 ** 3 * {x} / 7",
    "1e-20 * {x}",
)
BINARY = (
    "{x} + {z}",
    "{x} * {z}",
    "{x} - {z}",
    "{x} / (1 + {z} ** 2)",
    "(1.5 + sin({bare})) ** cos({z})",
)
MATRIX = ("-{x}", "{x} / 2", "0.5 * {x}", "tanh({bare})", "{x} * t", "{x} ** 2", "({x}.T).T")
"""A matrix of a matrix."""
SCALARS = ("t", "0.5", "2", "1e-1", "cos(t)", "-0.3", "exp(-t)", "pi / 4")
BOUNDED = ("tanh", "sin", "sigmoid", "cos")
POTENTIALS = (
    "sum(log(cosh({x})))",
    "sum({x} ** 2) / 2",
    "sum(softplus({x}))",
    "sum(sqrt(1 + {x} ** 2))",
    "sum(gelu({x}))",
    "cos(t) * sum(sin({x}))",
    "sum(exp(-{x} ** 2))",
    "sum(abs({x})) * 0.5",
)
"""Terms of a Hamiltonian in a vector x."""
NAMES = ("K", "A", "b", "s")
_TEMPTING = """
    k h dt n N m y0 y1 f g G J I E Q R e y_new z_new t0 t1 params data batch w theta0 grad key carry
    out result value values items T_0 xs ys new next_state i one zero eps K_0 Kt alpha gamma H_
    label outputs_ sigma Sum Exp np_ jax_ C K1 b1 W1 scan body index loop a
""".split()  # noqa: SIM905
ODD_NAMES = tuple(name for name in _TEMPTING if not refusal(name))
"""Names that emitted programs might be tempted to use, as far as the language allows them."""


@dataclass(frozen=True)
class Text:
    """An expression; some need no parentheses within another one."""

    bare: str

    @property
    def x(self) -> str:
        """The text as a part of another one."""
        atomic = re.fullmatch(r"[A-Za-z]\w*|\d[\d.]*|[a-z]+\([^()]*\)|\[[^][]*\]", self.bare)
        return self.bare if atomic else f"({self.bare})"


@dataclass(frozen=True)
class Custom:
    """A field of kind `custom`, the sizes of its blocks, whether verlet takes it, and the shapes of
    the weights of its networks."""

    plain: Plain
    blocks: dict[str, int]
    separable: bool
    inner: dict[str, Dimensions]


@dataclass(frozen=True)
class Scope:
    """What an expression may name: vectors by size, matrices by rows and columns, scalars."""

    vectors: dict[int, tuple[str, ...]]
    matrices: dict[str, Shape]
    scalars: tuple[str, ...]

    @cached_property
    def operators(self) -> dict[Shape, list[str]]:
        """Matrices and their transposes by rows and columns."""
        found: dict[Shape, list[str]] = {}
        for name, (rows, columns) in self.matrices.items():
            found.setdefault((rows, columns), []).append(name)
            found.setdefault((columns, rows), []).append(f"{name}.T")
        return found

    def leaves(self, size: int) -> list[str]:
        """Vectors of a size: names, and products of a matrix and a name."""
        products = [
            f"{operator} @ {vector}"
            for (rows, columns), operators in self.operators.items()
            for operator in operators
            for vector in self.vectors.get(columns, ())
            if rows == size
        ]
        return [*self.vectors.get(size, ()), *products]

    def inputs(self, rows: int) -> list[int]:
        """Sizes of vectors that a matrix makes vectors of that many rows of."""
        return [m for n, m in self.operators if n == rows and self.leaves(m)]

    @cached_property
    def sizes(self) -> list[int]:
        """Sizes of which there are vectors."""
        candidates = dict.fromkeys([*self.vectors, *(n for n, _ in self.operators)])
        return [size for size in candidates if self.leaves(size)]


@st.composite
def vectors(draw: st.DrawFn, scope: Scope, size: int, depth: int) -> Text:
    """A vector of this size; the scope has leaves of it."""
    if depth == 0 or draw(rarely()):
        return Text(draw(st.sampled_from(scope.leaves(size))))
    inputs = scope.inputs(size)
    ways = ("unary", "binary", "scaled", *["stacked"] * (size > 1), *["product"] * bool(inputs))
    how = draw(st.sampled_from(ways))
    if how == "stacked":
        parts = [draw(scalars(scope, depth - 1)).bare for _ in range(size)]
        return Text(f"[{', '.join(parts)}]")
    if how == "product":
        columns = draw(st.sampled_from(inputs))
        operator = draw(matrices(scope, (size, columns), depth - 1))
        return Text(f"{operator.x} @ {draw(vectors(scope, columns, depth - 1)).x}")
    first = draw(vectors(scope, size, depth - 1))
    if how == "unary":
        return _filled(draw(st.sampled_from(UNARY)), first)
    if how == "scaled":
        return Text(f"{draw(scalars(scope, depth - 1)).x} * {first.x}")
    return _filled(draw(st.sampled_from(BINARY)), first, draw(vectors(scope, size, depth - 1)))


@st.composite
def matrices(draw: st.DrawFn, scope: Scope, shape: Shape, depth: int) -> Text:
    """A matrix of this shape, which depends on no state; the scope has one."""
    if depth == 0 or draw(st.booleans()):
        return Text(draw(st.sampled_from(scope.operators[shape])))
    first = draw(matrices(scope, shape, depth - 1))
    inner = [k for n, k in scope.operators if n == shape[0] and (k, shape[1]) in scope.operators]
    how = draw(st.sampled_from(("unary", "binary", *["product"] * bool(inner))))
    if how == "unary":
        return _filled(draw(st.sampled_from(MATRIX)), first)
    if how == "binary":
        symbol = draw(st.sampled_from("+-*"))
        return Text(f"{first.x} {symbol} {draw(matrices(scope, shape, depth - 1)).x}")
    k = draw(st.sampled_from(inner))
    left = draw(matrices(scope, (shape[0], k), depth - 1))
    return Text(f"{left.x} @ {draw(matrices(scope, (k, shape[1]), depth - 1)).x}")


@st.composite
def scalars(draw: st.DrawFn, scope: Scope, depth: int) -> Text:
    """A scalar."""
    if depth == 0 or not scope.sizes or draw(rarely()):
        return Text(draw(st.sampled_from((*SCALARS, *scope.scalars))))
    how = draw(st.sampled_from(("sum", "inner product", "unary", "component")))
    if how == "unary":
        return _filled(draw(st.sampled_from(UNARY)), draw(scalars(scope, depth - 1)))
    size = draw(st.sampled_from(scope.sizes))
    first = draw(vectors(scope, size, depth - 1))
    if how == "component":
        return Text(f"{first.x}[{draw(st.integers(0, size - 1))}]")
    if how == "sum":
        return Text(f"sum({first.bare})")
    return Text(f"{first.x}.T @ {draw(vectors(scope, size, depth - 1)).x}")


def _filled(template: str, first: Text, second: Text | None = None) -> Text:
    return Text(template.format(x=first.x, bare=first.bare, z=(second or first).x))


@st.composite
def _side(draw: st.DrawFn, scope: Scope, size: int) -> str:
    """A right-hand side: bounded, or a small multiple of a leaf, or the same for all entries."""
    if not scope.leaves(size):
        return f"tanh({draw(scalars(scope, 2)).bare})"
    if draw(st.sampled_from((False, False, True))):
        leaf = draw(st.sampled_from(scope.leaves(size)))
        return draw(st.sampled_from((leaf, f"-0.2 * ({leaf})", f"-({leaf}) / 4")))
    depth = draw(st.integers(1, DEPTH))
    inner = draw(vectors(scope, size, depth))
    side = f"{draw(st.sampled_from(BOUNDED))}({inner.bare})"
    if draw(rarely()):
        other = draw(vectors(scope, size, 1))
        return f"{side} - 0.1 * {other.x}"
    return side


MODES = get_args(InTime)


@st.composite
def _declared(draw: st.DrawFn, blocks: dict[str, int]) -> tuple[Plain, dict[str, tuple[int, ...]]]:
    """Weights as the spec declares them, and their shapes in numbers."""
    pool = st.sampled_from(ODD_NAMES if draw(rarely()) else NAMES)
    names = draw(st.lists(pool, max_size=3, unique=True))
    taken = [name for name in names if name not in blocks]
    declared: Plain = {}
    shapes: dict[str, tuple[int, ...]] = {}
    dimensions = st.sampled_from((*blocks, *blocks, 2, 3))
    for name in taken:
        rank = draw(st.sampled_from((2, 1, 0)))
        shape = [draw(dimensions) for _ in range(rank)]
        shapes[name] = tuple(blocks[d] if isinstance(d, str) else d for d in shape)
        declared[name] = {"shape": shape, **draw(_parametrization(shapes[name])), **draw(_kept())}
    return declared, shapes


@st.composite
def _kept(draw: st.DrawFn) -> Plain:
    """A time of its own, and whether it is trained."""
    found: Plain = {"time": draw(st.sampled_from(MODES))} if draw(rarely()) else {}
    is_fixed = draw(rarely()) and draw(rarely())
    return found | ({"trainable": False} if is_fixed else {})


@st.composite
def _parametrization(draw: st.DrawFn, shape: tuple[int, ...]) -> Plain:
    if not draw(rarely()):
        return {}
    square = len(shape) == 2 and shape[0] == shape[1]
    kinds = [
        kind
        for kind, cls in Parametrization.members().items()
        if not issubclass(cls, HamiltonianBlock) and (square or not cls.square)
    ]
    return {"parametrization": draw(member(Parametrization, kinds))}


def _scope(blocks: dict[str, int], shapes: dict[str, tuple[int, ...]]) -> Scope:
    found: dict[int, tuple[str, ...]] = {}
    named = blocks | {n: s[0] for n, s in shapes.items() if len(s) == 1}
    for name, size in named.items():
        found[size] = (*found.get(size, ()), name)
    matrices = {n: (s[0], s[1]) for n, s in shapes.items() if len(s) == 2}
    return Scope(found, matrices, tuple(n for n, s in shapes.items() if not s))


@st.composite
def customs(draw: st.DrawFn) -> Custom:
    """A custom field of one to three blocks by equations, or of two by a Hamiltonian."""
    if draw(rarely()):
        return draw(_hamiltonians())
    first = draw(st.sampled_from(ODD_NAMES)) if draw(rarely()) else "y"
    blocks = {first: draw(st.sampled_from(SIZES))}
    for name in ("z", "q")[: draw(st.sampled_from((0, 1, 1, 2)))]:
        name = draw(st.sampled_from(ODD_NAMES)) if draw(rarely()) else name
        blocks[name] = draw(st.sampled_from(SIZES))
    weights, shapes = draw(_declared(blocks))
    separable = len(blocks) == 2 and draw(st.booleans())
    equations: Plain = {}
    for block, size in blocks.items():
        seen = {b: n for b, n in blocks.items() if not separable or b != block}
        equations[block] = draw(_side(_scope(seen, shapes), size))
    plain: Plain = {"kind": "custom", **_unless_empty("weights", weights), "equations": equations}
    inner: dict[str, Dimensions] = {}
    if "f" not in blocks | weights and draw(rarely()):
        block = draw(st.sampled_from(list(blocks)))
        seen = [b for b in blocks if not separable or b != block]
        plain["networks"], call, inner = draw(_networks(block, seen, blocks))
        equations[block] = f"{equations[block]} + 0.2 * {call}"
    return Custom(plain, blocks, separable, inner)


@st.composite
def _networks(
    draw: st.DrawFn, block: str, seen: list[str], blocks: dict[str, int]
) -> tuple[Plain, str, dict[str, Dimensions]]:
    """A network f, calls of it that give as much as the block has, the shapes of its weights."""
    given = [name for name in (*seen, "t") if draw(st.booleans())] or ["t"]
    hidden = draw(st.lists(st.integers(1, 4), min_size=1, max_size=2))
    by_name = draw(st.booleans())
    activation = draw(st.sampled_from(BOUNDED[:3]))
    outputs = block if by_name else blocks[block]
    network = {"hidden": hidden, "activation": activation, "outputs": outputs}
    widths = [sum(blocks.get(name, 1) for name in given), *hidden, blocks[block]]
    inner: dict[str, Dimensions] = {}
    for i, (inputs, outputs_) in enumerate(pairwise(widths), start=1):
        inner |= {f"f_W{i}": (outputs_, inputs), f"f_b{i}": (outputs_,)}
    call = f"f({', '.join(given)})"
    twice = f"({call} - f({', '.join(f'0.5 * {name}' for name in given)}))"
    return {"f": network}, draw(st.sampled_from((call, twice, f"sin({call})"))), inner


@st.composite
def _hamiltonians(draw: st.DrawFn) -> Custom:
    n = draw(st.sampled_from(SIZES))
    blocks = {"y": n, "z": n}
    weights, shapes = draw(_declared(blocks))
    separable = draw(st.booleans())
    terms = [draw(_term({block: n}, shapes)) for block in draw(st.sampled_from(("yz", "y", "z")))]
    if not separable:
        terms.append(draw(st.sampled_from(("0.1 * y.T @ z", "sum(sin(y) * tanh(z))"))))
    plain = {
        "kind": "custom",
        **_unless_empty("weights", weights),
        "hamiltonian": " + ".join(terms),
    }
    return Custom(plain, blocks, separable, {})


@st.composite
def _term(draw: st.DrawFn, seen: dict[str, int], shapes: dict[str, tuple[int, ...]]) -> str:
    scope = _scope(seen, shapes)
    block = next(iter(seen))
    leaves = [leaf for leaf in scope.leaves(seen[block]) if leaf.endswith(block)]
    x = Text(draw(st.sampled_from(leaves)))
    vectors_ = [name for name, shape in shapes.items() if shape == (seen[block],)]
    if vectors_ and draw(st.booleans()):
        x = Text(f"{x.bare} + {draw(st.sampled_from(vectors_))}")
    return _filled(draw(st.sampled_from(POTENTIALS)), x).bare


def _unless_empty(key: str, value: Any) -> Plain:
    return {key: value} if value else {}
