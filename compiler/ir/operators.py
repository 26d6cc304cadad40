"""Linear operators and their arrays.

In equations a matrix is an operator; a program computes with arrays. Of a dense operator, and of
sums, multiples, products and transposes of such, the array is made term by term.
"""

from __future__ import annotations

from .expr import Expr, build, eye, rebuild, walk
from .types import Size


def as_operator(e: Expr) -> Expr:
    """A matrix as an operator; all else as it is."""
    return build("dense", e) if e.type.rank == 2 and not e.type.is_operator else e


def without_sign(e: Expr) -> tuple[int, Expr]:
    """(−1, M) for −M, also for (−Mᵀ) @ N, which parses as a product with a negative left."""
    if e.op == "neg":
        sign, inner = without_sign(e.args[0])
        return -sign, inner
    if e.op == "matmul":
        sign, left = without_sign(e.args[0])
        return sign, left @ e.args[1]
    return 1, e


def entries(e: Expr) -> Expr:
    """The array of an operator; all else as it is."""
    return arrays(e) if e.type.is_operator else e


def arrays(root: Expr) -> Expr:
    """The expression with an array in the place of every operator."""
    new: dict[Expr, Expr] = {}
    for node in walk(root):
        args = tuple(new[arg] for arg in node.args)
        new[node] = _array(node, args)
    return new[root]


def _array(node: Expr, args: tuple[Expr, ...]) -> Expr:
    if node.op in ("dense", "entries"):
        return args[0]
    if node.op == "identity_operator":
        (size,) = node.attributes
        assert isinstance(size, Size)
        return eye(size)
    return node if args == node.args else rebuild(node, args)
