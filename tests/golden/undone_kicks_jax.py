"""undone-kicks: y' = tanh(K z + b); z' = −tanh(Kᵀ y + c),  0 ≤ t ≤ T.

Vector field   hamiltonian, y ∈ ℝ³, z ∈ ℝ³
Integrator     Störmer–Verlet (kick–drift–kick), order 2
               N = 3 steps of h = T/N = 1/3 = 0.333333
Weights        linear in time between N + 1 nodes; 72 numbers
Gradient       keeps the last state alone, whatever N: each step is undone on the way
               back, exactly but for rounding
Readout        Wᵀ y + μ; 3 classes, softmax, cross-entropy
Regularizer    weight-decay of W, mu, α = 0.1
Stability      Re λ(∂f/∂(y, z)) = 0 for all weights and states (0 ≤ σ' ≤ 1): ∂f/∂(y, z)
               = D [[0, K], [−Kᵀ, 0]] with D = diag σ' is similar to a skew matrix

Written by wellposed 0.1.0 (JAX) from the spec undone-kicks, 404b3d74.
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
ALPHA = 0.1  # α of weight-decay


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
        "c": np.zeros((STEPS + 1, MOMENTA)),
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
        "c": (STEPS + 1, MOMENTA),
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


def step(y: Array, z: Array, start: Layer, mid: Layer, end: Layer) -> State:
    """Störmer–Verlet (kick–drift–kick):
    z + h/2 z'(y), then y + h y'(z), then z + h/2 z'(y) with the new y.
    """
    z = z + H / 2 * dz_dt(y, *start)
    y = y + H * dy_dt(z, *mid)
    z = z + H / 2 * dz_dt(y, *end)
    return y, z


@jax.custom_vjp
def propagate(
    y: Array,
    z: Array,
    K_start: Array,
    c_start: Array,
    K_mid: Array,
    b_mid: Array,
    K_end: Array,
    c_end: Array,
) -> State:
    """All steps; of the states only the last are kept for the derivative."""

    def advance(state: State, layer: tuple[Layer, Layer, Layer]) -> tuple[State, None]:
        return step(*state, *layer), None

    (y, z), _ = jax.lax.scan(
        advance, (y, z), ((K_start, c_start), (K_mid, b_mid), (K_end, c_end))
    )
    return y, z


def unstep(y: Array, z: Array, start: Layer, mid: Layer, end: Layer) -> State:
    """The states before `step`, from those behind it."""
    z = z - H / 2 * dz_dt(y, *end)
    y = y - H * dy_dt(z, *mid)
    z = z - H / 2 * dz_dt(y, *start)
    return y, z


def step_back(
    y: Array,
    z: Array,
    y_bar: Array,
    z_bar: Array,
    K_start: Array,
    c_start: Array,
    K_mid: Array,
    b_mid: Array,
    K_end: Array,
    c_end: Array,
) -> tuple[Array, ...]:
    """`step` is undone, then cotangents are pulled back through it."""
    y, z = unstep(y, z, (K_start, c_start), (K_mid, b_mid), (K_end, c_end))
    _, pull = jax.vjp(step, y, z, (K_start, c_start), (K_mid, b_mid), (K_end, c_end))
    (
        y_bar,
        z_bar,
        (K_start_bar, c_start_bar),
        (K_mid_bar, b_mid_bar),
        (K_end_bar, c_end_bar),
    ) = pull((y_bar, z_bar))
    return (
        y,
        z,
        y_bar,
        z_bar,
        K_start_bar,
        c_start_bar,
        K_mid_bar,
        b_mid_bar,
        K_end_bar,
        c_end_bar,
    )


def propagate_back(
    y: Array,
    z: Array,
    K_start: Array,
    c_start: Array,
    K_mid: Array,
    b_mid: Array,
    K_end: Array,
    c_end: Array,
    y_bar: Array,
    z_bar: Array,
) -> tuple[Array, ...]:
    """The cotangents of what `propagate` takes, from those of its states."""

    def advance(
        state: tuple[Array, Array, Array, Array], layer: Layer
    ) -> tuple[tuple[Array, Array, Array, Array], tuple[Array, ...]]:
        (
            y,
            z,
            y_bar,
            z_bar,
            K_start_bar,
            c_start_bar,
            K_mid_bar,
            b_mid_bar,
            K_end_bar,
            c_end_bar,
        ) = step_back(*state, *layer)
        return (y, z, y_bar, z_bar), (
            K_start_bar,
            c_start_bar,
            K_mid_bar,
            b_mid_bar,
            K_end_bar,
            c_end_bar,
        )

    state, collected = jax.lax.scan(
        advance,
        (y, z, y_bar, z_bar),
        (K_start, c_start, K_mid, b_mid, K_end, c_end),
        reverse=True,
    )
    _, _, y_bar, z_bar = state
    K_start_bar, c_start_bar, K_mid_bar, b_mid_bar, K_end_bar, c_end_bar = collected
    return (
        y_bar,
        z_bar,
        K_start_bar,
        c_start_bar,
        K_mid_bar,
        b_mid_bar,
        K_end_bar,
        c_end_bar,
    )


def propagate_kept(*given: Array) -> tuple[State, tuple[Array, ...]]:
    """The states that `propagate` gives, and what its derivative starts from."""
    states = propagate(*given)
    return states, (*states, *given[2:])


propagate.defvjp(propagate_kept, lambda kept, bars: propagate_back(*kept, *bars))


def weight_decay(w: Array) -> Array:
    """α/2 ‖w‖²; w is one weight at all its times."""
    return ALPHA / 2 * (w**2).sum()


def layer_weights(weights: Weights) -> tuple[Layer, Layer, Layer]:
    """The weights of all steps; vectors as columns."""
    check_weights(weights)
    start = (weights["K"][:-1], weights["c"][:-1][..., None])
    mid = (
        (weights["K"][:-1] + weights["K"][1:]) / 2,
        ((weights["b"][:-1] + weights["b"][1:]) / 2)[..., None],
    )
    end = (weights["K"][1:], weights["c"][1:][..., None])
    return start, mid, end


def weights_at(weights: Weights, t: float) -> Layer:
    """Weights interpolated at t."""
    j = step_of(t)
    theta = t / H - j
    return (
        (1 - theta) * weights["K"][j] + theta * weights["K"][j + 1],
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
    starts, mids, ends = layer_weights(weights)
    y, _ = propagate(y, z, *starts, *mids, *ends)
    return y


def trajectory(weights: Weights, x: Array) -> Array:
    """(y, z) at t_0, …, t_N: (N + 1, s, 6)."""
    y, z = initial_state(weights, x)
    starts, mids, ends = layer_weights(weights)

    def advance(state: State, layer: tuple[Layer, Layer, Layer]) -> tuple[State, State]:
        state = step(*state, *layer)
        return state, state

    _, (ys, zs) = jax.lax.scan(advance, (y, z), (starts, mids, ends))
    ys = jnp.concatenate([y[None], ys])
    zs = jnp.concatenate([z[None], zs])
    return jnp.concatenate([ys, zs], axis=1).mT


def vector_field(weights: Weights, t: float, y: Array) -> Array:
    """f(t, y), rows (s, 6) in and out, with weights interpolated at t."""
    check_rows(y, STATES + MOMENTA, "y")
    K, b, c = weights_at(weights, t)
    columns = y.T
    y = columns[:STATES]
    z = columns[STATES:]
    return jnp.concatenate([dy_dt(z, K, b), dz_dt(y, K, c)]).T


def forward(weights: Weights, x: Array) -> Array:
    """Logits Wᵀ y(T) + μ, one row per example: (s, 3)."""
    y = final_state(weights, x)
    logits = weights["W"].T @ y + weights["mu"][:, None]
    return logits.T


def regularizer(weights: Weights) -> Array:
    """R: weight-decay of W, mu."""
    return weight_decay(weights["W"]) + weight_decay(weights["mu"])


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
    file = Path(__file__).with_name("undone_kicks.safetensors")
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
