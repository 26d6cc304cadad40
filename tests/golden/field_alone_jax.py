"""field-alone: y' = −Kᵀ z; z' = tanh(K y) − s z; q' = A q + s (Σ y) − t,  0 ≤ t ≤ T.

Vector field   custom, y ∈ ℝ³, z ∈ ℝ², q ∈ ℝ⁴
Integrator     explicit midpoint, order 2
               N = 3 steps of h = T/N = 1/3 = 0.333333
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

jax.config.update("jax_enable_x64", True)  # else JAX computes in float32

Weights = dict[str, Array]
State = tuple[Array, Array, Array]
Layer = tuple[Array, ...]

FEATURES = 3  # d
STATES = 3  # n
MOMENTA = 2  # m
SIZE_Q = 4  # components of q
HORIZON, STEPS = 1, 3  # T, N
H = HORIZON / STEPS  # h = T/N


def rng(seed: int, name: str) -> np.random.Generator:
    """A generator for every weight: they do not depend on each other."""
    return np.random.default_rng([seed, *name.encode()])


def init(seed: int = 1) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "K": np.repeat(
            rng(seed, "K").normal(0.0, STATES**-0.5, (1, MOMENTA, STATES)),
            STEPS + 1,
            axis=0,
        ),
        "A": np.repeat(
            rng(seed, "A").normal(0.0, SIZE_Q**-0.5, (1, SIZE_Q, SIZE_Q)),
            STEPS + 1,
            axis=0,
        ),
        "s": np.zeros(STEPS + 1),
    }
    return {name: value.astype("float64") for name, value in weights.items()}


def check_rows(rows: Array, columns: int, name: str) -> None:
    """Refuse what is not one row for each example."""
    if rows.ndim != 2 or rows.shape[1] != columns:
        raise ValueError(f"{name} is {rows.shape}, not (s, {columns})")


def check_weights(weights: Weights) -> None:
    """Refuse weights of another network, or of another number of steps."""
    shapes = {
        "K": (STEPS + 1, MOMENTA, STATES),
        "A": (STEPS + 1, SIZE_Q, SIZE_Q),
        "s": (STEPS + 1,),
    }
    found = {name: value.shape for name, value in weights.items()}
    if found != shapes:
        raise ValueError(f"weights are {found}, not {shapes}")


def step_of(t: float | Array) -> Array:
    """The step j with t_j ≤ t < t_{j+1}, at T the last; t_j may be rounded down."""
    rounding = 1e-9 + 4 * jnp.finfo(jnp.result_type(float)).eps * t / H
    return jnp.floor(t / H + rounding).astype(int).clip(0, STEPS - 1)


def dy_dt(z: Array, K: Array) -> Array:
    """y' = −Kᵀ z."""
    return -K.T @ z


def dz_dt(y: Array, z: Array, K: Array, s: Array) -> Array:
    """z' = tanh(K y) − s z."""
    return jnp.tanh(K @ y) - s * z


def dq_dt(t: Array, y: Array, q: Array, A: Array, s: Array) -> Array:
    """q' = A q + s (Σ y) − t."""
    return A @ q + s * y.sum(axis=0, keepdims=True) - t


def step(y: Array, z: Array, q: Array, t: Array, start: Layer, mid: Layer) -> State:
    """Explicit midpoint: y + h k₂; k₁ = f(t, y), k₂ = f(t + h/2, y + h/2 k₁)."""
    K_start, A_start, s_start = start
    K_mid, A_mid, s_mid = mid
    k1_y = dy_dt(z, K_start)
    k1_z = dz_dt(y, z, K_start, s_start)
    k1_q = dq_dt(t, y, q, A_start, s_start)
    y2 = y + H / 2 * k1_y
    z2 = z + H / 2 * k1_z
    q2 = q + H / 2 * k1_q
    k2_y = dy_dt(z2, K_mid)
    k2_z = dz_dt(y2, z2, K_mid, s_mid)
    k2_q = dq_dt(t + H / 2, y2, q2, A_mid, s_mid)
    return y + H * k2_y, z + H * k2_z, q + H * k2_q


def layer_weights(weights: Weights) -> tuple[Layer, Layer]:
    """The weights of all steps."""
    check_weights(weights)
    start = (weights["K"][:-1], weights["A"][:-1], weights["s"][:-1])
    mid = (
        (weights["K"][:-1] + weights["K"][1:]) / 2,
        (weights["A"][:-1] + weights["A"][1:]) / 2,
        (weights["s"][:-1] + weights["s"][1:]) / 2,
    )
    return start, mid


def weights_at(weights: Weights, t: float) -> Layer:
    """Weights interpolated at t."""
    j = step_of(t)
    theta = t / H - j
    return (
        (1 - theta) * weights["K"][j] + theta * weights["K"][j + 1],
        (1 - theta) * weights["A"][j] + theta * weights["A"][j + 1],
        (1 - theta) * weights["s"][j] + theta * weights["s"][j + 1],
    )


def initial_state(weights: Weights, x: Array) -> State:
    """y(0) = x, z(0) = 0, q(0) = 0; one column per example."""
    check_rows(x, FEATURES, "x")
    return (
        x.T,
        jnp.zeros((MOMENTA, x.shape[0]), x.dtype),
        jnp.zeros((SIZE_Q, x.shape[0]), x.dtype),
    )


def final_state(weights: Weights, x: Array) -> Array:
    """y(T), one column per example."""
    y, z, q = initial_state(weights, x)
    starts, mids = layer_weights(weights)

    def advance(state: State, layer: tuple[Array, Layer, Layer]) -> tuple[State, None]:
        return step(*state, *layer), None

    (y, _, _), _ = jax.lax.scan(
        advance, (y, z, q), (H * jnp.arange(STEPS, dtype=x.dtype), starts, mids)
    )
    return y


def trajectory(weights: Weights, x: Array) -> Array:
    """(y, z, q) at t_0, …, t_N: (N + 1, s, 9)."""
    y, z, q = initial_state(weights, x)
    starts, mids = layer_weights(weights)

    def advance(state: State, layer: tuple[Array, Layer, Layer]) -> tuple[State, State]:
        state = step(*state, *layer)
        return state, state

    _, (ys, zs, qs) = jax.lax.scan(
        advance, (y, z, q), (H * jnp.arange(STEPS, dtype=x.dtype), starts, mids)
    )
    ys = jnp.concatenate([y[None], ys])
    zs = jnp.concatenate([z[None], zs])
    qs = jnp.concatenate([q[None], qs])
    return jnp.concatenate([ys, zs, qs], axis=1).mT


def vector_field(weights: Weights, t: float, y: Array) -> Array:
    """f(t, y), rows (s, 9) in and out, with weights interpolated at t."""
    check_rows(y, STATES + MOMENTA + SIZE_Q, "y")
    K, A, s = weights_at(weights, t)
    time = jnp.asarray(t, y.dtype)
    columns = y.T
    y = columns[:STATES]
    z = columns[STATES : STATES + MOMENTA]
    q = columns[STATES + MOMENTA :]
    return jnp.concatenate([dy_dt(z, K), dz_dt(y, z, K, s), dq_dt(time, y, q, A, s)]).T


def forward(weights: Weights, x: Array) -> Array:
    """y(T), one row per example."""
    return final_state(weights, x).T


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    print(__doc__)
    file = Path(__file__).with_name("field_alone.safetensors")
    arrays = load_file(file) if file.exists() else init()
    count = sum(value.size for value in arrays.values())
    origin = file.name if file.exists() else f"init(), as there is no {file.name} here"
    print(f"{count:,} weights of {origin}:", {n: v.shape for n, v in arrays.items()})
    random = np.random.default_rng(0)
    x = random.normal(size=(8, FEATURES)).astype("float64")
    weights = {name: jnp.asarray(value) for name, value in arrays.items()}
    print(f"y(T) = {forward(weights, jnp.asarray(x))}")


if __name__ == "__main__":
    main()
