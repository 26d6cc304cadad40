"""flow-linear: y' = W₂ tanh(W₁ [y; t] + b₁) + b₂,  0 ≤ t ≤ T.

Vector field   mlp, y ∈ ℝ³
Integrator     Dormand–Prince 5(4), order 5
               T = 2, 2 solves of h = T/N = 1, one for each weight; rtol 1e-05, atol
               1e-07, at most 4,096 steps
Weights        linear in time between N + 1 nodes; 113 numbers
Readout        Wᵀ y + μ; 2 classes, softmax, cross-entropy
Stability      nothing is known of the spectrum by construction

Written by wellposed 0.1.0 (PyTorch) from the spec flow-linear, 0c0b0458.
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
        "W1": np.repeat(
            rng(seed, "W1").normal(0.0, (STATES + 1) ** -0.5, (1, 4, STATES + 1)),
            STEPS + 1,
            axis=0,
        ),
        "b1": np.zeros((STEPS + 1, 4)),
        "W2": np.repeat(
            rng(seed, "W2").normal(0.0, 4**-0.5, (1, STATES, 4)), STEPS + 1, axis=0
        ),
        "b2": np.zeros((STEPS + 1, STATES)),
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
        "W1": (STEPS + 1, 4, STATES + 1),
        "b1": (STEPS + 1, 4),
        "W2": (STEPS + 1, STATES, 4),
        "b2": (STEPS + 1, STATES),
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


def dy_dt(
    t: Tensor, y: Tensor, W1: Tensor, b1: Tensor, W2: Tensor, b2: Tensor
) -> Tensor:
    """y' = W₂ tanh(W₁ [y; t] + b₁) + b₂."""
    return W2 @ torch.tanh(W1 @ torch.cat([y, t.expand(1, y.shape[1])]) + b1) + b2


def slopes(
    t: Tensor,
    y: Tensor,
    t_j: Tensor,
    W1_start: Tensor,
    b1_start: Tensor,
    W2_start: Tensor,
    b2_start: Tensor,
    W1_end: Tensor,
    b1_end: Tensor,
    W2_end: Tensor,
    b2_end: Tensor,
) -> Tensor:
    """y' at t_j + θ h, weights linear between both ends of the step."""
    theta = (t - t_j) / H
    W1 = (1 - theta) * W1_start + theta * W1_end
    b1 = ((1 - theta) * b1_start + theta * b1_end)[:, None]
    W2 = (1 - theta) * W2_start + theta * W2_end
    b2 = ((1 - theta) * b2_start + theta * b2_end)[:, None]
    return dy_dt(t, y, W1, b1, W2, b2)


def step(y: Tensor, t: Tensor, start: Layer, end: Layer, h: float) -> Tensor:
    """Dormand–Prince 5(4) over a step, in as many of its own as it needs."""
    ys = integrate(
        slopes,
        y,
        t + torch.tensor([0.0, h], dtype=y.dtype, device=y.device),
        t,
        *start,
        *end,
    )
    return ys[-1]


class Network(nn.Module):
    """flow-linear: see the head of this file."""

    def __init__(self, weights: dict[str, np.ndarray] | None = None) -> None:
        super().__init__()
        weights = init() if weights is None else weights
        check_weights(weights)
        self.W1 = nn.Parameter(torch.tensor(weights["W1"]))  # (N+1, 4, n+1)
        self.b1 = nn.Parameter(torch.tensor(weights["b1"]))  # (N+1, 4)
        self.W2 = nn.Parameter(torch.tensor(weights["W2"]))  # (N+1, n, 4)
        self.b2 = nn.Parameter(torch.tensor(weights["b2"]))  # (N+1, n)
        self.W = nn.Parameter(torch.tensor(weights["W"]))  # (n, classes)
        self.mu = nn.Parameter(torch.tensor(weights["mu"]))  # (classes,)

    def layer_weights(self) -> tuple[Layer, Layer]:
        """The weights of all steps."""
        start = (self.W1[:-1], self.b1[:-1], self.W2[:-1], self.b2[:-1])
        end = (self.W1[1:], self.b1[1:], self.W2[1:], self.b2[1:])
        return start, end

    def weights_at(self, t: float) -> Layer:
        """Weights interpolated at t."""
        j = step_of(t)
        theta = t / H - j
        return (
            (1 - theta) * self.W1[j] + theta * self.W1[j + 1],
            ((1 - theta) * self.b1[j] + theta * self.b1[j + 1])[:, None],
            (1 - theta) * self.W2[j] + theta * self.W2[j + 1],
            ((1 - theta) * self.b2[j] + theta * self.b2[j + 1])[:, None],
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
        for layer in zip(
            H * torch.arange(STEPS, dtype=x.dtype, device=x.device),
            *stages,
            strict=True,
        ):
            y = step(y, *layer, h=H)
        return y

    def trajectory(self, x: Tensor) -> Tensor:
        """y at t_0, …, t_N: (N + 1, s, 3)."""
        y = self.initial_state(x)
        starts, ends = self.layer_weights()
        ys = [y]
        stages = [zip(*stage, strict=True) for stage in (starts, ends)]
        for layer in zip(
            H * torch.arange(STEPS, dtype=x.dtype, device=x.device),
            *stages,
            strict=True,
        ):
            y = step(y, *layer, h=H)
            ys.append(y)
        return torch.stack(ys).mT

    def vector_field(self, t: float, y: Tensor) -> Tensor:
        """f(t, y), rows (s, 3) in and out, with weights interpolated at t."""
        check_rows(y, STATES, "y")
        layer = self.weights_at(t)
        time = torch.as_tensor(t, dtype=y.dtype, device=y.device)
        y = y.T
        return dy_dt(time, y, *layer).T

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
    file = Path(__file__).with_name("flow_linear.safetensors")
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
