"""ellipses-adaptive: y' = W₂ tanh(W₁ [y; t] + b₁) + b₂,  0 ≤ t ≤ T.

Vector field   mlp, y ∈ ℝ³
Integrator     Dormand–Prince 5(4), order 5
               T = 1, one solve; rtol 0.001, atol 0.0001, at most 4,096 steps
Weights        one weight shared by all steps; 267 numbers
Readout        Wᵀ y + μ; 2 classes, softmax, cross-entropy
Stability      nothing is known of the spectrum by construction
Reference      R. T. Q. Chen et al. (2018). Neural Ordinary Differential Equations.
               NeurIPS. arXiv:1806.07366

Written by wellposed 0.1.0 (JAX) from the spec ellipses-adaptive, cf366c37.
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
STATES = 3  # n
CLASSES = 2
MAX_STEPS = 4096  # of a solve, which fails with more
HORIZON, STEPS = 1, 1  # T, N
H = HORIZON / STEPS  # h = T/N
RTOL = 0.001  # of a step: relative
ATOL = 0.0001  # and absolute


def rng(seed: int, name: str) -> np.random.Generator:
    """A generator for every weight: they do not depend on each other."""
    return np.random.default_rng([seed, *name.encode()])


def init(seed: int = 0) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "W1": rng(seed, "W1").normal(0.0, (STATES + 1) ** -0.5, (32, STATES + 1)),
        "b1": np.zeros(32),
        "W2": rng(seed, "W2").normal(0.0, 32**-0.5, (STATES, 32)),
        "b2": np.zeros(STATES),
        "W": rng(seed, "W").normal(0.0, STATES**-0.5, (STATES, CLASSES)),
        "mu": np.zeros(CLASSES),
    }
    return {name: value.astype("float32") for name, value in weights.items()}


def check_rows(rows: Array, columns: int, name: str) -> None:
    """Refuse what is not one row for each example."""
    if rows.ndim != 2 or rows.shape[1] != columns:
        raise ValueError(f"{name} is {rows.shape}, not (s, {columns})")


def check_targets(x: Array, targets: Array) -> None:
    """Refuse what is not one class for each example, or CLASSES probabilities."""
    check_rows(x, FEATURES, "x")
    shape = (x.shape[0],) if targets.ndim == 1 else (x.shape[0], CLASSES)
    if targets.shape != shape:
        raise ValueError(f"targets are {targets.shape}, not {shape}")


def check_weights(weights: Weights) -> None:
    """Refuse weights of another network, or of another number of steps."""
    shapes = {
        "W1": (32, STATES + 1),
        "b1": (32,),
        "W2": (STATES, 32),
        "b2": (STATES,),
        "W": (STATES, CLASSES),
        "mu": (CLASSES,),
    }
    found = {name: value.shape for name, value in weights.items()}
    if found != shapes:
        raise ValueError(f"weights are {found}, not {shapes}")


def class_probabilities(targets: Array, dtype: jnp.dtype) -> Array:
    """Integer classes as one-hot rows, of one that is out of range as NaN;
    probabilities as they are.
    """
    if targets.ndim == 1:
        one_hot = jax.nn.one_hot(targets, CLASSES, dtype=dtype)
        known = (targets >= 0) & (targets < CLASSES)
        return jnp.where(known[:, None], one_hot, jnp.nan)
    return targets


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


def dy_dt(t: Array, y: Array, W1: Array, b1: Array, W2: Array, b2: Array) -> Array:
    """y' = W₂ tanh(W₁ [y; t] + b₁) + b₂."""
    u1 = W1 @ jnp.concatenate([y, jnp.broadcast_to(t, (1, y.shape[1]))]) + b1
    return W2 @ jnp.tanh(u1) + b2


def layer_weights(weights: Weights) -> Layer:
    """The one layer's weights; vectors as columns."""
    check_weights(weights)
    return weights["W1"], weights["b1"][:, None], weights["W2"], weights["b2"][:, None]


def initial_state(weights: Weights, x: Array) -> Array:
    """y(0) = (x, 0); one column per example."""
    check_rows(x, FEATURES, "x")
    return jnp.pad(x.T, ((0, 1), (0, 0)))


def final_state(weights: Weights, x: Array) -> Array:
    """y(T), one column per example."""
    y = initial_state(weights, x)
    layer = layer_weights(weights)
    ys = integrate(dy_dt, y, jnp.array([0.0, HORIZON], x.dtype), *layer)
    return ys[-1]


def trajectory(weights: Weights, x: Array) -> Array:
    """y at t_0, …, t_N: (N + 1, s, 3)."""
    y = initial_state(weights, x)
    layer = layer_weights(weights)
    ys = integrate(dy_dt, y, H * jnp.arange(STEPS + 1, dtype=x.dtype), *layer)
    return ys.mT


def solve(weights: Weights, x: Array, times: Array) -> Array:
    """The states at these times, x belongs to the first: (times, s, 3).
    The times increase or decrease; they only read the solution.
    """
    check_rows(x, FEATURES, "x")
    y = initial_state(weights, x)
    layer = layer_weights(weights)
    ys = integrate(dy_dt, y, times, *layer)
    return ys.mT


def vector_field(weights: Weights, t: float, y: Array) -> Array:
    """f(t, y), rows (s, 3) in and out."""
    check_rows(y, STATES, "y")
    layer = layer_weights(weights)
    time = jnp.asarray(t, y.dtype)
    y = y.T
    return dy_dt(time, y, *layer).T


def forward(weights: Weights, x: Array) -> Array:
    """Logits Wᵀ y(T) + μ, one row per example: (s, 2)."""
    y = final_state(weights, x)
    logits = weights["W"].T @ y + weights["mu"][:, None]
    return logits.T


def loss(weights: Weights, x: Array, targets: Array) -> Array:
    """Mean over the examples of −Σ (C ⊙ log softmax(u)), u the logits; targets C are
    classes (s,) or their probabilities (s, classes).
    """
    check_targets(x, targets)
    logits = forward(weights, x).T
    C = class_probabilities(targets, x.dtype).T
    losses = -(C * jax.nn.log_softmax(logits, axis=0)).sum(axis=0)
    return losses.mean()


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    print(__doc__)
    file = Path(__file__).with_name("ellipses_adaptive.safetensors")
    arrays = load_file(file) if file.exists() else init()
    count = sum(value.size for value in arrays.values())
    origin = file.name if file.exists() else f"init(), as there is no {file.name} here"
    print(f"{count:,} weights of {origin}:", {n: v.shape for n, v in arrays.items()})
    random = np.random.default_rng(0)
    x = random.normal(size=(8, FEATURES)).astype("float32")
    targets = np.arange(8) % CLASSES
    weights = {name: jnp.asarray(value) for name, value in arrays.items()}
    value, gradient = jax.value_and_grad(loss)(
        weights, jnp.asarray(x), jnp.asarray(targets)
    )
    norm = sum(float(jnp.square(g).sum()) for g in gradient.values()) ** 0.5
    print(f"loss {float(value):.6g}, gradient norm {norm:.6g} on 8 examples")


if __name__ == "__main__":
    main()
