"""The initial weights of an emitted program, the same NumPy calls in every backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..compiler.ir.module import Module
from ..compiler.ir.problem import RawWeight
from ..compiler.ir.types import Size
from ..compiler.reference.initial import is_drawn_at_once
from ..spec.initializers import DEVIATION, SHAPE, Argument, Random
from .document import Doc, bracket, docstring, laid_out

Named = Callable[[Size], str]
RNG = "rng"


def is_random(weight: RawWeight) -> bool:
    return isinstance(weight.initializer, Random)


def generator(name: str) -> list[str]:
    """The function that makes a random generator for a weight."""
    return [
        f"def {name}(seed: int, name: str) -> np.random.Generator:",
        docstring(["A generator for every weight: they do not depend on each other."]),
        "    return np.random.default_rng([seed, *name.encode()])",
    ]


def init(module: Module, named: Named, rng: str) -> list[str]:
    """`init(seed)` → the weights by name."""
    entries = [laid_out(_entry(w, named, rng), 8, behind=1) for w in module.weights]
    weights = ["    weights = {", *(f"        {entry}," for entry in entries), "    }"]
    return [
        f"def init(seed: int = {module.seed}) -> dict[str, np.ndarray]:",
        docstring(["Initial weights, drawn by NumPy: the same numbers in every backend."]),
        *(weights if entries else ["    weights: dict[str, np.ndarray] = {}"]),
        f'    return {{name: value.astype("{module.dtype}") for name, value in weights.items()}}',
    ]


def _entry(w: RawWeight, named: Named, rng: str) -> Doc:
    value = _drawn(w, named, rng)
    if not is_drawn_at_once(w):
        value = bracket("np.repeat(", [value, _nodes(w, named), "axis=0"], ")")
    return (f'"{w.name}": ', value)


def _nodes(w: RawWeight, named: Named) -> str:
    """How many weights lie along time."""
    extra = w.time[0].extra
    steps = named(Size(w.nodes - extra, "STEPS"))
    return f"{steps} + {extra}" if extra else steps


def _drawn(w: RawWeight, named: Named, rng: str) -> Doc:
    call = w.initializer.draw()
    owner = f'{rng}(seed, "{w.name}")' if is_random(w) else "np"
    items = [_argument(a, w, named) for a in call.arguments]
    if call.function == "array":
        items.append("dtype=np.float64")
    doc = bracket(f"{owner}.{call.function}(", items, ")")
    if call.scale != 1:
        doc = (f"({call.scale!r} * ", doc, ")")
    # what is not drawn in a shape of one step is the weight of a step
    return doc if is_drawn_at_once(w) or SHAPE in call.arguments else (doc, "[None]")


def _argument(argument: Any, w: RawWeight, named: Named) -> Doc:
    if argument == SHAPE:
        return _shape(w, named)
    if argument == DEVIATION:
        return "1.0" if w.fan_in is None else _inverse_root(named(w.fan_in))
    if isinstance(argument, Argument):
        rows, columns = map(named, w.sizes)
        return rows if argument.name == "rows" else columns
    return _nested(argument)


def _inverse_root(size: str) -> str:
    """1/√n, as formatters write powers of a name and of a sum."""
    return f"({size}) ** -0.5" if " + " in size else f"{size}**-0.5"


def _shape(w: RawWeight, named: Named) -> str:
    sizes = [named(size) for size in w.sizes]
    if w.nodes:
        sizes = [_nodes(w, named) if is_drawn_at_once(w) else "1", *sizes]
    return sizes[0] if len(sizes) == 1 else f"({', '.join(sizes)})"


def _nested(value: Any) -> Doc:
    if isinstance(value, list | tuple):
        return bracket("[", [_nested(v) for v in value], "]")
    return repr(value)
