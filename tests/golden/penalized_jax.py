"""penalized: y' = W₃ tanh(W₂ tanh(W₁ [y; t] + b₁) + b₂) + b₃,  0 ≤ t ≤ T.

Vector field   mlp, y ∈ ℝ³
Integrator     classical Runge–Kutta 4, order 4
               N = 3 steps of h = T/N = 1/3 = 0.333333
Weights        one weight for each step; 204 numbers
Readout        Wᵀ y + μ; 3 classes, softmax, cross-entropy
Regularizer    kinetic-energy, α = 0.1: ∫ ‖f(t, y)‖² dt
               jacobian-frobenius, α = 0.2: ∫ ‖∂f/∂y‖²_F dt, by products with all unit
               vectors
Stability      nothing is known of the spectrum by construction

Written by wellposed 0.1.0 (JAX) from the spec penalized, 2b168cf6.
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
PenalizedState = tuple[Array, Array, Array]
Layer = tuple[Array, ...]

FEATURES = 3  # d
STATES = 3  # n
CLASSES = 3
HORIZON, STEPS = 1, 3  # T, N
H = HORIZON / STEPS  # h = T/N
ALPHA_1 = 0.1  # α of kinetic-energy
ALPHA_2 = 0.2  # α of jacobian-frobenius


def rng(seed: int, name: str) -> np.random.Generator:
    """A generator for every weight: they do not depend on each other."""
    return np.random.default_rng([seed, *name.encode()])


def init(seed: int = 1) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "W1": np.repeat(
            rng(seed, "W1").normal(0.0, (STATES + 1) ** -0.5, (1, 5, STATES + 1)),
            STEPS,
            axis=0,
        ),
        "b1": np.zeros((STEPS, 5)),
        "W2": np.repeat(rng(seed, "W2").normal(0.0, 5**-0.5, (1, 4, 5)), STEPS, axis=0),
        "b2": np.zeros((STEPS, 4)),
        "W3": np.repeat(
            rng(seed, "W3").normal(0.0, 4**-0.5, (1, STATES, 4)), STEPS, axis=0
        ),
        "b3": np.zeros((STEPS, STATES)),
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
        "W1": (STEPS, 5, STATES + 1),
        "b1": (STEPS, 5),
        "W2": (STEPS, 4, 5),
        "b2": (STEPS, 4),
        "W3": (STEPS, STATES, 4),
        "b3": (STEPS, STATES),
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


def dkinetic_dt(dy: Array) -> Array:
    """kinetic' = ‖f(t, y)‖²."""
    return (dy**2).sum(axis=0, keepdims=True)


def djacobian_dt(
    t: Array, y: Array, W1: Array, b1: Array, W2: Array, b2: Array, W3: Array
) -> Array:
    """jacobian' = ‖∂f/∂y‖²_F, by products with all unit vectors."""
    u1 = jnp.tanh(W1 @ jnp.concatenate([y, jnp.broadcast_to(t, (1, y.shape[1]))]) + b1)
    u2 = jnp.eye(STATES, dtype=y.dtype)[..., None]
    u3 = W2 @ ((1 - u1**2) * (W1 @ jnp.pad(u2, ((0, 0), (0, 1), (0, 0)))))
    u4 = (W3 @ ((1 - jnp.tanh(W2 @ u1 + b2) ** 2) * u3)) ** 2
    return u4.sum(axis=1, keepdims=True).sum(axis=0)


def step(
    y: Array, t: Array, W1: Array, b1: Array, W2: Array, b2: Array, W3: Array, b3: Array
) -> Array:
    """Classical Runge–Kutta 4: y + h/6 (k₁ + 2 k₂ + 2 k₃ + k₄); k₁ = f(t, y),
    k₂ = f(t + h/2, y + h/2 k₁), k₃ = f(t + h/2, y + h/2 k₂),
    k₄ = f(t + h, y + h k₃).
    """
    k1 = dy_dt(t, y, W1, b1, W2, b2, W3, b3)
    k2 = dy_dt(t + H / 2, y + H / 2 * k1, W1, b1, W2, b2, W3, b3)
    k3 = dy_dt(t + H / 2, y + H / 2 * k2, W1, b1, W2, b2, W3, b3)
    k4 = dy_dt(t + H, y + H * k3, W1, b1, W2, b2, W3, b3)
    return y + H / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def penalized_step(
    y: Array,
    kinetic: Array,
    jacobian: Array,
    t: Array,
    W1: Array,
    b1: Array,
    W2: Array,
    b2: Array,
    W3: Array,
    b3: Array,
) -> PenalizedState:
    """Classical Runge–Kutta 4: y + h/6 (k₁ + 2 k₂ + 2 k₃ + k₄); k₁ = f(t, y),
    k₂ = f(t + h/2, y + h/2 k₁), k₃ = f(t + h/2, y + h/2 k₂),
    k₄ = f(t + h, y + h k₃).
    """
    k1_y = dy_dt(t, y, W1, b1, W2, b2, W3, b3)
    k1_kinetic = dkinetic_dt(k1_y)
    k1_jacobian = djacobian_dt(t, y, W1, b1, W2, b2, W3)
    y2 = y + H / 2 * k1_y
    k2_y = dy_dt(t + H / 2, y2, W1, b1, W2, b2, W3, b3)
    k2_kinetic = dkinetic_dt(k2_y)
    k2_jacobian = djacobian_dt(t + H / 2, y2, W1, b1, W2, b2, W3)
    y3 = y + H / 2 * k2_y
    k3_y = dy_dt(t + H / 2, y3, W1, b1, W2, b2, W3, b3)
    k3_kinetic = dkinetic_dt(k3_y)
    k3_jacobian = djacobian_dt(t + H / 2, y3, W1, b1, W2, b2, W3)
    y4 = y + H * k3_y
    k4_y = dy_dt(t + H, y4, W1, b1, W2, b2, W3, b3)
    k4_kinetic = dkinetic_dt(k4_y)
    k4_jacobian = djacobian_dt(t + H, y4, W1, b1, W2, b2, W3)
    u1 = H / 6 * (k1_jacobian + 2 * k2_jacobian + 2 * k3_jacobian + k4_jacobian)
    return (
        y + H / 6 * (k1_y + 2 * k2_y + 2 * k3_y + k4_y),
        kinetic + H / 6 * (k1_kinetic + 2 * k2_kinetic + 2 * k3_kinetic + k4_kinetic),
        jacobian + u1,
    )


def layer_weights(weights: Weights) -> Layer:
    """The weights of all steps; vectors as columns."""
    check_weights(weights)
    return (
        weights["W1"],
        weights["b1"][..., None],
        weights["W2"],
        weights["b2"][..., None],
        weights["W3"],
        weights["b3"][..., None],
    )


def weights_at(weights: Weights, t: float) -> Layer:
    """The weights of step j, t_j ≤ t < t_{j+1}."""
    j = step_of(t)
    return (
        weights["W1"][j],
        weights["b1"][j][:, None],
        weights["W2"][j],
        weights["b2"][j][:, None],
        weights["W3"][j],
        weights["b3"][j][:, None],
    )


def initial_state(weights: Weights, x: Array) -> Array:
    """y(0) = x; one column per example."""
    check_rows(x, FEATURES, "x")
    return x.T


def final_state(weights: Weights, x: Array) -> Array:
    """y(T), one column per example."""
    y = initial_state(weights, x)
    layers = layer_weights(weights)

    def advance(y: Array, layer: Layer) -> tuple[Array, None]:
        return step(y, *layer), None

    y, _ = jax.lax.scan(advance, y, (H * jnp.arange(STEPS, dtype=x.dtype), *layers))
    return y


def trajectory(weights: Weights, x: Array) -> Array:
    """y at t_0, …, t_N: (N + 1, s, 3)."""
    y = initial_state(weights, x)
    layers = layer_weights(weights)

    def advance(y: Array, layer: Layer) -> tuple[Array, Array]:
        y = step(y, *layer)
        return y, y

    _, ys = jax.lax.scan(advance, y, (H * jnp.arange(STEPS, dtype=x.dtype), *layers))
    ys = jnp.concatenate([y[None], ys])
    return ys.mT


def vector_field(weights: Weights, t: float, y: Array) -> Array:
    """f(t, y), rows (s, 3) in and out, with weight j for t_j ≤ t < t_{j+1}."""
    check_rows(y, STATES, "y")
    layer = weights_at(weights, t)
    time = jnp.asarray(t, y.dtype)
    y = y.T
    return dy_dt(time, y, *layer).T


def penalized_state(weights: Weights, x: Array) -> PenalizedState:
    """The states at T, and the integrals kinetic, jacobian; one column per example."""
    y = initial_state(weights, x)
    kinetic = jnp.zeros((1, y.shape[1]), y.dtype)
    jacobian = jnp.zeros((1, y.shape[1]), y.dtype)
    layers = layer_weights(weights)

    def advance(state: PenalizedState, layer: Layer) -> tuple[PenalizedState, None]:
        return penalized_step(*state, *layer), None

    (y, kinetic, jacobian), _ = jax.lax.scan(
        advance, (y, kinetic, jacobian), (H * jnp.arange(STEPS, dtype=x.dtype), *layers)
    )
    return y, kinetic, jacobian


def path_penalty(weights: Weights, x: Array) -> Array:
    """What the path of each row adds to the loss: (s,).
    Along the path: 0.1 ∫ ‖f(t, y)‖² dt; 0.2 ∫ ‖∂f/∂y‖²_F dt, by products with all unit
        vectors.
    """
    check_rows(x, FEATURES, "x")
    _, kinetic, jacobian = penalized_state(weights, x)
    return (ALPHA_1 * kinetic + ALPHA_2 * jacobian)[0]


def forward(weights: Weights, x: Array) -> Array:
    """Logits Wᵀ y(T) + μ, one row per example: (s, 3)."""
    y = final_state(weights, x)
    logits = weights["W"].T @ y + weights["mu"][:, None]
    return logits.T


def loss(weights: Weights, x: Array, targets: Array) -> Array:
    """Mean over the examples of −Σ (C ⊙ log softmax(u)), u the logits; targets C are
        classes (s,) or their probabilities (s, classes).
    Along the path: 0.1 ∫ ‖f(t, y)‖² dt; 0.2 ∫ ‖∂f/∂y‖²_F dt, by products with all unit
        vectors.
    """
    check_targets(x, targets)
    y, kinetic, jacobian = penalized_state(weights, x)
    along_path = (ALPHA_1 * kinetic + ALPHA_2 * jacobian)[0]
    logits = weights["W"].T @ y + weights["mu"][:, None]
    C = class_probabilities(targets, x.dtype).T
    losses = -(C * jax.nn.log_softmax(logits, axis=0)).sum(axis=0)
    return losses.mean() + along_path.mean()


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    print(__doc__)
    file = Path(__file__).with_name("penalized.safetensors")
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
