"""shared-mlp: y' = W₃ tanh(W₂ tanh(W₁ [y; t] + b₁) + b₂) + b₃,  0 <= t <= T.

Vector field   mlp, y in R^3
Integrator     forward Euler, N = 3 steps of h = T/N = 1/3 = 0.333333
Weights        one weight shared by all steps; 76 numbers
Readout        Wᵀ y + μ; 3 classes, logistic, least-squares
Regularizer    weight-decay of W, mu, α = 0.1
Stability      nothing is known of the spectrum by construction

Written by wellposed 0.1.0 (JAX) from the spec shared-mlp, 896310bd.
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
OUTPUTS = 3  # classes or numbers per example
HORIZON, STEPS = 1, 3  # T, N
H = HORIZON / STEPS  # h
ALPHA = 0.1  # α


def stream(seed: int, name: str) -> np.random.Generator:
    """A stream of its own for every weight: they do not depend on each other."""
    return np.random.default_rng([seed, *name.encode()])


def init(seed: int = 1) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "W1": stream(seed, "W1").normal(0.0, 4**-0.5, (5, 4)),
        "b1": np.zeros(5),
        "W2": stream(seed, "W2").normal(0.0, 5**-0.5, (4, 5)),
        "b2": np.zeros(4),
        "W3": stream(seed, "W3").normal(0.0, 4**-0.5, (3, 4)),
        "b3": np.zeros(3),
        "W": stream(seed, "W").normal(0.0, 3**-0.5, (3, 3)),
        "mu": np.zeros(3),
    }
    return {name: value.astype("float64") for name, value in weights.items()}


def dy_dt(
    t: Array, y: Array, W1: Array, b1: Array, W2: Array, b2: Array, W3: Array, b3: Array
) -> Array:
    """y' = W₃ tanh(W₂ tanh(W₁ [y; t] + b₁) + b₂) + b₃."""
    u1 = W1 @ jnp.concatenate([y, jnp.broadcast_to(t, (1, y.shape[1]))]) + b1
    return W3 @ jnp.tanh(W2 @ jnp.tanh(u1) + b2) + b3


def step(
    y: Array, t: Array, W1: Array, b1: Array, W2: Array, b2: Array, W3: Array, b3: Array
) -> Array:
    """Forward Euler: y + h f(t, y)."""
    return y + H * dy_dt(t, y, W1, b1, W2, b2, W3, b3)


def operands(weights: Weights) -> tuple[Array, ...]:
    """The one layer's weights: vectors as columns."""
    W1 = weights["W1"]
    b1 = weights["b1"][..., None]
    W2 = weights["W2"]
    b2 = weights["b2"][..., None]
    W3 = weights["W3"]
    b3 = weights["b3"][..., None]
    return W1, b1, W2, b2, W3, b3


def initial_state(weights: Weights, x: Array) -> Array:
    """y(0) = x; one column per example."""
    return x.T


def final_state(weights: Weights, x: Array) -> Array:
    """y(T), one column per example."""
    start = initial_state(weights, x)
    shared = operands(weights)

    def layer_at(t: Array) -> Layer:
        return (t, *shared)

    def advance(y: Array, t: Array) -> tuple[Array, None]:
        y = step(y, *layer_at(t))
        return y, None

    y, _ = jax.lax.scan(advance, start, H * jnp.arange(STEPS, dtype=x.dtype))
    return y


def trajectory(weights: Weights, x: Array) -> Array:
    """y at t_0, ..., t_N: (N + 1, s, 3)."""
    start = initial_state(weights, x)
    shared = operands(weights)

    def layer_at(t: Array) -> Layer:
        return (t, *shared)

    def advance(y: Array, t: Array) -> tuple[Array, Array]:
        y = step(y, *layer_at(t))
        return y, y

    _, path = jax.lax.scan(advance, start, H * jnp.arange(STEPS, dtype=x.dtype))
    return jnp.concatenate([start[None], path]).mT


def vector_field(weights: Weights, t: float, y: Array) -> Array:
    """f(t, y), rows (s, 3) in and out."""
    W1 = weights["W1"]
    b1 = weights["b1"][..., None]
    W2 = weights["W2"]
    b2 = weights["b2"][..., None]
    W3 = weights["W3"]
    b3 = weights["b3"][..., None]
    time = jnp.asarray(t, y.dtype)
    y = y.T
    return dy_dt(time, y, W1, b1, W2, b2, W3, b3).T


def forward(weights: Weights, x: Array) -> Array:
    """Logits W^T y(T) + mu, one row per example: (s, 3)."""
    y = final_state(weights, x)
    logits = weights["W"].T @ y + weights["mu"][:, None]
    return logits.T


def regularizer(weights: Weights) -> Array:
    """R = alpha/2 sum |w|^2."""
    of = (weights["W"], weights["mu"])
    terms = jnp.stack([(w**2).sum() for w in of])
    return ALPHA / 2 * terms.sum()


def likelihoods(targets: Array, dtype: jnp.dtype) -> Array:
    """Integer classes as one-hot rows; likelihoods of the classes as they are."""
    if targets.ndim == 1:
        return jax.nn.one_hot(targets, OUTPUTS, dtype=dtype)
    return targets


def loss(weights: Weights, x: Array, targets: Array) -> Array:
    """Mean over the examples of ½ (Σ ((sigmoid(x) − C)²)) + R; targets are classes
    (s,) or likelihoods (s, classes).
    """
    logits = forward(weights, x).T
    C = likelihoods(targets, logits.dtype).T
    losses = ((jax.nn.sigmoid(logits) - C) ** 2).sum(axis=0) / 2
    return losses.mean() + regularizer(weights)


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    jax.config.update("jax_enable_x64", True)
    print(__doc__)
    beside = Path(__file__).with_name("shared_mlp.safetensors")
    arrays = load_file(beside) if beside.exists() else init()
    count = sum(value.size for value in arrays.values())
    print(f"{count:,} weights:", {n: v.shape for n, v in arrays.items()})
    rng = np.random.default_rng(0)
    x = rng.normal(size=(8, FEATURES)).astype("float64")
    targets = np.arange(8) % OUTPUTS
    weights = {name: jnp.asarray(value) for name, value in arrays.items()}
    value, gradient = jax.value_and_grad(loss)(
        weights, jnp.asarray(x), jnp.asarray(targets)
    )
    norm = sum(float(jnp.square(g).sum()) for g in gradient.values()) ** 0.5
    print(f"loss {float(value):.6g}, gradient norm {norm:.6g} on 8 examples")


if __name__ == "__main__":
    main()
