"""series-blocks: q' = p; p' = −(sin(t) 0.2 + w₂ sin(q)),  0 ≤ t ≤ T.

Vector field   custom, q ∈ ℝ¹, p ∈ ℝ¹, from H = ½ (Σ (p²)) − w₂ (Σ cos(q)) + 0.2 (Σ q)
               sin(t)
Integrator     Störmer–Verlet (kick–drift–kick), order 2
               N = 10 steps of h = T/N = 2/10 = 0.2
Weights        one weight shared by all steps; 1 numbers
Observed       [q; p] at the times of the data, each series from its first; ½ mean
               squared error
Stability      nothing is known of the spectrum by construction

Written by wellposed 0.1.0 (JAX) from the spec series-blocks, ab226861.
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
SIZE_Q = 1  # components of q
SIZE_P = 1  # components of p
HORIZON, STEPS = 2, 10  # T, N
H = HORIZON / STEPS  # h = T/N


def init(seed: int = 2) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "w2": np.array(1.3, dtype=np.float64),
    }
    return {name: value.astype("float64") for name, value in weights.items()}


def check_rows(rows: Array, columns: int, name: str) -> None:
    """Refuse what is not one row for each example."""
    if rows.ndim != 2 or rows.shape[1] != columns:
        raise ValueError(f"{name} is {rows.shape}, not (s, {columns})")


def check_weights(weights: Weights) -> None:
    """Refuse weights of another network, or of another number of steps."""
    shapes = {
        "w2": (),
    }
    found = {name: value.shape for name, value in weights.items()}
    if found != shapes:
        raise ValueError(f"weights are {found}, not {shapes}")


def check_series(values: Array, times: Array) -> None:
    """Refuse what is not one row of channels for each time of each series."""
    given, wanted = values.shape, (*times.shape, FEATURES)
    if given != wanted:
        raise ValueError(f"values are {given}, not {wanted} as the times are")


def grid_of(times: np.ndarray) -> np.ndarray:
    """0, h, 2 h, … up to the last of the times (L, s) since the first."""
    steps = np.ceil((times - times[0]).max() / H - 1e-6)
    return H * np.arange(max(steps, 1) + 1, dtype=times.dtype)


def dq_dt(p: Array) -> Array:
    """q' = p."""
    return p


def dp_dt(t: Array, q: Array, w2: Array) -> Array:
    """p' = −(sin(t) 0.2 + w₂ sin(q))."""
    return -(jnp.sin(t) * 0.2 + w2 * jnp.sin(q))


def step(q: Array, p: Array, t: Array, w2: Array) -> State:
    """Störmer–Verlet (kick–drift–kick):
    p + h/2 p'(q), then q + h q'(p), then p + h/2 p'(q) with the new q.
    """
    p = p + H / 2 * dp_dt(t, q, w2)
    q = q + H * dq_dt(p)
    p = p + H / 2 * dp_dt(t + H, q, w2)
    return q, p


def layer_weights(weights: Weights) -> Array:
    """The one layer's weights."""
    check_weights(weights)
    return weights["w2"]


def initial_state(weights: Weights, x: Array) -> State:
    """(q(0), p(0)) = x; one column per example."""
    check_rows(x, FEATURES, "x")
    columns = x.T
    return columns[:SIZE_Q], columns[SIZE_Q:]


def trajectory(weights: Weights, x: Array) -> Array:
    """(q, p) at t_0, …, t_N: (N + 1, s, 2)."""
    q, p = initial_state(weights, x)
    layer = layer_weights(weights)
    u1 = H * jnp.arange(STEPS, dtype=x.dtype)

    def advance(state: State, t: Array) -> tuple[State, State]:
        state = step(*state, t, layer)
        return state, state

    _, (qs, ps) = jax.lax.scan(
        advance, (q, p), jnp.zeros((1, q.shape[1]), q.dtype) + u1[..., None, None]
    )
    qs = jnp.concatenate([q[None], qs])
    ps = jnp.concatenate([p[None], ps])
    return jnp.concatenate([qs, ps], axis=1).mT


def vector_field(weights: Weights, t: float, y: Array) -> Array:
    """f(t, y), rows (s, 2) in and out."""
    check_rows(y, SIZE_Q + SIZE_P, "y")
    layer = layer_weights(weights)
    time = jnp.asarray(t, y.dtype)
    columns = y.T
    q = columns[:SIZE_Q]
    p = columns[SIZE_Q:]
    dy = dp_dt(jnp.broadcast_to(time, (1, q.shape[1])), q, layer)
    return jnp.concatenate([dq_dt(p), dy]).T


def path(weights: Weights, x: Array, start: Array, grid: Array) -> State:
    """(q, p) at the times of a grid, from rows x at the first of them."""
    q, p = initial_state(weights, x)
    layer = layer_weights(weights)

    def advance(state: State, t: Array) -> tuple[State, State]:
        state = step(*state, t, layer)
        return state, state

    _, (qs, ps) = jax.lax.scan(advance, (q, p), start + grid[:-1][..., None, None])
    qs = jnp.concatenate([q[None], qs])
    ps = jnp.concatenate([p[None], ps])
    return qs, ps


def between(theta: Array, left: Array, right: Array, f: Array, g: Array) -> Array:
    """A part θ of a step behind its beginning: the cubic with these ends and slopes."""
    u1 = right - left
    u2 = theta - 1
    return left + theta * (u1 + u2 * ((1 - 2 * theta) * u1 + H * (u2 * f + theta * g)))


def states(weights: Weights, values: Array, times: Array, grid: Array) -> State:
    """(q, p) at the times of the observations, each series from its first: one
    column each, those of the first time before the others.
    """
    start = times[0][None]
    since = (times - times[0])[:, None]
    qs, ps = path(weights, values[0], start, grid)
    layer = layer_weights(weights)
    j = jnp.searchsorted(grid[1:-1], since, side="right")
    u1 = (since - jnp.take_along_axis(grid[..., None, None], j, axis=0)) / H
    theta = u1[:, 0].reshape(-1)[None]
    q_left = jnp.take_along_axis(qs, j, axis=0).mT.reshape(-1, 1).T
    p_left = jnp.take_along_axis(ps, j, axis=0).mT.reshape(-1, 1).T
    q_right = jnp.take_along_axis(qs, j + 1, axis=0).mT.reshape(-1, 1).T
    p_right = jnp.take_along_axis(ps, j + 1, axis=0).mT.reshape(-1, 1).T
    u2 = start + jnp.take_along_axis(grid[..., None, None], j, axis=0)
    t = u2[:, 0].reshape(-1)[None]
    q = between(theta, q_left, q_right, dq_dt(p_left), dq_dt(p_right))
    p = between(
        theta, p_left, p_right, dp_dt(t, q_left, layer), dp_dt(t + H, q_right, layer)
    )
    return q, p


def forward(weights: Weights, values: Array, times: Array, grid: Array) -> Array:
    """[q; p] at the times of the observations.
    Values are (L, s, 2), NaN where one is missing, but for the first;
    times (L, s), behind the end of a series its last; grid = grid_of(times).
    """
    check_series(values, times)
    q, p = states(weights, values, times, grid)
    return jnp.concatenate([q, p]).T.reshape(values.shape)


def loss(weights: Weights, values: Array, times: Array, grid: Array) -> Array:
    """½ the mean of (predicted − observed)² over all that was observed."""
    predicted = forward(weights, values, times, grid)
    known = (~jnp.isnan(values)).astype(values.dtype)
    error = known * (predicted - jnp.where(jnp.isnan(values), 0, values))
    return (error**2).sum() / (2 * known.sum())


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    print(__doc__)
    file = Path(__file__).with_name("series_blocks.safetensors")
    arrays = load_file(file) if file.exists() else init()
    count = sum(value.size for value in arrays.values())
    origin = file.name if file.exists() else f"init(), as there is no {file.name} here"
    print(f"{count:,} weights of {origin}:", {n: v.shape for n, v in arrays.items()})
    random = np.random.default_rng(0)
    values = random.normal(size=(5, 8, FEATURES)).astype("float64")
    times = np.sort(HORIZON * random.random((5, 8)), axis=0).astype("float64")
    grid = grid_of(times)
    weights = {name: jnp.asarray(value) for name, value in arrays.items()}
    value, gradient = jax.value_and_grad(loss)(
        weights, jnp.asarray(values), jnp.asarray(times), jnp.asarray(grid)
    )
    norm = sum(float(jnp.square(g).sum()) for g in gradient.values()) ** 0.5
    print(f"loss {float(value):.6g}, gradient norm {norm:.6g} on 8 examples")


if __name__ == "__main__":
    main()
