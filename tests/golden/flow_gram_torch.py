"""flow-gram: y' = tanh(K y + b),  0 ≤ t ≤ T.

Vector field   layer, y ∈ ℝ³
               K = −Cᵀ C
Integrator     Dormand–Prince 5(4), order 5
               T = 2, 2 solves of h = T/N = 1, one for each weight; rtol 1e-05, atol
               1e-07, at most 4,096 steps
Weights        linear in time between N + 1 nodes; 44 numbers
Readout        Wᵀ y + μ; 2 classes, softmax, cross-entropy
Stability      λ(∂f/∂y) ≤ 0 for all weights and states (0 ≤ σ' ≤ 1): ∂f/∂y = D M with D
               = diag σ' is similar to D^½ M D^½

Written by wellposed 0.1.0 (PyTorch) from the spec flow-gram, f2688c00.
It imports nothing of wellposed: change the spec and compile again, or own this file.
"""

from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import load_file
from torch import Tensor, nn
from torchdiffeq import odeint

Layer = tuple[Tensor, ...]

FEATURES = 3  # d
STATES = 3  # n
CLASSES = 2
MAX_STEPS = 4096  # of a solve, which fails with more
HORIZON, STEPS = 2, 2  # T, N
H = HORIZON / STEPS  # h = T/N
RTOL = 1e-05  # of a step: relative
ATOL = 1e-07  # and absolute


def rng(seed: int, name: str) -> np.random.Generator:
    """A generator for every weight: they do not depend on each other."""
    return np.random.default_rng([seed, *name.encode()])


def init(seed: int = 2) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "C": np.repeat(
            rng(seed, "C").normal(0.0, STATES**-0.5, (1, STATES, STATES)),
            STEPS + 1,
            axis=0,
        ),
        "b": np.zeros((STEPS + 1, STATES)),
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
        "C": (STEPS + 1, STATES, STATES),
        "b": (STEPS + 1, STATES),
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


def largest_rms(error: Tensor) -> Tensor:
    """The RMS over the state, of the row where it is largest: no row is solved worse
    for others.
    """
    return error.detach().square().mean(dim=0).sqrt().max()


def integrate(
    field: Callable[..., Tensor], y: Tensor, times: Tensor, *weights: Tensor
) -> Tensor:
    """y at these times, y' = field(t, y, *weights), by Dormand–Prince 5(4) of
    torchdiffeq.
    """
    options = {
        "norm": largest_rms,
        "max_num_steps": MAX_STEPS,
        "step_t": times[[0, -1]],
    }
    ys = odeint(
        lambda t, y: field(t, y, *weights),
        y,
        times,
        rtol=RTOL,
        atol=ATOL,
        method="dopri5",
        options=options,
    )
    return cast(Tensor, ys)


def negative_gram(C: Tensor) -> Tensor:
    """−Cᵀ C, of one matrix or of a stack of them."""
    return -C.mT @ C


def dy_dt(y: Tensor, K: Tensor, b: Tensor) -> Tensor:
    """y' = tanh(K y + b)."""
    return torch.tanh(K @ y + b)


def slopes(
    t: Tensor, y: Tensor, C_start: Tensor, b_start: Tensor, C_end: Tensor, b_end: Tensor
) -> Tensor:
    """y' at t_j + θ h, weights linear between both ends of the step; K = −Cᵀ C."""
    theta = t / H
    K = negative_gram((1 - theta) * C_start + theta * C_end)
    b = ((1 - theta) * b_start + theta * b_end)[:, None]
    return dy_dt(y, K, b)


def step(y: Tensor, start: Layer, end: Layer, h: float) -> Tensor:
    """Dormand–Prince 5(4) over a step, in as many of its own as it needs."""
    ys = integrate(
        slopes, y, torch.tensor([0.0, h], dtype=y.dtype, device=y.device), *start, *end
    )
    return ys[-1]


class Network(nn.Module):
    """flow-gram: see the head of this file."""

    def __init__(self, weights: dict[str, np.ndarray] | None = None) -> None:
        super().__init__()
        weights = init() if weights is None else weights
        check_weights(weights)
        self.C = nn.Parameter(torch.tensor(weights["C"]))  # (N+1, n, n)
        self.b = nn.Parameter(torch.tensor(weights["b"]))  # (N+1, n)
        self.W = nn.Parameter(torch.tensor(weights["W"]))  # (n, classes)
        self.mu = nn.Parameter(torch.tensor(weights["mu"]))  # (classes,)

    def layer_weights(self) -> tuple[Layer, Layer]:
        """The weights of all steps."""
        start = (self.C[:-1], self.b[:-1])
        end = (self.C[1:], self.b[1:])
        return start, end

    def weights_at(self, t: float) -> Layer:
        """Weights interpolated at t."""
        j = step_of(t)
        theta = t / H - j
        return (
            negative_gram((1 - theta) * self.C[j] + theta * self.C[j + 1]),
            ((1 - theta) * self.b[j] + theta * self.b[j + 1])[:, None],
        )

    def initial_state(self, x: Tensor) -> Tensor:
        """y(0) = x; one column per example."""
        check_rows(x, FEATURES, "x")
        return x.T.contiguous()

    def final_state(self, x: Tensor) -> Tensor:
        """y(T), one column per example."""
        y = self.initial_state(x)
        starts, ends = self.layer_weights()
        stages = [zip(*stage, strict=True) for stage in (starts, ends)]
        for layer in zip(*stages, strict=True):
            y = step(y, *layer, h=H)
        return y

    def trajectory(self, x: Tensor) -> Tensor:
        """y at t_0, …, t_N: (N + 1, s, 3)."""
        y = self.initial_state(x)
        starts, ends = self.layer_weights()
        ys = [y]
        stages = [zip(*stage, strict=True) for stage in (starts, ends)]
        for layer in zip(*stages, strict=True):
            y = step(y, *layer, h=H)
            ys.append(y)
        return torch.stack(ys).mT

    def vector_field(self, t: float, y: Tensor) -> Tensor:
        """f(t, y), rows (s, 3) in and out, with weights interpolated at t."""
        check_rows(y, STATES, "y")
        layer = self.weights_at(t)
        y = y.T
        return dy_dt(y, *layer).T

    def forward(self, x: Tensor) -> Tensor:
        """Logits Wᵀ y(T) + μ, one row per example: (s, 2)."""
        y = self.final_state(x)
        logits = self.W.T @ y + self.mu[:, None]
        return logits.T

    def loss(self, x: Tensor, targets: Tensor) -> Tensor:
        """Mean over the examples of −Σ (C ⊙ log softmax(u)), u the logits; targets C
        are classes (s,) or their probabilities (s, classes).
        """
        check_targets(x, targets)
        logits = self(x).T
        C = class_probabilities(targets, x.dtype).T
        losses = -(C * torch.log_softmax(logits, dim=0)).sum(dim=0)
        return losses.mean()


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    print(__doc__)
    file = Path(__file__).with_name("flow_gram.safetensors")
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
