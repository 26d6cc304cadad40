"""Specs from plain dicts, the grid of combinations that tests go through, and random inputs."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, TypeVar

import numpy as np

from wellposed.compiler.ir.problem import Problem
from wellposed.compiler.pipeline import Compiled, compiled
from wellposed.spec.model import Spec

Array = np.ndarray
Plain = dict[str, Any]
T = TypeVar("T")

ACTIVATIONS = ("tanh", "relu", "sigmoid", "softplus", "gelu", "sin", "identity", "cubic")
PARAMETRIZATIONS = ("free", "antisymmetric", "negative-gram", "hamiltonian")
INTEGRATORS = ("euler", "midpoint", "heun", "rk4", "leapfrog", "verlet", "kick-drift-kick")
MODES = ("per-step", "linear", "shared")
BIASES = ("vector", "scalar", "none")
CATALOGUE = (
    "layer",
    "second-order",
    "hamiltonian",
    "double-layer-hamiltonian",
    "parabolic",
    "mlp",
    "planar-mixture",
)
CUSTOM: dict[str, Plain] = {
    "one-block": {
        "weights": {"K": {"shape": ["y", "y"]}, "b": {"shape": ["y"]}},
        "equations": {"y": "{σ}(K @ y + b) * (1 + 0.3 * cos(t)) - 0.1 * y ** 3"},
    },
    "two-blocks": {
        "weights": {"K": {"shape": ["y", "z"]}, "s": {"shape": []}},
        "equations": {"y": "{σ}(K @ z) * s", "z": "-sin(t) * K.T @ y"},
    },
    "three-blocks": {
        "weights": {"K": {"shape": ["z", "y"]}, "A": {"shape": ["q", "q"]}, "s": {"shape": []}},
        "equations": {"y": "-K.T @ z", "z": "{σ}(K @ y) - s * z", "q": "A @ q + s * sum(y) - t"},
    },
    "hamiltonian-H": {
        "weights": {"K": {"shape": ["y", "z"]}, "b": {"shape": ["y"]}},
        "hamiltonian": "sum(log(cosh(K @ z + b))) + y.T @ y / 2 + sum(exp(-y**2)) * t",
    },
    "coupled-H": {
        "weights": {"A": {"shape": ["y", "y"]}, "s": {"shape": []}},
        "hamiltonian": "s * sum({σ}(A @ y) * z) + sum(z**4) / 4",
    },
}
FIELDS = (*CATALOGUE, *CUSTOM)
TWO_BLOCKS = ("hamiltonian", "double-layer-hamiltonian", "two-blocks", "hamiltonian-H", "coupled-H")
SEPARABLE = tuple(name for name in TWO_BLOCKS if name != "coupled-H")
READOUTS: tuple[Plain, ...] = (
    *(
        {"kind": "classifier", "classes": 3, "hypothesis": hypothesis, "loss": loss}
        for hypothesis in ("softmax", "logistic")
        for loss in ("cross-entropy", "least-squares")
    ),
    {"kind": "regression", "outputs": 2},
    {"kind": "state"},
)
LEAST_SQUARES = ("regression", "state")
DECAY: Plain = {"kind": "weight-decay", "of": ["W", "mu"], "alpha": 0.1}
LIFTS = ("zeros", "linear", "blocks")


@dataclass(frozen=True)
class Case:
    """One point of the grid."""

    field: str = "layer"
    parametrization: str = "free"
    integrator: str = "euler"
    mode: str = "per-step"
    activation: str = "tanh"
    bias: str = "vector"
    lift: str = "zeros"
    readout: int = 0

    def __str__(self) -> str:
        return "-".join(map(str, vars(self).values()))

    def plain(self, **changes: Any) -> Plain:
        """The spec as a dict; `changes` go to `model`, but for dtype, seed and regularizers."""
        given = {key: changes.pop(key) for key in {"dtype", "seed", "regularizers"} & set(changes)}
        head = READOUTS[self.readout]
        return {
            "wellposed": 1,
            "name": "case",
            "dtype": "float64",
            "seed": 1,
            "task": "regression" if head["kind"] in LEAST_SQUARES else "classification",
            "model": self._model(head) | changes,
            "regularizers": [] if head["kind"] == "state" else [DECAY],
            **given,
        }

    def spec(self, **changes: Any) -> Spec:
        return Spec.model_validate(self.plain(**changes))

    def compiled(self, **changes: Any) -> Compiled:
        return compiled(self.spec(**changes))

    def problem(self, **changes: Any) -> Problem:
        return self.compiled(**changes).problem

    def _model(self, head: Plain) -> Plain:
        model: Plain = {
            "state": self._state(),
            "lift": self.lift,
            "vector_field": self._field(),
            "time": {"horizon": 1.0, "steps": 3, "weights": self.mode},
            "integrator": self._integrator(),
            "readout": head,
        }
        if self.field not in CUSTOM:
            model["parametrization"] = self._parametrization()
        return model

    def _state(self) -> int | Plain:
        if self.field == "three-blocks":
            return {"y": 3, "z": 2, "q": 4}
        stacked = self.parametrization == "hamiltonian" and self.field not in CUSTOM
        if self.field in TWO_BLOCKS or stacked:
            return {"y": 3, "z": 3}
        return 3

    def _integrator(self) -> str | Plain:
        is_form = self.integrator == "kick-drift-kick"
        return {"kind": "verlet", "form": self.integrator} if is_form else self.integrator

    def _parametrization(self) -> str | Plain:
        if self.parametrization != "antisymmetric":
            return self.parametrization
        return {"kind": "antisymmetric", "gamma": 0.3}

    def _field(self) -> Plain:
        if self.field in CUSTOM:
            return self._custom(CUSTOM[self.field])
        field: Plain = {"kind": self.field, "activation": self.activation}
        if self.field == "planar-mixture":  # which has no bias to choose
            return field | {"width": 2, "hidden": [4]}
        field["bias"] = self.bias
        return field | ({"hidden": [5, 4], "time_input": True} if self.field == "mlp" else {})

    def _custom(self, given: Plain) -> Plain:
        texts = {
            key: _with_activation(given[key], self.activation)
            for key in ("equations", "hamiltonian")
            if key in given
        }
        first, *rest = given["weights"]
        made = given["weights"][first] | {"parametrization": self._parametrization()}
        weights = {first: made} | {name: given["weights"][name] for name in rest}
        return {"kind": "custom", "weights": weights, **texts}


def _with_activation(text: str | Mapping[str, str], activation: str) -> Any:
    if isinstance(text, str):
        return text.replace("{σ}", activation)
    return {block: _with_activation(side, activation) for block, side in text.items()}


AXES: dict[str, Sequence[Any]] = {
    "field": FIELDS,
    "parametrization": PARAMETRIZATIONS,
    "integrator": INTEGRATORS,
    "mode": MODES,
    "activation": ACTIVATIONS,
    "bias": BIASES,
    "lift": LIFTS,
    "readout": range(len(READOUTS)),
}


def structural() -> Iterator[Case]:
    """Every field × parametrization × integrator × mode; the other axes take turns."""
    axes = ("field", "parametrization", "integrator", "mode")
    for i, values in enumerate(itertools.product(*(AXES[a] for a in axes))):
        others = {a: AXES[a][i % len(AXES[a])] for a in AXES if a not in axes}
        yield Case(**dict(zip(axes, values, strict=True)), **others)


def allowed(case: Case) -> bool:
    """What LANGUAGE says of the combination, written down apart from the compiler's checks."""
    stacked = case.field == "layer" and case.parametrization == "hamiltonian"
    if case.parametrization == "hamiltonian" and not stacked:
        return False
    not_square = case.field == "three-blocks"  # its first weight
    takes_none = case.field in ("mlp", "planar-mixture")
    if (not_square or takes_none) and case.parametrization != "free":
        return False
    if (case.integrator == "leapfrog") != (case.field == "second-order"):
        return False
    return case.integrator not in INTEGRATORS[-2:] or stacked or case.field in SEPARABLE


@cache
def all_pairs(seed: int = 0) -> list[Case]:
    """Allowed cases that hold every pair of values that some allowed case holds (greedy)."""
    rng = random.Random(seed)
    pool = [case for case in _pool(rng) if allowed(case)]
    missing = {pair for case in pool for pair in pairs(case)}
    chosen: list[Case] = []
    while missing:
        sample = rng.sample(pool, min(300, len(pool)))
        best = max(sample, key=lambda case: len(pairs(case) & missing))
        if gained := pairs(best) & missing:
            chosen.append(best)
            missing -= gained
    return chosen


def _pool(rng: random.Random) -> Iterator[Case]:
    """Every structure with several draws of the other axes."""
    for case in structural():
        for _ in range(20):
            yield _drawn(case, rng, "activation", "bias", "lift", "readout")


def _drawn(case: Case, rng: random.Random, *axes: str) -> Case:
    return replace(case, **{axis: rng.choice(list(AXES[axis])) for axis in axes})


def whole_grid(field: str) -> list[Case]:
    """The allowed structures of a field, each with several draws of the other axes."""
    return [case for case in _pool(random.Random(0)) if case.field == field and allowed(case)]


def leapfrogs() -> list[Case]:
    """Leapfrog with every parametrization, mode and activation; the other axes are drawn."""
    rng, free = random.Random(0), ("parametrization", "mode", "activation")
    found = (
        Case("second-order", integrator="leapfrog", **dict(zip(free, values, strict=True)))
        for values in itertools.product(*(AXES[axis] for axis in free))
    )
    return [_drawn(case, rng, "bias", "lift", "readout") for case in found if allowed(case)]


def sample(cases: list[T], count: int, seed: int = 0) -> list[T]:
    """Some of many, the same ones every time."""
    return random.Random(seed).sample(cases, min(count, len(cases)))


def pairs(case: Case) -> set[tuple[tuple[str, Any], tuple[str, Any]]]:
    return set(itertools.combinations(vars(case).items(), 2))


# --- inputs ------------------------------------------------------------------------------------


def random_weights(problem: Problem, seed: int = 0) -> dict[str, Array]:
    """Normal numbers, small enough for the flow of a cubic field to stay near the data."""
    rng = np.random.default_rng(seed)
    scale = 0.2 if "cubic" in str(problem.spec.to_plain()) else 0.5
    return {w.name: scale * rng.normal(size=w.shape) for w in problem.weights}


def batch(problem: Problem, size: int = 5, seed: int = 5) -> tuple[Array, Array]:
    """Features and targets: classes, or numbers for a regression."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(size, problem.features.value))
    if problem.spec.task.kind == "regression":
        return x, rng.normal(size=(size, problem.outputs))
    return x, np.arange(size) % problem.outputs


def regularizers(problem: Problem) -> list[Plain]:
    """Decay of the first weight and of W where there is one, smoothness of all that have a path."""
    names = [w.name for w in problem.weights]
    paths = [w.name for w in problem.weights if w.nodes]
    decay = {"kind": "weight-decay", "of": [names[0], *({"W"} & {*names[1:]})], "alpha": 0.1}
    return [decay, *([{"kind": "smoothness", "of": paths, "alpha": 0.2}] if paths else [])]
