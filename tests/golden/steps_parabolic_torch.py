"""steps-parabolic: y' = −Kᵀ tanh(K y + b),  0 <= t <= T.

Vector field   parabolic, y in R^3
Integrator     forward Euler, N = 3 steps of h = T/N = 1/3 = 0.333333
Weights        one weight for each step; 47 numbers
Readout        Wᵀ y + μ; 2 outputs, least squares
Regularizer    weight-decay of K, W, α = 0.1
               smoothness of K, b, α = 0.2
Stability      λ(∂f/∂y) ≤ 0 for all weights and states: the symmetric part of ∂f/∂y is
               bounded term by term

Written by wellposed 0.1.0 (PyTorch) from the spec steps-parabolic, 6c5d86ac.
It imports nothing of wellposed: change the spec and compile again, or own this file.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file
from torch import Tensor, nn

FEATURES = 3  # d
OUTPUTS = 2  # classes or numbers per example
HORIZON, STEPS = 1, 3  # T, N
H = HORIZON / STEPS  # h
ALPHA_1 = 0.1  # α
ALPHA_2 = 0.2  # α


def stream(seed: int, name: str) -> np.random.Generator:
    """A stream of its own for every weight: they do not depend on each other."""
    return np.random.default_rng([seed, *name.encode()])


def init(seed: int = 1) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "K": np.repeat(
            stream(seed, "K").normal(0.0, 3**-0.5, (3, 3))[None], STEPS, axis=0
        ),
        "b": np.zeros(STEPS),
        "L": stream(seed, "L").normal(0.0, 3**-0.5, (3, 3)),
        "W": stream(seed, "W").normal(0.0, 2**-0.5, (3, 2)),
        "mu": np.zeros(2),
    }
    return {name: value.astype("float64") for name, value in weights.items()}


def dy_dt(y: Tensor, K: Tensor, b: Tensor) -> Tensor:
    """y' = −Kᵀ tanh(K y + b)."""
    return -K.T @ torch.tanh(K @ y + b)


def step(y: Tensor, K: Tensor, b: Tensor) -> Tensor:
    """Forward Euler: y + h f(t, y)."""
    return y + H * dy_dt(y, K, b)


class Network(nn.Module):
    """steps-parabolic: see the head of this file."""

    def __init__(self, weights: dict[str, np.ndarray] | None = None) -> None:
        super().__init__()
        weights = init() if weights is None else weights
        self.K = nn.Parameter(torch.tensor(weights["K"]))  # (N, n, n)
        self.b = nn.Parameter(torch.tensor(weights["b"]))  # (N,)
        self.L = nn.Parameter(torch.tensor(weights["L"]))  # (n, d)
        self.W = nn.Parameter(torch.tensor(weights["W"]))  # (n, outputs)
        self.mu = nn.Parameter(torch.tensor(weights["mu"]))  # (outputs,)

    def operands(self) -> tuple[Tensor, ...]:
        """The weights of all steps."""
        K = self.K
        b = self.b
        return K, b

    def layers(self) -> Iterator[tuple[Tensor, ...]]:
        """The weights of one step after the other."""
        return zip(*(w.unbind() for w in self.operands()), strict=True)

    def initial_state(self, x: Tensor) -> Tensor:
        """y(0) = L x; one column per example."""
        return self.L @ x.T

    def final_state(self, x: Tensor) -> Tensor:
        """y(T), one column per example."""
        y = self.initial_state(x)
        for layer in self.layers():
            y = step(y, *layer)
        return y

    def trajectory(self, x: Tensor) -> Tensor:
        """y at t_0, ..., t_N: (N + 1, s, 3)."""
        y = self.initial_state(x)
        path = [y]
        for layer in self.layers():
            y = step(y, *layer)
            path.append(y)
        return torch.stack(path).mT

    def vector_field(self, t: float, y: Tensor) -> Tensor:
        """f(t, y), rows (s, 3) in and out, with weight j for t_j <= t < t_{j+1}."""
        j = min(max(int(t / H + 1e-9), 0), STEPS - 1)
        K = self.K[j]
        b = self.b[j]
        y = y.T
        return dy_dt(y, K, b).T

    def forward(self, x: Tensor) -> Tensor:
        """Logits W^T y(T) + mu, one row per example: (s, 2)."""
        y = self.final_state(x)
        logits = self.W.T @ y + self.mu[:, None]
        return logits.T

    def regularizer(self) -> Tensor:
        """R = alpha/2 sum |w|^2 + alpha/(2h) sum_j |w_{j+1} - w_j|^2."""
        of = (self.K, self.W)
        terms = torch.stack([(w**2).sum() for w in of])
        weight_decay = ALPHA_1 / 2 * terms.sum()
        of = (self.K, self.b)
        terms = torch.stack([((w[1:] - w[:-1]) ** 2).sum() for w in of])
        smoothness = ALPHA_2 / (2 * H) * terms.sum()
        return weight_decay + smoothness

    def loss(self, x: Tensor, targets: Tensor) -> Tensor:
        """Mean over the examples of ½ (Σ ((x − C)²)) + R; targets are (s, outputs)."""
        logits = self(x).T
        C = targets.T
        losses = ((logits - C) ** 2).sum(dim=0) / 2
        return losses.mean() + self.regularizer()


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    print(__doc__)
    beside = Path(__file__).with_name("steps_parabolic.safetensors")
    arrays = load_file(beside) if beside.exists() else init()
    count = sum(value.size for value in arrays.values())
    print(f"{count:,} weights:", {n: v.shape for n, v in arrays.items()})
    network = Network(arrays)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(8, FEATURES)).astype("float64")
    targets = rng.normal(size=(8, OUTPUTS)).astype("float64")
    value = network.loss(torch.tensor(x), torch.tensor(targets))
    value.backward()
    gradients = [w.grad for w in network.parameters() if w.grad is not None]
    norm = sum(g.square().sum().item() for g in gradients) ** 0.5
    print(f"loss {value.item():.6g}, gradient norm {norm:.6g} on 8 examples")


if __name__ == "__main__":
    main()
