"""How each framework writes the operations of the IR: one table per framework, the same keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..compiler.ir.expr import ELEMENTWISE_FUNCTIONS, Expr

Template = str | Callable[[Expr], str]
"""`torch.tanh({})`, or a function of the node that gives such a text."""

PYTHON_FUNCTIONS = frozenset({"sin", "cos", "exp", "log", "sqrt", "sinh", "cosh", "tanh"})
"""Functions that the module `math` has: what a number goes through, in either program."""


@dataclass(frozen=True)
class Dialect:
    """One framework's words."""

    name: str
    title: str
    array: str
    stack: str
    operations: dict[str, Template]

    def covers(self, op: str) -> bool:
        return op in self.operations or op in COMMON


def _rows(node: Expr) -> str:
    start, stop = (int(str(a)) for a in node.attributes)
    total = node.args[0].shape[0]
    return f"{{}}[{start or ''}:{stop if stop < total else ''}]"


def _rows_of(node: Expr) -> int:
    return node.shape[0] if node.shape else 1


COMMON: dict[str, Template] = {
    "rows": _rows,
    "head": "{}[:-1]",
    "tail": "{}[1:]",
}
"""Written the same way by all. Arithmetic, names and numbers are the printer's own business."""

ARITHMETIC = frozenset(
    {"add", "sub", "mul", "div", "pow", "neg", "matmul", "transpose", "variable", "constant"}
)
"""Operations with a precedence, and leaves, which the printer writes."""

NOT_PRINTED = frozenset({"outer", "batch_sum", "unhead", "untail"})
"""Operations of reverse differentiation, which the frameworks do by themselves."""


def _torch_sum(node: Expr) -> str:
    return "{}.sum(dim=0, keepdim=True)" if node.type.batched else "{}.sum()"


def _torch_pad(node: Expr) -> str:
    before, total = (int(str(a)) for a in node.attributes)
    after = total - before - node.args[0].shape[0]
    return f"F.pad({{}}, (0, 0, {before}, {after}))"


def _torch_broadcast(node: Expr) -> str:
    columns = "-1" if node.type.batched else "1"
    sizes = [*map(str, node.shape), *[columns] * (len(node.shape) == 1)]
    return f"{{}}.expand({', '.join(sizes)})"


TORCH = Dialect(
    name="torch",
    title="PyTorch",
    array="Tensor",
    stack="torch.stack",
    operations={
        **{name: f"torch.{name}({{}})" for name in ELEMENTWISE_FUNCTIONS},
        # its default threshold of 20 is wrong by 2e-9, more than float64 allows
        "softplus": "F.softplus({}, threshold=40)",
        "gelu": "F.gelu({})",
        "ndtr": "torch.special.ndtr({})",
        # torch.sign makes 0 of NaN, which would then pass for a number
        "sign": "torch.where({0}.isnan(), {0}, torch.sign({0}))",
        # torch.heaviside has no derivative, this has the derivative 0
        "heaviside": "torch.where({0}.isnan(), {0}, torch.relu({0}).sign())",
        "softmax": "torch.softmax({}, dim=0)",
        "log_softmax": "torch.log_softmax({}, dim=0)",
        "sum": _torch_sum,
        "pad": _torch_pad,
        "append": "torch.cat([{0}, {1}.expand(1, {0}.shape[1])])",
        "broadcast": _torch_broadcast,
        "per_example": lambda e: f"{{0}}.expand({_rows_of(e)}, {{1}}.shape[1])",
        "eye": "torch.eye({n}, dtype={like}.dtype, device={like}.device)",
        "full": "{like}.new_full(({n}, {like}.shape[1]), {value})",
        "column": "{like}.new_full(({n}, 1), {value})",
    },
)


def _jax_sum(node: Expr) -> str:
    return "{}.sum(axis=0, keepdims=True)" if node.type.batched else "{}.sum()"


def _jax_pad(node: Expr) -> str:
    before, total = (int(str(a)) for a in node.attributes)
    after = total - before - node.args[0].shape[0]
    return f"jnp.pad({{}}, (({before}, {after}), (0, 0)))"


def _jax_broadcast(node: Expr) -> str:
    if len(node.shape) == 2:
        return f"jnp.broadcast_to({{}}, {node.shape})"
    columns = "{0}.shape[1]" if node.type.batched else "1"
    return f"jnp.broadcast_to({{0}}, ({node.shape[0]}, {columns}))"


JAX = Dialect(
    name="jax",
    title="JAX",
    array="Array",
    stack="jnp.stack",
    operations={
        **{name: f"jnp.{name}({{}})" for name in ELEMENTWISE_FUNCTIONS},
        "relu": "jax.nn.relu({})",
        "sigmoid": "jax.nn.sigmoid({})",
        "softplus": "jax.nn.softplus({})",
        # its default is the tanh approximation, 5e-4 away
        "gelu": "jax.nn.gelu({}, approximate=False)",
        "ndtr": "jax.scipy.special.ndtr({})",
        # jnp.abs has the derivative 1 at 0, torch and the reference have 0
        "abs": "{0} * jnp.sign({0})",
        "heaviside": "jnp.heaviside({}, 0.0)",
        "softmax": "jax.nn.softmax({}, axis=0)",
        "log_softmax": "jax.nn.log_softmax({}, axis=0)",
        "sum": _jax_sum,
        "pad": _jax_pad,
        "append": "jnp.concatenate([{0}, jnp.broadcast_to({1}, (1, {0}.shape[1]))])",
        "broadcast": _jax_broadcast,
        "per_example": lambda e: f"jnp.broadcast_to({{0}}, ({_rows_of(e)}, {{1}}.shape[1]))",
        "eye": "jnp.eye({n}, dtype={like}.dtype)",
        "full": "jnp.full(({n}, {like}.shape[1]), {value}, dtype={like}.dtype)",
        "column": "jnp.full(({n}, 1), {value}, dtype={like}.dtype)",
    },
)

DIALECTS = {dialect.name: dialect for dialect in (TORCH, JAX)}
