"""What a program says of its data: how their rows become features, what its outputs are called."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ..compiler.ir.module import Module
from .document import HANG, INDENT, WIDTH, bracket, docstring, laid_out

if TYPE_CHECKING:
    from .program import ProgramPrinter

FEATURES, VALUES = "features", "values"
NAMES = ("MEAN", "DEVIATION", "TARGETS", "TARGET_MEAN", "TARGET_DEVIATION")
"""What a program calls these constants, besides CLASSES."""


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
    for of, scaling in (("", known.scaling), ("TARGET_", known.target_scaling)):
        if scaling is not None:
            yield from _tuple(program.own(f"{of}MEAN"), map(repr, scaling.mean.tolist()))
            yield from _tuple(program.own(f"{of}DEVIATION"), map(repr, scaling.deviation.tolist()))


def functions(program: ProgramPrinter) -> Iterator[list[str]]:
    """Between the data and the network: rows to features, outputs to values."""
    known = program.module.preprocessing
    if known is not None and known.scaling is not None:
        yield _features(program)
    if known is not None and known.target_scaling is not None:
        yield _values(program)


def _features(program: ProgramPrinter) -> list[str]:
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


def _values(program: ProgramPrinter) -> list[str]:
    mean, deviation = program.own("TARGET_MEAN"), program.own("TARGET_DEVIATION")
    given = program.dialect.to_numpy.format("outputs")
    return [
        f"def {program.own(VALUES)}(outputs: {program.dialect.array}) -> np.ndarray:",
        docstring(["Outputs of the network in the units of the data."]),
        f"    return np.asarray({given}, dtype=float) * {deviation} + {mean}",
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
