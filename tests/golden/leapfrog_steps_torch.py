"""leapfrog-steps: y'' = tanh(K y + b); y'(0) = 0,  0 <= t <= T.

Vector field   second-order, y in R^3
               K = −Cᵀ C
Integrator     leapfrog, N = 3 steps of h = T/N = 1/3 = 0.333333
Weights        linear in time between N + 1 nodes; 60 numbers
Readout        Wᵀ y + μ; 3 classes, softmax, cross-entropy
Regularizer    weight-decay of C, W, α = 0.1
               smoothness of C, b, α = 0.2
Stability      λ(∂f/∂y) ≤ 0 for all weights and states (0 ≤ σ' ≤ 1): ∂f/∂y = D M with D
               = diag σ' is similar to D^½ M D^½

Written by wellposed 0.1.0 (PyTorch) from the spec leapfrog-steps, d0061d7c.
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
ALPHA_1 = 0.1  # α
ALPHA_2 = 0.2  # α


def stream(seed: int, name: str) -> np.random.Generator:
    """A stream of its own for every weight: they do not depend on each other."""
    return np.random.default_rng([seed, *name.encode()])


def init(seed: int = 1) -> dict[str, np.ndarray]:
    """Initial weights, drawn by NumPy: the same numbers in every backend."""
    weights = {
        "C": np.repeat(
            stream(seed, "C").normal(0.0, 3**-0.5, (3, 3))[None], STEPS + 1, axis=0
        ),
        "b": np.zeros((STEPS + 1, 3)),
        "W": stream(seed, "W").normal(0.0, 3**-0.5, (3, 3)),
        "mu": np.zeros(3),
    }
    return {name: value.astype("float64") for name, value in weights.items()}


def negative_gram(C: Tensor) -> Tensor:
    """−Cᵀ C, of one matrix or of a stack of them."""
    return -C.mT @ C


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
    """leapfrog-steps: see the head of this file."""

    def __init__(self, weights: dict[str, np.ndarray] | None = None) -> None:
        super().__init__()
        weights = init() if weights is None else weights
        self.C = nn.Parameter(torch.tensor(weights["C"]))  # (N+1, n, n)
        self.b = nn.Parameter(torch.tensor(weights["b"]))  # (N+1, n)
        self.W = nn.Parameter(torch.tensor(weights["W"]))  # (n, classes)
        self.mu = nn.Parameter(torch.tensor(weights["mu"]))  # (classes,)

    def operands(self) -> tuple[Tensor, ...]:
        """The weights of all steps: K = −Cᵀ C; vectors as columns."""
        K = negative_gram(self.C[:-1])
        b = self.b[:-1][..., None]
        return K, b

    def layers(self) -> Iterator[tuple[Tensor, ...]]:
        """The weights of one step after the other."""
        return zip(*(w.unbind() for w in self.operands()), strict=True)

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
        """y'', rows (s, 3) in and out, with weights interpolated at t."""
        j = min(max(int(t / H + 1e-9), 0), STEPS - 1)
        theta = t / H - j
        K = negative_gram((1 - theta) * self.C[j] + theta * self.C[j + 1])
        b = ((1 - theta) * self.b[j] + theta * self.b[j + 1])[..., None]
        y = y.T
        return d2y_dt2(y, K, b).T

    def forward(self, x: Tensor) -> Tensor:
        """Logits W^T y(T) + mu, one row per example: (s, 3)."""
        y = self.final_state(x)
        logits = self.W.T @ y + self.mu[:, None]
        return logits.T

    def regularizer(self) -> Tensor:
        """R = alpha/2 sum |w|^2 + alpha/(2h) sum_j |w_{j+1} - w_j|^2."""
        of = (self.C, self.W)
        terms = torch.stack([(w**2).sum() for w in of])
        weight_decay = ALPHA_1 / 2 * terms.sum()
        of = (self.C, self.b)
        terms = torch.stack([((w[1:] - w[:-1]) ** 2).sum() for w in of])
        smoothness = ALPHA_2 / (2 * H) * terms.sum()
        return weight_decay + smoothness

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
    beside = Path(__file__).with_name("leapfrog_steps.safetensors")
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
