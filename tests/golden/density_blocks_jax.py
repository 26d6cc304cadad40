"""density-blocks: y' = tanh(K z) − sin(y); z' = Kᵀ y + tanh(a ⊙ z) z[0] + t,  0 ≤ t ≤
    T.

Vector field   custom, y ∈ ℝ¹, z ∈ ℝ²
Integrator     Heun, order 2
               N = 4 steps of h = T/N = 1/4 = 0.25
Weights        linear in time between N + 1 nodes; 20 numbers
Log-density    log N(y(T); 0, I) + ∫ tr ∂f/∂y dt; the trace in closed form
Stability      nothing is known of the spectrum by construction

Written by wellposed 0.1.0 (JAX) from the spec density-blocks, 6e08a46e.
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
FlowState = tuple[Array, Array, Array]
Layer = tuple[Array, ...]

FEATURES = 3  # d
STATES = 1  # n
MOMENTA = 2  # m
HORIZON, STEPS = 1, 4  # T, N
H = HORIZON / STEPS  # h = T/N
NORMALIZER = 2.756815599614018  # n/2 log 2π, of the standard normal


def rng(seed: int, name: str) -> np.random.Generator:
    """A generator for every weight: they do not depend on each other."""
    return np.random.default_rng([seed, *name.encode()])


def init(seed: int = 2) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "K": np.repeat(
            rng(seed, "K").normal(0.0, MOMENTA**-0.5, (1, STATES, MOMENTA)),
            STEPS + 1,
            axis=0,
        ),
        "a": np.zeros((STEPS + 1, MOMENTA)),
    }
    return {name: value.astype("float64") for name, value in weights.items()}


def check_rows(rows: Array, columns: int, name: str) -> None:
    """Refuse what is not one row for each example."""
    if rows.ndim != 2 or rows.shape[1] != columns:
        raise ValueError(f"{name} is {rows.shape}, not (s, {columns})")


def check_weights(weights: Weights) -> None:
    """Refuse weights of another network, or of another number of steps."""
    shapes = {
        "K": (STEPS + 1, STATES, MOMENTA),
        "a": (STEPS + 1, MOMENTA),
    }
    found = {name: value.shape for name, value in weights.items()}
    if found != shapes:
        raise ValueError(f"weights are {found}, not {shapes}")


def step_of(t: float | Array) -> Array:
    """The step j with t_j ≤ t < t_{j+1}, at T the last; t_j may be rounded down."""
    rounding = 1e-9 + 4 * jnp.finfo(jnp.result_type(float)).eps * t / H
    return jnp.floor(t / H + rounding).astype(int).clip(0, STEPS - 1)


def dy_dt(y: Array, z: Array, K: Array) -> Array:
    """y' = tanh(K z) − sin(y)."""
    return jnp.tanh(K @ z) - jnp.sin(y)


def dz_dt(t: Array, y: Array, z: Array, K: Array, a: Array) -> Array:
    """z' = Kᵀ y + tanh(a ⊙ z) z[0] + t."""
    return K.T @ y + jnp.tanh(a * z) * z[0:1] + t


def dlogp_dt(y: Array, z: Array, a: Array) -> Array:
    """(log p)' = −tr ∂f/∂y, in closed form."""
    u1 = jnp.tanh(a * z)
    u2 = z[0:1] * ((1 - u1**2) * a).sum(axis=0, keepdims=True)
    u3 = u2 + u1[:1].sum(axis=0, keepdims=True)
    return -(-jnp.cos(y).sum(axis=0, keepdims=True) + u3)


def step(y: Array, z: Array, t: Array, start: Layer, end: Layer) -> State:
    """Heun: y + h/2 (k₁ + k₂); k₁ = f(t, y), k₂ = f(t + h, y + h k₁)."""
    K_start, a_start = start
    K_end, a_end = end
    k1_y = dy_dt(y, z, K_start)
    k1_z = dz_dt(t, y, z, K_start, a_start)
    y2 = y + H * k1_y
    z2 = z + H * k1_z
    k2_y = dy_dt(y2, z2, K_end)
    k2_z = dz_dt(t + H, y2, z2, K_end, a_end)
    return y + H / 2 * (k1_y + k2_y), z + H / 2 * (k1_z + k2_z)


def density_step(
    y: Array, z: Array, logp: Array, t: Array, start: Layer, end: Layer
) -> FlowState:
    """Heun: y + h/2 (k₁ + k₂); k₁ = f(t, y), k₂ = f(t + h, y + h k₁)."""
    K_start, a_start = start
    K_end, a_end = end
    k1_y = dy_dt(y, z, K_start)
    k1_z = dz_dt(t, y, z, K_start, a_start)
    k1_logp = dlogp_dt(y, z, a_start)
    y2 = y + H * k1_y
    z2 = z + H * k1_z
    k2_y = dy_dt(y2, z2, K_end)
    k2_z = dz_dt(t + H, y2, z2, K_end, a_end)
    k2_logp = dlogp_dt(y2, z2, a_end)
    return (
        y + H / 2 * (k1_y + k2_y),
        z + H / 2 * (k1_z + k2_z),
        logp + H / 2 * (k1_logp + k2_logp),
    )


def reverse_step(y: Array, z: Array, t: Array, start: Layer, end: Layer) -> State:
    """Heun from t + h to t: the step by −h."""
    K_start, a_start = start
    K_end, a_end = end
    k1_y = dy_dt(y, z, K_end)
    k1_z = dz_dt(t + H, y, z, K_end, a_end)
    y2 = y - H * k1_y
    z2 = z - H * k1_z
    k2_y = dy_dt(y2, z2, K_start)
    k2_z = dz_dt(t, y2, z2, K_start, a_start)
    return y - H / 2 * (k1_y + k2_y), z - H / 2 * (k1_z + k2_z)


def layer_weights(weights: Weights) -> tuple[Layer, Layer]:
    """The weights of all steps; vectors as columns."""
    check_weights(weights)
    start = (weights["K"][:-1], weights["a"][:-1][..., None])
    end = (weights["K"][1:], weights["a"][1:][..., None])
    return start, end


def weights_at(weights: Weights, t: float) -> Layer:
    """Weights interpolated at t."""
    j = step_of(t)
    theta = t / H - j
    return (
        (1 - theta) * weights["K"][j] + theta * weights["K"][j + 1],
        ((1 - theta) * weights["a"][j] + theta * weights["a"][j + 1])[:, None],
    )


def initial_state(weights: Weights, x: Array) -> State:
    """(y(0), z(0)) = x; one column per example."""
    check_rows(x, FEATURES, "x")
    columns = x.T
    return columns[:STATES], columns[STATES:]


def final_state(weights: Weights, x: Array) -> Array:
    """y(T), one column per example."""
    y, z = initial_state(weights, x)
    starts, ends = layer_weights(weights)

    def advance(state: State, layer: tuple[Array, Layer, Layer]) -> tuple[State, None]:
        return step(*state, *layer), None

    (y, _), _ = jax.lax.scan(
        advance, (y, z), (H * jnp.arange(STEPS, dtype=x.dtype), starts, ends)
    )
    return y


def trajectory(weights: Weights, x: Array) -> Array:
    """(y, z) at t_0, …, t_N: (N + 1, s, 3)."""
    y, z = initial_state(weights, x)
    starts, ends = layer_weights(weights)

    def advance(state: State, layer: tuple[Array, Layer, Layer]) -> tuple[State, State]:
        state = step(*state, *layer)
        return state, state

    _, (ys, zs) = jax.lax.scan(
        advance, (y, z), (H * jnp.arange(STEPS, dtype=x.dtype), starts, ends)
    )
    ys = jnp.concatenate([y[None], ys])
    zs = jnp.concatenate([z[None], zs])
    return jnp.concatenate([ys, zs], axis=1).mT


def vector_field(weights: Weights, t: float, y: Array) -> Array:
    """f(t, y), rows (s, 3) in and out, with weights interpolated at t."""
    check_rows(y, STATES + MOMENTA, "y")
    K, a = weights_at(weights, t)
    time = jnp.asarray(t, y.dtype)
    columns = y.T
    y = columns[:STATES]
    z = columns[STATES:]
    return jnp.concatenate([dy_dt(y, z, K), dz_dt(time, y, z, K, a)]).T


def divergence(weights: Weights, t: float, y: Array) -> Array:
    """tr ∂f/∂y of rows (s, 3): (s,)."""
    check_rows(y, STATES + MOMENTA, "y")
    _, a = weights_at(weights, t)
    columns = y.T
    y = columns[:STATES]
    z = columns[STATES:]
    rate = dlogp_dt(y, z, a)
    return -rate[0]


def density_state(weights: Weights, x: Array) -> FlowState:
    """y(T), and log p(y(T)) − log p(y(0)); one column per example."""
    y, z = initial_state(weights, x)
    logp = jnp.zeros((1, y.shape[1]), y.dtype)
    starts, ends = layer_weights(weights)

    def advance(
        state: FlowState, layer: tuple[Array, Layer, Layer]
    ) -> tuple[FlowState, None]:
        return density_step(*state, *layer), None

    (y, z, logp), _ = jax.lax.scan(
        advance, (y, z, logp), (H * jnp.arange(STEPS, dtype=x.dtype), starts, ends)
    )
    return y, z, logp


def log_density(weights: Weights, x: Array) -> Array:
    """log p(x) = log N(y(T); 0, I) + ∫ tr ∂f/∂y dt of each row: (s,)."""
    check_rows(x, FEATURES, "x")
    y, z, logp = density_state(weights, x)
    u1 = (y**2).sum(axis=0, keepdims=True) + (z**2).sum(axis=0, keepdims=True)
    log_p = -u1 / 2 - NORMALIZER - logp
    return log_p[0]


def sample(weights: Weights, z: Array) -> Array:
    """Rows z of the base, which is y(T), as rows of the data: (s, 3)."""
    check_rows(z, FEATURES, "z")
    y, z = initial_state(weights, z)
    starts, ends = layer_weights(weights)

    def advance(state: State, layer: tuple[Array, Layer, Layer]) -> tuple[State, None]:
        return reverse_step(*state, *layer), None

    (y, z), _ = jax.lax.scan(
        advance,
        (y, z),
        (H * jnp.arange(STEPS, dtype=z.dtype), starts, ends),
        reverse=True,
    )
    return jnp.concatenate([y, z]).T


def forward(weights: Weights, x: Array) -> Array:
    """y(T), one row per example."""
    return final_state(weights, x).T


def loss(weights: Weights, x: Array) -> Array:
    """Mean over the examples of −log p(x)."""
    return -log_density(weights, x).mean()


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    print(__doc__)
    file = Path(__file__).with_name("density_blocks.safetensors")
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
