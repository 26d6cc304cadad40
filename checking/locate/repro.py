"""A standalone pair of files that shows a difference: what each program computes, and the truth.

Nothing is written that was not seen to show it: the files are run, each in a process of its own,
and a pair stays only if the program that failed is wrong in its file and no other one is, or all
of them are.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ...backends import registry
from ...compiler.ir.program import Program
from ..child import scratch, started
from ..compare import Array
from ..report import NAMES
from ..tolerances import EPSILON
from .difference import Difference
from .script import LONGEST, Script, TooLong
from .slice import NoSlice, sliced
from .targets import Target, targets

LIMIT = 60.0
"""Seconds for one file."""
MOST_BYTES = 50_000_000
"""Of what a file prints that are read."""
SEEDS = (0, 1)
TRIES = 8
"""Functions and seeds that are tried at most: each costs the start of a framework."""
VALUES, DERIVATIVES = 256.0, 1e-6
"""What an error must exceed to be shown: multiples of ε of the scale; of a derivative, which is
held to a difference quotient, a part of it."""
BACKENDS = ("torch", "jax")


class TooSlow(Exception):
    """A file did not end in its time."""


@dataclass(frozen=True)
class Repro:
    """The files that were written, and in words what they show or why there are none."""

    paths: tuple[Path, ...]
    words: str


def write_repro(
    difference: Difference,
    program: Program,
    texts: Mapping[str, str],
    folder: Path,
    *,
    limit: float = LIMIT,
) -> Repro:
    """Write `<name>_repro_torch.py` and `<name>_repro_jax.py`, of at most 40 lines each.

    Slices of the programs' own texts, inputs drawn in the file, no import of this package. Where
    one framework is not installed, the program hung or died when it was asked, a file takes more
    than `limit` seconds, or no pair of that length shows the difference, there are no files and
    `words` say so.
    """
    if difference.stopped:
        return Repro((), "No standalone pair: the program gave no answer and is not run again.")
    if _is_no_value(difference, program):
        return Repro((), "No standalone pair: what differs is not a value of the two programs.")
    missing = [n for n in BACKENDS if not _is_installed(n)]
    if missing:
        return Repro((), f"No standalone pair: it needs both frameworks, {missing[0]} is not here.")
    sources = {n: texts.get(n) or registry.get(n).emit(program) for n in BACKENDS}
    lead = sources.get(difference.backend, "")
    try:
        found = (
            _pair(difference, program, sources, target, seed, limit)
            for target, seed in _tries(difference, program, lead)
        )
        pair = next(filter(None, found), None)
    except TooSlow:
        return Repro((), f"No standalone pair: a file for it took more than {limit:g} s.")
    if pair is not None:
        return _written(pair, difference, program, folder)
    return Repro((), f"No standalone pair of at most {LONGEST} lines shows it.")


def _is_no_value(difference: Difference, program: Program) -> bool:
    """Is it about training, a program that does not run, or a weight that there should not be?"""
    if difference.backend not in BACKENDS:  # the compiler: its rules can be held to the programs
        return not _is_of_rules(difference)
    strange = difference.weight and difference.weight not in {w.name for w in program.weights}
    return difference.rung > "L3" or difference.equation == "program" or bool(strange)


def _is_of_rules(difference: Difference) -> bool:
    return difference.equation.startswith(("derivative ", "pass "))


def _is_installed(backend: str) -> bool:
    return find_spec(registry.get(backend).framework) is not None


def _tries(difference: Difference, program: Program, text: str) -> list[tuple[Target, int]]:
    known = (t for t in targets(difference, program) if _has(text, t, difference.backend))
    found = list(islice(filter(_may_show, known), TRIES // len(SEEDS)))
    return [(target, seed) for seed in SEEDS for target in found]


def _has(text: str, target: Target, backend: str) -> bool:
    """Does a program (if there is one) have the function of a target?"""
    try:
        sliced(text, target.function, target.cuts.get(backend, {}))
    except NoSlice:
        return not text
    return True


def _may_show(target: Target) -> bool:
    """Of a derivative by rules: is it another one than the difference quotient?"""
    if not target.by_rule:
        return True
    try:
        by_rule = target.expected(0, "float64")
        quotient = replace(target, by_rule=False).expected(0, "float64")
    except ValueError:  # a wrong rule need not even fit in shape
        return False
    return bool(np.abs(by_rule - quotient).max() > _allowed(target, quotient, "float64"))


def _pair(
    difference: Difference,
    program: Program,
    texts: Mapping[str, str],
    target: Target,
    seed: int,
    limit: float,
) -> dict[str, str] | None:
    """The two texts, if they show the difference."""
    scripts = {
        name: Script(name, text, target, difference.dtype, seed, _title(program, name, difference))
        for name, text in texts.items()
    }
    with np.errstate(all="ignore"):
        expected = target.expected(seed, difference.dtype)
    try:
        shown = _shown(scripts, expected, difference, limit)
    except (NoSlice, TooLong):
        return None
    if not shown:
        return None
    with ThreadPoolExecutor(len(shown)) as pool:
        outputs = dict(zip(shown, pool.map(lambda t: _run(t, limit), shown.values()), strict=True))
    errors = {name: _error(output) for name, output in outputs.items()}
    allowed = _allowed(target, expected, difference.dtype)
    return shown if _shows(errors, target, difference, allowed) else None


def _shown(
    scripts: Mapping[str, Script], expected: Array, difference: Difference, limit: float
) -> dict[str, str]:
    """The files about the number that is farthest from what it should be, or about how many there
    are; none where the failed program is right. Raises NoSlice, TooLong."""
    for script in scripts.values():
        script.showing(0, 0.0)  # is it short enough? A run costs the start of a framework
    script = scripts.get(difference.backend, scripts[BACKENDS[0]])
    found = _numbers(script, limit)
    if found is None or not np.isfinite(expected).all():
        return {}
    if found.shape != expected.shape:
        return {name: s.counting(expected.size) for name, s in scripts.items()}
    error = np.nan_to_num(np.abs(found - expected), nan=np.inf)
    if error.max(initial=0.0) <= _allowed(script.target, expected, difference.dtype):
        return {}
    index = int(np.argmax(error))
    return {name: s.showing(index, float(expected[index])) for name, s in scripts.items()}


def _numbers(script: Script, limit: float) -> Array | None:
    """All that the target gives in the failed program; None where it does not run."""
    output = _run(script.probing(), limit)
    try:
        return np.array(json.loads(output.splitlines()[-1]), np.float64)
    except (IndexError, ValueError, TypeError):
        return None


def _title(program: Program, backend: str, difference: Difference) -> str:
    return f"{program.name}: {difference.equation} as {NAMES[backend]} computes it."


def _allowed(target: Target, expected: Array, dtype: str) -> float:
    scale = float(np.abs(expected).max(initial=0.0)) or 1.0
    if target.by:
        return scale * max(DERIVATIVES, VALUES * EPSILON[dtype])
    return scale * VALUES * EPSILON[dtype] if dtype == "float32" else scale * 16 * EPSILON[dtype]


def _shows(
    errors: Mapping[str, float | None], target: Target, difference: Difference, allowed: float
) -> bool:
    """Is the failed program wrong, and the other one right?

    Where both had failed alike, both are wrong; so they are against a wrong rule of the reference.
    """
    alike = target.by_rule or difference.agree
    wrong = {name: e is not None and e > allowed for name, e in errors.items()}
    if None in errors.values():
        return False
    return all(w is (alike or name == difference.backend) for name, w in wrong.items())


def _error(output: str) -> float | None:
    """The number after `error`; a NaN is an infinite error."""
    for line in output.splitlines():
        name, _, value = line.partition(" ")
        if name == "error":
            with suppress(ValueError):
                return float(np.nan_to_num(float(value), nan=np.inf))
    return None


def _run(text: str, limit: float) -> str:
    """What the file prints. Its whole group is ended. Raises TooSlow."""
    with scratch("wellposed-repro-") as folder:
        path, printed = folder / "repro.py", folder / "printed"
        path.write_text(text, encoding="utf-8")
        with printed.open("w+b") as stream:
            _execute(path, stream, limit)
            stream.seek(0)
            return stream.read(MOST_BYTES).decode(errors="replace")


def _execute(path: Path, stream: BinaryIO, limit: float) -> None:
    env = {"OMP_NUM_THREADS": "1", "JAX_PLATFORMS": "cpu"} | dict(os.environ)
    with started([sys.executable, str(path)], path.parent, env, stdout=stream) as process:
        try:
            process.wait(limit)
        except subprocess.TimeoutExpired:
            raise TooSlow from None


def _written(
    pair: Mapping[str, str], difference: Difference, program: Program, folder: Path
) -> Repro:
    folder.mkdir(parents=True, exist_ok=True)
    paths = {name: folder / f"{program.module_name}_repro_{name}.py" for name in pair}
    for name, path in paths.items():
        path.write_text(pair[name], encoding="utf-8")
    ordered = tuple(paths.values())
    return Repro(ordered, f"A standalone pair shows it: {' and '.join(map(str, ordered))}")
