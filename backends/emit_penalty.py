"""The regularizer of an emitted program."""

from __future__ import annotations

from ..compiler.ir.program import Penalty, Program
from .dialects import Dialect
from .layout import bracketed
from .printer import Printer


def penalty_lines(
    program: Program, dialect: Dialect, raw: dict[str, str], indent: int = 4
) -> list[str]:
    """R: for every regularizer its factor times the sum of a term over its weights."""
    pad, several = " " * indent, len(program.penalties) > 1
    lines: list[str] = []
    names: list[str] = []
    for i, penalty in enumerate(program.penalties, start=1):
        kind = penalty.regularizer.kind.replace("-", "_")
        names.append(kind if kind not in names else f"{kind}_{i}")
        before = f"{names[-1]} = " if several else "return "
        lines += _penalty_lines(penalty, dialect, raw, before, indent)
    return [*lines, f"{pad}return {' + '.join(names)}"] if several else lines


def _penalty_lines(
    penalty: Penalty, dialect: Dialect, raw: dict[str, str], before: str, indent: int
) -> list[str]:
    factor = Printer(dialect, like="").text(penalty.factor)
    first, *others = penalty.weights
    pad = " " * indent
    if not others:
        own = Printer(dialect, like="", names={first.name: raw[first.name]}, stacked=True)
        return [f"{pad}{before}{factor} * {own.text(penalty.terms[0])}"]
    each = Printer(dialect, like="", names={first.name: "w"}, stacked=True)
    return [
        bracketed("of = (", [raw[w.name] for w in penalty.weights], ")", indent),
        f"{pad}terms = {dialect.stack}([{each.text(penalty.terms[0])} for w in of])",
        f"{pad}{before}{factor} * terms.sum()",
    ]
