"""flip-flow: y' = W₃ tanh(W₂ tanh(W₁ [y; t] + b₁) + b₂) + b₃,  0 ≤ t ≤ T.

Vector field   mlp, y ∈ ℝ¹
Integrator     classical Runge–Kutta 4, order 4
               N = 20 steps of h = T/N = 1/20 = 0.05
Weights        one weight shared by all steps; 337 numbers
Readout        y; 1 outputs, least squares
Stability      nothing is known of the spectrum by construction
Reference      Dupont, Doucet & Teh, Augmented neural ODEs, NeurIPS 2019,
               arXiv:1904.01681

Written by wellposed 0.1.0 (JAX) from the spec flip-flow, abb4e997.
It imports nothing of wellposed: change the spec and compile again, or own this file.
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from safetensors.numpy import load_file

Weights = dict[str, Array]
Layer = tuple[Array, ...]

FEATURES = 1  # d
STATES = 1  # n
OUTPUTS = 1  # numbers per example
HORIZON, STEPS = 1, 20  # T, N
H = HORIZON / STEPS  # h = T/N


def rng(seed: int, name: str) -> np.random.Generator:
    """A generator for every weight: they do not depend on each other."""
    return np.random.default_rng([seed, *name.encode()])


def init(seed: int = 0) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "W1": rng(seed, "W1").normal(0.0, (STATES + 1) ** -0.5, (16, STATES + 1)),
        "b1": np.zeros(16),
        "W2": rng(seed, "W2").normal(0.0, 16**-0.5, (16, 16)),
        "b2": np.zeros(16),
        "W3": rng(seed, "W3").normal(0.0, 16**-0.5, (STATES, 16)),
        "b3": np.zeros(STATES),
    }
    return {name: value.astype("float32") for name, value in weights.items()}


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
        "W1": (16, STATES + 1),
        "b1": (16,),
        "W2": (16, 16),
        "b2": (16,),
        "W3": (STATES, 16),
        "b3": (STATES,),
    }
    found = {name: value.shape for name, value in weights.items()}
    if found != shapes:
        raise ValueError(f"weights are {found}, not {shapes}")


def dy_dt(
    t: Array, y: Array, W1: Array, b1: Array, W2: Array, b2: Array, W3: Array, b3: Array
) -> Array:
    """y' = W₃ tanh(W₂ tanh(W₁ [y; t] + b₁) + b₂) + b₃."""
    u1 = W1 @ jnp.concatenate([y, jnp.broadcast_to(t, (1, y.shape[1]))]) + b1
    return W3 @ jnp.tanh(W2 @ jnp.tanh(u1) + b2) + b3


def step(
    y: Array, t: Array, W1: Array, b1: Array, W2: Array, b2: Array, W3: Array, b3: Array
) -> Array:
    """Classical Runge–Kutta 4: y + h/6 (k₁ + 2 k₂ + 2 k₃ + k₄); k₁ = f(t, y),
    k₂ = f(t + h/2, y + h/2 k₁), k₃ = f(t + h/2, y + h/2 k₂),
    k₄ = f(t + h, y + h k₃).
    """
    k1 = dy_dt(t, y, W1, b1, W2, b2, W3, b3)
    k2 = dy_dt(t + H / 2, y + H / 2 * k1, W1, b1, W2, b2, W3, b3)
    k3 = dy_dt(t + H / 2, y + H / 2 * k2, W1, b1, W2, b2, W3, b3)
    k4 = dy_dt(t + H, y + H * k3, W1, b1, W2, b2, W3, b3)
    return y + H / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def layer_weights(weights: Weights) -> Layer:
    """The one layer's weights; vectors as columns."""
    check_weights(weights)
    return (
        weights["W1"],
        weights["b1"][:, None],
        weights["W2"],
        weights["b2"][:, None],
        weights["W3"],
        weights["b3"][:, None],
    )


def initial_state(weights: Weights, x: Array) -> Array:
    """y(0) = x; one column per example."""
    check_rows(x, FEATURES, "x")
    return x.T


def final_state(weights: Weights, x: Array) -> Array:
    """y(T), one column per example."""
    y = initial_state(weights, x)
    layer = layer_weights(weights)

    def advance(y: Array, t: Array) -> tuple[Array, None]:
        return step(y, t, *layer), None

    y, _ = jax.lax.scan(advance, y, H * jnp.arange(STEPS, dtype=x.dtype))
    return y


def trajectory(weights: Weights, x: Array) -> Array:
    """y at t_0, …, t_N: (N + 1, s, 1)."""
    y = initial_state(weights, x)
    layer = layer_weights(weights)

    def advance(y: Array, t: Array) -> tuple[Array, Array]:
        y = step(y, t, *layer)
        return y, y

    _, ys = jax.lax.scan(advance, y, H * jnp.arange(STEPS, dtype=x.dtype))
    ys = jnp.concatenate([y[None], ys])
    return ys.mT


def vector_field(weights: Weights, t: float, y: Array) -> Array:
    """f(t, y), rows (s, 1) in and out."""
    check_rows(y, STATES, "y")
    layer = layer_weights(weights)
    time = jnp.asarray(t, y.dtype)
    y = y.T
    return dy_dt(time, y, *layer).T


def forward(weights: Weights, x: Array) -> Array:
    """The prediction y(T), one row per example: (s, 1)."""
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
    file = Path(__file__).with_name("flip_flow.safetensors")
    arrays = load_file(file) if file.exists() else init()
    count = sum(value.size for value in arrays.values())
    origin = file.name if file.exists() else f"init(), as there is no {file.name} here"
    print(f"{count:,} weights of {origin}:", {n: v.shape for n, v in arrays.items()})
    random = np.random.default_rng(0)
    x = random.normal(size=(8, FEATURES)).astype("float32")
    targets = random.normal(size=(8, OUTPUTS)).astype("float32")
    weights = {name: jnp.asarray(value) for name, value in arrays.items()}
    value, gradient = jax.value_and_grad(loss)(
        weights, jnp.asarray(x), jnp.asarray(targets)
    )
    norm = sum(float(jnp.square(g).sum()) for g in gradient.values()) ** 0.5
    print(f"loss {float(value):.6g}, gradient norm {norm:.6g} on 8 examples")


if __name__ == "__main__":
    main()
