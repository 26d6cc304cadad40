"""penalized-blocks: y' = tanh(K z + b); z' = −tanh(Kᵀ y + c),  0 ≤ t ≤ T.

Vector field   custom, y ∈ ℝ³, z ∈ ℝ²
Integrator     forward Euler, order 1
               N = 3 steps of h = T/N = 1/3 = 0.333333
Weights        K, b linear in time between N + 1 nodes; c one weight shared by all
               steps; 50 numbers
Readout        Wᵀ y + μ; 3 classes, logistic, least-squares
Regularizer    weight-decay of K, W, α = 0.3
               jacobian-frobenius, α = 0.1: ∫ ‖∂f/∂y‖²_F dt, in closed form
               kinetic-energy, α = 0.2: ∫ ‖f(t, y)‖² dt
Stability      Re λ(∂f/∂(y, z)) = 0 for all weights and states (0 ≤ σ' ≤ 1): ∂f/∂(y, z)
               = D [[0, K], [−Kᵀ, 0]] with D = diag σ' is similar to a skew matrix

Written by wellposed 0.1.0 (JAX) from the spec penalized-blocks, 4ad7eba1.
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
PenalizedState = tuple[Array, Array, Array, Array]
Layer = tuple[Array, ...]

FEATURES = 3  # d
STATES = 3  # n
MOMENTA = 2  # m
CLASSES = 3
HORIZON, STEPS = 1, 3  # T, N
H = HORIZON / STEPS  # h = T/N
ALPHA_1 = 0.3  # α of weight-decay
ALPHA_2 = 0.1  # α of jacobian-frobenius
ALPHA_3 = 0.2  # α of kinetic-energy


def rng(seed: int, name: str) -> np.random.Generator:
    """A generator for every weight: they do not depend on each other."""
    return np.random.default_rng([seed, *name.encode()])


def init(seed: int = 1) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "K": np.repeat(
            rng(seed, "K").normal(0.0, MOMENTA**-0.5, (1, STATES, MOMENTA)),
            STEPS + 1,
            axis=0,
        ),
        "b": np.zeros((STEPS + 1, STATES)),
        "c": np.zeros(MOMENTA),
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
        "K": (STEPS + 1, STATES, MOMENTA),
        "b": (STEPS + 1, STATES),
        "c": (MOMENTA,),
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


def dy_dt(z: Array, K: Array, b: Array) -> Array:
    """y' = tanh(K z + b)."""
    return jnp.tanh(K @ z + b)


def dz_dt(y: Array, K: Array, c: Array) -> Array:
    """z' = −tanh(Kᵀ y + c)."""
    return -jnp.tanh(K.T @ y + c)


def djacobian_dt(y: Array, z: Array, K: Array, b: Array, c: Array) -> Array:
    """jacobian' = ‖∂f/∂y‖²_F, in closed form."""
    u1 = (1 - jnp.tanh(K @ z + b) ** 2) ** 2 * (K**2).sum(axis=-1, keepdims=True)
    u2 = (1 - jnp.tanh(K.T @ y + c) ** 2) ** 2
    u3 = (u2 * (K.T**2).sum(axis=-1, keepdims=True)).sum(axis=0, keepdims=True)
    return u1.sum(axis=0, keepdims=True) + u3


def dkinetic_dt(dy: Array, dz: Array) -> Array:
    """kinetic' = ‖f(t, y)‖²."""
    return (dy**2).sum(axis=0, keepdims=True) + (dz**2).sum(axis=0, keepdims=True)


def step(y: Array, z: Array, layer: Layer, shared: Array) -> State:
    """Forward Euler: y + h f(t, y)."""
    K, b = layer
    return y + H * dy_dt(z, K, b), z + H * dz_dt(y, K, shared)


def penalized_step(
    y: Array, z: Array, jacobian: Array, kinetic: Array, layer: Layer, shared: Array
) -> PenalizedState:
    """Forward Euler: y + h f(t, y)."""
    K, b = layer
    k1_y = dy_dt(z, K, b)
    k1_z = dz_dt(y, K, shared)
    return (
        y + H * k1_y,
        z + H * k1_z,
        jacobian + H * djacobian_dt(y, z, K, b, shared),
        kinetic + H * dkinetic_dt(k1_y, k1_z),
    )


def weight_decay(w: Array) -> Array:
    """α/2 ‖w‖²; w is one weight at all its times."""
    return ALPHA_1 / 2 * (w**2).sum()


def layer_weights(weights: Weights) -> tuple[Layer, Array]:
    """The weights of all steps; vectors as columns."""
    check_weights(weights)
    layer = (weights["K"][:-1], weights["b"][:-1][..., None])
    shared = weights["c"][:, None]
    return layer, shared


def weights_at(weights: Weights, t: float) -> Layer:
    """The weights at t: K, b interpolated."""
    j = step_of(t)
    theta = t / H - j
    return (
        (1 - theta) * weights["K"][j] + theta * weights["K"][j + 1],
        ((1 - theta) * weights["b"][j] + theta * weights["b"][j + 1])[:, None],
        weights["c"][:, None],
    )


def initial_state(weights: Weights, x: Array) -> State:
    """y(0) = x, z(0) = 0; one column per example."""
    check_rows(x, FEATURES, "x")
    return x.T, jnp.zeros((MOMENTA, x.shape[0]), x.dtype)


def final_state(weights: Weights, x: Array) -> Array:
    """y(T), one column per example."""
    y, z = initial_state(weights, x)
    layers, shared = layer_weights(weights)

    def advance(state: State, layer: Layer) -> tuple[State, None]:
        return step(*state, layer, shared), None

    (y, _), _ = jax.lax.scan(advance, (y, z), layers)
    return y


def trajectory(weights: Weights, x: Array) -> Array:
    """(y, z) at t_0, …, t_N: (N + 1, s, 5)."""
    y, z = initial_state(weights, x)
    layers, shared = layer_weights(weights)

    def advance(state: State, layer: Layer) -> tuple[State, State]:
        state = step(*state, layer, shared)
        return state, state

    _, (ys, zs) = jax.lax.scan(advance, (y, z), layers)
    ys = jnp.concatenate([y[None], ys])
    zs = jnp.concatenate([z[None], zs])
    return jnp.concatenate([ys, zs], axis=1).mT


def vector_field(weights: Weights, t: float, y: Array) -> Array:
    """f(t, y), rows (s, 5) in and out, with weights interpolated at t."""
    check_rows(y, STATES + MOMENTA, "y")
    K, b, c = weights_at(weights, t)
    columns = y.T
    y = columns[:STATES]
    z = columns[STATES:]
    return jnp.concatenate([dy_dt(z, K, b), dz_dt(y, K, c)]).T


def penalized_state(weights: Weights, x: Array) -> PenalizedState:
    """The states at T, and the integrals jacobian, kinetic; one column per example."""
    y, z = initial_state(weights, x)
    jacobian = jnp.zeros((1, y.shape[1]), y.dtype)
    kinetic = jnp.zeros((1, y.shape[1]), y.dtype)
    layers, shared = layer_weights(weights)

    def advance(state: PenalizedState, layer: Layer) -> tuple[PenalizedState, None]:
        return penalized_step(*state, layer, shared), None

    (y, z, jacobian, kinetic), _ = jax.lax.scan(
        advance, (y, z, jacobian, kinetic), layers
    )
    return y, z, jacobian, kinetic


def path_penalty(weights: Weights, x: Array) -> Array:
    """What the path of each row adds to the loss: (s,).
    Along the path: 0.1 ∫ ‖∂f/∂y‖²_F dt, in closed form; 0.2 ∫ ‖f(t, y)‖² dt.
    """
    check_rows(x, FEATURES, "x")
    _, _, jacobian, kinetic = penalized_state(weights, x)
    return (ALPHA_2 * jacobian + ALPHA_3 * kinetic)[0]


def forward(weights: Weights, x: Array) -> Array:
    """Logits Wᵀ y(T) + μ, one row per example: (s, 3)."""
    y = final_state(weights, x)
    logits = weights["W"].T @ y + weights["mu"][:, None]
    return logits.T


def regularizer(weights: Weights) -> Array:
    """R: weight-decay of K, W."""
    return weight_decay(weights["K"]) + weight_decay(weights["W"])


def loss(weights: Weights, x: Array, targets: Array) -> Array:
    """Mean over the examples of ½ (Σ ((sigmoid(u) − C)²)), u the logits, plus R;
        targets C are classes (s,) or their probabilities (s, classes).
    Along the path: 0.1 ∫ ‖∂f/∂y‖²_F dt, in closed form; 0.2 ∫ ‖f(t, y)‖² dt.
    """
    check_targets(x, targets)
    y, _, jacobian, kinetic = penalized_state(weights, x)
    along_path = (ALPHA_2 * jacobian + ALPHA_3 * kinetic)[0]
    logits = weights["W"].T @ y + weights["mu"][:, None]
    C = class_probabilities(targets, x.dtype).T
    losses = ((jax.nn.sigmoid(logits) - C) ** 2).sum(axis=0) / 2
    return losses.mean() + along_path.mean() + regularizer(weights)


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    print(__doc__)
    file = Path(__file__).with_name("penalized_blocks.safetensors")
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
