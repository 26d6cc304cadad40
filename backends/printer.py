"""Printing expressions as Python, with the parentheses that the precedence asks for and no others.

Subexpressions that a template names twice, that occur twice, or that make a line too long get a
name of their own (`u1 = …`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

from ..compiler.evaluate import evaluate
from ..compiler.ir.expr import Expr, is_constant, variables, walk
from .dialects import COMMON, PYTHON_FUNCTIONS, Dialect
from .layout import WIDTH

SUM, PRODUCT, SIGN, POWER, ATOM = range(1, 6)
_BINARY = {
    "add": ("+", SUM),
    "sub": ("-", SUM),
    "mul": ("*", PRODUCT),
    "div": ("/", PRODUCT),
    "matmul": ("@", PRODUCT),
}
_POSTFIX = re.compile(r"\{\d?\}([.\[]| \*)")
"""A template that puts something behind an operand, which then has to be an atom."""
_CHEAP = frozenset({"variable", "constant", "eye", "transpose", "neg", "rows", "head", "tail"})


class Printer:
    """Prints the expressions of one function.

    `names` says how a variable is written where not by its own name; `like` is an array at hand
    whose dtype and device new arrays take; `stacked` transposes the last two axes of a stack.
    """

    def __init__(
        self,
        dialect: Dialect,
        like: str,
        names: Mapping[str, str] | None = None,
        stacked: bool = False,
    ) -> None:
        self.dialect = dialect
        self.like = like
        self.names = dict(names or {})
        self.stacked = stacked
        self.bound: dict[Expr, str] = {}

    def lines(self, root: Expr, before: str = "return ", indent: int = 4) -> list[str]:
        """The statements that compute `root`; the last one is `before` with its text."""
        pad = " " * indent
        order = list(walk(root))
        lines: list[str] = []
        for node in [n for n in order if n is not root and self._is_repeated(n, order)]:
            lines += [*self._named_parts(node, "u99 = ", pad), f"{pad}{self._bind(node)}"]
        lines += self._named_parts(root, before, pad)
        return [*lines, f"{pad}{before}{self.text(root)}"]

    def _named_parts(self, root: Expr, before: str, pad: str) -> list[str]:
        """Statements that name parts of `root` until its text fits a line behind `before`."""
        lines: list[str] = []
        while len(f"{pad}{before}{self.text(root)}") > WIDTH:
            node = self._to_be_named(root)
            if node is None:
                break
            lines.append(f"{pad}{self._bind(node)}")
        return lines

    def text(self, e: Expr) -> str:
        return self._print(e)[0]

    def _bind(self, node: Expr) -> str:
        text = self.text(node)
        self.bound[node] = f"u{len(self.bound) + 1}"
        return f"{self.bound[node]} = {text}"

    def _is_repeated(self, node: Expr, order: list[Expr]) -> bool:
        if node.op in _CHEAP or not variables(node):
            return False
        uses = Counter(arg for e in order for arg in e.args)[node]
        named_twice = any(self._names_twice(e) and e.args[0] is node for e in order)
        return uses > 1 or named_twice

    def _names_twice(self, e: Expr) -> bool:
        template = self.dialect.operations.get(e.op)
        return isinstance(template, str) and template.count("{0}") > 1

    def _to_be_named(self, root: Expr) -> Expr | None:
        """The innermost compound part whose text is long but fits a line."""
        candidates = [
            n
            for n in self._written_out(root)
            if n is not root
            and n.op not in _CHEAP
            and any(e.op in ("variable", "eye") for e in walk(n))
            and 24 < len(self.text(n)) <= WIDTH - 16
        ]
        return max(candidates, key=lambda n: len(self.text(n)), default=None)

    def _written_out(self, root: Expr) -> list[Expr]:
        """The nodes that the text of `root` spells: none that stands behind a name."""
        found: dict[Expr, None] = {}
        pending = [root]
        while pending:
            node = pending.pop()
            if node not in self.bound and node not in found:
                found[node] = None
                pending.extend(node.args)
        return list(found)

    # --- one node ------------------------------------------------------------------------------

    def _print(self, e: Expr) -> tuple[str, int]:
        """Text and precedence."""
        if e in self.bound:
            return self.bound[e], ATOM
        if e.op in _BINARY:
            sign, level = _BINARY[e.op]
            left, right = self._wrapped(e.args[0], level), self._wrapped(e.args[1], level + 1)
            return f"{left} {sign} {right}", level
        match e.op:
            case "variable":
                name = str(e.attributes[0])
                return self.names.get(name, name), ATOM
            case "constant":
                return self._constant(e)
            case "neg":
                # the formatter wants -(y**2), where Python reads -y**2 the same way
                least = ATOM if e.args[0].op == "pow" else SIGN
                return f"-{self._wrapped(e.args[0], least)}", SIGN
            case "pow":
                return self._power(e), POWER
            case "transpose":
                return f"{self._wrapped(e.args[0], ATOM)}.{'mT' if self.stacked else 'T'}", ATOM
            case "eye":
                return self._template("eye", n=str(e.attributes[0]), like=self.like), ATOM
            case "rate":
                return self._rate(e), ATOM
            case "broadcast" | "per_example" if _number_in(e) is not None:
                return self._spread_number(e), ATOM
            case _:
                return self._call(e)

    def _constant(self, e: Expr) -> tuple[str, int]:
        value, name = e.attributes
        text = str(name) or repr(value)
        return text, SIGN if text.startswith("-") else ATOM

    def _power(self, e: Expr) -> str:
        base, exponent = e.args
        right = self._wrapped(exponent, SIGN)
        left = self._wrapped(base, ATOM)
        simple = _is_simple(left) and _is_simple(right)
        return f"{left}**{right}" if simple else f"{left} ** {right}"

    def _call(self, e: Expr) -> tuple[str, int]:
        if not variables(e):
            return self._of_number(e), ATOM
        template = self.dialect.operations.get(e.op) or COMMON[e.op]
        if callable(template):
            template = template(e)
        least = ATOM if _POSTFIX.search(template) else SUM
        text = template.format(*(self._wrapped(arg, least) for arg in e.args))
        return text, PRODUCT if " * " in template else ATOM

    def _of_number(self, e: Expr) -> str:
        """A function of numbers alone, which no framework needs to see."""
        if e.op in PYTHON_FUNCTIONS:
            return f"math.{e.op}({self.text(e.args[0])})"
        return repr(float(evaluate(e, {})))

    def _spread_number(self, e: Expr) -> str:
        """A number as columns: one for every example, or one that all examples share."""
        number, like = _number_in(e), _like_in(e)
        assert number is not None
        n = str(e.shape[0]) if e.shape else "1"
        if like is not None:
            return self._template("full", n=n, value=self.text(number), like=self.text(like))
        return self._template("column", n=n, value=self.text(number), like=self.like)

    def _template(self, op: str, **parts: str) -> str:
        template = self.dialect.operations[op]
        assert isinstance(template, str)
        return template.format(**parts)

    def _wrapped(self, e: Expr, least: int) -> str:
        text, precedence = self._print(e)
        return f"({text})" if precedence < least else text

    def _rate(self, e: Expr) -> str:
        raise TypeError("a rate is printed by the printer of a step")


def _number_in(e: Expr) -> Expr | None:
    """The number that a chain of spreading operations starts from, if it is one."""
    while e.op in ("broadcast", "per_example"):
        e = e.args[0]
    return None if variables(e) else e


def _like_in(e: Expr) -> Expr | None:
    """The state whose number of examples a chain of spreading operations takes."""
    while e.op == "broadcast":
        e = e.args[0]
    return e.args[1] if e.op == "per_example" else None


def _is_simple(text: str) -> bool:
    """What `ruff format` hugs `**` with: names, numbers and attribute chains."""
    return text.lstrip("-").replace(".", "").replace("_", "").isalnum()


def needs_math(*roots: Expr) -> bool:
    """Does some function of a number alone occur?"""
    return any(
        e.op in PYTHON_FUNCTIONS and not variables(e) and not is_constant(e) for e in walk(*roots)
    )
