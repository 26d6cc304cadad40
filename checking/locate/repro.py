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
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import IO

import numpy as np

from ...backends import registry
from ...backends.texts import text_of
from ...compiler.pipeline import Compiled
from ...compiler.reference.reference import Reference
from ..child import scratch, started
from ..compare import Array
from ..probes import draw
from ..report import NAMES
from ..tolerances import EPSILON
from .calls import recorded
from .difference import Difference
from .find import BACKENDS
from .script import LONGEST, Script, TooLong
from .source import NoFunction
from .target import Target, targets

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
PUBLIC = ("vector_field", "trajectory", "forward", "loss", "regularizer")
"""What every program has; other functions are those of an emitted one, or of that one edited."""


class TooSlow(Exception):
    """A file did not end in its time."""


@dataclass(frozen=True)
class Repro:
    """The files that were written, and in words what they show or why there are none."""

    paths: tuple[Path, ...]
    words: str


@dataclass(frozen=True)
class _Pair:
    """A difference, the texts that are to show it, and how long a file may take."""

    difference: Difference
    case: Compiled
    texts: Mapping[str, str]
    limit: float


def write_repro(
    difference: Difference,
    case: Compiled,
    texts: Mapping[str, str],
    folder: Path,
    *,
    limit: float = LIMIT,
) -> Repro:
    """Write `<name>_repro_torch.py` and `<name>_repro_jax.py`, of at most 40 lines each.

    The source of the function that differs from the programs' own texts, inputs drawn in the file,
    no import of this package. Where one framework is not installed, the program hung or died when
    it was asked, a file takes more than `limit` seconds, or no pair of that length shows the
    difference, there are no files and `words` say so.
    """
    if difference.stopped:
        return Repro((), "No standalone pair: the program gave no answer and is not run again.")
    if _is_no_value(difference, case):
        return Repro((), "No standalone pair: what differs is not a value of the two programs.")
    missing = [n for n in BACKENDS if find_spec(registry.get(n).framework) is None]
    if missing:
        return Repro((), f"No standalone pair: it needs both frameworks, {missing[0]} is not here.")
    sources = {n: texts.get(n) or text_of(case, n) for n in BACKENDS}
    wanted = _Pair(difference, case, sources, limit)
    tried = islice(_targets(difference, case), TRIES // len(SEEDS))
    tries = [(target, seed) for target in tried for seed in SEEDS]
    try:
        pair = next(filter(None, (_shown(wanted, *each) for each in tries)), None)
    except TooSlow:
        return Repro((), f"No standalone pair: a file for it took more than {limit:g} s.")
    if pair is not None:
        return _written(pair, case, folder)
    return Repro((), f"No standalone pair of at most {LONGEST} lines shows it.")


def _is_no_value(difference: Difference, case: Compiled) -> bool:
    """Is it about training, a program that does not run, or a weight that there should not be?"""
    if difference.equation.startswith(("derivative ", "pass ")):  # of the compiler, of no program
        return True
    strange = difference.weight and difference.weight not in {w.name for w in case.module.weights}
    return difference.rung > "L3" or difference.equation == "program" or bool(strange)


def _targets(difference: Difference, case: Compiled) -> Iterator[Target | None]:
    """What may show the difference: the functions that compute the equation, the nearest first."""
    if difference.equation == "init":
        yield None
        return
    module, probes = case.module, recorded(case, draw(case))
    is_derivative = difference.equation.startswith("gradient ")
    names = PUBLIC if difference.rewritten else (*difference.functions, *PUBLIC)
    for name in dict.fromkeys(names):
        if name not in module.functions:
            continue
        function, time = module.functions[name], difference.where.time
        for target in targets(module, function, probes, time, difference.rewritten):
            if not is_derivative:
                yield target
            elif target.is_smooth:
                yield replace(target, derivative=True)


def _shown(wanted: _Pair, target: Target | None, seed: int) -> dict[str, str] | None:
    """The two texts, if they show the difference on the inputs of a seed."""
    d, case = wanted.difference, wanted.case
    title = f"{case.module.name}: {d.equation} as {{}} computes it."
    scripts = {
        name: Script(name, text, target, d.dtype, seed, title.format(NAMES[name]))
        for name, text in wanted.texts.items()
    }
    try:
        with np.errstate(all="ignore"):
            expected = _expected(case, target, seed, d.dtype)
        files = _files(scripts, expected, wanted)
    except (NoFunction, TooLong):
        return None
    if not files:
        return None
    with ThreadPoolExecutor(len(files)) as pool:
        outputs = dict(
            zip(files, pool.map(lambda t: _run(t, wanted.limit), files.values()), strict=True)
        )
    errors = {name: _error(output) for name, output in outputs.items()}
    return files if _shows(errors, d, _allowed(target, expected, d.dtype)) else None


def _expected(case: Compiled, target: Target | None, seed: int, dtype: str) -> Array:
    if target is not None:
        return target.expected(seed, dtype)
    return np.concatenate([np.ravel(w) for w in Reference(case.module).init().values()])


def _files(scripts: Mapping[str, Script], expected: Array, wanted: _Pair) -> dict[str, str]:
    """The files about the number that is farthest from what it should be, or about how many there
    are; none where the failed program is right. Raises NoFunction, TooLong."""
    for script in scripts.values():
        script.showing("found[0]", 0.0)  # is it short enough? A run costs the start of a framework
    script = scripts.get(wanted.difference.backend, scripts[BACKENDS[0]])
    found = _numbers(script, wanted.limit)
    if found is None or not np.isfinite(expected).all():
        return {}
    if found.shape != expected.shape:
        return {name: s.showing("len(found)", expected.size) for name, s in scripts.items()}
    error = np.nan_to_num(np.abs(found - expected), nan=np.inf)
    if error.max(initial=0.0) <= _allowed(script.target, expected, wanted.difference.dtype):
        return {}
    index = int(np.argmax(error))
    right = float(expected[index])
    return {name: s.showing(f"found[{index}]", right) for name, s in scripts.items()}


def _numbers(script: Script, limit: float) -> Array | None:
    """All that the target gives in the failed program; None where it does not run."""
    output = _run(script.probing(), limit)
    try:
        return np.array(json.loads(output.splitlines()[-1]), np.float64)
    except (IndexError, ValueError, TypeError):
        return None


def _allowed(target: Target | None, expected: Array, dtype: str) -> float:
    scale = float(np.abs(expected).max(initial=0.0)) or 1.0
    if target is not None and target.derivative:
        return scale * max(DERIVATIVES, VALUES * EPSILON[dtype])
    return scale * VALUES * EPSILON[dtype] if dtype == "float32" else scale * 16 * EPSILON[dtype]


def _shows(errors: Mapping[str, float | None], difference: Difference, allowed: float) -> bool:
    """Is the failed program wrong, and the other one right? Both, where both had failed alike."""
    wrong = {name: e is not None and e > allowed for name, e in errors.items()}
    if None in errors.values():
        return False
    return all(w is (difference.agree or name == difference.backend) for name, w in wrong.items())


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


def _execute(path: Path, stream: IO[bytes], limit: float) -> None:
    env = {"OMP_NUM_THREADS": "1", "JAX_PLATFORMS": "cpu"} | dict(os.environ)
    with started([sys.executable, str(path)], path.parent, env, stdout=stream) as process:
        try:
            process.wait(limit)
        except subprocess.TimeoutExpired:
            raise TooSlow from None


def _written(pair: Mapping[str, str], case: Compiled, folder: Path) -> Repro:
    folder.mkdir(parents=True, exist_ok=True)
    paths = {name: folder / f"{case.module.file_name}_repro_{name}.py" for name in pair}
    for name, path in paths.items():
        path.write_text(pair[name], encoding="utf-8")
    ordered = tuple(paths.values())
    return Repro(ordered, f"A standalone pair shows it: {' and '.join(map(str, ordered))}")
