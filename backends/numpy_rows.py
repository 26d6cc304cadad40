"""How frameworks with NumPy's interface write operations: `numpy`, `jax.numpy`, their like."""

from __future__ import annotations

from ..compiler.ir.expr import Expr
from ..compiler.ir.operations import ELEMENTWISE_FUNCTIONS
from ..compiler.ir.types import Layout
from .dialect import (
    PRODUCT,
    Named,
    Row,
    is_columns,
    is_spread_to_one,
    joined,
    padding,
    path_length,
    rest,
    size_of,
    sums,
)


def numpy_rows(np: str) -> dict[str, Row]:
    """The rows, by the name that a program imports the interface as. All but softmax, and put,
    which changes an array; functions that NumPy itself lacks are written as if it had them."""

    def pad(node: Expr, named: Named) -> str:
        return f"{np}.pad({{0}}, {_widths(node)})"

    def broadcast(node: Expr, named: Named) -> str:
        if is_spread_to_one(node):
            return "{0}"
        is_row = node.type.layout is Layout.ROWS and len(node.shape) == 1
        value = "{0:atom}[..., None]" if is_row else "{0}"
        return f"{np}.broadcast_to({value}, {_spread(node)})"

    def eye(node: Expr, named: Named) -> str:
        return f"{np}.eye({named(size_of(node))}, dtype={{like}}.dtype)"

    def times(node: Expr, named: Named) -> str:
        return f"{{0:product}} * {np}.arange({named(size_of(node))}, dtype={{like}}.dtype)"

    zero = f"{np}.zeros_like({{0:atom}}[:1])"
    flat = "{0:atom}.reshape(-1, *{0:atom}.shape[2:])"
    return {
        **sums("axis", "keepdims"),
        **{name: Row(f"{np}.{name}({{0}})") for name in ELEMENTWISE_FUNCTIONS},
        "heaviside": Row(f"{np}.heaviside({{0}}, 0.0)"),
        "pad": Row(pad),
        "concat": joined(f"{np}.concatenate", "axis"),
        "broadcast": Row(broadcast),
        "pad_last": Row(f"{np}.concatenate([{{0}}, {zero}])"),
        "pad_first": Row(f"{np}.concatenate([{zero}, {{0}}])"),
        "zeros_like": Row(f"{np}.zeros_like({{0}})"),
        "diagonal": Row(f"{np}.diagonal({{0}}, axis1=-2, axis2=-1)[..., None]"),
        "row_sums": Row("{0:atom}.sum(axis=-1, keepdims=True)"),
        "eye": Row(eye),
        "units": Row(lambda node, named: f"{eye(node, named)}[..., None]"),
        "times": Row(times, PRODUCT),
        "scalar": Row(f"{np}.asarray({{0}}, {{1:atom}}.dtype)"),
        "interval": Row(f"{np}.array([{{0}}, {{1}}], {{like}}.dtype)"),
        "nearest": Row(f"{np}.searchsorted(({{0:atom}}[1:] + {{0:atom}}[:-1]) / 2, {{1}})"),
        "before": Row(f'{np}.searchsorted({{0:atom}}[1:-1], {{1}}, side="right")'),
        "taken": Row(f"{np}.take_along_axis({{0}}, {{1}}, axis=0)"),
        "merged": Row(_merged),
        "known": Row(f"(~{np}.isnan({{0}})).astype({{0:atom}}.dtype)"),
        "filled": Row(f"{np}.where({np}.isnan({{0}}), 0, {{0}})"),
        "segments": Row(_segments),
        "rest": Row(rest),
        "unsegmented": Row(f"{np}.concatenate([{flat}, {{1}}])"),
        # a number, and a quantity that all examples share, for every example
        "full": Row(f"{np}.full({{shape}}, {{0}}, dtype={{like}}.dtype)"),
        "zeros": Row(f"{np}.zeros({{shape}}, {{like}}.dtype)"),
        "per_example": Row(f"{np}.broadcast_to({{0}}, {{shape}})"),
    }


def _merged(node: Expr, named: Named) -> str:
    return f"{{0:atom}}.reshape({', '.join(map(str, (-1, *node.shape)))})"


def _widths(node: Expr) -> str:
    """What is put before and behind, axis by axis."""
    none, own = "(0, 0)", str(padding(node))
    path = [none] * path_length(node)
    widths = [*path, own, none] if is_columns(node) else [*path, *[none] * node.type.batched, own]
    return f"({', '.join(widths)}{',' * (len(widths) == 1)})"


def _spread(node: Expr) -> str:
    """The shape of a number as a vector or a matrix."""
    if len(node.shape) == 2:
        return str(node.shape)
    (size,) = node.shape
    if node.type.layout is Layout.ROWS:
        return f"(*{{0:atom}}.shape, {size})"
    examples = "{0:atom}.shape[-1]" if node.type.batched else "1"
    return f"({'*{0:atom}.shape[:-2], ' * bool(node.type.path)}{size}, {examples})"


def _segments(node: Expr, named: Named) -> str:
    *_, count, each = node.attributes
    return f"{{0:atom}}[: {count} * {each}].reshape({count}, {each}, *{{0:atom}}.shape[1:])"
