"""density-discrete: y' = u tanh(Σ (w ⊙ y) + b),  0 ≤ t ≤ T.

Vector field   custom, y ∈ ℝ²
Integrator     forward Euler, order 1
               N = 4 steps of h = T/N = 1/4 = 0.25
Weights        one weight for each step; 20 numbers
Log-density    log N(y(T); 0, I) + Σ log|det| of the steps; the derivative has rank one:
               1 + h tr ∂f/∂y
Stability      nothing is known of the spectrum by construction

Written by wellposed 0.1.0 (JAX) from the spec density-discrete, 2acd21ca.
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
FlowState = tuple[Array, Array]
Layer = tuple[Array, ...]

FEATURES = 2  # d
STATES = 2  # n
HORIZON, STEPS = 1, 4  # T, N
H = HORIZON / STEPS  # h = T/N
NORMALIZER = 1.8378770664093453  # n/2 log 2π, of the standard normal


def init(seed: int = 2) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "u": np.zeros((STEPS, STATES)),
        "w": np.zeros((STEPS, STATES)),
        "b": np.zeros(STEPS),
    }
    return {name: value.astype("float64") for name, value in weights.items()}


def check_rows(rows: Array, columns: int, name: str) -> None:
    """Refuse what is not one row for each example."""
    if rows.ndim != 2 or rows.shape[1] != columns:
        raise ValueError(f"{name} is {rows.shape}, not (s, {columns})")


def check_weights(weights: Weights) -> None:
    """Refuse weights of another network, or of another number of steps."""
    shapes = {
        "u": (STEPS, STATES),
        "w": (STEPS, STATES),
        "b": (STEPS,),
    }
    found = {name: value.shape for name, value in weights.items()}
    if found != shapes:
        raise ValueError(f"weights are {found}, not {shapes}")


def step_of(t: float | Array) -> Array:
    """The step j with t_j ≤ t < t_{j+1}, at T the last; t_j may be rounded down."""
    rounding = 1e-9 + 4 * jnp.finfo(jnp.result_type(float)).eps * t / H
    return jnp.floor(t / H + rounding).astype(int).clip(0, STEPS - 1)


def dy_dt(y: Array, u: Array, w: Array, b: Array) -> Array:
    """y' = u tanh(Σ (w ⊙ y) + b)."""
    return u * jnp.tanh((w * y).sum(axis=0, keepdims=True) + b)


def dlogp_dt(y: Array, u: Array, w: Array, b: Array) -> Array:
    """(log p)' = −tr ∂f/∂y, log|det| of a step over h, the derivative has rank one:
    1 + h tr ∂f/∂y.
    """
    u1 = 1 - jnp.tanh((w * y).sum(axis=0, keepdims=True) + b) ** 2
    u2 = 1 + H * (u1 * (w * u).sum())
    return -(jnp.log(u2 * jnp.sign(u2)) / H)


def step(y: Array, u: Array, w: Array, b: Array) -> Array:
    """Forward Euler: y + h f(t, y)."""
    return y + H * dy_dt(y, u, w, b)


def density_step(y: Array, logp: Array, u: Array, w: Array, b: Array) -> FlowState:
    """Forward Euler: y + h f(t, y)."""
    return y + H * dy_dt(y, u, w, b), logp + H * dlogp_dt(y, u, w, b)


def layer_weights(weights: Weights) -> Layer:
    """The weights of all steps; vectors as columns."""
    check_weights(weights)
    return weights["u"][..., None], weights["w"][..., None], weights["b"]


def weights_at(weights: Weights, t: float) -> Layer:
    """The weights of step j, t_j ≤ t < t_{j+1}."""
    j = step_of(t)
    return weights["u"][j][:, None], weights["w"][j][:, None], weights["b"][j]


def initial_state(weights: Weights, x: Array) -> Array:
    """y(0) = x; one column per example."""
    check_rows(x, FEATURES, "x")
    return x.T


def final_state(weights: Weights, x: Array) -> Array:
    """y(T), one column per example."""
    y = initial_state(weights, x)
    layers = layer_weights(weights)

    def advance(y: Array, layer: Layer) -> tuple[Array, None]:
        return step(y, *layer), None

    y, _ = jax.lax.scan(advance, y, layers)
    return y


def trajectory(weights: Weights, x: Array) -> Array:
    """y at t_0, …, t_N: (N + 1, s, 2)."""
    y = initial_state(weights, x)
    layers = layer_weights(weights)

    def advance(y: Array, layer: Layer) -> tuple[Array, Array]:
        y = step(y, *layer)
        return y, y

    _, ys = jax.lax.scan(advance, y, layers)
    ys = jnp.concatenate([y[None], ys])
    return ys.mT


def vector_field(weights: Weights, t: float, y: Array) -> Array:
    """f(t, y), rows (s, 2) in and out, with weight j for t_j ≤ t < t_{j+1}."""
    check_rows(y, STATES, "y")
    layer = weights_at(weights, t)
    y = y.T
    return dy_dt(y, *layer).T


def divergence(weights: Weights, t: float, y: Array) -> Array:
    """tr ∂f/∂y of rows (s, 2): (s,)."""
    check_rows(y, STATES, "y")
    layer = weights_at(weights, t)
    y = y.T
    rate = dlogp_dt(y, *layer)
    return -rate[0]


def density_state(weights: Weights, x: Array) -> FlowState:
    """y(T), and log p(y(T)) − log p(y(0)); one column per example."""
    y = initial_state(weights, x)
    logp = jnp.zeros((1, y.shape[1]), y.dtype)
    layers = layer_weights(weights)

    def advance(state: FlowState, layer: Layer) -> tuple[FlowState, None]:
        return density_step(*state, *layer), None

    (y, logp), _ = jax.lax.scan(advance, (y, logp), layers)
    return y, logp


def log_density(weights: Weights, x: Array) -> Array:
    """log p(x) = log N(y(T); 0, I) + ∫ tr ∂f/∂y dt of each row: (s,)."""
    check_rows(x, FEATURES, "x")
    y, logp = density_state(weights, x)
    log_p = -(y**2).sum(axis=0, keepdims=True) / 2 - NORMALIZER - logp
    return log_p[0]


def forward(weights: Weights, x: Array) -> Array:
    """y(T), one row per example."""
    return final_state(weights, x).T


def loss(weights: Weights, x: Array) -> Array:
    """Mean over the examples of −log p(x)."""
    return -log_density(weights, x).mean()


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    print(__doc__)
    file = Path(__file__).with_name("density_discrete.safetensors")
    arrays = load_file(file) if file.exists() else init()
    count = sum(value.size for value in arrays.values())
    origin = file.name if file.exists() else f"init(), as there is no {file.name} here"
    print(f"{count:,} weights of {origin}:", {n: v.shape for n, v in arrays.items()})
    random = np.random.default_rng(0)
    x = random.normal(size=(8, FEATURES)).astype("float64")
    weights = {name: jnp.asarray(value) for name, value in arrays.items()}
    value, gradient = jax.value_and_grad(loss)(weights, jnp.asarray(x))
    norm = sum(float(jnp.square(g).sum()) for g in gradient.values()) ** 0.5
    print(f"loss {float(value):.6g}, gradient norm {norm:.6g} on 8 examples")


if __name__ == "__main__":
    main()
