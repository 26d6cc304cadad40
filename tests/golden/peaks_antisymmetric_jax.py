"""peaks-antisymmetric: y' = tanh(K y + b),  0 ≤ t ≤ T.

Vector field   layer, y ∈ ℝ⁸
               K ↦ ½ (K − Kᵀ − γ I), γ = 0.1
Integrator     forward Euler, order 1
               N = 16 steps of h = T/N = 5/16 = 0.3125
Weights        one weight for each step; 1,197 numbers
Readout        Wᵀ y + μ; 5 classes, softmax, cross-entropy
Regularizer    smoothness of K, b, α = 0.0001
               weight-decay of W, mu, α = 0.0001
Stability      Re λ(∂f/∂y) ∈ [-0.05, 0] for all weights and states (0 ≤ σ' ≤ 1): ∂f/∂y =
               D M with D = diag σ' is similar to D^½ M D^½
Reference      Haber & Ruthotto, Stable architectures for deep neural networks, Inverse
               Problems 34 (2017) 014004, arXiv:1705.03341

Written by wellposed 0.1.0 (JAX) from the spec peaks-antisymmetric, 79680b39.
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
STATES = 8  # n
CLASSES = 5
HORIZON, STEPS = 5, 16  # T, N
H = HORIZON / STEPS  # h = T/N
GAMMA = 0.1  # γ
ALPHA_1 = 0.0001  # α of smoothness
ALPHA_2 = 0.0001  # α of weight-decay


def rng(seed: int, name: str) -> np.random.Generator:
    """A generator for every weight: they do not depend on each other."""
    return np.random.default_rng([seed, *name.encode()])


def init(seed: int = 0) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "K": np.repeat(
            rng(seed, "K").normal(0.0, STATES**-0.5, (1, STATES, STATES)), STEPS, axis=0
        ),
        "b": np.zeros((STEPS, STATES)),
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
        "K": (STEPS, STATES, STATES),
        "b": (STEPS, STATES),
        "W": (STATES, CLASSES),
        "mu": (CLASSES,),
    }
    found = {name: value.shape for name, value in weights.items()}
    if found != shapes:
        raise ValueError(f"weights are {found}, not {shapes}")


def step_of(t: float | Array) -> Array:
    """The step j with t_j ≤ t < t_{j+1}, at T the last; t_j may be rounded down."""
    rounding = 1e-9 + 4 * jnp.finfo(jnp.result_type(float)).eps * t / H
    return jnp.floor(t / H + rounding).astype(int).clip(0, STEPS - 1)


def class_probabilities(targets: Array, dtype: jnp.dtype) -> Array:
    """Integer classes as one-hot rows, of one that is out of range as NaN;
    probabilities as they are.
    """
    if targets.ndim == 1:
        one_hot = jax.nn.one_hot(targets, CLASSES, dtype=dtype)
        known = (targets >= 0) & (targets < CLASSES)
        return jnp.where(known[:, None], one_hot, jnp.nan)
    return targets


def antisymmetric(K: Array) -> Array:
    """½ (K − Kᵀ − γ I), of one matrix or of a stack of them."""
    return (K - K.mT - GAMMA * jnp.eye(STATES, dtype=K.dtype)) / 2


def dy_dt(y: Array, K: Array, b: Array) -> Array:
    """y' = tanh(K y + b)."""
    return jnp.tanh(K @ y + b)


def step(y: Array, K: Array, b: Array) -> Array:
    """Forward Euler: y + h f(t, y)."""
    return y + H * dy_dt(y, K, b)


def smoothness(w: Array) -> Array:
    """α/(2h) Σ_j ‖w_{j+1} − w_j‖²; w is one weight at all its times."""
    return ALPHA_1 / (2 * H) * ((w[1:] - w[:-1]) ** 2).sum()


def weight_decay(w: Array) -> Array:
    """α/2 ‖w‖²; w is one weight at all its times."""
    return ALPHA_2 / 2 * (w**2).sum()


def layer_weights(weights: Weights) -> Layer:
    """The weights of all steps; K ↦ ½ (K − Kᵀ − γ I); vectors as columns."""
    check_weights(weights)
    return antisymmetric(weights["K"]), weights["b"][..., None]


def weights_at(weights: Weights, t: float) -> Layer:
    """The weights of step j, t_j ≤ t < t_{j+1}."""
    j = step_of(t)
    return antisymmetric(weights["K"][j]), weights["b"][j][:, None]


def initial_state(weights: Weights, x: Array) -> Array:
    """y(0) = (x, 0); one column per example."""
    check_rows(x, FEATURES, "x")
    return jnp.pad(x.T, ((0, 6), (0, 0)))


def final_state(weights: Weights, x: Array) -> Array:
    """y(T), one column per example."""
    y = initial_state(weights, x)
    layers = layer_weights(weights)

    def advance(y: Array, layer: Layer) -> tuple[Array, None]:
        return step(y, *layer), None

    y, _ = jax.lax.scan(advance, y, layers)
    return y


def trajectory(weights: Weights, x: Array) -> Array:
    """y at t_0, …, t_N: (N + 1, s, 8)."""
    y = initial_state(weights, x)
    layers = layer_weights(weights)

    def advance(y: Array, layer: Layer) -> tuple[Array, Array]:
        y = step(y, *layer)
        return y, y

    _, ys = jax.lax.scan(advance, y, layers)
    ys = jnp.concatenate([y[None], ys])
    return ys.mT


def vector_field(weights: Weights, t: float, y: Array) -> Array:
    """f(t, y), rows (s, 8) in and out, with weight j for t_j ≤ t < t_{j+1}."""
    check_rows(y, STATES, "y")
    layer = weights_at(weights, t)
    y = y.T
    return dy_dt(y, *layer).T


def forward(weights: Weights, x: Array) -> Array:
    """Logits Wᵀ y(T) + μ, one row per example: (s, 5)."""
    y = final_state(weights, x)
    logits = weights["W"].T @ y + weights["mu"][:, None]
    return logits.T


def regularizer(weights: Weights) -> Array:
    """R: smoothness of K, b; weight-decay of W, mu."""
    return (
        smoothness(weights["K"])
        + smoothness(weights["b"])
        + weight_decay(weights["W"])
        + weight_decay(weights["mu"])
    )


def loss(weights: Weights, x: Array, targets: Array) -> Array:
    """Mean over the examples of −Σ (C ⊙ log softmax(u)), u the logits, plus R;
    targets C are classes (s,) or their probabilities (s, classes).
    """
    check_targets(x, targets)
    logits = forward(weights, x).T
    C = class_probabilities(targets, x.dtype).T
    losses = -(C * jax.nn.log_softmax(logits, axis=0)).sum(axis=0)
    return losses.mean() + regularizer(weights)


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    print(__doc__)
    file = Path(__file__).with_name("peaks_antisymmetric.safetensors")
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
