"""series-solve: y' = W₂ tanh(W₁ [y; t] + b₁) + b₂,  0 ≤ t ≤ T.

Vector field   mlp, y ∈ ℝ³
Integrator     Dormand–Prince 5(4), order 5
               T = 2, one solve; rtol 1e-05, atol 1e-07, at most 4,096 steps
Weights        one weight shared by all steps; 35 numbers
Observed       [y[0] + y[2]; y[1]] at the times of the data, each series from its first;
               ½ mean squared error
Stability      nothing is known of the spectrum by construction

Written by wellposed 0.1.0 (JAX) from the spec series-solve, ec854364.
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
Layer = tuple[Array, ...]

FEATURES = 2  # d
STATES = 3  # n
MAX_STEPS = 4096  # of a solve, which fails with more
HORIZON, STEPS = 2, 1  # T, N
H = HORIZON / STEPS  # h = T/N
RTOL = 1e-05  # of a step: relative
ATOL = 1e-07  # and absolute


def rng(seed: int, name: str) -> np.random.Generator:
    """A generator for every weight: they do not depend on each other."""
    return np.random.default_rng([seed, *name.encode()])


def init(seed: int = 2) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "W1": rng(seed, "W1").normal(0.0, (STATES + 1) ** -0.5, (4, STATES + 1)),
        "b1": np.zeros(4),
        "W2": rng(seed, "W2").normal(0.0, 4**-0.5, (STATES, 4)),
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
        "W1": (4, STATES + 1),
        "b1": (4,),
        "W2": (STATES, 4),
        "b2": (STATES,),
    }
    found = {name: value.shape for name, value in weights.items()}
    if found != shapes:
        raise ValueError(f"weights are {found}, not {shapes}")


def check_series(values: Array, times: Array) -> None:
    """Refuse what is not one row of channels for each time of each series."""
    given, wanted = values.shape, (*times.shape, FEATURES)
    if given != wanted:
        raise ValueError(f"values are {given}, not {wanted} as the times are")


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


def grid_of(times: np.ndarray) -> np.ndarray:
    """All times (L, s) since the first of their series, each once."""
    since = np.unique(times - times[0])
    close = 8 * np.finfo(times.dtype).eps * np.abs(times).max()
    return since[np.diff(since, prepend=-np.inf) > close]


def dy_dt(t: Array, y: Array, W1: Array, b1: Array, W2: Array, b2: Array) -> Array:
    """y' = W₂ tanh(W₁ [y; t] + b₁) + b₂."""
    return W2 @ jnp.tanh(W1 @ jnp.concatenate([y, t]) + b1) + b2


def slopes(
    t: Array, y: Array, start: Array, W1: Array, b1: Array, W2: Array, b2: Array
) -> Array:
    """y'."""
    time = start + t
    return dy_dt(time, y, W1, b1, W2, b2)


def layer_weights(weights: Weights) -> Layer:
    """The one layer's weights; vectors as columns."""
    check_weights(weights)
    return weights["W1"], weights["b1"][:, None], weights["W2"], weights["b2"][:, None]


def initial_state(weights: Weights, x: Array) -> Array:
    """y(0) = (x, 0); one column per example."""
    check_rows(x, FEATURES, "x")
    return jnp.pad(x.T, ((0, 1), (0, 0)))


def trajectory(weights: Weights, x: Array) -> Array:
    """y at t_0, …, t_N: (N + 1, s, 3)."""
    y = initial_state(weights, x)
    layer = layer_weights(weights)
    ys = integrate(
        slopes,
        y,
        H * jnp.arange(STEPS + 1, dtype=x.dtype),
        jnp.zeros((1, y.shape[1]), y.dtype),
        *layer,
    )
    return ys.mT


def solve(weights: Weights, x: Array, times: Array) -> Array:
    """The states at these times, x belongs to the first: (times, s, 3).
    The times increase or decrease; they only read the solution.
    """
    check_rows(x, FEATURES, "x")
    y = initial_state(weights, x)
    layer = layer_weights(weights)
    ys = integrate(slopes, y, times, jnp.zeros((1, y.shape[1]), y.dtype), *layer)
    return ys.mT


def vector_field(weights: Weights, t: float, y: Array) -> Array:
    """f(t, y), rows (s, 3) in and out."""
    check_rows(y, STATES, "y")
    layer = layer_weights(weights)
    time = jnp.asarray(t, y.dtype)
    y = y.T
    return dy_dt(jnp.broadcast_to(time, (1, y.shape[1])), y, *layer).T


def path(weights: Weights, x: Array, start: Array, grid: Array) -> Array:
    """y at the times of a grid, from rows x at the first of them."""
    y = initial_state(weights, x)
    layer = layer_weights(weights)
    ys = integrate(slopes, y, grid, start, *layer)
    return ys


def states(weights: Weights, values: Array, times: Array, grid: Array) -> Array:
    """y at the times of the observations, each series from its first: one column
    each, those of the first time before the others.
    """
    start = times[0][None]
    since = (times - times[0])[:, None]
    ys = path(weights, values[0], start, grid)
    places = jnp.searchsorted((grid[1:] + grid[:-1]) / 2, since)
    state = jnp.take_along_axis(ys, places, axis=0).mT.reshape(-1, 3).T
    return state


def forward(weights: Weights, values: Array, times: Array, grid: Array) -> Array:
    """[y[0] + y[2]; y[1]] at the times of the observations.
    Values are (L, s, 2), NaN where one is missing, but for the first;
    times (L, s), behind the end of a series its last; grid = grid_of(times).
    """
    check_series(values, times)
    y = states(weights, values, times, grid)
    return jnp.concatenate([y[0:1] + y[2:3], y[1:2]]).T.reshape(values.shape)


def loss(weights: Weights, values: Array, times: Array, grid: Array) -> Array:
    """½ the mean of (predicted − observed)² over all that was observed."""
    predicted = forward(weights, values, times, grid)
    known = (~jnp.isnan(values)).astype(values.dtype)
    error = known * (predicted - jnp.where(jnp.isnan(values), 0, values))
    return (error**2).sum() / (2 * known.sum())


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    print(__doc__)
    file = Path(__file__).with_name("series_solve.safetensors")
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
