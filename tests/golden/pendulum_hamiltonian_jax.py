"""pendulum-hamiltonian: q' = (net_W₁ᵀ (net_W₂ᵀ 1 ⊙ (1 − tanh(net_W₁ [q; p] +
    net_b₁)²)))[1:2]; p' = −(net_W₁ᵀ (net_W₂ᵀ 1 ⊙ (1 − tanh(net_W₁ [q; p] +
    net_b₁)²)))[0:1],  0 ≤ t ≤ T.

Vector field   custom, q ∈ ℝ¹, p ∈ ℝ¹, from H = Σ (net_W₂ tanh(net_W₁ [q; p] + net_b₁) +
               net_b₂)
Integrator     classical Runge–Kutta 4, order 4
               N = 100 steps of h = T/N = 10/100 = 0.1
Weights        one weight shared by all steps; 129 numbers
Observed       [q; p] at the times of the data, each series from its first; ½ mean
               squared error
Stability      nothing is known of the spectrum by construction
Reference      S. Greydanus, M. Dzamba & J. Yosinski (2019). Hamiltonian Neural
               Networks. NeurIPS. arXiv:1906.01563

Written by wellposed 0.1.0 (JAX) from the spec pendulum-hamiltonian, c736788e.
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
SIZE_Q = 1  # components of q
SIZE_P = 1  # components of p
HORIZON, STEPS = 10, 100  # T, N
H = HORIZON / STEPS  # h = T/N


def rng(seed: int, name: str) -> np.random.Generator:
    """A generator for every weight: they do not depend on each other."""
    return np.random.default_rng([seed, *name.encode()])


def init(seed: int = 0) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "net_W1": rng(seed, "net_W1").normal(0.0, 2**-0.5, (32, 2)),
        "net_b1": np.zeros(32),
        "net_W2": rng(seed, "net_W2").normal(0.0, 32**-0.5, (1, 32)),
        "net_b2": np.zeros(1),
    }
    return {name: value.astype("float32") for name, value in weights.items()}


def check_rows(rows: Array, columns: int, name: str) -> None:
    """Refuse what is not one row for each example."""
    if rows.ndim != 2 or rows.shape[1] != columns:
        raise ValueError(f"{name} is {rows.shape}, not (s, {columns})")


def check_weights(weights: Weights) -> None:
    """Refuse weights of another network, or of another number of steps."""
    shapes = {
        "net_W1": (32, 2),
        "net_b1": (32,),
        "net_W2": (1, 32),
        "net_b2": (1,),
    }
    found = {name: value.shape for name, value in weights.items()}
    if found != shapes:
        raise ValueError(f"weights are {found}, not {shapes}")


def check_series(values: Array, times: Array) -> None:
    """Refuse what is not one row of channels for each time of each series."""
    given, wanted = values.shape, (*times.shape, FEATURES)
    if given != wanted:
        raise ValueError(f"values are {given}, not {wanted} as the times are")


def grid_of(times: np.ndarray) -> np.ndarray:
    """0, h, 2 h, … up to the last of the times (L, s) since the first."""
    steps = np.ceil((times - times[0]).max() / H - 1e-6)
    return H * np.arange(max(steps, 1) + 1, dtype=times.dtype)


def dq_dt(q: Array, p: Array, net_W1: Array, net_b1: Array, net_W2: Array) -> Array:
    """q' = (net_W₁ᵀ (net_W₂ᵀ 1 ⊙ (1 − tanh(net_W₁ [q; p] + net_b₁)²)))[1:2]."""
    u1 = 1 - jnp.tanh(net_W1 @ jnp.concatenate([q, p]) + net_b1) ** 2
    return (net_W1.T @ (net_W2.T @ jnp.full((1, 1), 1, dtype=q.dtype) * u1))[1:]


def dp_dt(q: Array, p: Array, net_W1: Array, net_b1: Array, net_W2: Array) -> Array:
    """p' = −(net_W₁ᵀ (net_W₂ᵀ 1 ⊙ (1 − tanh(net_W₁ [q; p] + net_b₁)²)))[0:1]."""
    u1 = 1 - jnp.tanh(net_W1 @ jnp.concatenate([q, p]) + net_b1) ** 2
    return -(net_W1.T @ (net_W2.T @ jnp.full((1, 1), 1, dtype=q.dtype) * u1))[:1]


def step(q: Array, p: Array, net_W1: Array, net_b1: Array, net_W2: Array) -> State:
    """Classical Runge–Kutta 4: y + h/6 (k₁ + 2 k₂ + 2 k₃ + k₄); k₁ = f(t, y),
    k₂ = f(t + h/2, y + h/2 k₁), k₃ = f(t + h/2, y + h/2 k₂),
    k₄ = f(t + h, y + h k₃).
    """
    k1_q = dq_dt(q, p, net_W1, net_b1, net_W2)
    k1_p = dp_dt(q, p, net_W1, net_b1, net_W2)
    q2 = q + H / 2 * k1_q
    p2 = p + H / 2 * k1_p
    k2_q = dq_dt(q2, p2, net_W1, net_b1, net_W2)
    k2_p = dp_dt(q2, p2, net_W1, net_b1, net_W2)
    q3 = q + H / 2 * k2_q
    p3 = p + H / 2 * k2_p
    k3_q = dq_dt(q3, p3, net_W1, net_b1, net_W2)
    k3_p = dp_dt(q3, p3, net_W1, net_b1, net_W2)
    q4 = q + H * k3_q
    p4 = p + H * k3_p
    k4_q = dq_dt(q4, p4, net_W1, net_b1, net_W2)
    k4_p = dp_dt(q4, p4, net_W1, net_b1, net_W2)
    return (
        q + H / 6 * (k1_q + 2 * k2_q + 2 * k3_q + k4_q),
        p + H / 6 * (k1_p + 2 * k2_p + 2 * k3_p + k4_p),
    )


def layer_weights(weights: Weights) -> Layer:
    """The one layer's weights; vectors as columns."""
    check_weights(weights)
    return weights["net_W1"], weights["net_b1"][:, None], weights["net_W2"]


def initial_state(weights: Weights, x: Array) -> State:
    """(q(0), p(0)) = x; one column per example."""
    check_rows(x, FEATURES, "x")
    columns = x.T
    return columns[:SIZE_Q], columns[SIZE_Q:]


def trajectory(weights: Weights, x: Array) -> Array:
    """(q, p) at t_0, …, t_N: (N + 1, s, 2)."""
    q, p = initial_state(weights, x)
    layer = layer_weights(weights)

    def advance(state: State, _: None) -> tuple[State, State]:
        state = step(*state, *layer)
        return state, state

    _, (qs, ps) = jax.lax.scan(advance, (q, p), None, length=STEPS)
    qs = jnp.concatenate([q[None], qs])
    ps = jnp.concatenate([p[None], ps])
    return jnp.concatenate([qs, ps], axis=1).mT


def vector_field(weights: Weights, t: float, y: Array) -> Array:
    """f(t, y), rows (s, 2) in and out."""
    check_rows(y, SIZE_Q + SIZE_P, "y")
    layer = layer_weights(weights)
    columns = y.T
    q = columns[:SIZE_Q]
    p = columns[SIZE_Q:]
    return jnp.concatenate([dq_dt(q, p, *layer), dp_dt(q, p, *layer)]).T


def path(weights: Weights, x: Array, grid: Array) -> State:
    """(q, p) at the times of a grid, from rows x at the first of them."""
    q, p = initial_state(weights, x)
    layer = layer_weights(weights)

    def advance(state: State, _: None) -> tuple[State, State]:
        state = step(*state, *layer)
        return state, state

    _, (qs, ps) = jax.lax.scan(advance, (q, p), None, length=len(grid) - 1)
    qs = jnp.concatenate([q[None], qs])
    ps = jnp.concatenate([p[None], ps])
    return qs, ps


def between(theta: Array, left: Array, right: Array, f: Array, g: Array) -> Array:
    """A part θ of a step behind its beginning: the cubic with these ends and slopes."""
    u1 = right - left
    u2 = theta - 1
    return left + theta * (u1 + u2 * ((1 - 2 * theta) * u1 + H * (u2 * f + theta * g)))


def states(weights: Weights, values: Array, times: Array, grid: Array) -> State:
    """(q, p) at the times of the observations, each series from its first: one
    column each, those of the first time before the others.
    """
    since = (times - times[0])[:, None]
    qs, ps = path(weights, values[0], grid)
    layer = layer_weights(weights)
    j = jnp.searchsorted(grid[1:-1], since, side="right")
    u1 = (since - jnp.take_along_axis(grid[..., None, None], j, axis=0)) / H
    theta = u1[:, 0].reshape(-1)[None]
    q_left = jnp.take_along_axis(qs, j, axis=0).mT.reshape(-1, 1).T
    p_left = jnp.take_along_axis(ps, j, axis=0).mT.reshape(-1, 1).T
    q_right = jnp.take_along_axis(qs, j + 1, axis=0).mT.reshape(-1, 1).T
    p_right = jnp.take_along_axis(ps, j + 1, axis=0).mT.reshape(-1, 1).T
    q = between(
        theta,
        q_left,
        q_right,
        dq_dt(q_left, p_left, *layer),
        dq_dt(q_right, p_right, *layer),
    )
    p = between(
        theta,
        p_left,
        p_right,
        dp_dt(q_left, p_left, *layer),
        dp_dt(q_right, p_right, *layer),
    )
    return q, p


def forward(weights: Weights, values: Array, times: Array, grid: Array) -> Array:
    """[q; p] at the times of the observations.
    Values are (L, s, 2), NaN where one is missing, but for the first;
    times (L, s), behind the end of a series its last; grid = grid_of(times).
    """
    check_series(values, times)
    q, p = states(weights, values, times, grid)
    return jnp.concatenate([q, p]).T.reshape(values.shape)


def loss(weights: Weights, values: Array, times: Array, grid: Array) -> Array:
    """½ the mean of (predicted − observed)² over all that was observed."""
    predicted = forward(weights, values, times, grid)
    known = (~jnp.isnan(values)).astype(values.dtype)
    error = known * (predicted - jnp.where(jnp.isnan(values), 0, values))
    return (error**2).sum() / (2 * known.sum())


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    print(__doc__)
    file = Path(__file__).with_name("pendulum_hamiltonian.safetensors")
    arrays = load_file(file) if file.exists() else init()
    count = sum(value.size for value in arrays.values())
    origin = file.name if file.exists() else f"init(), as there is no {file.name} here"
    print(f"{count:,} weights of {origin}:", {n: v.shape for n, v in arrays.items()})
    random = np.random.default_rng(0)
    values = random.normal(size=(5, 8, FEATURES)).astype("float32")
    times = np.sort(HORIZON * random.random((5, 8)), axis=0).astype("float32")
    grid = grid_of(times)
    weights = {name: jnp.asarray(value) for name, value in arrays.items()}
    value, gradient = jax.value_and_grad(loss)(
        weights, jnp.asarray(values), jnp.asarray(times), jnp.asarray(grid)
    )
    norm = sum(float(jnp.square(g).sum()) for g in gradient.values()) ** 0.5
    print(f"loss {float(value):.6g}, gradient norm {norm:.6g} on 8 examples")


if __name__ == "__main__":
    main()
