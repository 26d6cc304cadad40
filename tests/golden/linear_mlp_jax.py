"""linear-mlp: y' = W₃ tanh(W₂ tanh(W₁ [y; t] + b₁) + b₂) + b₃,  0 <= t <= T.

Vector field   mlp, y in R^3
Integrator     classical Runge–Kutta 4, N = 3 steps of h = T/N = 1/3 = 0.333333
Weights        linear in time between N + 1 nodes; 268 numbers
Readout        Wᵀ y + μ; 3 classes, softmax, cross-entropy
Regularizer    weight-decay of W1, W, α = 0.1
               smoothness of W1, b1, W2, b2, W3, b3, α = 0.2
Stability      nothing is known of the spectrum by construction

Written by wellposed 0.1.0 (JAX) from the spec linear-mlp, 7eef8f3e.
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
ALPHA_1 = 0.1  # α
ALPHA_2 = 0.2  # α


def stream(seed: int, name: str) -> np.random.Generator:
    """A stream of its own for every weight: they do not depend on each other."""
    return np.random.default_rng([seed, *name.encode()])


def init(seed: int = 1) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "W1": np.repeat(
            stream(seed, "W1").normal(0.0, 4**-0.5, (5, 4))[None], STEPS + 1, axis=0
        ),
        "b1": np.zeros((STEPS + 1, 5)),
        "W2": np.repeat(
            stream(seed, "W2").normal(0.0, 5**-0.5, (4, 5))[None], STEPS + 1, axis=0
        ),
        "b2": np.zeros((STEPS + 1, 4)),
        "W3": np.repeat(
            stream(seed, "W3").normal(0.0, 4**-0.5, (3, 4))[None], STEPS + 1, axis=0
        ),
        "b3": np.zeros((STEPS + 1, 3)),
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
    y: Array,
    t: Array,
    W1_start: Array,
    b1_start: Array,
    W2_start: Array,
    b2_start: Array,
    W3_start: Array,
    b3_start: Array,
    W1_mid: Array,
    b1_mid: Array,
    W2_mid: Array,
    b2_mid: Array,
    W3_mid: Array,
    b3_mid: Array,
    W1_end: Array,
    b1_end: Array,
    W2_end: Array,
    b2_end: Array,
    W3_end: Array,
    b3_end: Array,
) -> Array:
    """Classical Runge–Kutta 4: The classical fourth-order method (not the 3/8 rule)."""
    k1 = dy_dt(t, y, W1_start, b1_start, W2_start, b2_start, W3_start, b3_start)
    k2 = dy_dt(
        t + H / 2, y + H / 2 * k1, W1_mid, b1_mid, W2_mid, b2_mid, W3_mid, b3_mid
    )
    k3 = dy_dt(
        t + H / 2, y + H / 2 * k2, W1_mid, b1_mid, W2_mid, b2_mid, W3_mid, b3_mid
    )
    k4 = dy_dt(t + H, y + H * k3, W1_end, b1_end, W2_end, b2_end, W3_end, b3_end)
    return y + H / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def operands(weights: Weights) -> tuple[Array, ...]:
    """The weights of all steps: vectors as columns."""
    W1_start = weights["W1"][:-1]
    b1_start = weights["b1"][:-1][..., None]
    W2_start = weights["W2"][:-1]
    b2_start = weights["b2"][:-1][..., None]
    W3_start = weights["W3"][:-1]
    b3_start = weights["b3"][:-1][..., None]
    W1_mid = (weights["W1"][:-1] + weights["W1"][1:]) / 2
    b1_mid = ((weights["b1"][:-1] + weights["b1"][1:]) / 2)[..., None]
    W2_mid = (weights["W2"][:-1] + weights["W2"][1:]) / 2
    b2_mid = ((weights["b2"][:-1] + weights["b2"][1:]) / 2)[..., None]
    W3_mid = (weights["W3"][:-1] + weights["W3"][1:]) / 2
    b3_mid = ((weights["b3"][:-1] + weights["b3"][1:]) / 2)[..., None]
    W1_end = weights["W1"][1:]
    b1_end = weights["b1"][1:][..., None]
    W2_end = weights["W2"][1:]
    b2_end = weights["b2"][1:][..., None]
    W3_end = weights["W3"][1:]
    b3_end = weights["b3"][1:][..., None]
    return (
        W1_start,
        b1_start,
        W2_start,
        b2_start,
        W3_start,
        b3_start,
        W1_mid,
        b1_mid,
        W2_mid,
        b2_mid,
        W3_mid,
        b3_mid,
        W1_end,
        b1_end,
        W2_end,
        b2_end,
        W3_end,
        b3_end,
    )


def initial_state(weights: Weights, x: Array) -> Array:
    """y(0) = x; one column per example."""
    return x.T


def final_state(weights: Weights, x: Array) -> Array:
    """y(T), one column per example."""
    start = initial_state(weights, x)

    def advance(y: Array, layer: Layer) -> tuple[Array, None]:
        y = step(y, *layer)
        return y, None

    layers = (H * jnp.arange(STEPS, dtype=x.dtype), *operands(weights))
    y, _ = jax.lax.scan(advance, start, layers)
    return y


def trajectory(weights: Weights, x: Array) -> Array:
    """y at t_0, ..., t_N: (N + 1, s, 3)."""
    start = initial_state(weights, x)

    def advance(y: Array, layer: Layer) -> tuple[Array, Array]:
        y = step(y, *layer)
        return y, y

    layers = (H * jnp.arange(STEPS, dtype=x.dtype), *operands(weights))
    _, path = jax.lax.scan(advance, start, layers)
    return jnp.concatenate([start[None], path]).mT


def vector_field(weights: Weights, t: float, y: Array) -> Array:
    """f(t, y), rows (s, 3) in and out, with weights interpolated at t."""
    rounding = 1 + 4 * jnp.finfo(y.dtype).eps  # t_j belongs to step j
    j = jnp.floor(t / H * rounding + 1e-9).astype(int).clip(0, STEPS - 1)
    theta = t / H - j
    W1 = (1 - theta) * weights["W1"][j] + theta * weights["W1"][j + 1]
    b1 = ((1 - theta) * weights["b1"][j] + theta * weights["b1"][j + 1])[..., None]
    W2 = (1 - theta) * weights["W2"][j] + theta * weights["W2"][j + 1]
    b2 = ((1 - theta) * weights["b2"][j] + theta * weights["b2"][j + 1])[..., None]
    W3 = (1 - theta) * weights["W3"][j] + theta * weights["W3"][j + 1]
    b3 = ((1 - theta) * weights["b3"][j] + theta * weights["b3"][j + 1])[..., None]
    time = jnp.asarray(t, y.dtype)
    y = y.T
    return dy_dt(time, y, W1, b1, W2, b2, W3, b3).T


def forward(weights: Weights, x: Array) -> Array:
    """Logits W^T y(T) + mu, one row per example: (s, 3)."""
    y = final_state(weights, x)
    logits = weights["W"].T @ y + weights["mu"][:, None]
    return logits.T


def regularizer(weights: Weights) -> Array:
    """R = alpha/2 sum |w|^2 + alpha/(2h) sum_j |w_{j+1} - w_j|^2."""
    of = (weights["W1"], weights["W"])
    terms = jnp.stack([(w**2).sum() for w in of])
    weight_decay = ALPHA_1 / 2 * terms.sum()
    of = (
        weights["W1"],
        weights["b1"],
        weights["W2"],
        weights["b2"],
        weights["W3"],
        weights["b3"],
    )
    terms = jnp.stack([((w[1:] - w[:-1]) ** 2).sum() for w in of])
    smoothness = ALPHA_2 / (2 * H) * terms.sum()
    return weight_decay + smoothness


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
    beside = Path(__file__).with_name("linear_mlp.safetensors")
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
