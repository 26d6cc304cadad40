"""swiss-roll-resnet: y' = tanh(K y + b),  0 <= t <= T.

Vector field   layer, y in R^4
Integrator     forward Euler, N = 32 steps of h = T/N = 20/32 = 0.625
Weights        one weight for each step; 650 numbers
Readout        Wᵀ y + μ; 2 classes, softmax, cross-entropy
Regularizer    smoothness of K, b, α = 0.0001
               weight-decay of W, mu, α = 0.0001
Stability      nothing is known of the spectrum by construction
Reference      Haber & Ruthotto, Stable architectures for deep neural networks, Inverse
               Problems 34 (2017) 014004, arXiv:1705.03341

Written by wellposed 0.1.0 (JAX) from the spec swiss-roll-resnet, 9982e496.
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

FEATURES = 2  # d
OUTPUTS = 2  # classes or numbers per example
HORIZON, STEPS = 20, 32  # T, N
H = HORIZON / STEPS  # h
ALPHA_1 = 0.0001  # α
ALPHA_2 = 0.0001  # α


def rng(seed: int, name: str) -> np.random.Generator:
    """A stream of its own for every weight: they do not depend on each other."""
    return np.random.default_rng([seed, *name.encode()])


def init(seed: int = 0) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "K": np.repeat(
            rng(seed, "K").normal(0.0, 4**-0.5, (4, 4))[None], STEPS, axis=0
        ),
        "b": np.zeros((STEPS, 4)),
        "W": rng(seed, "W").normal(0.0, 2**-0.5, (4, 2)),
        "mu": np.zeros(2),
    }
    return {name: value.astype("float32") for name, value in weights.items()}


def dy_dt(y: Array, K: Array, b: Array) -> Array:
    """y' = tanh(K y + b)."""
    return jnp.tanh(K @ y + b)


def step(y: Array, K: Array, b: Array) -> Array:
    """Forward Euler: y + h f(t, y)."""
    return y + H * dy_dt(y, K, b)


def operands(weights: Weights) -> tuple[Array, ...]:
    """The weights of all steps: vectors as columns."""
    K = weights["K"]
    b = weights["b"][..., None]
    return K, b


def initial_state(weights: Weights, x: Array) -> Array:
    """y(0) = (x, 0); one column per example."""
    return jnp.pad(x.T, ((0, 2), (0, 0)))


def final_state(weights: Weights, x: Array) -> Array:
    """y(T), one column per example."""
    start = initial_state(weights, x)

    def advance(y: Array, layer: Layer) -> tuple[Array, None]:
        y = step(y, *layer)
        return y, None

    y, _ = jax.lax.scan(advance, start, operands(weights))
    return y


def trajectory(weights: Weights, x: Array) -> Array:
    """y at t_0, ..., t_N: (N + 1, s, 4)."""
    start = initial_state(weights, x)

    def advance(y: Array, layer: Layer) -> tuple[Array, Array]:
        y = step(y, *layer)
        return y, y

    _, path = jax.lax.scan(advance, start, operands(weights))
    return jnp.concatenate([start[None], path]).mT


def vector_field(weights: Weights, t: float, y: Array) -> Array:
    """f(t, y), rows (s, 4) in and out, with weight j for t_j <= t < t_{j+1}."""
    rounding = 1 + 4 * jnp.finfo(y.dtype).eps  # t_j belongs to step j
    j = jnp.floor(t / H * rounding + 1e-9).astype(int).clip(0, STEPS - 1)
    K = weights["K"][j]
    b = weights["b"][j][..., None]
    y = y.T
    return dy_dt(y, K, b).T


def forward(weights: Weights, x: Array) -> Array:
    """Logits W^T y(T) + mu, one row per example: (s, 2)."""
    y = final_state(weights, x)
    logits = weights["W"].T @ y + weights["mu"][:, None]
    return logits.T


def regularizer(weights: Weights) -> Array:
    """R = alpha/(2h) sum_j |w_{j+1} - w_j|^2 + alpha/2 sum |w|^2."""
    of = (weights["K"], weights["b"])
    terms = jnp.stack([((w[1:] - w[:-1]) ** 2).sum() for w in of])
    smoothness = ALPHA_1 / (2 * H) * terms.sum()
    of = (weights["W"], weights["mu"])
    terms = jnp.stack([(w**2).sum() for w in of])
    weight_decay = ALPHA_2 / 2 * terms.sum()
    return smoothness + weight_decay


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
    print(__doc__)
    beside = Path(__file__).with_name("swiss_roll_resnet.safetensors")
    arrays = load_file(beside) if beside.exists() else init()
    count = sum(value.size for value in arrays.values())
    print(f"{count:,} weights:", {n: v.shape for n, v in arrays.items()})
    rng = np.random.default_rng(0)
    x = rng.normal(size=(8, FEATURES)).astype("float32")
    targets = np.arange(8) % OUTPUTS
    weights = {name: jnp.asarray(value) for name, value in arrays.items()}
    value, gradient = jax.value_and_grad(loss)(
        weights, jnp.asarray(x), jnp.asarray(targets)
    )
    norm = sum(float(jnp.square(g).sum()) for g in gradient.values()) ** 0.5
    print(f"loss {float(value):.6g}, gradient norm {norm:.6g} on 8 examples")


if __name__ == "__main__":
    main()
