"""density-penalized: y' = W₄ tanh(W₃ tanh(W₂ tanh(W₁ y + b₁) + b₂) + b₃) + b₄,  0 ≤ t ≤
    T.

Vector field   mlp, y ∈ ℝ³
Integrator     Heun, order 2
               N = 4 steps of h = T/N = 1/4 = 0.25
Weights        one weight for each step; 284 numbers
Log-density    log N(y(T); 0, I) + ∫ tr ∂f/∂y dt; the trace the mean of εᵀ (∂f/∂y) ε
               over 2 normal vectors for a row and a solve
Regularizer    kinetic-energy, α = 0.1: ∫ ‖f(t, y)‖² dt
               jacobian-frobenius, α = 0.2: ∫ ‖∂f/∂y‖²_F dt, the mean of ‖εᵀ ∂f/∂y‖²
               over 2 normal vectors for a row and a solve
Stability      nothing is known of the spectrum by construction

Written by wellposed 0.1.0 (JAX) from the spec density-penalized, bc4bda12.
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
FlowState = tuple[Array, Array]
PenalizedState = tuple[Array, Array, Array, Array]
Layer = tuple[Array, ...]

FEATURES = 3  # d
STATES = 3  # n
HORIZON, STEPS = 1, 4  # T, N
H = HORIZON / STEPS  # h = T/N
NORMALIZER = 2.756815599614018  # n/2 log 2π, of the standard normal
ALPHA_1 = 0.1  # α of kinetic-energy
ALPHA_2 = 0.2  # α of jacobian-frobenius


def rng(seed: int, name: str) -> np.random.Generator:
    """A generator for every weight: they do not depend on each other."""
    return np.random.default_rng([seed, *name.encode()])


def init(seed: int = 2) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "W1": np.repeat(
            rng(seed, "W1").normal(0.0, STATES**-0.5, (1, 4, STATES)), STEPS, axis=0
        ),
        "b1": np.zeros((STEPS, 4)),
        "W2": np.repeat(rng(seed, "W2").normal(0.0, 4**-0.5, (1, 4, 4)), STEPS, axis=0),
        "b2": np.zeros((STEPS, 4)),
        "W3": np.repeat(rng(seed, "W3").normal(0.0, 4**-0.5, (1, 4, 4)), STEPS, axis=0),
        "b3": np.zeros((STEPS, 4)),
        "W4": np.repeat(
            rng(seed, "W4").normal(0.0, 4**-0.5, (1, STATES, 4)), STEPS, axis=0
        ),
        "b4": np.zeros((STEPS, STATES)),
    }
    return {name: value.astype("float64") for name, value in weights.items()}


def check_rows(rows: Array, columns: int, name: str) -> None:
    """Refuse what is not one row for each example."""
    if rows.ndim != 2 or rows.shape[1] != columns:
        raise ValueError(f"{name} is {rows.shape}, not (s, {columns})")


def check_weights(weights: Weights) -> None:
    """Refuse weights of another network, or of another number of steps."""
    shapes = {
        "W1": (STEPS, 4, STATES),
        "b1": (STEPS, 4),
        "W2": (STEPS, 4, 4),
        "b2": (STEPS, 4),
        "W3": (STEPS, 4, 4),
        "b3": (STEPS, 4),
        "W4": (STEPS, STATES, 4),
        "b4": (STEPS, STATES),
    }
    found = {name: value.shape for name, value in weights.items()}
    if found != shapes:
        raise ValueError(f"weights are {found}, not {shapes}")


def step_of(t: float | Array) -> Array:
    """The step j with t_j ≤ t < t_{j+1}, at T the last; t_j may be rounded down."""
    rounding = 1e-9 + 4 * jnp.finfo(jnp.result_type(float)).eps * t / H
    return jnp.floor(t / H + rounding).astype(int).clip(0, STEPS - 1)


def dy_dt(
    y: Array,
    W1: Array,
    b1: Array,
    W2: Array,
    b2: Array,
    W3: Array,
    b3: Array,
    W4: Array,
    b4: Array,
) -> Array:
    """y' = W₄ tanh(W₃ tanh(W₂ tanh(W₁ y + b₁) + b₂) + b₃) + b₄."""
    return W4 @ jnp.tanh(W3 @ jnp.tanh(W2 @ jnp.tanh(W1 @ y + b1) + b2) + b3) + b4


def dlogp_dt(
    y: Array,
    W1: Array,
    b1: Array,
    W2: Array,
    b2: Array,
    W3: Array,
    b3: Array,
    W4: Array,
    probes: Array,
) -> Array:
    """(log p)' = −tr ∂f/∂y, the mean of εᵀ (∂f/∂y) ε over 2 normal vectors for a row
    and a solve.
    """
    u1 = jnp.tanh(W1 @ y + b1)
    u2 = jnp.tanh(W2 @ u1 + b2)
    u3 = W3 @ ((1 - u2**2) * (W2 @ ((1 - u1**2) * (W1 @ probes))))
    u4 = probes * (W4 @ ((1 - jnp.tanh(W3 @ u2 + b3) ** 2) * u3))
    return -(u4.sum(axis=1, keepdims=True).sum(axis=0) / 2)


def dkinetic_dt(dy: Array) -> Array:
    """kinetic' = ‖f(t, y)‖²."""
    return (dy**2).sum(axis=0, keepdims=True)


def djacobian_dt(
    y: Array,
    W1: Array,
    b1: Array,
    W2: Array,
    b2: Array,
    W3: Array,
    b3: Array,
    W4: Array,
    probes: Array,
) -> Array:
    """jacobian' = ‖∂f/∂y‖²_F, the mean of ‖εᵀ ∂f/∂y‖² over 2 normal vectors for a
    row and a solve.
    """
    u1 = jnp.tanh(W1 @ y + b1)
    u2 = jnp.tanh(W2 @ u1 + b2)
    u3 = W3.T @ ((1 - jnp.tanh(W3 @ u2 + b3) ** 2) * (W4.T @ probes))
    u4 = (W1.T @ ((1 - u1**2) * (W2.T @ ((1 - u2**2) * u3)))) ** 2
    return u4.sum(axis=1, keepdims=True).sum(axis=0) / 2


def step(
    y: Array,
    W1: Array,
    b1: Array,
    W2: Array,
    b2: Array,
    W3: Array,
    b3: Array,
    W4: Array,
    b4: Array,
) -> Array:
    """Heun: y + h/2 (k₁ + k₂); k₁ = f(t, y), k₂ = f(t + h, y + h k₁)."""
    k1 = dy_dt(y, W1, b1, W2, b2, W3, b3, W4, b4)
    k2 = dy_dt(y + H * k1, W1, b1, W2, b2, W3, b3, W4, b4)
    return y + H / 2 * (k1 + k2)


def density_step(y: Array, logp: Array, layer: Layer, probes: Array) -> FlowState:
    """Heun: y + h/2 (k₁ + k₂); k₁ = f(t, y), k₂ = f(t + h, y + h k₁)."""
    W1, b1, W2, b2, W3, b3, W4, b4 = layer
    k1_y = dy_dt(y, W1, b1, W2, b2, W3, b3, W4, b4)
    k1_logp = dlogp_dt(y, W1, b1, W2, b2, W3, b3, W4, probes)
    y2 = y + H * k1_y
    k2_y = dy_dt(y2, W1, b1, W2, b2, W3, b3, W4, b4)
    k2_logp = dlogp_dt(y2, W1, b1, W2, b2, W3, b3, W4, probes)
    return y + H / 2 * (k1_y + k2_y), logp + H / 2 * (k1_logp + k2_logp)


def reverse_step(
    y: Array,
    W1: Array,
    b1: Array,
    W2: Array,
    b2: Array,
    W3: Array,
    b3: Array,
    W4: Array,
    b4: Array,
) -> Array:
    """Heun from t + h to t: the step by −h."""
    k1 = dy_dt(y, W1, b1, W2, b2, W3, b3, W4, b4)
    k2 = dy_dt(y - H * k1, W1, b1, W2, b2, W3, b3, W4, b4)
    return y - H / 2 * (k1 + k2)


def penalized_step(
    y: Array, logp: Array, kinetic: Array, jacobian: Array, layer: Layer, probes: Array
) -> PenalizedState:
    """Heun: y + h/2 (k₁ + k₂); k₁ = f(t, y), k₂ = f(t + h, y + h k₁)."""
    W1, b1, W2, b2, W3, b3, W4, b4 = layer
    k1_y = dy_dt(y, W1, b1, W2, b2, W3, b3, W4, b4)
    k1_logp = dlogp_dt(y, W1, b1, W2, b2, W3, b3, W4, probes)
    k1_kinetic = dkinetic_dt(k1_y)
    k1_jacobian = djacobian_dt(y, W1, b1, W2, b2, W3, b3, W4, probes)
    y2 = y + H * k1_y
    k2_y = dy_dt(y2, W1, b1, W2, b2, W3, b3, W4, b4)
    k2_logp = dlogp_dt(y2, W1, b1, W2, b2, W3, b3, W4, probes)
    k2_kinetic = dkinetic_dt(k2_y)
    k2_jacobian = djacobian_dt(y2, W1, b1, W2, b2, W3, b3, W4, probes)
    return (
        y + H / 2 * (k1_y + k2_y),
        logp + H / 2 * (k1_logp + k2_logp),
        kinetic + H / 2 * (k1_kinetic + k2_kinetic),
        jacobian + H / 2 * (k1_jacobian + k2_jacobian),
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
        weights["W4"],
        weights["b4"][..., None],
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
        weights["W4"][j],
        weights["b4"][j][:, None],
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

    y, _ = jax.lax.scan(advance, y, layers)
    return y


def trajectory(weights: Weights, x: Array) -> Array:
    """y at t_0, …, t_N: (N + 1, s, 3)."""
    y = initial_state(weights, x)
    layers = layer_weights(weights)

    def advance(y: Array, layer: Layer) -> tuple[Array, Array]:
        y = step(y, *layer)
        return y, y

    _, ys = jax.lax.scan(advance, y, layers)
    ys = jnp.concatenate([y[None], ys])
    return ys.mT


def vector_field(weights: Weights, t: float, y: Array) -> Array:
    """f(t, y), rows (s, 3) in and out, with weight j for t_j ≤ t < t_{j+1}."""
    check_rows(y, STATES, "y")
    layer = weights_at(weights, t)
    y = y.T
    return dy_dt(y, *layer).T


def divergence(weights: Weights, t: float, y: Array, probes: Array) -> Array:
    """tr ∂f/∂y of rows (s, 3): (s,); probes are (2, s, 3)."""
    check_rows(y, STATES, "y")
    W1, b1, W2, b2, W3, b3, W4, _ = weights_at(weights, t)
    y = y.T
    rate = dlogp_dt(y, W1, b1, W2, b2, W3, b3, W4, probes.mT)
    return -rate[0]


def density_state(weights: Weights, x: Array, probes: Array) -> FlowState:
    """y(T), and log p(y(T)) − log p(y(0)); one column per example."""
    y = initial_state(weights, x)
    logp = jnp.zeros((1, y.shape[1]), y.dtype)
    layers = layer_weights(weights)
    columns = probes.mT

    def advance(state: FlowState, layer: Layer) -> tuple[FlowState, None]:
        return density_step(*state, layer, probes=columns), None

    (y, logp), _ = jax.lax.scan(advance, (y, logp), layers)
    return y, logp


def log_density(weights: Weights, x: Array, probes: Array) -> Array:
    """log p(x) = log N(y(T); 0, I) + ∫ tr ∂f/∂y dt of each row: (s,); probes are (2,
    s, 3).
    """
    check_rows(x, FEATURES, "x")
    y, logp = density_state(weights, x, probes)
    log_p = -(y**2).sum(axis=0, keepdims=True) / 2 - NORMALIZER - logp
    return log_p[0]


def sample(weights: Weights, z: Array) -> Array:
    """Rows z of the base, which is y(T), as rows of the data: (s, 3)."""
    check_rows(z, FEATURES, "z")
    y = initial_state(weights, z)
    layers = layer_weights(weights)

    def advance(y: Array, layer: Layer) -> tuple[Array, None]:
        return reverse_step(y, *layer), None

    y, _ = jax.lax.scan(advance, y, layers, reverse=True)
    return y.T


def penalized_state(weights: Weights, x: Array, probes: Array) -> PenalizedState:
    """The states at T, and the integrals logp, kinetic, jacobian; one column per
    example.
    """
    y = initial_state(weights, x)
    logp = jnp.zeros((1, y.shape[1]), y.dtype)
    kinetic = jnp.zeros((1, y.shape[1]), y.dtype)
    jacobian = jnp.zeros((1, y.shape[1]), y.dtype)
    layers = layer_weights(weights)
    columns = probes.mT

    def advance(state: PenalizedState, layer: Layer) -> tuple[PenalizedState, None]:
        return penalized_step(*state, layer, probes=columns), None

    (y, logp, kinetic, jacobian), _ = jax.lax.scan(
        advance, (y, logp, kinetic, jacobian), layers
    )
    return y, logp, kinetic, jacobian


def path_penalty(weights: Weights, x: Array, probes: Array) -> Array:
    """What the path of each row adds to the loss: (s,); probes are (2, s, 3).
    Along the path: 0.1 ∫ ‖f(t, y)‖² dt; 0.2 ∫ ‖∂f/∂y‖²_F dt, the mean of ‖εᵀ ∂f/∂y‖²
        over 2 normal vectors for a row and a solve.
    """
    check_rows(x, FEATURES, "x")
    _, _, kinetic, jacobian = penalized_state(weights, x, probes)
    return (ALPHA_1 * kinetic + ALPHA_2 * jacobian)[0]


def forward(weights: Weights, x: Array) -> Array:
    """y(T), one row per example."""
    return final_state(weights, x).T


def loss(weights: Weights, x: Array, probes: Array) -> Array:
    """Mean over the examples of −log p(x).
    Along the path: 0.1 ∫ ‖f(t, y)‖² dt; 0.2 ∫ ‖∂f/∂y‖²_F dt, the mean of ‖εᵀ ∂f/∂y‖²
        over 2 normal vectors for a row and a solve.
    """
    check_rows(x, FEATURES, "x")
    y, logp, kinetic, jacobian = penalized_state(weights, x, probes)
    log_p = (-(y**2).sum(axis=0, keepdims=True) / 2 - NORMALIZER - logp)[0]
    along_path = (ALPHA_1 * kinetic + ALPHA_2 * jacobian)[0]
    return -log_p.mean() + along_path.mean()


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    print(__doc__)
    file = Path(__file__).with_name("density_penalized.safetensors")
    arrays = load_file(file) if file.exists() else init()
    count = sum(value.size for value in arrays.values())
    origin = file.name if file.exists() else f"init(), as there is no {file.name} here"
    print(f"{count:,} weights of {origin}:", {n: v.shape for n, v in arrays.items()})
    random = np.random.default_rng(0)
    x = random.normal(size=(8, FEATURES)).astype("float64")
    probes = random.normal(size=(2, *x.shape)).astype("float64")
    weights = {name: jnp.asarray(value) for name, value in arrays.items()}
    value, gradient = jax.value_and_grad(loss)(
        weights, jnp.asarray(x), jnp.asarray(probes)
    )
    norm = sum(float(jnp.square(g).sum()) for g in gradient.values()) ** 0.5
    print(f"loss {float(value):.6g}, gradient norm {norm:.6g} on 8 examples")


if __name__ == "__main__":
    main()
