"""density-jumps: y' = tanh(K z) − sin(y); z' = Kᵀ y + tanh(a ⊙ z) z[0] + t,  0 ≤ t ≤ T.

Vector field   custom, y ∈ ℝ¹, z ∈ ℝ²
Integrator     Dormand–Prince 5(4), order 5
               T = 1, 4 solves of h = T/N = 0.25, one for each weight; rtol 1e-05, atol
               1e-07, at most 4,096 steps
Weights        linear in time between N + 1 nodes; 20 numbers
Log-density    log N(y(T); 0, I) + ∫ tr ∂f/∂y dt; the trace the mean of εᵀ (∂f/∂y) ε
               over 1 rademacher vector for a row and a solve
Stability      nothing is known of the spectrum by construction

Written by wellposed 0.1.0 (JAX) from the spec density-jumps, 246f415a.
It imports nothing of wellposed: change the spec and compile again, or own this file.
"""

from collections.abc import Callable
from pathlib import Path
from typing import cast

import jax
import jax.numpy as jnp
import numpy as np
from diffrax import RESULTS, Dopri5, ODETerm, PIDController, SaveAt, diffeqsolve
from jax import Array
from safetensors.numpy import load_file

jax.config.update("jax_enable_x64", True)  # else JAX computes in float32

Weights = dict[str, Array]
FlowState = tuple[Array, Array, Array]
Layer = tuple[Array, ...]

FEATURES = 3  # d
STATES = 1  # n
MOMENTA = 2  # m
MAX_STEPS = 4096  # of a solve, which fails with more
HORIZON, STEPS = 1, 4  # T, N
H = HORIZON / STEPS  # h = T/N
RTOL = 1e-05  # of a step: relative
ATOL = 1e-07  # and absolute
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


def largest_rms(error: Array) -> Array:
    """The RMS over the state, of the row where it is largest: no row is solved worse
    for others.
    """
    return jnp.sqrt(jnp.mean(error**2, axis=0)).max()


def integrate(
    field: Callable[..., Array], y: Array, times: Array, *weights: Array
) -> Array:
    """y at these times, y' = field(t, y, *weights), by Dormand–Prince 5(4) of
    diffrax. NaN where it gives up.
    """
    solution = diffeqsolve(
        ODETerm(lambda t, y, weights: field(t, y, *weights)),
        Dopri5(),
        t0=times[0],
        t1=times[-1],
        dt0=None,
        y0=y,
        args=weights,
        saveat=SaveAt(ts=times),
        stepsize_controller=PIDController(rtol=RTOL, atol=ATOL, norm=largest_rms),
        max_steps=MAX_STEPS,
        throw=False,
    )
    ys = cast(Array, solution.ys)
    return jnp.where(solution.result == RESULTS.successful, ys, jnp.nan)


def dy_dt(y: Array, z: Array, K: Array) -> Array:
    """y' = tanh(K z) − sin(y)."""
    return jnp.tanh(K @ z) - jnp.sin(y)


def dz_dt(t: Array, y: Array, z: Array, K: Array, a: Array) -> Array:
    """z' = Kᵀ y + tanh(a ⊙ z) z[0] + t."""
    return K.T @ y + jnp.tanh(a * z) * z[0:1] + t


def dlogp_dt(y: Array, z: Array, a: Array, probes: Array) -> Array:
    """(log p)' = −tr ∂f/∂y, the mean of εᵀ (∂f/∂y) ε over 1 rademacher vector for a
    row and a solve.
    """
    u1 = jnp.tanh(a * z)
    u2 = u1 * probes[..., STATES:, :][..., :1, :].sum(axis=1, keepdims=True)
    u3 = probes[..., :STATES, :] * (jnp.cos(y) * probes[..., :STATES, :])
    u4 = z[0:1] * ((1 - u1**2) * (a * probes[..., STATES:, :])) + u2
    u5 = (probes[..., STATES:, :] * u4).sum(axis=1, keepdims=True)
    return -((-u3).sum(axis=1, keepdims=True) + u5).sum(axis=0)


def slopes(
    t: Array,
    state: Array,
    t_j: Array,
    K_start: Array,
    a_start: Array,
    K_end: Array,
    a_end: Array,
) -> Array:
    """(y', z') of the stacked state at t_j + θ h, weights linear between both ends
    of the step.
    """
    theta = (t - t_j) / H
    K = (1 - theta) * K_start + theta * K_end
    a = ((1 - theta) * a_start + theta * a_end)[:, None]
    y = state[:STATES]
    z = state[STATES:]
    return jnp.concatenate([dy_dt(y, z, K), dz_dt(t, y, z, K, a)])


def step(state: Array, t: Array, start: Layer, end: Layer, h: float) -> Array:
    """Dormand–Prince 5(4) over a step, in as many of its own as it needs."""
    states = integrate(
        slopes, state, t + jnp.array([0.0, h], state.dtype), t, *start, *end
    )
    return states[-1]


def density_slopes(
    t: Array,
    state: Array,
    t_j: Array,
    K_start: Array,
    a_start: Array,
    K_end: Array,
    a_end: Array,
    probes: Array,
) -> Array:
    """(y', z', logp') of the stacked state at t_j + θ h, weights linear between both
    ends of the step; what they have in common is computed once.
    """
    theta = (t - t_j) / H
    K = (1 - theta) * K_start + theta * K_end
    a = ((1 - theta) * a_start + theta * a_end)[:, None]
    y = state[:STATES]
    z = state[STATES : STATES + MOMENTA]
    u1 = jnp.tanh(a * z)
    u2 = u1 * probes[..., STATES:, :][..., :1, :].sum(axis=1, keepdims=True)
    u3 = probes[..., :STATES, :] * (jnp.cos(y) * probes[..., :STATES, :])
    u4 = z[0:1] * ((1 - u1**2) * (a * probes[..., STATES:, :])) + u2
    u5 = (probes[..., STATES:, :] * u4).sum(axis=1, keepdims=True)
    u6 = ((-u3).sum(axis=1, keepdims=True) + u5).sum(axis=0)
    u7 = jnp.tanh(K @ z) - jnp.sin(y)
    return jnp.concatenate([u7, K.T @ y + u1 * z[0:1] + t, -u6])


def density_step(
    state: Array, t: Array, start: Layer, end: Layer, probes: Array, h: float
) -> Array:
    """Dormand–Prince 5(4) over a step, in as many of its own as it needs."""
    states = integrate(
        density_slopes,
        state,
        t + jnp.array([0.0, h], state.dtype),
        t,
        *start,
        *end,
        probes,
    )
    return states[-1]


def reverse_step(state: Array, t: Array, start: Layer, end: Layer, h: float) -> Array:
    """Dormand–Prince 5(4) over a step, from its end back, in as many of its own as
    it needs.
    """
    states = integrate(
        slopes, state, t + jnp.array([h, 0.0], state.dtype), t, *start, *end
    )
    return states[-1]


def layer_weights(weights: Weights) -> tuple[Layer, Layer]:
    """The weights of all steps."""
    check_weights(weights)
    start = (weights["K"][:-1], weights["a"][:-1])
    end = (weights["K"][1:], weights["a"][1:])
    return start, end


def weights_at(weights: Weights, t: float) -> Layer:
    """Weights interpolated at t."""
    j = step_of(t)
    theta = t / H - j
    return (
        (1 - theta) * weights["K"][j] + theta * weights["K"][j + 1],
        ((1 - theta) * weights["a"][j] + theta * weights["a"][j + 1])[:, None],
    )


def initial_state(weights: Weights, x: Array) -> Array:
    """(y(0), z(0)) = x; one column per example."""
    check_rows(x, FEATURES, "x")
    columns = x.T
    return jnp.concatenate([columns[:STATES], columns[STATES:]])


def final_state(weights: Weights, x: Array) -> Array:
    """y(T), one column per example."""
    state = initial_state(weights, x)
    starts, ends = layer_weights(weights)

    def advance(state: Array, layer: tuple[Array, Layer, Layer]) -> tuple[Array, None]:
        return step(state, *layer, h=H), None

    state, _ = jax.lax.scan(
        advance, state, (H * jnp.arange(STEPS, dtype=x.dtype), starts, ends)
    )
    return state[:STATES]


def trajectory(weights: Weights, x: Array) -> Array:
    """(y, z) at t_0, …, t_N: (N + 1, s, 3)."""
    state = initial_state(weights, x)
    starts, ends = layer_weights(weights)

    def advance(state: Array, layer: tuple[Array, Layer, Layer]) -> tuple[Array, Array]:
        state = step(state, *layer, h=H)
        return state, state

    _, states = jax.lax.scan(
        advance, state, (H * jnp.arange(STEPS, dtype=x.dtype), starts, ends)
    )
    states = jnp.concatenate([state[None], states])
    return states.mT


def vector_field(weights: Weights, t: float, y: Array) -> Array:
    """f(t, y), rows (s, 3) in and out, with weights interpolated at t."""
    check_rows(y, STATES + MOMENTA, "y")
    K, a = weights_at(weights, t)
    time = jnp.asarray(t, y.dtype)
    columns = y.T
    y = columns[:STATES]
    z = columns[STATES:]
    return jnp.concatenate([dy_dt(y, z, K), dz_dt(time, y, z, K, a)]).T


def divergence(weights: Weights, t: float, y: Array, probes: Array) -> Array:
    """tr ∂f/∂y of rows (s, 3): (s,); probes are (1, s, 3)."""
    check_rows(y, STATES + MOMENTA, "y")
    _, a = weights_at(weights, t)
    columns = y.T
    y = columns[:STATES]
    z = columns[STATES:]
    rate = dlogp_dt(y, z, a, probes.mT)
    return -rate[0]


def density_state(weights: Weights, x: Array, probes: Array) -> FlowState:
    """y(T), and log p(y(T)) − log p(y(0)); one column per example."""
    state = initial_state(weights, x)
    logp = jnp.zeros((1, state.shape[1]), state.dtype)
    starts, ends = layer_weights(weights)
    columns = probes.mT
    state = jnp.concatenate([state, logp])

    def advance(state: Array, layer: tuple[Array, Layer, Layer]) -> tuple[Array, None]:
        return density_step(state, *layer, probes=columns, h=H), None

    state, _ = jax.lax.scan(
        advance, state, (H * jnp.arange(STEPS, dtype=x.dtype), starts, ends)
    )
    return state[:STATES], state[STATES : STATES + MOMENTA], state[3:4]


def log_density(weights: Weights, x: Array, probes: Array) -> Array:
    """log p(x) = log N(y(T); 0, I) + ∫ tr ∂f/∂y dt of each row: (s,); probes are (1,
    s, 3).
    """
    check_rows(x, FEATURES, "x")
    y, z, logp = density_state(weights, x, probes)
    u1 = (y**2).sum(axis=0, keepdims=True) + (z**2).sum(axis=0, keepdims=True)
    log_p = -u1 / 2 - NORMALIZER - logp
    return log_p[0]


def sample(weights: Weights, z: Array) -> Array:
    """Rows z of the base, which is y(T), as rows of the data: (s, 3)."""
    check_rows(z, FEATURES, "z")
    state = initial_state(weights, z)
    starts, ends = layer_weights(weights)

    def advance(state: Array, layer: tuple[Array, Layer, Layer]) -> tuple[Array, None]:
        return reverse_step(state, *layer, h=H), None

    state, _ = jax.lax.scan(
        advance,
        state,
        (H * jnp.arange(STEPS, dtype=z.dtype), starts, ends),
        reverse=True,
    )
    return state.T


def forward(weights: Weights, x: Array) -> Array:
    """y(T), one row per example."""
    return final_state(weights, x).T


def loss(weights: Weights, x: Array, probes: Array) -> Array:
    """Mean over the examples of −log p(x)."""
    return -log_density(weights, x, probes).mean()


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    print(__doc__)
    file = Path(__file__).with_name("density_jumps.safetensors")
    arrays = load_file(file) if file.exists() else init()
    count = sum(value.size for value in arrays.values())
    origin = file.name if file.exists() else f"init(), as there is no {file.name} here"
    print(f"{count:,} weights of {origin}:", {n: v.shape for n, v in arrays.items()})
    random = np.random.default_rng(0)
    x = random.normal(size=(8, FEATURES)).astype("float64")
    probes = random.choice((-1.0, 1.0), (1, *x.shape)).astype("float64")
    weights = {name: jnp.asarray(value) for name, value in arrays.items()}
    value, gradient = jax.value_and_grad(loss)(
        weights, jnp.asarray(x), jnp.asarray(probes)
    )
    norm = sum(float(jnp.square(g).sum()) for g in gradient.values()) ** 0.5
    print(f"loss {float(value):.6g}, gradient norm {norm:.6g} on 8 examples")


if __name__ == "__main__":
    main()
