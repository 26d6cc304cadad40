"""custom-hamiltonian: y' = Kᵀ tanh(K z + b); z' = −Aᵀ tanh(A y + c),  0 <= t <= T.

Vector field   custom, y in R^3, z in R^3, from H = Σ log(cosh(K z + b)) + Σ log(cosh(A
               y + c))
Integrator     Störmer–Verlet, N = 32 steps of h = T/N = 10/32 = 0.3125
Weights        linear in time between N + 1 nodes; 800 numbers
Readout        Wᵀ y + μ; 2 classes, logistic, cross-entropy
Regularizer    smoothness of K, b, A, c, α = 0.0001
               weight-decay of W, mu, α = 0.0001
Stability      Re λ(∂f/∂y) = 0 for all weights and states: ∂f/∂(y, z) = [[0, A], [−B,
               0]] with A, B symmetric and semidefinite
Reference      Greydanus, Dzamba & Yosinski, Hamiltonian neural networks, NeurIPS 2019,
               arXiv:1906.01563

Written by wellposed 0.1.0 (JAX) from the spec custom-hamiltonian, c88f2492.
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

FEATURES = 2  # d
OUTPUTS = 2  # classes or numbers per example
HORIZON, STEPS = 10, 32  # T, N
H = HORIZON / STEPS  # h
ALPHA_1 = 0.0001  # α
ALPHA_2 = 0.0001  # α


def rng(seed: int, name: str) -> np.random.Generator:
    """A stream of its own for every weight: they do not depend on each other."""
    return np.random.default_rng([seed, *name.encode()])


def init(seed: int = 0) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "K": np.repeat(
            rng(seed, "K").normal(0.0, 3**-0.5, (3, 3))[None], STEPS + 1, axis=0
        ),
        "b": np.zeros((STEPS + 1, 3)),
        "A": np.repeat(
            rng(seed, "A").normal(0.0, 3**-0.5, (3, 3))[None], STEPS + 1, axis=0
        ),
        "c": np.zeros((STEPS + 1, 3)),
        "W": rng(seed, "W").normal(0.0, 2**-0.5, (3, 2)),
        "mu": np.zeros(2),
    }
    return {name: value.astype("float32") for name, value in weights.items()}


def dy_dt(z: Array, K: Array, b: Array) -> Array:
    """y' = Kᵀ tanh(K z + b)."""
    return K.T @ jnp.tanh(K @ z + b)


def dz_dt(y: Array, A: Array, c: Array) -> Array:
    """z' = −Aᵀ tanh(A y + c)."""
    return -(A.T @ jnp.tanh(A @ y + c))


def step(
    y: Array, z: Array, A_start: Array, c_start: Array, K_mid: Array, b_mid: Array
) -> State:
    """Störmer–Verlet: z_{j+½} = z_{j−½} + h g_j(y_j), y_{j+1} = y_j + h
    f_j(z_{j+½}).
    """
    z = z + H * dz_dt(y, A_start, c_start)
    y = y + H * dy_dt(z, K_mid, b_mid)
    return y, z


def operands(weights: Weights) -> tuple[Array, ...]:
    """The weights of all steps: vectors as columns."""
    A_start = weights["A"][:-1]
    c_start = weights["c"][:-1][..., None]
    K_mid = (weights["K"][:-1] + weights["K"][1:]) / 2
    b_mid = ((weights["b"][:-1] + weights["b"][1:]) / 2)[..., None]
    return A_start, c_start, K_mid, b_mid


def initial_state(weights: Weights, x: Array) -> State:
    """y(0) = (x, 0), z(0) = 0; one column per example."""
    y = jnp.pad(x.T, ((0, 1), (0, 0)))
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
    A = (1 - theta) * weights["A"][j] + theta * weights["A"][j + 1]
    c = ((1 - theta) * weights["c"][j] + theta * weights["c"][j + 1])[..., None]
    columns = y.T
    y = columns[:3]
    z = columns[3:]
    y_rate = dy_dt(z, K, b)
    z_rate = dz_dt(y, A, c)
    return jnp.concatenate([y_rate, z_rate]).T


def forward(weights: Weights, x: Array) -> Array:
    """Logits W^T y(T) + mu, one row per example: (s, 2)."""
    y = final_state(weights, x)
    logits = weights["W"].T @ y + weights["mu"][:, None]
    return logits.T


def regularizer(weights: Weights) -> Array:
    """R = alpha/(2h) sum_j |w_{j+1} - w_j|^2 + alpha/2 sum |w|^2."""
    of = (weights["K"], weights["b"], weights["A"], weights["c"])
    terms = jnp.stack([((w[1:] - w[:-1]) ** 2).sum() for w in of])
    smoothness = ALPHA_1 / (2 * H) * terms.sum()
    of = (weights["W"], weights["mu"])
    terms = jnp.stack([(w**2).sum() for w in of])
    weight_decay = ALPHA_2 / 2 * terms.sum()
    return smoothness + weight_decay


def likelihoods(targets: Array, dtype: jnp.dtype) -> Array:
    """Integer classes as one-hot rows; likelihoods of the classes as they are."""
    if targets.ndim == 1:
        return jax.nn.one_hot(targets, OUTPUTS, dtype=dtype)
    return targets


def loss(weights: Weights, x: Array, targets: Array) -> Array:
    """Mean over the examples of Σ (softplus(x) − C ⊙ x) + R; targets are classes
    (s,) or likelihoods (s, classes).
    """
    logits = forward(weights, x).T
    C = likelihoods(targets, logits.dtype).T
    losses = (jax.nn.softplus(logits) - C * logits).sum(axis=0)
    return losses.mean() + regularizer(weights)


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    print(__doc__)
    beside = Path(__file__).with_name("custom_hamiltonian.safetensors")
    arrays = load_file(beside) if beside.exists() else init()
    count = sum(value.size for value in arrays.values())
    print(f"{count:,} weights:", {n: v.shape for n, v in arrays.items()})
    rng = np.random.default_rng(0)
    x = rng.normal(size=(8, FEATURES)).astype("float32")
    targets = np.arange(8) % OUTPUTS
    weights = {name: jnp.asarray(value) for name, value in arrays.items()}
    value, gradient = jax.value_and_grad(loss)(
        weights, jnp.asarray(x), jnp.asarray(targets)
    )
    norm = sum(float(jnp.square(g).sum()) for g in gradient.values()) ** 0.5
    print(f"loss {float(value):.6g}, gradient norm {norm:.6g} on 8 examples")


if __name__ == "__main__":
    main()
