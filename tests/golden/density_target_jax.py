"""density-target: y' = W₂ tanh(W₁ [y; t] + b₁) + b₂,  0 ≤ t ≤ T.

Vector field   mlp, y ∈ ℝ²
Integrator     forward Euler, order 1
               N = 4 steps of h = T/N = 1/4 = 0.25
Weights        linear in time between N + 1 nodes; 160 numbers
Log-density    log N(y(T); 0, I) + ∫ tr ∂f/∂y dt; the trace in closed form; matched to
               exp(−U) by KL(q ‖ p)
Stability      nothing is known of the spectrum by construction

Written by wellposed 0.1.0 (JAX) from the spec density-target, 18740cf7.
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
            STEPS + 1,
            axis=0,
        ),
        "b1": np.zeros((STEPS + 1, 5)),
        "W2": np.repeat(
            rng(seed, "W2").normal(0.0, 5**-0.5, (1, STATES, 5)), STEPS + 1, axis=0
        ),
        "b2": np.zeros((STEPS + 1, STATES)),
    }
    return {name: value.astype("float64") for name, value in weights.items()}


def check_rows(rows: Array, columns: int, name: str) -> None:
    """Refuse what is not one row for each example."""
    if rows.ndim != 2 or rows.shape[1] != columns:
        raise ValueError(f"{name} is {rows.shape}, not (s, {columns})")


def check_weights(weights: Weights) -> None:
    """Refuse weights of another network, or of another number of steps."""
    shapes = {
        "W1": (STEPS + 1, 5, STATES + 1),
        "b1": (STEPS + 1, 5),
        "W2": (STEPS + 1, STATES, 5),
        "b2": (STEPS + 1, STATES),
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


def dlogp_dt(t: Array, y: Array, W1: Array, b1: Array, W2: Array) -> Array:
    """(log p)' = −tr ∂f/∂y, in closed form."""
    u1 = W1 @ jnp.concatenate([y, jnp.broadcast_to(t, (1, y.shape[1]))]) + b1
    u2 = (1 - jnp.tanh(u1) ** 2) * (W1[:, :2] * W2.T).sum(axis=-1, keepdims=True)
    return -u2.sum(axis=0, keepdims=True)


def step(y: Array, t: Array, W1: Array, b1: Array, W2: Array, b2: Array) -> Array:
    """Forward Euler: y + h f(t, y)."""
    return y + H * dy_dt(t, y, W1, b1, W2, b2)


def density_step(
    y: Array, logp: Array, t: Array, W1: Array, b1: Array, W2: Array, b2: Array
) -> FlowState:
    """Forward Euler: y + h f(t, y)."""
    return y + H * dy_dt(t, y, W1, b1, W2, b2), logp + H * dlogp_dt(t, y, W1, b1, W2)


def reverse_step(
    y: Array, t: Array, W1: Array, b1: Array, W2: Array, b2: Array
) -> Array:
    """Forward Euler from t + h to t: the step by −h."""
    return y - H * dy_dt(t + H, y, W1, b1, W2, b2)


def density_reverse_step(
    y: Array, logp: Array, t: Array, W1: Array, b1: Array, W2: Array, b2: Array
) -> FlowState:
    """Forward Euler from t + h to t: the step by −h."""
    return (
        y - H * dy_dt(t + H, y, W1, b1, W2, b2),
        logp - H * dlogp_dt(t + H, y, W1, b1, W2),
    )


def layer_weights(weights: Weights) -> Layer:
    """The weights of all steps; vectors as columns."""
    check_weights(weights)
    return (
        weights["W1"][:-1],
        weights["b1"][:-1][..., None],
        weights["W2"][:-1],
        weights["b2"][:-1][..., None],
    )


def weights_at(weights: Weights, t: float) -> Layer:
    """Weights interpolated at t."""
    j = step_of(t)
    theta = t / H - j
    return (
        (1 - theta) * weights["W1"][j] + theta * weights["W1"][j + 1],
        ((1 - theta) * weights["b1"][j] + theta * weights["b1"][j + 1])[:, None],
        (1 - theta) * weights["W2"][j] + theta * weights["W2"][j + 1],
        ((1 - theta) * weights["b2"][j] + theta * weights["b2"][j + 1])[:, None],
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
    """f(t, y), rows (s, 2) in and out, with weights interpolated at t."""
    check_rows(y, STATES, "y")
    layer = weights_at(weights, t)
    time = jnp.asarray(t, y.dtype)
    y = y.T
    return dy_dt(time, y, *layer).T


def divergence(weights: Weights, t: float, y: Array) -> Array:
    """tr ∂f/∂y of rows (s, 2): (s,)."""
    check_rows(y, STATES, "y")
    W1, b1, W2, _ = weights_at(weights, t)
    time = jnp.asarray(t, y.dtype)
    y = y.T
    rate = dlogp_dt(time, y, W1, b1, W2)
    return -rate[0]


def density_state(weights: Weights, x: Array) -> FlowState:
    """y(T), and log p(y(T)) − log p(y(0)); one column per example."""
    y = initial_state(weights, x)
    logp = jnp.zeros((1, y.shape[1]), y.dtype)
    layers = layer_weights(weights)

    def advance(state: FlowState, layer: Layer) -> tuple[FlowState, None]:
        return density_step(*state, *layer), None

    (y, logp), _ = jax.lax.scan(
        advance, (y, logp), (H * jnp.arange(STEPS, dtype=x.dtype), *layers)
    )
    return y, logp


def log_density(weights: Weights, x: Array) -> Array:
    """log p(x) = log N(y(T); 0, I) + ∫ tr ∂f/∂y dt of each row: (s,)."""
    check_rows(x, FEATURES, "x")
    y, logp = density_state(weights, x)
    log_p = -(y**2).sum(axis=0, keepdims=True) / 2 - NORMALIZER - logp
    return log_p[0]


def reverse_layer_weights(weights: Weights) -> Layer:
    """The weights of all steps; vectors as columns."""
    return (
        weights["W1"][1:],
        weights["b1"][1:][..., None],
        weights["W2"][1:],
        weights["b2"][1:][..., None],
    )


def sample(weights: Weights, z: Array) -> Array:
    """Rows z of the base, which is y(T), as rows of the data: (s, 2)."""
    check_rows(z, FEATURES, "z")
    y = initial_state(weights, z)
    layers = reverse_layer_weights(weights)

    def advance(y: Array, layer: Layer) -> tuple[Array, None]:
        return reverse_step(y, *layer), None

    y, _ = jax.lax.scan(
        advance, y, (H * jnp.arange(STEPS, dtype=z.dtype), *layers), reverse=True
    )
    return y.T


def energy(y: Array) -> Array:
    """U of every column: the target is e⁻ᵁ but for a factor."""
    u1 = ((y[0:1] - 2) / 0.6) ** 2 / 2
    u2 = ((jnp.sqrt((y**2).sum(axis=0, keepdims=True)) - 2) / 0.4) ** 2 / 2 + u1
    return u2 - jax.nn.softplus(u1 - ((y[0:1] + 2) / 0.6) ** 2 / 2)


def density_state_of_base(weights: Weights, x: Array) -> FlowState:
    """y(0) for y(T) = x, and log q(y(0)) − log N(y(T)); one column per example."""
    layers = reverse_layer_weights(weights)
    y = initial_state(weights, x)
    logp = jnp.zeros((1, y.shape[1]), y.dtype)

    def advance(state: FlowState, layer: Layer) -> tuple[FlowState, None]:
        return density_reverse_step(*state, *layer), None

    (y, logp), _ = jax.lax.scan(
        advance,
        (y, logp),
        (H * jnp.arange(STEPS, dtype=x.dtype), *layers),
        reverse=True,
    )
    return y, logp


def free_energy(weights: Weights, x: Array) -> Array:
    """log q(y(0)) + U(y(0)) of each row y(T) = x: (s,)."""
    check_rows(x, FEATURES, "x")
    y, logp = density_state_of_base(weights, x)
    z = x.T
    log_q = -(z**2).sum(axis=0, keepdims=True) / 2 - NORMALIZER + logp
    U = energy(y)
    return (log_q + U)[0]


def forward(weights: Weights, x: Array) -> Array:
    """y(T), one row per example."""
    return final_state(weights, x).T


def loss(weights: Weights, x: Array) -> Array:
    """Mean over the examples of log q(y(0)) + U(y(0)), y(T) = x."""
    return free_energy(weights, x).mean()


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    print(__doc__)
    file = Path(__file__).with_name("density_target.safetensors")
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
