"""The expression grammar of the language: text to syntax trees, with the place of every part.

    sum    = product (("+" | "-") product)*
    product= unary (("*" | "/" | "@") unary)*
    unary  = ("-" | "+") unary | power
    power  = postfix ("**" unary)?
    postfix= atom (".T" | "[" number "]")*
    atom   = number | name | name "(" list ")" | "(" sum ")" | "[" list "]"
    list   = sum ("," sum)*

The precedence is Python's. Nothing is evaluated: what is not in this grammar is an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from keyword import iskeyword

from ..ir.elementary import PUBLIC
from .hints import SUPERSCRIPTS, SYMBOLS

LONGEST_TEXT = 10_000
DEEPEST_NESTING = 100
LONGEST_INDEX = 9
DEEPEST_TREE = 200
"""Operations inside each other, those in a row included: a + b + c is two of them."""

_TOKEN = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
    rf"|(?P<name>(?!\d)((?![{SUPERSCRIPTS}])\w)+)"
    r"|(?P<transpose>\.T\b)"
    r"|(?P<symbol>\*\*|[-+*/@(),\[\]])"
)


class ExpressionError(ValueError):
    """What is wrong with an expression, and the characters [start, end) it is about."""

    def __init__(self, code: str, message: str, start: int, end: int, help: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.help = code, message, help
        self.start, self.end = start, max(end, start + 1)


@dataclass(frozen=True)
class Syntax:
    """A part of an expression: an operation, its operands, and where it stands in the text."""

    op: str
    args: tuple[Syntax, ...]
    start: int
    end: int
    text: str = ""
    depth: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "depth", 1 + max((a.depth for a in self.args), default=0))


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


def parse(text: str) -> Syntax:
    """The syntax tree of an expression. Raises ExpressionError."""
    if len(text) > LONGEST_TEXT:
        message = f"the expression has {len(text)} characters, more than {LONGEST_TEXT}"
        raise ExpressionError("E301", message, 0, 1)
    return _Parser(text).parse()


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            message = f"{text[at]!r} is no part of an expression"
            help = SYMBOLS.get(
                text[at], "numbers, names, + - * / ** @ .T, functions, (...), y[0], [a, b]"
            )
            raise ExpressionError("E301", message, at, at + 1, help)
        at = match.end()
        if match.lastgroup != "space":
            tokens.append(_Token(str(match.lastgroup), match.group(), match.start()))
    return [*tokens, _Token("end", "", len(text))]


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens = _tokens(text)
        self.position = 0
        self.depth = 0

    def parse(self) -> Syntax:
        tree = self._sum()
        if self._next.kind != "end":
            raise self._unexpected("an operator")
        if tree.depth > DEEPEST_TREE:
            message = f"more than {DEEPEST_TREE} operations inside each other or in a row"
            raise ExpressionError("E301", message, tree.start, tree.end)
        return tree

    @property
    def _next(self) -> _Token:
        return self.tokens[self.position]

    def _take(self, *symbols: str) -> _Token | None:
        token = self._next
        if token.kind in ("symbol", "transpose") and token.text in symbols:
            self.position += 1
            return token
        return None

    def _unexpected(self, wanted: str) -> ExpressionError:
        token = self._next
        found = f"{token.text!r}" if token.kind != "end" else "the end of the expression"
        message = f"expected {wanted}, found {found}"
        return ExpressionError("E301", message, token.start, token.end, self._product_meant())

    def _product_meant(self) -> str:
        """What to write for two factors with nothing between them."""
        before, here = self.tokens[max(self.position - 1, 0)], self._next
        if before is here or here.kind not in ("name", "number") or iskeyword(here.text):
            return ""
        if before.text in PUBLIC:
            return f"write {before.text}({here.text})"
        if before.kind == "number":
            return f"write {before.text} * {here.text}"
        is_name = before.kind == "name"
        return f"write {before.text} * {here.text}, or @ after a matrix" if is_name else ""

    def _sum(self) -> Syntax:
        return self._left_associative(("+", "-"), self._product)

    def _product(self) -> Syntax:
        return self._left_associative(("*", "/", "@"), self._unary)

    def _left_associative(self, symbols: tuple[str, ...], operand: Callable[[], Syntax]) -> Syntax:
        left = operand()
        while token := self._take(*symbols):
            right = operand()
            left = Syntax(token.text, (left, right), left.start, right.end)
        return left

    def _unary(self) -> Syntax:
        sign = self._take("-", "+")
        if sign is None:
            return self._power()
        self._deeper()
        operand = self._unary()
        self.depth -= 1
        if sign.text == "+":
            return operand
        return Syntax("neg", (operand,), sign.start, operand.end)

    def _power(self) -> Syntax:
        base = self._postfix()
        if self._take("**") is None:
            return base
        self._deeper()
        exponent = self._unary()
        self.depth -= 1
        return Syntax("**", (base, exponent), base.start, exponent.end)

    def _postfix(self) -> Syntax:
        value = self._atom()
        while token := self._take(".T", "["):
            if token.text == "[":
                value = self._component(value)
            else:
                value = Syntax(".T", (value,), value.start, token.end)
        return value

    def _component(self, vector: Syntax) -> Syntax:
        """y[0]: behind the bracket a whole number as it stands."""
        index = self._next
        if index.kind != "number" or not index.text.isdigit() or len(index.text) > LONGEST_INDEX:
            error = self._unexpected("the number of a component")
            error.help = "components are counted from 0: y[0], y[1]"
            raise error
        self.position += 1
        end = self._closing("]").end
        return Syntax("component", (vector,), vector.start, end, index.text)

    def _atom(self) -> Syntax:
        token = self._next
        if token.kind == "number":
            self.position += 1
            return Syntax("number", (), token.start, token.end, token.text)
        if token.kind == "name":
            self.position += 1
            if not self._take("("):
                return Syntax("name", (), token.start, token.end, token.text)
            arguments, closing = self._list(")")
            return Syntax("call", arguments, token.start, closing.end, token.text)
        if self._take("("):
            return self._parenthesis(token)
        if self._take("["):
            entries, closing = self._list("]")
            return Syntax("vector", entries, token.start, closing.end)
        raise self._unexpected("a number, a name or a parenthesis")

    def _parenthesis(self, opening: _Token) -> Syntax:
        self._deeper()
        inner = self._sum()
        closing = self._closing(")")
        self.depth -= 1
        return Syntax(inner.op, inner.args, opening.start, closing.end, inner.text)

    def _list(self, closing: str) -> tuple[tuple[Syntax, ...], _Token]:
        """Expressions between commas, and what closes them."""
        self._deeper()
        found = [self._sum()]
        while self._take(","):
            found.append(self._sum())
        end = self._closing(closing)
        self.depth -= 1
        return tuple(found), end

    def _closing(self, symbol: str) -> _Token:
        token = self._take(symbol)
        if token is None:
            raise self._unexpected(f"'{symbol}'")
        return token

    def _deeper(self) -> None:
        self.depth += 1
        if self.depth > DEEPEST_NESTING:
            at = self._next
            message = f"the expression is nested deeper than {DEEPEST_NESTING}"
            raise ExpressionError("E301", message, at.start, at.end)
