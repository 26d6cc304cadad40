"""custom-blocks: y' = A y + q; q' = −0.5 q (Σ (y²)) + cos(t),  0 <= t <= T.

Vector field   custom, y in R^2, q in R^2
               A ↦ −Aᵀ A
Integrator     classical Runge–Kutta 4, N = 3 steps of h = T/N = 1/3 = 0.333333
Weights        one weight shared by all steps; 13 numbers
Readout        Wᵀ y + μ; 3 classes, softmax, cross-entropy
Regularizer    weight-decay of A, α = 0.1
               weight-decay of W, mu, α = 0.2
Stability      nothing is known of the spectrum by construction

Written by wellposed 0.1.0 (JAX) from the spec custom-blocks, 63b642c3.
It imports nothing of wellposed: change the spec and compile again, or own this file.
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from safetensors.numpy import load_file

Weights = dict[str, Array]
State = tuple[Array, Array]
Layer = tuple[Array, ...]

FEATURES = 2  # d
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
        "A": stream(seed, "A").normal(0.0, 2**-0.5, (2, 2)),
        "W": stream(seed, "W").normal(0.0, 3**-0.5, (2, 3)),
        "mu": np.zeros(3),
    }
    return {name: value.astype("float64") for name, value in weights.items()}


def negative_gram_A(C: Array) -> Array:
    """−Cᵀ C, of one matrix or of a stack of them."""
    return -C.mT @ C


def dy_dt(y: Array, q: Array, A: Array) -> Array:
    """y' = A y + q."""
    return A @ y + q


def dq_dt(t: Array, y: Array, q: Array) -> Array:
    """q' = −0.5 q (Σ (y²)) + cos(t)."""
    return -(0.5 * q * (y**2).sum(axis=0, keepdims=True)) + jnp.cos(t)


def step(y: Array, q: Array, t: Array, A: Array) -> State:
    """Classical Runge–Kutta 4: The classical fourth-order method (not the 3/8 rule)."""
    k1_y = dy_dt(y, q, A)
    k1_q = dq_dt(t, y, q)
    k2_y = dy_dt(y + H / 2 * k1_y, q + H / 2 * k1_q, A)
    k2_q = dq_dt(t + H / 2, y + H / 2 * k1_y, q + H / 2 * k1_q)
    k3_y = dy_dt(y + H / 2 * k2_y, q + H / 2 * k2_q, A)
    k3_q = dq_dt(t + H / 2, y + H / 2 * k2_y, q + H / 2 * k2_q)
    k4_y = dy_dt(y + H * k3_y, q + H * k3_q, A)
    k4_q = dq_dt(t + H, y + H * k3_y, q + H * k3_q)
    return (
        y + H / 6 * (k1_y + 2 * k2_y + 2 * k3_y + k4_y),
        q + H / 6 * (k1_q + 2 * k2_q + 2 * k3_q + k4_q),
    )


def operands(weights: Weights) -> tuple[Array, ...]:
    """The one layer's weights: A ↦ −Aᵀ A."""
    A = negative_gram_A(weights["A"])
    return (A,)


def initial_state(weights: Weights, x: Array) -> State:
    """y(0) = x, q(0) = 0; one column per example."""
    y = x.T
    q = jnp.zeros((2, x.shape[0]), x.dtype)
    return y, q


def final_state(weights: Weights, x: Array) -> Array:
    """y(T), one column per example."""
    start = initial_state(weights, x)
    shared = operands(weights)

    def layer_at(t: Array) -> Layer:
        return (t, *shared)

    def advance(state: State, t: Array) -> tuple[State, None]:
        state = step(*state, *layer_at(t))
        return state, None

    state, _ = jax.lax.scan(advance, start, H * jnp.arange(STEPS, dtype=x.dtype))
    return state[0]


def trajectory(weights: Weights, x: Array) -> Array:
    """(y, q) at t_0, ..., t_N: (N + 1, s, 4)."""
    start = initial_state(weights, x)
    shared = operands(weights)

    def layer_at(t: Array) -> Layer:
        return (t, *shared)

    def advance(state: State, t: Array) -> tuple[State, State]:
        state = step(*state, *layer_at(t))
        return state, state

    _, path = jax.lax.scan(advance, start, H * jnp.arange(STEPS, dtype=x.dtype))
    first = jnp.concatenate(start)
    rest = jnp.concatenate(path, axis=1)
    return jnp.concatenate([first[None], rest]).mT


def vector_field(weights: Weights, t: float, y: Array) -> Array:
    """f(t, y), rows (s, 4) in and out."""
    A = negative_gram_A(weights["A"])
    time = jnp.asarray(t, y.dtype)
    columns = y.T
    y = columns[:2]
    q = columns[2:]
    y_rate = dy_dt(y, q, A)
    q_rate = dq_dt(time, y, q)
    return jnp.concatenate([y_rate, q_rate]).T


def forward(weights: Weights, x: Array) -> Array:
    """Logits W^T y(T) + mu, one row per example: (s, 3)."""
    y = final_state(weights, x)
    logits = weights["W"].T @ y + weights["mu"][:, None]
    return logits.T


def regularizer(weights: Weights) -> Array:
    """R = alpha/2 sum |w|^2."""
    weight_decay = ALPHA_1 / 2 * (weights["A"] ** 2).sum()
    of = (weights["W"], weights["mu"])
    terms = jnp.stack([(w**2).sum() for w in of])
    weight_decay_2 = ALPHA_2 / 2 * terms.sum()
    return weight_decay + weight_decay_2


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
    beside = Path(__file__).with_name("custom_blocks.safetensors")
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
