"""stability-zero: y' = tanh(K y),  0 ≤ t ≤ T.

Vector field   layer, y ∈ ℝ²
Integrator     forward Euler, order 1
               N = 10 steps of h = T/N = 1/10 = 0.1
Weights        one weight shared by all steps; 4 numbers
Stability      nothing is known of the spectrum by construction
Reference      Haber & Ruthotto, Stable architectures for deep neural networks, Inverse
               Problems 34 (2017) 014004, arXiv:1705.03341

Written by wellposed 0.1.0 (JAX) from the spec stability-zero, 14979391.
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
HORIZON, STEPS = 1, 10  # T, N
H = HORIZON / STEPS  # h = T/N


def init(seed: int = 0) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "K": np.array([[0, -1], [1, 0]], dtype=np.float64),
    }
    return {name: value.astype("float64") for name, value in weights.items()}


def check_rows(rows: Array, columns: int, name: str) -> None:
    """Refuse what is not one row for each example."""
    if rows.ndim != 2 or rows.shape[1] != columns:
        raise ValueError(f"{name} is {rows.shape}, not (s, {columns})")


def check_weights(weights: Weights) -> None:
    """Refuse weights of another network, or of another number of steps."""
    shapes = {
        "K": (STATES, STATES),
    }
    found = {name: value.shape for name, value in weights.items()}
    if found != shapes:
        raise ValueError(f"weights are {found}, not {shapes}")


def dy_dt(y: Array, K: Array) -> Array:
    """y' = tanh(K y)."""
    return jnp.tanh(K @ y)


def step(y: Array, K: Array) -> Array:
    """Forward Euler: y + h f(t, y)."""
    return y + H * dy_dt(y, K)


def layer_weights(weights: Weights) -> Array:
    """The one layer's weights."""
    check_weights(weights)
    return weights["K"]


def initial_state(weights: Weights, x: Array) -> Array:
    """y(0) = x; one column per example."""
    check_rows(x, FEATURES, "x")
    return x.T


def final_state(weights: Weights, x: Array) -> Array:
    """y(T), one column per example."""
    y = initial_state(weights, x)
    layer = layer_weights(weights)

    def advance(y: Array, _: None) -> tuple[Array, None]:
        return step(y, layer), None

    y, _ = jax.lax.scan(advance, y, None, length=STEPS)
    return y


def trajectory(weights: Weights, x: Array) -> Array:
    """y at t_0, …, t_N: (N + 1, s, 2)."""
    y = initial_state(weights, x)
    layer = layer_weights(weights)

    def advance(y: Array, _: None) -> tuple[Array, Array]:
        y = step(y, layer)
        return y, y

    _, ys = jax.lax.scan(advance, y, None, length=STEPS)
    ys = jnp.concatenate([y[None], ys])
    return ys.mT


def vector_field(weights: Weights, t: float, y: Array) -> Array:
    """f(t, y), rows (s, 2) in and out."""
    check_rows(y, STATES, "y")
    layer = layer_weights(weights)
    y = y.T
    return dy_dt(y, layer).T


def forward(weights: Weights, x: Array) -> Array:
    """y(T), one row per example."""
    return final_state(weights, x).T


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    print(__doc__)
    file = Path(__file__).with_name("stability_zero.safetensors")
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
