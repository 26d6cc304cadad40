"""How JAX writes the operations of expressions."""

from __future__ import annotations

from .dialect import COMMON, PRODUCT, Dialect, Row, softmaxes
from .numpy_rows import numpy_rows

KEPT = "propagate_kept"
DIFFRAX = frozenset(
    {"BacksolveAdjoint", "Dopri5", "ODETerm", "PIDController", "RESULTS", "SaveAt", "Tsit5"}
    | {"diffeqsolve"}
)
"""Names that a program may have from diffrax."""

JAX = Dialect(
    name="jax",
    title="JAX",
    array="Array",
    from_numpy="jnp.asarray",
    rows=COMMON
    | numpy_rows("jnp")
    | softmaxes("jax.nn", "axis")
    | {
        "relu": Row("jax.nn.relu({0})"),
        "sigmoid": Row("jax.nn.sigmoid({0})"),
        "softplus": Row("jax.nn.softplus({0})"),
        # its default is the tanh approximation, 5e-4 away
        "gelu": Row("jax.nn.gelu({0}, approximate=False)"),
        "ndtr": Row("jax.scipy.special.ndtr({0})"),
        # jnp.abs has the derivative 1 at 0, torch and the reference have 0
        "abs": Row("{0:product} * jnp.sign({0})", PRODUCT),
        "scattered": Row(
            "jnp.zeros_like({2}).at[{1}, jnp.arange({0:atom}.shape[1])[:, None], "
            "jnp.arange({0:atom}.shape[2])].add({0})"
        ),
        "put": Row("jnp.zeros_like({2}).at[{1}].set({0})"),
    },
    others=(KEPT,),
    reserved=frozenset({"jax", "jnp", "Array", "Weights", "Callable", "cast"}) | DIFFRAX,
)
