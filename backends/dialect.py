"""How a framework writes the operations of expressions: one table per framework, the same keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from string import Formatter

from ..compiler.ir.expr import Expr
from ..compiler.ir.types import BATCH, Layout, Size

SUM, PRODUCT, SIGN, POWER, ATOM = range(1, 6)
"""Precedence, the loosest first: a + b, a * b, -a, a ** b, f(a)."""

_LEVELS = {"": SUM, "product": PRODUCT, "atom": ATOM}
Named = Callable[[Size], str]
"""How the program writes a number of components."""


@dataclass(frozen=True)
class Row:
    """`text` is a template, or makes one of the node and the names of sizes.

    `{0}` is an operand that stands alone, `{0:atom}` one with something behind it, `{like}` an
    array at hand whose dtype and device new arrays take. `imports` are what the text needs at the
    top of the program, `helper` the function of the program that it calls.
    """

    text: str | Callable[[Expr, Named], str]
    precedence: int = ATOM
    imports: tuple[str, ...] = ()
    helper: str = ""

    def template(self, node: Expr, named: Named) -> str:
        return self.text if isinstance(self.text, str) else self.text(node, named)

    def names_twice(self, node: Expr) -> bool:
        """Does the text name its first operand more than once?"""
        template = self.template(node, str)
        return sum(field == "0" for _, field, _, _ in Formatter().parse(template)) > 1


def filled(
    template: str, operand: Callable[[int, int], str], words: Mapping[str, Callable[[], str]]
) -> str:
    """The template with its operands, `operand(number, least precedence)`, and other words."""
    parts: list[str] = []
    for literal, name, spec, _ in Formatter().parse(template):
        parts.append(literal)
        if name is None:
            continue
        if name in words:
            parts.append(words[name]())
        else:
            parts.append(operand(int(name), _LEVELS[spec or ""]))
    return "".join(parts)


@dataclass(frozen=True)
class Dialect:
    """One framework's words; `reserved` are names that a program has from its imports."""

    name: str
    title: str
    array: str
    rows: Mapping[str, Row]
    reserved: frozenset[str] = frozenset()
    dtype: str = '"{}"'
    """How an array's dtype is given, as a template of its name."""
    to_numpy: str = "{}"
    """What NumPy can make an array of, as a template of an array of the framework."""
    from_numpy: str = ""
    """The function that makes an array of one of NumPy's."""

    others: tuple[str, ...] = ()
    """Functions and classes of a program that no row calls."""

    @property
    def helpers(self) -> tuple[str, ...]:
        """The functions that its rows call, each once, and the others."""
        called = (row.helper for row in self.rows.values() if row.helper)
        return tuple(dict.fromkeys([*called, *self.others]))


PYTHON_FUNCTIONS = frozenset({"sin", "cos", "exp", "log", "sqrt", "sinh", "cosh", "tanh"})
"""Functions that the module `math` has: what a number goes through, in either program."""


# --- what all frameworks write the same way ----------------------------------------------------


def path_length(node: Expr) -> int:
    """How many axes of time lie before the components."""
    return len(node.type.path)


def is_columns(node: Expr) -> bool:
    return node.type.layout is Layout.COLUMNS


def component_axis(node: Expr) -> int:
    """The axis of a vector's components."""
    axis = path_length(node)
    return axis if node.type.layout is not Layout.ROWS else axis + node.type.batched


def summed_axes(node: Expr) -> tuple[int, ...]:
    """The axes that `reduce` sums over, in the array of its operand."""
    (x,) = node.args
    over = [i for i, axis in enumerate(x.type.path) if axis in node.attributes]
    if BATCH in node.attributes:
        over.append(-1 if is_columns(x) else path_length(x))
    return tuple(over)


def sums(axis: str, keep: str) -> dict[str, Row]:
    """The rows of sums, by what a framework calls the axes that go and those that are kept."""

    def over(axes: tuple[int, ...], kept: bool = False) -> str:
        inside = str(axes[0]) if len(axes) == 1 else str(axes)
        return f".sum({axis}={inside}{f', {keep}=True' * kept})"

    def whole(node: Expr, named: Named) -> str:
        (x,) = node.args
        if not x.type.batched:
            return "{0:atom}.sum()"
        axes = tuple(range(path_length(x))) + ((component_axis(x),) if x.shape else ())
        return f"{{0:atom}}{over(axes, is_columns(node))}" if axes else "{0}"

    def inner(node: Expr, named: Named) -> str:
        (x,) = node.args
        if x.type.rank != 1:
            return f"{{0:atom}}{over((-2, -1))}" if x.shape else "{0}"
        if not x.type.axes:
            return "{0:atom}.sum()"
        return f"{{0:atom}}{over((component_axis(x),), is_columns(x))}"

    def reduced(node: Expr, named: Named) -> str:
        if not node.shape and not node.type.axes:
            return "{0:atom}.sum()"
        axes = summed_axes(node)
        rest = tuple(axis for axis in axes if axis != -1)
        first = over((-1,), kept=True) if -1 in axes else ""
        return f"{{0:atom}}{first}{over(rest) if rest else ''}"

    return {"sum": Row(whole), "inner_sum": Row(inner), "reduce": Row(reduced)}


def softmaxes(owner: str, axis: str, imports: tuple[str, ...] = ()) -> dict[str, Row]:
    """The rows of softmax and its logarithm over the components, functions of an owner."""

    def over(node: Expr, named: Named) -> str:
        return f"{owner}.{node.op}({{0}}, {axis}={component_axis(node)})"

    return dict.fromkeys(("softmax", "log_softmax"), Row(over, imports=imports))


def joined(function: str, axis: str) -> Row:
    """The row of blocks of components one below the other."""

    def blocks(node: Expr, named: Named) -> str:
        at = component_axis(node)
        has_rows = not is_columns(node)
        numbers = ["[..., None]" * (has_rows and not arg.shape) for arg in node.args]
        parts = ", ".join(f"{{{i}{':atom' * bool(n)}}}{n}" for i, n in enumerate(numbers))
        return f"{function}([{parts}]{f', {axis}={at}' * (at > 0)})"

    return Row(blocks)


def is_spread_to_one(node: Expr) -> bool:
    """Is a number made a vector of one component, as a row of numbers is one already?"""
    (x,) = node.args
    return node.shape == (1,) and is_columns(x)


def size_of(node: Expr) -> Size:
    """The one size that a node is of."""
    (size,) = node.attributes
    assert isinstance(size, Size)
    return size


def padding(node: Expr) -> tuple[int, int]:
    """How many zeros `pad` puts before the components, and how many behind them."""
    before, total = node.attributes
    assert isinstance(before, Size) and isinstance(total, Size)
    return before.value, total.value - before.value - node.args[0].shape[0]


def _range(start: str, stop: str) -> str:
    """`a:b`, with spaces around the colon where an end is more than a name."""
    if " " not in start + stop:
        return f"{start}:{stop}"
    return f"{start}{' ' * bool(start)}:{' ' * bool(stop)}{stop}"


def _slice(node: Expr, named: Named) -> str:
    start, stop = node.attributes
    assert isinstance(start, Size) and isinstance(stop, Size)
    (x,) = node.args
    ends = _range(
        named(start) if start.value else "", named(stop) if stop.value < x.shape[0] else ""
    )
    if x.type.rank == 2:
        return f"{{0:atom}}[{'..., ' * bool(path_length(x))}{ends}{', :' * bool(path_length(x))}]"
    before = "..., " if path_length(x) else ":, " * component_axis(x)
    behind = ", :" if before.startswith("...") and is_columns(x) else ""
    return f"{{0:atom}}[{before}{ends}{behind}]"


def _component(node: Expr, named: Named) -> str:
    (x,), index = node.args, size_of(node)
    if not is_columns(x):
        return f"{{0:atom}}[{'..., ' * bool(x.type.axes)}{index}]"
    if not node.type.axes:
        return f"{{0:atom}}[{index}, 0]"
    inside = f"{index.value}:{index.value + 1}"
    return f"{{0:atom}}[..., {inside}, :]" if path_length(x) else f"{{0:atom}}[{inside}]"


def _matrix(node: Expr, named: Named) -> str:
    rows, columns = node.attributes
    assert isinstance(rows, Size) and isinstance(columns, Size)
    return f"{{0:atom}}.reshape({named(rows)}, {named(columns)})"


def _column(node: Expr, named: Named) -> str:
    if not node.type.lies_differently:
        return "{0}"
    if not node.shape:
        return "{0:atom}[..., None, None]"
    return "{0:atom}[..., None]" if node.type.path else "{0:atom}[:, None]"


def _flip(node: Expr, named: Named) -> str:
    if not node.shape and node.type.path:
        return "{0:atom}[:, 0]" if node.type.layout is Layout.ROWS else "{0:atom}[:, None]"
    if not node.shape:
        return "{0:atom}[0]" if node.type.layout is Layout.ROWS else "{0:atom}[None]"
    return "{0:atom}.mT" if node.type.path else "{0:atom}.T"


def _outer(node: Expr, named: Named) -> str:
    transposed = "mT" if node.type.path else "T"
    if node.args[0].type.layout is Layout.ROWS:
        return f"{{0:atom}}.{transposed} @ {{1:product}}"
    return f"{{0:product}} @ {{1:atom}}.{transposed}"


def rest(node: Expr, named: Named) -> str:
    """What is left of a path behind its segments."""
    *_, count, each = node.attributes
    return f"{{0:atom}}[{count} * {each} :]"


def _parted(node: Expr, named: Named) -> str:
    """Rows of all observations as those of each."""
    if node.type == node.args[1].type:
        return "{0:atom}.reshape({1:atom}.shape)"
    size = f", {node.shape[0]}" if node.shape else ""
    return f"{{0:atom}}.reshape(*{{1:atom}}.shape[:2]{size})"


COMMON: dict[str, Row] = {
    "component": Row(_component),
    "slice": Row(_slice),
    "matrix": Row(_matrix),
    "flatten": Row("{0:atom}.reshape(-1, 1)"),
    "head": Row("{0:atom}[:-1]"),
    "tail": Row("{0:atom}[1:]"),
    "at": Row("{0:atom}[{1}]"),
    "last": Row("{0:atom}[-1]"),
    "column": Row(_column),
    "uncolumn": Row(lambda node, _: "{0:atom}[..., 0]" if node.shape else "{0:atom}[..., 0, 0]"),
    "flip": Row(_flip),
    "mean": Row("{0:atom}.mean()"),
    "parted": Row(_parted),
    "total": Row("{0:atom}.sum()"),
    "outer": Row(_outer, PRODUCT),
    "step_of": Row("{helper}({0})", helper="step_of"),
    "class_probabilities": Row("{helper}({0}, {like}.dtype)", helper="class_probabilities"),
}
"""Arithmetic, names and numbers are written by the printer itself."""

ARITHMETIC = frozenset(
    {"add", "sub", "mul", "div", "pow", "neg", "matmul", "transpose", "variable", "weight"}
    | {"constant", "call", "per_example", "rounded"}
)
"""Operations with a precedence, and what the printer writes itself."""

NOT_PRINTED = frozenset({"dense", "entries", "identity_operator"})
"""Linear operators, which a pass makes arrays of before a module is printed."""
