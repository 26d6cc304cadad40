"""verlet-linear: y' = K₁ᵀ tanh(K₁ z + b); z' = −K₂ᵀ tanh(K₂ y + c),  0 ≤ t ≤ T.

Vector field   double-layer-hamiltonian, y ∈ ℝ³, z ∈ ℝ³
               K₁ ↦ ½ (K₁ − K₁ᵀ − γ I), γ = 0.3
               K₂ ↦ ½ (K₂ − K₂ᵀ − γ I), γ = 0.3
Integrator     Störmer–Verlet (staggered), order 1 in y for z given at t = 0, order 2
               for z given at t = −h/2
               N = 3 steps of h = T/N = 1/3 = 0.333333
Weights        linear in time between N + 1 nodes; 108 numbers
Readout        Wᵀ y + μ; 3 classes, softmax, cross-entropy
Regularizer    weight-decay of K1, W, α = 0.1
               smoothness of K1, K2, b, c, α = 0.2
Stability      Re λ(∂f/∂(y, z)) = 0 for all weights and states: ∂f/∂(y, z) = [[0, P],
               [−Q, 0]] or its negative, with P, Q symmetric and semidefinite

Written by wellposed 0.1.0 (JAX) from the spec verlet-linear, b0ecfc04.
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
State = tuple[Array, Array]
Layer = tuple[Array, ...]

FEATURES = 3  # d
STATES = 3  # n
MOMENTA = 3  # m
CLASSES = 3
HORIZON, STEPS = 1, 3  # T, N
H = HORIZON / STEPS  # h = T/N
GAMMA = 0.3  # γ
ALPHA_1 = 0.1  # α of weight-decay
ALPHA_2 = 0.2  # α of smoothness


def rng(seed: int, name: str) -> np.random.Generator:
    """A generator for every weight: they do not depend on each other."""
    return np.random.default_rng([seed, *name.encode()])


def init(seed: int = 1) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "K1": np.repeat(
            rng(seed, "K1").normal(0.0, MOMENTA**-0.5, (1, STATES, MOMENTA)),
            STEPS + 1,
            axis=0,
        ),
        "K2": np.repeat(
            rng(seed, "K2").normal(0.0, STATES**-0.5, (1, STATES, STATES)),
            STEPS + 1,
            axis=0,
        ),
        "b": np.zeros((STEPS + 1, STATES)),
        "c": np.zeros((STEPS + 1, STATES)),
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
        "K1": (STEPS + 1, STATES, MOMENTA),
        "K2": (STEPS + 1, STATES, STATES),
        "b": (STEPS + 1, STATES),
        "c": (STEPS + 1, STATES),
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


def dy_dt(z: Array, K1: Array, b: Array) -> Array:
    """y' = K₁ᵀ tanh(K₁ z + b)."""
    return K1.T @ jnp.tanh(K1 @ z + b)


def dz_dt(y: Array, K2: Array, c: Array) -> Array:
    """z' = −K₂ᵀ tanh(K₂ y + c)."""
    return -K2.T @ jnp.tanh(K2 @ y + c)


def step(y: Array, z: Array, start: Layer, mid: Layer) -> State:
    """Störmer–Verlet (staggered): z + h z'(y), then y + h y'(z) with the new z.
    Order 1 in y for z given at t = 0, order 2 for z given at t = −h/2.
    """
    z = z + H * dz_dt(y, *start)
    y = y + H * dy_dt(z, *mid)
    return y, z


def weight_decay(w: Array) -> Array:
    """α/2 ‖w‖²; w is one weight at all its times."""
    return ALPHA_1 / 2 * (w**2).sum()


def smoothness(w: Array) -> Array:
    """α/(2h) Σ_j ‖w_{j+1} − w_j‖²; w is one weight at all its times."""
    return ALPHA_2 / (2 * H) * ((w[1:] - w[:-1]) ** 2).sum()


def layer_weights(weights: Weights) -> tuple[Layer, Layer]:
    """The weights of all steps; K₁ ↦ ½ (K₁ − K₁ᵀ − γ I); K₂ ↦ ½ (K₂ − K₂ᵀ − γ I);
    vectors as columns.
    """
    check_weights(weights)
    start = (antisymmetric(weights["K2"][:-1]), weights["c"][:-1][..., None])
    mid = (
        antisymmetric((weights["K1"][:-1] + weights["K1"][1:]) / 2),
        ((weights["b"][:-1] + weights["b"][1:]) / 2)[..., None],
    )
    return start, mid


def weights_at(weights: Weights, t: float) -> Layer:
    """Weights interpolated at t."""
    j = step_of(t)
    theta = t / H - j
    return (
        antisymmetric((1 - theta) * weights["K1"][j] + theta * weights["K1"][j + 1]),
        antisymmetric((1 - theta) * weights["K2"][j] + theta * weights["K2"][j + 1]),
        ((1 - theta) * weights["b"][j] + theta * weights["b"][j + 1])[:, None],
        ((1 - theta) * weights["c"][j] + theta * weights["c"][j + 1])[:, None],
    )


def initial_state(weights: Weights, x: Array) -> State:
    """y(0) = x, z(0) = 0; one column per example."""
    check_rows(x, FEATURES, "x")
    return x.T, jnp.zeros((MOMENTA, x.shape[0]), x.dtype)


def final_state(weights: Weights, x: Array) -> Array:
    """y(T), one column per example."""
    y, z = initial_state(weights, x)
    starts, mids = layer_weights(weights)

    def advance(state: State, layer: tuple[Layer, Layer]) -> tuple[State, None]:
        return step(*state, *layer), None

    (y, _), _ = jax.lax.scan(advance, (y, z), (starts, mids))
    return y


def trajectory(weights: Weights, x: Array) -> Array:
    """(y, z) at t_0, …, t_N, z by h/2 behind: (N + 1, s, 6)."""
    y, z = initial_state(weights, x)
    starts, mids = layer_weights(weights)

    def advance(state: State, layer: tuple[Layer, Layer]) -> tuple[State, State]:
        state = step(*state, *layer)
        return state, state

    _, (ys, zs) = jax.lax.scan(advance, (y, z), (starts, mids))
    ys = jnp.concatenate([y[None], ys])
    zs = jnp.concatenate([z[None], zs])
    return jnp.concatenate([ys, zs], axis=1).mT


def vector_field(weights: Weights, t: float, y: Array) -> Array:
    """f(t, y), rows (s, 6) in and out, with weights interpolated at t."""
    check_rows(y, STATES + MOMENTA, "y")
    K1, K2, b, c = weights_at(weights, t)
    columns = y.T
    y = columns[:STATES]
    z = columns[STATES:]
    return jnp.concatenate([dy_dt(z, K1, b), dz_dt(y, K2, c)]).T


def forward(weights: Weights, x: Array) -> Array:
    """Logits Wᵀ y(T) + μ, one row per example: (s, 3)."""
    y = final_state(weights, x)
    logits = weights["W"].T @ y + weights["mu"][:, None]
    return logits.T


def regularizer(weights: Weights) -> Array:
    """R: weight-decay of K1, W; smoothness of K1, K2, b, c."""
    return (
        weight_decay(weights["K1"])
        + weight_decay(weights["W"])
        + smoothness(weights["K1"])
        + smoothness(weights["K2"])
        + smoothness(weights["b"])
        + smoothness(weights["c"])
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
    file = Path(__file__).with_name("verlet_linear.safetensors")
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
