"""steps-parabolic: y' = −Kᵀ tanh(K y + b),  0 <= t <= T.

Vector field   parabolic, y in R^3
Integrator     forward Euler, N = 3 steps of h = T/N = 1/3 = 0.333333
Weights        one weight for each step; 47 numbers
Readout        Wᵀ y + μ; 2 outputs, least squares
Regularizer    weight-decay of K, W, α = 0.1
               smoothness of K, b, α = 0.2
Stability      λ(∂f/∂y) ≤ 0 for all weights and states: the symmetric part of ∂f/∂y is
               bounded term by term

Written by wellposed 0.1.0 (JAX) from the spec steps-parabolic, 6c5d86ac.
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

FEATURES = 3  # d
OUTPUTS = 2  # classes or numbers per example
HORIZON, STEPS = 1, 3  # T, N
H = HORIZON / STEPS  # h
ALPHA_1 = 0.1  # α
ALPHA_2 = 0.2  # α


def stream(seed: int, name: str) -> np.random.Generator:
    """A stream of its own for every weight: they do not depend on each other."""
    return np.random.default_rng([seed, *name.encode()])


def init(seed: int = 1) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "K": np.repeat(
            stream(seed, "K").normal(0.0, 3**-0.5, (3, 3))[None], STEPS, axis=0
        ),
        "b": np.zeros(STEPS),
        "L": stream(seed, "L").normal(0.0, 3**-0.5, (3, 3)),
        "W": stream(seed, "W").normal(0.0, 2**-0.5, (3, 2)),
        "mu": np.zeros(2),
    }
    return {name: value.astype("float64") for name, value in weights.items()}


def dy_dt(y: Array, K: Array, b: Array) -> Array:
    """y' = −Kᵀ tanh(K y + b)."""
    return -K.T @ jnp.tanh(K @ y + b)


def step(y: Array, K: Array, b: Array) -> Array:
    """Forward Euler: y + h f(t, y)."""
    return y + H * dy_dt(y, K, b)


def operands(weights: Weights) -> tuple[Array, ...]:
    """The weights of all steps."""
    K = weights["K"]
    b = weights["b"]
    return K, b


def initial_state(weights: Weights, x: Array) -> Array:
    """y(0) = L x; one column per example."""
    return weights["L"] @ x.T


def final_state(weights: Weights, x: Array) -> Array:
    """y(T), one column per example."""
    start = initial_state(weights, x)

    def advance(y: Array, layer: Layer) -> tuple[Array, None]:
        y = step(y, *layer)
        return y, None

    y, _ = jax.lax.scan(advance, start, operands(weights))
    return y


def trajectory(weights: Weights, x: Array) -> Array:
    """y at t_0, ..., t_N: (N + 1, s, 3)."""
    start = initial_state(weights, x)

    def advance(y: Array, layer: Layer) -> tuple[Array, Array]:
        y = step(y, *layer)
        return y, y

    _, path = jax.lax.scan(advance, start, operands(weights))
    return jnp.concatenate([start[None], path]).mT


def vector_field(weights: Weights, t: float, y: Array) -> Array:
    """f(t, y), rows (s, 3) in and out, with weight j for t_j <= t < t_{j+1}."""
    rounding = 1 + 4 * jnp.finfo(y.dtype).eps  # t_j belongs to step j
    j = jnp.floor(t / H * rounding + 1e-9).astype(int).clip(0, STEPS - 1)
    K = weights["K"][j]
    b = weights["b"][j]
    y = y.T
    return dy_dt(y, K, b).T


def forward(weights: Weights, x: Array) -> Array:
    """Logits W^T y(T) + mu, one row per example: (s, 2)."""
    y = final_state(weights, x)
    logits = weights["W"].T @ y + weights["mu"][:, None]
    return logits.T


def regularizer(weights: Weights) -> Array:
    """R = alpha/2 sum |w|^2 + alpha/(2h) sum_j |w_{j+1} - w_j|^2."""
    of = (weights["K"], weights["W"])
    terms = jnp.stack([(w**2).sum() for w in of])
    weight_decay = ALPHA_1 / 2 * terms.sum()
    of = (weights["K"], weights["b"])
    terms = jnp.stack([((w[1:] - w[:-1]) ** 2).sum() for w in of])
    smoothness = ALPHA_2 / (2 * H) * terms.sum()
    return weight_decay + smoothness


def loss(weights: Weights, x: Array, targets: Array) -> Array:
    """Mean over the examples of ½ (Σ ((x − C)²)) + R; targets are (s, outputs)."""
    logits = forward(weights, x).T
    C = targets.T
    losses = ((logits - C) ** 2).sum(axis=0) / 2
    return losses.mean() + regularizer(weights)


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    jax.config.update("jax_enable_x64", True)
    print(__doc__)
    beside = Path(__file__).with_name("steps_parabolic.safetensors")
    arrays = load_file(beside) if beside.exists() else init()
    count = sum(value.size for value in arrays.values())
    print(f"{count:,} weights:", {n: v.shape for n, v in arrays.items()})
    rng = np.random.default_rng(0)
    x = rng.normal(size=(8, FEATURES)).astype("float64")
    targets = rng.normal(size=(8, OUTPUTS)).astype("float64")
    weights = {name: jnp.asarray(value) for name, value in arrays.items()}
    value, gradient = jax.value_and_grad(loss)(
        weights, jnp.asarray(x), jnp.asarray(targets)
    )
    norm = sum(float(jnp.square(g).sum()) for g in gradient.values()) ** 0.5
    print(f"loss {float(value):.6g}, gradient norm {norm:.6g} on 8 examples")


if __name__ == "__main__":
    main()
