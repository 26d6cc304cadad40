"""undone-verlet: y' = tanh(K z + b); z' = −tanh(Kᵀ y + c),  0 ≤ t ≤ T.

Vector field   hamiltonian, y ∈ ℝ³, z ∈ ℝ³
Integrator     Störmer–Verlet (staggered), order 1 in y for z given at t = 0, order 2
               for z given at t = −h/2
               N = 3 steps of h = T/N = 1/3 = 0.333333
Weights        one weight for each step; 57 numbers
Gradient       keeps the last state alone, whatever N: each step is undone on the way
               back, exactly but for rounding
Readout        Wᵀ y + μ; 3 classes, logistic, cross-entropy
Regularizer    weight-decay of K, W, α = 0.1
               smoothness of K, b, c, α = 0.2
Stability      Re λ(∂f/∂(y, z)) = 0 for all weights and states (0 ≤ σ' ≤ 1): ∂f/∂(y, z)
               = D [[0, K], [−Kᵀ, 0]] with D = diag σ' is similar to a skew matrix

Written by wellposed 0.1.0 (PyTorch) from the spec undone-verlet, 6fa45014.
It imports nothing of wellposed: change the spec and compile again, or own this file.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import load_file
from torch import Tensor, nn

State = tuple[Tensor, Tensor]
Layer = tuple[Tensor, ...]

FEATURES = 3  # d
STATES = 3  # n
MOMENTA = 3  # m
CLASSES = 3
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
        "K": np.repeat(
            rng(seed, "K").normal(0.0, MOMENTA**-0.5, (1, STATES, MOMENTA)),
            STEPS,
            axis=0,
        ),
        "b": np.zeros((STEPS, STATES)),
        "c": np.zeros((STEPS, MOMENTA)),
        "W": rng(seed, "W").normal(0.0, STATES**-0.5, (STATES, CLASSES)),
        "mu": np.zeros(CLASSES),
    }
    return {name: value.astype("float64") for name, value in weights.items()}


def check_rows(rows: Tensor, columns: int, name: str) -> None:
    """Refuse what is not one row for each example."""
    if rows.ndim != 2 or rows.shape[1] != columns:
        raise ValueError(f"{name} is {tuple(rows.shape)}, not (s, {columns})")


def check_targets(x: Tensor, targets: Tensor) -> None:
    """Refuse what is not one class for each example, or CLASSES probabilities."""
    check_rows(x, FEATURES, "x")
    shape = (x.shape[0],) if targets.ndim == 1 else (x.shape[0], CLASSES)
    if tuple(targets.shape) != shape:
        raise ValueError(f"targets are {tuple(targets.shape)}, not {shape}")


def check_weights(weights: dict[str, np.ndarray]) -> None:
    """Refuse weights of another network, or of another number of steps."""
    shapes = {
        "K": (STEPS, STATES, MOMENTA),
        "b": (STEPS, STATES),
        "c": (STEPS, MOMENTA),
        "W": (STATES, CLASSES),
        "mu": (CLASSES,),
    }
    found = {name: value.shape for name, value in weights.items()}
    if found != shapes:
        raise ValueError(f"weights are {found}, not {shapes}")


def step_of(t: float) -> int:
    """The step j with t_j ≤ t < t_{j+1}, at T the last; t_j may be rounded down."""
    return min(max(int(t / H + 1e-9), 0), STEPS - 1)


def class_probabilities(targets: Tensor, dtype: torch.dtype) -> Tensor:
    """Integer classes as one-hot rows; probabilities as they are."""
    if targets.ndim == 1:
        return F.one_hot(targets, CLASSES).to(dtype)
    return targets


def pull_back(
    function: Callable[..., tuple[Tensor, ...]],
    given: Sequence[Tensor],
    bars: Sequence[Tensor],
) -> tuple[Tensor, ...]:
    """The cotangents of what a function is given, from those of its results."""
    with torch.enable_grad():
        leaves = [v.view_as(v).requires_grad_() for v in given]
        results = function(*leaves)
    again = torch.is_grad_enabled()  # is this derivative to be differentiated too?
    return torch.autograd.grad(results, leaves, bars, create_graph=again)


def dy_dt(z: Tensor, K: Tensor, b: Tensor) -> Tensor:
    """y' = tanh(K z + b)."""
    return torch.tanh(K @ z + b)


def dz_dt(y: Tensor, K: Tensor, c: Tensor) -> Tensor:
    """z' = −tanh(Kᵀ y + c)."""
    return -torch.tanh(K.T @ y + c)


def step(y: Tensor, z: Tensor, K: Tensor, b: Tensor, c: Tensor) -> State:
    """Störmer–Verlet (staggered): z + h z'(y), then y + h y'(z) with the new z.
    Order 1 in y for z given at t = 0, order 2 for z given at t = −h/2.
    """
    z = z + H * dz_dt(y, K, c)
    y = y + H * dy_dt(z, K, b)
    return y, z


def propagate(y: Tensor, z: Tensor, K: Tensor, b: Tensor, c: Tensor) -> State:
    """All steps; of the states only the last are kept for the derivative."""
    for layer in zip(K, b, c, strict=True):
        y, z = step(y, z, *layer)
    return y, z


def unstep(y: Tensor, z: Tensor, K: Tensor, b: Tensor, c: Tensor) -> State:
    """The states before `step`, from those behind it."""
    y = y - H * dy_dt(z, K, b)
    z = z - H * dz_dt(y, K, c)
    return y, z


def step_back(
    y: Tensor, z: Tensor, y_bar: Tensor, z_bar: Tensor, K: Tensor, b: Tensor, c: Tensor
) -> tuple[Tensor, ...]:
    """`step` is undone, then cotangents are pulled back through it."""
    y, z = unstep(y, z, K, b, c)
    y_bar, z_bar, K_bar, b_bar, c_bar = pull_back(step, (y, z, K, b, c), (y_bar, z_bar))
    return y, z, y_bar, z_bar, K_bar, b_bar, c_bar


def propagate_back(
    y: Tensor, z: Tensor, K: Tensor, b: Tensor, c: Tensor, y_bar: Tensor, z_bar: Tensor
) -> tuple[Tensor, ...]:
    """The cotangents of what `propagate` takes, from those of its states."""
    K_bar, b_bar, c_bar = [], [], []
    for layer in reversed(list(zip(K, b, c, strict=True))):
        y, z, y_bar, z_bar, K_bar_j, b_bar_j, c_bar_j = step_back(
            y, z, y_bar, z_bar, *layer
        )
        K_bar.append(K_bar_j)
        b_bar.append(b_bar_j)
        c_bar.append(c_bar_j)
    K_bar.reverse()
    b_bar.reverse()
    c_bar.reverse()
    return y_bar, z_bar, torch.stack(K_bar), torch.stack(b_bar), torch.stack(c_bar)


class Propagate(torch.autograd.Function):
    """`propagate` with its derivative `propagate_back`."""

    @staticmethod
    def forward(ctx: Any, *given: Tensor) -> State:
        """The states behind all steps, of which these and the weights are kept."""
        states = propagate(*given)
        ctx.save_for_backward(*states, *given[2:])
        return states

    @staticmethod
    def backward(ctx: Any, *bars: Tensor) -> tuple[Tensor, ...]:
        """The way back from there."""
        return propagate_back(*ctx.saved_tensors, *bars)


def weight_decay(w: Tensor) -> Tensor:
    """α/2 ‖w‖²; w is one weight at all its times."""
    return ALPHA_1 / 2 * (w**2).sum()


def smoothness(w: Tensor) -> Tensor:
    """α/(2h) Σ_j ‖w_{j+1} − w_j‖²; w is one weight at all its times."""
    return ALPHA_2 / (2 * H) * ((w[1:] - w[:-1]) ** 2).sum()


class Network(nn.Module):
    """undone-verlet: see the head of this file."""

    def __init__(self, weights: dict[str, np.ndarray] | None = None) -> None:
        super().__init__()
        weights = init() if weights is None else weights
        check_weights(weights)
        self.K = nn.Parameter(torch.tensor(weights["K"]))  # (N, n, m)
        self.b = nn.Parameter(torch.tensor(weights["b"]))  # (N, n)
        self.c = nn.Parameter(torch.tensor(weights["c"]))  # (N, m)
        self.W = nn.Parameter(torch.tensor(weights["W"]))  # (n, classes)
        self.mu = nn.Parameter(torch.tensor(weights["mu"]))  # (classes,)

    def layer_weights(self) -> Layer:
        """The weights of all steps; vectors as columns."""
        return self.K, self.b[..., None], self.c[..., None]

    def weights_at(self, t: float) -> Layer:
        """The weights of step j, t_j ≤ t < t_{j+1}."""
        j = step_of(t)
        return self.K[j], self.b[j][:, None], self.c[j][:, None]

    def initial_state(self, x: Tensor) -> State:
        """y(0) = x, z(0) = 0; one column per example."""
        check_rows(x, FEATURES, "x")
        return x.T.contiguous(), x.new_zeros(MOMENTA, x.shape[0])

    def final_state(self, x: Tensor) -> Tensor:
        """y(T), one column per example."""
        y, z = self.initial_state(x)
        layers = self.layer_weights()
        y, _ = Propagate.apply(y, z, *layers)
        return y

    def trajectory(self, x: Tensor) -> Tensor:
        """(y, z) at t_0, …, t_N, z by h/2 behind: (N + 1, s, 6)."""
        y, z = self.initial_state(x)
        layers = self.layer_weights()
        ys, zs = [y], [z]
        for layer in zip(*layers, strict=True):
            y, z = step(y, z, *layer)
            ys.append(y)
            zs.append(z)
        return torch.cat([torch.stack(ys), torch.stack(zs)], dim=1).mT

    def vector_field(self, t: float, y: Tensor) -> Tensor:
        """f(t, y), rows (s, 6) in and out, with weight j for t_j ≤ t < t_{j+1}."""
        check_rows(y, STATES + MOMENTA, "y")
        K, b, c = self.weights_at(t)
        columns = y.T
        y = columns[:STATES]
        z = columns[STATES:]
        return torch.cat([dy_dt(z, K, b), dz_dt(y, K, c)]).T

    def forward(self, x: Tensor) -> Tensor:
        """Logits Wᵀ y(T) + μ, one row per example: (s, 3)."""
        y = self.final_state(x)
        logits = self.W.T @ y + self.mu[:, None]
        return logits.T

    def regularizer(self) -> Tensor:
        """R: weight-decay of K, W; smoothness of K, b, c."""
        return (
            weight_decay(self.K)
            + weight_decay(self.W)
            + smoothness(self.K)
            + smoothness(self.b)
            + smoothness(self.c)
        )

    def loss(self, x: Tensor, targets: Tensor) -> Tensor:
        """Mean over the examples of Σ (softplus(u) − C ⊙ u), u the logits, plus R;
        targets C are classes (s,) or their probabilities (s, classes).
        """
        check_targets(x, targets)
        logits = self(x).T
        C = class_probabilities(targets, x.dtype).T
        losses = (F.softplus(logits, threshold=40) - C * logits).sum(dim=0)
        return losses.mean() + self.regularizer()


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    print(__doc__)
    file = Path(__file__).with_name("undone_verlet.safetensors")
    arrays = load_file(file) if file.exists() else init()
    count = sum(value.size for value in arrays.values())
    origin = file.name if file.exists() else f"init(), as there is no {file.name} here"
    print(f"{count:,} weights of {origin}:", {n: v.shape for n, v in arrays.items()})
    network = Network(arrays)
    random = np.random.default_rng(0)
    x = random.normal(size=(8, FEATURES)).astype("float64")
    targets = np.arange(8) % CLASSES
    value = network.loss(torch.tensor(x), torch.tensor(targets))
    value.backward()
    gradients = [w.grad for w in network.parameters() if w.grad is not None]
    norm = sum(g.square().sum().item() for g in gradients) ** 0.5
    print(f"loss {value.item():.6g}, gradient norm {norm:.6g} on 8 examples")


if __name__ == "__main__":
    main()
