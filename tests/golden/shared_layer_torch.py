"""shared-layer: y' = gelu(K y + b),  0 <= t <= T.

Vector field   layer, y in R^3
               K = −Cᵀ C
Integrator     explicit midpoint, N = 3 steps of h = T/N = 1/3 = 0.333333
Weights        one weight shared by all steps; 24 numbers
Readout        Wᵀ y + μ; 3 classes, softmax, cross-entropy
Regularizer    weight-decay of W, mu, α = 0.1
Stability      nothing is known of the spectrum by construction

Written by wellposed 0.1.0 (PyTorch) from the spec shared-layer, 35fb47e2.
It imports nothing of wellposed: change the spec and compile again, or own this file.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import load_file
from torch import Tensor, nn

FEATURES = 3  # d
OUTPUTS = 3  # classes or numbers per example
HORIZON, STEPS = 1, 3  # T, N
H = HORIZON / STEPS  # h
ALPHA = 0.1  # α


def stream(seed: int, name: str) -> np.random.Generator:
    """A stream of its own for every weight: they do not depend on each other."""
    return np.random.default_rng([seed, *name.encode()])


def init(seed: int = 1) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "C": stream(seed, "C").normal(0.0, 3**-0.5, (3, 3)),
        "b": np.zeros(3),
        "W": stream(seed, "W").normal(0.0, 3**-0.5, (3, 3)),
        "mu": np.zeros(3),
    }
    return {name: value.astype("float64") for name, value in weights.items()}


def negative_gram(C: Tensor) -> Tensor:
    """−Cᵀ C, of one matrix or of a stack of them."""
    return -C.mT @ C


def dy_dt(y: Tensor, K: Tensor, b: Tensor) -> Tensor:
    """y' = gelu(K y + b)."""
    return F.gelu(K @ y + b)


def step(y: Tensor, K: Tensor, b: Tensor) -> Tensor:
    """Explicit midpoint: k₂ = f(t + h/2, y + h/2 k₁), y + h k₂."""
    k1 = dy_dt(y, K, b)
    k2 = dy_dt(y + H / 2 * k1, K, b)
    return y + H * k2


def likelihoods(targets: Tensor, dtype: torch.dtype) -> Tensor:
    """Integer classes as one-hot rows; likelihoods of the classes as they are."""
    if targets.ndim == 1:
        return F.one_hot(targets, OUTPUTS).to(dtype)
    return targets


class Network(nn.Module):
    """shared-layer: see the head of this file."""

    def __init__(self, weights: dict[str, np.ndarray] | None = None) -> None:
        super().__init__()
        weights = init() if weights is None else weights
        self.C = nn.Parameter(torch.tensor(weights["C"]))  # (n, n)
        self.b = nn.Parameter(torch.tensor(weights["b"]))  # (n,)
        self.W = nn.Parameter(torch.tensor(weights["W"]))  # (n, classes)
        self.mu = nn.Parameter(torch.tensor(weights["mu"]))  # (classes,)

    def operands(self) -> tuple[Tensor, ...]:
        """The one layer's weights: K = −Cᵀ C; vectors as columns."""
        K = negative_gram(self.C)
        b = self.b[..., None]
        return K, b

    def layers(self) -> Iterator[tuple[Tensor, ...]]:
        """The weights of one step after the other."""
        return iter([self.operands()] * STEPS)

    def initial_state(self, x: Tensor) -> Tensor:
        """y(0) = x; one column per example."""
        return x.T.contiguous()

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
        """f(t, y), rows (s, 3) in and out."""
        K = negative_gram(self.C)
        b = self.b[..., None]
        y = y.T
        return dy_dt(y, K, b).T

    def forward(self, x: Tensor) -> Tensor:
        """Logits W^T y(T) + mu, one row per example: (s, 3)."""
        y = self.final_state(x)
        logits = self.W.T @ y + self.mu[:, None]
        return logits.T

    def regularizer(self) -> Tensor:
        """R = alpha/2 sum |w|^2."""
        of = (self.W, self.mu)
        terms = torch.stack([(w**2).sum() for w in of])
        return ALPHA / 2 * terms.sum()

    def loss(self, x: Tensor, targets: Tensor) -> Tensor:
        """Mean over the examples of −Σ (C ⊙ log softmax(x)) + R; targets are classes
        (s,) or likelihoods (s, classes).
        """
        logits = self(x).T
        C = likelihoods(targets, logits.dtype).T
        losses = -(C * torch.log_softmax(logits, dim=0)).sum(dim=0)
        return losses.mean() + self.regularizer()


def main() -> None:
    """Print what this network is and take one gradient on a small batch."""
    print(__doc__)
    beside = Path(__file__).with_name("shared_layer.safetensors")
    arrays = load_file(beside) if beside.exists() else init()
    count = sum(value.size for value in arrays.values())
    print(f"{count:,} weights:", {n: v.shape for n, v in arrays.items()})
    network = Network(arrays)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(8, FEATURES)).astype("float64")
    targets = np.arange(8) % OUTPUTS
    value = network.loss(torch.tensor(x), torch.tensor(targets))
    value.backward()
    gradients = [w.grad for w in network.parameters() if w.grad is not None]
    norm = sum(g.square().sum().item() for g in gradients) ** 0.5
    print(f"loss {value.item():.6g}, gradient norm {norm:.6g} on 8 examples")


if __name__ == "__main__":
    main()
