"""How JAX writes the operations of expressions."""

from __future__ import annotations

from ..compiler.ir.expr import Expr
from ..compiler.ir.operations import ELEMENTWISE_FUNCTIONS
from ..compiler.ir.types import Layout, Size
from .dialect import (
    COMMON,
    PRODUCT,
    Dialect,
    Named,
    Row,
    component_axis,
    is_columns,
    path_length,
    rest,
    sums,
)


def _pad(node: Expr, named: Named) -> str:
    before, total = node.attributes
    assert isinstance(before, Size) and isinstance(total, Size)
    after = total.value - before.value - node.args[0].shape[0]
    none, own = "(0, 0)", f"({before.value}, {after})"
    batch = node.type.batched or is_columns(node)
    around = [*[none] * path_length(node), *([own, none] if is_columns(node) else [none] * batch)]
    widths = around if is_columns(node) else [*around, own]
    return f"jnp.pad({{0}}, ({', '.join(widths)}{',' * (len(widths) == 1)}))"


def _concat(node: Expr, named: Named) -> str:
    axis = component_axis(node)
    parts = ", ".join(f"{{{i}}}" for i in range(len(node.args)))
    return f"jnp.concatenate([{parts}]{f', axis={axis}' * (axis > 0)})"


def _broadcast(node: Expr, named: Named) -> str:
    if len(node.shape) == 2:
        return f"jnp.broadcast_to({{0}}, {node.shape})"
    if node.type.layout is Layout.ROWS:
        return f"jnp.broadcast_to({{0:atom}}[..., None], (*{{0:atom}}.shape, {node.shape[0]}))"
    columns = "{0:atom}.shape[-1]" if node.type.batched else "1"
    before = "*{0:atom}.shape[:-2], " * bool(node.type.path)
    return f"jnp.broadcast_to({{0}}, ({before}{node.shape[0]}, {columns}))"


def _rows(node: Expr, named: Named) -> str:
    return f"jax.nn.{node.op}({{0}}, axis={component_axis(node)})"


def _eye(node: Expr, named: Named) -> str:
    (size,) = node.attributes
    assert isinstance(size, Size)
    return f"jnp.eye({named(size)}, dtype={{like}}.dtype)"


def _times(node: Expr, named: Named) -> str:
    (steps,) = node.attributes
    assert isinstance(steps, Size)
    return f"{{0:product}} * jnp.arange({named(steps)}, dtype={{like}}.dtype)"


def _segments(node: Expr, named: Named) -> str:
    *_, count, each = node.attributes
    inside = f"({count}, {each}, *{{0:atom}}.shape[1:])"
    return f"{{0:atom}}[: {count} * {each}].reshape{inside}"


JAX = Dialect(
    name="jax",
    title="JAX",
    array="Array",
    rows=COMMON
    | sums("axis", "keepdims")
    | {name: Row(f"jnp.{name}({{0}})") for name in ELEMENTWISE_FUNCTIONS}
    | {
        "relu": Row("jax.nn.relu({0})"),
        "sigmoid": Row("jax.nn.sigmoid({0})"),
        "softplus": Row("jax.nn.softplus({0})"),
        # its default is the tanh approximation, 5e-4 away
        "gelu": Row("jax.nn.gelu({0}, approximate=False)"),
        "ndtr": Row("jax.scipy.special.ndtr({0})"),
        # jnp.abs has the derivative 1 at 0, torch and the reference have 0
        "abs": Row("{0:product} * jnp.sign({0})", PRODUCT),
        "heaviside": Row("jnp.heaviside({0}, 0.0)"),
        "softmax": Row(_rows),
        "log_softmax": Row(_rows),
        "pad": Row(_pad),
        "concat": Row(_concat),
        "append": Row("jnp.concatenate([{0}, jnp.broadcast_to({1}, (1, {0:atom}.shape[1]))])"),
        "broadcast": Row(_broadcast),
        "pad_last": Row("jnp.concatenate([{0}, jnp.zeros_like({0:atom}[:1])])"),
        "pad_first": Row("jnp.concatenate([jnp.zeros_like({0:atom}[:1]), {0}])"),
        "zeros_like": Row("jnp.zeros_like({0})"),
        "put": Row("jnp.zeros_like({2}).at[{1}].set({0})"),
        "diagonal": Row("jnp.diagonal({0}, axis1=-2, axis2=-1)[..., None]"),
        "eye": Row(_eye),
        "times": Row(_times, PRODUCT),
        "scalar": Row("jnp.asarray({0}, {1:atom}.dtype)"),
        "segments": Row(_segments),
        "rest": Row(rest),
        "unsegmented": Row("jnp.concatenate([{0:atom}.reshape(-1, *{0:atom}.shape[2:]), {1}])"),
        # a number, and a quantity that all examples share, for every example
        "full": Row("jnp.full({shape}, {0}, dtype={like}.dtype)"),
        "zeros": Row("jnp.zeros({shape}, {like}.dtype)"),
        "per_example": Row("jnp.broadcast_to({0}, {shape})"),
    },
    reserved=frozenset({"jax", "jnp", "Array", "Weights"}),
)
