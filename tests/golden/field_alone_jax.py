"""field-alone: y' = −Kᵀ z; z' = tanh(K y) − s z; q' = A q + s (Σ y) − t,  0 <= t <= T.

Vector field   custom, y in R^3, z in R^2, q in R^4
Integrator     explicit midpoint, N = 3 steps of h = T/N = 1/3 = 0.333333
Weights        linear in time between N + 1 nodes; 92 numbers
Stability      nothing is known of the spectrum by construction

Written by wellposed 0.1.0 (JAX) from the spec field-alone, e759ca61.
It imports nothing of wellposed: change the spec and compile again, or own this file.
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from safetensors.numpy import load_file

Weights = dict[str, Array]
State = tuple[Array, Array, Array]
Layer = tuple[Array, ...]

FEATURES = 3  # d
HORIZON, STEPS = 1, 3  # T, N
H = HORIZON / STEPS  # h


def stream(seed: int, name: str) -> np.random.Generator:
    """A stream of its own for every weight: they do not depend on each other."""
    return np.random.default_rng([seed, *name.encode()])


def init(seed: int = 1) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "K": np.repeat(
            stream(seed, "K").normal(0.0, 3**-0.5, (2, 3))[None], STEPS + 1, axis=0
        ),
        "A": np.repeat(
            stream(seed, "A").normal(0.0, 4**-0.5, (4, 4))[None], STEPS + 1, axis=0
        ),
        "s": np.zeros(STEPS + 1),
    }
    return {name: value.astype("float64") for name, value in weights.items()}


def dy_dt(z: Array, K: Array) -> Array:
    """y' = −Kᵀ z."""
    return -K.T @ z


def dz_dt(y: Array, z: Array, K: Array, s: Array) -> Array:
    """z' = tanh(K y) − s z."""
    return jnp.tanh(K @ y) - s * z


def dq_dt(t: Array, y: Array, q: Array, A: Array, s: Array) -> Array:
    """q' = A q + s (Σ y) − t."""
    return A @ q + s * y.sum(axis=0, keepdims=True) - t


def step(
    y: Array,
    z: Array,
    q: Array,
    t: Array,
    K_start: Array,
    A_start: Array,
    s_start: Array,
    K_mid: Array,
    A_mid: Array,
    s_mid: Array,
) -> State:
    """Explicit midpoint: k₂ = f(t + h/2, y + h/2 k₁), y + h k₂."""
    k1_y = dy_dt(z, K_start)
    k1_z = dz_dt(y, z, K_start, s_start)
    k1_q = dq_dt(t, y, q, A_start, s_start)
    k2_y = dy_dt(z + H / 2 * k1_z, K_mid)
    k2_z = dz_dt(y + H / 2 * k1_y, z + H / 2 * k1_z, K_mid, s_mid)
    k2_q = dq_dt(t + H / 2, y + H / 2 * k1_y, q + H / 2 * k1_q, A_mid, s_mid)
    return y + H * k2_y, z + H * k2_z, q + H * k2_q


def operands(weights: Weights) -> tuple[Array, ...]:
    """The weights of all steps."""
    K_start = weights["K"][:-1]
    A_start = weights["A"][:-1]
    s_start = weights["s"][:-1]
    K_mid = (weights["K"][:-1] + weights["K"][1:]) / 2
    A_mid = (weights["A"][:-1] + weights["A"][1:]) / 2
    s_mid = (weights["s"][:-1] + weights["s"][1:]) / 2
    return K_start, A_start, s_start, K_mid, A_mid, s_mid


def initial_state(weights: Weights, x: Array) -> State:
    """y(0) = x, z(0) = 0, q(0) = 0; one column per example."""
    y = x.T
    z = jnp.zeros((2, x.shape[0]), x.dtype)
    q = jnp.zeros((4, x.shape[0]), x.dtype)
    return y, z, q


def final_state(weights: Weights, x: Array) -> Array:
    """y(T), one column per example."""
    start = initial_state(weights, x)

    def advance(state: State, layer: Layer) -> tuple[State, None]:
        state = step(*state, *layer)
        return state, None

    layers = (H * jnp.arange(STEPS, dtype=x.dtype), *operands(weights))
    state, _ = jax.lax.scan(advance, start, layers)
    return state[0]


def trajectory(weights: Weights, x: Array) -> Array:
    """(y, z, q) at t_0, ..., t_N: (N + 1, s, 9)."""
    start = initial_state(weights, x)

    def advance(state: State, layer: Layer) -> tuple[State, State]:
        state = step(*state, *layer)
        return state, state

    layers = (H * jnp.arange(STEPS, dtype=x.dtype), *operands(weights))
    _, path = jax.lax.scan(advance, start, layers)
    first = jnp.concatenate(start)
    rest = jnp.concatenate(path, axis=1)
    return jnp.concatenate([first[None], rest]).mT


def vector_field(weights: Weights, t: float, y: Array) -> Array:
    """f(t, y), rows (s, 9) in and out, with weights interpolated at t."""
    rounding = 1 + 4 * jnp.finfo(y.dtype).eps  # t_j belongs to step j
    j = jnp.floor(t / H * rounding + 1e-9).astype(int).clip(0, STEPS - 1)
    theta = t / H - j
    K = (1 - theta) * weights["K"][j] + theta * weights["K"][j + 1]
    A = (1 - theta) * weights["A"][j] + theta * weights["A"][j + 1]
    s = (1 - theta) * weights["s"][j] + theta * weights["s"][j + 1]
    time = jnp.asarray(t, y.dtype)
    columns = y.T
    y = columns[:3]
    z = columns[3:5]
    q = columns[5:]
    y_rate = dy_dt(z, K)
    z_rate = dz_dt(y, z, K, s)
    q_rate = dq_dt(time, y, q, A, s)
    return jnp.concatenate([y_rate, z_rate, q_rate]).T


def forward(weights: Weights, x: Array) -> Array:
    """y(T), one row per example."""
    return final_state(weights, x).T


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    jax.config.update("jax_enable_x64", True)
    print(__doc__)
    beside = Path(__file__).with_name("field_alone.safetensors")
    arrays = load_file(beside) if beside.exists() else init()
    count = sum(value.size for value in arrays.values())
    print(f"{count:,} weights:", {n: v.shape for n, v in arrays.items()})
    rng = np.random.default_rng(0)
    x = rng.normal(size=(8, FEATURES)).astype("float64")
    weights = {name: jnp.asarray(value) for name, value in arrays.items()}
    print(f"y(T) = {forward(weights, jnp.asarray(x))}")


if __name__ == "__main__":
    main()
