"""The named numbers and the initial weights of an emitted program, the same text in both."""

from __future__ import annotations

import numpy as np

from ..compiler.initial import standard_deviation
from ..compiler.ir.expr import walk
from ..compiler.ir.program import Program, RawWeight
from ..compiler.ir.text import number
from ..spec.initializers import Constant, Identity, Normal, Random, Uniform, Values
from .layout import Bracket, docstring, laid_out


def constants(program: Program) -> list[str]:
    """Named numbers, each with its symbol; only those that the program uses."""
    time = program.spec.model.time
    lines = [f"FEATURES = {program.features}  # d"]
    if program.spec.model.readout is not None:
        lines.append(f"OUTPUTS = {program.outputs}  # classes or numbers per example")
    lines += [
        f"HORIZON, STEPS = {number(time.horizon)}, {time.steps}  # T, N",
        "H = HORIZON / STEPS  # h",
    ]
    for name, value in _named_numbers(program).items():
        lines.append(f"{name} = {value!r}  # {_symbol(name)}")
    return lines


def _symbol(name: str) -> str:
    return {"GAMMA": "γ", "ALPHA": "α"}[name.split("_")[0]]


def _named_numbers(program: Program) -> dict[str, object]:
    """Constants with a name (γ, α) in the order in which they are used; h is defined apart."""
    roots = [*(o.definition for o in program.operands), *(p.value for p in program.penalties)]
    found = (e.attributes for e in walk(*roots) if e.op == "constant" and e.attributes[1])
    return {str(name): value for value, name in found if name != "H"}


def stream(program: Program) -> list[str]:
    """The function that makes a stream of random numbers, where one is needed."""
    if not any(isinstance(w.initializer, Random) for w in program.weights):
        return []
    return [
        "def stream(seed: int, name: str) -> np.random.Generator:",
        docstring(["A stream of its own for every weight: they do not depend on each other."]),
        "    return np.random.default_rng([seed, *name.encode()])",
    ]


def init(program: Program) -> list[str]:
    """The initial weights, by the same NumPy calls in both programs."""
    seed = program.spec.seed
    entries = [laid_out(_entry(w), 8, behind=1) for w in program.weights]
    weights = ["    weights = {", *(f"        {entry}," for entry in entries), "    }"]
    return [
        f"def init(seed: int = {seed}) -> dict[str, np.ndarray]:",
        docstring(["Initial weights, drawn by NumPy: the same numbers in every backend."]),
        *(weights if entries else ["    weights: dict[str, np.ndarray] = {}"]),
        f'    return {{name: value.astype("{program.spec.dtype}") '
        "for name, value in weights.items()}",
    ]


def _entry(w: RawWeight) -> Bracket:
    value = _initial(w)
    return Bracket(f'"{w.name}": {value.before}', value.items, value.after)


def _initial(w: RawWeight) -> Bracket:
    once = not w.stacked or (isinstance(w.initializer, Random) and not w.initializer.repeat)
    once = once or _is_plain(w) or _has_full_shape(w)
    value = _drawn(w, w.shape if once and not _has_full_shape(w) else w.step_shape)
    if once:
        return value
    step = Bracket(value.before, value.items, f"{value.after}[None]")
    return Bracket("np.repeat(", (step, _axis(w), "axis=0"), ")")


def _is_plain(w: RawWeight) -> bool:
    """Zeros and constants are written in their full shape at once."""
    return not isinstance(w.initializer, (Random, Identity, Values))


def _has_full_shape(w: RawWeight) -> bool:
    if not isinstance(w.initializer, Values) or not w.stacked:
        return False
    return np.shape(w.initializer.values) == w.shape


def _axis(w: RawWeight) -> str:
    return "STEPS" if w.axes[0] == "N" else "STEPS + 1"


def _drawn(w: RawWeight, shape: tuple[int, ...]) -> Bracket:
    size = _shape(w, shape)
    match w.initializer:
        case Constant():
            return Bracket("np.full(", (size, repr(float(w.initializer.value))), ")")
        case Identity():
            scale = w.initializer.scale
            before, after = ("", "") if scale == 1 else (f"({scale!r} * ", ")")
            return Bracket(f"{before}np.eye(", tuple(map(str, w.step_shape)), f"){after}")
        case Normal():
            std = repr(standard_deviation(w.initializer, shape))
            if w.initializer.std is None and shape:
                std = f"{shape[-1]}**-0.5"
            items = (repr(w.initializer.mean), std, size)
            return Bracket(f'stream(seed, "{w.name}").normal(', items, ")")
        case Uniform():
            items = (repr(w.initializer.low), repr(w.initializer.high), size)
            return Bracket(f'stream(seed, "{w.name}").uniform(', items, ")")
        case Values():
            values = _nested(w.initializer.values)
            return Bracket("np.array(", (values, "dtype=np.float64"), ")")
        case _:
            return Bracket("np.zeros(", (size,), ")")


def _shape(w: RawWeight, shape: tuple[int, ...]) -> str:
    if len(shape) == len(w.step_shape):
        return str(shape) if len(shape) != 1 else str(shape[0])
    rest = [str(n) for n in shape[1:]]
    return f"({', '.join([_axis(w), *rest])})" if rest else _axis(w)


def _nested(values: object) -> Bracket | str:
    if isinstance(values, (list, tuple)):
        return Bracket("[", tuple(_nested(v) for v in values), "]")
    return repr(values)
