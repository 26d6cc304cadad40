"""custom-blocks: y' = A y + q; q' = −0.5 q (Σ (y²)) + cos(t),  0 ≤ t ≤ T.

Vector field   custom, y ∈ ℝ², q ∈ ℝ²
               A ↦ −Aᵀ A
Integrator     classical Runge–Kutta 4, order 4
               N = 3 steps of h = T/N = 1/3 = 0.333333
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

jax.config.update("jax_enable_x64", True)  # else JAX computes in float32

Weights = dict[str, Array]
State = tuple[Array, Array]

FEATURES = 2  # d
STATES = 2  # n
SIZE_Q = 2  # components of q
CLASSES = 3
HORIZON, STEPS = 1, 3  # T, N
H = HORIZON / STEPS  # h = T/N
ALPHA_1 = 0.1  # α of weight-decay
ALPHA_2 = 0.2  # α of weight-decay


def rng(seed: int, name: str) -> np.random.Generator:
    """A generator for every weight: they do not depend on each other."""
    return np.random.default_rng([seed, *name.encode()])


def init(seed: int = 1) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "A": rng(seed, "A").normal(0.0, STATES**-0.5, (STATES, STATES)),
        "W": rng(seed, "W").normal(0.0, STATES**-0.5, (STATES, CLASSES)),
        "mu": np.zeros(CLASSES),
    }
    return {name: value.astype("float64") for name, value in weights.items()}


def check_rows(rows: Array, columns: int, name: str) -> None:
    """Refuse what is not one row for each example."""
    if rows.ndim != 2 or rows.shape[1] != columns:
        raise ValueError(f"{name} is {rows.shape}, not (s, {columns})")


def check_targets(x: Array, targets: Array) -> None:
    """Refuse what is not one class for each example, or CLASSES probabilities."""
    check_rows(x, FEATURES, "x")
    shape = (x.shape[0],) if targets.ndim == 1 else (x.shape[0], CLASSES)
    if targets.shape != shape:
        raise ValueError(f"targets are {targets.shape}, not {shape}")


def check_weights(weights: Weights) -> None:
    """Refuse weights of another network, or of another number of steps."""
    shapes = {
        "A": (STATES, STATES),
        "W": (STATES, CLASSES),
        "mu": (CLASSES,),
    }
    found = {name: value.shape for name, value in weights.items()}
    if found != shapes:
        raise ValueError(f"weights are {found}, not {shapes}")


def class_probabilities(targets: Array, dtype: jnp.dtype) -> Array:
    """Integer classes as one-hot rows, of one that is out of range as NaN;
    probabilities as they are.
    """
    if targets.ndim == 1:
        one_hot = jax.nn.one_hot(targets, CLASSES, dtype=dtype)
        known = (targets >= 0) & (targets < CLASSES)
        return jnp.where(known[:, None], one_hot, jnp.nan)
    return targets


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
    """Classical Runge–Kutta 4: y + h/6 (k₁ + 2 k₂ + 2 k₃ + k₄); k₁ = f(t, y),
    k₂ = f(t + h/2, y + h/2 k₁), k₃ = f(t + h/2, y + h/2 k₂),
    k₄ = f(t + h, y + h k₃).
    """
    k1_y = dy_dt(y, q, A)
    k1_q = dq_dt(t, y, q)
    y2 = y + H / 2 * k1_y
    q2 = q + H / 2 * k1_q
    k2_y = dy_dt(y2, q2, A)
    k2_q = dq_dt(t + H / 2, y2, q2)
    y3 = y + H / 2 * k2_y
    q3 = q + H / 2 * k2_q
    k3_y = dy_dt(y3, q3, A)
    k3_q = dq_dt(t + H / 2, y3, q3)
    y4 = y + H * k3_y
    q4 = q + H * k3_q
    k4_y = dy_dt(y4, q4, A)
    k4_q = dq_dt(t + H, y4, q4)
    return (
        y + H / 6 * (k1_y + 2 * k2_y + 2 * k3_y + k4_y),
        q + H / 6 * (k1_q + 2 * k2_q + 2 * k3_q + k4_q),
    )


def weight_decay(w: Array) -> Array:
    """α/2 ‖w‖²; w is one weight at all its times."""
    return ALPHA_1 / 2 * (w**2).sum()


def weight_decay_2(w: Array) -> Array:
    """α/2 ‖w‖²; w is one weight at all its times."""
    return ALPHA_2 / 2 * (w**2).sum()


def layer_weights(weights: Weights) -> Array:
    """The one layer's weights; A ↦ −Aᵀ A."""
    check_weights(weights)
    return negative_gram_A(weights["A"])


def initial_state(weights: Weights, x: Array) -> State:
    """y(0) = x, q(0) = 0; one column per example."""
    check_rows(x, FEATURES, "x")
    return x.T, jnp.zeros((SIZE_Q, x.shape[0]), x.dtype)


def final_state(weights: Weights, x: Array) -> Array:
    """y(T), one column per example."""
    y, q = initial_state(weights, x)
    layer = layer_weights(weights)

    def advance(state: State, t: Array) -> tuple[State, None]:
        return step(*state, t, layer), None

    (y, _), _ = jax.lax.scan(advance, (y, q), H * jnp.arange(STEPS, dtype=x.dtype))
    return y


def trajectory(weights: Weights, x: Array) -> Array:
    """(y, q) at t_0, …, t_N: (N + 1, s, 4)."""
    y, q = initial_state(weights, x)
    layer = layer_weights(weights)

    def advance(state: State, t: Array) -> tuple[State, State]:
        state = step(*state, t, layer)
        return state, state

    _, (ys, qs) = jax.lax.scan(advance, (y, q), H * jnp.arange(STEPS, dtype=x.dtype))
    ys = jnp.concatenate([y[None], ys])
    qs = jnp.concatenate([q[None], qs])
    return jnp.concatenate([ys, qs], axis=1).mT


def vector_field(weights: Weights, t: float, y: Array) -> Array:
    """f(t, y), rows (s, 4) in and out."""
    check_rows(y, STATES + SIZE_Q, "y")
    layer = layer_weights(weights)
    time = jnp.asarray(t, y.dtype)
    columns = y.T
    y = columns[:STATES]
    q = columns[STATES:]
    return jnp.concatenate([dy_dt(y, q, layer), dq_dt(time, y, q)]).T


def forward(weights: Weights, x: Array) -> Array:
    """Logits Wᵀ y(T) + μ, one row per example: (s, 3)."""
    y = final_state(weights, x)
    logits = weights["W"].T @ y + weights["mu"][:, None]
    return logits.T


def regularizer(weights: Weights) -> Array:
    """R: weight-decay of A; weight-decay of W, mu."""
    return (
        weight_decay(weights["A"])
        + weight_decay_2(weights["W"])
        + weight_decay_2(weights["mu"])
    )


def loss(weights: Weights, x: Array, targets: Array) -> Array:
    """Mean over the examples of −Σ (C ⊙ log softmax(u)), u the logits, plus R;
    targets C are classes (s,) or their probabilities (s, classes).
    """
    check_targets(x, targets)
    logits = forward(weights, x).T
    C = class_probabilities(targets, x.dtype).T
    losses = -(C * jax.nn.log_softmax(logits, axis=0)).sum(axis=0)
    return losses.mean() + regularizer(weights)


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    print(__doc__)
    file = Path(__file__).with_name("custom_blocks.safetensors")
    arrays = load_file(file) if file.exists() else init()
    count = sum(value.size for value in arrays.values())
    origin = file.name if file.exists() else f"init(), as there is no {file.name} here"
    print(f"{count:,} weights of {origin}:", {n: v.shape for n, v in arrays.items()})
    random = np.random.default_rng(0)
    x = random.normal(size=(8, FEATURES)).astype("float64")
    targets = np.arange(8) % CLASSES
    weights = {name: jnp.asarray(value) for name, value in arrays.items()}
    value, gradient = jax.value_and_grad(loss)(
        weights, jnp.asarray(x), jnp.asarray(targets)
    )
    norm = sum(float(jnp.square(g).sum()) for g in gradient.values()) ** 0.5
    print(f"loss {float(value):.6g}, gradient norm {norm:.6g} on 8 examples")


if __name__ == "__main__":
    main()
