"""series-adjoint: y' = tanh(K z) − sin(y); z' = Kᵀ y + tanh(a ⊙ z) z[0],  0 ≤ t ≤ T.

Vector field   custom, y ∈ ℝ¹, z ∈ ℝ²
Integrator     Dormand–Prince 5(4), order 5
               T = 2, one solve; rtol 1e-05, atol 1e-07, at most 4,096 steps
Weights        one weight shared by all steps; 7 numbers
Gradient       the continuous adjoint, solved back from T with rtol 1e-05, atol 1e-07;
               keeps no state
Observed       [y; z] at the times of the data, each series from its first; ½ mean
               squared error
Regularizer    weight-decay of K, α = 0.1
Stability      nothing is known of the spectrum by construction

Written by wellposed 0.1.0 (JAX) from the spec series-adjoint, 6a9e41ef.
It imports nothing of wellposed: change the spec and compile again, or own this file.
"""

from collections.abc import Callable
from pathlib import Path
from typing import cast

import jax
import jax.numpy as jnp
import numpy as np
from diffrax import (
    RESULTS,
    BacksolveAdjoint,
    Dopri5,
    ODETerm,
    PIDController,
    SaveAt,
    diffeqsolve,
)
from jax import Array
from safetensors.numpy import load_file

jax.config.update("jax_enable_x64", True)  # else JAX computes in float32

Weights = dict[str, Array]
State = tuple[Array, Array]
Layer = tuple[Array, ...]

FEATURES = 3  # d
STATES = 1  # n
MOMENTA = 2  # m
MAX_STEPS = 4096  # of a solve, which fails with more
HORIZON, STEPS = 2, 1  # T, N
H = HORIZON / STEPS  # h = T/N
RTOL = 1e-05  # of a step: relative
ATOL = 1e-07  # and absolute
ALPHA = 0.1  # α of weight-decay
ADJOINT_RTOL = 1e-05  # on the way back: relative
ADJOINT_ATOL = 1e-07  # and absolute


def rng(seed: int, name: str) -> np.random.Generator:
    """A generator for every weight: they do not depend on each other."""
    return np.random.default_rng([seed, *name.encode()])


def init(seed: int = 2) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "K": rng(seed, "K").normal(0.0, MOMENTA**-0.5, (STATES, MOMENTA)),
        "a": np.zeros(MOMENTA),
        "L": rng(seed, "L").normal(0.0, FEATURES**-0.5, (STATES, FEATURES)),
    }
    return {name: value.astype("float64") for name, value in weights.items()}


def check_rows(rows: Array, columns: int, name: str) -> None:
    """Refuse what is not one row for each example."""
    if rows.ndim != 2 or rows.shape[1] != columns:
        raise ValueError(f"{name} is {rows.shape}, not (s, {columns})")


def check_weights(weights: Weights) -> None:
    """Refuse weights of another network, or of another number of steps."""
    shapes = {
        "K": (STATES, MOMENTA),
        "a": (MOMENTA,),
        "L": (STATES, FEATURES),
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


def adjoint_norm(error: tuple) -> Array:
    """That of the state, of its cotangent, and the RMS of each weight's cotangent."""
    y, y_bar, *others = error
    sizes = [jnp.sqrt(jnp.mean(e**2)) for e in jax.tree.leaves(others)]
    return jnp.stack([largest_rms(y), largest_rms(y_bar), *sizes]).max()


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
        adjoint=BacksolveAdjoint(
            stepsize_controller=PIDController(
                rtol=ADJOINT_RTOL, atol=ADJOINT_ATOL, norm=adjoint_norm
            ),
            throw=True,
        ),
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


def dy_dt(y: Array, z: Array, K: Array) -> Array:
    """y' = tanh(K z) − sin(y)."""
    return jnp.tanh(K @ z) - jnp.sin(y)


def dz_dt(y: Array, z: Array, K: Array, a: Array) -> Array:
    """z' = Kᵀ y + tanh(a ⊙ z) z[0]."""
    return K.T @ y + jnp.tanh(a * z) * z[0:1]


def slopes(state: Array, K: Array, a: Array) -> Array:
    """(y', z') of the stacked state."""
    y = state[:STATES]
    z = state[STATES:]
    return jnp.concatenate([dy_dt(y, z, K), dz_dt(y, z, K, a)])


def weight_decay(w: Array) -> Array:
    """α/2 ‖w‖²; w is one weight at all its times."""
    return ALPHA / 2 * (w**2).sum()


def layer_weights(weights: Weights) -> Layer:
    """The one layer's weights; vectors as columns."""
    check_weights(weights)
    return weights["K"], weights["a"][:, None]


def initial_state(weights: Weights, x: Array) -> Array:
    """y(0) = L x, z(0) = 0; one column per example."""
    check_rows(x, FEATURES, "x")
    u1 = jnp.zeros((MOMENTA, x.shape[0]), x.dtype)
    return jnp.concatenate([weights["L"] @ x.T, u1])


def trajectory(weights: Weights, x: Array) -> Array:
    """(y, z) at t_0, …, t_N: (N + 1, s, 3)."""
    state = initial_state(weights, x)
    layer = layer_weights(weights)
    states_ = integrate(slopes, state, H * jnp.arange(STEPS + 1, dtype=x.dtype), *layer)
    return states_.mT


def solve(weights: Weights, x: Array, times: Array) -> Array:
    """The states at these times, x belongs to the first: (times, s, 3).
    The times increase or decrease; they only read the solution.
    """
    check_rows(x, FEATURES, "x")
    state = initial_state(weights, x)
    layer = layer_weights(weights)
    states_ = integrate(slopes, state, times, *layer)
    return states_.mT


def vector_field(weights: Weights, t: float, y: Array) -> Array:
    """f(t, y), rows (s, 3) in and out."""
    check_rows(y, STATES + MOMENTA, "y")
    K, a = layer_weights(weights)
    columns = y.T
    y = columns[:STATES]
    z = columns[STATES:]
    return jnp.concatenate([dy_dt(y, z, K), dz_dt(y, z, K, a)]).T


def path(weights: Weights, x: Array, grid: Array) -> Array:
    """(y, z) at the times of a grid, from rows x at the first of them."""
    state = initial_state(weights, x)
    layer = layer_weights(weights)
    states_ = integrate(slopes, state, grid, *layer)
    return states_


def states(weights: Weights, values: Array, times: Array, grid: Array) -> State:
    """(y, z) at the times of the observations, each series from its first: one
    column each, those of the first time before the others.
    """
    since = (times - times[0])[:, None]
    states_ = path(weights, values[0], grid)
    places = jnp.searchsorted((grid[1:] + grid[:-1]) / 2, since)
    state = jnp.take_along_axis(states_, places, axis=0).mT.reshape(-1, 3).T
    return state[:STATES], state[STATES:]


def forward(weights: Weights, values: Array, times: Array, grid: Array) -> Array:
    """[y; z] at the times of the observations.
    Values are (L, s, 3), NaN where one is missing, but for the first;
    times (L, s), behind the end of a series its last; grid = grid_of(times).
    """
    check_series(values, times)
    y, z = states(weights, values, times, grid)
    return jnp.concatenate([y, z]).T.reshape(values.shape)


def regularizer(weights: Weights) -> Array:
    """R: weight-decay of K."""
    return weight_decay(weights["K"])


def loss(weights: Weights, values: Array, times: Array, grid: Array) -> Array:
    """½ the mean of (predicted − observed)² over all that was observed, plus R."""
    predicted = forward(weights, values, times, grid)
    known = (~jnp.isnan(values)).astype(values.dtype)
    error = known * (predicted - jnp.where(jnp.isnan(values), 0, values))
    return (error**2).sum() / (2 * known.sum()) + regularizer(weights)


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    print(__doc__)
    file = Path(__file__).with_name("series_adjoint.safetensors")
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
