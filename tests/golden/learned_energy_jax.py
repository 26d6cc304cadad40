"""learned-energy: y' = (net_W₁ᵀ (net_W₂ᵀ (net_W₃ᵀ 1 ⊙ (1 − tanh(net_W₂ tanh(net_W₁ [y;
    z] + net_b₁) + net_b₂)²)) ⊙ (1 − tanh(net_W₁ [y; z] + net_b₁)²)))[2:4] + (z[0],
    0); z' = −(net_W₁ᵀ (net_W₂ᵀ (net_W₃ᵀ 1 ⊙ (1 − tanh(net_W₂ tanh(net_W₁ [y; z] +
    net_b₁) + net_b₂)²)) ⊙ (1 − tanh(net_W₁ [y; z] + net_b₁)²)))[0:2],  0 ≤ t ≤ T.

Vector field   custom, y ∈ ℝ², z ∈ ℝ², from H = ½ z[0]² + Σ (net_W₃ tanh(net_W₂
               tanh(net_W₁ [y; z] + net_b₁) + net_b₂) + net_b₃)
Integrator     explicit midpoint, order 2
               N = 3 steps of h = T/N = 1/3 = 0.333333
Weights        one weight for each step; 126 numbers
Readout        Wᵀ y + μ; 3 classes, softmax, cross-entropy
Stability      nothing is known of the spectrum by construction

Written by wellposed 0.1.0 (JAX) from the spec learned-energy, 5c52b32f.
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

FEATURES = 2  # d
STATES = 2  # n
MOMENTA = 2  # m
CLASSES = 3
HORIZON, STEPS = 1, 3  # T, N
H = HORIZON / STEPS  # h = T/N


def rng(seed: int, name: str) -> np.random.Generator:
    """A generator for every weight: they do not depend on each other."""
    return np.random.default_rng([seed, *name.encode()])


def init(seed: int = 1) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "net_W1": np.repeat(
            rng(seed, "net_W1").normal(0.0, 4**-0.5, (1, 4, 4)), STEPS, axis=0
        ),
        "net_b1": np.zeros((STEPS, 4)),
        "net_W2": np.repeat(
            rng(seed, "net_W2").normal(0.0, 4**-0.5, (1, 3, 4)), STEPS, axis=0
        ),
        "net_b2": np.zeros((STEPS, 3)),
        "net_W3": np.repeat(
            rng(seed, "net_W3").normal(0.0, 3**-0.5, (1, 1, 3)), STEPS, axis=0
        ),
        "net_b3": np.zeros((STEPS, 1)),
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
        "net_W1": (STEPS, 4, 4),
        "net_b1": (STEPS, 4),
        "net_W2": (STEPS, 3, 4),
        "net_b2": (STEPS, 3),
        "net_W3": (STEPS, 1, 3),
        "net_b3": (STEPS, 1),
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
    y: Array,
    z: Array,
    net_W1: Array,
    net_b1: Array,
    net_W2: Array,
    net_b2: Array,
    net_W3: Array,
) -> Array:
    """y' = (net_W₁ᵀ (net_W₂ᵀ (net_W₃ᵀ 1 ⊙ (1 − tanh(net_W₂ tanh(net_W₁ [y; z] +
    net_b₁) + net_b₂)²)) ⊙ (1 − tanh(net_W₁ [y; z] + net_b₁)²)))[2:4] + (z[0], 0).
    """
    u1 = jnp.tanh(net_W1 @ jnp.concatenate([y, z]) + net_b1)
    u2 = net_W3.T @ jnp.full((1, 1), 1, dtype=y.dtype)
    u3 = net_W2.T @ (u2 * (1 - jnp.tanh(net_W2 @ u1 + net_b2) ** 2))
    return (net_W1.T @ (u3 * (1 - u1**2)))[2:] + jnp.pad(z[0:1], ((0, 1), (0, 0)))


def dz_dt(
    y: Array,
    z: Array,
    net_W1: Array,
    net_b1: Array,
    net_W2: Array,
    net_b2: Array,
    net_W3: Array,
) -> Array:
    """z' = −(net_W₁ᵀ (net_W₂ᵀ (net_W₃ᵀ 1 ⊙ (1 − tanh(net_W₂ tanh(net_W₁ [y; z] +
    net_b₁) + net_b₂)²)) ⊙ (1 − tanh(net_W₁ [y; z] + net_b₁)²)))[0:2].
    """
    u1 = jnp.tanh(net_W1 @ jnp.concatenate([y, z]) + net_b1)
    u2 = net_W3.T @ jnp.full((1, 1), 1, dtype=y.dtype)
    u3 = net_W2.T @ (u2 * (1 - jnp.tanh(net_W2 @ u1 + net_b2) ** 2))
    return -(net_W1.T @ (u3 * (1 - u1**2)))[:2]


def step(
    y: Array,
    z: Array,
    net_W1: Array,
    net_b1: Array,
    net_W2: Array,
    net_b2: Array,
    net_W3: Array,
) -> State:
    """Explicit midpoint: y + h k₂; k₁ = f(t, y), k₂ = f(t + h/2, y + h/2 k₁)."""
    k1_y = dy_dt(y, z, net_W1, net_b1, net_W2, net_b2, net_W3)
    k1_z = dz_dt(y, z, net_W1, net_b1, net_W2, net_b2, net_W3)
    y2 = y + H / 2 * k1_y
    z2 = z + H / 2 * k1_z
    k2_y = dy_dt(y2, z2, net_W1, net_b1, net_W2, net_b2, net_W3)
    k2_z = dz_dt(y2, z2, net_W1, net_b1, net_W2, net_b2, net_W3)
    return y + H * k2_y, z + H * k2_z


def layer_weights(weights: Weights) -> Layer:
    """The weights of all steps; vectors as columns."""
    check_weights(weights)
    return (
        weights["net_W1"],
        weights["net_b1"][..., None],
        weights["net_W2"],
        weights["net_b2"][..., None],
        weights["net_W3"],
    )


def weights_at(weights: Weights, t: float) -> Layer:
    """The weights of step j, t_j ≤ t < t_{j+1}."""
    j = step_of(t)
    return (
        weights["net_W1"][j],
        weights["net_b1"][j][:, None],
        weights["net_W2"][j],
        weights["net_b2"][j][:, None],
        weights["net_W3"][j],
        weights["net_b3"][j][:, None],
    )


def initial_state(weights: Weights, x: Array) -> State:
    """y(0) = x, z(0) = 0; one column per example."""
    check_rows(x, FEATURES, "x")
    return x.T, jnp.zeros((MOMENTA, x.shape[0]), x.dtype)


def final_state(weights: Weights, x: Array) -> Array:
    """y(T), one column per example."""
    y, z = initial_state(weights, x)
    layers = layer_weights(weights)

    def advance(state: State, layer: Layer) -> tuple[State, None]:
        return step(*state, *layer), None

    (y, _), _ = jax.lax.scan(advance, (y, z), layers)
    return y


def trajectory(weights: Weights, x: Array) -> Array:
    """(y, z) at t_0, …, t_N: (N + 1, s, 4)."""
    y, z = initial_state(weights, x)
    layers = layer_weights(weights)

    def advance(state: State, layer: Layer) -> tuple[State, State]:
        state = step(*state, *layer)
        return state, state

    _, (ys, zs) = jax.lax.scan(advance, (y, z), layers)
    ys = jnp.concatenate([y[None], ys])
    zs = jnp.concatenate([z[None], zs])
    return jnp.concatenate([ys, zs], axis=1).mT


def vector_field(weights: Weights, t: float, y: Array) -> Array:
    """f(t, y), rows (s, 4) in and out, with weight j for t_j ≤ t < t_{j+1}."""
    check_rows(y, STATES + MOMENTA, "y")
    net_W1, net_b1, net_W2, net_b2, net_W3, _ = weights_at(weights, t)
    columns = y.T
    y = columns[:STATES]
    z = columns[STATES:]
    dy = dz_dt(y, z, net_W1, net_b1, net_W2, net_b2, net_W3)
    return jnp.concatenate([dy_dt(y, z, net_W1, net_b1, net_W2, net_b2, net_W3), dy]).T


def forward(weights: Weights, x: Array) -> Array:
    """Logits Wᵀ y(T) + μ, one row per example: (s, 3)."""
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
    file = Path(__file__).with_name("learned_energy.safetensors")
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
