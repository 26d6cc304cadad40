"""Networks as literal NumPy loops, written from the language and from nothing of the compiler.

Columns: a state is (n, s). `Network` takes a spec as plain data and a dict of raw weights, and
says what trajectory, vector field, logits, losses and regularizers are. `Oracle` holds a module to
it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from scipy.special import ndtr
from specs import Case, Plain, batch, random_weights, regularizers

from wellposed.compiler.ir.module import Module
from wellposed.compiler.pipeline import compiled
from wellposed.compiler.reference.reference import Reference
from wellposed.spec.model import Spec

Array = np.ndarray
States = Mapping[str, Array]

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
FUNCTIONS = {
    **ACTIVATIONS,
    "sum": np.sum,
    **{f: getattr(np, f) for f in ("exp", "log", "sqrt", "cos", "sinh", "cosh", "abs")},
}
"""What the user's text may call."""
PARAMETRIZATIONS: dict[str, Callable[..., Array]] = {
    "free": lambda K: K,
    "antisymmetric": lambda K, gamma: (K - K.T - gamma * np.eye(len(K))) / 2,
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
    K = w("K")
    left, right = np.zeros((len(y), len(y))), np.zeros((len(z), len(z)))
    both = σ(np.block([[left, K], [-K.T, right]]) @ np.vstack([y, z]) + w("b"))
    return {"y": both[: len(y)], "z": both[len(y) :]}


def _hamiltonian(w: Weight, σ: Sigma, t: float, y: Array, z: Array) -> dict[str, Array]:
    return {"y": σ(w("K") @ z + w("b")), "z": -σ(w("K").T @ y + w("c"))}


def _double(w: Weight, σ: Sigma, t: float, y: Array, z: Array) -> dict[str, Array]:
    K1, K2 = w("K1"), w("K2")
    return {"y": K1.T @ σ(K1 @ z + w("b")), "z": -K2.T @ σ(K2 @ y + w("c"))}


def _parabolic(w: Weight, σ: Sigma, t: float, y: Array) -> dict[str, Array]:
    return {"y": -w("K").T @ σ(w("K") @ y + w("b"))}


FIELDS: dict[str, Callable[..., dict[str, Array]]] = {
    "layer": _layer,
    "second-order": _layer,
    "hamiltonian": _hamiltonian,
    "double-layer-hamiltonian": _double,
    "parabolic": _parabolic,
}
TWO_BLOCKS = ("hamiltonian", "double-layer-hamiltonian")


def _mlp(field: Plain, w: Weight, t: float, states: States) -> dict[str, Array]:
    """W_k σ(… σ(W₁ [y; t] + b₁) …) + b_k: no σ after the last layer."""
    σ, last, a = ACTIVATIONS[field["activation"]], len(field["hidden"]) + 1, states["y"]
    if field["time_input"]:
        a = np.vstack([a, np.full((1, a.shape[1]), t)])
    for k in range(1, last):
        a = σ(w(f"W{k}") @ a + w(f"b{k}"))
    return {"y": w(f"W{last}") @ a + w(f"b{last}")}


def _planar(field: Plain, w: Weight, t: float, states: States) -> dict[str, Array]:
    """Σ uᵢ tanh(wᵢᵀ y + bᵢ), unit by unit: all w, all u and all b lie behind each other."""
    σ, last, a = ACTIVATIONS[field["activation"]], len(field["hidden"]) + 1, np.array([[t]])
    for k in range(1, last):
        a = σ(w(f"W{k}") @ a + w(f"b{k}"))
    p = (w(f"W{last}") @ a + w(f"b{last}"))[:, 0]
    y, m, total = states["y"], field["width"], np.zeros_like(states["y"])
    n = len(y)
    for i in range(m):
        own, outward = p[i * n : (i + 1) * n], p[(m + i) * n : (m + i + 1) * n]
        total = total + outward[:, None] * np.tanh(own @ y + p[2 * m * n + i])
    return {"y": total}


def _custom(field: Plain, w: Weight, t: float, states: States) -> dict[str, Array]:
    """The user's text by Python, on one example after the other; dH by the complex step."""
    scope = FUNCTIONS | {name: w(name) for name in field["weights"]} | {"t": t, "pi": np.pi}
    scope |= {"_below": _below}
    for name, network in field.get("networks", {}).items():
        scope[name] = partial(_network, network, lambda k, name=name: w(f"{name}_{k}"))

    def of(text: str, state: States) -> Any:
        return eval(_in_python(text), {}, {**scope, **state})

    count = next(iter(states.values())).shape[1]
    examples = [{n: v[:, [i]] for n, v in states.items()} for i in range(count)]
    if field["hamiltonian"] is None:
        sides = [{n: of(text, e) for n, text in field["equations"].items()} for e in examples]
        return {n: np.hstack([side[n] for side in sides]) for n in states}
    slopes = [{n: _slope(lambda s: of(field["hamiltonian"], s), e, n) for n in e} for e in examples]
    position, momentum = states
    return {
        position: np.hstack([slope[momentum] for slope in slopes]),
        momentum: -np.hstack([slope[position] for slope in slopes]),
    }


WHOLE_FIELDS = {"mlp": _mlp, "planar-mixture": _planar, "custom": _custom}
"""Fields that are more than one σ of their states."""


def _below(*parts: Any) -> Array:
    """One example's numbers and vectors below each other."""
    return np.vstack([np.reshape(part, (-1, 1)) for part in parts])


def _network(network: Plain, w: Weight, *arguments: Any) -> Array:
    σ, last, a = ACTIVATIONS[network["activation"]], len(network["hidden"]) + 1, _below(*arguments)
    for k in range(1, last):
        a = σ(w(f"W{k}") @ a + w(f"b{k}"))
    return w(f"W{last}") @ a + w(f"b{last}")


def _in_python(text: str) -> str:
    """`[a, b]` as a call, where Python would make a list; `y[0]` as it is."""
    found, open_ = "", []
    for mark in text:
        if mark == "[":
            is_component = found.rstrip()[-1:].isalnum() or found.rstrip()[-1:] in tuple(")]_")
            open_.append("]" if is_component else ")")
            mark = "[" if is_component else "_below("
        elif mark == "]":
            mark = open_.pop()
        found += mark
    return found


def _slope(H: Callable[[States], Any], state: States, block: str) -> Array:
    """∂H/∂block as a column, to the last digit."""
    found = np.zeros(state[block].shape)
    for i in range(len(found)):
        moved = state[block].astype(complex)
        moved[i] += 1e-30j
        found[i] = np.imag(np.squeeze(H({**state, block: moved}))) / 1e-30
    return found


RATE = "Σ α ∫"
"""The name of what is integrated along the path, which no block can have."""
Field = Callable[[float, float, dict[str, Array]], dict[str, Array]]
"""(place within the step, t, states) → all right-hand sides."""


def _moved(states: States, by: float, along: States) -> dict[str, Array]:
    return {name: value + by * along[name] for name, value in states.items()}


def _euler(f: Field, h: float, t: float, y: dict[str, Array]) -> dict[str, Array]:
    return _moved(y, h, f(0, t, y))


def _midpoint(f: Field, h: float, t: float, y: dict[str, Array]) -> dict[str, Array]:
    return _moved(y, h, f(0.5, t + h / 2, _moved(y, h / 2, f(0, t, y))))


def _heun(f: Field, h: float, t: float, y: dict[str, Array]) -> dict[str, Array]:
    k1 = f(0, t, y)
    k2 = f(1, t + h, _moved(y, h, k1))
    return _moved(y, h / 2, _moved(k1, 1, k2))


def _rk4(f: Field, h: float, t: float, y: dict[str, Array]) -> dict[str, Array]:
    k1 = f(0, t, y)
    k2 = f(0.5, t + h / 2, _moved(y, h / 2, k1))
    k3 = f(0.5, t + h / 2, _moved(y, h / 2, k2))
    k4 = f(1, t + h, _moved(y, h, k3))
    return _moved(y, h / 6, _moved(_moved(_moved(k1, 2, k2), 2, k3), 1, k4))


def _verlet(f: Field, h: float, t: float, y: dict[str, Array]) -> dict[str, Array]:
    """The first block is the position, all others are the momentum."""
    slopes, first = f(0, t, y), next(iter(y))
    moved = {n: v if n == first else v + h * slopes[n] for n, v in y.items()}
    return {**moved, first: y[first] + h * f(0.5, t + h / 2, moved)[first]}


def _kick_drift_kick(f: Field, h: float, t: float, y: dict[str, Array]) -> dict[str, Array]:
    slopes, first = f(0, t, y), next(iter(y))
    half = {n: v if n == first else v + h / 2 * slopes[n] for n, v in y.items()}
    moved = {**half, first: y[first] + h * f(0.5, t + h / 2, half)[first]}
    last = f(1, t + h, moved)
    return {n: v if n == first else v + h / 2 * last[n] for n, v in moved.items()}


METHODS = {
    "euler": _euler,
    "midpoint": _midpoint,
    "heun": _heun,
    "rk4": _rk4,
    "staggered": _verlet,
    "kick-drift-kick": _kick_drift_kick,
}


def _path(method: str, f: Field, h: float, N: int, y: dict[str, Array]) -> list[dict[str, Array]]:
    """The states at t_0 … t_N."""
    path = [y]
    for j in range(N):
        if method != "leapfrog":
            path.append(METHODS[method](f, h, j * h, path[j]))
        elif j == 0:
            path.append(_moved(y, h**2 / 2, f(0, 0.0, y)))
        else:
            kick = _moved(_moved(path[j], -1, path[j - 1]), h**2, f(0, j * h, path[j]))
            path.append(_moved(path[j], 1, kick))
    return path


@dataclass(frozen=True)
class Network:
    """A spec as plain data, nothing left out, with raw weights."""

    spec: Plain
    raw: Mapping[str, Array]

    @property
    def model(self) -> Plain:
        return self.spec["model"]

    @property
    def steps(self) -> int:
        return self.model["time"]["steps"]

    @property
    def h(self) -> float:
        return self.model["time"]["horizon"] / self.steps

    @property
    def sizes(self) -> dict[str, int]:
        """Of the blocks; a bare n is that of y, and of z where there is one."""
        state, kind = self.model["state"], self.model["vector_field"]["kind"]
        if not isinstance(state, int):
            return {"y": state["y"], **state} if "y" in state else state
        stacked = self.model["parametrization"]["kind"] == "hamiltonian"
        return {"y": state, "z": state} if kind in TWO_BLOCKS or stacked else {"y": state}

    def weight(self, name: str, j: int, place: float) -> Array:
        """What the equations call `name` in step j, at a part of the step."""
        made = self._parametrization(name)
        kind, numbers = made["kind"], {k: v for k, v in made.items() if k != "kind"}
        is_custom = self.model["vector_field"]["kind"] == "custom"
        renamed = kind == "negative-gram" and not is_custom
        key = name.replace("K", "C", 1) if renamed else name
        if key not in self.raw:
            return np.zeros(())
        field = self.model["vector_field"]
        own = field["weights"].get(name, {}).get("time") if field["kind"] == "custom" else None
        raw = self._at(self.raw[key], j, place, own or self.model["time"]["weights"])
        value = PARAMETRIZATIONS[kind](raw, **numbers)
        return value[:, None] if value.ndim == 1 else value

    def _parametrization(self, name: str) -> Plain:
        """A weight's own; in the catalogue the model's, of the matrices K."""
        field = self.model["vector_field"]
        if field["kind"] == "custom":
            return field["weights"].get(name, {}).get("parametrization", {"kind": "free"})
        return self.model["parametrization"] if name.startswith("K") else {"kind": "free"}

    def _regularized(self, names: list[str]) -> list[Array]:
        """Raw weights, all of a network for its name."""
        networks = self.model["vector_field"].get("networks", {})
        inner = {n: [w for w in self.raw if w.startswith(f"{n}_")] for n in networks}
        return [self.raw[w] for name in names for w in inner.get(name, [name])]

    def _at(self, raw: Array, j: int, place: float, mode: str) -> Array:
        if mode == "shared":
            return raw
        if mode == "per-step":
            return raw[j]
        return (1 - place) * raw[j] + place * raw[j + 1]

    def field(self, place: float, t: float, states: States) -> dict[str, Array]:
        """All right-hand sides at t, a part of its step after the step's start."""
        field, j = self.model["vector_field"], round(t / self.h - place)

        def w(name: str) -> Array:
            return self.weight(name, j, place)

        if field["kind"] in WHOLE_FIELDS:
            return WHOLE_FIELDS[field["kind"]](field, w, t, states)
        stacked = self.model["parametrization"]["kind"] == "hamiltonian"
        equations = _layer_of_two if stacked else FIELDS[field["kind"]]
        return equations(w, ACTIVATIONS[field["activation"]], t, **states)

    def vector_field(self, t: float, y: Array) -> Array:
        """f(t, y) of stacked rows, with weight j for t_j ≤ t < t_{j+1}; at T the last one."""
        j = min(int(t / self.h + 1e-9), self.steps - 1)
        parts = np.split(y.T, np.cumsum(list(self.sizes.values()))[:-1])
        slopes = self.field(t / self.h - j, t, dict(zip(self.sizes, parts, strict=True)))
        return self._rows(slopes)

    def trajectory(self, x: Array) -> Array:
        """(y, z, …) at t_0 … t_N: (N+1, s, n)."""
        return np.stack([self._rows(at) for at in self._path(self._start(x), self.field)])

    def _start(self, x: Array) -> dict[str, Array]:
        whole = np.zeros((sum(self.sizes.values()), len(x)))
        n, lift = next(iter(self.sizes.values())), self.model["lift"]["kind"]
        whole[: x.shape[1]] = x.T[:n] if lift == "zeros" else x.T if lift == "blocks" else 0
        if lift == "linear":
            whole[:n] = self.raw["L"] @ x.T
        parts = np.split(whole, np.cumsum(list(self.sizes.values()))[:-1])
        return dict(zip(self.sizes, parts, strict=True))

    def _path(self, start: dict[str, Array], field: Field) -> list[dict[str, Array]]:
        given = self.model["integrator"]
        return _path(given.get("form", given["kind"]), field, self.h, self.steps, start)

    def _rows(self, states: States) -> Array:
        return np.vstack([states[n] for n in self.sizes]).T

    def forward(self, x: Array) -> Array:
        y = self.trajectory(x)[-1][:, : next(iter(self.sizes.values()))]
        readout = self.model["readout"]
        if readout is None or readout["kind"] == "state":
            return y
        return y @ self.raw["W"] + self.raw["mu"]

    def loss(self, x: Array, targets: Array) -> Array:
        """Mean loss of the examples and the regularizers."""
        losses = _losses(self.model["readout"], self.forward(x), targets)
        return losses.mean() + self.regularizer() + self.path_penalty(x).mean()

    def regularizer(self) -> Array:
        """α/2 ‖θ‖² of weight decay; α/(2h) Σ ‖θ_j − θ_{j−1}‖² of smoothness."""
        total = np.zeros(())
        for given in self.spec["regularizers"]:
            for w in self._regularized(given.get("of", [])):
                if given["kind"] == "smoothness":
                    w = np.diff(w, axis=0) / np.sqrt(self.h)
                total = total + given["alpha"] / 2 * (w**2).sum()
        return total

    def path_penalty(self, x: Array) -> Array:
        """Σ α ∫ of every row, each rate stepped as one more component of the state."""
        start = self._start(x) | {RATE: np.zeros((1, len(x)))}
        return self._path(start, self._with_rate)[-1][RATE][0]

    def _with_rate(self, place: float, t: float, states: States) -> dict[str, Array]:
        """All right-hand sides, and Σ α times ‖f‖² or ‖∂f/∂y‖²_F, its columns by complex steps."""
        own = {n: v for n, v in states.items() if n != RATE}
        slopes = self.field(place, t, own)
        rates: dict[str, Any] = {"kinetic-energy": sum((k**2).sum(axis=0) for k in slopes.values())}
        if any(r["kind"] == "jacobian-frobenius" for r in self.spec["regularizers"]):
            rates["jacobian-frobenius"] = self._squared_jacobian(place, t, own)
        total = np.zeros(states[RATE].shape)
        for given in self.spec["regularizers"]:
            total = total + given["alpha"] * rates.get(given["kind"], 0)
        return {**slopes, RATE: total}

    def _squared_jacobian(self, place: float, t: float, states: States) -> Array:
        total = np.zeros(())
        for name, value in states.items():
            for i in range(len(value)):
                moved = value.astype(complex)
                moved[i] += 1e-30j
                slopes = self.field(place, t, {**states, name: moved}).values()
                total = total + sum((np.imag(k) ** 2).sum(axis=0) for k in slopes) / 1e-60
        return total


def _losses(readout: Plain, logits: Array, targets: Array) -> Array:
    """One loss for every example."""
    if readout["kind"] in ("regression", "state"):
        return ((logits - targets) ** 2).sum(axis=1) / 2
    C = np.eye(logits.shape[1])[targets] if targets.ndim == 1 else targets
    exponentials = np.exp(logits)
    if readout["hypothesis"] == "softmax":
        h = exponentials / exponentials.sum(axis=1, keepdims=True)
        entropy = -(C * np.log(h)).sum(axis=1)
    else:
        h = exponentials / (1 + exponentials)
        entropy = -(C * np.log(h) + (1 - C) * np.log(1 - h)).sum(axis=1)
    return entropy if readout["loss"] == "cross-entropy" else ((h - C) ** 2).sum(axis=1) / 2


# --- the oracle --------------------------------------------------------------------------------

PLACES = (0.0, 0.3, 1.0, 1.75, 2.0, 2.5, 3.0)
"""Times of the vector field in steps: nodes and times between; the last is T of three steps."""
Given = Callable[..., Any]
"""(name of a quantity, its arguments) → what a model gives."""


class Oracle:
    """What the literal network of a spec gives on random weights and inputs."""

    def __init__(self, spec: Spec) -> None:
        found = compiled(spec)
        problem = found.problem
        self.module, self.outputs = found.module, problem.outputs
        self.is_classifier, self.is_penalized = problem.is_classifier, problem.is_penalized
        self.weights, (self.x, self.targets) = random_weights(problem), batch(problem)
        self.y = np.random.default_rng(8).normal(size=(len(self.x), problem.size))
        self.network = Network(spec.to_plain(), self.weights)

    @cached_property
    def expected(self) -> dict[str, Any]:
        return self._outputs(lambda name, *args: getattr(self.network, name)(*args))

    def differences(self, module: Module) -> dict[str, float]:
        """What a module and the literal network give, apart by a part of the largest entry."""
        reference, weights = Reference(module), self.weights
        found = self._outputs(lambda name, *args: getattr(reference, name)(weights, *args))
        pairs = {name: (found[name], value) for name, value in self.expected.items()}
        return {name: _relative(*map(np.asarray, pair)) for name, pair in pairs.items()}

    def _outputs(self, given: Given) -> dict[str, Any]:
        found = {name: given(name, self.x) for name in ("trajectory", "forward")}
        for place in PLACES:
            t = place * self.network.h
            found[f"vector_field at t = {place} h"] = given("vector_field", t, self.y)
        if self.network.model["readout"] is not None:
            found["loss"] = given("loss", self.x, self.targets)
            if self.is_classifier:
                found["loss of probabilities"] = given("loss", self.x, self._probabilities())
        if self.is_penalized:
            found["path_penalty"] = given("path_penalty", self.x)
        return found | {"regularizer": given("regularizer")}

    def _probabilities(self) -> Array:
        """Of the classes of every example: no two alike."""
        shares = np.random.default_rng(9).uniform(0.1, 1, (len(self.x), self.outputs))
        return shares / shares.sum(axis=1, keepdims=True)


def differences(given: Case | Spec, module: Module | None = None) -> dict[str, float]:
    """What a module, by default that of the spec, and the literal network give, apart."""
    if isinstance(given, Case):
        given = given.spec(regularizers=regularizers(given.problem()))
    oracle = Oracle(given)
    return oracle.differences(module or oracle.module)


def _relative(found: Array, expected: Array) -> float:
    """Infinite where a shape is another one or a number is not finite."""
    if found.shape != expected.shape or not np.isfinite(found).all():
        return np.inf
    scale = np.abs(expected).max() or 1.0
    return float(np.abs(found - expected).max() / scale)
