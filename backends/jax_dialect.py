"""How JAX writes the operations of expressions."""

from __future__ import annotations

from ..compiler.ir.expr import Expr
from .dialect import COMMON, PRODUCT, Dialect, Named, Row, component_axis
from .numpy_rows import numpy_rows


def _rows(node: Expr, named: Named) -> str:
    return f"jax.nn.{node.op}({{0}}, axis={component_axis(node)})"


JAX = Dialect(
    name="jax",
    title="JAX",
    array="Array",
    rows=COMMON
    | numpy_rows("jnp")
    | {
        "relu": Row("jax.nn.relu({0})"),
        "sigmoid": Row("jax.nn.sigmoid({0})"),
        "softplus": Row("jax.nn.softplus({0})"),
        # its default is the tanh approximation, 5e-4 away
        "gelu": Row("jax.nn.gelu({0}, approximate=False)"),
        "ndtr": Row("jax.scipy.special.ndtr({0})"),
        # jnp.abs has the derivative 1 at 0, torch and the reference have 0
        "abs": Row("{0:product} * jnp.sign({0})", PRODUCT),
        "softmax": Row(_rows),
        "log_softmax": Row(_rows),
        "put": Row("jnp.zeros_like({2}).at[{1}].set({0})"),
    },
    reserved=frozenset({"jax", "jnp", "Array", "Weights"}),
)
