"""density: y' = W₂ tanh(W₁ [y; t] + b₁) + b₂,  0 ≤ t ≤ T.

Vector field   mlp, y ∈ ℝ²
Integrator     classical Runge–Kutta 4, order 4
               N = 4 steps of h = T/N = 1/4 = 0.25
Weights        one weight shared by all steps; 32 numbers
Log-density    log N(y(T); 0, I) + ∫ tr ∂f/∂y dt; the trace in closed form
Stability      nothing is known of the spectrum by construction

Written by wellposed 0.1.0 (JAX) from the spec density, a7cf839c.
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
        "W1": rng(seed, "W1").normal(0.0, (STATES + 1) ** -0.5, (5, STATES + 1)),
        "b1": np.zeros(5),
        "W2": rng(seed, "W2").normal(0.0, 5**-0.5, (STATES, 5)),
        "b2": np.zeros(STATES),
    }
    return {name: value.astype("float64") for name, value in weights.items()}


def check_rows(rows: Array, columns: int, name: str) -> None:
    """Refuse what is not one row for each example."""
    if rows.ndim != 2 or rows.shape[1] != columns:
        raise ValueError(f"{name} is {rows.shape}, not (s, {columns})")


def check_weights(weights: Weights) -> None:
    """Refuse weights of another network, or of another number of steps."""
    shapes = {
        "W1": (5, STATES + 1),
        "b1": (5,),
        "W2": (STATES, 5),
        "b2": (STATES,),
    }
    found = {name: value.shape for name, value in weights.items()}
    if found != shapes:
        raise ValueError(f"weights are {found}, not {shapes}")


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
    """Classical Runge–Kutta 4: y + h/6 (k₁ + 2 k₂ + 2 k₃ + k₄); k₁ = f(t, y),
    k₂ = f(t + h/2, y + h/2 k₁), k₃ = f(t + h/2, y + h/2 k₂),
    k₄ = f(t + h, y + h k₃).
    """
    k1 = dy_dt(t, y, W1, b1, W2, b2)
    k2 = dy_dt(t + H / 2, y + H / 2 * k1, W1, b1, W2, b2)
    k3 = dy_dt(t + H / 2, y + H / 2 * k2, W1, b1, W2, b2)
    k4 = dy_dt(t + H, y + H * k3, W1, b1, W2, b2)
    return y + H / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def density_step(
    y: Array, logp: Array, t: Array, W1: Array, b1: Array, W2: Array, b2: Array
) -> FlowState:
    """Classical Runge–Kutta 4: y + h/6 (k₁ + 2 k₂ + 2 k₃ + k₄); k₁ = f(t, y),
    k₂ = f(t + h/2, y + h/2 k₁), k₃ = f(t + h/2, y + h/2 k₂),
    k₄ = f(t + h, y + h k₃).
    """
    k1_y = dy_dt(t, y, W1, b1, W2, b2)
    k1_logp = dlogp_dt(t, y, W1, b1, W2)
    y2 = y + H / 2 * k1_y
    k2_y = dy_dt(t + H / 2, y2, W1, b1, W2, b2)
    k2_logp = dlogp_dt(t + H / 2, y2, W1, b1, W2)
    y3 = y + H / 2 * k2_y
    k3_y = dy_dt(t + H / 2, y3, W1, b1, W2, b2)
    k3_logp = dlogp_dt(t + H / 2, y3, W1, b1, W2)
    y4 = y + H * k3_y
    k4_y = dy_dt(t + H, y4, W1, b1, W2, b2)
    k4_logp = dlogp_dt(t + H, y4, W1, b1, W2)
    return (
        y + H / 6 * (k1_y + 2 * k2_y + 2 * k3_y + k4_y),
        logp + H / 6 * (k1_logp + 2 * k2_logp + 2 * k3_logp + k4_logp),
    )


def reverse_step(
    y: Array, t: Array, W1: Array, b1: Array, W2: Array, b2: Array
) -> Array:
    """Classical Runge–Kutta 4 from t + h to t: the step by −h."""
    k1 = dy_dt(t + H, y, W1, b1, W2, b2)
    k2 = dy_dt(t + H / 2, y - H / 2 * k1, W1, b1, W2, b2)
    k3 = dy_dt(t + H / 2, y - H / 2 * k2, W1, b1, W2, b2)
    k4 = dy_dt(t, y - H * k3, W1, b1, W2, b2)
    return y - H / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def layer_weights(weights: Weights) -> Layer:
    """The one layer's weights; vectors as columns."""
    check_weights(weights)
    return weights["W1"], weights["b1"][:, None], weights["W2"], weights["b2"][:, None]


def initial_state(weights: Weights, x: Array) -> Array:
    """y(0) = x; one column per example."""
    check_rows(x, FEATURES, "x")
    return x.T


def final_state(weights: Weights, x: Array) -> Array:
    """y(T), one column per example."""
    y = initial_state(weights, x)
    layer = layer_weights(weights)

    def advance(y: Array, t: Array) -> tuple[Array, None]:
        return step(y, t, *layer), None

    y, _ = jax.lax.scan(advance, y, H * jnp.arange(STEPS, dtype=x.dtype))
    return y


def trajectory(weights: Weights, x: Array) -> Array:
    """y at t_0, …, t_N: (N + 1, s, 2)."""
    y = initial_state(weights, x)
    layer = layer_weights(weights)

    def advance(y: Array, t: Array) -> tuple[Array, Array]:
        y = step(y, t, *layer)
        return y, y

    _, ys = jax.lax.scan(advance, y, H * jnp.arange(STEPS, dtype=x.dtype))
    ys = jnp.concatenate([y[None], ys])
    return ys.mT


def vector_field(weights: Weights, t: float, y: Array) -> Array:
    """f(t, y), rows (s, 2) in and out."""
    check_rows(y, STATES, "y")
    layer = layer_weights(weights)
    time = jnp.asarray(t, y.dtype)
    y = y.T
    return dy_dt(time, y, *layer).T


def divergence(weights: Weights, t: float, y: Array) -> Array:
    """tr ∂f/∂y of rows (s, 2): (s,)."""
    check_rows(y, STATES, "y")
    W1, b1, W2, _ = layer_weights(weights)
    time = jnp.asarray(t, y.dtype)
    y = y.T
    rate = dlogp_dt(time, y, W1, b1, W2)
    return -rate[0]


def density_state(weights: Weights, x: Array) -> FlowState:
    """y(T), and log p(y(T)) − log p(y(0)); one column per example."""
    y = initial_state(weights, x)
    logp = jnp.zeros((1, y.shape[1]), y.dtype)
    layer = layer_weights(weights)

    def advance(state: FlowState, t: Array) -> tuple[FlowState, None]:
        return density_step(*state, t, *layer), None

    (y, logp), _ = jax.lax.scan(
        advance, (y, logp), H * jnp.arange(STEPS, dtype=x.dtype)
    )
    return y, logp


def log_density(weights: Weights, x: Array) -> Array:
    """log p(x) = log N(y(T); 0, I) + ∫ tr ∂f/∂y dt of each row: (s,)."""
    check_rows(x, FEATURES, "x")
    y, logp = density_state(weights, x)
    log_p = -(y**2).sum(axis=0, keepdims=True) / 2 - NORMALIZER - logp
    return log_p[0]


def sample(weights: Weights, z: Array) -> Array:
    """Rows z of the base, which is y(T), as rows of the data: (s, 2)."""
    check_rows(z, FEATURES, "z")
    y = initial_state(weights, z)
    layer = layer_weights(weights)

    def advance(y: Array, t: Array) -> tuple[Array, None]:
        return reverse_step(y, t, *layer), None

    y, _ = jax.lax.scan(advance, y, H * jnp.arange(STEPS, dtype=z.dtype), reverse=True)
    return y.T


def forward(weights: Weights, x: Array) -> Array:
    """y(T), one row per example."""
    return final_state(weights, x).T


def loss(weights: Weights, x: Array) -> Array:
    """Mean over the examples of −log p(x)."""
    return -log_density(weights, x).mean()


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    print(__doc__)
    file = Path(__file__).with_name("density.safetensors")
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
