"""Random edits of emitted text: at every live place, what a slip of the hand would make of it."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from wellposed.backends.guards import NAMES

from .sites import Role, Site, sites

OTHER_SIGN: dict[type[ast.operator], ast.operator] = {ast.Add: ast.Sub(), ast.Sub: ast.Add()}
OTHER_COMPARISON: dict[type[ast.cmpop], ast.cmpop] = {
    ast.Eq: ast.NotEq(),
    ast.NotEq: ast.Eq(),
    ast.Lt: ast.LtE(),
    ast.LtE: ast.Lt(),
    ast.Gt: ast.GtE(),
    ast.GtE: ast.Gt(),
    ast.Is: ast.IsNot(),
    ast.IsNot: ast.Is(),
}
SUMS, PRODUCTS = (ast.Add, ast.Sub), (ast.Mult, ast.MatMult, ast.Div, ast.Pow)
ORDERED = (ast.Sub, ast.Div, ast.MatMult, ast.Pow)
IN_ANY_ORDER = frozenset({"min", "max"})
OF_NO_CONSEQUENCE = frozenset({"contiguous", "unbind", "iter", "super", "__init__"})
"""Calls whose result is the same value without them: a copy, a tensor to be iterated over."""
UNNEEDED = frozenset({"strict"})
"""Options that only make an error of what cannot happen."""


@dataclass(frozen=True)
class Edit:
    """`old`, from `start` on in the text, becomes `new`; `line` is counted from 1."""

    kind: str
    line: int
    start: int
    old: str
    new: str

    def apply(self, text: str) -> str:
        """The edited text."""
        return text[: self.start] + self.new + text[self.start + len(self.old) :]

    def __str__(self) -> str:
        return f"line {self.line}, {self.kind}: {self.old} → {self.new}"


Rule = Callable[[Site], Iterator[str]]


def edits(text: str) -> tuple[Edit, ...]:
    """All edits of what a program computes; what it refuses has tests of its own."""
    places, checked = _Places(text), _lines_of_checks(text)
    found = (
        places.edit(kind, site.node, new)
        for site in sites(text)
        for kind, rule in RULES.items()
        for new in rule(site)
    )
    return tuple(e for e in dict.fromkeys(found) if e.line not in checked)


def _lines_of_checks(text: str) -> set[int]:
    """The lines of the functions `check_…`, and of calls that are statements of their own."""
    found: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        is_check = isinstance(node, ast.FunctionDef) and node.name.rstrip("_") in NAMES
        called = (
            node.value.func
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
            else None
        )
        is_call = isinstance(called, ast.Name) and called.id.rstrip("_") in NAMES
        if (is_check or is_call) and isinstance(node, ast.stmt):
            found |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return found


class _Places:
    """From the lines and columns of nodes (columns in bytes of UTF-8) to places in the text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lines = text.splitlines(keepends=True)
        self.starts = [0]
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line))

    def edit(self, kind: str, node: ast.AST, new: str) -> Edit:
        at: ast.expr = node  # type: ignore[assignment]
        start, stop = self._place(at.lineno, at.col_offset), self._end(at)
        return Edit(kind, at.lineno, start, self.text[start:stop], new)

    def _end(self, node: ast.expr) -> int:
        assert node.end_lineno is not None and node.end_col_offset is not None
        return self._place(node.end_lineno, node.end_col_offset)

    def _place(self, line: int, column: int) -> int:
        before = self.lines[line - 1].encode()[:column].decode()
        return self.starts[line - 1] + len(before)


def _text(node: ast.AST) -> str:
    text = ast.unparse(node)
    compound = ast.BinOp | ast.UnaryOp | ast.Compare | ast.IfExp
    return f"({text})" if isinstance(node, compound) else text


# --- rules: the texts that may stand in the place of a node ------------------------------------


def _constant(site: Site) -> Iterator[str]:
    node = site.node
    value = node.value if isinstance(node, ast.Constant) else None
    if not isinstance(value, int | float) or isinstance(value, bool):
        return
    if site.role is Role.AXIS:
        yield repr(1 - value) if value in (0, 1) else "0"
    elif site.role is not Role.INDEX:
        yield repr(value + 1 if isinstance(value, int) else 1.5 * value or 1.0)


def _index(site: Site) -> Iterator[str]:
    node = site.node
    if site.role is not Role.INDEX:
        return
    if isinstance(node, ast.Constant) and type(node.value) is int:
        yield repr(node.value + 1)
        yield repr(max(node.value - 1, 0)) if node.value else "-1"
    elif isinstance(node, ast.Name):
        yield f"{node.id} + 1"
    elif isinstance(node, ast.Slice) and node.lower is None and node.upper is not None:
        yield f"1:{ast.unparse(node.upper)}"
    elif isinstance(node, ast.Slice) and node.upper is None and node.lower is not None:
        yield f"{ast.unparse(node.lower)}:-1"


def _sign(site: Site) -> Iterator[str]:
    node = site.node
    if isinstance(node, ast.BinOp) and type(node.op) in OTHER_SIGN:
        yield _text(ast.BinOp(node.left, OTHER_SIGN[type(node.op)], node.right))
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield _text(node.operand)


def _sides(site: Site) -> Iterator[str]:
    node = site.node
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, ORDERED):
        return
    same_square = site.role is Role.SQUARED and isinstance(node.op, ast.Sub)
    if not same_square and ast.dump(node.left) != ast.dump(node.right):
        yield _text(ast.BinOp(node.right, node.op, node.left))


def _term(site: Site) -> Iterator[str]:
    node = site.node
    if isinstance(node, ast.BinOp) and isinstance(node.op, SUMS):
        yield _text(node.left)
        negative = isinstance(node.op, ast.Sub)
        yield _text(ast.UnaryOp(ast.USub(), node.right) if negative else node.right)


def _factor(site: Site) -> Iterator[str]:
    node = site.node
    if isinstance(node, ast.BinOp) and isinstance(node.op, PRODUCTS):
        yield _text(node.left)
        yield _text(node.right)


def _transpose(site: Site) -> Iterator[str]:
    node = site.node
    if isinstance(node, ast.Attribute) and node.attr in ("T", "mT"):
        yield _text(node.value)


def _comparison(site: Site) -> Iterator[str]:
    node = site.node
    if isinstance(node, ast.Compare):
        other = [OTHER_COMPARISON[type(op)] for op in node.ops]
        yield _text(ast.Compare(node.left, other, node.comparators))


def _call(site: Site) -> Iterator[str]:
    """A function of one argument left out, a method of none."""
    node = site.node
    if not isinstance(node, ast.Call) or _called(node) in OF_NO_CONSEQUENCE:
        return
    if len(node.args) == 1 and not isinstance(node.args[0], ast.Starred):
        yield _text(node.args[0])
    elif not node.args and isinstance(node.func, ast.Attribute):
        yield _text(node.func.value)


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _arguments(site: Site) -> Iterator[str]:
    """Neighbouring arguments change their places."""
    node = site.node
    if not isinstance(node, ast.Call) or _called(node) in IN_ANY_ORDER:
        return
    for i, (a, b) in enumerate(zip(node.args, node.args[1:], strict=False)):
        if not isinstance(a, ast.Starred) and not isinstance(b, ast.Starred):
            swapped = [*node.args[:i], b, a, *node.args[i + 2 :]]
            yield ast.unparse(ast.Call(node.func, swapped, node.keywords))


def _name(site: Site) -> Iterator[str]:
    """Another variable of the function."""
    node = site.node
    if isinstance(node, ast.Name) and node.id in site.names and len(site.names) > 1:
        at = site.names.index(node.id)
        yield site.names[(at + 1) % len(site.names)]


def _option(site: Site) -> Iterator[str]:
    node = site.node
    if isinstance(node, ast.Call):
        for i, option in enumerate(node.keywords):
            if option.arg not in UNNEEDED | {"dtype", "device"}:
                rest = [*node.keywords[:i], *node.keywords[i + 1 :]]
                yield ast.unparse(ast.Call(node.func, node.args, rest))


def _statement(site: Site) -> Iterator[str]:
    """An assignment to what has a value already, left out."""
    node = site.node
    if isinstance(node, ast.Assign):
        (target,) = node.targets
        if isinstance(target, ast.Name) and target.id in site.bound:
            yield "pass"


RULES: dict[str, Rule] = {
    "another constant": _constant,
    "another index": _index,
    "another sign": _sign,
    "sides swapped": _sides,
    "a term dropped": _term,
    "a factor dropped": _factor,
    "a transpose dropped": _transpose,
    "another comparison": _comparison,
    "a function dropped": _call,
    "arguments swapped": _arguments,
    "another name": _name,
    "an option dropped": _option,
    "a statement dropped": _statement,
}
