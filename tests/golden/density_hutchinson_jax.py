"""density-hutchinson: y' = W₂ tanh(W₁ [y; t] + b₁) + b₂,  0 ≤ t ≤ T.

Vector field   mlp, y ∈ ℝ²
Integrator     forward Euler, order 1
               N = 4 steps of h = T/N = 1/4 = 0.25
Weights        one weight for each step; 128 numbers
Log-density    log N(y(T); 0, I) + ∫ tr ∂f/∂y dt; the trace the mean of εᵀ (∂f/∂y) ε
               over 3 normal vectors for a row and a solve
Stability      nothing is known of the spectrum by construction

Written by wellposed 0.1.0 (JAX) from the spec density-hutchinson, da5f1184.
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


def rng(seed: int, name: str) -> np.random.Generator:
    """A generator for every weight: they do not depend on each other."""
    return np.random.default_rng([seed, *name.encode()])


def init(seed: int = 2) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "W1": np.repeat(
            rng(seed, "W1").normal(0.0, (STATES + 1) ** -0.5, (1, 5, STATES + 1)),
            STEPS,
            axis=0,
        ),
        "b1": np.zeros((STEPS, 5)),
        "W2": np.repeat(
            rng(seed, "W2").normal(0.0, 5**-0.5, (1, STATES, 5)), STEPS, axis=0
        ),
        "b2": np.zeros((STEPS, STATES)),
    }
    return {name: value.astype("float64") for name, value in weights.items()}


def check_rows(rows: Array, columns: int, name: str) -> None:
    """Refuse what is not one row for each example."""
    if rows.ndim != 2 or rows.shape[1] != columns:
        raise ValueError(f"{name} is {rows.shape}, not (s, {columns})")


def check_weights(weights: Weights) -> None:
    """Refuse weights of another network, or of another number of steps."""
    shapes = {
        "W1": (STEPS, 5, STATES + 1),
        "b1": (STEPS, 5),
        "W2": (STEPS, STATES, 5),
        "b2": (STEPS, STATES),
    }
    found = {name: value.shape for name, value in weights.items()}
    if found != shapes:
        raise ValueError(f"weights are {found}, not {shapes}")


def step_of(t: float | Array) -> Array:
    """The step j with t_j ≤ t < t_{j+1}, at T the last; t_j may be rounded down."""
    rounding = 1e-9 + 4 * jnp.finfo(jnp.result_type(float)).eps * t / H
    return jnp.floor(t / H + rounding).astype(int).clip(0, STEPS - 1)


def dy_dt(t: Array, y: Array, W1: Array, b1: Array, W2: Array, b2: Array) -> Array:
    """y' = W₂ tanh(W₁ [y; t] + b₁) + b₂."""
    u1 = W1 @ jnp.concatenate([y, jnp.broadcast_to(t, (1, y.shape[1]))]) + b1
    return W2 @ jnp.tanh(u1) + b2


def dlogp_dt(
    t: Array, y: Array, W1: Array, b1: Array, W2: Array, probes: Array
) -> Array:
    """(log p)' = −tr ∂f/∂y, the mean of εᵀ (∂f/∂y) ε over 3 normal vectors for a row
    and a solve.
    """
    u1 = W1 @ jnp.concatenate([y, jnp.broadcast_to(t, (1, y.shape[1]))]) + b1
    u2 = W1 @ jnp.pad(probes, ((0, 0), (0, 1), (0, 0)))
    u3 = probes * (W2 @ ((1 - jnp.tanh(u1) ** 2) * u2))
    return -(u3.sum(axis=1, keepdims=True).sum(axis=0) / 3)


def step(y: Array, t: Array, W1: Array, b1: Array, W2: Array, b2: Array) -> Array:
    """Forward Euler: y + h f(t, y)."""
    return y + H * dy_dt(t, y, W1, b1, W2, b2)


def density_step(
    y: Array, logp: Array, t: Array, layer: Layer, probes: Array
) -> FlowState:
    """Forward Euler: y + h f(t, y)."""
    W1, b1, W2, b2 = layer
    return (
        y + H * dy_dt(t, y, W1, b1, W2, b2),
        logp + H * dlogp_dt(t, y, W1, b1, W2, probes),
    )


def reverse_step(
    y: Array, t: Array, W1: Array, b1: Array, W2: Array, b2: Array
) -> Array:
    """Forward Euler from t + h to t: the step by −h."""
    return y - H * dy_dt(t + H, y, W1, b1, W2, b2)


def layer_weights(weights: Weights) -> Layer:
    """The weights of all steps; vectors as columns."""
    check_weights(weights)
    return (
        weights["W1"],
        weights["b1"][..., None],
        weights["W2"],
        weights["b2"][..., None],
    )


def weights_at(weights: Weights, t: float) -> Layer:
    """The weights of step j, t_j ≤ t < t_{j+1}."""
    j = step_of(t)
    return (
        weights["W1"][j],
        weights["b1"][j][:, None],
        weights["W2"][j],
        weights["b2"][j][:, None],
    )


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

    y, _ = jax.lax.scan(advance, y, (H * jnp.arange(STEPS, dtype=x.dtype), *layers))
    return y


def trajectory(weights: Weights, x: Array) -> Array:
    """y at t_0, …, t_N: (N + 1, s, 2)."""
    y = initial_state(weights, x)
    layers = layer_weights(weights)

    def advance(y: Array, layer: Layer) -> tuple[Array, Array]:
        y = step(y, *layer)
        return y, y

    _, ys = jax.lax.scan(advance, y, (H * jnp.arange(STEPS, dtype=x.dtype), *layers))
    ys = jnp.concatenate([y[None], ys])
    return ys.mT


def vector_field(weights: Weights, t: float, y: Array) -> Array:
    """f(t, y), rows (s, 2) in and out, with weight j for t_j ≤ t < t_{j+1}."""
    check_rows(y, STATES, "y")
    layer = weights_at(weights, t)
    time = jnp.asarray(t, y.dtype)
    y = y.T
    return dy_dt(time, y, *layer).T


def divergence(weights: Weights, t: float, y: Array, probes: Array) -> Array:
    """tr ∂f/∂y of rows (s, 2): (s,); probes are (3, s, 2)."""
    check_rows(y, STATES, "y")
    W1, b1, W2, _ = weights_at(weights, t)
    time = jnp.asarray(t, y.dtype)
    y = y.T
    rate = dlogp_dt(time, y, W1, b1, W2, probes.mT)
    return -rate[0]


def density_state(weights: Weights, x: Array, probes: Array) -> FlowState:
    """y(T), and log p(y(T)) − log p(y(0)); one column per example."""
    y = initial_state(weights, x)
    logp = jnp.zeros((1, y.shape[1]), y.dtype)
    layers = layer_weights(weights)
    columns = probes.mT

    def advance(state: FlowState, layer: tuple[Array, Layer]) -> tuple[FlowState, None]:
        return density_step(*state, *layer, probes=columns), None

    (y, logp), _ = jax.lax.scan(
        advance, (y, logp), (H * jnp.arange(STEPS, dtype=x.dtype), layers)
    )
    return y, logp


def log_density(weights: Weights, x: Array, probes: Array) -> Array:
    """log p(x) = log N(y(T); 0, I) + ∫ tr ∂f/∂y dt of each row: (s,); probes are (3,
    s, 2).
    """
    check_rows(x, FEATURES, "x")
    y, logp = density_state(weights, x, probes)
    log_p = -(y**2).sum(axis=0, keepdims=True) / 2 - NORMALIZER - logp
    return log_p[0]


def sample(weights: Weights, z: Array) -> Array:
    """Rows z of the base, which is y(T), as rows of the data: (s, 2)."""
    check_rows(z, FEATURES, "z")
    y = initial_state(weights, z)
    layers = layer_weights(weights)

    def advance(y: Array, layer: Layer) -> tuple[Array, None]:
        return reverse_step(y, *layer), None

    y, _ = jax.lax.scan(
        advance, y, (H * jnp.arange(STEPS, dtype=z.dtype), *layers), reverse=True
    )
    return y.T


def forward(weights: Weights, x: Array) -> Array:
    """y(T), one row per example."""
    return final_state(weights, x).T


def loss(weights: Weights, x: Array, probes: Array) -> Array:
    """Mean over the examples of −log p(x)."""
    return -log_density(weights, x, probes).mean()


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    print(__doc__)
    file = Path(__file__).with_name("density_hutchinson.safetensors")
    arrays = load_file(file) if file.exists() else init()
    count = sum(value.size for value in arrays.values())
    origin = file.name if file.exists() else f"init(), as there is no {file.name} here"
    print(f"{count:,} weights of {origin}:", {n: v.shape for n, v in arrays.items()})
    random = np.random.default_rng(0)
    x = random.normal(size=(8, FEATURES)).astype("float64")
    probes = random.normal(size=(3, *x.shape)).astype("float64")
    weights = {name: jnp.asarray(value) for name, value in arrays.items()}
    value, gradient = jax.value_and_grad(loss)(
        weights, jnp.asarray(x), jnp.asarray(probes)
    )
    norm = sum(float(jnp.square(g).sum()) for g in gradient.values()) ** 0.5
    print(f"loss {float(value):.6g}, gradient norm {norm:.6g} on 8 examples")


if __name__ == "__main__":
    main()
