"""How PyTorch writes the operations of expressions."""

from __future__ import annotations

from ..compiler.ir.expr import Expr
from ..compiler.ir.operations import ELEMENTWISE_FUNCTIONS
from ..compiler.ir.types import Layout
from .dialect import (
    COMMON,
    PRODUCT,
    Dialect,
    Named,
    Row,
    is_columns,
    is_spread_to_one,
    joined,
    padding,
    rest,
    size_of,
    softmaxes,
    sums,
)

F = ("import torch.nn.functional as F",)


def _pad(node: Expr, named: Named) -> str:
    before, after = padding(node)
    return f"F.pad({{0}}, ({'0, 0, ' * is_columns(node)}{before}, {after}))"


def _broadcast(node: Expr, named: Named) -> str:
    if is_spread_to_one(node):
        return "{0}"
    if len(node.shape) == 2:
        return f"{{0:atom}}.expand({', '.join(map(str, node.shape))})"
    before = "".join("-1, " for _ in node.type.path)
    if node.type.layout is Layout.ROWS:
        return f"{{0:atom}}[..., None].expand({before}-1, {node.shape[0]})"
    return f"{{0:atom}}.expand({before}{node.shape[0]}, {'-1' if node.type.batched else '1'})"


def _eye(node: Expr, named: Named) -> str:
    return f"torch.eye({named(size_of(node))}, dtype={{like}}.dtype, device={{like}}.device)"


def _times(node: Expr, named: Named) -> str:
    steps = named(size_of(node))
    numbers = f"torch.arange({steps}, dtype={{like}}.dtype, device={{like}}.device)"
    return f"{{0:product}} * {numbers}"


def _segments(node: Expr, named: Named) -> str:
    *_, count, each = node.attributes
    return f"{{0:atom}}[: {count} * {each}].unflatten(0, ({count}, {each}))"


PULL_BACK, PROPAGATE = "pull_back", "Propagate"
TORCH = Dialect(
    name="torch",
    title="PyTorch",
    array="Tensor",
    dtype="torch.{}",
    from_numpy="torch.tensor",
    to_numpy="{}.detach().cpu()",
    rows=COMMON
    | sums("dim", "keepdim")
    | softmaxes("torch", "dim")
    | {name: Row(f"torch.{name}({{0}})") for name in ELEMENTWISE_FUNCTIONS}
    | {
        # its default threshold of 20 is wrong by 2e-9, more than float64 allows
        "softplus": Row("F.softplus({0}, threshold=40)", imports=F),
        "gelu": Row("F.gelu({0})", imports=F),
        "ndtr": Row("torch.special.ndtr({0})"),
        # torch.sign makes 0 of NaN, which would then pass for a number
        "sign": Row("torch.where({0:atom}.isnan(), {0}, torch.sign({0}))"),
        # torch.heaviside has no derivative, this has the derivative 0
        "heaviside": Row("torch.where({0:atom}.isnan(), {0}, torch.relu({0}).sign())"),
        "pad": Row(_pad, imports=F),
        "concat": joined("torch.cat", "dim"),
        "broadcast": Row(_broadcast),
        "pad_last": Row("torch.cat([{0}, torch.zeros_like({0:atom}[:1])])"),
        "pad_first": Row("torch.cat([torch.zeros_like({0:atom}[:1]), {0}])"),
        "zeros_like": Row("torch.zeros_like({0})"),
        "put": Row("torch.zeros_like({2}).select_scatter({0}, 0, {1})"),
        "diagonal": Row("{0:atom}.diagonal(dim1=-2, dim2=-1)[..., None]"),
        "row_sums": Row("{0:atom}.sum(dim=-1, keepdim=True)"),
        "eye": Row(_eye),
        "units": Row(lambda node, named: f"{_eye(node, named)}[..., None]"),
        "times": Row(_times, PRODUCT),
        "scalar": Row("torch.as_tensor({0}, dtype={1:atom}.dtype, device={1:atom}.device)"),
        "interval": Row("torch.tensor([{0}, {1}], dtype={like}.dtype, device={like}.device)"),
        # of what does not lie in one piece torch warns
        "nearest": Row(
            "torch.searchsorted(({0:atom}[1:] + {0:atom}[:-1]) / 2, {1:atom}.contiguous())"
        ),
        "before": Row(
            "torch.searchsorted({0:atom}[1:-1].contiguous(), {1:atom}.contiguous(), right=True)"
        ),
        "taken": Row("torch.take_along_dim({0}, {1}, dim=0)"),
        "scattered": Row("torch.zeros_like({2}).scatter_add(0, {1:atom}.expand_as({0}), {0})"),
        "merged": Row("{0:atom}.flatten(0, 1)"),
        "known": Row("(~{0:atom}.isnan()).to({0:atom}.dtype)"),
        "filled": Row("torch.where({0:atom}.isnan(), 0, {0})"),
        "segments": Row(_segments),
        "rest": Row(rest),
        "unsegmented": Row("torch.cat([{0:atom}.flatten(0, 1), {1}])"),
        # a number, and a quantity that all examples share, for every example
        "full": Row("{like}.new_full({shape}, {0})"),
        "zeros": Row("{like}.new_zeros({dims})"),
        "per_example": Row("{0:atom}.expand({dims})"),
    },
    others=(PULL_BACK, PROPAGATE),
    reserved=frozenset({"torch", "F", "Tensor", "nn", "checkpoint", "Any", "Callable", "Sequence"})
    | {"odeint", "odeint_adjoint", "cast"},
)
