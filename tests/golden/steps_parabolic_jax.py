"""steps-parabolic: y' = −Kᵀ tanh(K y + b),  0 ≤ t ≤ T.

Vector field   parabolic, y ∈ ℝ³
Integrator     forward Euler, order 1
               N = 3 steps of h = T/N = 1/3 = 0.333333
Weights        one weight for each step; 47 numbers
Readout        Wᵀ y + μ; 2 outputs, least squares
Regularizer    weight-decay of K, W, α = 0.1
               smoothness of K, b, α = 0.2
Stability      λ(∂f/∂y) ≤ 0 for all weights and states: the symmetric part of ∂f/∂y is
               bounded term by term

Written by wellposed 0.1.0 (JAX) from the spec steps-parabolic, 6c5d86ac.
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
Layer = tuple[Array, ...]

FEATURES = 3  # d
STATES = 3  # n
OUTPUTS = 2  # numbers per example
HORIZON, STEPS = 1, 3  # T, N
H = HORIZON / STEPS  # h = T/N
ALPHA_1 = 0.1  # α of weight-decay
ALPHA_2 = 0.2  # α of smoothness


def rng(seed: int, name: str) -> np.random.Generator:
    """A generator for every weight: they do not depend on each other."""
    return np.random.default_rng([seed, *name.encode()])


def init(seed: int = 1) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "K": np.repeat(
            rng(seed, "K").normal(0.0, STATES**-0.5, (1, STATES, STATES)), STEPS, axis=0
        ),
        "b": np.zeros(STEPS),
        "L": rng(seed, "L").normal(0.0, FEATURES**-0.5, (STATES, FEATURES)),
        "W": rng(seed, "W").normal(0.0, STATES**-0.5, (STATES, OUTPUTS)),
        "mu": np.zeros(OUTPUTS),
    }
    return {name: value.astype("float64") for name, value in weights.items()}


def check_rows(rows: Array, columns: int, name: str) -> None:
    """Refuse what is not one row for each example."""
    if rows.ndim != 2 or rows.shape[1] != columns:
        raise ValueError(f"{name} is {rows.shape}, not (s, {columns})")


def check_targets(x: Array, targets: Array) -> None:
    """Refuse what is not one row of OUTPUTS numbers for each example."""
    check_rows(x, FEATURES, "x")
    shape = (x.shape[0], OUTPUTS)
    if targets.shape != shape:
        raise ValueError(f"targets are {targets.shape}, not {shape}")


def check_weights(weights: Weights) -> None:
    """Refuse weights of another network, or of another number of steps."""
    shapes = {
        "K": (STEPS, STATES, STATES),
        "b": (STEPS,),
        "L": (STATES, FEATURES),
        "W": (STATES, OUTPUTS),
        "mu": (OUTPUTS,),
    }
    found = {name: value.shape for name, value in weights.items()}
    if found != shapes:
        raise ValueError(f"weights are {found}, not {shapes}")


def step_of(t: float | Array) -> Array:
    """The step j with t_j ≤ t < t_{j+1}, at T the last; t_j may be rounded down."""
    rounding = 1e-9 + 4 * jnp.finfo(jnp.result_type(float)).eps * t / H
    return jnp.floor(t / H + rounding).astype(int).clip(0, STEPS - 1)


def dy_dt(y: Array, K: Array, b: Array) -> Array:
    """y' = −Kᵀ tanh(K y + b)."""
    return -K.T @ jnp.tanh(K @ y + b)


def step(y: Array, K: Array, b: Array) -> Array:
    """Forward Euler: y + h f(t, y)."""
    return y + H * dy_dt(y, K, b)


def weight_decay(w: Array) -> Array:
    """α/2 ‖w‖²; w is one weight at all its times."""
    return ALPHA_1 / 2 * (w**2).sum()


def smoothness(w: Array) -> Array:
    """α/(2h) Σ_j ‖w_{j+1} − w_j‖²; w is one weight at all its times."""
    return ALPHA_2 / (2 * H) * ((w[1:] - w[:-1]) ** 2).sum()


def layer_weights(weights: Weights) -> Layer:
    """The weights of all steps."""
    check_weights(weights)
    return weights["K"], weights["b"]


def weights_at(weights: Weights, t: float) -> Layer:
    """The weights of step j, t_j ≤ t < t_{j+1}."""
    j = step_of(t)
    return weights["K"][j], weights["b"][j]


def initial_state(weights: Weights, x: Array) -> Array:
    """y(0) = L x; one column per example."""
    check_rows(x, FEATURES, "x")
    return weights["L"] @ x.T


def final_state(weights: Weights, x: Array) -> Array:
    """y(T), one column per example."""
    y = initial_state(weights, x)
    layers = layer_weights(weights)

    def advance(y: Array, layer: Layer) -> tuple[Array, None]:
        return step(y, *layer), None

    y, _ = jax.lax.scan(advance, y, layers)
    return y


def trajectory(weights: Weights, x: Array) -> Array:
    """y at t_0, …, t_N: (N + 1, s, 3)."""
    y = initial_state(weights, x)
    layers = layer_weights(weights)

    def advance(y: Array, layer: Layer) -> tuple[Array, Array]:
        y = step(y, *layer)
        return y, y

    _, ys = jax.lax.scan(advance, y, layers)
    ys = jnp.concatenate([y[None], ys])
    return ys.mT


def vector_field(weights: Weights, t: float, y: Array) -> Array:
    """f(t, y), rows (s, 3) in and out, with weight j for t_j ≤ t < t_{j+1}."""
    check_rows(y, STATES, "y")
    layer = weights_at(weights, t)
    y = y.T
    return dy_dt(y, *layer).T


def forward(weights: Weights, x: Array) -> Array:
    """Logits Wᵀ y(T) + μ, one row per example: (s, 2)."""
    y = final_state(weights, x)
    logits = weights["W"].T @ y + weights["mu"][:, None]
    return logits.T


def regularizer(weights: Weights) -> Array:
    """R: weight-decay of K, W; smoothness of K, b."""
    return (
        weight_decay(weights["K"])
        + weight_decay(weights["W"])
        + smoothness(weights["K"])
        + smoothness(weights["b"])
    )


def loss(weights: Weights, x: Array, targets: Array) -> Array:
    """Mean over the examples of ½ (Σ ((u − C)²)), u the logits, plus R; targets C
    are (s, 2).
    """
    check_targets(x, targets)
    logits = forward(weights, x).T
    C = targets.T
    losses = ((logits - C) ** 2).sum(axis=0) / 2
    return losses.mean() + regularizer(weights)


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    print(__doc__)
    file = Path(__file__).with_name("steps_parabolic.safetensors")
    arrays = load_file(file) if file.exists() else init()
    count = sum(value.size for value in arrays.values())
    origin = file.name if file.exists() else f"init(), as there is no {file.name} here"
    print(f"{count:,} weights of {origin}:", {n: v.shape for n, v in arrays.items()})
    random = np.random.default_rng(0)
    x = random.normal(size=(8, FEATURES)).astype("float64")
    targets = random.normal(size=(8, OUTPUTS)).astype("float64")
    weights = {name: jnp.asarray(value) for name, value in arrays.items()}
    value, gradient = jax.value_and_grad(loss)(
        weights, jnp.asarray(x), jnp.asarray(targets)
    )
    norm = sum(float(jnp.square(g).sum()) for g in gradient.values()) ** 0.5
    print(f"loss {float(value):.6g}, gradient norm {norm:.6g} on 8 examples")


if __name__ == "__main__":
    main()
