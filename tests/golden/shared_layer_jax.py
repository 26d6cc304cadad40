"""shared-layer: y' = gelu(K y + b),  0 <= t <= T.

Vector field   layer, y in R^3
               K = −Cᵀ C
Integrator     explicit midpoint, N = 3 steps of h = T/N = 1/3 = 0.333333
Weights        one weight shared by all steps; 24 numbers
Readout        Wᵀ y + μ; 3 classes, softmax, cross-entropy
Regularizer    weight-decay of W, mu, α = 0.1
Stability      nothing is known of the spectrum by construction

Written by wellposed 0.1.0 (JAX) from the spec shared-layer, 35fb47e2.
It imports nothing of wellposed: change the spec and compile again, or own this file.
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from safetensors.numpy import load_file

Weights = dict[str, Array]

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
        "C": stream(seed, "C").normal(0.0, 3**-0.5, (3, 3)),
        "b": np.zeros(3),
        "W": stream(seed, "W").normal(0.0, 3**-0.5, (3, 3)),
        "mu": np.zeros(3),
    }
    return {name: value.astype("float64") for name, value in weights.items()}


def negative_gram(C: Array) -> Array:
    """−Cᵀ C, of one matrix or of a stack of them."""
    return -C.mT @ C


def dy_dt(y: Array, K: Array, b: Array) -> Array:
    """y' = gelu(K y + b)."""
    return jax.nn.gelu(K @ y + b, approximate=False)


def step(y: Array, K: Array, b: Array) -> Array:
    """Explicit midpoint: k₂ = f(t + h/2, y + h/2 k₁), y + h k₂."""
    k1 = dy_dt(y, K, b)
    k2 = dy_dt(y + H / 2 * k1, K, b)
    return y + H * k2


def operands(weights: Weights) -> tuple[Array, ...]:
    """The one layer's weights: K = −Cᵀ C; vectors as columns."""
    K = negative_gram(weights["C"])
    b = weights["b"][..., None]
    return K, b


def initial_state(weights: Weights, x: Array) -> Array:
    """y(0) = x; one column per example."""
    return x.T


def final_state(weights: Weights, x: Array) -> Array:
    """y(T), one column per example."""
    start = initial_state(weights, x)
    shared = operands(weights)

    def advance(y: Array, _: None) -> tuple[Array, None]:
        y = step(y, *shared)
        return y, None

    y, _ = jax.lax.scan(advance, start, None, length=STEPS)
    return y


def trajectory(weights: Weights, x: Array) -> Array:
    """y at t_0, ..., t_N: (N + 1, s, 3)."""
    start = initial_state(weights, x)
    shared = operands(weights)

    def advance(y: Array, _: None) -> tuple[Array, Array]:
        y = step(y, *shared)
        return y, y

    _, path = jax.lax.scan(advance, start, None, length=STEPS)
    return jnp.concatenate([start[None], path]).mT


def vector_field(weights: Weights, t: float, y: Array) -> Array:
    """f(t, y), rows (s, 3) in and out."""
    K = negative_gram(weights["C"])
    b = weights["b"][..., None]
    y = y.T
    return dy_dt(y, K, b).T


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
    """Mean over the examples of −Σ (C ⊙ log softmax(x)) + R; targets are classes
    (s,) or likelihoods (s, classes).
    """
    logits = forward(weights, x).T
    C = likelihoods(targets, logits.dtype).T
    losses = -(C * jax.nn.log_softmax(logits, axis=0)).sum(axis=0)
    return losses.mean() + regularizer(weights)


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    jax.config.update("jax_enable_x64", True)
    print(__doc__)
    beside = Path(__file__).with_name("shared_layer.safetensors")
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
