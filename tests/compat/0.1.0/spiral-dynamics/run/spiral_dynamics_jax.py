"""spiral-dynamics: y' = f_W₂ tanh(f_W₁ y³ + f_b₁) + f_b₂,  0 ≤ t ≤ T.

Vector field   custom, y ∈ ℝ²
Integrator     Dormand–Prince 5(4), order 5
               T = 25, one solve; rtol 1e-05, atol 1e-07, at most 4,096 steps
Weights        one weight shared by all steps; 252 numbers
Observed       y at the times of the data, each series from its first; ½ mean squared
               error
Stability      nothing is known of the spectrum by construction
Reference      R. T. Q. Chen et al. (2018). Neural Ordinary Differential Equations.
               NeurIPS. arXiv:1806.07366

Written by wellposed 0.1.0 (JAX) from the spec spiral-dynamics, befe334e.
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

Weights = dict[str, Array]
Layer = tuple[Array, ...]

FEATURES = 2  # d
STATES = 2  # n
MAX_STEPS = 4096  # of a solve, which fails with more
HORIZON, STEPS = 25, 1  # T, N
H = HORIZON / STEPS  # h = T/N
RTOL = 1e-05  # of a step: relative
ATOL = 1e-07  # and absolute


def rng(seed: int, name: str) -> np.random.Generator:
    """A generator for every weight: they do not depend on each other."""
    return np.random.default_rng([seed, *name.encode()])


def init(seed: int = 0) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "f_W1": rng(seed, "f_W1").normal(0.0, 0.1, (50, 2)),
        "f_b1": np.zeros(50),
        "f_W2": rng(seed, "f_W2").normal(0.0, 0.1, (STATES, 50)),
        "f_b2": np.zeros(STATES),
    }
    return {name: value.astype("float32") for name, value in weights.items()}


def check_rows(rows: Array, columns: int, name: str) -> None:
    """Refuse what is not one row for each example."""
    if rows.ndim != 2 or rows.shape[1] != columns:
        raise ValueError(f"{name} is {rows.shape}, not (s, {columns})")


def check_weights(weights: Weights) -> None:
    """Refuse weights of another network, or of another number of steps."""
    shapes = {
        "f_W1": (50, 2),
        "f_b1": (50,),
        "f_W2": (STATES, 50),
        "f_b2": (STATES,),
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
    """y at these times, y' = field(y, *weights), by Dormand–Prince 5(4) of diffrax.
    NaN where it gives up.
    """
    solution = diffeqsolve(
        ODETerm(lambda t, y, weights: field(y, *weights)),
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


def dy_dt(y: Array, f_W1: Array, f_b1: Array, f_W2: Array, f_b2: Array) -> Array:
    """y' = f_W₂ tanh(f_W₁ y³ + f_b₁) + f_b₂."""
    return f_W2 @ jnp.tanh(f_W1 @ y**3 + f_b1) + f_b2


def layer_weights(weights: Weights) -> Layer:
    """The one layer's weights; vectors as columns."""
    check_weights(weights)
    return (
        weights["f_W1"],
        weights["f_b1"][:, None],
        weights["f_W2"],
        weights["f_b2"][:, None],
    )


def initial_state(weights: Weights, x: Array) -> Array:
    """y(0) = x; one column per example."""
    check_rows(x, FEATURES, "x")
    return x.T


def trajectory(weights: Weights, x: Array) -> Array:
    """y at t_0, …, t_N: (N + 1, s, 2)."""
    y = initial_state(weights, x)
    layer = layer_weights(weights)
    ys = integrate(dy_dt, y, H * jnp.arange(STEPS + 1, dtype=x.dtype), *layer)
    return ys.mT


def solve(weights: Weights, x: Array, times: Array) -> Array:
    """The states at these times, x belongs to the first: (times, s, 2).
    The times increase or decrease; they only read the solution.
    """
    check_rows(x, FEATURES, "x")
    y = initial_state(weights, x)
    layer = layer_weights(weights)
    ys = integrate(dy_dt, y, times, *layer)
    return ys.mT


def vector_field(weights: Weights, t: float, y: Array) -> Array:
    """f(t, y), rows (s, 2) in and out."""
    check_rows(y, STATES, "y")
    layer = layer_weights(weights)
    y = y.T
    return dy_dt(y, *layer).T


def path(weights: Weights, x: Array, grid: Array) -> Array:
    """y at the times of a grid, from rows x at the first of them."""
    y = initial_state(weights, x)
    layer = layer_weights(weights)
    ys = integrate(dy_dt, y, grid, *layer)
    return ys


def states(weights: Weights, values: Array, times: Array, grid: Array) -> Array:
    """y at the times of the observations, each series from its first: one column
    each, those of the first time before the others.
    """
    since = (times - times[0])[:, None]
    ys = path(weights, values[0], grid)
    places = jnp.searchsorted((grid[1:] + grid[:-1]) / 2, since)
    state = jnp.take_along_axis(ys, places, axis=0).mT.reshape(-1, 2).T
    return state


def forward(weights: Weights, values: Array, times: Array, grid: Array) -> Array:
    """y at the times of the observations.
    Values are (L, s, 2), NaN where one is missing, but for the first;
    times (L, s), behind the end of a series its last; grid = grid_of(times).
    """
    check_series(values, times)
    y = states(weights, values, times, grid)
    return y.T.reshape(values.shape)


def loss(weights: Weights, values: Array, times: Array, grid: Array) -> Array:
    """½ the mean of (predicted − observed)² over all that was observed."""
    predicted = forward(weights, values, times, grid)
    known = (~jnp.isnan(values)).astype(values.dtype)
    error = known * (predicted - jnp.where(jnp.isnan(values), 0, values))
    return (error**2).sum() / (2 * known.sum())


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    print(__doc__)
    file = Path(__file__).with_name("weights.safetensors")
    arrays = load_file(file) if file.exists() else init()
    count = sum(value.size for value in arrays.values())
    origin = file.name if file.exists() else f"init(), as there is no {file.name} here"
    print(f"{count:,} weights of {origin}:", {n: v.shape for n, v in arrays.items()})
    random = np.random.default_rng(0)
    values = random.normal(size=(5, 8, FEATURES)).astype("float32")
    times = np.sort(HORIZON * random.random((5, 8)), axis=0).astype("float32")
    grid = grid_of(times)
    weights = {name: jnp.asarray(value) for name, value in arrays.items()}
    value, gradient = jax.value_and_grad(loss)(
        weights, jnp.asarray(values), jnp.asarray(times), jnp.asarray(grid)
    )
    norm = sum(float(jnp.square(g).sum()) for g in gradient.values()) ** 0.5
    print(f"loss {float(value):.6g}, gradient norm {norm:.6g} on 8 examples")


if __name__ == "__main__":
    main()
