"""circles-rnode: y' = W₃ tanh(W₂ tanh(W₁ [y; t] + b₁) + b₂) + b₃,  0 ≤ t ≤ T.

Vector field   mlp, y ∈ ℝ²
Integrator     Dormand–Prince 5(4), order 5
               T = 1, one solve; rtol 0.0001, atol 1e-05, at most 4,096 steps
Weights        one weight shared by all steps; 4,546 numbers
Log-density    log N(y(T); 0, I) + ∫ tr ∂f/∂y dt; the trace in closed form
Regularizer    kinetic-energy, α = 0.05: ∫ ‖f(t, y)‖² dt
               jacobian-frobenius, α = 0.05: ∫ ‖∂f/∂y‖²_F dt, by products with all unit
               vectors
Stability      nothing is known of the spectrum by construction
Reference      C. Finlay et al. (2020). How to Train Your Neural ODE. ICML.
               arXiv:2002.02798

Written by wellposed 0.1.0 (JAX) from the spec circles-rnode, 06786ea1.
It imports nothing of wellposed: change the spec and compile again, or own this file.
"""

from collections.abc import Callable
from pathlib import Path
from typing import cast

import jax
import jax.numpy as jnp
import numpy as np
from diffrax import RESULTS, Dopri5, ODETerm, PIDController, SaveAt, diffeqsolve
from jax import Array
from safetensors.numpy import load_file

Weights = dict[str, Array]
FlowState = tuple[Array, Array]
PenalizedState = tuple[Array, Array, Array, Array]
Layer = tuple[Array, ...]

FEATURES = 2  # d
STATES = 2  # n
MAX_STEPS = 4096  # of a solve, which fails with more
HORIZON, STEPS = 1, 1  # T, N
H = HORIZON / STEPS  # h = T/N
RTOL = 0.0001  # of a step: relative
ATOL = 1e-05  # and absolute
NORMALIZER = 1.8378770664093453  # n/2 log 2π, of the standard normal
ALPHA_1 = 0.05  # α of kinetic-energy
ALPHA_2 = 0.05  # α of jacobian-frobenius


def rng(seed: int, name: str) -> np.random.Generator:
    """A generator for every weight: they do not depend on each other."""
    return np.random.default_rng([seed, *name.encode()])


def init(seed: int = 0) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "W1": rng(seed, "W1").normal(0.0, (STATES + 1) ** -0.5, (64, STATES + 1)),
        "b1": np.zeros(64),
        "W2": rng(seed, "W2").normal(0.0, 64**-0.5, (64, 64)),
        "b2": np.zeros(64),
        "W3": rng(seed, "W3").normal(0.0, 64**-0.5, (STATES, 64)),
        "b3": np.zeros(STATES),
    }
    return {name: value.astype("float32") for name, value in weights.items()}


def check_rows(rows: Array, columns: int, name: str) -> None:
    """Refuse what is not one row for each example."""
    if rows.ndim != 2 or rows.shape[1] != columns:
        raise ValueError(f"{name} is {rows.shape}, not (s, {columns})")


def check_weights(weights: Weights) -> None:
    """Refuse weights of another network, or of another number of steps."""
    shapes = {
        "W1": (64, STATES + 1),
        "b1": (64,),
        "W2": (64, 64),
        "b2": (64,),
        "W3": (STATES, 64),
        "b3": (STATES,),
    }
    found = {name: value.shape for name, value in weights.items()}
    if found != shapes:
        raise ValueError(f"weights are {found}, not {shapes}")


def largest_rms(error: Array) -> Array:
    """The RMS over the state, of the row where it is largest: no row is solved worse
    for others.
    """
    return jnp.sqrt(jnp.mean(error**2, axis=0)).max()


def integrate(
    field: Callable[..., Array], y: Array, times: Array, *weights: Array
) -> Array:
    """y at these times, y' = field(t, y, *weights), by Dormand–Prince 5(4) of
    diffrax. NaN where it gives up.
    """
    solution = diffeqsolve(
        ODETerm(lambda t, y, weights: field(t, y, *weights)),
        Dopri5(),
        t0=times[0],
        t1=times[-1],
        dt0=None,
        y0=y,
        args=weights,
        saveat=SaveAt(ts=times),
        stepsize_controller=PIDController(rtol=RTOL, atol=ATOL, norm=largest_rms),
        max_steps=MAX_STEPS,
        throw=False,
    )
    ys = cast(Array, solution.ys)
    return jnp.where(solution.result == RESULTS.successful, ys, jnp.nan)


def dy_dt(
    t: Array, y: Array, W1: Array, b1: Array, W2: Array, b2: Array, W3: Array, b3: Array
) -> Array:
    """y' = W₃ tanh(W₂ tanh(W₁ [y; t] + b₁) + b₂) + b₃."""
    u1 = W1 @ jnp.concatenate([y, jnp.broadcast_to(t, (1, y.shape[1]))]) + b1
    return W3 @ jnp.tanh(W2 @ jnp.tanh(u1) + b2) + b3


def dlogp_dt(
    t: Array, y: Array, W1: Array, b1: Array, W2: Array, b2: Array, W3: Array
) -> Array:
    """(log p)' = −tr ∂f/∂y, in closed form."""
    u1 = jnp.tanh(W1 @ jnp.concatenate([y, jnp.broadcast_to(t, (1, y.shape[1]))]) + b1)
    u2 = W1[:, :2] @ W3 * W2.T @ (1 - jnp.tanh(W2 @ u1 + b2) ** 2)
    return -((1 - u1**2) * u2).sum(axis=0, keepdims=True)


def density_slopes(
    t: Array,
    state: Array,
    W1: Array,
    b1: Array,
    W2: Array,
    b2: Array,
    W3: Array,
    b3: Array,
) -> Array:
    """(y', logp') of the stacked state; what they have in common is computed once."""
    y = state[:STATES]
    u1 = jnp.tanh(W1 @ jnp.concatenate([y, jnp.broadcast_to(t, (1, y.shape[1]))]) + b1)
    u2 = jnp.tanh(W2 @ u1 + b2)
    u3 = (1 - u1**2) * (W1[:, :2] @ W3 * W2.T @ (1 - u2**2))
    return jnp.concatenate([W3 @ u2 + b3, -u3.sum(axis=0, keepdims=True)])


def penalized_slopes(
    t: Array,
    state: Array,
    W1: Array,
    b1: Array,
    W2: Array,
    b2: Array,
    W3: Array,
    b3: Array,
) -> Array:
    """(y', logp', kinetic', jacobian') of the stacked state; what they have in
    common is computed once.
    """
    y = state[:STATES]
    u1 = W1 @ jnp.concatenate([y, jnp.broadcast_to(t, (1, y.shape[1]))]) + b1
    dy = W3 @ jnp.tanh(W2 @ jnp.tanh(u1) + b2) + b3
    u2 = jnp.tanh(u1)
    u3 = 1 - u2**2
    u4 = 1 - jnp.tanh(W2 @ u2 + b2) ** 2
    u5 = (u3 * (W1[:, :2] @ W3 * W2.T @ u4)).sum(axis=0, keepdims=True)
    u6 = jnp.eye(STATES, dtype=state.dtype)[..., None]
    u7 = W3 @ (u4 * (W2 @ (u3 * (W1 @ jnp.pad(u6, ((0, 0), (0, 1), (0, 0)))))))
    u8 = (u7**2).sum(axis=1, keepdims=True).sum(axis=0)
    return jnp.concatenate([dy, -u5, (dy**2).sum(axis=0, keepdims=True), u8])


def layer_weights(weights: Weights) -> Layer:
    """The one layer's weights; vectors as columns."""
    check_weights(weights)
    return (
        weights["W1"],
        weights["b1"][:, None],
        weights["W2"],
        weights["b2"][:, None],
        weights["W3"],
        weights["b3"][:, None],
    )


def initial_state(weights: Weights, x: Array) -> Array:
    """y(0) = x; one column per example."""
    check_rows(x, FEATURES, "x")
    return x.T


def final_state(weights: Weights, x: Array) -> Array:
    """y(T), one column per example."""
    y = initial_state(weights, x)
    layer = layer_weights(weights)
    ys = integrate(dy_dt, y, jnp.array([0.0, HORIZON], x.dtype), *layer)
    return ys[-1]


def trajectory(weights: Weights, x: Array) -> Array:
    """y at t_0, …, t_N: (N + 1, s, 2)."""
    y = initial_state(weights, x)
    layer = layer_weights(weights)
    ys = integrate(dy_dt, y, H * jnp.arange(STEPS + 1, dtype=x.dtype), *layer)
    return ys.mT


def solve(weights: Weights, x: Array, times: Array) -> Array:
    """The states at these times, x belongs to the first: (times, s, 2).
    The times increase or decrease; they only read the solution.
    """
    check_rows(x, FEATURES, "x")
    y = initial_state(weights, x)
    layer = layer_weights(weights)
    ys = integrate(dy_dt, y, times, *layer)
    return ys.mT


def vector_field(weights: Weights, t: float, y: Array) -> Array:
    """f(t, y), rows (s, 2) in and out."""
    check_rows(y, STATES, "y")
    layer = layer_weights(weights)
    time = jnp.asarray(t, y.dtype)
    y = y.T
    return dy_dt(time, y, *layer).T


def divergence(weights: Weights, t: float, y: Array) -> Array:
    """tr ∂f/∂y of rows (s, 2): (s,)."""
    check_rows(y, STATES, "y")
    W1, b1, W2, b2, W3, _ = layer_weights(weights)
    time = jnp.asarray(t, y.dtype)
    y = y.T
    rate = dlogp_dt(time, y, W1, b1, W2, b2, W3)
    return -rate[0]


def density_state(weights: Weights, x: Array) -> FlowState:
    """y(T), and log p(y(T)) − log p(y(0)); one column per example."""
    y = initial_state(weights, x)
    logp = jnp.zeros((1, y.shape[1]), y.dtype)
    layer = layer_weights(weights)
    state = jnp.concatenate([y, logp])
    states = integrate(
        density_slopes, state, jnp.array([0.0, HORIZON], x.dtype), *layer
    )
    state = states[-1]
    return state[:STATES], state[2:3]


def log_density(weights: Weights, x: Array) -> Array:
    """log p(x) = log N(y(T); 0, I) + ∫ tr ∂f/∂y dt of each row: (s,)."""
    check_rows(x, FEATURES, "x")
    y, logp = density_state(weights, x)
    log_p = -(y**2).sum(axis=0, keepdims=True) / 2 - NORMALIZER - logp
    return log_p[0]


def sample(weights: Weights, z: Array) -> Array:
    """Rows z of the base, which is y(T), as rows of the data: (s, 2)."""
    check_rows(z, FEATURES, "z")
    y = initial_state(weights, z)
    layer = layer_weights(weights)
    ys = integrate(dy_dt, y, jnp.array([HORIZON, 0.0], z.dtype), *layer)
    return ys[-1].T


def penalized_state(weights: Weights, x: Array) -> PenalizedState:
    """The states at T, and the integrals logp, kinetic, jacobian; one column per
    example.
    """
    y = initial_state(weights, x)
    logp = jnp.zeros((1, y.shape[1]), y.dtype)
    kinetic = jnp.zeros((1, y.shape[1]), y.dtype)
    jacobian = jnp.zeros((1, y.shape[1]), y.dtype)
    layer = layer_weights(weights)
    state = jnp.concatenate([y, logp, kinetic, jacobian])
    states = integrate(
        penalized_slopes, state, jnp.array([0.0, HORIZON], x.dtype), *layer
    )
    state = states[-1]
    return state[:STATES], state[2:3], state[3:4], state[4:5]


def path_penalty(weights: Weights, x: Array) -> Array:
    """What the path of each row adds to the loss: (s,).
    Along the path: 0.05 ∫ ‖f(t, y)‖² dt; 0.05 ∫ ‖∂f/∂y‖²_F dt, by products with all
        unit vectors.
    """
    check_rows(x, FEATURES, "x")
    _, _, kinetic, jacobian = penalized_state(weights, x)
    return (ALPHA_1 * kinetic + ALPHA_2 * jacobian)[0]


def forward(weights: Weights, x: Array) -> Array:
    """y(T), one row per example."""
    return final_state(weights, x).T


def loss(weights: Weights, x: Array) -> Array:
    """Mean over the examples of −log p(x).
    Along the path: 0.05 ∫ ‖f(t, y)‖² dt; 0.05 ∫ ‖∂f/∂y‖²_F dt, by products with all
        unit vectors.
    """
    check_rows(x, FEATURES, "x")
    y, logp, kinetic, jacobian = penalized_state(weights, x)
    log_p = (-(y**2).sum(axis=0, keepdims=True) / 2 - NORMALIZER - logp)[0]
    along_path = (ALPHA_1 * kinetic + ALPHA_2 * jacobian)[0]
    return -log_p.mean() + along_path.mean()


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    print(__doc__)
    file = Path(__file__).with_name("circles_rnode.safetensors")
    arrays = load_file(file) if file.exists() else init()
    count = sum(value.size for value in arrays.values())
    origin = file.name if file.exists() else f"init(), as there is no {file.name} here"
    print(f"{count:,} weights of {origin}:", {n: v.shape for n, v in arrays.items()})
    random = np.random.default_rng(0)
    x = random.normal(size=(8, FEATURES)).astype("float32")
    weights = {name: jnp.asarray(value) for name, value in arrays.items()}
    value, gradient = jax.value_and_grad(loss)(weights, jnp.asarray(x))
    norm = sum(float(jnp.square(g).sum()) for g in gradient.values()) ** 0.5
    print(f"loss {float(value):.6g}, gradient norm {norm:.6g} on 8 examples")


if __name__ == "__main__":
    main()
