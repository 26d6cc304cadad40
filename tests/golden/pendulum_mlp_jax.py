"""pendulum-mlp: y' = W₂ tanh(W₁ y + b₁) + b₂,  0 ≤ t ≤ T.

Vector field   mlp, y ∈ ℝ²
Integrator     classical Runge–Kutta 4, order 4
               N = 100 steps of h = T/N = 10/100 = 0.1
Weights        one weight shared by all steps; 162 numbers
Observed       y at the times of the data, each series from its first; ½ mean squared
               error
Stability      nothing is known of the spectrum by construction

Written by wellposed 0.1.0 (JAX) from the spec pendulum-mlp, 641f166f.
It imports nothing of wellposed: change the spec and compile again, or own this file.
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from safetensors.numpy import load_file

Weights = dict[str, Array]
Layer = tuple[Array, ...]

FEATURES = 2  # d
STATES = 2  # n
HORIZON, STEPS = 10, 100  # T, N
H = HORIZON / STEPS  # h = T/N


def rng(seed: int, name: str) -> np.random.Generator:
    """A generator for every weight: they do not depend on each other."""
    return np.random.default_rng([seed, *name.encode()])


def init(seed: int = 0) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "W1": rng(seed, "W1").normal(0.0, STATES**-0.5, (32, STATES)),
        "b1": np.zeros(32),
        "W2": rng(seed, "W2").normal(0.0, 32**-0.5, (STATES, 32)),
        "b2": np.zeros(STATES),
    }
    return {name: value.astype("float32") for name, value in weights.items()}


def check_rows(rows: Array, columns: int, name: str) -> None:
    """Refuse what is not one row for each example."""
    if rows.ndim != 2 or rows.shape[1] != columns:
        raise ValueError(f"{name} is {rows.shape}, not (s, {columns})")


def check_weights(weights: Weights) -> None:
    """Refuse weights of another network, or of another number of steps."""
    shapes = {
        "W1": (32, STATES),
        "b1": (32,),
        "W2": (STATES, 32),
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


def grid_of(times: np.ndarray) -> np.ndarray:
    """0, h, 2 h, … up to the last of the times (L, s) since the first."""
    steps = np.ceil((times - times[0]).max() / H - 1e-6)
    return H * np.arange(max(steps, 1) + 1, dtype=times.dtype)


def dy_dt(y: Array, W1: Array, b1: Array, W2: Array, b2: Array) -> Array:
    """y' = W₂ tanh(W₁ y + b₁) + b₂."""
    return W2 @ jnp.tanh(W1 @ y + b1) + b2


def step(y: Array, W1: Array, b1: Array, W2: Array, b2: Array) -> Array:
    """Classical Runge–Kutta 4: y + h/6 (k₁ + 2 k₂ + 2 k₃ + k₄); k₁ = f(t, y),
    k₂ = f(t + h/2, y + h/2 k₁), k₃ = f(t + h/2, y + h/2 k₂),
    k₄ = f(t + h, y + h k₃).
    """
    k1 = dy_dt(y, W1, b1, W2, b2)
    k2 = dy_dt(y + H / 2 * k1, W1, b1, W2, b2)
    k3 = dy_dt(y + H / 2 * k2, W1, b1, W2, b2)
    k4 = dy_dt(y + H * k3, W1, b1, W2, b2)
    return y + H / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def layer_weights(weights: Weights) -> Layer:
    """The one layer's weights; vectors as columns."""
    check_weights(weights)
    return weights["W1"], weights["b1"][:, None], weights["W2"], weights["b2"][:, None]


def initial_state(weights: Weights, x: Array) -> Array:
    """y(0) = x; one column per example."""
    check_rows(x, FEATURES, "x")
    return x.T


def trajectory(weights: Weights, x: Array) -> Array:
    """y at t_0, …, t_N: (N + 1, s, 2)."""
    y = initial_state(weights, x)
    layer = layer_weights(weights)

    def advance(y: Array, _: None) -> tuple[Array, Array]:
        y = step(y, *layer)
        return y, y

    _, ys = jax.lax.scan(advance, y, None, length=STEPS)
    ys = jnp.concatenate([y[None], ys])
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

    def advance(y: Array, _: None) -> tuple[Array, Array]:
        y = step(y, *layer)
        return y, y

    _, ys = jax.lax.scan(advance, y, None, length=len(grid) - 1)
    ys = jnp.concatenate([y[None], ys])
    return ys


def between(theta: Array, left: Array, right: Array, f: Array, g: Array) -> Array:
    """A part θ of a step behind its beginning: the cubic with these ends and slopes."""
    u1 = right - left
    u2 = theta - 1
    return left + theta * (u1 + u2 * ((1 - 2 * theta) * u1 + H * (u2 * f + theta * g)))


def states(weights: Weights, values: Array, times: Array, grid: Array) -> Array:
    """y at the times of the observations, each series from its first: one column
    each, those of the first time before the others.
    """
    since = (times - times[0])[:, None]
    ys = path(weights, values[0], grid)
    layer = layer_weights(weights)
    j = jnp.searchsorted(grid[1:-1], since, side="right")
    u1 = (since - jnp.take_along_axis(grid[..., None, None], j, axis=0)) / H
    theta = u1[:, 0].reshape(-1)[None]
    y_left = jnp.take_along_axis(ys, j, axis=0).mT.reshape(-1, 2).T
    y_right = jnp.take_along_axis(ys, j + 1, axis=0).mT.reshape(-1, 2).T
    y = between(theta, y_left, y_right, dy_dt(y_left, *layer), dy_dt(y_right, *layer))
    return y


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
    file = Path(__file__).with_name("pendulum_mlp.safetensors")
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
