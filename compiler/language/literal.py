"""What a text means word by word, in NumPy and on one example: the promise of elaboration.

In NumPy a vector is a column, its transpose a row and an inner product a matrix of one entry, so
that a text can be followed as it is written, where the expressions know of no rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from ..ir.elementary import BY_DEFINITION
from ..ir.expr import Expr, build, variable
from ..ir.types import columns
from ..promises.checked import Broken
from ..promises.claims import SAME, broken, cut, relative_error, short
from ..promises.samples import Array, Nodes, draws, finite_size
from ..semantics.meaning import MEANING
from .functions import NONE, Functions
from .syntax import Syntax, parse

IN_SCOPE = ("variable", "weight", "constant", "identity_operator", "dense")
"""What the names of a text may stand for where the promise is asked."""
_OPERATORS: dict[str, Callable[[Array, Array], Array]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "**": np.power,
    "@": np.matmul,
}


def text_kept(
    result: Expr, text: str, scope: Mapping[str, Expr], functions: Functions = NONE
) -> Iterator[Broken]:
    """Asked of texts about variables and numbers; others are parts of what a rule makes."""
    if any(e.op not in IN_SCOPE for e in scope.values()):
        return
    known, texts = dict(scope), {}
    for name, function in functions.items():
        if function.definition is not None:
            known |= function.definition.scope
            texts[name] = function.definition.text
    error = broken((text, result, *known.items()), SAME, lambda: _error(result, text, known, texts))
    if error is not None:
        yield cut(text), short(result), error


def _error(
    result: Expr, text: str, scope: Mapping[str, Expr], functions: Mapping[str, str]
) -> float:
    """`functions` are the texts of those that may be called, each about x."""
    tree, run = parse(text), Nodes(result, *scope.values())
    for (values,) in draws(result, *scope.values()):
        done = run(values)
        names = {name: _first(e, done[e]) for name, e in scope.items()}
        with np.errstate(all="ignore"):
            wanted = _meaning(tree, names, functions)
        if np.isfinite(wanted).all():
            break
    found, size = _first(result, done[result]), np.asarray(finite_size(*names.values(), wanted))
    if np.size(found) != np.size(wanted):
        return np.inf
    return relative_error(np.ravel(wanted), np.ravel(found), size)


def _first(e: Expr, value: Array) -> Array:
    """The column of the first example."""
    return value[..., :1] if e.type.batched else value


def _meaning(tree: Syntax, names: Mapping[str, Array], functions: Mapping[str, str]) -> Array:
    """The value of a text, by the meaning of its words in NumPy."""
    operands = [] if tree.op == "call" else [_meaning(a, names, functions) for a in tree.args]
    match tree.op:
        case "number":
            return np.asarray(float(tree.text))
        case "name":
            return names[tree.text]
        case "call":
            return _call(tree, names, functions)
        case "component":
            return operands[0].reshape(-1, 1)[int(tree.text)].reshape(1, 1)
        case "vector":
            return _below(operands)
        case ".T":
            (value,) = operands
            return value.swapaxes(-1, -2) if value.ndim > 1 else value
        case "neg":
            return -operands[0]
        case _:
            return _OPERATORS[tree.op](*operands)


def _below(parts: list[Array]) -> Array:
    return np.vstack([np.reshape(part, (-1, 1)) for part in parts])


def _call(tree: Syntax, names: Mapping[str, Array], functions: Mapping[str, str]) -> Array:
    x, *others = (_meaning(a, names, functions) for a in tree.args)
    match tree.text:
        case name if name in functions:
            inside = {**names, "x": _below([x, *others])}
            return _meaning(parse(functions[name]), inside, functions)
        case "sum":
            return x.sum()
        case "slice":
            start, stop = (int(n) for n in others)
            return x[start:stop]
        case "matrix":
            return x.reshape([int(n) for n in others])
        case "broadcast":
            return np.full((int(others[0]), 1), x)
        case "concat":
            return _below([x, *others])
        case "head":
            return x[:-1]
        case "tail":
            return x[1:]
        case name if name in BY_DEFINITION:
            return _meaning(parse(BY_DEFINITION[name]), {"x": x}, functions)
        case name:
            return MEANING[name](build(name, variable("x", columns((1,)))), x)
