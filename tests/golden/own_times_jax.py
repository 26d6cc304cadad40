"""own-times: q' = tanh(A p + b); p' = −(Aᵀ q + c p) / m,  0 ≤ t ≤ T.

Vector field   custom, q ∈ ℝ², p ∈ ℝ³
Integrator     Heun, order 2
               N = 3 steps of h = T/N = 1/3 = 0.333333
Weights        A one weight for each step; b linear in time between N + 1 nodes; c, m
               one weight shared by all steps; 30 numbers; m not trained
Readout        q; 2 outputs, least squares
Regularizer    weight-decay of A, c, α = 0.1
               smoothness of A, b, α = 0.2
Stability      nothing is known of the spectrum by construction

Written by wellposed 0.1.0 (JAX) from the spec own-times, edadb78c.
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

FEATURES = 5  # d
SIZE_Q = 2  # components of q
SIZE_P = 3  # components of p
OUTPUTS = 2  # numbers per example
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
        "A": np.repeat(
            rng(seed, "A").normal(0.0, SIZE_P**-0.5, (1, SIZE_Q, SIZE_P)), STEPS, axis=0
        ),
        "b": np.zeros((STEPS + 1, SIZE_Q)),
        "c": np.zeros(()),
        "m": np.array([1, 2, 0.5], dtype=np.float64),
    }
    return {name: value.astype("float64") for name, value in weights.items()}


def check_rows(rows: Array, columns: int, name: str) -> None:
    """Refuse what is not one row for each example."""
    if rows.ndim != 2 or rows.shape[1] != columns:
        raise ValueError(f"{name} is {rows.shape}, not (s, {columns})")


def check_targets(x: Array, targets: Array) -> None:
    """Refuse what is not one row of OUTPUTS numbers for each example."""
    check_rows(x, FEATURES, "x")
    shape = (x.shape[0], OUTPUTS)
    if targets.shape != shape:
        raise ValueError(f"targets are {targets.shape}, not {shape}")


def check_weights(weights: Weights) -> None:
    """Refuse weights of another network, or of another number of steps."""
    shapes = {
        "A": (STEPS, SIZE_Q, SIZE_P),
        "b": (STEPS + 1, SIZE_Q),
        "c": (),
        "m": (SIZE_P,),
    }
    found = {name: value.shape for name, value in weights.items()}
    if found != shapes:
        raise ValueError(f"weights are {found}, not {shapes}")


def step_of(t: float | Array) -> Array:
    """The step j with t_j ≤ t < t_{j+1}, at T the last; t_j may be rounded down."""
    rounding = 1e-9 + 4 * jnp.finfo(jnp.result_type(float)).eps * t / H
    return jnp.floor(t / H + rounding).astype(int).clip(0, STEPS - 1)


def dq_dt(p: Array, A: Array, b: Array) -> Array:
    """q' = tanh(A p + b)."""
    return jnp.tanh(A @ p + b)


def dp_dt(q: Array, p: Array, A: Array, c: Array, m: Array) -> Array:
    """p' = −(Aᵀ q + c p) / m."""
    return -((A.T @ q + c * p) / m)


def step(q: Array, p: Array, start: Layer, end: Array, shared: Layer) -> State:
    """Heun: y + h/2 (k₁ + k₂); k₁ = f(t, y), k₂ = f(t + h, y + h k₁)."""
    A, b_start = start
    k1_q = dq_dt(p, A, b_start)
    k1_p = dp_dt(q, p, A, *shared)
    q2 = q + H * k1_q
    p2 = p + H * k1_p
    k2_q = dq_dt(p2, A, end)
    k2_p = dp_dt(q2, p2, A, *shared)
    return q + H / 2 * (k1_q + k2_q), p + H / 2 * (k1_p + k2_p)


def weight_decay(w: Array) -> Array:
    """α/2 ‖w‖²; w is one weight at all its times."""
    return ALPHA_1 / 2 * (w**2).sum()


def smoothness(w: Array) -> Array:
    """α/(2h) Σ_j ‖w_{j+1} − w_j‖²; w is one weight at all its times."""
    return ALPHA_2 / (2 * H) * ((w[1:] - w[:-1]) ** 2).sum()


def layer_weights(weights: Weights) -> tuple[Layer, Array, Layer]:
    """The weights of all steps; vectors as columns."""
    check_weights(weights)
    start = (weights["A"], weights["b"][:-1][..., None])
    end = weights["b"][1:][..., None]
    shared = (weights["c"], jax.lax.stop_gradient(weights["m"])[:, None])
    return start, end, shared


def weights_at(weights: Weights, t: float) -> Layer:
    """The weights at t: A of step j, t_j ≤ t < t_{j+1}, b interpolated."""
    j = step_of(t)
    theta = t / H - j
    return (
        weights["A"][j],
        ((1 - theta) * weights["b"][j] + theta * weights["b"][j + 1])[:, None],
        weights["c"],
        jax.lax.stop_gradient(weights["m"])[:, None],
    )


def initial_state(weights: Weights, x: Array) -> State:
    """(q(0), p(0)) = x; one column per example."""
    check_rows(x, FEATURES, "x")
    columns = x.T
    return columns[:SIZE_Q], columns[SIZE_Q:]


def final_state(weights: Weights, x: Array) -> Array:
    """q(T), one column per example."""
    q, p = initial_state(weights, x)
    starts, ends, shared = layer_weights(weights)

    def advance(state: State, layer: tuple[Layer, Array]) -> tuple[State, None]:
        return step(*state, *layer, shared), None

    (q, _), _ = jax.lax.scan(advance, (q, p), (starts, ends))
    return q


def trajectory(weights: Weights, x: Array) -> Array:
    """(q, p) at t_0, …, t_N: (N + 1, s, 5)."""
    q, p = initial_state(weights, x)
    starts, ends, shared = layer_weights(weights)

    def advance(state: State, layer: tuple[Layer, Array]) -> tuple[State, State]:
        state = step(*state, *layer, shared)
        return state, state

    _, (qs, ps) = jax.lax.scan(advance, (q, p), (starts, ends))
    qs = jnp.concatenate([q[None], qs])
    ps = jnp.concatenate([p[None], ps])
    return jnp.concatenate([qs, ps], axis=1).mT


def vector_field(weights: Weights, t: float, y: Array) -> Array:
    """f(t, y), rows (s, 5) in and out, with weight j for t_j ≤ t < t_{j+1} and
    weights interpolated at t.
    """
    check_rows(y, SIZE_Q + SIZE_P, "y")
    A, b, c, m = weights_at(weights, t)
    columns = y.T
    q = columns[:SIZE_Q]
    p = columns[SIZE_Q:]
    return jnp.concatenate([dq_dt(p, A, b), dp_dt(q, p, A, c, m)]).T


def forward(weights: Weights, x: Array) -> Array:
    """The prediction q(T), one row per example: (s, 2)."""
    return final_state(weights, x).T


def regularizer(weights: Weights) -> Array:
    """R: weight-decay of A, c; smoothness of A, b."""
    return (
        weight_decay(weights["A"])
        + weight_decay(weights["c"])
        + smoothness(weights["A"])
        + smoothness(weights["b"])
    )


def loss(weights: Weights, x: Array, targets: Array) -> Array:
    """Mean over the examples of ½ (Σ ((u − C)²)), u the prediction, plus R; targets
    C are (s, 2).
    """
    check_targets(x, targets)
    u = forward(weights, x).T
    C = targets.T
    losses = ((u - C) ** 2).sum(axis=0) / 2
    return losses.mean() + regularizer(weights)


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    print(__doc__)
    file = Path(__file__).with_name("own_times.safetensors")
    arrays = load_file(file) if file.exists() else init()
    count = sum(value.size for value in arrays.values())
    origin = file.name if file.exists() else f"init(), as there is no {file.name} here"
    print(f"{count:,} weights of {origin}:", {n: v.shape for n, v in arrays.items()})
    random = np.random.default_rng(0)
    x = random.normal(size=(8, FEATURES)).astype("float64")
    targets = random.normal(size=(8, OUTPUTS)).astype("float64")
    weights = {name: jnp.asarray(value) for name, value in arrays.items()}
    value, gradient = jax.value_and_grad(loss)(
        weights, jnp.asarray(x), jnp.asarray(targets)
    )
    norm = sum(float(jnp.square(g).sum()) for g in gradient.values()) ** 0.5
    print(f"loss {float(value):.6g}, gradient norm {norm:.6g} on 8 examples")


if __name__ == "__main__":
    main()
