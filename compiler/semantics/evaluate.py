"""What every operation means: NumPy, float64 (or complex), columns; the definition of the IR.

A scalar of one example is a row (1, s), a vector of columns (n, s), one that all examples share a
column (n, 1); a stack of weights has the time axis first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .ir.expr import Expr, walk

Array = NDArray[Any]
Meaning = Callable[..., Array]
"""(node, values of its operands) → value."""


EXACT = frozenset(
    {"variable", "constant", "eye", "neg", "abs", "sign", "heaviside", "relu", "transpose", "rows"}
    | {"pad", "append", "broadcast", "per_example", "head", "tail", "unhead", "untail"}
)
"""Operations that round nothing."""
_rounding: ContextVar[Callable[[Array], Array] | None] = ContextVar("rounding", default=None)


@contextmanager
def rounding(size: float, rng: np.random.Generator) -> Iterator[None]:
    """Within it every operation that rounds is off by up to ±size of its value, at random.

    So a second run shows what rounding on the way does to a result, be it magnified by later
    operations or by cancellation (CESTAC: Vignes, Math. Comput. Simulation 35 (1993) 233-261).
    """

    def moved(value: Array) -> Array:
        return value * (1 + size * rng.uniform(-1, 1, np.shape(value)))

    token = _rounding.set(moved)
    try:
        yield
    finally:
        _rounding.reset(token)


def rounded(value: Array) -> Array:
    """A value that an operation rounds: within `rounding` it is off, else it is as it was."""
    moved = _rounding.get()
    return value if moved is None else moved(value)


class Evaluator:
    """Evaluates expressions that share parts, each part once."""

    def __init__(self, *roots: Expr) -> None:
        self.order = list(walk(*roots))
        at = {node: i for i, node in enumerate(self.order)}
        self.operands = [tuple(at[arg] for arg in node.args) for node in self.order]
        self.results = [at[root] for root in roots]

    def __call__(self, values: Mapping[str, Array]) -> list[Array]:
        """Values of the roots, given those of the variables."""
        done = self.every(values)
        return [done[i] for i in self.results]

    def every(
        self, values: Mapping[str, Array], narrowed: Callable[[Array], Array] | None = None
    ) -> list[Array]:
        """Values of all nodes in `order`; each `narrowed`, as in a narrower dtype."""
        done: list[Array] = []
        for node, operands in zip(self.order, self.operands, strict=True):
            if node.op == "variable":
                value = values[str(node.attributes[0])]
            else:
                value = MEANING[node.op](node, *(done[i] for i in operands))
            if node.op not in EXACT:
                value = rounded(value)
            done.append(value if narrowed is None else narrowed(value))
        return done


def evaluate(root: Expr, values: Mapping[str, Array]) -> Array:
    return Evaluator(root)(values)[0]


def not_finite(root: Expr) -> Expr | None:
    """The first part made of numbers alone that is not a finite number: `1 / 0`, `log(−1)`."""
    numbers: dict[Expr, Array] = {}
    with np.errstate(all="ignore"):
        for node in walk(root):
            if node.op != "variable" and all(arg in numbers for arg in node.args):
                numbers[node] = MEANING[node.op](node, *(numbers[arg] for arg in node.args))
                if not np.isfinite(numbers[node]).all():
                    return node
    return None


def _constant(node: Expr) -> Array:
    return np.asarray(node.attributes[0], dtype=np.float64)


def _sum(node: Expr, x: Array) -> Array:
    if node.type.batched:
        return x.sum(axis=0, keepdims=True)
    return x.sum()


def _broadcast(node: Expr, x: Array) -> Array:
    if len(node.shape) == 2:
        return np.broadcast_to(x.reshape(()), node.shape)
    columns = x.shape[-1] if x.ndim == 2 else 1
    return np.broadcast_to(x, (node.shape[0], columns))


def _per_example(node: Expr, x: Array, like: Array) -> Array:
    rows = node.shape[0] if node.shape else 1
    return np.broadcast_to(x, (rows, like.shape[-1]))


def _pad(node: Expr, x: Array) -> Array:
    start, length = (int(str(a)) for a in node.attributes)
    padded = np.zeros((length, x.shape[1]), x.dtype)
    padded[start : start + len(x)] = x
    return padded


def _append(node: Expr, x: Array, last: Array) -> Array:
    return np.concatenate([x, np.broadcast_to(last, (1, x.shape[1]))])


def _nodes(before: int, after: int) -> Meaning:
    def meaning(node: Expr, x: Array) -> Array:
        zeros = np.zeros_like(x[:1])
        return np.concatenate([zeros] * before + [x] + [zeros] * after)

    return meaning


def _outer(node: Expr, g: Array, y: Array) -> Array:
    return g @ y.T


def _batch_sum(node: Expr, x: Array) -> Array:
    return x.sum(axis=-1, keepdims=True)


def _function(f: Callable[[Array], Array]) -> Meaning:
    return lambda node, x: f(x)


def _special(name: str, **options: int) -> Meaning:
    """A function of SciPy, which takes a quarter of a second to import and few specs need."""

    def meaning(node: Expr, x: Array) -> Array:
        from scipy import special

        return getattr(special, name)(x, **options)

    return meaning


def _gelu(node: Expr, x: Array) -> Array:
    return x * MEANING["ndtr"](node, x)


def _binary(f: Callable[[Array, Array], Array]) -> Meaning:
    return lambda node, x, y: f(x, y)


def _power(node: Expr, x: Array, exponent: Array) -> Array:
    """Whole powers by multiplication, as both frameworks do: x³ = x x x, also for x < 0."""
    (_, by) = node.args
    if by.op == "constant" and isinstance(by.attributes[0], int) and by.attributes[0] >= 0:
        return x ** by.attributes[0]
    return np.power(x, exponent)


MEANING: dict[str, Meaning] = {
    "constant": _constant,
    "eye": lambda node: np.eye(int(str(node.attributes[0]))),
    "add": _binary(np.add),
    "sub": _binary(np.subtract),
    "mul": _binary(np.multiply),
    "div": _binary(np.divide),
    "pow": _power,
    "neg": _function(np.negative),
    "matmul": _binary(np.matmul),
    "transpose": _function(np.matrix_transpose),
    "sum": _sum,
    "rows": lambda node, x: x[slice(*node.attributes)],
    "pad": _pad,
    "append": _append,
    "broadcast": _broadcast,
    "per_example": _per_example,
    "head": lambda node, x: x[:-1],
    "tail": lambda node, x: x[1:],
    "unhead": _nodes(0, 1),
    "untail": _nodes(1, 0),
    "outer": _outer,
    "batch_sum": _batch_sum,
    "softmax": _special("softmax", axis=0),
    "log_softmax": _special("log_softmax", axis=0),
    "tanh": _function(np.tanh),
    "relu": _function(lambda x: np.maximum(x, 0)),
    "sigmoid": _special("expit"),
    "softplus": _function(lambda x: np.logaddexp(x, 0)),
    "gelu": _gelu,
    "ndtr": _special("ndtr"),
    "sin": _function(np.sin),
    "cos": _function(np.cos),
    "exp": _function(np.exp),
    "log": _function(np.log),
    "sqrt": _function(np.sqrt),
    "sinh": _function(np.sinh),
    "cosh": _function(np.cosh),
    "abs": _function(np.abs),
    "sign": _function(np.sign),
    "heaviside": _function(lambda x: np.heaviside(x, 0.0)),
}
