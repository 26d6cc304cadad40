"""pendulum-kicks: q' = p; p' = −w₂ sin(q),  0 ≤ t ≤ T.

Vector field   custom, q ∈ ℝ¹, p ∈ ℝ¹, from H = ½ (Σ (p²)) − w₂ (Σ cos(q))
Integrator     Störmer–Verlet (kick–drift–kick), order 2
               N = 3 steps of h = T/N = 1/3 = 0.333333
Weights        one weight shared by all steps; 1 numbers
Readout        q; 1 outputs, least squares
Stability      nothing is known of the spectrum by construction

Written by wellposed 0.1.0 (JAX) from the spec pendulum-kicks, 086063dc.
It imports nothing of wellposed: change the spec and compile again, or own this file.
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from safetensors.numpy import load_file

jax.config.update("jax_enable_x64", True)  # else JAX computes in float32

Weights = dict[str, Array]
State = tuple[Array, Array]

FEATURES = 2  # d
SIZE_Q = 1  # components of q
SIZE_P = 1  # components of p
OUTPUTS = 1  # numbers per example
HORIZON, STEPS = 1, 3  # T, N
H = HORIZON / STEPS  # h = T/N


def init(seed: int = 1) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "w2": np.array(9.81, dtype=np.float64),
    }
    return {name: value.astype("float64") for name, value in weights.items()}


def check_rows(rows: Array, columns: int, name: str) -> None:
    """Refuse what is not one row for each example."""
    if rows.ndim != 2 or rows.shape[1] != columns:
        raise ValueError(f"{name} is {rows.shape}, not (s, {columns})")


def check_targets(x: Array, targets: Array) -> None:
    """Refuse what is not one row of OUTPUTS numbers for each example."""
    check_rows(x, FEATURES, "x")
    shape = (x.shape[0], OUTPUTS)
    if targets.shape != shape:
        raise ValueError(f"targets are {targets.shape}, not {shape}")


def check_weights(weights: Weights) -> None:
    """Refuse weights of another network, or of another number of steps."""
    shapes = {
        "w2": (),
    }
    found = {name: value.shape for name, value in weights.items()}
    if found != shapes:
        raise ValueError(f"weights are {found}, not {shapes}")


def dq_dt(p: Array) -> Array:
    """q' = p."""
    return p


def dp_dt(q: Array, w2: Array) -> Array:
    """p' = −w₂ sin(q)."""
    return -(w2 * jnp.sin(q))


def step(q: Array, p: Array, w2: Array) -> State:
    """Störmer–Verlet (kick–drift–kick):
    p + h/2 p'(q), then q + h q'(p), then p + h/2 p'(q) with the new q.
    """
    p = p + H / 2 * dp_dt(q, w2)
    q = q + H * dq_dt(p)
    p = p + H / 2 * dp_dt(q, w2)
    return q, p


def layer_weights(weights: Weights) -> Array:
    """The one layer's weights."""
    check_weights(weights)
    return weights["w2"]


def initial_state(weights: Weights, x: Array) -> State:
    """(q(0), p(0)) = x; one column per example."""
    check_rows(x, FEATURES, "x")
    columns = x.T
    return columns[:SIZE_Q], columns[SIZE_Q:]


def final_state(weights: Weights, x: Array) -> Array:
    """q(T), one column per example."""
    q, p = initial_state(weights, x)
    layer = layer_weights(weights)

    def advance(state: State, _: None) -> tuple[State, None]:
        return step(*state, layer), None

    (q, _), _ = jax.lax.scan(advance, (q, p), None, length=STEPS)
    return q


def trajectory(weights: Weights, x: Array) -> Array:
    """(q, p) at t_0, …, t_N: (N + 1, s, 2)."""
    q, p = initial_state(weights, x)
    layer = layer_weights(weights)

    def advance(state: State, _: None) -> tuple[State, State]:
        state = step(*state, layer)
        return state, state

    _, (qs, ps) = jax.lax.scan(advance, (q, p), None, length=STEPS)
    qs = jnp.concatenate([q[None], qs])
    ps = jnp.concatenate([p[None], ps])
    return jnp.concatenate([qs, ps], axis=1).mT


def vector_field(weights: Weights, t: float, y: Array) -> Array:
    """f(t, y), rows (s, 2) in and out."""
    check_rows(y, SIZE_Q + SIZE_P, "y")
    layer = layer_weights(weights)
    columns = y.T
    q = columns[:SIZE_Q]
    p = columns[SIZE_Q:]
    return jnp.concatenate([dq_dt(p), dp_dt(q, layer)]).T


def forward(weights: Weights, x: Array) -> Array:
    """The prediction q(T), one row per example: (s, 1)."""
    return final_state(weights, x).T


def loss(weights: Weights, x: Array, targets: Array) -> Array:
    """Mean over the examples of ½ (Σ ((u − C)²)), u the prediction; targets C are
    (s, 1).
    """
    check_targets(x, targets)
    u = forward(weights, x).T
    C = targets.T
    losses = ((u - C) ** 2).sum(axis=0) / 2
    return losses.mean()


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    print(__doc__)
    file = Path(__file__).with_name("pendulum_kicks.safetensors")
    arrays = load_file(file) if file.exists() else init()
    count = sum(value.size for value in arrays.values())
    origin = file.name if file.exists() else f"init(), as there is no {file.name} here"
    print(f"{count:,} weights of {origin}:", {n: v.shape for n, v in arrays.items()})
    random = np.random.default_rng(0)
    x = random.normal(size=(8, FEATURES)).astype("float64")
    targets = random.normal(size=(8, OUTPUTS)).astype("float64")
    weights = {name: jnp.asarray(value) for name, value in arrays.items()}
    value, gradient = jax.value_and_grad(loss)(
        weights, jnp.asarray(x), jnp.asarray(targets)
    )
    norm = sum(float(jnp.square(g).sum()) for g in gradient.values()) ** 0.5
    print(f"loss {float(value):.6g}, gradient norm {norm:.6g} on 8 examples")


if __name__ == "__main__":
    main()
