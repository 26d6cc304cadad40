"""Simplification: a table of laws, each kept to what a reader would write by hand.

The laws hold for every finite value. They keep the order of the operations that remain, so that
the value changes by no more than the operations they remove.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from ..ir.expr import Expr, Number, build, component, constant, is_constant, rewrite
from ..promises import claims
from ..promises.checked import checked

Law = Callable[[Expr], Expr | None]


@checked("simplify", claims.value_kept)
def simplify(root: Expr) -> Expr:
    """Apply the laws from the leaves up, until none applies: a law may make work for another."""
    better = rewrite(root, _simplify_node)
    while better is not root:
        root, better = better, rewrite(better, _simplify_node)
    return root


def _simplify_node(node: Expr) -> Expr:
    for law in LAWS.get(node.op, ()):
        better = law(node)
        if better is not None and better.type == node.type:
            return _simplify_node(better)
    return node


def _add_zero(e: Expr) -> Expr | None:
    """x + 0 = x, 0 + x = x"""
    a, b = e.args
    return b if is_constant(a, 0) else a if is_constant(b, 0) else None


def _add_negative(e: Expr) -> Expr | None:
    """x + (−y) = x − y"""
    a, b = e.args
    return a - b.args[0] if b.op == "neg" else None


def _add_integers(e: Expr) -> Expr | None:
    """1 + 2 = 3, for whole numbers"""
    a, b = e.args
    return constant(_int(a) + _int(b)) if _is_integer(a) and _is_integer(b) else None


def _subtract_zero(e: Expr) -> Expr | None:
    """x − 0 = x, 0 − x = −x"""
    a, b = e.args
    return a if is_constant(b, 0) else -b if is_constant(a, 0) else None


def _subtract_negative(e: Expr) -> Expr | None:
    """x − (−y) = x + y"""
    a, b = e.args
    return a + b.args[0] if b.op == "neg" else None


def _multiply_one(e: Expr) -> Expr | None:
    """1 x = x"""
    a, b = e.args
    return b if is_constant(a, 1) else a if is_constant(b, 1) else None


def _multiply_negative(e: Expr) -> Expr | None:
    """(−x) y = −(x y), x (−y) = −(x y)"""
    a, b = e.args
    if a.op == "neg":
        return -(a.args[0] * b)
    return -(a * b.args[0]) if b.op == "neg" else None


def _multiply_constants(e: Expr) -> Expr | None:
    """2 · 3 = 6, 2 · 0.5 = 1 and x 2 = 2 x, for whole numbers"""
    a, b = e.args
    if not (is_constant(a) and is_constant(b)):
        return b * a if _is_integer(b) else None
    product = Fraction(_number(a)) * Fraction(_number(b))
    is_whole = product.denominator == 1 and abs(product) <= LARGEST
    return constant(int(product)) if is_whole and (_is_integer(a) or _is_integer(b)) else None


def _multiply_quotient(e: Expr) -> Expr | None:
    """2 ((1 / 2) / x) = (2 / 2) / x, for whole numbers"""
    a, b = e.args
    if not (_is_integer(a) and b.op == "div" and b.args[0].op == "div"):
        return None
    k, n = b.args[0].args
    return (a * k / n) / b.args[1] if _is_integer(k) and _is_integer(n) else None


def _sinh_over_cosh(e: Expr) -> Expr | None:
    """(x / cosh u) sinh u = x tanh u: the derivative of log cosh, without overflow"""
    a, b = e.args
    if b.op == "sinh" and a.op == "div" and a.args[1].op == "cosh":
        u = b.args[0]
        if a.args[1].args[0] is u:
            return a.args[0] * build("tanh", u)
    return None


def _reciprocal(e: Expr) -> Expr | None:
    """x (1 / y) = x / y"""
    a, b = e.args
    return a / b.args[1] if b.op == "div" and is_constant(b.args[0], 1) else None


def _times_quotient(e: Expr) -> Expr | None:
    """c (x / c) = x"""
    a, b = e.args
    return b.args[0] if b.op == "div" and b.args[1] is a else None


def _square(e: Expr) -> Expr | None:
    """x x = x²"""
    a, b = e.args
    return a**2 if a is b and not is_constant(a) else None


def _plain_operand(e: Expr) -> Expr | None:
    """1 v = v for a column 1 of equal entries: what the other operand spreads needs no spreading"""
    a, b = e.args
    if a.op in SPREADING and b.type == e.type:
        return build(e.op, a.args[0], b)
    return build(e.op, a, b.args[0]) if b.op in SPREADING and a.type == e.type else None


def _spread_last(e: Expr) -> Expr | None:
    """(a 1) b = (a b) 1 for scalars a, b and a column 1 of equal entries"""
    a, b = e.args
    if a.op == "broadcast" and not b.shape:
        return build("broadcast", build(e.op, a.args[0], b), attributes=a.attributes)
    if b.op == "broadcast" and not a.shape:
        return build("broadcast", build(e.op, a, b.args[0]), attributes=b.attributes)
    return None


def _negative_spread(e: Expr) -> Expr | None:
    """−(a 1) = (−a) 1"""
    (x,) = e.args
    return build("broadcast", -x.args[0], attributes=x.attributes) if x.op == "broadcast" else None


def _divide_one(e: Expr) -> Expr | None:
    """x / 1 = x"""
    a, b = e.args
    return a if is_constant(b, 1) else None


def _divide_integers(e: Expr) -> Expr | None:
    """6 / 2 = 3, for whole numbers that divide"""
    a, b = e.args
    if not (_is_integer(a) and _is_integer(b)) or _int(b) == 0 or _int(a) % _int(b):
        return None
    return constant(_int(a) // _int(b))


def _divide_negative(e: Expr) -> Expr | None:
    """(−x) / y = −(x / y)"""
    a, b = e.args
    return -(a.args[0] / b) if a.op == "neg" else None


def _double_negative(e: Expr) -> Expr | None:
    """−(−x) = x"""
    return e.args[0].args[0] if e.args[0].op == "neg" else None


def _power_one(e: Expr) -> Expr | None:
    """x¹ = x"""
    a, b = e.args
    return a if is_constant(b, 1) else None


def _difference_of_constants(e: Expr) -> Expr | None:
    """3 − 1 = 2"""
    a, b = e.args
    if not (is_constant(a) and is_constant(b)):
        return None
    return constant(_number(a) - _number(b))


def _half_of_double(e: Expr) -> Expr | None:
    """(x 2) / 2 = x and its kin: c x / c = x for a whole number c"""
    a, b = e.args
    if a.op != "mul" or not _is_integer(b) or _int(b) == 0:
        return None
    left, right = a.args
    return right if left is b else left if right is b else None


def _double_transpose(e: Expr) -> Expr | None:
    """(Kᵀ)ᵀ = K"""
    return e.args[0].args[0] if e.args[0].op == "transpose" else None


def _negative_operand(e: Expr) -> Expr | None:
    """A (−x) = −(A x)"""
    a, b = e.args
    return -(a @ b.args[0]) if b.op == "neg" and not b.type.is_operator else None


def _component_of_stack(e: Expr) -> Expr | None:
    """[a; b][1] = b"""
    (x,), (at,) = e.args, e.sizes
    if x.op != "concat":
        return None
    for part in x.args:
        if at < part.type.height:
            return component(part, at) if part.shape else part
        at -= part.type.height
    return None


def _component_of_spread(e: Expr) -> Expr | None:
    """(a 1)[0] = a"""
    (x,) = e.args
    return x.args[0] if x.op == "broadcast" else None


def _stack_of_stack(e: Expr) -> Expr | None:
    """[[x; y]; z] = [x; y; z]"""
    inner = [part.args if part.op == "concat" else (part,) for part in e.args]
    parts = [part for parts in inner for part in parts]
    return build("concat", *parts) if len(parts) > len(e.args) else None


def _number_in_stack(e: Expr) -> Expr | None:
    """[a 1; x] = [a; x] for a column 1 of one entry"""
    is_number = [part.op == "broadcast" and part.shape == (1,) for part in e.args]
    pairs = zip(e.args, is_number, strict=True)
    return build("concat", *(p.args[0] if n else p for p, n in pairs)) if any(is_number) else None


def _placed_whole(e: Expr) -> Expr | None:
    """A vector put into no more zeros is itself"""
    (x,) = e.args
    return x if x.shape == e.shape else None


def _negative_placed(e: Expr) -> Expr | None:
    """−(x, 0) = (−x, 0)"""
    (x,) = e.args
    return build("pad", -x.args[0], attributes=x.attributes) if x.op == "pad" else None


def _placed_beside(e: Expr) -> Expr | None:
    """(x, 0) + (0, z) = [x; z], also behind other terms"""
    before, a = e.args[0].args if e.args[0].op == "add" else (None, e.args[0])
    b = e.args[1]
    if a.op != "pad" or b.op != "pad":
        return None
    for first, second in ((a, b), (b, a)):
        if second.sizes[0] == first.sizes[0] + first.args[0].shape[0]:
            both = build("concat", first.args[0], second.args[0])
            placed = build("pad", both, attributes=first.attributes)
            return placed if before is None else before + placed
    return None


def _sum_of_scalar(e: Expr) -> Expr | None:
    """the sum of a scalar is itself"""
    x = e.args[0]
    return x if not x.shape and not x.type.path else None


def _is_integer(e: Expr) -> bool:
    return is_constant(e) and isinstance(e.attributes[0], int)


def _int(e: Expr) -> int:
    return int(_number(e))


def _number(e: Expr) -> Number:
    value = e.attributes[0]
    assert isinstance(value, (int, float))
    return value


LARGEST = 2**53
"""Up to which every whole number is one of float64."""
SPREADING = ("broadcast", "per_example")

LAWS: dict[str, tuple[Law, ...]] = {
    "add": (_plain_operand, _add_zero, _add_integers, _add_negative, _placed_beside),
    "sub": (_plain_operand, _subtract_zero, _subtract_negative, _difference_of_constants),
    "mul": (
        _plain_operand,
        _spread_last,
        _multiply_one,
        _multiply_negative,
        _multiply_constants,
        _multiply_quotient,
        _sinh_over_cosh,
        _reciprocal,
        _times_quotient,
        _square,
    ),
    "div": (
        _plain_operand,
        _spread_last,
        _divide_one,
        _divide_integers,
        _divide_negative,
        _half_of_double,
    ),
    "neg": (_double_negative, _negative_spread, _negative_placed),
    "pow": (_power_one,),
    "transpose": (_double_transpose,),
    "matmul": (_negative_operand,),
    "sum": (_sum_of_scalar,),
    "component": (_component_of_stack, _component_of_spread),
    "concat": (_stack_of_stack, _number_in_stack),
    "pad": (_placed_whole,),
}
