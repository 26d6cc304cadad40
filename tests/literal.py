"""Networks as literal NumPy loops, written from the language and from nothing of the compiler.

Columns: a state is (n, s). `Network` takes a case of the grid and a dict of raw weights and says
what trajectory, logits, loss and regularizers are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr
from specs import CUSTOM, READOUTS, Case, batch, random_weights, regularizers

from wellposed.compiler.reference.reference import Reference

Array = np.ndarray
States = Mapping[str, Array]
HORIZON, STEPS, GAMMA = 1.0, 3, 0.3
H = HORIZON / STEPS

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "tanh": np.tanh,
    "relu": lambda x: x * (np.real(x) > 0),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "softplus": lambda x: np.log(1 + np.exp(x)),
    "gelu": lambda x: x * ndtr(x),
    "sin": np.sin,
    "identity": lambda x: x,
    "cubic": lambda x: x * x * x,
}
"""Of real and of complex numbers."""
PARAMETRIZATIONS: dict[str, Callable[[Array], Array]] = {
    "free": lambda K: K,
    "antisymmetric": lambda K: (K - K.T - GAMMA * np.eye(len(K))) / 2,
    "negative-gram": lambda C: -C.T @ C,
    "hamiltonian": lambda K: K,
}
Weight = Callable[..., Array]
"""(name) → the weight at a time, a vector as a column, 0 where there is none."""
Sigma = Callable[[Array], Array]


def _layer(w: Weight, σ: Sigma, t: float, y: Array) -> dict[str, Array]:
    return {"y": σ(w("K") @ y + w("b"))}


def _layer_of_two(w: Weight, σ: Sigma, t: float, y: Array, z: Array) -> dict[str, Array]:
    """Of y' and z' as one: σ([[0, K], [−Kᵀ, 0]] (y, z) + b)."""
    K, zero = w("K"), np.zeros((len(y), len(y)))
    both = σ(np.block([[zero, K], [-K.T, zero]]) @ np.vstack([y, z]) + w("b"))
    return {"y": both[: len(y)], "z": both[len(y) :]}


def _hamiltonian(w: Weight, σ: Sigma, t: float, y: Array, z: Array) -> dict[str, Array]:
    return {"y": σ(w("K") @ z + w("b")), "z": -σ(w("K").T @ y + w("c"))}


def _double(w: Weight, σ: Sigma, t: float, y: Array, z: Array) -> dict[str, Array]:
    K1, K2 = w("K1"), w("K2")
    return {"y": K1.T @ σ(K1 @ z + w("b")), "z": -K2.T @ σ(K2 @ y + w("c"))}


def _parabolic(w: Weight, σ: Sigma, t: float, y: Array) -> dict[str, Array]:
    return {"y": -w("K").T @ σ(w("K") @ y + w("b"))}


def _mlp(w: Weight, σ: Sigma, t: float, y: Array) -> dict[str, Array]:
    """Two hidden layers of [y; t], no σ after the last."""
    a = np.vstack([y, np.full((1, y.shape[1]), t)])
    a = σ(w("W2") @ σ(w("W1") @ a + w("b1")) + w("b2"))
    return {"y": w("W3") @ a + w("b3")}


FIELDS: dict[str, Callable[..., dict[str, Array]]] = {
    "layer": _layer,
    "second-order": _layer,
    "hamiltonian": _hamiltonian,
    "double-layer-hamiltonian": _double,
    "parabolic": _parabolic,
    "mlp": _mlp,
}


def _custom(given: Any, w: Weight, σ: Sigma, t: float, states: States) -> dict[str, Array]:
    """The user's text by Python, on one example after the other; dH by the complex step."""
    scope = {
        "σ": σ,
        "sum": np.sum,
        **{f: getattr(np, f) for f in ("sin", "cos", "log", "exp", "cosh")},
    }
    scope |= {n: w(n) for n in given["weights"]} | {"t": t}

    def of(text: str, state: States) -> Any:
        return eval(text.replace("{σ}", "σ"), {}, {**scope, **state})

    examples = [{n: v[:, [i]] for n, v in states.items()} for i in range(states["y"].shape[1])]
    if "hamiltonian" not in given:
        sides = [{n: of(text, e) for n, text in given["equations"].items()} for e in examples]
        return {n: np.hstack([side[n] for side in sides]) for n in states}
    slopes = [{n: _slope(lambda s: of(given["hamiltonian"], s), e, n) for n in e} for e in examples]
    return {
        "y": np.hstack([slope["z"] for slope in slopes]),
        "z": -np.hstack([slope["y"] for slope in slopes]),
    }


def _slope(H: Callable[[States], Any], state: States, block: str) -> Array:
    """∂H/∂block as a column, to the last digit."""
    found = np.zeros(state[block].shape)
    for i in range(len(found)):
        moved = state[block].astype(complex)
        moved[i] += 1e-30j
        found[i] = np.imag(np.squeeze(H({**state, block: moved}))) / 1e-30
    return found


Field = Callable[[float, float, dict[str, Array]], dict[str, Array]]
"""(place within the step, t, states) → all right-hand sides."""


def _moved(states: States, by: float, along: States) -> dict[str, Array]:
    return {name: value + by * along[name] for name, value in states.items()}


def _euler(f: Field, t: float, y: dict[str, Array]) -> dict[str, Array]:
    return _moved(y, H, f(0, t, y))


def _midpoint(f: Field, t: float, y: dict[str, Array]) -> dict[str, Array]:
    return _moved(y, H, f(0.5, t + H / 2, _moved(y, H / 2, f(0, t, y))))


def _heun(f: Field, t: float, y: dict[str, Array]) -> dict[str, Array]:
    k1 = f(0, t, y)
    k2 = f(1, t + H, _moved(y, H, k1))
    return _moved(y, H / 2, _moved(k1, 1, k2))


def _rk4(f: Field, t: float, y: dict[str, Array]) -> dict[str, Array]:
    k1 = f(0, t, y)
    k2 = f(0.5, t + H / 2, _moved(y, H / 2, k1))
    k3 = f(0.5, t + H / 2, _moved(y, H / 2, k2))
    k4 = f(1, t + H, _moved(y, H, k3))
    return _moved(y, H / 6, _moved(_moved(_moved(k1, 2, k2), 2, k3), 1, k4))


def _verlet(f: Field, t: float, y: dict[str, Array]) -> dict[str, Array]:
    z = y["z"] + H * f(0, t, y)["z"]
    return {"y": y["y"] + H * f(0.5, t + H / 2, {**y, "z": z})["y"], "z": z}


METHODS = {"euler": _euler, "midpoint": _midpoint, "heun": _heun, "rk4": _rk4, "verlet": _verlet}


def _path(method: str, f: Field, y: dict[str, Array]) -> list[dict[str, Array]]:
    """The states at t_0 … t_N."""
    path = [y]
    for j in range(STEPS):
        if method != "leapfrog":
            path.append(METHODS[method](f, j * H, path[j]))
        elif j == 0:
            path.append(_moved(y, H**2 / 2, f(0, 0.0, y)))
        else:
            kick = _moved(_moved(path[j], -1, path[j - 1]), H**2, f(0, j * H, path[j]))
            path.append(_moved(path[j], 1, kick))
    return path


@dataclass(frozen=True)
class Network:
    """A case of the grid with its raw weights (and γ = 0.3, T = 1, N = 3)."""

    case: Case
    raw: Mapping[str, Array]

    def weight(self, name: str, j: int, place: float) -> Array:
        """What the equations call `name` in step j, at a part of the step."""
        case = self.case
        made = name.startswith("K") or (
            case.field in CUSTOM and name == next(iter(CUSTOM[case.field]["weights"]))
        )
        kind = case.parametrization if made else "free"
        key = (
            name.replace("K", "C", 1)
            if kind == "negative-gram" and case.field not in CUSTOM
            else name
        )
        if key not in self.raw:
            return np.zeros(())
        at = self._at(self.raw[key], j, place)
        value = PARAMETRIZATIONS[kind](at) if at.ndim == 2 else at
        return value[:, None] if value.ndim == 1 else value

    def _at(self, raw: Array, j: int, place: float) -> Array:
        if self.case.mode == "shared":
            return raw
        if self.case.mode == "per-step":
            return raw[j]
        return (1 - place) * raw[j] + place * raw[j + 1]

    def field(self, place: float, t: float, states: States) -> dict[str, Array]:
        """All right-hand sides at t, a part of its step after the step's start."""
        j = round(t / H - place)
        σ = ACTIVATIONS[self.case.activation]

        def w(name: str) -> Array:
            return self.weight(name, j, place)

        if self.case.field in CUSTOM:
            return _custom(CUSTOM[self.case.field], w, σ, t, states)
        two = self.case.parametrization == "hamiltonian"
        return (_layer_of_two if two else FIELDS[self.case.field])(w, σ, t, **states)

    def trajectory(self, x: Array, sizes: Mapping[str, int]) -> Array:
        """(y, z, …) at t_0 … t_N: (N+1, s, n)."""
        y = self.raw["L"] @ x.T if self.case.lift == "linear" else x.T
        start = {n: np.zeros((size, len(x))) for n, size in sizes.items()} | {"y": y}
        path = _path(self.case.integrator, self.field, start)
        return np.stack([np.vstack([at[n] for n in sizes]).T for at in path])

    def logits(self, y: Array) -> Array:
        return y @ self.raw["W"] + self.raw["mu"]

    def loss(self, x: Array, targets: Array, sizes: Mapping[str, int]) -> float:
        """Mean loss of the examples and the regularizers."""
        logits = self.logits(self.trajectory(x, sizes)[-1][:, : sizes["y"]])
        return (
            float(_losses(READOUTS[self.case.readout], logits, targets).mean()) + self.regularizer()
        )

    def regularizer(self) -> float:
        """0.1/2 (‖first weight‖² + ‖W‖²); 0.2/(2h) Σ ‖θ_j − θ_{j−1}‖² of what has a path."""
        first = next(iter(self.raw))
        total = 0.1 / 2 * sum(float((self.raw[n] ** 2).sum()) for n in (first, "W"))
        if self.case.mode != "shared":
            paths = [w for n, w in self.raw.items() if n not in ("W", "mu", "L")]
            total += 0.2 / (2 * H) * sum(float((np.diff(w, axis=0) ** 2).sum()) for w in paths)
        return total


def _losses(readout: Mapping[str, Any], logits: Array, targets: Array) -> Array:
    """One loss for every example."""
    if readout["kind"] == "regression":
        return ((logits - targets) ** 2).sum(axis=1) / 2
    C = np.eye(logits.shape[1])[targets]
    exponentials = np.exp(logits)
    if readout["hypothesis"] == "softmax":
        h = exponentials / exponentials.sum(axis=1, keepdims=True)
        entropy = -(C * np.log(h)).sum(axis=1)
    else:
        h = exponentials / (1 + exponentials)
        entropy = -(C * np.log(h) + (1 - C) * np.log(1 - h)).sum(axis=1)
    return entropy if readout["loss"] == "cross-entropy" else ((h - C) ** 2).sum(axis=1) / 2


def differences(case: Case) -> dict[str, float]:
    """What the reference and the literal network give, apart by a part of the largest entry."""
    found = case.compiled(regularizers=regularizers(case.problem()))
    problem, sizes = found.problem, found.problem.sizes
    weights, (x, targets) = random_weights(problem), batch(problem)
    reference, network = Reference(found.module), Network(case, weights)
    path = network.trajectory(x, sizes)
    pairs = {
        "trajectory": (reference.trajectory(weights, x), path),
        "logits": (
            reference.forward(weights, x),
            network.logits(path[-1][:, : sizes["y"]]),
        ),
        "loss": (reference.loss(weights, x, targets), network.loss(x, targets, sizes)),
        "regularizer": (reference.regularizer(weights), network.regularizer()),
    }
    return {name: _relative(*map(np.asarray, pair)) for name, pair in pairs.items()}


def _relative(found: np.ndarray, expected: np.ndarray) -> float:
    assert found.shape == expected.shape
    return float(np.abs(found - expected).max() / np.abs(expected).max())
