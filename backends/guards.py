"""What a program refuses in words: arrays of other shapes, with which it would compute something.

Shapes are known before anything is computed: where a framework compiles, a check costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..compiler.ir.problem import RawWeight
from ..compiler.ir.types import Size
from .document import Doc, bracket, docstring, laid_out

if TYPE_CHECKING:
    from .functions import FunctionPrinter
    from .program import ProgramPrinter

ROWS, TARGETS, WEIGHTS = "check_rows", "check_targets", "check_weights"
SERIES = "check_series"
NAMES = (ROWS, TARGETS, WEIGHTS, SERIES)


def of_function(printer: FunctionPrinter) -> list[str]:
    """The checks at the top of a function that a caller gives arrays to."""
    program, function = printer.program, printer.function
    if program.module.is_of_series and function.name == "forward":
        values, times, _ = (printer.names[p] for p in function.params)
        return [_call(program, SERIES, values, times)]
    if function.name == "loss" and program.module.has_targets:
        return [_call(program, TARGETS, *(printer.names[p] for p in function.params[:2]))]
    return [
        _call(program, ROWS, printer.names[e], program.size(columns), f'"{e.name}"')
        for e, columns in function.rows.items()
    ]


def of_weights(program: ProgramPrinter) -> str:
    """The check of all weights, where there are some."""
    return _call(program, WEIGHTS, "weights")


def _call(program: ProgramPrinter, helper: str, *arguments: str) -> str:
    program.needs.helpers.add(helper)
    return f"{program.own(helper)}({', '.join(arguments)})"


def helper(program: ProgramPrinter, name: str, weights: str, shape: str) -> list[str]:
    """The text of a check; `weights` is the type of a dict of them, `shape` the template of an
    array's shape as a tuple."""
    texts = {ROWS: _rows, TARGETS: _targets, WEIGHTS: _weights, SERIES: _series}
    return texts[name](program, weights, shape)


def _rows(program: ProgramPrinter, weights: str, shape: str) -> list[str]:
    array, found = program.dialect.array, shape.format("rows")
    return [
        f"def {program.own(ROWS)}(rows: {array}, columns: int, name: str) -> None:",
        docstring(["Refuse what is not one row for each example."]),
        "    if rows.ndim != 2 or rows.shape[1] != columns:",
        f'        raise ValueError(f"{{name}} is {{{found}}}, not (s, {{columns}})")',
    ]


def _targets(program: ProgramPrinter, weights: str, shape: str) -> list[str]:
    array, is_classifier = program.dialect.array, program.module.signature.is_classifier
    k = program.constant("CLASSES" if is_classifier else "OUTPUTS")
    wanted = f"(x.shape[0], {k})"
    rows = _call(program, ROWS, "x", program.constant("FEATURES"), '"x"')
    doc = f"Refuse what is not one row of {k} numbers for each example."
    if is_classifier:
        doc = f"Refuse what is not one class for each example, or {k} probabilities."
        wanted = f"(x.shape[0],) if targets.ndim == 1 else {wanted}"
    return [
        f"def {program.own(TARGETS)}(x: {array}, targets: {array}) -> None:",
        docstring([doc]),
        f"    {rows}",
        f"    shape = {wanted}",
        f"    if {shape.format('targets')} != shape:",
        f'        raise ValueError(f"targets are {{{shape.format("targets")}}}, not {{shape}}")',
    ]


def _series(program: ProgramPrinter, weights: str, shape: str) -> list[str]:
    array, channels = program.dialect.array, program.constant("FEATURES")
    return [
        f"def {program.own(SERIES)}(values: {array}, times: {array}) -> None:",
        docstring(["Refuse what is not one row of channels for each time of each series."]),
        f"    given, wanted = {shape.format('values')}, (*times.shape, {channels})",
        "    if given != wanted:",
        '        raise ValueError(f"values are {given}, not {wanted} as the times are")',
    ]


def _weights(program: ProgramPrinter, weights: str, shape: str) -> list[str]:
    entries = [
        f"        {laid_out((_quoted(w), _shape(program, w)), 8, behind=1)},"
        for w in program.module.weights
    ]
    return [
        f"def {program.own(WEIGHTS)}(weights: {weights}) -> None:",
        docstring(["Refuse weights of another network, or of another number of steps."]),
        "    shapes = {",
        *entries,
        "    }",
        "    found = {name: value.shape for name, value in weights.items()}",
        "    if found != shapes:",
        '        raise ValueError(f"weights are {found}, not {shapes}")',
    ]


def _quoted(w: RawWeight) -> str:
    return f'"{w.name}": '


def _shape(program: ProgramPrinter, w: RawWeight) -> Doc:
    sizes = [program.size(size) for size in w.sizes]
    if w.nodes:
        extra = w.time[0].extra
        steps = program.size(Size(w.nodes - extra, "STEPS"))
        sizes.insert(0, f"{steps} + {extra}" if extra else steps)
    return bracket("(", sizes, ")") if len(sizes) != 1 else f"({sizes[0]},)"
