"""leapfrog-shared: y'' = tanh(K y + b); y'(0) = 0,  0 <= t <= T.

Vector field   second-order, y in R^3
Integrator     leapfrog, N = 3 steps of h = T/N = 1/3 = 0.333333
Weights        one weight shared by all steps; 24 numbers
Readout        Wᵀ y + μ; 3 classes, softmax, cross-entropy
Regularizer    weight-decay of W, mu, α = 0.1
Stability      nothing is known of the spectrum by construction

Written by wellposed 0.1.0 (PyTorch) from the spec leapfrog-shared, 3148e96c.
It imports nothing of wellposed: change the spec and compile again, or own this file.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import load_file
from torch import Tensor, nn

State = tuple[Tensor, Tensor]

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
        "K": stream(seed, "K").normal(0.0, 3**-0.5, (3, 3)),
        "b": np.zeros(3),
        "W": stream(seed, "W").normal(0.0, 3**-0.5, (3, 3)),
        "mu": np.zeros(3),
    }
    return {name: value.astype("float64") for name, value in weights.items()}


def d2y_dt2(y: Tensor, K: Tensor, b: Tensor) -> Tensor:
    """y'' = tanh(K y + b)."""
    return torch.tanh(K @ y + b)


def step(y: Tensor, v: Tensor, K: Tensor, b: Tensor) -> State:
    """Leapfrog: v ← v + h f_j(y), y ← y + h v; for y alone y_{j+1} = 2 y_j − y_{j−1}
    + h² f_j(y_j).
    """
    v = v + H * d2y_dt2(y, K, b)
    y = y + H * v
    return y, v


def likelihoods(targets: Tensor, dtype: torch.dtype) -> Tensor:
    """Integer classes as one-hot rows; likelihoods of the classes as they are."""
    if targets.ndim == 1:
        return F.one_hot(targets, OUTPUTS).to(dtype)
    return targets


class Network(nn.Module):
    """leapfrog-shared: see the head of this file."""

    def __init__(self, weights: dict[str, np.ndarray] | None = None) -> None:
        super().__init__()
        weights = init() if weights is None else weights
        self.K = nn.Parameter(torch.tensor(weights["K"]))  # (n, n)
        self.b = nn.Parameter(torch.tensor(weights["b"]))  # (n,)
        self.W = nn.Parameter(torch.tensor(weights["W"]))  # (n, classes)
        self.mu = nn.Parameter(torch.tensor(weights["mu"]))  # (classes,)

    def operands(self) -> tuple[Tensor, ...]:
        """The one layer's weights: vectors as columns."""
        K = self.K
        b = self.b[..., None]
        return K, b

    def layers(self) -> Iterator[tuple[Tensor, ...]]:
        """The weights of one step after the other."""
        return iter([self.operands()] * STEPS)

    def initial_state(self, x: Tensor) -> State:
        """y(0) = x, v at -h/2 from y'(0) = 0; one column per example."""
        y = x.T.contiguous()
        K, b = next(self.layers())
        v = -(H / 2 * d2y_dt2(y, K, b))
        return y, v

    def final_state(self, x: Tensor) -> Tensor:
        """y(T), one column per example."""
        state = self.initial_state(x)
        for layer in self.layers():
            state = step(*state, *layer)
        return state[0]

    def trajectory(self, x: Tensor) -> Tensor:
        """y at t_0, ..., t_N: (N + 1, s, 3)."""
        state = self.initial_state(x)
        path = [state[0]]
        for layer in self.layers():
            state = step(*state, *layer)
            path.append(state[0])
        return torch.stack(path).mT

    def vector_field(self, t: float, y: Tensor) -> Tensor:
        """y'', rows (s, 3) in and out."""
        K = self.K
        b = self.b[..., None]
        y = y.T
        return d2y_dt2(y, K, b).T

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
    beside = Path(__file__).with_name("leapfrog_shared.safetensors")
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
