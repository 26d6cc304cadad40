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

Written by wellposed 0.1.0 (PyTorch) from the spec undone-leapfrog, efd8dd08.
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
        "C": (STATES, STATES),
        "b": (STATES,),
        "W": (STATES, CLASSES),
        "mu": (CLASSES,),
    }
    found = {name: value.shape for name, value in weights.items()}
    if found != shapes:
        raise ValueError(f"weights are {found}, not {shapes}")


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


def negative_gram(C: Tensor) -> Tensor:
    """−Cᵀ C, of one matrix or of a stack of them."""
    return -C.mT @ C


def d2y_dt2(y: Tensor, K: Tensor, b: Tensor) -> Tensor:
    """y'' = tanh(K y + b)."""
    return torch.tanh(K @ y + b)


def step(y: Tensor, v: Tensor, K: Tensor, b: Tensor) -> State:
    """Leapfrog: v + h y''(y), then y + h v with the new v."""
    v = v + H * d2y_dt2(y, K, b)
    y = y + H * v
    return y, v


def propagate(y: Tensor, v: Tensor, K: Tensor, b: Tensor) -> State:
    """All steps; of the states only the last are kept for the derivative."""
    for _ in range(STEPS):
        y, v = step(y, v, K, b)
    return y, v


def unstep(y: Tensor, v: Tensor, K: Tensor, b: Tensor) -> State:
    """The states before `step`, from those behind it."""
    y = y - H * v
    v = v - H * d2y_dt2(y, K, b)
    return y, v


def step_back(
    y: Tensor, v: Tensor, y_bar: Tensor, v_bar: Tensor, K: Tensor, b: Tensor
) -> tuple[Tensor, ...]:
    """`step` is undone, then cotangents are pulled back through it."""
    y, v = unstep(y, v, K, b)
    y_bar, v_bar, K_bar, b_bar = pull_back(step, (y, v, K, b), (y_bar, v_bar))
    return y, v, y_bar, v_bar, K_bar, b_bar


def propagate_back(
    y: Tensor, v: Tensor, K: Tensor, b: Tensor, y_bar: Tensor, v_bar: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The cotangents of what `propagate` takes, from those of its states."""
    K_bar = torch.zeros_like(K)
    b_bar = torch.zeros_like(b)
    for _ in range(STEPS):
        y, v, y_bar, v_bar, K_bar_j, b_bar_j = step_back(y, v, y_bar, v_bar, K, b)
        K_bar = K_bar + K_bar_j
        b_bar = b_bar + b_bar_j
    return y_bar, v_bar, K_bar, b_bar


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
    return ALPHA / 2 * (w**2).sum()


class Network(nn.Module):
    """undone-leapfrog: see the head of this file."""

    def __init__(self, weights: dict[str, np.ndarray] | None = None) -> None:
        super().__init__()
        weights = init() if weights is None else weights
        check_weights(weights)
        self.C = nn.Parameter(torch.tensor(weights["C"]))  # (n, n)
        self.b = nn.Parameter(torch.tensor(weights["b"]))  # (n,)
        self.W = nn.Parameter(torch.tensor(weights["W"]))  # (n, classes)
        self.mu = nn.Parameter(torch.tensor(weights["mu"]))  # (classes,)

    def layer_weights(self) -> Layer:
        """The one layer's weights; K = −Cᵀ C; vectors as columns."""
        return negative_gram(self.C), self.b[:, None]

    def initial_state(self, x: Tensor) -> State:
        """y(0) = x, v at −h/2 from y'(0) = 0; one column per example."""
        check_rows(x, FEATURES, "x")
        y = x.T.contiguous()
        layer = self.layer_weights()
        return y, -(H / 2 * d2y_dt2(y, *layer))

    def final_state(self, x: Tensor) -> Tensor:
        """y(T), one column per example."""
        y, v = self.initial_state(x)
        layer = self.layer_weights()
        y, _ = Propagate.apply(y, v, *layer)
        return y

    def trajectory(self, x: Tensor) -> Tensor:
        """y at t_0, …, t_N: (N + 1, s, 3)."""
        y, v = self.initial_state(x)
        layer = self.layer_weights()
        ys = [y]
        for _ in range(STEPS):
            y, v = step(y, v, *layer)
            ys.append(y)
        return torch.stack(ys).mT

    def vector_field(self, t: float, y: Tensor) -> Tensor:
        """y'', rows (s, 3) in and out."""
        check_rows(y, STATES, "y")
        layer = self.layer_weights()
        y = y.T
        return d2y_dt2(y, *layer).T

    def forward(self, x: Tensor) -> Tensor:
        """Logits Wᵀ y(T) + μ, one row per example: (s, 3)."""
        y = self.final_state(x)
        logits = self.W.T @ y + self.mu[:, None]
        return logits.T

    def regularizer(self) -> Tensor:
        """R: weight-decay of W, mu."""
        return weight_decay(self.W) + weight_decay(self.mu)

    def loss(self, x: Tensor, targets: Tensor) -> Tensor:
        """Mean over the examples of −Σ (C ⊙ log softmax(u)), u the logits, plus R;
        targets C are classes (s,) or their probabilities (s, classes).
        """
        check_targets(x, targets)
        logits = self(x).T
        C = class_probabilities(targets, x.dtype).T
        losses = -(C * torch.log_softmax(logits, dim=0)).sum(dim=0)
        return losses.mean() + self.regularizer()


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    print(__doc__)
    file = Path(__file__).with_name("undone_leapfrog.safetensors")
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
