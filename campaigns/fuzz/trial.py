"""One spec through the compiler: what a valid one and a nearly valid one must do.

Both go the way of a user: YAML text in a file, loaded, compiled, analysed, emitted. A valid one is
then compared with the reference, in float64, by the ladder.
"""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from wellposed.backends import registry
from wellposed.checking import inline
from wellposed.checking.ladder import check
from wellposed.checking.report import Report
from wellposed.compiler.analysis.describe import describe
from wellposed.compiler.front.load import load
from wellposed.compiler.pipeline import compiled
from wellposed.spec.diagnostics import Diagnostic, SpecError
from wellposed.spec.model import Spec

from .limits import Hang, within

PACKAGE = "wellposed"
BACKENDS = ("torch", "jax")
RUNGS = ("L0", "L1", "L2", "L3")
FILE = "spec.yaml"
PATIENCE = 60.0
"""Seconds of computing after which a spec of this size counts as a hang."""


@dataclass(frozen=True)
class Scope:
    """How far a valid spec is followed: all the way, or just to where a find was."""

    rungs: tuple[str, ...] = RUNGS
    backends: tuple[str, ...] = BACKENDS


EVERYTHING, COMPILING = Scope(), Scope((), ())


@dataclass(frozen=True)
class Outcome:
    """What became of a spec.

    `verdict` is 'agrees', 'ill-posed', 'refused' or 'compiles', or says how it went wrong. `find`
    names what was wrong, the same for the same cause; '' if all went well. `scope` is enough to
    see it again.
    """

    verdict: str
    find: str = ""
    detail: str = ""
    scope: Scope = COMPILING


def to_text(plain: Any) -> str:
    """A spec as YAML."""
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=100)


def valid(plain: dict[str, Any], folder: Path, scope: Scope = EVERYTHING) -> Outcome:
    """A valid spec: accepted as written, compiled by every backend, equal to the reference."""
    outcome = _guarded(lambda: _accepted(plain, folder))
    if outcome.find or scope == COMPILING:
        return outcome
    return _guarded(lambda: _equal(folder, scope), EVERYTHING)


def nearly_valid(text: str | bytes, folder: Path) -> Outcome:
    """A text that may be no spec: it compiles, or every error has its place in the file."""
    return _guarded(lambda: _nearly_valid(text, folder))


def _guarded(trial: Callable[[], Outcome], scope: Scope = COMPILING) -> Outcome:
    """The outcome; an exception, a warning and a hang are finds."""
    try:
        with warnings.catch_warnings(), within(PATIENCE):
            warnings.simplefilter("error")
            return trial()
    except Hang as error:
        return Outcome("crash", f"hangs {_place(error)}", traceback.format_exc(), scope)
    except Exception as error:
        find = f"{type(error).__name__} {_place(error)}"
        return Outcome("crash", find, traceback.format_exc(), scope)


def _place(error: BaseException) -> str:
    """Module and function of the package where it was raised."""
    codes = [
        (str(frame.f_globals.get("__name__", "")), frame.f_code)
        for frame, _ in traceback.walk_tb(error.__traceback__)
    ]
    own = [code for module, code in codes if module.startswith(f"{PACKAGE}.")]
    last = own[-1] if own else codes[-1][1]
    return f"in {Path(last.co_filename).stem}.{last.co_name}"


def _accepted(plain: dict[str, Any], folder: Path) -> Outcome:
    """Read as it was written, and compiled."""
    try:
        spec = load(_written(to_text(plain), folder))
    except SpecError as error:
        return Outcome("refused", f"refused {error.diagnostics[0].code}", str(error))
    if spec != Spec.model_validate(plain) or spec != Spec.model_validate(spec.to_plain()):
        return Outcome("changed", "changed by being read", str(spec.to_plain()))
    _compile(spec)
    return Outcome("compiles")


def _equal(folder: Path, scope: Scope) -> Outcome:
    """The verdict of the ladder on the spec in the folder."""
    report = check(
        load(folder / FILE),
        dtypes=("float64",),
        rungs=scope.rungs,
        backends=scope.backends,
        run=inline.run_fast,
    )
    return _judged(report)


def _judged(report: Report) -> Outcome:
    failure = report.first_failure
    if failure is None:
        return Outcome("agrees") if report.rungs else Outcome("empty", "nothing was compared")
    if failure.ill_posed:
        return Outcome("ill-posed", detail=report.message)
    find = f"{failure.rung} {failure.backend} {failure.quantity}"
    scope = Scope(RUNGS[: RUNGS.index(failure.rung) + 1], (failure.backend,))
    return Outcome("differs", find, report.message, scope)


def _compile(spec: Spec) -> None:
    """Everything short of running it: the description and both texts, the same every time."""
    case, again = compiled(spec), compiled(spec)
    describe(case)
    for backend in BACKENDS:
        text = registry.get(backend).emit(case.module)
        if text != registry.get(backend).emit(again.module):
            raise AssertionError(f"the text for {backend} is another one the second time")
        compile(text, f"<{backend}>", "exec")


def _nearly_valid(text: str | bytes, folder: Path) -> Outcome:
    path = _written(text, folder)
    try:
        _compile(load(path))
    except SpecError as error:
        wrong = next(_misplaced(error.diagnostics, path), "")
        return Outcome("refused", wrong, str(error))
    return Outcome("compiles")


def _written(text: str | bytes, folder: Path) -> Path:
    path = folder / FILE
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    return path


def _misplaced(diagnostics: tuple[Diagnostic, ...], path: Path) -> Iterator[str]:
    """What is wrong with the diagnostics themselves: no place, or one outside the file."""
    if not diagnostics:
        yield "an error without diagnostics"
    for each in diagnostics:
        span = each.span
        if not each.message.strip() or each.severity != "error":
            yield f"a diagnostic {each.code} that is no error with a message"
        elif span is None or span.source != str(path):
            yield f"a diagnostic {each.code} without a place in the file"
        elif not _inside(span.line, span.column, span.end_line, span.end_column, span.text):
            yield f"a diagnostic {each.code} with a place outside its line"


def _inside(line: int, column: int, end_line: int, end_column: int, text: str) -> bool:
    ordered = (line, column) <= (end_line, end_column)
    return line >= 1 and 1 <= column <= len(text) + 1 and ordered
