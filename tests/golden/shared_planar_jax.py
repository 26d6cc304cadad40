"""shared-planar: y' = mat(p[6:12])ᵀ tanh(mat(p[0:6]) y + p[12:14]), p = W₂ tanh(W₁ t +
    b₁) + b₂,  0 ≤ t ≤ T.

Vector field   planar-mixture, y ∈ ℝ³
Integrator     Heun, order 2
               N = 3 steps of h = T/N = 1/3 = 0.333333
Weights        one weight shared by all steps; 90 numbers
Readout        Wᵀ y + μ; 3 classes, softmax, cross-entropy
Regularizer    weight-decay of W1, W, α = 0.1
Stability      nothing is known of the spectrum by construction

Written by wellposed 0.1.0 (JAX) from the spec shared-planar, bdbb3d8f.
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
CLASSES = 3
HORIZON, STEPS = 1, 3  # T, N
H = HORIZON / STEPS  # h = T/N
ALPHA = 0.1  # α of weight-decay


def rng(seed: int, name: str) -> np.random.Generator:
    """A generator for every weight: they do not depend on each other."""
    return np.random.default_rng([seed, *name.encode()])


def init(seed: int = 1) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "W1": rng(seed, "W1").normal(0.0, 1**-0.5, (4, 1)),
        "b1": np.zeros(4),
        "W2": rng(seed, "W2").normal(0.0, 4**-0.5, (14, 4)),
        "b2": np.zeros(14),
        "W": rng(seed, "W").normal(0.0, STATES**-0.5, (STATES, CLASSES)),
        "mu": np.zeros(CLASSES),
    }
    return {name: value.astype("float64") for name, value in weights.items()}


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
        "W1": (4, 1),
        "b1": (4,),
        "W2": (14, 4),
        "b2": (14,),
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


def dy_dt(t: Array, y: Array, W1: Array, b1: Array, W2: Array, b2: Array) -> Array:
    """y' = mat(p[6:12])ᵀ tanh(mat(p[0:6]) y + p[12:14]), p = W₂ tanh(W₁ t + b₁) +
    b₂.
    """
    p = W2 @ jnp.tanh(W1 @ jnp.broadcast_to(t, (1, 1)) + b1) + b2
    return p[6:12].reshape(2, 3).T @ jnp.tanh(p[:6].reshape(2, 3) @ y + p[12:])


def step(y: Array, t: Array, W1: Array, b1: Array, W2: Array, b2: Array) -> Array:
    """Heun: y + h/2 (k₁ + k₂); k₁ = f(t, y), k₂ = f(t + h, y + h k₁)."""
    k1 = dy_dt(t, y, W1, b1, W2, b2)
    k2 = dy_dt(t + H, y + H * k1, W1, b1, W2, b2)
    return y + H / 2 * (k1 + k2)


def weight_decay(w: Array) -> Array:
    """α/2 ‖w‖²; w is one weight at all its times."""
    return ALPHA / 2 * (w**2).sum()


def layer_weights(weights: Weights) -> Layer:
    """The one layer's weights; vectors as columns."""
    check_weights(weights)
    return weights["W1"], weights["b1"][:, None], weights["W2"], weights["b2"][:, None]


def initial_state(weights: Weights, x: Array) -> Array:
    """y(0) = x; one column per example."""
    check_rows(x, FEATURES, "x")
    return x.T


def final_state(weights: Weights, x: Array) -> Array:
    """y(T), one column per example."""
    y = initial_state(weights, x)
    layer = layer_weights(weights)

    def advance(y: Array, t: Array) -> tuple[Array, None]:
        return step(y, t, *layer), None

    y, _ = jax.lax.scan(advance, y, H * jnp.arange(STEPS, dtype=x.dtype))
    return y


def trajectory(weights: Weights, x: Array) -> Array:
    """y at t_0, …, t_N: (N + 1, s, 3)."""
    y = initial_state(weights, x)
    layer = layer_weights(weights)

    def advance(y: Array, t: Array) -> tuple[Array, Array]:
        y = step(y, t, *layer)
        return y, y

    _, ys = jax.lax.scan(advance, y, H * jnp.arange(STEPS, dtype=x.dtype))
    ys = jnp.concatenate([y[None], ys])
    return ys.mT


def vector_field(weights: Weights, t: float, y: Array) -> Array:
    """f(t, y), rows (s, 3) in and out."""
    check_rows(y, STATES, "y")
    layer = layer_weights(weights)
    time = jnp.asarray(t, y.dtype)
    y = y.T
    return dy_dt(time, y, *layer).T


def forward(weights: Weights, x: Array) -> Array:
    """Logits Wᵀ y(T) + μ, one row per example: (s, 3)."""
    y = final_state(weights, x)
    logits = weights["W"].T @ y + weights["mu"][:, None]
    return logits.T


def regularizer(weights: Weights) -> Array:
    """R: weight-decay of W1, W."""
    return weight_decay(weights["W1"]) + weight_decay(weights["W"])


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
    file = Path(__file__).with_name("shared_planar.safetensors")
    arrays = load_file(file) if file.exists() else init()
    count = sum(value.size for value in arrays.values())
    origin = file.name if file.exists() else f"init(), as there is no {file.name} here"
    print(f"{count:,} weights of {origin}:", {n: v.shape for n, v in arrays.items()})
    random = np.random.default_rng(0)
    x = random.normal(size=(8, FEATURES)).astype("float64")
    targets = np.arange(8) % CLASSES
    weights = {name: jnp.asarray(value) for name, value in arrays.items()}
    value, gradient = jax.value_and_grad(loss)(
        weights, jnp.asarray(x), jnp.asarray(targets)
    )
    norm = sum(float(jnp.square(g).sum()) for g in gradient.values()) ** 0.5
    print(f"loss {float(value):.6g}, gradient norm {norm:.6g} on 8 examples")


if __name__ == "__main__":
    main()
