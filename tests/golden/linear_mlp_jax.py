"""linear-mlp: y' = W₃ tanh(W₂ tanh(W₁ [y; t] + b₁) + b₂) + b₃,  0 ≤ t ≤ T.

Vector field   mlp, y ∈ ℝ³
Integrator     classical Runge–Kutta 4, order 4
               N = 3 steps of h = T/N = 1/3 = 0.333333
Weights        linear in time between N + 1 nodes; 268 numbers
Readout        Wᵀ y + μ; 3 classes, softmax, cross-entropy
Regularizer    weight-decay of W1, W, α = 0.1
               smoothness of W1, b1, W2, b2, W3, b3, α = 0.2
Stability      nothing is known of the spectrum by construction

Written by wellposed 0.1.0 (JAX) from the spec linear-mlp, 7eef8f3e.
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
ALPHA_1 = 0.1  # α of weight-decay
ALPHA_2 = 0.2  # α of smoothness


def rng(seed: int, name: str) -> np.random.Generator:
    """A generator for every weight: they do not depend on each other."""
    return np.random.default_rng([seed, *name.encode()])


def init(seed: int = 1) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "W1": np.repeat(
            rng(seed, "W1").normal(0.0, (STATES + 1) ** -0.5, (1, 5, STATES + 1)),
            STEPS + 1,
            axis=0,
        ),
        "b1": np.zeros((STEPS + 1, 5)),
        "W2": np.repeat(
            rng(seed, "W2").normal(0.0, 5**-0.5, (1, 4, 5)), STEPS + 1, axis=0
        ),
        "b2": np.zeros((STEPS + 1, 4)),
        "W3": np.repeat(
            rng(seed, "W3").normal(0.0, 4**-0.5, (1, STATES, 4)), STEPS + 1, axis=0
        ),
        "b3": np.zeros((STEPS + 1, STATES)),
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
        "W1": (STEPS + 1, 5, STATES + 1),
        "b1": (STEPS + 1, 5),
        "W2": (STEPS + 1, 4, 5),
        "b2": (STEPS + 1, 4),
        "W3": (STEPS + 1, STATES, 4),
        "b3": (STEPS + 1, STATES),
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


def dy_dt(
    t: Array, y: Array, W1: Array, b1: Array, W2: Array, b2: Array, W3: Array, b3: Array
) -> Array:
    """y' = W₃ tanh(W₂ tanh(W₁ [y; t] + b₁) + b₂) + b₃."""
    u1 = W1 @ jnp.concatenate([y, jnp.broadcast_to(t, (1, y.shape[1]))]) + b1
    return W3 @ jnp.tanh(W2 @ jnp.tanh(u1) + b2) + b3


def step(y: Array, t: Array, start: Layer, mid: Layer, end: Layer) -> Array:
    """Classical Runge–Kutta 4: y + h/6 (k₁ + 2 k₂ + 2 k₃ + k₄); k₁ = f(t, y),
    k₂ = f(t + h/2, y + h/2 k₁), k₃ = f(t + h/2, y + h/2 k₂),
    k₄ = f(t + h, y + h k₃).
    """
    k1 = dy_dt(t, y, *start)
    k2 = dy_dt(t + H / 2, y + H / 2 * k1, *mid)
    k3 = dy_dt(t + H / 2, y + H / 2 * k2, *mid)
    k4 = dy_dt(t + H, y + H * k3, *end)
    return y + H / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def weight_decay(w: Array) -> Array:
    """α/2 ‖w‖²; w is one weight at all its times."""
    return ALPHA_1 / 2 * (w**2).sum()


def smoothness(w: Array) -> Array:
    """α/(2h) Σ_j ‖w_{j+1} − w_j‖²; w is one weight at all its times."""
    return ALPHA_2 / (2 * H) * ((w[1:] - w[:-1]) ** 2).sum()


def layer_weights(weights: Weights) -> tuple[Layer, Layer, Layer]:
    """The weights of all steps; vectors as columns."""
    check_weights(weights)
    start = (
        weights["W1"][:-1],
        weights["b1"][:-1][..., None],
        weights["W2"][:-1],
        weights["b2"][:-1][..., None],
        weights["W3"][:-1],
        weights["b3"][:-1][..., None],
    )
    mid = (
        (weights["W1"][:-1] + weights["W1"][1:]) / 2,
        ((weights["b1"][:-1] + weights["b1"][1:]) / 2)[..., None],
        (weights["W2"][:-1] + weights["W2"][1:]) / 2,
        ((weights["b2"][:-1] + weights["b2"][1:]) / 2)[..., None],
        (weights["W3"][:-1] + weights["W3"][1:]) / 2,
        ((weights["b3"][:-1] + weights["b3"][1:]) / 2)[..., None],
    )
    end = (
        weights["W1"][1:],
        weights["b1"][1:][..., None],
        weights["W2"][1:],
        weights["b2"][1:][..., None],
        weights["W3"][1:],
        weights["b3"][1:][..., None],
    )
    return start, mid, end


def weights_at(weights: Weights, t: float) -> Layer:
    """Weights interpolated at t."""
    j = step_of(t)
    theta = t / H - j
    return (
        (1 - theta) * weights["W1"][j] + theta * weights["W1"][j + 1],
        ((1 - theta) * weights["b1"][j] + theta * weights["b1"][j + 1])[:, None],
        (1 - theta) * weights["W2"][j] + theta * weights["W2"][j + 1],
        ((1 - theta) * weights["b2"][j] + theta * weights["b2"][j + 1])[:, None],
        (1 - theta) * weights["W3"][j] + theta * weights["W3"][j + 1],
        ((1 - theta) * weights["b3"][j] + theta * weights["b3"][j + 1])[:, None],
    )


def initial_state(weights: Weights, x: Array) -> Array:
    """y(0) = x; one column per example."""
    check_rows(x, FEATURES, "x")
    return x.T


def final_state(weights: Weights, x: Array) -> Array:
    """y(T), one column per example."""
    y = initial_state(weights, x)
    starts, mids, ends = layer_weights(weights)

    def advance(
        y: Array, layer: tuple[Array, Layer, Layer, Layer]
    ) -> tuple[Array, None]:
        return step(y, *layer), None

    y, _ = jax.lax.scan(
        advance, y, (H * jnp.arange(STEPS, dtype=x.dtype), starts, mids, ends)
    )
    return y


def trajectory(weights: Weights, x: Array) -> Array:
    """y at t_0, …, t_N: (N + 1, s, 3)."""
    y = initial_state(weights, x)
    starts, mids, ends = layer_weights(weights)

    def advance(
        y: Array, layer: tuple[Array, Layer, Layer, Layer]
    ) -> tuple[Array, Array]:
        y = step(y, *layer)
        return y, y

    _, ys = jax.lax.scan(
        advance, y, (H * jnp.arange(STEPS, dtype=x.dtype), starts, mids, ends)
    )
    ys = jnp.concatenate([y[None], ys])
    return ys.mT


def vector_field(weights: Weights, t: float, y: Array) -> Array:
    """f(t, y), rows (s, 3) in and out, with weights interpolated at t."""
    check_rows(y, STATES, "y")
    layer = weights_at(weights, t)
    time = jnp.asarray(t, y.dtype)
    y = y.T
    return dy_dt(time, y, *layer).T


def forward(weights: Weights, x: Array) -> Array:
    """Logits Wᵀ y(T) + μ, one row per example: (s, 3)."""
    y = final_state(weights, x)
    logits = weights["W"].T @ y + weights["mu"][:, None]
    return logits.T


def regularizer(weights: Weights) -> Array:
    """R: weight-decay of W1, W; smoothness of W1, b1, W2, b2, W3, b3."""
    return (
        weight_decay(weights["W1"])
        + weight_decay(weights["W"])
        + smoothness(weights["W1"])
        + smoothness(weights["b1"])
        + smoothness(weights["W2"])
        + smoothness(weights["b2"])
        + smoothness(weights["W3"])
        + smoothness(weights["b3"])
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
    file = Path(__file__).with_name("linear_mlp.safetensors")
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
