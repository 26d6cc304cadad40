"""Printing expressions as Python, with the parentheses that the precedence asks for and no others.

Subexpressions that a template names twice, that occur twice, or that make a line too long get a
name of their own (`u1 = …`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..compiler.ir.expr import Expr, is_constant, is_number, walk
from ..compiler.ir.operations import is_cheap
from ..compiler.ir.problem import Loc
from ..compiler.ir.text import PARAMETERS, read_as_matrices
from ..compiler.ir.types import Layout, Size
from ..compiler.semantics.evaluate import evaluate
from .dialect import ATOM, POWER, PRODUCT, PYTHON_FUNCTIONS, SIGN, SUM, Dialect, Row, filled
from .document import INDENT, WIDTH, Doc, chain, flat

_BINARY = {
    "add": ("+", SUM),
    "sub": ("-", SUM),
    "mul": ("*", PRODUCT),
    "div": ("/", PRODUCT),
    "matmul": ("@", PRODUCT),
}
_LONG_ENOUGH = 24
"""Characters of a part that is worth a name."""
_ROOM_FOR_NAME = 16


class NotPrinted(Exception):
    """What a backend has no words for, with its place in the spec."""

    def __init__(self, message: str, loc: Loc) -> None:
        super().__init__(message)
        self.loc = loc


@dataclass
class Needs:
    """What the texts of a program have asked for: imports, helpers, named constants."""

    imports: set[str] = field(default_factory=set)
    helpers: set[str] = field(default_factory=set)
    constants: set[str] = field(default_factory=set)


@dataclass
class Words:
    """What the expressions of one function call what is around them.

    `name` is how a variable or a raw weight is written, `constant` a named number, `size` a number
    of components, `call` a call, `own` a function of the program's own; `like` is an array at hand,
    `fresh` gives a new name. `stacked` transposes the last two axes.
    """

    name: Callable[[Expr], str]
    constant: Callable[[str], str]
    size: Callable[[Size], str]
    call: Callable[[Expr], Doc]
    own: Callable[[str], str]
    like: Callable[[], str]
    fresh: Callable[[str], str]
    loc: Loc = ()
    stacked: bool = False


class Expressions:
    """Prints the expressions of one function."""

    def __init__(self, dialect: Dialect, words: Words, needs: Needs) -> None:
        self.dialect, self.words, self.needs = dialect, words, needs
        self.bound: dict[Expr, str] = {}
        self.letters: dict[Expr, str] = {}
        """What parts would best be called."""

    # --- statements ----------------------------------------------------------------------------

    def lines(self, root: Expr, before: str, indent: int) -> list[tuple[str, Doc]]:
        """(`name = `, text) of the statements that compute `root`; the last one is `before`."""
        # what spreads a number is written without what it is made of
        order = [node for node in walk(root) if not _is_spread_number(node)]
        self.letters |= dict.fromkeys(read_as_matrices(root), PARAMETERS)
        found: list[tuple[str, Doc]] = []
        for node in order:
            if node is not root and self._is_repeated(node, order):
                found += [*self._named_parts(node, "u99 = ", indent), self._bind(node)]
        found += self._named_parts(root, before, indent)
        return [*found, (before, self.doc(root))]

    def _named_parts(self, root: Expr, before: str, indent: int) -> list[tuple[str, Doc]]:
        """Statements that name parts of `root` until its text fits a line behind `before`.

        A call that is all of the line opens up instead, one argument to a line.
        """
        found: list[tuple[str, Doc]] = []
        if self._opens_up(root) and indent + len(before + self.text(root)) > WIDTH:
            deeper = " " * INDENT + (before if before.isspace() else ",")
            for arg in _call_in(root).args:
                found += self._named_parts(arg, deeper, indent)
        while not self._opens_up(root) and indent + len(before + self.text(root)) > WIDTH:
            node = self._to_be_named(root)
            if node is None:
                break
            found.append(self._bind(node))
        return found

    def _opens_up(self, root: Expr) -> bool:
        """Is it a call, one that is turned to rows, or a sum of several short terms?"""
        terms = self._terms(root)
        if len(terms) > 2:
            return all(len(self.text(term)) < WIDTH // 2 for _, term in terms)
        root = _call_in(root)
        return root.op == "call" and root not in self.bound

    def _terms(self, e: Expr) -> list[tuple[str, Expr]]:
        """A sum as its terms, each behind its sign; as it is read, from the left."""
        if e.op not in ("add", "sub") or e in self.bound:
            return [("", e)]
        left, right = e.args
        return [*self._terms(left), (_BINARY[e.op][0], right)]

    def _bind(self, node: Expr) -> tuple[str, Doc]:
        doc = self.doc(node)
        number = len(self.bound.keys() - self.letters.keys()) + 1
        plain = "dy" if node.op == "call" else f"u{number}"
        name = self.words.fresh(self.letters.get(node, plain))
        self.bound[node] = name
        return f"{name} = ", doc

    def _is_repeated(self, node: Expr, order: Sequence[Expr]) -> bool:
        if is_cheap(node.op) or is_number(node) or node in self.bound:
            return False
        uses = Counter(arg for e in order for arg in e.args)[node]
        named_twice = any(e.args[:1] == (node,) and self._names_twice(e) for e in order)
        return uses > 1 or named_twice

    def _names_twice(self, e: Expr) -> bool:
        row = self.dialect.rows.get(e.op)
        return row is not None and row.names_twice(e)

    def _to_be_named(self, root: Expr) -> Expr | None:
        """A call inside, or the innermost compound part whose text is long but fits a line."""
        written = [n for n in self._written_out(root) if n is not root]
        called = [n for n in written if n.op == "call"]
        if called:
            return called[0]
        candidates = [
            n
            for n in written
            if not is_cheap(n.op)
            and (n.shape or not is_number(n))
            and _LONG_ENOUGH < len(self.text(n)) <= WIDTH - _ROOM_FOR_NAME
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

    def text(self, e: Expr) -> str:
        return self._print(e)[0]

    def doc(self, e: Expr) -> Doc:
        """The text, of a call or a long sum one that may open up."""
        if e in self.bound:
            return self.bound[e]
        if e.op == "call":
            return self.words.call(e)
        terms = self._terms(e)
        if len(terms) > 2:
            return chain([(sign, self._wrapped(term, PRODUCT)) for sign, term in terms])
        if self._opens_up(e):
            template = self._row(e).template(e, self.words.size)
            return (self.doc(e.args[0]), template.replace("{0:atom}", ""))
        return self.text(e)

    def _print(self, e: Expr) -> tuple[str, int]:
        """Text and precedence."""
        if e in self.bound:
            return self.bound[e], ATOM
        if e.op in _BINARY:
            sign, level = _BINARY[e.op]
            left, right = self._wrapped(e.args[0], level), self._wrapped(e.args[1], level + 1)
            return f"{left} {sign} {right}", level
        match e.op:
            case "variable" | "weight":
                return self.words.name(e), ATOM
            case "constant":
                return self._constant(e)
            case "neg":
                # the formatter wants -(y**2), where Python reads -y**2 the same way
                least = ATOM if e.args[0].op == "pow" else SIGN
                return f"-{self._wrapped(e.args[0], least)}", SIGN
            case "pow":
                return self._power(e), POWER
            case "transpose" if _is_columns_cut(e):
                cut = self._row(e.args[0]).template(e.args[0], self.words.size)
                ends = cut[cut.index("[") + 1 : -1]
                return f"{self._wrapped(e.args[0].args[0].args[0], ATOM)}[:, {ends}]", ATOM
            case "transpose":
                stacked = self.words.stacked or bool(e.type.path)
                return f"{self._wrapped(e.args[0], ATOM)}.{'mT' if stacked else 'T'}", ATOM
            case "call":
                return flat(self.words.call(e)), ATOM
            case "rounded":
                return self._print(e.args[0])
            case "flip" if not e.shape and e.args[0].op == "sum":
                # a row of sums keeps no axis for the components
                return self._row_text(replace(e.args[0], type=e.type))
            case _ if _is_spread_number(e):
                return self._spread_number(e), ATOM
            case "per_example":
                return self._filled("per_example", e, self._of_shape(e)), ATOM
            case _:
                return self._row_text(e)

    def _constant(self, e: Expr) -> tuple[str, int]:
        value, name = e.attributes
        text = self.words.constant(str(name)) if name else repr(value)
        return text, SIGN if text.startswith("-") else ATOM

    def _power(self, e: Expr) -> str:
        base, exponent = e.args
        right = self._wrapped(exponent, SIGN)
        left = self._wrapped(base, ATOM)
        simple = _is_simple(left) and _is_simple(right)
        return f"{left}**{right}" if simple else f"{left} ** {right}"

    def _row_text(self, e: Expr) -> tuple[str, int]:
        if is_number(e) and not e.shape:
            return self._of_number(e), ATOM
        row = self._row(e)
        template = row.template(e, self.words.size)
        if template == "{0}":
            return self._print(e.args[0])
        return self._filled_template(template, e, {}), row.precedence

    def _row(self, e: Expr) -> Row:
        row = self.dialect.rows.get(e.op)
        if row is None:
            message = f"{self.dialect.title} has no words for {e.op}"
            raise NotPrinted(message, self.words.loc)
        self.needs.imports.update(row.imports)
        self.needs.helpers.update([row.helper] if row.helper else [])
        return row

    def _filled(self, row: str, e: Expr, words: Mapping[str, Callable[[], str]]) -> str:
        template = self.dialect.rows[row].template(e, self.words.size)
        return self._filled_template(template, e, words)

    def _filled_template(
        self, template: str, e: Expr, words: Mapping[str, Callable[[], str]]
    ) -> str:
        known = {"like": self.words.like, "helper": lambda: self._helper(e), **words}
        return filled(template, lambda i, least: self._wrapped(e.args[i], least), known)

    def _helper(self, e: Expr) -> str:
        return self.words.own(self.dialect.rows[e.op].helper)

    def _of_number(self, e: Expr) -> str:
        """A function of numbers alone, which no framework needs to see."""
        if e.op in PYTHON_FUNCTIONS:
            self.needs.imports.add("import math")
            return f"math.{e.op}({self.text(e.args[0])})"
        return repr(float(evaluate(e, {})))

    def _spread_number(self, e: Expr) -> str:
        """A number for every example, or as a column that all examples share."""
        number = _number_in(e)
        assert number is not None
        text = self.text(number)
        words = self._of_shape(e)
        row = "zeros" if is_constant(number, 0) else "full"
        template = self.dialect.rows[row].template(e, self.words.size)
        known = {"like": lambda: self._like(e), **words}
        return filled(template, lambda i, least: text, known)

    def _like(self, e: Expr) -> str:
        """The state whose number of examples is taken, else what is at hand."""
        like = _like_in(e)
        return self.words.like() if like is None else self._wrapped(_turned(like), ATOM)

    def _of_shape(self, e: Expr) -> dict[str, Callable[[], str]]:
        """The dimensions of the array: of columns the components first."""
        sizes = e.attributes if e.op == "broadcast" else tuple(map(Size, e.shape))
        shape = [self.words.size(s) for s in sizes if isinstance(s, Size)]
        like = _like_in(e)
        examples = "1" if like is None else f"{self._like(e)}.shape[{_batch_axis(_turned(like))}]"
        is_rows = e.type.layout is Layout.ROWS
        dims = [examples, *shape] if is_rows else [*(shape or ["1"]), examples]
        inside = ", ".join(dims)
        return {"dims": lambda: inside, "shape": lambda: f"({inside}{',' * (len(dims) == 1)})"}

    def _wrapped(self, e: Expr, least: int) -> str:
        text, precedence = self._print(e)
        return f"({text})" if precedence < least else text


def _call_in(e: Expr) -> Expr:
    """A call that is turned to rows or to a column; all else as it is."""
    inner = e
    while inner.op in ("flip", "column"):
        (inner,) = inner.args
    return inner if inner.op == "call" else e


def _number_in(e: Expr) -> Expr | None:
    """The number that a chain of spreading operations starts from, if it is one."""
    while e.op in ("broadcast", "per_example"):
        e = e.args[0]
    return e if is_number(e) else None


def _is_spread_number(e: Expr) -> bool:
    return e.op in ("broadcast", "per_example") and _number_in(e) is not None


def _like_in(e: Expr) -> Expr | None:
    """The state whose number of examples a chain of spreading operations takes."""
    while e.op == "broadcast":
        e = e.args[0]
    return e.args[1] if e.op == "per_example" else None


def _turned(like: Expr) -> Expr:
    """What was turned from rows to columns has as many examples."""
    return like.args[0] if like.op == "flip" else like


def _batch_axis(e: Expr) -> int:
    """Which axis of the array the batch is."""
    return len(e.type.path) + (max(1, len(e.shape)) if e.type.layout is Layout.COLUMNS else 0)


def _is_columns_cut(e: Expr) -> bool:
    """Are some columns taken of a matrix: rows of its transpose, transposed back?"""
    (inner,) = e.args
    is_slice = inner.op == "slice" and not inner.type.path
    return is_slice and inner.args[0].op == "transpose"


def _is_simple(text: str) -> bool:
    """What `ruff format` hugs `**` with: names, numbers and attribute chains."""
    return text.lstrip("-").replace(".", "").replace("_", "").isalnum()
