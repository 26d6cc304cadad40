"""pendulum: y' = ½ 2 z; z' = −w₂ sin(y),  0 <= t <= T.

Vector field   custom, y in R^1, z in R^1, from H = ½ (Σ (z²)) − w₂ (Σ cos(y))
Integrator     Störmer–Verlet, N = 3 steps of h = T/N = 1/3 = 0.333333
Weights        one weight for each step; 9 numbers
Readout        Wᵀ y + μ; 3 classes, softmax, cross-entropy
Regularizer    weight-decay of W, mu, α = 0.1
Stability      nothing is known of the spectrum by construction

Written by wellposed 0.1.0 (JAX) from the spec pendulum, 22d41c8d.
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

FEATURES = 1  # d
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
        "w2": np.zeros(STEPS),
        "W": stream(seed, "W").normal(0.0, 3**-0.5, (1, 3)),
        "mu": np.zeros(3),
    }
    return {name: value.astype("float64") for name, value in weights.items()}


def dy_dt(z: Array) -> Array:
    """y' = ½ 2 z."""
    return 2 / 2 * z


def dz_dt(y: Array, w2: Array) -> Array:
    """z' = −w₂ sin(y)."""
    return -(w2 * jnp.sin(y))


def step(y: Array, z: Array, w2: Array) -> State:
    """Störmer–Verlet: z_{j+½} = z_{j−½} + h g_j(y_j), y_{j+1} = y_j + h
    f_j(z_{j+½}).
    """
    z = z + H * dz_dt(y, w2)
    y = y + H * dy_dt(z)
    return y, z


def operands(weights: Weights) -> tuple[Array, ...]:
    """The weights of all steps."""
    w2 = weights["w2"]
    return (w2,)


def initial_state(weights: Weights, x: Array) -> State:
    """y(0) = x, z(0) = 0; one column per example."""
    y = x.T
    z = jnp.zeros((1, x.shape[0]), x.dtype)
    return y, z


def final_state(weights: Weights, x: Array) -> Array:
    """y(T), one column per example."""
    start = initial_state(weights, x)

    def advance(state: State, layer: Layer) -> tuple[State, None]:
        state = step(*state, *layer)
        return state, None

    state, _ = jax.lax.scan(advance, start, operands(weights))
    return state[0]


def trajectory(weights: Weights, x: Array) -> Array:
    """(y, z) at t_0, ..., t_N: (N + 1, s, 2)."""
    start = initial_state(weights, x)

    def advance(state: State, layer: Layer) -> tuple[State, State]:
        state = step(*state, *layer)
        return state, state

    _, path = jax.lax.scan(advance, start, operands(weights))
    first = jnp.concatenate(start)
    rest = jnp.concatenate(path, axis=1)
    return jnp.concatenate([first[None], rest]).mT


def vector_field(weights: Weights, t: float, y: Array) -> Array:
    """f(t, y), rows (s, 2) in and out, with weight j for t_j <= t < t_{j+1}."""
    rounding = 1 + 4 * jnp.finfo(y.dtype).eps  # t_j belongs to step j
    j = jnp.floor(t / H * rounding + 1e-9).astype(int).clip(0, STEPS - 1)
    w2 = weights["w2"][j]
    columns = y.T
    y = columns[:1]
    z = columns[1:]
    y_rate = dy_dt(z)
    z_rate = dz_dt(y, w2)
    return jnp.concatenate([y_rate, z_rate]).T


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
    beside = Path(__file__).with_name("pendulum.safetensors")
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
