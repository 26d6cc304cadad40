"""no-weights: y' = sin(t) − y,  0 ≤ t ≤ T.

Vector field   custom, y ∈ ℝ²
Integrator     forward Euler, order 1
               N = 3 steps of h = T/N = 1/3 = 0.333333
Weights        one weight for each step; 0 numbers
Stability      λ(∂f/∂y) = -1 for all weights and states: the symmetric part of ∂f/∂y is
               bounded term by term

Written by wellposed 0.1.0 (JAX) from the spec no-weights, 82732493.
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

FEATURES = 2  # d
STATES = 2  # n
HORIZON, STEPS = 1, 3  # T, N
H = HORIZON / STEPS  # h = T/N


def init(seed: int = 1) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights: dict[str, np.ndarray] = {}
    return {name: value.astype("float64") for name, value in weights.items()}


def check_rows(rows: Array, columns: int, name: str) -> None:
    """Refuse what is not one row for each example."""
    if rows.ndim != 2 or rows.shape[1] != columns:
        raise ValueError(f"{name} is {rows.shape}, not (s, {columns})")


def dy_dt(t: Array, y: Array) -> Array:
    """y' = sin(t) − y."""
    return jnp.sin(t) - y


def step(y: Array, t: Array) -> Array:
    """Forward Euler: y + h f(t, y)."""
    return y + H * dy_dt(t, y)


def initial_state(weights: Weights, x: Array) -> Array:
    """y(0) = x; one column per example."""
    check_rows(x, FEATURES, "x")
    return x.T


def final_state(weights: Weights, x: Array) -> Array:
    """y(T), one column per example."""
    y = initial_state(weights, x)

    def advance(y: Array, t: Array) -> tuple[Array, None]:
        return step(y, t), None

    y, _ = jax.lax.scan(advance, y, H * jnp.arange(STEPS, dtype=x.dtype))
    return y


def trajectory(weights: Weights, x: Array) -> Array:
    """y at t_0, …, t_N: (N + 1, s, 2)."""
    y = initial_state(weights, x)

    def advance(y: Array, t: Array) -> tuple[Array, Array]:
        y = step(y, t)
        return y, y

    _, ys = jax.lax.scan(advance, y, H * jnp.arange(STEPS, dtype=x.dtype))
    ys = jnp.concatenate([y[None], ys])
    return ys.mT


def vector_field(weights: Weights, t: float, y: Array) -> Array:
    """f(t, y), rows (s, 2) in and out."""
    check_rows(y, STATES, "y")
    time = jnp.asarray(t, y.dtype)
    y = y.T
    return dy_dt(time, y).T


def forward(weights: Weights, x: Array) -> Array:
    """y(T), one row per example."""
    return final_state(weights, x).T


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    print(__doc__)
    file = Path(__file__).with_name("no_weights.safetensors")
    arrays = load_file(file) if file.exists() else init()
    count = sum(value.size for value in arrays.values())
    origin = file.name if file.exists() else f"init(), as there is no {file.name} here"
    print(f"{count:,} weights of {origin}:", {n: v.shape for n, v in arrays.items()})
    random = np.random.default_rng(0)
    x = random.normal(size=(8, FEATURES)).astype("float64")
    weights = {name: jnp.asarray(value) for name, value in arrays.items()}
    print(f"y(T) = {forward(weights, jnp.asarray(x))}")


if __name__ == "__main__":
    main()
