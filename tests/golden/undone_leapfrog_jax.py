"""undone-leapfrog: y'' = tanh(K y + b); y'(0) = 0,  0 ≤ t ≤ T.

Vector field   second-order, y ∈ ℝ³
               K = −Cᵀ C
Integrator     leapfrog, order 2
               N = 3 steps of h = T/N = 1/3 = 0.333333
Weights        one weight shared by all steps; 24 numbers
Gradient       keeps the last state alone, whatever N: each step is undone on the way
               back, exactly but for rounding
Readout        Wᵀ y + μ; 3 classes, softmax, cross-entropy
Regularizer    weight-decay of W, mu, α = 0.1
Stability      λ(∂f/∂y) ≤ 0 for all weights and states (0 ≤ σ' ≤ 1): ∂f/∂y = D M with D
               = diag σ' is similar to D^½ M D^½

Written by wellposed 0.1.0 (JAX) from the spec undone-leapfrog, efd8dd08.
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
        "C": rng(seed, "C").normal(0.0, STATES**-0.5, (STATES, STATES)),
        "b": np.zeros(STATES),
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
        "C": (STATES, STATES),
        "b": (STATES,),
        "W": (STATES, CLASSES),
        "mu": (CLASSES,),
    }
    found = {name: value.shape for name, value in weights.items()}
    if found != shapes:
        raise ValueError(f"weights are {found}, not {shapes}")


def class_probabilities(targets: Array, dtype: jnp.dtype) -> Array:
    """Integer classes as one-hot rows, of one that is out of range as NaN;
    probabilities as they are.
    """
    if targets.ndim == 1:
        one_hot = jax.nn.one_hot(targets, CLASSES, dtype=dtype)
        known = (targets >= 0) & (targets < CLASSES)
        return jnp.where(known[:, None], one_hot, jnp.nan)
    return targets


def negative_gram(C: Array) -> Array:
    """−Cᵀ C, of one matrix or of a stack of them."""
    return -C.mT @ C


def d2y_dt2(y: Array, K: Array, b: Array) -> Array:
    """y'' = tanh(K y + b)."""
    return jnp.tanh(K @ y + b)


def step(y: Array, v: Array, K: Array, b: Array) -> State:
    """Leapfrog: v + h y''(y), then y + h v with the new v."""
    v = v + H * d2y_dt2(y, K, b)
    y = y + H * v
    return y, v


@jax.custom_vjp
def propagate(y: Array, v: Array, K: Array, b: Array) -> State:
    """All steps; of the states only the last are kept for the derivative."""

    def advance(state: State, _: None) -> tuple[State, None]:
        return step(*state, K, b), None

    (y, v), _ = jax.lax.scan(advance, (y, v), None, length=STEPS)
    return y, v


def unstep(y: Array, v: Array, K: Array, b: Array) -> State:
    """The states before `step`, from those behind it."""
    y = y - H * v
    v = v - H * d2y_dt2(y, K, b)
    return y, v


def step_back(
    y: Array, v: Array, y_bar: Array, v_bar: Array, K: Array, b: Array
) -> tuple[Array, ...]:
    """`step` is undone, then cotangents are pulled back through it."""
    y, v = unstep(y, v, K, b)
    _, pull = jax.vjp(step, y, v, K, b)
    y_bar, v_bar, K_bar, b_bar = pull((y_bar, v_bar))
    return y, v, y_bar, v_bar, K_bar, b_bar


def propagate_back(
    y: Array, v: Array, K: Array, b: Array, y_bar: Array, v_bar: Array
) -> tuple[Array, Array, Array, Array]:
    """The cotangents of what `propagate` takes, from those of its states."""

    def advance(
        carry: tuple[tuple[Array, Array, Array, Array], Array, Array], _: None
    ) -> tuple[tuple[tuple[Array, Array, Array, Array], Array, Array], None]:
        state, K_bar, b_bar = carry
        y, v, y_bar, v_bar, K_bar_j, b_bar_j = step_back(*state, K, b)
        K_bar = K_bar + K_bar_j
        b_bar = b_bar + b_bar_j
        return ((y, v, y_bar, v_bar), K_bar, b_bar), None

    ((_, _, y_bar, v_bar), K_bar, b_bar), _ = jax.lax.scan(
        advance,
        ((y, v, y_bar, v_bar), jnp.zeros_like(K), jnp.zeros_like(b)),
        None,
        length=STEPS,
        reverse=True,
    )
    return y_bar, v_bar, K_bar, b_bar


def propagate_kept(*given: Array) -> tuple[State, tuple[Array, ...]]:
    """The states that `propagate` gives, and what its derivative starts from."""
    states = propagate(*given)
    return states, (*states, *given[2:])


propagate.defvjp(propagate_kept, lambda kept, bars: propagate_back(*kept, *bars))


def weight_decay(w: Array) -> Array:
    """α/2 ‖w‖²; w is one weight at all its times."""
    return ALPHA / 2 * (w**2).sum()


def layer_weights(weights: Weights) -> Layer:
    """The one layer's weights; K = −Cᵀ C; vectors as columns."""
    check_weights(weights)
    return negative_gram(weights["C"]), weights["b"][:, None]


def initial_state(weights: Weights, x: Array) -> State:
    """y(0) = x, v at −h/2 from y'(0) = 0; one column per example."""
    check_rows(x, FEATURES, "x")
    y = x.T
    layer = layer_weights(weights)
    return y, -(H / 2 * d2y_dt2(y, *layer))


def final_state(weights: Weights, x: Array) -> Array:
    """y(T), one column per example."""
    y, v = initial_state(weights, x)
    layer = layer_weights(weights)
    y, _ = propagate(y, v, *layer)
    return y


def trajectory(weights: Weights, x: Array) -> Array:
    """y at t_0, …, t_N: (N + 1, s, 3)."""
    y, v = initial_state(weights, x)
    layer = layer_weights(weights)

    def advance(state: State, _: None) -> tuple[State, State]:
        state = step(*state, *layer)
        return state, state

    _, (ys, _) = jax.lax.scan(advance, (y, v), None, length=STEPS)
    ys = jnp.concatenate([y[None], ys])
    return ys.mT


def vector_field(weights: Weights, t: float, y: Array) -> Array:
    """y'', rows (s, 3) in and out."""
    check_rows(y, STATES, "y")
    layer = layer_weights(weights)
    y = y.T
    return d2y_dt2(y, *layer).T


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
    file = Path(__file__).with_name("undone_leapfrog.safetensors")
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
