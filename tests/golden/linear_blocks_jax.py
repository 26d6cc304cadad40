"""linear-blocks: y' = softplus(K z + b); z' = −softplus(Kᵀ y + c),  0 <= t <= T.

Vector field   hamiltonian, y in R^3, z in R^3
Integrator     classical Runge–Kutta 4, N = 3 steps of h = T/N = 1/3 = 0.333333
Weights        linear in time between N + 1 nodes; 72 numbers
Readout        Wᵀ y + μ; 3 classes, softmax, cross-entropy
Regularizer    weight-decay of K, W, α = 0.1
               smoothness of K, b, c, α = 0.2
Stability      Re λ(∂f/∂y) = 0 for all weights and states (0 ≤ σ' ≤ 1): ∂f/∂(y, z) = D
               [[0, K], [−Kᵀ, 0]] with D = diag σ' is similar to a skew matrix

Written by wellposed 0.1.0 (JAX) from the spec linear-blocks, a0b601a0.
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
ALPHA_1 = 0.1  # α
ALPHA_2 = 0.2  # α


def stream(seed: int, name: str) -> np.random.Generator:
    """A stream of its own for every weight: they do not depend on each other."""
    return np.random.default_rng([seed, *name.encode()])


def init(seed: int = 1) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "K": np.repeat(
            stream(seed, "K").normal(0.0, 3**-0.5, (3, 3))[None], STEPS + 1, axis=0
        ),
        "b": np.zeros((STEPS + 1, 3)),
        "c": np.zeros((STEPS + 1, 3)),
        "W": stream(seed, "W").normal(0.0, 3**-0.5, (3, 3)),
        "mu": np.zeros(3),
    }
    return {name: value.astype("float64") for name, value in weights.items()}


def dy_dt(z: Array, K: Array, b: Array) -> Array:
    """y' = softplus(K z + b)."""
    return jax.nn.softplus(K @ z + b)


def dz_dt(y: Array, K: Array, c: Array) -> Array:
    """z' = −softplus(Kᵀ y + c)."""
    return -jax.nn.softplus(K.T @ y + c)


def step(
    y: Array,
    z: Array,
    K_start: Array,
    b_start: Array,
    c_start: Array,
    K_mid: Array,
    b_mid: Array,
    c_mid: Array,
    K_end: Array,
    b_end: Array,
    c_end: Array,
) -> State:
    """Classical Runge–Kutta 4: The classical fourth-order method (not the 3/8 rule)."""
    k1_y = dy_dt(z, K_start, b_start)
    k1_z = dz_dt(y, K_start, c_start)
    k2_y = dy_dt(z + H / 2 * k1_z, K_mid, b_mid)
    k2_z = dz_dt(y + H / 2 * k1_y, K_mid, c_mid)
    k3_y = dy_dt(z + H / 2 * k2_z, K_mid, b_mid)
    k3_z = dz_dt(y + H / 2 * k2_y, K_mid, c_mid)
    k4_y = dy_dt(z + H * k3_z, K_end, b_end)
    k4_z = dz_dt(y + H * k3_y, K_end, c_end)
    return (
        y + H / 6 * (k1_y + 2 * k2_y + 2 * k3_y + k4_y),
        z + H / 6 * (k1_z + 2 * k2_z + 2 * k3_z + k4_z),
    )


def operands(weights: Weights) -> tuple[Array, ...]:
    """The weights of all steps: vectors as columns."""
    K_start = weights["K"][:-1]
    b_start = weights["b"][:-1][..., None]
    c_start = weights["c"][:-1][..., None]
    K_mid = (weights["K"][:-1] + weights["K"][1:]) / 2
    b_mid = ((weights["b"][:-1] + weights["b"][1:]) / 2)[..., None]
    c_mid = ((weights["c"][:-1] + weights["c"][1:]) / 2)[..., None]
    K_end = weights["K"][1:]
    b_end = weights["b"][1:][..., None]
    c_end = weights["c"][1:][..., None]
    return K_start, b_start, c_start, K_mid, b_mid, c_mid, K_end, b_end, c_end


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
    K = (1 - theta) * weights["K"][j] + theta * weights["K"][j + 1]
    b = ((1 - theta) * weights["b"][j] + theta * weights["b"][j + 1])[..., None]
    c = ((1 - theta) * weights["c"][j] + theta * weights["c"][j + 1])[..., None]
    columns = y.T
    y = columns[:3]
    z = columns[3:]
    y_rate = dy_dt(z, K, b)
    z_rate = dz_dt(y, K, c)
    return jnp.concatenate([y_rate, z_rate]).T


def forward(weights: Weights, x: Array) -> Array:
    """Logits W^T y(T) + mu, one row per example: (s, 3)."""
    y = final_state(weights, x)
    logits = weights["W"].T @ y + weights["mu"][:, None]
    return logits.T


def regularizer(weights: Weights) -> Array:
    """R = alpha/2 sum |w|^2 + alpha/(2h) sum_j |w_{j+1} - w_j|^2."""
    of = (weights["K"], weights["W"])
    terms = jnp.stack([(w**2).sum() for w in of])
    weight_decay = ALPHA_1 / 2 * terms.sum()
    of = (weights["K"], weights["b"], weights["c"])
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
    beside = Path(__file__).with_name("linear_blocks.safetensors")
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
