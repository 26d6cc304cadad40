"""What a program says of its data: how their rows become features, what its outputs are called."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ..compiler.ir.module import Module
from .document import HANG, INDENT, WIDTH, bracket, docstring, laid_out

if TYPE_CHECKING:
    from .program import ProgramPrinter

FEATURES = "features"
NAMES = ("MEAN", "DEVIATION", "TARGETS")
"""What a program calls these constants, besides CLASSES."""


def standardizes(module: Module) -> bool:
    return module.preprocessing is not None and module.preprocessing.scaling is not None


def names_classes(module: Module) -> bool:
    return module.preprocessing is not None and module.preprocessing.classes is not None


def constants(program: ProgramPrinter) -> Iterator[str]:
    """The names of classes or targets, and the numbers of the standardization."""
    known = program.module.preprocessing
    if known is None:
        return
    if known.classes is not None:
        yield from _tuple(program.class_names, map(_quoted, known.classes))
    if known.targets is not None:
        yield from _tuple(program.own("TARGETS"), map(_quoted, known.targets))
    if known.scaling is not None:
        yield from _tuple(program.own("MEAN"), map(repr, known.scaling.mean.tolist()))
        yield from _tuple(program.own("DEVIATION"), map(repr, known.scaling.deviation.tolist()))


def features(program: ProgramPrinter) -> list[str]:
    """The function from rows of the data to those that the network takes."""
    mean, deviation = program.own("MEAN"), program.own("DEVIATION")
    d, dialect = program.constant("FEATURES"), program.dialect
    doc = f"Rows of the data, (s, {d}), standardized: what the network takes."
    value = f"(np.asarray(x, dtype=float) - {mean}) / {deviation}"
    dtype = f"dtype={dialect.dtype.format(program.module.dtype)}"
    made = bracket(f"return {dialect.from_numpy}(", [value, dtype], ")")
    return [
        f"def {program.own(FEATURES)}(x: np.ndarray) -> {dialect.array}:",
        docstring([doc]),
        f"    {laid_out(made, INDENT)}",
    ]


def _tuple(name: str, texts: Iterable[str]) -> Iterator[str]:
    """A tuple on one line, or with as many items on a line as there is room for."""
    items = list(texts)
    line = f"{name} = ({', '.join(items)}{',' * (len(items) == 1)})"
    if len(line) <= WIDTH:
        yield line
        return
    yield f"{name} = ("
    line = ""
    for item in items:
        if len(f"{HANG}{line} {item},") > WIDTH:
            yield f"{HANG}{line}"
            line = ""
        line = f"{line} {item},".lstrip()
    yield f"{HANG}{line}"
    yield ")  # fmt: skip"


def _quoted(text: str) -> str:
    """A literal with the quotes that `ruff format` leaves."""
    quote = "'" if text.count('"') > text.count("'") else '"'
    inside = (f"\\{c}" * (c == quote) or (c if c in "'\"" else repr(c)[1:-1]) for c in text)
    return f"{quote}{''.join(inside)}{quote}"
