"""verlet-linear: y' = K₁ᵀ tanh(K₁ z + b); z' = −K₂ᵀ tanh(K₂ y + c),  0 <= t <= T.

Vector field   double-layer-hamiltonian, y in R^3, z in R^3
               K1 ↦ ½ (K₁ − K₁ᵀ − γ I), γ = 0.3
               K2 ↦ ½ (K₂ − K₂ᵀ − γ I), γ = 0.3
Integrator     Störmer–Verlet, N = 3 steps of h = T/N = 1/3 = 0.333333
Weights        linear in time between N + 1 nodes; 108 numbers
Readout        Wᵀ y + μ; 3 classes, softmax, cross-entropy
Regularizer    weight-decay of K1, W, α = 0.1
               smoothness of K1, K2, b, c, α = 0.2
Stability      Re λ(∂f/∂y) = 0 for all weights and states: ∂f/∂(y, z) = [[0, A], [−B,
               0]] with A, B symmetric and semidefinite

Written by wellposed 0.1.0 (JAX) from the spec verlet-linear, b0ecfc04.
It imports nothing of wellposed: change the spec and compile again, or own this file.
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from safetensors.numpy import load_file

Weights = dict[str, Array]
State = tuple[Array, Array]
Layer = tuple[Array, ...]

FEATURES = 3  # d
OUTPUTS = 3  # classes or numbers per example
HORIZON, STEPS = 1, 3  # T, N
H = HORIZON / STEPS  # h
GAMMA = 0.3  # γ
ALPHA_1 = 0.1  # α
ALPHA_2 = 0.2  # α


def stream(seed: int, name: str) -> np.random.Generator:
    """A stream of its own for every weight: they do not depend on each other."""
    return np.random.default_rng([seed, *name.encode()])


def init(seed: int = 1) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "K1": np.repeat(
            stream(seed, "K1").normal(0.0, 3**-0.5, (3, 3))[None], STEPS + 1, axis=0
        ),
        "K2": np.repeat(
            stream(seed, "K2").normal(0.0, 3**-0.5, (3, 3))[None], STEPS + 1, axis=0
        ),
        "b": np.zeros((STEPS + 1, 3)),
        "c": np.zeros((STEPS + 1, 3)),
        "W": stream(seed, "W").normal(0.0, 3**-0.5, (3, 3)),
        "mu": np.zeros(3),
    }
    return {name: value.astype("float64") for name, value in weights.items()}


def antisymmetric(K: Array) -> Array:
    """½ (K − Kᵀ − γ I), of one matrix or of a stack of them."""
    return (K - K.mT - GAMMA * jnp.eye(3, dtype=K.dtype)) / 2


def dy_dt(z: Array, K1: Array, b: Array) -> Array:
    """y' = K₁ᵀ tanh(K₁ z + b)."""
    return K1.T @ jnp.tanh(K1 @ z + b)


def dz_dt(y: Array, K2: Array, c: Array) -> Array:
    """z' = −K₂ᵀ tanh(K₂ y + c)."""
    return -K2.T @ jnp.tanh(K2 @ y + c)


def step(
    y: Array, z: Array, K2_start: Array, c_start: Array, K1_mid: Array, b_mid: Array
) -> State:
    """Störmer–Verlet: z_{j+½} = z_{j−½} + h g_j(y_j), y_{j+1} = y_j + h
    f_j(z_{j+½}).
    """
    z = z + H * dz_dt(y, K2_start, c_start)
    y = y + H * dy_dt(z, K1_mid, b_mid)
    return y, z


def operands(weights: Weights) -> tuple[Array, ...]:
    """The weights of all steps: K1 ↦ ½ (K₁ − K₁ᵀ − γ I); K2 ↦ ½ (K₂ − K₂ᵀ − γ I);
    vectors as columns.
    """
    K2_start = antisymmetric(weights["K2"][:-1])
    c_start = weights["c"][:-1][..., None]
    K1_mid = antisymmetric((weights["K1"][:-1] + weights["K1"][1:]) / 2)
    b_mid = ((weights["b"][:-1] + weights["b"][1:]) / 2)[..., None]
    return K2_start, c_start, K1_mid, b_mid


def initial_state(weights: Weights, x: Array) -> State:
    """y(0) = x, z(0) = 0; one column per example."""
    y = x.T
    z = jnp.zeros((3, x.shape[0]), x.dtype)
    return y, z


def final_state(weights: Weights, x: Array) -> Array:
    """y(T), one column per example."""
    start = initial_state(weights, x)

    def advance(state: State, layer: Layer) -> tuple[State, None]:
        state = step(*state, *layer)
        return state, None

    state, _ = jax.lax.scan(advance, start, operands(weights))
    return state[0]


def trajectory(weights: Weights, x: Array) -> Array:
    """(y, z) at t_0, ..., t_N: (N + 1, s, 6)."""
    start = initial_state(weights, x)

    def advance(state: State, layer: Layer) -> tuple[State, State]:
        state = step(*state, *layer)
        return state, state

    _, path = jax.lax.scan(advance, start, operands(weights))
    first = jnp.concatenate(start)
    rest = jnp.concatenate(path, axis=1)
    return jnp.concatenate([first[None], rest]).mT


def vector_field(weights: Weights, t: float, y: Array) -> Array:
    """f(t, y), rows (s, 6) in and out, with weights interpolated at t."""
    rounding = 1 + 4 * jnp.finfo(y.dtype).eps  # t_j belongs to step j
    j = jnp.floor(t / H * rounding + 1e-9).astype(int).clip(0, STEPS - 1)
    theta = t / H - j
    K1 = antisymmetric((1 - theta) * weights["K1"][j] + theta * weights["K1"][j + 1])
    K2 = antisymmetric((1 - theta) * weights["K2"][j] + theta * weights["K2"][j + 1])
    b = ((1 - theta) * weights["b"][j] + theta * weights["b"][j + 1])[..., None]
    c = ((1 - theta) * weights["c"][j] + theta * weights["c"][j + 1])[..., None]
    columns = y.T
    y = columns[:3]
    z = columns[3:]
    y_rate = dy_dt(z, K1, b)
    z_rate = dz_dt(y, K2, c)
    return jnp.concatenate([y_rate, z_rate]).T


def forward(weights: Weights, x: Array) -> Array:
    """Logits W^T y(T) + mu, one row per example: (s, 3)."""
    y = final_state(weights, x)
    logits = weights["W"].T @ y + weights["mu"][:, None]
    return logits.T


def regularizer(weights: Weights) -> Array:
    """R = alpha/2 sum |w|^2 + alpha/(2h) sum_j |w_{j+1} - w_j|^2."""
    of = (weights["K1"], weights["W"])
    terms = jnp.stack([(w**2).sum() for w in of])
    weight_decay = ALPHA_1 / 2 * terms.sum()
    of = (weights["K1"], weights["K2"], weights["b"], weights["c"])
    terms = jnp.stack([((w[1:] - w[:-1]) ** 2).sum() for w in of])
    smoothness = ALPHA_2 / (2 * H) * terms.sum()
    return weight_decay + smoothness


def likelihoods(targets: Array, dtype: jnp.dtype) -> Array:
    """Integer classes as one-hot rows; likelihoods of the classes as they are."""
    if targets.ndim == 1:
        return jax.nn.one_hot(targets, OUTPUTS, dtype=dtype)
    return targets


def loss(weights: Weights, x: Array, targets: Array) -> Array:
    """Mean over the examples of −Σ (C ⊙ log softmax(x)) + R; targets are classes
    (s,) or likelihoods (s, classes).
    """
    logits = forward(weights, x).T
    C = likelihoods(targets, logits.dtype).T
    losses = -(C * jax.nn.log_softmax(logits, axis=0)).sum(axis=0)
    return losses.mean() + regularizer(weights)


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    jax.config.update("jax_enable_x64", True)
    print(__doc__)
    beside = Path(__file__).with_name("verlet_linear.safetensors")
    arrays = load_file(beside) if beside.exists() else init()
    count = sum(value.size for value in arrays.values())
    print(f"{count:,} weights:", {n: v.shape for n, v in arrays.items()})
    rng = np.random.default_rng(0)
    x = rng.normal(size=(8, FEATURES)).astype("float64")
    targets = np.arange(8) % OUTPUTS
    weights = {name: jnp.asarray(value) for name, value in arrays.items()}
    value, gradient = jax.value_and_grad(loss)(
        weights, jnp.asarray(x), jnp.asarray(targets)
    )
    norm = sum(float(jnp.square(g).sum()) for g in gradient.values()) ** 0.5
    print(f"loss {float(value):.6g}, gradient norm {norm:.6g} on 8 examples")


if __name__ == "__main__":
    main()
